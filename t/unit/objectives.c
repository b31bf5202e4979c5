/* objectives.c - the terms of --objective: formulas and gradients against finite differences, what a step divides by,
 * the teacher's calibration against cases computed by hand, and what the parser refuses.
 */
#include "bert/objectives/objective.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/teacher.h"

/* ---- rows made by hand; a term looks at no tokens ---- */

static void add_i32(struct rows *rows, const char *name, int32_t value)
{
    buf_add(&rows_column(rows, name, ST_I32, COLUMN_ROW, 1)->values, &value, sizeof value);
}

static void add_f32(struct rows *rows, const char *name, size_t width, float value)
{
    buf_add(&rows_column(rows, name, ST_F32, COLUMN_ROW, width)->values, &value, sizeof value);
}

static void add_row(struct rows *rows, int label, int teacher_label, double confidence)
{
    add_i32(rows, "label", label);
    add_i32(rows, "teacher_label", teacher_label);
    add_f32(rows, "confidence", 1, (float)confidence);
    rows->n++;
}

static void add_probs(struct rows *rows, int label, int teacher_label, size_t classes, const double *probs)
{
    for (size_t c = 0; c < classes; c++)
        add_f32(rows, "teacher_probs", classes, probs ? (float)probs[c] : -1);
    add_row(rows, label, teacher_label, 0.5);
}

/* ---- --objective ---- */

static void parses(const char *spec, size_t n, double first, double second)
{
    struct objectives o;
    struct error err = {0};
    if (!ok(objectives_parse(&o, spec, &err) == 0, "'%s' is read", spec)) {
        note("%s", err.text);
        return;
    }
    is_long((long long)o.n, (long long)n, "'%s': terms", spec);
    near(o.terms[0].weight, first, 0, "'%s': the first weight", spec);
    if (n > 1)
        near(o.terms[1].weight, second, 0, "'%s': the second weight", spec);
    objectives_free(&o);
}

static void refuses(const char *spec, const char *message)
{
    struct objectives o;
    struct error err = {0};
    int result = objectives_parse(&o, spec, &err);
    if (result < 0 && strlen(err.text) > strlen(message))
        err.text[strlen(message)] = '\0'; /* the list of terms grows */
    is_string(result < 0 ? err.text : "(read)", message, "'%s' is refused", spec);
    is_long(err.status, STATUS_USAGE, "'%s': exit 2", spec);
    if (result == 0)
        objectives_free(&o);
}

static void test_parse(void)
{
    parses("label", 1, 1, 0);
    parses("soft", 1, 1, 0);
    parses("label=0.7,soft=0.3", 2, 0.7, 0.3);
    parses("soft=1e-3,label", 2, 1e-3, 1);
    refuses("", "--objective: there is no term ''; the terms are: label, soft");
    refuses("labels", "--objective: there is no term 'labels'; the terms are: label, soft");
    refuses("lab", "--objective: there is no term 'lab'; the terms are: label, soft");
    refuses(" label", "--objective: there is no term ' label'; the terms are: label, soft");
    refuses("label,", "--objective: there is no term ''; the terms are: label, soft");
    refuses(",label", "--objective: there is no term ''; the terms are: label, soft");
    refuses("label,mln=2", "--objective: there is no term 'mln'; the terms are: label, soft");
    refuses("=1", "--objective: there is no term ''; the terms are: label, soft");
    refuses("label=", "--objective: the weight of 'label' must be a number above 0, not ''");
    refuses("label=x", "--objective: the weight of 'label' must be a number above 0, not 'x'");
    refuses("label=1x,soft", "--objective: the weight of 'label' must be a number above 0, not '1x'");
    refuses("label=0", "--objective: the weight of 'label' must be a number above 0, not '0'");
    refuses("label=1,soft=-1", "--objective: the weight of 'soft' must be a number above 0, not '-1'");
    refuses("label=inf", "--objective: the weight of 'label' must be a number above 0, not 'inf'");
    refuses("label=nan", "--objective: the weight of 'label' must be a number above 0, not 'nan'");
    refuses("label=1e999", "--objective: the weight of 'label' must be a number above 0, not '1e999'");
    refuses("label@",
            "--objective: what follows '@' of 'label' must be a share of the steps above 0 and at most 1, not ''");
    refuses("label=1@1.5",
            "--objective: what follows '@' of 'label' must be a share of the steps above 0 and at most 1, not '1.5'");
    refuses("label=1@0",
            "--objective: what follows '@' of 'label' must be a share of the steps above 0 and at most 1, not '0'");
    refuses("label=@0.5", "--objective: the weight of 'label' must be a number above 0, not ''");
    refuses("label=0.5,soft,label=0.5", "--objective names the term 'label' twice");
}

