/* controls.c - the controls of bert-train --control on rows made by hand: what each keeps, what it changes, that the
 * seed alone decides, and what it refuses.
 */
#include "bert/controls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/teacher.h"

/* ---- a vocabulary and rows ---- */

enum { UNK, CLS, SEP, DOT, THE, SENTENCE, IS, NEGATIVE, POSITIVE, PIECE, FIRST_WORD, TOKENS = 400 };

static const char *text[TOKENS];
static uint8_t special[TOKENS];
static const struct token_table table = {text, TOKENS, "##", special, -1};
static const char *const labels[] = {"negative", "positive"};

static void make_vocabulary(void)
{
    static const char *const named[] = {"[UNK]", "[CLS]",    "[SEP]",    ".",         "the", "sentence",
                                        "is",    "negative", "Positive", "##nothing", NULL};
    static char words[TOKENS][8];
    for (int i = 0; i < TOKENS; i++) {
        snprintf(words[i], sizeof words[i], i % 5 == 4 ? "##p%d" : "w%d", i);
        text[i] = i < FIRST_WORD ? named[i] : words[i];
    }
    memset(special, 1, 3);
}

static struct control_setting setting(const struct rows *unlabelled, uint64_t seed)
{
    return (struct control_setting){unlabelled, &table, labels, 2, seed};
}

static void add_i32(struct rows *rows, const char *name, int32_t value)
{
    buf_add(&rows_column(rows, name, ST_I32, COLUMN_ROW, 1)->values, &value, sizeof value);
}

static void add_list(struct rows *rows, const char *name, const int32_t *ids, size_t n)
{
    struct column *c = rows_column(rows, name, ST_I32, COLUMN_LIST, 1);
    if (n > 0)
        buf_add(&c->values, ids, n * sizeof *ids);
    int64_t end = (int64_t)(c->values.len / sizeof *ids);
    buf_add(&c->offsets, &end, sizeof end);
}

enum { WORDS = 10, LENGTH = WORDS + 3, SEQUENCES = TOKENS - FIRST_WORD - 32 };

/* Row i: ten tokens and a full stop between [CLS] and [SEP]; a reasoning of 9 + i % 4 tokens; an edit; cues: one of two
 * tokens, one of one, one modifier. All tokens follow from i. */
static void add_row(struct rows *rows, int label, int teacher, bool has_cues)
{
    int i = (int)rows->n, start = FIRST_WORD + (7 * i) % SEQUENCES;
    int32_t ids[LENGTH] = {CLS}, reason[16], edit[4] = {CLS, start, start + 1, SEP};
    uint8_t marks[LENGTH] = {0, 2, 2, 0, 0, 0, 3, 0, 0, 4, 0, 0, 0};
    for (int j = 0; j < WORDS; j++)
        ids[1 + j] = start + j;
    ids[WORDS + 1] = DOT;
    ids[WORDS + 2] = SEP;
    for (int j = 0; j < 16; j++)
        reason[j] = start + 2 * j;
    if (!has_cues)
        memset(marks, CUE_ROW_UNMARKED, sizeof marks);
    add_list(rows, "ids", ids, LENGTH);
    add_list(rows, "reason_ids", reason, teacher < 0 ? 0 : 9 + (size_t)i % 4);
    add_list(rows, "edit_ids", edit, teacher < 0 || i % 3 == 0 ? 0 : 4);
    buf_add(&rows_column(rows, "cues", ST_U8, COLUMN_TOKEN, 1)->values, marks, LENGTH);
    add_i32(rows, "label", label);
    add_i32(rows, "teacher_label", teacher);
    rows->n++;
}

enum { ROWS = 40, CONTRADICTED = 11, ALONE = 17 };

/* Row 11's teacher is contradicted by the gold label; row 17 has no teacher; rows from 20 on have no gold label. */
static struct rows example(void)
{
    struct rows rows = {0};
    for (int i = 0; i < ROWS; i++) {
        int teacher = i == ALONE ? -1 : i % 2;
        add_row(&rows, i >= 20 ? -1 : i == CONTRADICTED ? 0 : i % 2, teacher, i != ALONE && i != 5);
    }
    return rows;
}

