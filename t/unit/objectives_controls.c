/* objectives_controls.c - the terms that need no reasoning: rdrop, by its formula, by finite differences and through an
 * encoder with dropout, and soft at a temperature, with what it tells the metrics.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"
#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/teacher.h"
#include "wire/json.h"

enum { ROWS = 6, MOST_CLASSES = 4, VOCABULARY = 60 };

static const uint64_t in_order[ROWS] = {0, 1, 2, 3, 4, 5};

static void add_i32(struct rows *rows, const char *name, int32_t value)
{
    buf_add(&rows_column(rows, name, ST_I32, COLUMN_ROW, 1)->values, &value, sizeof value);
}

/* Row i has 4 + i tokens, its last two of type 1; row 2 has no label, row 4 no teacher. */
static struct rows example(int classes)
{
    struct rows rows = {0};
    for (int i = 0; i < ROWS; i++) {
        struct column *c = rows_column(&rows, "ids", ST_I32, COLUMN_LIST, 1);
        for (int32_t j = 0; j < 4 + i; j++) {
            int32_t id = 5 + (11 * i + 3 * j) % (VOCABULARY - 5);
            buf_add(&c->values, &id, sizeof id);
        }
        int64_t end = (int64_t)(c->values.len / sizeof(int32_t));
        float confidence = 0.5f + 0.1f * (float)i;
        buf_add(&c->offsets, &end, sizeof end);
        for (int j = 0; j < 4 + i; j++)
            buf_addch(&rows_column(&rows, "types", ST_U8, COLUMN_TOKEN, 1)->values, j >= 2 + i);
        buf_add(&rows_column(&rows, "confidence", ST_F32, COLUMN_ROW, 1)->values, &confidence, sizeof confidence);
        add_i32(&rows, "label", i == 2 ? -1 : i % classes);
        add_i32(&rows, "teacher_label", i == 4 ? -1 : (i + 1) % classes);
        rows.n++;
    }
    return rows;
}

static bool prepare(struct objectives *o, const char *spec, const struct rows *rows, size_t classes, double temperature)
{
    const struct objective_setting setting = {.rows = rows, .classes = classes, .temperature = temperature};
    struct error err = {0};
    bool done = objectives_parse(o, spec, &err) == 0 && objectives_prepare(o, &setting, &err) == 0;
    if (!ok(done, "%s, %zu classes, temperature %g: prepared", spec, classes, temperature))
        note("%s", err.text);
    return done;
}

/* The loss of logits [b->rows, classes] for a batch of all rows; d is overwritten. */
static double loss_of(struct objectives *o, const struct rows *rows, const struct batch *b, size_t classes,
                      const float *logits, float *d)
{
    struct objective_pass p = {
        .part = {rows, in_order, ROWS, 0}, .batch = b, .classes = classes, .logits = logits, .d_logits = d};
    if (d)
        memset(d, 0, b->rows * classes * sizeof *d);
    return objectives_add(o, &p);
}

static void fill(struct objectives *o, const struct rows *rows, struct batch *b, uint64_t first_number)
{
    const struct objective_rows step = {rows, in_order, ROWS, first_number};
    objectives_count(o, &step);
    objectives_fill(o, &step, b);
}

/* The largest distance between the gradient and finite differences. */
static double worst_slope(struct objectives *o, const struct rows *rows, const struct batch *b, size_t classes,
                          float *logits)
{
    float d[2 * ROWS * MOST_CLASSES];
    double worst = 0, largest = 0;
    loss_of(o, rows, b, classes, logits, d);
    for (size_t i = 0; i < b->rows * classes; i++) {
        float saved = logits[i];
        logits[i] = saved + 0x1p-10f;
        double up = logits[i], above = loss_of(o, rows, b, classes, logits, NULL);
        logits[i] = saved - 0x1p-10f;
        double slope = (above - loss_of(o, rows, b, classes, logits, NULL)) / (up - logits[i]);
        logits[i] = saved;
        worst = fmax(worst, fabs(slope - d[i]));
        largest = fmax(largest, fabs(d[i]));
    }
    ok(largest > 0.02, "a gradient (%g)", largest);
    return worst;
}