static void test_schedule(void)
{
    struct objectives o;
    struct error err = {0};
    ok(objectives_parse(&o, "label=2,soft=0.3@0.75", &err) == 0, "a weight with a schedule is read");
    near(o.terms[1].weight, 0.3, 0, "its weight");
    objectives_schedule(&o, 0);
    near(o.terms[1].factor, 1, 0, "whole at the beginning");
    objectives_schedule(&o, 0.75);
    near(o.terms[1].factor, 1, 0, "whole to the end of its share");
    objectives_schedule(&o, 0.875);
    near(o.terms[1].factor, 0.5, 1e-15, "half in the middle of the rest");
    objectives_schedule(&o, 1);
    near(o.terms[1].factor, 0, 0, "nothing at the end");
    near(o.terms[0].factor, 1, 0, "a weight without one stays");
    objectives_free(&o);
}

/* ---- cross-entropy ---- */

static void test_cross_entropy(void)
{
    static const float logits[] = {1.0f, -2.0f, 0.5f}, large[] = {1000.0f, 0.0f, -1000.0f};
    static const double half[] = {0.5, 0.25, 0.25};
    double total = exp(1.0) + exp(-2.0) + exp(0.5), p[3];
    near(cross_entropy(logits, NULL, 1, 3, 1, NULL), log(total) + 2, 1e-12, "one-hot");
    near(cross_entropy(logits, half, 0, 3, 1, NULL), log(total) - (0.5 * 1 + 0.25 * -2 + 0.25 * 0.5), 1e-12,
         "a distribution");
    near(cross_entropy(large, NULL, 0, 3, 1, NULL), 0, 0, "a certain answer that is right");
    near(cross_entropy(large, NULL, 2, 3, 1, NULL), 2000, 1e-9, "and one that is wrong is not infinite");
    softmax_of_logits(logits, 3, p);
    near(p[0], exp(1.0) / total, 1e-15, "softmax");
    near(p[0] + p[1] + p[2], 1, 1e-15, "adds up to 1");
    softmax_of_logits(large, 3, p);
    ok(p[0] == 1 && p[1] == 0 && p[2] == 0, "softmax of large logits");
}

/* ---- gradients by the logits ---- */

enum { ROWS = 7, MAX_CLASSES = 3 };

static int prepare(struct objectives *o, const char *spec, const struct rows *rows, size_t classes, struct error *err)
{
    const struct objective_setting setting = {.rows = rows, .classes = classes};
    return objectives_parse(o, spec, err) < 0 ? -1 : objectives_prepare(o, &setting, err);
}

/* The loss of rows whose logits are given; d is overwritten. */
static double loss_of(struct objectives *o, const struct objective_rows *part, size_t classes, const float *logits,
                      float *d)
{
    struct objective_pass p = {.part = *part, .classes = classes, .logits = logits, .d_logits = d};
    memset(d, 0, part->n * classes * sizeof *d);
    return objectives_add(o, &p);
}

