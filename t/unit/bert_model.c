/* bert_model.c - the whole network against what transformers computes with the same weights (testdata/bert, goldens in
 * float64), its way back against finite differences, and what must not change a result: the batch, the way of loading,
 * training mode.
 */
#include "bert/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"
#include "base/memory.h"
#include "bert/objectives/objective.h"
#include "bert_folder.h"
#include "wire/json.h"
#include "wire/lines.h"

static int load(struct model *m, const char *folder, size_t classes, uint64_t seed, bool *fresh, struct error *err)
{
    const struct model_heads heads = {.classes = classes};
    return model_open(m, folder, err) < 0 ? -1 : model_load(m, classes ? &heads : NULL, seed, fresh, err);
}

static struct nn nn;

/* ---- a golden file ---- */

enum { GOLDEN_ROWS = 8 };

struct golden {
    struct rows rows;
    struct buf first, pooled, logits; /* double, row after row; empty where the file has none */
    struct json sums;                 /* the ninth line */
    char *sums_text;
};

_Noreturn static void bail_out(const char *what, const char *why)
{
    printf("Bail out! %s: %s\n", what, why);
    exit(1);
}

static void add_doubles(struct buf *b, const struct json *doc, const struct json_node *list)
{
    double value;
    for (const struct json_node *n = json_first(doc, list); n; n = json_next(doc, n)) {
        json_get_double(n, &value);
        buf_add(b, &value, sizeof value);
    }
}

static void add_tokens(struct rows *rows, const struct json *doc)
{
    const struct json_node *root = json_root(doc);
    rows_column(rows, "ids", ST_I32, COLUMN_LIST, 1); /* both before either is held: a new column moves the others */
    rows_column(rows, "types", ST_U8, COLUMN_TOKEN, 1);
    rows_column(rows, "idx", ST_I64, COLUMN_ROW, 1);
    rows_column(rows, "label", ST_I32, COLUMN_ROW, 1);
    struct column *ids = rows_find(rows, "ids"), *types = rows_find(rows, "types");
    long long value;
    for (const struct json_node *n = json_first(doc, json_member(doc, root, "ids")); n; n = json_next(doc, n)) {
        json_get_long(n, &value);
        buf_add(&ids->values, &(int32_t){(int32_t)value}, sizeof(int32_t));
    }
    for (const struct json_node *n = json_first(doc, json_member(doc, root, "types")); n; n = json_next(doc, n)) {
        json_get_long(n, &value);
        buf_addch(&types->values, (char)value);
    }
    json_get_long(json_member(doc, root, "label"), &value);
    int64_t end = (int64_t)(ids->values.len / sizeof(int32_t)), idx = (int64_t)rows->n;
    buf_add(&ids->offsets, &end, sizeof end);
    buf_add(&rows_find(rows, "idx")->values, &idx, sizeof idx);
    buf_add(&rows_find(rows, "label")->values, &(int32_t){(int32_t)value}, sizeof(int32_t));
    rows->n++;
}

static void golden_read(struct golden *g, const char *folder)
{
    struct lines lines;
    struct json doc = {0};
    struct error err = {0};
    const char *line;
    size_t len;
    char *path = path_join(folder, "golden.ndjson");
    *g = (struct golden){0};
    if (lines_open(&lines, path, 0, &err) < 0)
        bail_out(path, err.text);
    while (lines_next(&lines, &line, &len, &err) > 0) {
        if (lines.number > GOLDEN_ROWS) {
            g->sums_text = xmemdup0(line, len);
            if (json_parse(&g->sums, g->sums_text, len, &err) < 0)
                bail_out(path, err.text);
            continue;
        }
        if (json_parse(&doc, line, len, &err) < 0)
            bail_out(path, err.text);
        add_tokens(&g->rows, &doc);
        add_doubles(&g->first, &doc, json_member(&doc, json_root(&doc), "first"));
        add_doubles(&g->pooled, &doc, json_member(&doc, json_root(&doc), "pooled"));
        add_doubles(&g->logits, &doc, json_member(&doc, json_root(&doc), "logits"));
    }
    if (g->rows.n != GOLDEN_ROWS)
        bail_out(path, "no eight rows");
    json_free(&doc);
    lines_close(&lines);
    free(path);
}

