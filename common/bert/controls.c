/* controls.c - see controls.h: the table of controls, and those of the reasoning, the edits and the teacher's
 * probabilities; those of the cues are in control_cues.c.
 */
#include "bert/controls.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/rng.h"
#include "bert/control_cues.h"
#include "bert/objectives/piece_words.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/teacher.h"

enum { RNG_CONTROL = 11 }; /* stream of random numbers */

/* ---- a list column that is written anew ---- */

struct list {
    struct buf values, offsets;
};

static void list_add(struct list *l, const int32_t *ids, size_t n)
{
    int64_t end;
    if (l->offsets.len == 0) {
        end = 0;
        buf_add(&l->offsets, &end, sizeof end);
    }
    if (n > 0)
        buf_add(&l->values, ids, n * sizeof *ids);
    end = (int64_t)(l->values.len / sizeof *ids);
    buf_add(&l->offsets, &end, sizeof end);
}

/* The column becomes the list. */
static void list_put(struct list *l, struct rows *rows, const char *name)
{
    struct column *c = rows_find(rows, name);
    buf_free(&c->values);
    buf_free(&c->offsets);
    c->values = l->values;
    c->offsets = l->offsets;
    *l = (struct list){0};
}

static void list_free(struct list *l)
{
    buf_free(&l->values);
    buf_free(&l->offsets);
}

static const char ask_teacher[] = "run groq-reason before wp-tokenize";

static int nothing(const char *what, const char *cure, struct error *err)
{
    return error_set(err, STATUS_FAILURE, "no row has %s, which the control changes; %s", what, cure);
}

static int no_list(const char *name, struct error *err)
{
    bool edits = strcmp(name, "edit_ids") == 0;
    return nothing(edits ? "a counterfactual of its teacher" : "a reasoning of its teacher", ask_teacher, err);
}

/* Whether a term would use the row's list. What argues against a known gold label is not used (reasoning.h), so that a
 * control must neither give it to other rows nor count it. */
static bool is_used(const struct rows *rows, const char *name, uint64_t row)
{
    size_t n;
    rows_list(rows, name, row, &n);
    return n > 0 && reasoning_label(rows, row) >= 0;
}

/* ---- permutations ---- */

/* Those of which[0..n) in a random cycle: from[i] is another one of them wherever there are two. */
static void cycle(uint64_t *which, size_t n, uint64_t *from, struct rng *rng)
{
    rng_shuffle(rng, which, n);
    for (size_t i = 0; i < n; i++)
        from[which[i]] = which[(i + 1) % n];
}

/* Used lists are permuted, among the rows of one teacher's label where within_class. */
static int permute_list(struct rows *rows, const char *name, bool within_class, const struct control_setting *s,
                        struct error *err)
{
    uint64_t *which = xmalloc_array(rows->n, sizeof *which), *from = xmalloc_array(rows->n, sizeof *from);
    struct list changed = {0};
    struct rng rng;
    size_t found = 0, length;
    rng_init(&rng, s->seed, RNG_CONTROL);
    for (size_t i = 0; i < rows->n; i++)
        from[i] = i;
    for (size_t class = 0; class < (within_class ? s->classes : 1); class ++) {
        size_t n = 0;
        for (size_t i = 0; i < rows->n; i++)
            if (is_used(rows, name, i) && (!within_class || reasoning_label(rows, i) == (int32_t) class))
                which[n++] = i;
        cycle(which, n, from, &rng);
        found += n;
    }
    for (size_t i = 0; found > 0 && i < rows->n; i++) {
        const int32_t *ids = rows_list(rows, name, from[i], &length);
        list_add(&changed, ids, length);
    }
    if (found > 0)
        list_put(&changed, rows, name);
    free(which);
    free(from);
    return found > 0 ? 0 : no_list(name, err);
}

static int shuffle_reasons(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return permute_list(rows, "reason_ids", false, s, err);
}

static int shuffle_reasons_in_class(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return permute_list(rows, "reason_ids", true, s, err);
}

