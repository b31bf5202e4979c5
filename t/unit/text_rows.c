/* text_rows.c - the terms that make further rows with labels: which rows they make from hand-made ones, whose label
 * they give them, and the gradient by the logits against finite differences; and whose labels --label-source takes.
 */
#include "bert/objectives/text_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../helper/tap.h"
#include "bert/label_source.h"
#include "bert/objectives/reasoning.h"

enum { CLS = 1, SEP = 2 };

static void add_i32(struct rows *rows, const char *name, int32_t value)
{
    buf_add(&rows_column(rows, name, ST_I32, COLUMN_ROW, 1)->values, &value, sizeof value);
}

static void add_list(struct rows *rows, const char *name, const int32_t *ids, size_t n)
{
    struct column *c = rows_column(rows, name, ST_I32, COLUMN_LIST, 1);
    buf_add(&c->values, ids, n * sizeof *ids);
    int64_t end = (int64_t)(c->values.len / sizeof *ids);
    buf_add(&c->offsets, &end, sizeof end);
}

/* [CLS] first, first+1, ... [SEP] with these marks, and an edit [CLS] edit [SEP] (0: none). */
static void add_row(struct rows *rows, int label, int teacher, int32_t first, size_t words, const uint8_t *marks,
                    int32_t edit)
{
    int32_t ids[16] = {CLS}, other[] = {CLS, edit, SEP};
    for (size_t i = 0; i < words; i++)
        ids[1 + i] = first + (int32_t)i;
    ids[words + 1] = SEP;
    add_list(rows, "ids", ids, words + 2);
    add_list(rows, "edit_ids", other, edit ? 3 : 0);
    buf_add(&rows_column(rows, "cues", ST_U8, COLUMN_TOKEN, 1)->values, marks, words + 2);
    add_i32(rows, "label", label);
    add_i32(rows, "teacher_label", teacher);
    rows->n++;
}

static struct rows example(void)
{
    static const uint8_t none[] = {255, 255, 255, 255, 255, 255}, two[] = {0, 2, 2, 0, 3, 0},
                         plain[] = {0, 1, 0, 4, 1, 0};
    struct rows rows = {0};
    add_row(&rows, -1, 1, 10, 4, two, 50);  /* favourable 10 11, unfavourable 13 */
    add_row(&rows, 0, 0, 20, 4, plain, 60); /* decisive 20, modifier 22, decisive 23 */
    add_row(&rows, 1, 0, 30, 4, two, 70);   /* the teacher is contradicted: nothing of it counts */
    add_row(&rows, 1, -1, 40, 4, none, 0);  /* no teacher */
    add_row(&rows, 1, 1, 80, 4, none, 90);  /* no cues */
    return rows;
}

static int prepare(struct objectives *o, const char *spec, const struct rows *rows, size_t classes, struct error *err)
{
    static const struct bert_config config = {.max_position_embeddings = 7};
    const struct objective_setting setting = {.rows = rows, .classes = classes, .config = &config, .seed = 42};
    return objectives_parse(o, spec, err) < 0 ? -1 : objectives_prepare(o, &setting, err);
}