static void golden_free(struct golden *g)
{
    rows_free(&g->rows);
    buf_free(&g->first);
    buf_free(&g->pooled);
    buf_free(&g->logits);
    json_free(&g->sums);
    free(g->sums_text);
}

/* ---- forward ---- */

static const uint64_t in_order[GOLDEN_ROWS] = {0, 1, 2, 3, 4, 5, 6, 7};

/* What a pass leaves, copied: the activations are laid out anew for each batch. */
struct outcome {
    float *first, *pooled, *logits;
    size_t hidden, classes;
};

static void outcome_init(struct outcome *o, const struct model *m)
{
    o->hidden = (size_t)m->config.hidden_size;
    o->classes = m->classes;
    o->first = xmalloc_array(GOLDEN_ROWS * o->hidden, sizeof(float));
    o->pooled = xmalloc_array(GOLDEN_ROWS * o->hidden, sizeof(float));
    o->logits = xmalloc_array(GOLDEN_ROWS * o->classes, sizeof(float));
}

static void outcome_free(struct outcome *o)
{
    free(o->first);
    free(o->pooled);
    free(o->logits);
}

/* Computes rows which[0..n) in batches of `at_once` and files what comes out under each row's own number. */
static void forward(struct outcome *o, const struct model *m, const struct rows *rows, const uint64_t *which, size_t n,
                    size_t at_once, bool training)
{
    struct activations a;
    struct batch b = {0};
    activations_init(&a, &m->config, training);
    for (size_t begin = 0; begin < n; begin += at_once) {
        size_t count = n - begin < at_once ? n - begin : at_once;
        batch_fill(&b, rows, which + begin, count, begin);
        model_forward(m, &nn, &a, &b, NULL);
        const float *first = a.layers[m->config.num_hidden_layers - 1].output;
        for (size_t i = 0; i < count; i++) {
            size_t row = which[begin + i];
            memcpy(o->first + row * o->hidden, first + i * o->hidden, o->hidden * sizeof(float));
            memcpy(o->pooled + row * o->hidden, a.pooled + i * o->hidden, o->hidden * sizeof(float));
            memcpy(o->logits + row * o->classes, a.logits + i * o->classes, o->classes * sizeof(float));
        }
    }
    activations_free(&a);
    batch_free(&b);
}

/* The largest |got - expected|; NaN counts as infinite. */
static double farthest(const float *got, const struct buf *expected, size_t n)
{
    double most = 0;
    if (expected->len != n * sizeof(double))
        return INFINITY;
    for (size_t i = 0; i < n; i++) {
        double value;
        memcpy(&value, expected->data + i * sizeof value, sizeof value);
        double distance = fabs(got[i] - value);
        most = distance <= most ? most : isnan(distance) ? INFINITY : distance;
    }
    return most;
}

/* The largest |a - b|, of values over 1 by their size. */
static double apart(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double distance = fabs((double)a[i] - (double)b[i]) / fmax(1, fabs(a[i]));
        most = distance <= most ? most : isnan(distance) ? INFINITY : distance;
    }
    return most;
}

static double outcomes_apart(const struct outcome *a, const struct outcome *b)
{
    return fmax(apart(a->first, b->first, GOLDEN_ROWS * a->hidden),
                apart(a->logits, b->logits, GOLDEN_ROWS * a->classes));
}

static void check_golden(const struct outcome *o, const struct golden *g, const char *name)
{
    near(farthest(o->first, &g->first, GOLDEN_ROWS * o->hidden), 0, 1e-5, "%s: states of the first tokens", name);
    if (g->pooled.len)
        near(farthest(o->pooled, &g->pooled, GOLDEN_ROWS * o->hidden), 0, 1e-5, "%s: pooled", name);
    if (g->logits.len)
        near(farthest(o->logits, &g->logits, GOLDEN_ROWS * o->classes), 0, 5e-6, "%s: logits", name);
}