static int shuffle_edits(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return permute_list(rows, "edit_ids", true, s, err);
}

/* ---- reasonings made of something else ---- */

/* What the makers of reasonings share. */
struct making {
    const struct rows *rows;
    const struct control_setting *setting;
    struct rng rng;
    struct list out;
    uint64_t *texts; /* rows that have words */
    size_t n_texts;
    int32_t *sentences; /* [classes, LABEL_WORDS]; -1: the vocabulary has no such word */
};

enum { LABEL_WORDS = 4 };

/* Appends to out what replaces the reasoning ids[0..n) of a row. */
typedef void replacement(struct making *m, uint64_t row, const int32_t *ids, size_t n);

static int replace_reasons(struct rows *rows, replacement *replace, struct making *m, struct error *err)
{
    size_t found = 0, n;
    m->rows = rows;
    rng_init(&m->rng, m->setting->seed, RNG_CONTROL);
    for (size_t i = 0; i < rows->n; i++) {
        const int32_t *ids = rows_list(rows, "reason_ids", i, &n);
        if (is_used(rows, "reason_ids", i)) {
            replace(m, i, ids, n);
            found++;
        } else {
            list_add(&m->out, ids, n);
        }
    }
    if (found > 0) {
        list_put(&m->out, rows, "reason_ids");
        return 0;
    }
    list_free(&m->out);
    return no_list("reason_ids", err);
}

/* The words stay whole: their pieces in any order would be other words, and those that name the verdict could no longer
 * be told (verdict.h). */
static void own_words_shuffled(struct making *m, uint64_t row, const int32_t *ids, size_t n)
{
    uint64_t *begins = xmalloc_array(n, sizeof *begins);
    int32_t *shuffled = xmalloc_array(n, sizeof *shuffled);
    size_t words = 0, used = 0;
    (void)row;
    for (size_t i = 0; i < n; i = piece_word_end(m->setting->tokens, ids, n, i))
        begins[words++] = i;
    rng_shuffle(&m->rng, begins, words);
    for (size_t w = 0; w < words; w++) {
        size_t length = piece_word_end(m->setting->tokens, ids, n, begins[w]) - begins[w];
        memcpy(shuffled + used, ids + begins[w], length * sizeof *ids);
        used += length;
    }
    list_add(&m->out, shuffled, n);
    free(begins);
    free(shuffled);
}

static int shuffle_reason_tokens(struct rows *rows, const struct control_setting *s, struct error *err)
{
    struct making m = {.setting = s};
    return replace_reasons(rows, own_words_shuffled, &m, err);
}

/* What stands between the special tokens at a row's ends. */
static const int32_t *row_words(const struct rows *rows, uint64_t row, size_t *n)
{
    const int32_t *ids = rows_list(rows, "ids", row, n);
    *n = *n > 2 ? *n - 2 : 0;
    return ids + 1;
}

static void training_text(struct making *m, uint64_t row, const int32_t *ids, size_t n)
{
    int32_t *text = xmalloc_array(n, sizeof *text);
    (void)ids;
    for (size_t used = 0, length; used < n;) {
        uint64_t other = m->texts[rng_below(&m->rng, m->n_texts)];
        const int32_t *words = row_words(m->rows, other, &length);
        if (other == row)
            continue;
        length = length < n - used ? length : n - used;
        memcpy(text + used, words, length * sizeof *words);
        used += length;
    }
    list_add(&m->out, text, n);
    free(text);
}

static int reasons_of_training_text(struct rows *rows, const struct control_setting *s, struct error *err)
{
    struct making m = {.setting = s, .texts = xmalloc_array(rows->n, sizeof *m.texts)};
    size_t n;
    int result;
    for (size_t i = 0; i < rows->n; i++) {
        row_words(rows, i, &n);
        if (n > 0)
            m.texts[m.n_texts++] = i;
    }
    if (m.n_texts < 2)
        result = error_set(err, STATUS_FAILURE, "fewer than two rows have words; train on more rows");
    else
        result = replace_reasons(rows, training_text, &m, err);
    free(m.texts);
    return result;
}