static void test_gradient(const char *spec, size_t classes)
{
    static const uint64_t which[] = {0, 1, 2, 3, 4, 5, 6};
    struct rows rows = {0};
    struct objectives o;
    struct error err = {0};
    float logits[ROWS * MAX_CLASSES], d[ROWS * MAX_CLASSES], unused[ROWS * MAX_CLASSES];
    const struct objective_rows step = {&rows, which, ROWS, 0};
    double worst = 0, largest = 0, without = 0;
    for (int i = 0; i < ROWS; i++) /* rows 2 and 5 have no label, rows 3 and 5 no teacher */
        add_row(&rows, i == 2 || i == 5 ? -1 : i % (int)classes, i == 3 || i == 5 ? -1 : (i + 1) % (int)classes, 0.9);
    for (size_t i = 0; i < ROWS * classes; i++)
        logits[i] = (float)(2 * sin(1.7 * (double)i));
    if (prepare(&o, spec, &rows, classes, &err) < 0) {
        ok(false, "%s: %s", spec, err.text);
        return;
    }
    objectives_count(&o, &step);
    for (size_t i = 0; i < o.n; i++)
        near(o.terms[i].count, 5, 0, "%s: rows of term %zu", spec, i);
    double loss = loss_of(&o, &step, classes, logits, d);
    ok(isfinite(loss) && loss > 0, "%s, %zu classes: a loss", spec, classes);
    for (size_t i = 0; i < ROWS * classes; i++) {
        float saved = logits[i];
        logits[i] = saved + 1e-3f;
        double up = logits[i], above = loss_of(&o, &step, classes, logits, unused);
        logits[i] = saved - 1e-3f;
        double slope = (above - loss_of(&o, &step, classes, logits, unused)) / (up - logits[i]);
        logits[i] = saved;
        worst = fmax(worst, fabs(slope - d[i]));
        largest = fmax(largest, fabs(d[i]));
        if (i / classes == 5)
            without = fmax(without, fabs(d[i]));
    }
    ok(largest > 0.05, "%s, %zu classes: a gradient", spec, classes);
    near(worst, 0, 2e-7, "%s, %zu classes: it agrees with finite differences", spec, classes);
    near(without, 0, 0, "%s, %zu classes: 0 for a row that no term uses", spec, classes);
    struct objective_pass p = {.part = step, .classes = classes, .logits = logits};
    near(objectives_add(&o, &p), loss, 0, "%s, %zu classes: the loss alone", spec, classes);
    objectives_free(&o);
    rows_free(&rows);
}

/* ---- what a step divides by ---- */

static void test_counts(void)
{
    static const uint64_t which[] = {6, 0, 3, 1, 5, 2, 4}, none[] = {5};
    struct rows rows = {0};
    struct objectives o;
    struct error err = {0};
    float logits[ROWS * 2], whole[ROWS * 2], parts[ROWS * 2], d[2];
    const struct objective_rows step = {&rows, which, ROWS, 0}, lone = {&rows, none, 1, 0};
    for (int i = 0; i < ROWS; i++)
        add_row(&rows, i == 2 || i == 5 ? -1 : i % 2, i >= 4 ? -1 : 1, -1);
    for (size_t i = 0; i < ROWS * 2; i++)
        logits[i] = (float)cos(0.9 * (double)i);
    ok(prepare(&o, "label=0.7,soft=0.3", &rows, 2, &err) == 0, "two terms");
    objectives_count(&o, &step);
    ok(o.terms[0].count == 5 && o.terms[1].count == 4, "each with its own number of rows");
    double loss = loss_of(&o, &step, 2, logits, whole), expected = 0, sum = 0;
    for (size_t i = 0; i < ROWS; i++) {
        static const double soft[] = {0.25, 0.75};
        int32_t gold = column_i32(rows_find(&rows, "label"))[which[i]];
        if (gold >= 0)
            expected += 0.7 / 5 * cross_entropy(logits + 2 * i, NULL, (size_t)gold, 2, 0, NULL);
        if (which[i] < 4)
            expected += 0.3 / 4 * cross_entropy(logits + 2 * i, soft, 0, 2, 0, NULL);
    }
    near(loss, expected, 1e-12, "the step's loss is the formula's");
    for (size_t begin = 0; begin < ROWS; begin += 3) { /* 3 + 3 + 1 rows */
        const struct objective_rows part = {&rows, which + begin, ROWS - begin < 3 ? ROWS - begin : 3, begin};
        sum += loss_of(&o, &part, 2, logits + begin * 2, parts + begin * 2);
    }
    near(sum, loss, 1e-12, "the loss in three batches is the same");
    ok(memcmp(parts, whole, sizeof whole) == 0, "and so is the gradient");
    objectives_count(&o, &lone);
    near(loss_of(&o, &lone, 2, logits, d), 0, 0, "a step without a row that a term uses: no loss");
    ok(d[0] == 0 && d[1] == 0, "and no gradient");
    objectives_free(&o);
    rows_free(&rows);
}