/* ---- rdrop ---- */

static double divergence(const float *a, const float *b, size_t classes)
{
    double p[MOST_CLASSES], q[MOST_CLASSES], sum = 0;
    softmax_of_logits(a, classes, p);
    softmax_of_logits(b, classes, q);
    for (size_t c = 0; c < classes; c++)
        sum += p[c] * log(p[c] / q[c]) / 2 + q[c] * log(q[c] / p[c]) / 2;
    return sum;
}

/* The second pass: the rows with a label again, with numbers of their own. */
static void test_rdrop_rows(void)
{
    struct rows rows = example(2);
    struct objectives o;
    struct batch b = {0};
    size_t wrong = 0;
    prepare(&o, "label,rdrop", &rows, 2, 1);
    fill(&o, &rows, &b, 50);
    near(o.terms[1].count, ROWS - 1, 0, "a row without a label is no item");
    is_long((long long)b.rows, 2 * ROWS - 1, "the others are there twice");
    for (size_t i = 0, again = ROWS; i < ROWS; i++) {
        size_t n = (size_t)(b.offsets[i + 1] - b.offsets[i]);
        if (i == 2)
            continue;
        wrong += (size_t)(b.offsets[again + 1] - b.offsets[again]) != n ||
                 memcmp(b.ids + b.offsets[i], b.ids + b.offsets[again], n * sizeof *b.ids) != 0 ||
                 memcmp(b.types + b.offsets[i], b.types + b.offsets[again], n) != 0;
        wrong += b.row[i] != 50 + i || b.row[again] == b.row[i] || (uint32_t)b.row[again] != 50 + i;
        again++;
    }
    is_long((long long)wrong, 0, "the same tokens and types, another number, which follows from the row's");
    batch_free(&b);
    objectives_free(&o);
    rows_free(&rows);
}

static void test_rdrop(size_t classes)
{
    struct rows rows = example((int)classes);
    struct objectives o;
    struct batch b = {0};
    float logits[2 * ROWS * MOST_CLASSES], d[2 * ROWS * MOST_CLASSES];
    double expected = 0;
    prepare(&o, "rdrop=0.5", &rows, classes, 1);
    fill(&o, &rows, &b, 0);
    for (size_t i = 0; i < b.rows * classes; i++)
        logits[i] = (float)(2 * sin(1.3 * (double)i));
    for (size_t i = 0, again = ROWS; i < ROWS; i++)
        expected += i == 2 ? 0 : divergence(logits + i * classes, logits + again++ * classes, classes);
    near(loss_of(&o, &rows, &b, classes, logits, d), 0.5 * expected / (ROWS - 1), 1e-12, "the formula, %zu classes",
         classes);
    double unused = 0;
    for (size_t c = 0; c < classes; c++)
        unused += fabs(d[2 * classes + c]);
    near(unused, 0, 0, "no gradient where there is no label");
    near(worst_slope(&o, &rows, &b, classes, logits), 0, 1e-6, "into both passes, as finite differences have it");
    for (size_t i = 0, again = ROWS; i < ROWS; i++)
        if (i != 2)
            memcpy(logits + again++ * classes, logits + i * classes, classes * sizeof *logits);
    near(loss_of(&o, &rows, &b, classes, logits, d), 0, 0, "equal answers: nothing");
    logits[0] = 500, logits[1] = -500;
    loss_of(&o, &rows, &b, classes, logits, d);
    ok(isfinite(d[0]) && isfinite(d[ROWS * classes]), "certain answers that differ: finite");
    batch_free(&b);
    objectives_free(&o);
    rows_free(&rows);
}