/* What the batch holds beside a row has no influence on it, nor has the mode. */
static void check_invariance(const struct model *m, const struct golden *g, const struct outcome *expected,
                             const char *name)
{
    static const uint64_t backwards[GOLDEN_ROWS] = {7, 6, 5, 4, 3, 2, 1, 0},
                          mixed[GOLDEN_ROWS] = {5, 0, 7, 2, 6, 1, 3, 4};
    struct outcome o;
    outcome_init(&o, m);
    forward(&o, m, &g->rows, in_order, GOLDEN_ROWS, 1, false);
    near(outcomes_apart(&o, expected), 0, 3e-6, "%s: one row at a time", name);
    forward(&o, m, &g->rows, backwards, GOLDEN_ROWS, GOLDEN_ROWS, false);
    near(outcomes_apart(&o, expected), 0, 3e-6, "%s: the other way round", name);
    forward(&o, m, &g->rows, mixed, GOLDEN_ROWS, 3, false);
    near(outcomes_apart(&o, expected), 0, 3e-6, "%s: three at a time, mixed", name);
    forward(&o, m, &g->rows, in_order, GOLDEN_ROWS, GOLDEN_ROWS, true);
    near(outcomes_apart(&o, expected), 0, 3e-6, "%s: in training mode, without dropout", name);
    outcome_free(&o);
}

/* ---- loss and gradients ---- */

struct pass {
    const struct model *m;
    const struct rows *rows;
    const struct model_dropout *dropout;
    struct objectives objectives;
    struct activations a;
    struct batch b;
};

static void pass_init(struct pass *p, const struct model *m, const struct rows *rows,
                      const struct model_dropout *dropout)
{
    struct error err = {0};
    *p = (struct pass){.m = m, .rows = rows, .dropout = dropout};
    const struct objective_setting setting = {.rows = rows, .classes = m->classes, .config = &m->config};
    if (objectives_parse(&p->objectives, "label", &err) < 0 || objectives_prepare(&p->objectives, &setting, &err) < 0)
        bail_out("objectives", err.text);
    activations_init(&p->a, &m->config, true);
}

/* gradients NULL: the loss alone. */
static double pass_loss(struct pass *p, float *gradients)
{
    const struct objective_rows step = {p->rows, in_order, p->rows->n, 0};
    return objectives_step(&p->objectives, p->m, &nn, &p->a, &p->b, p->dropout, &step, p->rows->n, gradients);
}

static void pass_free(struct pass *p)
{
    objectives_free(&p->objectives);
    activations_free(&p->a);
    batch_free(&p->b);
}

static double norm_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

static void check_norms(const struct model *m, const float *gradients, const struct golden *g, const char *name)
{
    const struct json_node *norms = json_member(&g->sums, json_root(&g->sums), "gradient_norms");
    double worst = 0, largest_key = 0;
    size_t found = 0;
    if (!norms)
        return;
    for (size_t i = 0; i < m->parameters.n; i++) {
        const struct parameter *q = &m->parameters.list[i];
        double expected = NAN, got = norm_of(gradients + q->offset, q->size);
        found += json_get_double(json_member(&g->sums, norms, q->name), &expected);
        if (strstr(q->name, "key.bias"))
            largest_key = fmax(largest_key, got);
        else if (!(fabs(got / expected - 1) <= worst))
            worst = fabs(got / expected - 1);
    }
    is_long((long long)found, (long long)norms->count, "%s: each gradient of the golden file", name);
    near(worst, 0, 1e-5, "%s: norms of the gradients", name);
    near(largest_key, 0, 1e-7, "%s: gradients of key biases, which are zero in truth", name);
}

/* A step along each parameter's own gradient, so long that it should change the loss by 2e-4, does change it by that.
 */
static void check_directions(struct model *m, const struct rows *rows, const struct model_dropout *dropout,
                             const char *name)
{
    struct pass p;
    float *gradients = xaligned(m->parameters.slab_size * sizeof *gradients);
    double worst = 0;
    pass_init(&p, m, rows, dropout);
    pass_loss(&p, gradients);
    for (size_t i = 0; i < m->parameters.n; i++) {
        const struct parameter *q = &m->parameters.list[i];
        const float *g = gradients + q->offset;
        float *value = m->parameters.slab + q->offset, *saved = xmalloc_array(q->size, sizeof *saved);
        double norm = norm_of(g, q->size), h = 2e-4 / norm;
        if (norm > 1e-3) { /* below, the loss's own rounding is felt */
            memcpy(saved, value, q->size * sizeof *saved);
            for (size_t j = 0; j < q->size; j++)
                value[j] = (float)(saved[j] + h * g[j] / norm);
            double above = pass_loss(&p, NULL);
            for (size_t j = 0; j < q->size; j++)
                value[j] = (float)(saved[j] - h * g[j] / norm);
            double slope = (above - pass_loss(&p, NULL)) / (2 * h);
            memcpy(value, saved, q->size * sizeof *saved);
            double distance = fabs(slope / norm - 1);
            worst = distance <= worst ? worst : isnan(distance) ? INFINITY : distance;
            if (!(distance < 0.01))
                note("%s: slope %.6g, norm of the gradient %.6g", q->name, slope, norm);
        }
        free(saved);
    }
    near(worst, 0, 0.01, "%s: gradients agree with finite differences", name);
    pass_free(&p);
    free(gradients);
}