static void apply(const char *name, struct rows *rows, const struct rows *unlabelled, uint64_t seed)
{
    const struct control_setting s = setting(unlabelled, seed);
    struct error err = {0};
    if (!ok(controls_apply(name, rows, &s, &err) == 0, "%s", name))
        note("%s", err.text);
}

/* ---- comparisons ---- */

static bool same_column(const struct rows *a, const struct rows *b, const char *name)
{
    const struct column *x = rows_find(a, name), *y = rows_find(b, name);
    return x && y && x->values.len == y->values.len && x->offsets.len == y->offsets.len &&
           memcmp(x->values.data, y->values.data, x->values.len) == 0 &&
           (x->offsets.len == 0 || memcmp(x->offsets.data, y->offsets.data, x->offsets.len) == 0);
}

static bool same_list(const struct rows *a, const char *name, uint64_t i, const struct rows *b, const char *other,
                      uint64_t j)
{
    size_t n, m;
    const int32_t *x = rows_list(a, name, i, &n), *y = rows_list(b, other, j, &m);
    return n == m && (n == 0 || memcmp(x, y, n * sizeof *x) == 0);
}

static int32_t value(const struct rows *rows, const char *name, uint64_t row)
{
    return column_i32(rows_find(rows, name))[row];
}

/* The row of `from` that the list came from; from->n: from none. All lists of the example differ. */
static uint64_t origin(const struct rows *rows, const char *name, uint64_t row, const struct rows *from,
                       const char *other)
{
    for (uint64_t j = 0; j < from->n; j++)
        if (same_list(rows, name, row, from, other, j))
            return j;
    return from->n;
}

/* Nothing else changes, the seed decides, and another one decides otherwise (unless nothing is random). */
static void changes_only(const char *control, const char *column, const struct rows *unlabelled, bool random)
{
    static const char *const columns[] = {"ids", "label", "teacher_label", "reason_ids", "edit_ids", "cues"};
    struct rows before = example(), once = example(), again = example(), other = example();
    apply(control, &once, unlabelled, 7);
    apply(control, &again, unlabelled, 7);
    apply(control, &other, unlabelled, 8);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (strcmp(columns[i], column) != 0)
            ok(same_column(&before, &once, columns[i]), "%s leaves %s alone", control, columns[i]);
    if (rows_find(&before, column))
        ok(!same_column(&before, &once, column), "%s changes %s", control, column);
    ok(same_column(&once, &again, column), "%s: the same seed, the same rows", control);
    ok(same_column(&once, &other, column) == !random, "%s: another seed", control);
    rows_free(&before);
    rows_free(&once);
    rows_free(&again);
    rows_free(&other);
}

/* ---- permutations ---- */

static void test_permutation(const char *control, const char *name, bool within_class)
{
    struct rows before = example(), rows = example();
    size_t times[ROWS] = {0}, fixed = 0, permuted = 0, wrong = 0, crossing = 0;
    apply(control, &rows, NULL, 3);
    for (uint64_t i = 0; i < ROWS; i++) {
        size_t n, m;
        rows_list(&before, name, i, &n);
        rows_list(&rows, name, i, &m);
        wrong += (n > 0) != (m > 0);
        if (n == 0 || i == CONTRADICTED)
            continue;
        uint64_t from = origin(&rows, name, i, &before, name);
        permuted++;
        fixed += from == i;
        wrong += from == ROWS || from == CONTRADICTED || times[from]++ > 0;
        crossing += from < ROWS && value(&before, "teacher_label", from) != value(&before, "teacher_label", i);
    }
    is_long((long long)wrong, 0, "%s: each once, none that a gold label contradicts", control);
    is_long((long long)fixed, 0, "%s: no row keeps its own", control);
    ok(permuted > 20, "%s: %zu rows take part", control, permuted);
    ok(same_list(&before, name, CONTRADICTED, &rows, name, CONTRADICTED), "%s: what is not used stays", control);
    ok((crossing == 0) == within_class, "%s: %zu come from the other class", control, crossing);
    rows_free(&before);
    rows_free(&rows);
    changes_only(control, name, NULL, true);
}

/* ---- reasonings ---- */