/* Through an encoder: what parts the two passes is dropout alone. */
static void test_rdrop_dropout(const struct nn *nn)
{
    static const struct model_dropout some = {0.1, 0.1, 0.1, 77}, none = {0, 0, 0, 77};
    struct rows rows = example(2);
    struct objectives o;
    struct model m = {0};
    struct model_heads heads;
    struct activations a;
    struct batch b = {0};
    const struct objective_rows step = {&rows, in_order, ROWS, 0};
    bert_config_preset(&m.config, "tiny", VOCABULARY);
    prepare(&o, "rdrop", &rows, 2, 1);
    objectives_heads(&o, &m.config, 2, &heads);
    model_random(&m, &m.config, &heads, 5);
    model_heads_free(&heads);
    activations_init(&a, &m.config, true);
    for (size_t i = 0; i < m.parameters.n; i++) /* a classifier that is sure of something */
        for (size_t j = 0; strcmp(m.parameters.list[i].name, "classifier.weight") == 0 && j < m.parameters.list[i].size;
             j++)
            m.parameters.slab[m.parameters.list[i].offset + j] *= 20;
    double loss = objectives_step(&o, &m, nn, &a, &b, &some, &step, ROWS, NULL);
    ok(loss > 1e-3, "with dropout the answers differ (%g)", loss);
    near(objectives_step(&o, &m, nn, &a, &b, &some, &step, 2, NULL), loss, 1e-6, "in batches of two rows the same");
    near(objectives_step(&o, &m, nn, &a, &b, &none, &step, ROWS, NULL), 0, 1e-10, "without it they do not");
    batch_free(&b);
    activations_free(&a);
    model_free(&m);
    objectives_free(&o);
    rows_free(&rows);
}

static void test_rdrop_refusal(void)
{
    struct rows rows = {0};
    struct objectives o;
    struct error err = {0};
    const struct objective_setting setting = {.rows = &rows, .classes = 2};
    add_i32(&rows, "label", -1);
    rows.n = 1;
    ok(objectives_parse(&o, "rdrop", &err) == 0 && objectives_prepare(&o, &setting, &err) < 0, "no label is refused");
    is_string(err.text,
              "no row has a gold label (0, 1, ...), which the objective term 'rdrop' needs; label some rows, or take "
              "the teacher's with --label-source gold-or-teacher",
              "with a cure");
    objectives_free(&o);
    rows_free(&rows);
}

/* ---- soft at a temperature ---- */

static void test_soft(size_t classes, double temperature, double tolerance)
{
    struct rows rows = example((int)classes);
    struct objectives o;
    struct batch b = {0};
    struct error err = {0};
    struct teacher teacher;
    float logits[ROWS * MOST_CLASSES];
    double expected = 0;
    prepare(&o, "soft", &rows, classes, temperature);
    fill(&o, &rows, &b, 0);
    ok(teacher_estimate(&teacher, &rows, classes, &err) == 0, "the teacher's probabilities");
    for (size_t i = 0; i < ROWS * classes; i++)
        logits[i] = (float)(3 * sin(1.7 * (double)i));
    for (size_t i = 0; i < ROWS; i++) {
        double of_q = 0, of_z = 0;
        for (size_t c = 0; c < classes; c++) {
            of_q += exp(log(teacher.probabilities[i * classes + c]) / temperature);
            of_z += exp(logits[i * classes + c] / temperature);
        }
        for (size_t c = 0; c < classes && i != 4; c++)
            expected -= exp(log(teacher.probabilities[i * classes + c]) / temperature) / of_q *
                        (logits[i * classes + c] / temperature - log(of_z));
    }
    expected *= temperature * temperature / (ROWS - 1);
    near(loss_of(&o, &rows, &b, classes, logits, NULL), expected, tolerance, "temperature %g: T^2 CE, %zu classes",
         temperature, classes);
    near(worst_slope(&o, &rows, &b, classes, logits), 0, temperature == 2 ? 1e-6 : 5e-4, "its gradient");
    teacher_free(&teacher);
    batch_free(&b);
    objectives_free(&o);
    rows_free(&rows);
}