static void own_sentence(struct making *m, uint64_t row, const int32_t *ids, size_t n)
{
    const int32_t *words = row_words(m->rows, row, &n);
    (void)ids;
    list_add(&m->out, words, n);
}

static int reasons_of_sentence(struct rows *rows, const struct control_setting *s, struct error *err)
{
    struct making m = {.setting = s};
    return replace_reasons(rows, own_sentence, &m, err);
}

/* The token of a whole word, in that spelling or else with other capitals; -1: the vocabulary has none. */
static int32_t token_of(const struct token_table *tokens, const char *word)
{
    int32_t found = -1;
    for (size_t i = 0; i < tokens->n; i++) {
        if (strcmp(tokens->text[i], word) == 0)
            return (int32_t)i;
        if (found < 0 && strcasecmp(tokens->text[i], word) == 0)
            found = (int32_t)i;
    }
    return found;
}

static void label_sentence(struct making *m, uint64_t row, const int32_t *ids, size_t n)
{
    const int32_t *words = m->sentences + LABEL_WORDS * (size_t)reasoning_label(m->rows, row);
    int32_t sentence[LABEL_WORDS];
    size_t used = 0;
    (void)ids, (void)n;
    for (size_t w = 0; w < LABEL_WORDS; w++)
        if (words[w] >= 0)
            sentence[used++] = words[w];
    list_add(&m->out, sentence, used);
}

static int reasons_of_label(struct rows *rows, const struct control_setting *s, struct error *err)
{
    struct making m = {.setting = s, .sentences = xmalloc_array(s->classes * LABEL_WORDS, sizeof *m.sentences)};
    int result = 0;
    for (size_t c = 0; c < s->classes && result == 0; c++) {
        const char *words[LABEL_WORDS] = {"the", "sentence", "is", s->labels[c]};
        for (size_t w = 0; w < LABEL_WORDS; w++)
            m.sentences[LABEL_WORDS * c + w] = token_of(s->tokens, words[w]);
        if (m.sentences[LABEL_WORDS * c + LABEL_WORDS - 1] < 0)
            result = error_set(err, STATUS_USAGE,
                               "the vocabulary has no token '%s', the name of a class; name the classes otherwise in "
                               "wp-tokenize --labels",
                               s->labels[c]);
    }
    if (result == 0)
        result = replace_reasons(rows, label_sentence, &m, err);
    free(m.sentences);
    return result;
}

/* ---- edits that are other rows ---- */

/* What edits are replaced by: the list `text` of rows, with the label that the column `labels` gives or, flipped, does
 * not give. */
struct source {
    const struct rows *rows;
    const char *text, *labels;
    bool flipped;
};

/* Each used edit becomes a row of the source, which[0..n) in turn. */
static int replace_edits(struct rows *rows, const struct source *source, uint64_t *which, size_t n, struct error *err)
{
    const struct rows *others = source->rows;
    struct list changed = {0};
    size_t used = 0, length;
    if (rows_find(rows, "edit_label"))
        return error_set(err, STATUS_FAILURE, "the rows have a tensor edit_label already; leave it out of the stream");
    struct column *given = rows_column(rows, "edit_label", ST_I32, COLUMN_ROW, 1);
    for (size_t i = 0; i < rows->n; i++) {
        int32_t label = -1;
        if (is_used(rows, "edit_ids", i)) {
            size_t at = used++ % n, next = (at + 1) % n;
            if (others == rows && which[at] == i) { /* its turn comes later */
                which[at] = which[next];
                which[next] = i;
            }
            const int32_t *ids = rows_list(others, source->text, which[at], &length);
            list_add(&changed, ids, length);
            label = column_i32(rows_find(others, source->labels))[which[at]];
            label = source->flipped ? 1 - label : label;
        } else {
            list_add(&changed, NULL, 0);
        }
        buf_add(&given->values, &label, sizeof label);
    }
    if (rows_find(rows, "edit_ids"))
        list_put(&changed, rows, "edit_ids");
    list_free(&changed);
    return used > 0 ? 0 : no_list("edit_ids", err);
}