/* The ids of a batch's row as text. */
static const char *row_text(const struct batch *b, size_t row)
{
    static char text[256];
    size_t used = 0;
    for (int64_t i = b->offsets[row]; i < b->offsets[row + 1]; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%d", used ? " " : "", (int)b->ids[i]);
    return text;
}

static const uint64_t all[] = {0, 1, 2, 3, 4};

/* What the term makes of the example: its rows in order, its labels as the loss of one-hot logits shows them. */
static void makes(const char *spec, const char *const *texts, const int *labels, size_t n)
{
    struct rows rows = example();
    struct objectives o;
    struct error err = {0};
    struct batch b = {0};
    const struct objective_rows step = {&rows, all, 5, 0};
    float logits[32], d[32];
    ok(prepare(&o, spec, &rows, 2, &err) == 0, "%s: prepared", spec);
    objectives_count(&o, &step);
    near(o.terms[0].count, (double)n, 0, "%s: items", spec);
    objectives_fill(&o, &step, &b);
    is_long((long long)b.rows, (long long)n, "%s: rows", spec);
    for (size_t i = 0; i < n; i++) {
        struct objective_pass p = {.part = step, .batch = &b, .classes = 2, .logits = logits, .d_logits = d};
        is_string(row_text(&b, i), texts[i], "%s: row %zu", spec, i);
        memset(logits, 0, sizeof logits);
        memset(d, 0, sizeof d);
        objectives_add(&o, &p);
        near(d[2 * i + (size_t)labels[i]], -0.5 / (double)n, 1e-7, "%s: label %d of row %zu", spec, labels[i], i);
    }
    batch_free(&b);
    objectives_free(&o);
    rows_free(&rows);
}

static void test_rows(void)
{
    static const char *const edits[] = {"1 50 2", "1 60 2", "1 90 2"};
    static const int edit_labels[] = {0, 1, 0};
    static const char *const cues[] = {"1 10 11 2", "1 13 2", "1 20 2", "1 23 2"};
    static const int cue_labels[] = {1, 0, 0, 0};
    makes("counterfactual", edits, edit_labels, 3);
    makes("cue-text", cues, cue_labels, 4);
}

static void test_given_labels(void)
{
    struct rows rows = example();
    struct objectives o;
    struct error err = {0};
    const struct objective_rows step = {&rows, all, 5, 0};
    static const int32_t labels[] = {1, 0, 1, -1, -1};
    for (size_t i = 0; i < 5; i++)
        add_i32(&rows, "edit_label", labels[i]);
    ok(prepare(&o, "counterfactual", &rows, 2, &err) == 0, "edits with labels of their own");
    objectives_count(&o, &step);
    near(o.terms[0].count, 3, 0, "count where they have one, whatever the teacher said");
    objectives_free(&o);
    rows_free(&rows);
}

/* ---- pair ---- */

/* A pair's two rows get opposite gradients; an edit that a control gave the sentence's own label makes no pair. */
static void test_pair(void)
{
    struct rows rows = example();
    struct objectives o;
    struct error err = {0};
    struct batch b = {0};
    const struct objective_rows step = {&rows, all, 5, 0};
    float logits[32] = {0}, d[32] = {0};
    ok(prepare(&o, "pair", &rows, 2, &err) == 0, "pair: prepared");
    objectives_count(&o, &step);
    near(o.terms[0].count, 3, 0, "pair: rows with an edit and a reasoning that is used");
    objectives_fill(&o, &step, &b);
    is_long((long long)b.rows, 5 + 3, "pair: the rows as they are, and the edits");
    is_string(row_text(&b, 7), "1 90 2", "pair: the last edit");
    logits[3] = 2; /* row 1, whose label is 0: the sentence looks favourable, and its edit does not */
    struct objective_pass p = {.part = step, .batch = &b, .classes = 2, .logits = logits, .d_logits = d};
    near(objectives_add(&o, &p), (2 * log(2) + log1p(exp(2))) / 3, 1e-12, "pair: its loss");
    near(d[0], 1 / 6.0, 1e-7, "pair: a favourable sentence is to be more so");
    near(d[1], -1 / 6.0, 1e-7, "pair: with the other logit against it");
    near(d[11], 1 / 6.0, 1e-7, "pair: its edit less");
    near(d[2], -1 / (1 + exp(-2)) / 3, 1e-7, "pair: what is the wrong way round pulls harder");
    ok(d[4] == 0 && d[6] == 0, "pair: rows without one get nothing");
    objectives_free(&o);
    static const int32_t labels[] = {1, 1, -1, -1, 1};
    for (size_t i = 0; i < 5; i++)
        add_i32(&rows, "edit_label", labels[i]);
    ok(prepare(&o, "pair", &rows, 2, &err) == 0, "pair: edits with labels of their own");
    objectives_count(&o, &step);
    near(o.terms[0].count, 1, 0, "pair: those of the other label");
    objectives_free(&o);
    batch_free(&b);
    rows_free(&rows);
}

/* ---- cue-swap ---- */

/* Favourable spans of the example are "10 11", unfavourable ones 13, 20 and 23. */
static bool is_favourable_row(const char *text)
{
    /* row 0 with its label kept, or row 1 with the other one */
    return strcmp(text, "1 10 11 12 13 2") == 0 || strcmp(text, "1 10 11 12 20 2") == 0 ||
           strcmp(text, "1 10 11 12 23 2") == 0 || strcmp(text, "1 10 11 21 22 10 2") == 0;
}

static bool is_unfavourable_row(const char *text)
{
    static const char spans[][3] = {"13", "20", "23"};
    char made[64];
    for (int i = 0; i < 9; i++) {
        snprintf(made, sizeof made, "1 %s 21 22 %s 2", spans[i / 3], spans[i % 3]);
        if (strcmp(text, made) == 0)
            return true;
        snprintf(made, sizeof made, "1 %s 12 10 11 2", spans[i / 3]);
        if (strcmp(text, made) == 0)
            return true;
    }
    return false;
}

/* Many epochs: each further row is one that the two rules allow, the label is the one that its spans have, both labels
 * come about as often, and no row has more than the encoder's 7 tokens. */
static void test_cue_swap(void)
{
    struct rows rows = example();
    struct objectives o;
    struct error err = {0};
    struct batch b = {0};
    int wrong = 0, too_long = 0, favourable = 0;
    char first[64] = "";
    bool varies = false, two = true;
    ok(prepare(&o, "cue-swap", &rows, 2, &err) == 0, "cue-swap: prepared");
    for (uint64_t epoch = 0; epoch < 400; epoch++) {
        const struct objective_rows step = {&rows, all, 5, 5 * epoch};
        float logits[4] = {0}, d[4] = {0};
        objectives_count(&o, &step);
        objectives_fill(&o, &step, &b);
        two &= b.rows == 2;
        if (!two)
            break;
        struct objective_pass p = {.part = step, .batch = &b, .classes = 2, .logits = logits, .d_logits = d};
        objectives_add(&o, &p);
        for (size_t i = 0; i < 2; i++) {
            bool positive = d[2 * i + 1] < 0;
            wrong += positive ? !is_favourable_row(row_text(&b, i)) : !is_unfavourable_row(row_text(&b, i));
            too_long += b.offsets[i + 1] - b.offsets[i] > 7;
            favourable += positive;
        }
        varies |= epoch > 0 && strcmp(first, row_text(&b, 0)) != 0;
        snprintf(first, sizeof first, "%s", row_text(&b, 0));
    }
    ok(two, "cue-swap: two rows of the example have spans");
    is_long(wrong, 0, "cue-swap: every row is one of those that there can be, with the label of its spans");
    is_long(too_long, 0, "cue-swap: none is longer than the encoder takes");
    ok(favourable > 340 && favourable < 460, "cue-swap: %d of 800 are favourable", favourable);
    ok(varies, "cue-swap: another epoch, another row");
    objectives_free(&o);
    batch_free(&b);
    rows_free(&rows);
}

/* A stream may have marked special tokens too: they stay where they are. */
static void test_cue_swap_ends(void)
{
    static const uint8_t everything[] = {2, 2, 2, 2, 2, 2}, below[] = {3, 3, 3, 3, 3, 3};
    struct rows rows = {0};
    struct objectives o;
    struct error err = {0};
    struct batch b = {0};
    int wrong = 0;
    add_row(&rows, 1, 1, 10, 4, everything, 0);
    add_row(&rows, 0, 0, 20, 4, below, 0);
    ok(prepare(&o, "cue-swap", &rows, 2, &err) == 0, "cue-swap: all tokens are marked");
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
        const struct objective_rows step = {&rows, all, 2, 2 * epoch};
        objectives_fill(&o, &step, &b);
        for (size_t i = 0; i < 2; i++)
            wrong += strcmp(row_text(&b, i), "1 10 11 12 13 2") != 0 && strcmp(row_text(&b, i), "1 20 21 22 23 2") != 0;
    }
    is_long(wrong, 0, "cue-swap: what is exchanged lies between the first token and the last");
    objectives_free(&o);
    batch_free(&b);
    rows_free(&rows);
}