/* ---- rows that a term cannot use ---- */

static void prepare_refuses(const char *spec, struct rows *rows, size_t classes, const char *message)
{
    struct objectives o;
    struct error err = {0};
    int result = prepare(&o, spec, rows, classes, &err);
    is_string(result < 0 ? err.text : "(accepted)", message, "%s", message);
    is_long(err.status, STATUS_FAILURE, "exit 1");
    objectives_free(&o);
    rows_free(rows);
}

static void test_prepare(void)
{
    static const double negative[] = {0.5, -0.5}, much[] = {0.5, 0.6}, three[] = {0.2, 0.3, 0.5};
    struct rows rows = {0};
    add_row(&rows, 0, 0, -1);
    add_row(&rows, 2, 1, -1);
    prepare_refuses("label", &rows, 2,
                    "row 2: label 2, but there are 2 classes (0 to 1); name all of them in wp-tokenize "
                    "--labels");
    add_row(&rows, -1, 0, -1);
    prepare_refuses("soft=1,label=1", &rows, 2,
                    "no row has a gold label (0, 1, ...), which the objective term 'label' "
                    "needs; label some rows, or leave the term out of --objective");
    add_row(&rows, 1, -1, -1);
    prepare_refuses("label,soft", &rows, 2,
                    "no row has a teacher's answer, which the objective term 'soft' needs; run "
                    "groq-reason before wp-tokenize, or leave the term out of --objective");
    add_row(&rows, -1, 0, -1);
    add_row(&rows, -1, -1, -1);
    add_row(&rows, -1, 3, -1);
    prepare_refuses("soft", &rows, 3,
                    "row 3: teacher_label 3, but there are 3 classes (0 to 2); name all of them in "
                    "wp-tokenize --labels");
    add_probs(&rows, 0, 0, 2, NULL);
    add_probs(&rows, 0, 0, 2, negative);
    prepare_refuses("soft", &rows, 2, "row 2: teacher_probs are no probabilities: one is -0.5");
    add_probs(&rows, 0, 0, 2, much);
    prepare_refuses("soft", &rows, 2, "row 1: teacher_probs are no probabilities: they add up to 1.1");
    add_probs(&rows, 0, 0, 3, three);
    prepare_refuses("soft", &rows, 2,
                    "teacher_probs has 3 classes, but there are 2; name all of them in wp-tokenize "
                    "--labels");
}

/* ---- the teacher's probability ---- */

static void estimate(struct teacher *t, const struct rows *rows, size_t classes)
{
    struct error err = {0};
    if (!ok(teacher_estimate(t, rows, classes, &err) == 0, "an estimate"))
        note("%s", err.text);
}