static int compare(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void test_tokens_shuffled(void)
{
    struct rows before = example(), rows = example();
    size_t wrong = 0, torn = 0, same = 0;
    apply("reason-tokens-shuffled", &rows, NULL, 3);
    for (uint64_t i = 0; i < ROWS; i++) {
        size_t n, m;
        int32_t a[16], b[16];
        const int32_t *x = rows_list(&before, "reason_ids", i, &n), *y = rows_list(&rows, "reason_ids", i, &m);
        same += n > 0 && same_list(&before, "reason_ids", i, &rows, "reason_ids", i);
        for (size_t j = 1; j < n && n == m; j++) /* "##..." stays behind what it stood behind */
            for (size_t k = 0; x[j] % 5 == 4 && k < m; k++)
                torn += y[k] == x[j] && (k == 0 || y[k - 1] != x[j - 1]);
        memcpy(a, x, n * sizeof *a);
        memcpy(b, y, m * sizeof *b);
        qsort(a, n, sizeof *a, compare);
        qsort(b, m, sizeof *b, compare);
        wrong += n != m || memcmp(a, b, n * sizeof *a) != 0;
    }
    is_long((long long)wrong, 0, "each reasoning has the tokens that it had");
    ok(same <= 2, "in another order (%zu as they were)", same);
    is_long((long long)torn, 0, "and no word is torn");
    rows_free(&before);
    rows_free(&rows);
    changes_only("reason-tokens-shuffled", "reason_ids", NULL, true);
}

/* How many tokens from y on are the words of that row. */
static size_t matches(const struct rows *rows, uint64_t row, const int32_t *y, size_t left)
{
    size_t n, length = left < WORDS + 1 ? left : WORDS + 1;
    const int32_t *ids = rows_list(rows, "ids", row, &n);
    return memcmp(ids + 1, y, length * sizeof *y) == 0 ? length : 0;
}

static void test_training_text(void)
{
    struct rows before = example(), rows = example();
    size_t wrong = 0, pieces = 0;
    apply("reason-training-text", &rows, NULL, 3);
    for (uint64_t i = 0; i < ROWS; i++) {
        size_t n, m, used = 0;
        rows_list(&before, "reason_ids", i, &n);
        const int32_t *y = rows_list(&rows, "reason_ids", i, &m);
        wrong += n != m;
        while (i != CONTRADICTED && used < m) {
            size_t length = 0;
            for (uint64_t other = 0; other < ROWS && length == 0; other++)
                length = other == i ? 0 : matches(&rows, other, y + used, m - used);
            wrong += length == 0;
            used += length ? length : m;
            pieces++;
        }
    }
    is_long((long long)wrong, 0, "each reasoning is text of other rows, as long as it was");
    ok(pieces > ROWS, "more than one row's where one is too short");
    rows_free(&before);
    rows_free(&rows);
    changes_only("reason-training-text", "reason_ids", NULL, true);
}

static void test_label_sentence(void)
{
    struct rows rows = example();
    static const int32_t expected[2][4] = {{THE, SENTENCE, IS, NEGATIVE}, {THE, SENTENCE, IS, POSITIVE}};
    size_t wrong = 0, n;
    apply("reason-label-sentence", &rows, NULL, 3);
    for (uint64_t i = 0; i < ROWS; i++) {
        const int32_t *y = rows_list(&rows, "reason_ids", i, &n);
        if (i == ALONE)
            wrong += n != 0;
        else if (i != CONTRADICTED)
            wrong += n != 4 || memcmp(y, expected[i % 2], sizeof expected[0]) != 0;
    }
    is_long((long long)wrong, 0, "the sentence is negative, or positive, whatever the spelling's capitals");
    rows_free(&rows);
    changes_only("reason-label-sentence", "reason_ids", NULL, false);
}

static void test_sentence(void)
{
    struct rows rows = example();
    size_t wrong = 0, n, length;
    apply("reason-sentence", &rows, NULL, 3);
    for (uint64_t i = 0; i < ROWS; i++) {
        const int32_t *y = rows_list(&rows, "reason_ids", i, &n), *ids = rows_list(&rows, "ids", i, &length);
        if (i != ALONE && i != CONTRADICTED)
            wrong += n != length - 2 || memcmp(y, ids + 1, n * sizeof *y) != 0;
    }
    is_long((long long)wrong, 0, "the reasoning is the sentence without its special tokens");
    rows_free(&rows);
    changes_only("reason-sentence", "reason_ids", NULL, false);
}

/* ---- edits ---- */

/* Rows of which only `teachers` have a teacher. */
static struct rows further(int rows, int teachers)
{
    struct rows further = {0};
    for (int i = 0; i < rows; i++)
        add_row(&further, 1 - i % 2, i % 3 < 2 && teachers-- > 0 ? i % 2 : -1, false);
    return further;
}

/* list: which list of the other rows an edit becomes; with edit_ids it has the label that theirs is not. */
static void test_edits(const char *control, const struct rows *others, const char *list, const char *label, bool same)
{
    bool flipped = strcmp(list, "edit_ids") == 0;
    struct rows before = example(), rows = example();
    const struct rows *from = same ? &before : others;
    size_t wrong = 0, own = 0, edits = 0, often = 0, times[100] = {0};
    apply(control, &rows, others, 3);
    for (uint64_t i = 0; i < ROWS; i++) {
        size_t n;
        rows_list(&before, "edit_ids", i, &n);
        if (n == 0 || i == CONTRADICTED) {
            rows_list(&rows, "edit_ids", i, &n);
            wrong += n != 0 || value(&rows, "edit_label", i) != -1;
            continue;
        }
        uint64_t at = origin(&rows, "edit_ids", i, from, list);
        edits++;
        own += same && at == i;
        int32_t its = at == from->n ? -1 : value(from, label, at);
        wrong += its < 0 || value(&rows, "edit_label", i) != (flipped ? 1 - its : its);
        often += at < 100 && times[at]++ > (same ? 1 : 0);
    }
    is_long((long long)wrong, 0, "%s: each used edit is a row with its %s, others are none", control, label);
    is_long((long long)own, 0, "%s: never the row itself", control);
    is_long((long long)often, 0, "%s: rows in turn", control);
    is_long((long long)edits, 24, "%s: as many as before", control);
    rows_free(&before);
    rows_free(&rows);
    changes_only(control, "edit_ids", others, true);
}

/* ---- cues ---- */

/* Counts of spans by mark and length in words (a word is a piece and what continues it, without punctuation). */
static void count_spans(const struct rows *rows, uint64_t row, size_t counts[5][WORDS + 1])
{
    size_t n, words = 0;
    const int32_t *ids = rows_list(rows, "ids", row, &n);
    const uint8_t *marks = column_u8(rows_find(rows, "cues")) + row * LENGTH;
    memset(counts, 0, 5 * sizeof counts[0]);
    for (size_t i = 0; i < n; i++) {
        if (marks[i] == CUE_NONE || marks[i] > CUE_MODIFIER)
            continue;
        words += ids[i] != DOT && (ids[i] % 5 != 4 || i == 1 || marks[i - 1] != marks[i]);
        if (i + 1 == n || marks[i + 1] != marks[i]) {
            counts[marks[i]][words]++;
            words = 0;
        }
    }
}

static void test_cues_random(void)
{
    struct rows before = example(), rows = example();
    size_t wrong = 0, torn = 0, moved = 0;
    apply("cues-random", &rows, NULL, 3);
    for (uint64_t i = 0; i < ROWS; i++) {
        size_t a[5][WORDS + 1], b[5][WORDS + 1], n;
        const int32_t *ids = rows_list(&rows, "ids", i, &n);
        const uint8_t *was = column_u8(rows_find(&before, "cues")) + i * LENGTH,
                      *is = column_u8(rows_find(&rows, "cues")) + i * LENGTH;
        if (was[0] == CUE_ROW_UNMARKED) {
            wrong += memcmp(was, is, LENGTH) != 0;
            continue;
        }
        count_spans(&before, i, a);
        count_spans(&rows, i, b);
        wrong += memcmp(a, b, sizeof a) != 0 || is[0] != CUE_NONE || is[LENGTH - 1] != CUE_NONE;
        moved += memcmp(was, is, LENGTH) != 0;
        for (size_t j = 2; j < n; j++)
            torn += ids[j] % 5 == 4 && ids[j] >= FIRST_WORD && is[j] != is[j - 1];
    }
    is_long((long long)wrong, 0, "as many spans of each polarity and number of words as before");
    is_long((long long)torn, 0, "of whole words");
    ok(moved > 30, "at other places (%zu rows)", moved);
    rows_free(&before);
    rows_free(&rows);
    changes_only("cues-random", "cues", NULL, true);
}

/* A row that is full of cues has no other place for them than another order. */
static void test_cues_crowded(void)
{
    static const int32_t ids[] = {CLS, 20, 21, 22, DOT, SEP};
    static const uint8_t full[] = {0, 2, 3, 3, 3, 0}, over[] = {0, 2, 2, 2, 4, 0};
    struct rows rows = {0};
    const uint8_t *marks[] = {full, over};
    for (int i = 0; i < 2; i++) {
        add_list(&rows, "ids", ids, 6);
        buf_add(&rows_column(&rows, "cues", ST_U8, COLUMN_TOKEN, 1)->values, marks[i], 6);
        add_i32(&rows, "label", 1);
        add_i32(&rows, "teacher_label", 1);
        rows.n++;
    }
    apply("cues-random", &rows, NULL, 3);
    const uint8_t *is = column_u8(rows_find(&rows, "cues"));
    ok(memcmp(is, "\0\2\3\3\0\0", 6) == 0 || memcmp(is, "\0\3\3\2\0\0", 6) == 0, "spans side by side, words alone");
    ok(memcmp(is + 6, over, 6) == 0, "more spans than words: the row stays");
    rows_free(&rows);
}

static void test_cues_polarity(void)
{
    struct rows before = example(), rows;
    size_t counts[2] = {0}, now[2] = {0}, wrong = 0, turned = 0;
    uint8_t *marks = (uint8_t *)rows_find(&before, "cues")->values.data;
    for (size_t i = 0; i < 10 * LENGTH; i++) /* the first ten rows have no polarity of their own */
        marks[i] = marks[i] == 2 || marks[i] == 3 ? CUE_DECISIVE : marks[i];
    rows = (struct rows){0};
    struct error err = {0};
    ok(rows_append(&rows, &before, &err) == 0, "a copy");
    apply("cues-shuffled-polarity", &rows, NULL, 3);
    const uint8_t *is = column_u8(rows_find(&rows, "cues"));
    for (size_t i = 0; i < ROWS * LENGTH; i++) {
        size_t row = i / LENGTH;
        if (marks[i] == CUE_NONE || marks[i] > 3 || row == CONTRADICTED) {
            wrong += is[i] != marks[i];
            continue;
        }
        uint8_t own = marks[i] != CUE_DECISIVE ? marks[i] : row % 2 ? CUE_FAVOURABLE : CUE_UNFAVOURABLE;
        wrong += is[i] != CUE_FAVOURABLE && is[i] != CUE_UNFAVOURABLE;
        if (marks[i - 1] != marks[i]) { /* once a span */
            counts[own == CUE_FAVOURABLE]++;
            now[is[i] == CUE_FAVOURABLE]++;
            turned += is[i] != own;
        } else {
            wrong += is[i] != is[i - 1];
        }
    }
    is_long((long long)wrong, 0, "the spans stay, and so do modifiers and what is not used");
    ok(counts[0] == now[0] && counts[1] == now[1] && now[0] > 20, "as many of each polarity: %zu and %zu", now[0],
       now[1]);
    ok(turned > 10, "%zu spans have the other one", turned);
    rows_free(&before);
    rows_free(&rows);
    changes_only("cues-shuffled-polarity", "cues", NULL, true);
}

static void test_cues_all_words(void)
{
    struct rows rows = example(), bare = {0};
    size_t wrong = 0;
    apply("cues-all-words", &rows, NULL, 3);
    for (size_t i = 0; i < ROWS * LENGTH; i++) {
        bool is_word = i % LENGTH > 0 && i % LENGTH <= WORDS;
        uint8_t expected = i / LENGTH == ALONE ? CUE_ROW_UNMARKED : is_word ? CUE_DECISIVE : CUE_NONE;
        wrong += column_u8(rows_find(&rows, "cues"))[i] != expected;
    }
    is_long((long long)wrong, 0, "every word of a row with a teacher, no punctuation, no special token");
    rows_free(&rows);
    static const int32_t ids[] = {CLS, 20, SEP};
    add_list(&bare, "ids", ids, 3);
    add_i32(&bare, "label", -1);
    add_i32(&bare, "teacher_label", 1);
    bare.n = 1;
    apply("cues-all-words", &bare, NULL, 3);
    ok(rows_find(&bare, "cues") && memcmp(rows_find(&bare, "cues")->values.data, "\0\1\0", 3) == 0,
       "also where the teacher named no cue at all");
    rows_free(&bare);
    changes_only("cues-all-words", "cues", NULL, false);
}

/* ---- soft ---- */

static void test_smoothing(void)
{
    struct rows rows = {0};
    struct teacher before, after;
    struct error err = {0};
    double left = 0, now = 0, first = -1;
    size_t wrong = 0, used = 0;
    for (int i = 0; i < 100; i++) { /* confidence tells how often the teacher is right */
        float confidence = i % 2 ? 0.9f : 0.6f;
        add_i32(&rows, "label", i >= 80 ? -1 : i % 10 == 0 ? 1 - i / 2 % 2 : i / 2 % 2);
        add_i32(&rows, "teacher_label", i == 99 ? -1 : i / 2 % 2);
        buf_add(&rows_column(&rows, "confidence", ST_F32, COLUMN_ROW, 1)->values, &confidence, sizeof confidence);
        rows.n++;
    }
    ok(teacher_estimate(&before, &rows, 2, &err) == 0 && before.calibrated, "a calibrated teacher");
    apply("soft-smoothing", &rows, NULL, 3);
    ok(teacher_estimate(&after, &rows, 2, &err) == 0, "probabilities that are some");
    for (size_t i = 0; i < 100; i++) {
        int32_t label = value(&rows, "label", i) >= 0 ? value(&rows, "label", i) : value(&rows, "teacher_label", i);
        if (label < 0) {
            wrong += after.probabilities[2 * i] != -1;
            continue;
        }
        double e = 1 - after.probabilities[2 * i + (size_t)label];
        first = first < 0 ? e : first;
        wrong += e != first;
        left += 1 - before.probabilities[2 * i + (size_t)label];
        now += e;
        used++;
    }
    is_long((long long)wrong, 0, "every label is smoothed alike, gold where it is known");
    near(now / (double)used, left / (double)used, 1e-7, "by the mean of what the teacher leaves to other classes");
    ok(first > 0.05 && first < 0.5 && used == 99, "which is %g", first);
    teacher_free(&before);
    teacher_free(&after);
    rows_free(&rows);
}

/* Votes without a label of the teacher: the likeliest class is smoothed. */
static void test_smoothing_votes(void)
{
    static const float probs[] = {0.75f, 0.25f, 0.0f, 1.0f, -1, -1};
    struct rows rows = {0};
    for (int i = 0; i < 3; i++)
        add_i32(&rows, "label", -1);
    buf_add(&rows_column(&rows, "teacher_probs", ST_F32, COLUMN_ROW, 2)->values, probs, sizeof probs);
    rows.n = 3;
    apply("soft-smoothing", &rows, NULL, 3);
    const float *p = column_f32(rows_find(&rows, "teacher_probs"));
    ok(p[0] == 0.875f && p[1] == 0.125f && p[2] == 0.125f && p[3] == 0.875f && p[4] == -1, "votes");
    rows_free(&rows);
}

/* ---- refusals ---- */

static void refuses(const char *name, struct rows *rows, const struct rows *unlabelled, size_t classes, int status,
                    const char *message)
{
    static const char *const others[] = {"negative", "excellent", "none"};
    struct control_setting s = setting(unlabelled, 1);
    struct error err = {0};
    if (classes > 2)
        s.labels = others;
    s.classes = classes;
    int result = controls_apply(name, rows, &s, &err);
    err.text[strlen(err.text) > strlen(message) ? strlen(message) : strlen(err.text)] = '\0';
    is_string(result < 0 ? err.text : "(accepted)", message, "%s is refused", name);
    is_long(err.status, status, "%s: its status", name);
    rows_free(rows);
}

/* Two rows with nothing but a label and perhaps the teacher's. */
static struct rows bare(int teacher)
{
    static const int32_t ids[] = {CLS, 20, SEP};
    struct rows rows = {0};
    for (; rows.n < 2; rows.n++) {
        add_list(&rows, "ids", ids, 3);
        add_i32(&rows, "label", 1);
        add_i32(&rows, "teacher_label", teacher);
    }
    return rows;
}

static void test_refusals(void)
{
    static const char *const reasons[] = {"reason-shuffled",       "reason-shuffled-class", "reason-tokens-shuffled",
                                          "reason-label-sentence", "reason-sentence",       "reason-training-text"};
    static const char *const edits[] = {"edits-shuffled", "edits-repeat"};
    static const char *const cues[] = {"cues-random", "cues-shuffled-polarity"};
    char message[256];
    struct rows rows, few = further(20, 10);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        rows = bare(1);
        snprintf(message, sizeof message,
                 "--control %s: no row has a reasoning of its teacher, which the control changes; run groq-reason "
                 "before wp-tokenize",
                 reasons[i]);
        refuses(reasons[i], &rows, NULL, 2, STATUS_FAILURE, message);
    }
    for (size_t i = 0; i < 2; i++) {
        rows = bare(1);
        snprintf(message, sizeof message, "--control %s: no row has a counterfactual of its teacher", edits[i]);
        refuses(edits[i], &rows, NULL, 2, STATUS_FAILURE, message);
        rows = bare(1);
        snprintf(message, sizeof message, "--control %s: no row has cues of its teacher, which the control", cues[i]);
        refuses(cues[i], &rows, NULL, 2, STATUS_FAILURE, message);
    }
    rows = bare(-1);
    refuses("cues-all-words", &rows, NULL, 2, STATUS_FAILURE,
            "--control cues-all-words: no row has a label of its teacher, which the control gives to its words; run");
    rows = bare(-1);
    refuses("soft-smoothing", &rows, NULL, 2, STATUS_FAILURE,
            "--control soft-smoothing: no row has a teacher's answer, which the control changes; run groq-reason");
    rows = example();
    refuses("edits-more-rows", &rows, NULL, 2, STATUS_USAGE,
            "--control edits-more-rows: the further rows come from --unlabelled FILE, where the teacher must have");
    rows = example();
    refuses("edits-more-rows", &rows, &few, 2, STATUS_USAGE,
            "--control edits-more-rows: 10 rows of --unlabelled have a teacher's label, but there are 24 edits to "
            "replace; give it more rows that went through groq-reason");
    rows = example();
    refuses("reason-label-sentence", &rows, NULL, 3, STATUS_USAGE,
            "--control reason-label-sentence: the vocabulary has no token 'excellent', the name of a class; name the");
    rows = example();
    refuses("cues-shuffled-polarity", &rows, NULL, 3, STATUS_FAILURE,
            "--control cues-shuffled-polarity: a polarity is one of two classes, but there are 3");
    rows = example();
    refuses("reason-shuffled", &rows, NULL, 1, STATUS_FAILURE,
            "row 2: label 1, but there are 1 classes (0 to 0); name all of them in wp-tokenize --labels");
    rows = example();
    refuses("reasons", &rows, NULL, 2, STATUS_USAGE, "--control: there is no 'reasons'; there are reason-shuffled|");
    rows_free(&few);
}

