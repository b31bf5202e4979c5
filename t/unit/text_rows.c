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
    const struct objective_setting setting = {.rows = rows, .classes = classes};
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

/* Beside `label`: the rows as they are come first, and the weight and the schedule count. */
static void test_gradient(void)
{
    struct rows rows = example();
    struct objectives o;
    struct error err = {0};
    struct batch b = {0};
    const struct objective_rows step = {&rows, all, 5, 0};
    float logits[32], d[32], unused[32];
    ok(prepare(&o, "label,counterfactual=0.5@0.5,cue-text=0.25", &rows, 2, &err) == 0, "three terms");
    objectives_count(&o, &step);
    objectives_schedule(&o, 0.75);
    objectives_fill(&o, &step, &b);
    is_long((long long)b.rows, 5 + 3 + 4, "all their rows");
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
    test_gradient();
    test_refusals();
    test_label_source();
    return done_testing();
}