/* Temperature 1, and none given, are the cross-entropy itself, to the bit. */
static void test_soft_cold(void)
{
    struct rows rows = example(3);
    struct objectives one, unset;
    struct batch b = {0};
    struct error err = {0};
    struct teacher teacher;
    float logits[ROWS * 3], d[ROWS * 3], e[ROWS * 3], plain[ROWS * 3] = {0};
    double sum = 0;
    prepare(&one, "soft", &rows, 3, 1);
    prepare(&unset, "soft", &rows, 3, 0);
    fill(&one, &rows, &b, 0);
    fill(&unset, &rows, &b, 0);
    ok(teacher_estimate(&teacher, &rows, 3, &err) == 0, "the teacher's probabilities");
    for (size_t i = 0; i < ROWS * 3; i++)
        logits[i] = (float)cos(1.1 * (double)i);
    double scale = 1 / one.terms[0].count, loss = loss_of(&one, &rows, &b, 3, logits, d);
    for (size_t i = 0; i < ROWS; i++)
        if (i != 4)
            sum += cross_entropy(logits + 3 * i, teacher.probabilities + 3 * i, 0, 3, scale, plain + 3 * i);
    ok(loss == scale * sum && memcmp(d, plain, sizeof d) == 0, "temperature 1: the cross-entropy, bit for bit");
    ok(loss_of(&unset, &rows, &b, 3, logits, e) == loss && memcmp(d, e, sizeof d) == 0, "as where none is given");
    teacher_free(&teacher);
    batch_free(&b);
    objectives_free(&one);
    objectives_free(&unset);
    rows_free(&rows);
}

/* What stands in the metrics: rows calibrated rows with these confidences (level of the row's place), the teacher right
 * in three of four. */
static void describes(int rows_with, int levels, const char *expected)
{
    struct rows rows = {0};
    struct objectives o;
    struct buf json = {0};
    struct json doc = {0};
    struct error err = {0};
    for (int i = 0; i < rows_with; i++, rows.n++) {
        float confidence = 0.25f * (float)(1 + i % levels);
        buf_add(&rows_column(&rows, "confidence", ST_F32, COLUMN_ROW, 1)->values, &confidence, sizeof confidence);
        add_i32(&rows, "label", 1);
        add_i32(&rows, "teacher_label", i / levels % 4 != 0);
    }
    prepare(&o, "soft", &rows, 2, 1);
    buf_addstr(&json, "{\"event\":\"start\"");
    objectives_describe(&o, &json);
    buf_addch(&json, '}');
    ok(json_parse(&doc, json.data, json.len, &err) == 0, "the metrics are JSON");
    is_string(json.data, expected, "what %d rows of %d confidences tell", rows_with, levels);
    json_free(&doc);
    buf_free(&json);
    objectives_free(&o);
    rows_free(&rows);
}

static void test_describe(void)
{
    describes(8, 1,
              "{\"event\":\"start\",\"soft_rows\":8,\"soft_rows_with_gold\":8,\"soft_rows_agreeing\":6,"
              "\"soft_teacher_accuracy\":0.75}");
    describes(60, 3,
              "{\"event\":\"start\",\"soft_rows\":60,\"soft_rows_with_gold\":60,\"soft_rows_agreeing\":45,"
              "\"soft_teacher_accuracy\":0.75,\"soft_confidence_edges\":[0.25,0.5],\"soft_right\":"
              "[0.7272727272727273,0.7272727272727273,0.7272727272727273]}");
    describes(56, 1,
              "{\"event\":\"start\",\"soft_rows\":56,\"soft_rows_with_gold\":56,\"soft_rows_agreeing\":42,"
              "\"soft_teacher_accuracy\":0.75,\"soft_confidence_edges\":[null,null],\"soft_right\":"
              "[0.7413793103448276,0.5,0.5]}");
}

int main(void)
{
    struct nn nn;
    struct error err = {0};
    if (nn_cpu(&nn, &(struct nn_options){.threads = 1}, &err) < 0) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }
    test_rdrop_rows();
    test_rdrop(2);
    test_rdrop(4);
    test_rdrop_dropout(&nn);
    test_rdrop_refusal();
    test_soft(2, 2, 1e-12);
    test_soft(3, 2, 1e-12);
    test_soft(3, 3, 1e-6);
    test_soft_cold();
    test_describe();
    nn_free(&nn);
    return done_testing();
}