/* Every choice of the option is a control, and the tests above meet each. */
static void test_choices(void)
{
    char choices[] = CONTROL_CHOICES, *save = NULL;
    size_t n = 0;
    struct rows more = further(100, 60);
    for (char *name = strtok_r(choices, "|", &save); name; name = strtok_r(NULL, "|", &save), n++) {
        struct rows rows = example();
        apply(name, &rows, &more, 1);
        rows_free(&rows);
    }
    is_long((long long)n, 14, "the controls");
    rows_free(&more);
}

int main(void)
{
    struct rows more = further(90, 60);
    make_vocabulary();
    test_permutation("reason-shuffled", "reason_ids", false);
    test_permutation("reason-shuffled-class", "reason_ids", true);
    test_permutation("edits-shuffled", "edit_ids", true);
    test_tokens_shuffled();
    test_training_text();
    test_label_sentence();
    test_sentence();
    test_edits("edits-more-rows", &more, "ids", "teacher_label", false);
    test_edits("edits-other-rows", &more, "edit_ids", "teacher_label", false);
    test_edits("edits-repeat", &more, "ids", "label", true);
    test_cues_random();
    test_cues_crowded();
    test_cues_polarity();
    test_cues_all_words();
    test_smoothing();
    test_smoothing_votes();
    test_refusals();
    test_choices();
    rows_free(&more);
    return done_testing();
}