/* Beside `label`: the rows as they are come first, and the weight and the schedule count. */
static void test_gradient(void)
{
    struct rows rows = example();
    struct objectives o;
    struct error err = {0};
    struct batch b = {0};
    const struct objective_rows step = {&rows, all, 5, 0};
    float logits[48], d[48], unused[48];
    ok(prepare(&o, "label,counterfactual=0.5@0.5,cue-text=0.25,pair=0.3,cue-swap=0.7", &rows, 2, &err) == 0,
       "five terms");
    objectives_count(&o, &step);
    objectives_schedule(&o, 0.75);
    objectives_fill(&o, &step, &b);
    is_long((long long)b.rows, 5 + 3 + 4 + 3 + 2, "all their rows");
    for (size_t i = 0; i < 2 * b.rows; i++)
        logits[i] = (float)sin(1.3 * (double)i);
    struct objective_pass p = {.part = step, .batch = &b, .classes = 2, .logits = logits, .d_logits = d};
    memset(d, 0, sizeof d);
    objectives_add(&o, &p);
    double worst = 0;
    for (size_t i = 0; i < 2 * b.rows; i++) {
        float kept = logits[i];
        p.d_logits = unused;
        logits[i] = kept + 1e-3f;
        double above = objectives_add(&o, &p), h = (double)logits[i];
        logits[i] = kept - 1e-3f;
        double below = objectives_add(&o, &p);
        h -= (double)logits[i];
        logits[i] = kept;
        worst = fmax(worst, fabs((above - below) / h - d[i]));
    }
    ok(worst < 1e-6, "the gradient is that of finite differences (%g)", worst);
    objectives_schedule(&o, 1);
    memset(d, 0, sizeof d);
    p.d_logits = d;
    objectives_add(&o, &p);
    ok(d[10] == 0 && d[15] == 0 && d[16] != 0, "a term that fell to 0 adds nothing");
    batch_free(&b);
    objectives_free(&o);
    rows_free(&rows);
}