static void test_few_gold_rows(void)
{
    static const double given[] = {0.125, 0.25, 0.625};
    struct rows rows = {0};
    struct teacher t;
    for (int i = 0; i < 49; i++)
        add_row(&rows, 0, i % 7 ? 0 : 1, 0.9); /* mostly right: it does not count yet */
    for (int i = 0; i < 30; i++)
        add_row(&rows, -1, 1, 0.2);
    add_row(&rows, 1, -1, -1);
    estimate(&t, &rows, 2);
    ok(!t.calibrated && t.rows_with == 79 && t.rows_with_gold == 49 && t.rows_agreeing == 42,
       "49 gold rows are too few");
    near(t.probabilities[2 * 1], 0.75, 0, "one vote of one: 0.75 for the teacher's label");
    near(t.probabilities[2 * 1 + 1], 0.25, 0, "the rest for the other");
    near(t.probabilities[2 * 60 + 1], 0.75, 0, "also without a gold label");
    near(t.probabilities[2 * 79], -1, 0, "no teacher, no probability");
    teacher_free(&t);
    rows_free(&rows);
    add_probs(&rows, -1, 1, 3, NULL);
    add_probs(&rows, -1, 0, 3, given);
    add_probs(&rows, -1, -1, 3, given);
    estimate(&t, &rows, 3);
    ok(t.probabilities[0] == 0.125 && t.probabilities[1] == 0.75 && t.probabilities[2] == 0.125,
       "three classes: the others share the rest");
    ok(t.probabilities[3] == 0.125 && t.probabilities[4] == 0.25 && t.probabilities[5] == 0.625,
       "teacher_probs are taken as they are, whatever the label");
    ok(t.probabilities[6] == 0.125 && t.probabilities[8] == 0.625 && t.rows_with == 3, "also without a label");
    teacher_free(&t);
    rows_free(&rows);
}

/* Three confidences, 20 rows each. The teacher is right in 10, 15 and 20 of them, evenly over the five folds of four
 * rows (row mod 5), so that a fold left out takes 2, 3 and 4 right answers of 4 away. */
static void add_three_levels(struct rows *rows)
{
    static const double confidence[] = {0.5, 0.7, 0.9};
    for (int level = 0; level < 3; level++)
        for (int i = 0; i < 20; i++) {
            bool right = i / 5 < level + 2; /* four rounds of the folds */
            add_row(rows, i % 2, right ? i % 2 : 1 - i % 2, confidence[level]);
        }
}

static void test_calibration(void)
{
    struct rows rows = {0};
    struct teacher t;
    add_three_levels(&rows);
    for (int i = 0; i < 3; i++)
        add_row(&rows, -1, 1, 0.6 + 0.2 * i); /* no gold label: in the second, third, third third */
    add_row(&rows, -1, 1, -1);
    estimate(&t, &rows, 2);
    ok(t.calibrated && t.rows_with_gold == 60 && t.rows_agreeing == 45, "60 gold rows");
    near(t.right[0], 11.0 / 22, 1e-15, "the least confident third: (10 + 1) / (20 + 2)");
    near(t.right[1], 16.0 / 22, 1e-15, "the middle third: (15 + 1) / (20 + 2)");
    near(t.right[2], 21.0 / 22, 1e-15, "the most confident third: (20 + 1) / (20 + 2)");
    const int32_t *label = column_i32(rows_find(&rows, "teacher_label"));
    static const double without[] = {9.0 / 18, 13.0 / 18, 17.0 / 18}; /* 16 rows are left, 8, 12 and 16 right */
    for (size_t level = 0; level < 3; level++) {
        size_t row = 20 * level + 3;
        near(t.probabilities[2 * row + (size_t)label[row]], without[level], 1e-15,
             "third %zu without the row's own fold", level);
        near(t.probabilities[2 * row + 1 - (size_t)label[row]], 1 - without[level], 1e-15, "and the other class");
    }
    near(t.probabilities[2 * 60 + 1], 16.0 / 22, 1e-15, "a row without gold label uses all folds");
    near(t.probabilities[2 * 61 + 1], 21.0 / 22, 1e-15, "by its confidence");
    near(t.probabilities[2 * 63 + 1], 11.0 / 22, 1e-15, "an unknown confidence is the lowest");
    teacher_free(&t);
    rows_free(&rows);
}