static void check_training(struct model *m, const struct golden *g, const char *name)
{
    static const struct model_dropout some = {0.2, 0.1, 0.3, 77};
    struct pass p;
    double loss = NAN;
    float *gradients = xaligned(m->parameters.slab_size * sizeof *gradients);
    pass_init(&p, m, &g->rows, NULL);
    double got = pass_loss(&p, gradients);
    if (g->sums_text) {
        json_get_double(json_member(&g->sums, json_root(&g->sums), "loss"), &loss);
        near(got, loss, 1e-6, "%s: loss", name);
    }
    check_norms(m, gradients, g, name);
    double once = norm_of(gradients, m->parameters.slab_size);
    pass_loss(&p, gradients);
    near(norm_of(gradients, m->parameters.slab_size) / once, 2, 1e-5, "%s: gradients are added", name);
    pass_free(&p);
    free(gradients);
    check_directions(m, &g->rows, NULL, name);
    char *dropped = NULL;
    struct buf text = {0};
    buf_addf(&text, "%s with dropout", name);
    dropped = text.data;
    check_directions(m, &g->rows, &some, dropped);
    buf_free(&text);
}

static void check_folder(const char *name, bool has_classifier)
{
    struct model mapped, loaded;
    struct golden g;
    struct outcome o, expected;
    struct error err = {0};
    bool fresh = !has_classifier;
    char *folder = testdata(name);
    golden_read(&g, folder);
    if (!ok(load(&loaded, folder, has_classifier ? 0 : 2, 1, &fresh, &err) == 0, "%s: loads", name)) {
        note("%s", err.text);
        goto done;
    }
    ok(fresh == !has_classifier, "%s: %s", name, has_classifier ? "with its classifier" : "with a new classifier");
    outcome_init(&expected, &loaded);
    forward(&expected, &loaded, &g.rows, in_order, GOLDEN_ROWS, GOLDEN_ROWS, false);
    check_golden(&expected, &g, name);
    check_invariance(&loaded, &g, &expected, name);
    if (has_classifier && ok(model_map(&mapped, folder, &err) == 0, "%s: maps", name)) {
        is_long((long long)mapped.classes, (long long)loaded.classes, "%s: as many classes", name);
        outcome_init(&o, &mapped);
        forward(&o, &mapped, &g.rows, in_order, GOLDEN_ROWS, GOLDEN_ROWS, false);
        check_golden(&o, &g, name);
        near(outcomes_apart(&o, &expected), 0, 3e-6, "%s: mapped as loaded", name);
        outcome_free(&o);
        model_free(&mapped);
    } else if (!has_classifier) {
        ok(model_map(&mapped, folder, &err) == -1 && err.status == STATUS_USAGE &&
               strstr(err.text, "bert-train -m") != NULL,
           "%s: no classifier to map, with the cure: %s", name, err.text);
    }
    check_training(&loaded, &g, name);
    outcome_free(&expected);
    model_free(&loaded);
done:
    golden_free(&g);
    free(folder);
}

/* ---- dropout, types, heads, initialisation ---- */

static void logits_with(const struct model *m, const struct rows *rows, const struct model_dropout *dropout,
                        size_t at_once, float *logits)
{
    struct activations a;
    struct batch b = {0};
    activations_init(&a, &m->config, true);
    for (size_t begin = 0; begin < rows->n; begin += at_once) {
        size_t count = rows->n - begin < at_once ? rows->n - begin : at_once;
        batch_fill(&b, rows, in_order + begin, count, 1000 + begin);
        model_forward(m, &nn, &a, &b, dropout);
        memcpy(logits + begin * m->classes, a.logits, count * m->classes * sizeof *logits);
    }
    activations_free(&a);
    batch_free(&b);
}