static void refuses(const char *spec, struct rows *rows, size_t classes, const char *message)
{
    struct objectives o;
    struct error err = {0};
    ok(prepare(&o, spec, rows, classes, &err) < 0, "%s is refused", spec);
    is_string(err.text, message, "%s: why", spec);
    objectives_free(&o);
    rows_free(rows);
}

static void test_refusals(void)
{
    static const uint8_t none[] = {255, 255, 255, 255, 255, 255};
    struct rows rows = {0}, three = example();
    add_row(&rows, 1, 1, 10, 4, none, 0);
    refuses("counterfactual", &three, 3,
            "the objective term 'counterfactual' needs two classes, because an edit has the label that its sentence "
            "has not; there are 3, so leave it out of --objective");
    refuses("counterfactual", &rows, 2,
            "no row has a counterfactual whose label is known, which the objective term 'counterfactual' needs; ask "
            "for them with groq-reason, or leave the term out of --objective");
    three = example();
    refuses("cue-swap", &three, 3,
            "the objective term 'cue-swap' needs two classes, because a span is favourable or not; there are 3, so "
            "leave it out of --objective");
    add_row(&rows, 1, 1, 10, 4, none, 0);
    refuses("pair", &rows, 2,
            "no row has a counterfactual of the other label, which the objective term 'pair' needs; ask for them with "
            "groq-reason, or leave the term out of --objective");
    add_row(&rows, 1, 1, 10, 4, (const uint8_t[]){0, 2, 0, 0, 2, 0}, 0);
    refuses("cue-swap", &rows, 2,
            "there are no cues of both polarities that stand in their sentences (0 unfavourable, 2 favourable), which "
            "the objective term 'cue-swap' needs; run groq-reason before wp-tokenize, or leave the term out of "
            "--objective");
    add_row(&rows, 1, 1, 10, 4, none, 0);
    refuses("cue-text", &rows, 2,
            "no row has a cue of its teacher that stands in the sentence, which the objective term 'cue-text' needs; "
            "run groq-reason before wp-tokenize, or leave the term out of --objective");
}

static void test_label_source(void)
{
    struct rows rows = example();
    label_source_apply(&rows, "gold");
    is_long(column_i32(rows_find(&rows, "label"))[0], -1, "gold: an unknown label stays unknown");
    label_source_apply(&rows, "gold-or-teacher");
    is_long(column_i32(rows_find(&rows, "label"))[0], 1, "gold-or-teacher: the teacher's where there is none");
    is_long(column_i32(rows_find(&rows, "label"))[2], 1, "and gold where there is");
    label_source_apply(&rows, "teacher");
    is_long(column_i32(rows_find(&rows, "label"))[2], 0, "teacher: the teacher's everywhere");
    is_long(column_i32(rows_find(&rows, "label"))[3], -1, "and none without one");
    is_long(reasoning_label(&rows, 2), 0, "then nothing contradicts it");
    rows_free(&rows);
}

int main(void)
{
    test_rows();
    test_given_labels();
    test_pair();
    test_cue_swap();
    test_cue_swap_ends();
    test_gradient();
    test_refusals();
    test_label_source();
    return done_testing();
}