/* A row's probability must not tell its own gold label: turning the labels of one fold round leaves that fold's own
 * probabilities as they were, and changes the others'. */
static void test_cross_fitting(void)
{
    struct rows rows = {0};
    struct teacher before, after;
    enum { FOLD = 2 };
    size_t same = 0, own = 0, changed = 0;
    add_three_levels(&rows);
    estimate(&before, &rows, 2);
    int32_t *gold = (int32_t *)(void *)rows_find(&rows, "label")->values.data;
    for (size_t i = FOLD; i < rows.n; i += TEACHER_FOLDS)
        gold[i] = 1 - gold[i];
    estimate(&after, &rows, 2);
    for (size_t i = 0; i < rows.n; i++) {
        bool equal = before.probabilities[2 * i] == after.probabilities[2 * i];
        own += i % TEACHER_FOLDS == FOLD;
        same += i % TEACHER_FOLDS == FOLD && equal;
        changed += i % TEACHER_FOLDS != FOLD && !equal;
    }
    is_long((long long)own, 12, "a fold of 12 rows");
    is_long((long long)same, 12, "none of its probabilities knows its labels");
    ok(changed >= 32, "those of other folds do");
    teacher_free(&before);
    teacher_free(&after);
    rows_free(&rows);
}

/* Language models say few different confidences. Where many rows are equal the cuts move to the nearest change. */
static void test_ties(void)
{
    struct rows rows = {0};
    struct teacher t;
    for (int i = 0; i < 50; i++)
        add_row(&rows, 1, 1, 0.9);
    for (int i = 0; i < 10; i++)
        add_row(&rows, 1, 0, 0.95);
    add_row(&rows, -1, 1, 0.9);
    add_row(&rows, -1, 1, 0.95);
    estimate(&t, &rows, 2);
    near(t.probabilities[2 * 60 + 1], 51.0 / 52, 1e-15, "50 rows of 0.9, 10 of 0.95: 0.9 by itself");
    near(t.probabilities[2 * 61 + 1], 1.0 / 12, 1e-15, "0.95 by itself");
    teacher_free(&t);
    rows_free(&rows);
    for (int i = 0; i < 10; i++)
        add_row(&rows, 1, 0, 0.5);
    for (int i = 0; i < 50; i++)
        add_row(&rows, 1, 1, 0.9);
    add_row(&rows, -1, 1, 0.5);
    add_row(&rows, -1, 1, 0.9);
    estimate(&t, &rows, 2);
    near(t.probabilities[2 * 60 + 1], 1.0 / 12, 1e-15, "10 rows of 0.5, 50 of 0.9: 0.5 by itself");
    near(t.probabilities[2 * 61 + 1], 51.0 / 52, 1e-15, "0.9 by itself");
    teacher_free(&t);
    rows_free(&rows);
    for (int i = 0; i < 60; i++)
        add_row(&rows, 1, i < 45, 0.9);
    add_row(&rows, -1, 1, 0.1);
    add_row(&rows, -1, 1, 0.99);
    estimate(&t, &rows, 2);
    near(t.probabilities[2 * 60 + 1], 46.0 / 62, 1e-15, "one confidence throughout: one rate");
    near(t.probabilities[2 * 61 + 1], 46.0 / 62, 1e-15, "for all");
    teacher_free(&t);
    rows_free(&rows);
}

int main(void)
{
    test_parse();
    test_schedule();
    test_cross_entropy();
    test_gradient("label", 2);
    test_gradient("label", 3);
    test_gradient("soft", 2);
    test_gradient("soft", 3);
    test_gradient("label=0.25,soft=3", 3);
    test_counts();
    test_prepare();
    test_few_gold_rows();
    test_calibration();
    test_cross_fitting();
    test_ties();
    return done_testing();
}