static void test_dropout(void)
{
    struct model m;
    struct golden g;
    struct error err = {0};
    bool fresh;
    struct model_dropout some = {0.1, 0.1, 0.1, 5}, other = {0.1, 0.1, 0.1, 6};
    enum { N = GOLDEN_ROWS * 2 };
    float a[N], b[N], none[N];
    char *folder = testdata("classifier");
    golden_read(&g, folder);
    if (load(&m, folder, 0, 1, &fresh, &err) < 0)
        bail_out(folder, err.text);
    logits_with(&m, &g.rows, NULL, GOLDEN_ROWS, none);
    logits_with(&m, &g.rows, &some, GOLDEN_ROWS, a);
    ok(apart(a, none, N) > 1e-3, "dropout changes logits");
    logits_with(&m, &g.rows, &some, 3, b);
    near(apart(a, b, N), 0, 3e-6, "masks depend on the row's number, not on its batch");
    logits_with(&m, &g.rows, &other, GOLDEN_ROWS, b);
    ok(apart(a, b, N) > 1e-3, "and on the seed");
    for (int kind = 0; kind < 3; kind++) {
        struct model_dropout one = {kind == 0 ? 0.3 : 0, kind == 1 ? 0.3 : 0, kind == 2 ? 0.3 : 0, 5};
        logits_with(&m, &g.rows, &one, GOLDEN_ROWS, b);
        ok(apart(none, b, N) > 1e-4, "dropout of %s alone",
           kind == 0   ? "hidden states"
           : kind == 1 ? "attention"
                       : "the classifier");
    }
    struct model_dropout zero = {0, 0, 0, 5};
    logits_with(&m, &g.rows, &zero, GOLDEN_ROWS, b);
    near(apart(none, b, N), 0, 0, "probability 0 is none");
    model_free(&m);
    golden_free(&g);
    free(folder);
}

static void test_types(void)
{
    struct model m;
    struct golden g;
    struct error err = {0};
    bool fresh;
    enum { N = GOLDEN_ROWS * 2 };
    float with[N], zeros[N], without[N];
    char *folder = testdata("gelu_new");
    golden_read(&g, folder);
    if (load(&m, folder, 0, 1, &fresh, &err) < 0)
        bail_out(folder, err.text);
    struct column *types = rows_find(&g.rows, "types");
    logits_with(&m, &g.rows, NULL, GOLDEN_ROWS, with);
    memset(types->values.data, 0, types->values.len);
    logits_with(&m, &g.rows, NULL, GOLDEN_ROWS, zeros);
    ok(apart(with, zeros, N) > 1e-3, "token types count");
    free(types->name);
    buf_free(&types->values);
    *types = g.rows.columns[--g.rows.n_columns];
    logits_with(&m, &g.rows, NULL, GOLDEN_ROWS, without);
    near(apart(zeros, without, N), 0, 0, "without the column all types are 0");
    model_free(&m);
    golden_free(&g);
    free(folder);
}

static void test_heads(void)
{
    struct model m, again;
    struct error err = {0};
    bool fresh;
    char *folder = testdata("relu");
    ok(load(&m, folder, 3, 1, &fresh, &err) == 0 && !fresh && m.classes == 3, "three classes, as the folder has them");
    model_free(&m);
    ok(load(&m, folder, 2, 1, &fresh, &err) == 0 && fresh && m.classes == 2, "two classes: a new classifier");
    ok(load(&again, folder, 2, 1, &fresh, &err) == 0, "once more");
    const struct parameter *p = parameters_find(&m.parameters, "classifier.weight");
    is_long((long long)p->rows, 2, "of two rows");
    const float *value = m.parameters.slab + p->offset, *other = again.parameters.slab + p->offset;
    ok(norm_of(value, p->size) > 0 && memcmp(value, other, p->size * sizeof *value) == 0,
       "the same from the same seed");
    model_free(&again);
    ok(load(&again, folder, 2, 2, &fresh, &err) == 0 &&
           memcmp(value, again.parameters.slab + p->offset, p->size * sizeof *value) != 0,
       "another from another");
    model_free(&m);
    model_free(&again);
    free(folder);
}

static double deviation(const float *x, size_t n)
{
    return norm_of(x, n) / sqrt((double)n);
}