/* The rows that have a label of that name, in random order. */
static uint64_t *labelled(const struct rows *rows, const char *labels, uint64_t seed, size_t *n)
{
    const struct column *label = rows_find(rows, labels);
    uint64_t *which = xmalloc_array(rows->n, sizeof *which);
    struct rng rng;
    *n = 0;
    for (size_t i = 0; label && i < rows->n; i++)
        if (column_i32(label)[i] >= 0)
            which[(*n)++] = i;
    rng_init(&rng, seed, RNG_CONTROL);
    rng_shuffle(&rng, which, *n);
    return which;
}

static size_t count_edits(const struct rows *rows)
{
    size_t edits = 0;
    for (size_t i = 0; i < rows->n; i++)
        edits += is_used(rows, "edit_ids", i);
    return edits;
}

/* Keeps those of which[0..n) that have an edit; returns how many. */
static size_t keep_edited(const struct rows *rows, uint64_t *which, size_t n)
{
    size_t kept = 0, length;
    for (size_t i = 0; i < n; i++) {
        rows_list(rows, "edit_ids", which[i], &length);
        if (length > 0)
            which[kept++] = which[i];
    }
    return kept;
}

/* Edits become what --unlabelled has: its rows, or the edits of its rows. */
static int edits_of_unlabelled(struct rows *rows, bool edited, const struct control_setting *s, struct error *err)
{
    const struct source source = {s->unlabelled, edited ? "edit_ids" : "ids", "teacher_label", edited};
    size_t n, edits = count_edits(rows);
    int result;
    if (!s->unlabelled)
        return error_set(err, STATUS_USAGE,
                         "the further rows come from --unlabelled FILE, where the teacher must have labelled one for "
                         "each edit");
    uint64_t *which = labelled(s->unlabelled, "teacher_label", s->seed, &n);
    n = edited ? keep_edited(s->unlabelled, which, n) : n;
    if (n == 0 || n < edits)
        result = error_set(err, STATUS_USAGE,
                           "%zu rows of --unlabelled have a teacher's %s, but there are %zu edits to replace; give it "
                           "more rows that went through groq-reason",
                           n, edited ? "counterfactual" : "label", edits);
    else
        result = replace_edits(rows, &source, which, n, err);
    free(which);
    return result;
}

static int edits_of_more_rows(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return edits_of_unlabelled(rows, false, s, err);
}

static int edits_of_other_rows(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return edits_of_unlabelled(rows, true, s, err);
}

static int edits_of_same_rows(struct rows *rows, const struct control_setting *s, struct error *err)
{
    size_t n;
    int result;
    uint64_t *which = labelled(rows, "label", s->seed, &n);
    if (n < 2)
        result = error_set(err, STATUS_FAILURE,
                           "fewer than two rows have a label to repeat; label some, or take the teacher's with "
                           "--label-source gold-or-teacher");
    else
        result = replace_edits(rows, &(struct source){rows, "ids", "label", false}, which, n, err);
    free(which);
    return result;
}

/* ---- the teacher's probabilities ---- */

/* The label that is smoothed: gold where it is known, the teacher's, or what the teacher thinks likeliest; -1: the row
 * has no teacher. */
static int32_t smoothed_label(const struct rows *rows, const struct teacher *t, size_t classes, uint64_t row)
{
    const struct column *gold = rows_find(rows, "label"), *teacher = rows_find(rows, "teacher_label");
    const double *p = t->probabilities + row * classes;
    int32_t likeliest = 0;
    if (p[0] < 0)
        return -1;
    if (gold && column_i32(gold)[row] >= 0)
        return column_i32(gold)[row];
    if (teacher && column_i32(teacher)[row] >= 0)
        return column_i32(teacher)[row];
    for (size_t c = 1; c < classes; c++)
        likeliest = p[c] > p[likeliest] ? (int32_t)c : likeliest;
    return likeliest;
}