static void test_random(void)
{
    struct model m;
    struct bert_config config;
    ok(bert_config_preset(&config, "tiny", 300), "the preset");
    model_random(&m, &config, &(struct model_heads){.classes = 3}, 9);
    is_long((long long)m.classes, 3, "classes");
    const struct parameter *words = parameters_find(&m.parameters, "bert.embeddings.word_embeddings.weight");
    near(deviation(words->value + words->cols, words->size - words->cols), 0.02, 2e-4, "weights: normal(0, 0.02)");
    near(norm_of(words->value, words->cols), 0, 0, "the padding's row is zero");
    const struct parameter *bias = parameters_find(&m.parameters, "bert.encoder.layer.1.output.dense.bias");
    near(norm_of(bias->value, bias->size), 0, 0, "biases are 0");
    const struct parameter *norm = parameters_find(&m.parameters, "bert.encoder.layer.1.output.LayerNorm.weight");
    near(deviation(norm->value, norm->size), 1, 0, "LayerNorm's weights are 1");
    const struct parameter *query = parameters_find(&m.parameters, "bert.encoder.layer.0.attention.self.query.weight");
    const struct parameter *key = parameters_find(&m.parameters, "bert.encoder.layer.0.attention.self.key.weight");
    ok(memcmp(query->value, key->value, query->size * sizeof(float)) != 0, "no two alike");
    model_free(&m);
}

/* ---- rows that do not fit ---- */

static void one_row(struct rows *rows, size_t tokens, int32_t id, uint8_t type)
{
    rows_column(rows, "ids", ST_I32, COLUMN_LIST, 1);
    rows_column(rows, "types", ST_U8, COLUMN_TOKEN, 1);
    struct column *ids = rows_find(rows, "ids"), *types = rows_find(rows, "types");
    for (size_t i = 0; i < tokens; i++) {
        buf_add(&ids->values, &id, sizeof id);
        buf_addch(&types->values, (char)type);
    }
    int64_t end = (int64_t)(ids->values.len / sizeof id);
    buf_add(&ids->offsets, &end, sizeof end);
    rows->n++;
}

static void refuse(const struct model *m, struct rows *rows, const char *message)
{
    struct error err = {0};
    int result = model_check_rows(m, rows, &err);
    is_string(result < 0 ? err.text : "", message, "%s", *message ? message : "rows that fit");
    ok(*message == '\0' || err.status == STATUS_FAILURE, "its status");
    rows_reset(rows);
}

static void test_check_rows(void)
{
    struct model m;
    struct rows rows = {0};
    struct error err = {0};
    char *folder = testdata("classifier"); /* 40 positions, 96 tokens, 2 types */
    if (model_map(&m, folder, &err) < 0)
        bail_out(folder, err.text);
    refuse(&m, &rows, "");
    one_row(&rows, 40, 95, 1);
    one_row(&rows, 1, 0, 0);
    refuse(&m, &rows, "");
    one_row(&rows, 3, 5, 0);
    one_row(&rows, 41, 5, 0);
    refuse(&m, &rows, "row 2: 41 tokens, but the model has 40 positions; run wp-tokenize with --max-len 40");
    one_row(&rows, 1, 96, 0);
    refuse(&m, &rows, "row 1: token id 96 is not among the model's 96 tokens; run wp-tokenize -m with this model");
    one_row(&rows, 1, -1, 0);
    refuse(&m, &rows, "row 1: token id -1 is not among the model's 96 tokens; run wp-tokenize -m with this model");
    one_row(&rows, 2, 5, 0);
    one_row(&rows, 2, 5, 0);
    one_row(&rows, 2, 5, 2);
    refuse(&m, &rows,
           "row 3: token type 2, but the model knows 2 types; it was not made for pairs, so run wp-tokenize "
           "without --pair");
    rows_free(&rows);
    model_free(&m);
    free(folder);
}

int main(void)
{
    static const struct {
        const char *name;
        bool has_classifier;
    } folders[] = {{"classifier", true}, {"encoder", false},  {"pretraining", false}, {"gamma", true},
                   {"f16", true},        {"bf16", true},      {"sharded", true},      {"gelu_new", true},
                   {"relu", true},       {"no-pooler", false}};
    struct error err = {0};
    if (nn_cpu(&nn, &(struct nn_options){.threads = 1}, &err) < 0)
        bail_out("nn_cpu", err.text);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        check_folder(folders[i].name, folders[i].has_classifier);
    test_dropout();
    test_types();
    test_heads();
    test_random();
    test_check_rows();
    return done_testing();
}