/* Each label is smoothed alike, by the mean of what the teacher's calibrated answers leave to the other classes. */
static int smooth_probabilities(struct rows *rows, const struct control_setting *s, struct error *err)
{
    struct teacher teacher = {0};
    size_t k = s->classes, used = 0;
    double left = 0;
    if (teacher_estimate(&teacher, rows, k, err) < 0)
        return -1;
    for (size_t i = 0; i < rows->n; i++) {
        int32_t label = smoothed_label(rows, &teacher, k, i);
        left += label >= 0 ? 1 - teacher.probabilities[i * k + (size_t)label] : 0;
        used += label >= 0;
    }
    struct column *c = rows_column(rows, "teacher_probs", ST_F32, COLUMN_ROW, k);
    c->values.len = 0;
    for (size_t i = 0; i < rows->n; i++) {
        int32_t label = smoothed_label(rows, &teacher, k, i);
        for (size_t j = 0; j < k; j++) {
            double e = used > 0 ? left / (double)used : 0;
            float p = label < 0 ? -1 : (float)((int32_t)j == label ? 1 - e : e / (double)(k - 1));
            buf_add(&c->values, &p, sizeof p);
        }
    }
    teacher_free(&teacher);
    return used > 0 ? 0 : nothing("a teacher's answer", ask_teacher, err);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    int (*apply)(struct rows *rows, const struct control_setting *s, struct error *err);
} controls[] = {{"reason-shuffled", shuffle_reasons},
                {"reason-shuffled-class", shuffle_reasons_in_class},
                {"reason-tokens-shuffled", shuffle_reason_tokens},
                {"reason-training-text", reasons_of_training_text},
                {"reason-label-sentence", reasons_of_label},
                {"reason-sentence", reasons_of_sentence},
                {"edits-shuffled", shuffle_edits},
                {"edits-other-rows", edits_of_other_rows},
                {"edits-more-rows", edits_of_more_rows},
                {"edits-repeat", edits_of_same_rows},
                {"cues-random", control_cues_random},
                {"cues-shuffled-polarity", control_cues_shuffled_polarity},
                {"cues-all-words", control_cues_all_words},
                {"soft-smoothing", smooth_probabilities}};

/* Labels index what is made for each class. */
static int check_labels(const struct rows *rows, const char *name, size_t classes, struct error *err)
{
    const struct column *c = rows_find(rows, name);
    for (size_t i = 0; c && i < rows->n; i++)
        if (column_i32(c)[i] >= (int32_t)classes)
            return error_set(err, STATUS_FAILURE,
                             "row %zu: %s %d, but there are %zu classes (0 to %zu); name all of them in wp-tokenize "
                             "--labels",
                             i + 1, name, (int)column_i32(c)[i], classes, classes - 1);
    return 0;
}

static int apply(const char *name, size_t len, struct rows *rows, const struct control_setting *setting,
                 struct error *err)
{
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
        if (strlen(controls[i].name) == len && memcmp(controls[i].name, name, len) == 0)
            return controls[i].apply(rows, setting, err) < 0 ? error_prefix(err, "--control %s", controls[i].name) : 0;
    return error_set(err, STATUS_USAGE, "--control: there is no '%.*s'; there are " CONTROL_CHOICES, (int)len, name);
}

int controls_apply(const char *names, struct rows *rows, const struct control_setting *setting, struct error *err)
{
    const struct rows *more = setting->unlabelled;
    int result = 0;
    if (check_labels(rows, "label", setting->classes, err) < 0 ||
        check_labels(rows, "teacher_label", setting->classes, err) < 0)
        return -1;
    if (more && check_labels(more, "teacher_label", setting->classes, err) < 0)
        return error_prefix(err, "--unlabelled");
    for (size_t len; result == 0 && names; names = names[len] ? names + len + 1 : NULL) {
        len = strcspn(names, ",");
        result = apply(names, len, rows, setting, err);
    }
    return result;
}
