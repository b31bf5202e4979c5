/* mlm.c - the term `mlm` and what it stands on: which tokens are masked, the states of all tokens and their way back,
 * the head against what transformers computes (testdata/bert/pretraining/mlm.ndjson, float64), gradients against finite
 * differences, and what must not change a result: the batch, accumulation, threads.
 */
#include <string.h>

#include "../helper/tap.h"
#include "bert/objectives/masking.h"
#include "bert/objectives/mlm_head.h"
#include "wire/json.h"
#include "wire/lines.h"

enum { VOCABULARY = 96, MASK = 4, ROWS = 8 };

/* ---- masking ---- */

/* 0 to 4 are special, from 60 on pieces go on words. */
static const char *token_text[VOCABULARY];
static uint8_t special[VOCABULARY];
static const struct token_table tokens = {token_text, VOCABULARY, "##", special, MASK};
static const struct bert_config masking_config = {.vocab_size = VOCABULARY};

static void make_tokens(void)
{
    for (int i = 0; i < VOCABULARY; i++) {
        token_text[i] = i == 95 ? "##" : i >= 60 ? "##x" : "x"; /* the last is a word: nothing follows the prefix */
        special[i] = i < 5;
    }
}

/* ---- rows and a model ---- */

/* Ragged rows between [CLS] and [SEP]; two classes, the last row without. */
static void make_rows(struct rows *rows)
{
    static const int lengths[ROWS] = {3, 40, 9, 17, 2, 31, 16, 24};
    rows_column(rows, "ids", ST_I32, COLUMN_LIST, 1);
    rows_column(rows, "types", ST_U8, COLUMN_TOKEN, 1);
    rows_column(rows, "label", ST_I32, COLUMN_ROW, 1);
    struct column *ids = rows_find(rows, "ids"), *types = rows_find(rows, "types"), *label = rows_find(rows, "label");
    for (int i = 0; i < ROWS; i++) {
        for (int t = 0; t < lengths[i]; t++) {
            int32_t id = t == 0 ? 2 : t + 1 == lengths[i] ? 3 : 5 + (i * 31 + t * 17) % (VOCABULARY - 5);
            buf_add(&ids->values, &id, sizeof id);
            buf_addch(&types->values, (char)(i % 2 && t > lengths[i] / 2));
        }
        int64_t end = (int64_t)(ids->values.len / sizeof(int32_t));
        int32_t class = i + 1 < ROWS ? i % 2 : -1;
        buf_add(&ids->offsets, &end, sizeof end);
        buf_add(&label->values, &class, sizeof class);
        rows->n++;
    }
}

#include "student.h"

static void masking_of(struct masking *m, double probability, bool whole_words, uint64_t seed)
{
    struct error err = {0};
    const struct objective_setting setting = {.config = &masking_config,
                                              .tokens = &tokens,
                                              .seed = seed,
                                              .mlm_probability = probability,
                                              .whole_word_masking = whole_words};
    if (masking_init(m, &setting, &err) < 0)
        bail_out("masking_init", err.text);
}

enum { LENGTH = 40, DRAWS = 5000 };

static void test_masking(void)
{
    struct masking m, other;
    int32_t ids[LENGTH], shown[LENGTH], labels[LENGTH], again[LENGTH];
    uint32_t places[LENGTH];
    size_t masked = 0, as_mask = 0, as_other = 0, wrong = 0, differ = 0, outside = 0;
    masking_of(&m, 0.15, false, 7);
    masking_of(&other, 0.15, false, 8);
    for (int t = 0; t < LENGTH; t++)
        ids[t] = t % 10 == 0 ? t / 10 % 5 : 5 + t; /* each tenth is a special one: 36 others */
    for (uint64_t number = 0; number < DRAWS; number++) {
        memcpy(shown, ids, sizeof ids);
        size_t n = masking_apply(&m, ids, LENGTH, number, places, labels, shown), j = 0;
        wrong += n != masking_apply(&m, ids, LENGTH, number, NULL, NULL, NULL);
        for (uint32_t t = 0; t < LENGTH; t++) {
            bool chosen = j < n && places[j] == t;
            wrong += chosen ? special[ids[t]] || labels[j] != ids[t] : shown[t] != ids[t];
            outside += shown[t] < 0 || shown[t] >= VOCABULARY;
            as_mask += chosen && shown[t] == MASK;
            as_other += chosen && shown[t] != MASK && shown[t] != ids[t];
            j += chosen;
        }
        masked += n;
        memcpy(again, ids, sizeof ids);
        masking_apply(&other, ids, LENGTH, number, places, labels, again);
        differ += memcmp(shown, again, sizeof shown) != 0;
    }
    double whole = 36.0 * DRAWS; /* five standard deviations each */
    near((double)masked / whole, 0.15, 0.0043, "the share of masked tokens");
    near((double)as_mask / (double)masked, 0.8 + 0.1 / 96, 0.0125, "80 %% of them are shown as [MASK]");
    near((double)as_other / (double)masked, 0.1 * 94 / 96, 0.0093, "10 %% as another token");
    is_long((long long)wrong, 0, "no special token, the labels are the tokens, all else is shown as it is");
    is_long((long long)outside, 0, "random tokens are of the vocabulary");
    ok(differ > DRAWS * 9 / 10, "another seed masks others");
    memcpy(shown, ids, sizeof ids);
    memcpy(again, ids, sizeof ids);
    masking_apply(&m, ids, LENGTH, 12, places, labels, shown);
    masking_apply(&m, ids, LENGTH, 12, places, labels, again);
    ok(memcmp(shown, again, sizeof shown) == 0, "the row's number decides");
    memcpy(again, ids, sizeof ids);
    masking_apply(&m, ids, 20, 12, places, labels, again);
    ok(memcmp(shown, again, 20 * sizeof *shown) == 0, "a token's fate does not depend on those after it");
    masking_free(&m);
    masking_free(&other);
}

static void test_whole_words(void)
{
    static const int32_t ids[] = {2, 10, 60, 61, 11, 12, 62, 3, 63, 64, 95, 65, 3}; /* words: 1-3 4 5-6 8-9 10-11 */
    static const int word[] = {-1, 0, 0, 0, 1, 2, 2, -1, 3, 3, 4, 4, -1};
    enum { N = sizeof ids / sizeof *ids };
    struct masking m;
    int32_t shown[N], labels[N];
    uint32_t places[N];
    size_t masked = 0, broken = 0, together[5][5] = {{0}}, replaced_apart = 0;
    masking_of(&m, 0.3, true, 7);
    for (uint64_t number = 0; number < DRAWS; number++) {
        bool chosen[N] = {false}, of_word[5];
        memcpy(shown, ids, sizeof ids);
        size_t n = masking_apply(&m, ids, N, number, places, labels, shown);
        for (size_t j = 0; j < n; j++)
            chosen[places[j]] = true;
        for (int t = 0; t < N; t++)
            if (word[t] >= 0 && word[t] != word[t - 1])
                of_word[word[t]] = chosen[t];
            else
                broken += chosen[t] != (word[t] >= 0 && of_word[word[t]]);
        for (int a = 0; a < 5; a++)
            for (int b = 0; b < 5; b++)
                together[a][b] += of_word[a] == of_word[b];
        replaced_apart += chosen[1] && (shown[1] == MASK) != (shown[2] == MASK);
        masked += n;
    }
    is_long((long long)broken, 0, "all pieces of a word or none");
    size_t most = 0;
    for (int a = 0; a < 5; a++)
        for (int b = 0; b < 5; b++)
            most = a != b && together[a][b] > most ? together[a][b] : most;
    ok(most < DRAWS * 3 / 4, "and each word for itself, also pieces after a special token and a lone ##");
    near((double)masked / (10.0 * DRAWS), 0.3, 0.018, "the share of masked tokens");
    ok(replaced_apart > 0, "pieces are replaced each for itself");
    masking_free(&m);
}

static void test_no_mask_token(void)
{
    struct masking m;
    struct error err = {0};
    struct token_table without = tokens;
    struct objective_setting setting = {.config = &masking_config, .tokens = &without, .mlm_probability = 0.15};
    without.mask = -1;
    ok(masking_init(&m, &setting, &err) == -1 && err.status == STATUS_USAGE, "a vocabulary without [MASK] is refused");
    is_string(err.text,
              "the vocabulary has no [MASK] token, which a masked language model needs; use another one, or make one "
              "with wp-tokenize --train-vocab",
              "with the cure");
}

/* The largest distance of two slabs' parameters, relative to each parameter's norm. */
static double apart(const struct student *s, const float *a, const float *b)
{
    double worst = 0;
    for (size_t i = 0; i < s->m.parameters.n; i++) {
        const struct parameter *p = &s->m.parameters.list[i];
        double sum = 0, norm = norm_of(b + p->offset, p->size);
        for (size_t j = p->offset; j < p->offset + p->size; j++)
            sum += ((double)a[j] - b[j]) * ((double)a[j] - b[j]);
        if (strstr(p->name, "key.bias")) /* zero in truth */
            continue;
        worst = fmax(worst, norm > 0 ? sqrt(sum) / norm : sum > 0 ? INFINITY : 0);
    }
    return worst;
}

/* ---- the states of all tokens ---- */

static void test_all_tokens(const char *folder, const struct model_dropout *dropout, const char *name)
{
    struct student s;
    student_init(&s, folder, "label");
    float *first_only = xaligned(s.m.parameters.slab_size * sizeof *first_only);
    double loss = step(&s, dropout, ROWS, first_only);
    s.a.all_tokens = true;
    near(step(&s, dropout, ROWS, s.gradients), loss, 2e-6, "%s: the loss with all tokens in the last layer", name);
    near(apart(&s, s.gradients, first_only), 0, 2e-5, "%s: and the gradient", name);
    free(first_only);
    student_free(&s);
}

static const char probe_name[] = "probe.weight";

static int probe_prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    (void)o, (void)setting, (void)err;
    return 0;
}

static void probe_heads(const struct objective *o, const struct bert_config *config, struct model_heads *heads)
{
    (void)o;
    model_heads_add(heads, probe_name, 2, (size_t)config->hidden_size);
}

static double probe_count(const struct objective *o, const struct objective_rows *rows)
{
    (void)o;
    return (double)rows->n;
}

static void probe_release(struct objective *o)
{
    (void)o;
}

/* l of x = 20 (w.x)^2 / hidden, for a weight w of the term's own; gradients of both. */
static double probe_one(const float *w, const float *x, size_t hidden, double scale, float *dw, float *dx)
{
    double dot = 0;
    for (size_t j = 0; j < hidden; j++)
        dot += (double)w[j] * x[j];
    for (size_t j = 0; j < hidden && dw; j++) {
        dw[j] += (float)(scale * 40 * dot * x[j] / (double)hidden);
        dx[j] += (float)(scale * 40 * dot * w[j] / (double)hidden);
    }
    return 20 * dot * dot / (double)hidden;
}

static double probe_add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct parameter *w = parameters_find(&p->model->parameters, probe_name);
    float *dw = p->gradients ? p->gradients + w->offset : NULL;
    size_t hidden = w->cols;
    double loss = 0;
    for (size_t i = 0; i < p->part.n && o->kind->reads & OBJECTIVE_VECTORS; i++)
        loss += probe_one(w->value, p->vectors + i * hidden, hidden, scale, dw,
                          p->d_vectors ? p->d_vectors + i * hidden : NULL);
    for (size_t t = 0; t < p->batch->tokens && o->kind->reads & OBJECTIVE_TOKENS; t++)
        loss += probe_one(w->value + hidden, p->tokens + t * hidden, hidden, scale, dw ? dw + hidden : NULL,
                          p->d_tokens ? p->d_tokens + t * hidden : NULL);
    return loss;
}

static void test_probe(const char *folder, unsigned reads, const char *name)
{
    static const struct model_dropout some = {0.1, 0.1, 0.1, 77};
    const struct objective_kind kind = {.name = "probe",
                                        .reads = OBJECTIVE_ROWS | reads,
                                        .prepare = probe_prepare,
                                        .add_heads = probe_heads,
                                        .count = probe_count,
                                        .add = probe_add,
                                        .release = probe_release};
    struct objective *term = xcalloc(1, sizeof *term);
    struct student s;
    *term = (struct objective){.kind = &kind, .weight = 1, .steady = 1, .factor = 1};
    student_start(&s, folder, (struct objectives){.terms = term, .n = 1, .reads = kind.reads});
    struct parameter *w = parameters_find(&s.m.parameters, probe_name);
    for (size_t i = 0; i < w->size; i++) /* larger than an initialisation, so that there is something to measure */
        s.m.parameters.slab[w->offset + i] *= 20;
    is_long((long long)s.m.classes, 0, "%s: no classifier", name);
    ok(parameters_have_head(&s.m.parameters, POOLER_WEIGHT) == ((reads & OBJECTIVE_VECTORS) != 0),
       "%s: a pooler if wanted", name);
    is_string(model_architecture(&s.m), "BertModel", "%s: an encoder", name);
    check_directions(&s, &some, name);
    student_free(&s);
}

/* ---- the head against transformers ---- */

static void add_row(struct batch *b, const struct json *doc, uint32_t *at, int32_t *labels, size_t *n)
{
    int32_t ids[64];
    uint8_t types[64];
    size_t length = 0, first = b->tokens;
    long long value;
    const struct json_node *root = json_root(doc), *label = json_first(doc, json_member(doc, root, "labels"));
    const struct json_node *type = json_first(doc, json_member(doc, root, "types"));
    for (const struct json_node *id = json_first(doc, json_member(doc, root, "ids")); id; id = json_next(doc, id)) {
        json_get_long(id, &value);
        ids[length] = (int32_t)value;
        json_get_long(type, &value);
        types[length] = (uint8_t)value;
        json_get_long(label, &value);
        if (value >= 0) {
            at[*n] = (uint32_t)(first + length);
            labels[(*n)++] = (int32_t)value;
        }
        length++;
        type = json_next(doc, type);
        label = json_next(doc, label);
    }
    batch_add(b, ids, types, length, 0);
}

static void check_norms(const struct student *s, const struct json *doc)
{
    const struct json_node *norms = json_member(doc, json_root(doc), "gradient_norms");
    double worst = 0;
    is_long((long long)s->m.parameters.n, (long long)norms->count, "as many parameters as BertForMaskedLM has");
    for (size_t i = 0; i < s->m.parameters.n; i++) {
        const struct parameter *p = &s->m.parameters.list[i];
        double expected = NAN, got = norm_of(s->gradients + p->offset, p->size);
        json_get_double(json_member(doc, norms, p->name), &expected);
        if (!strstr(p->name, "key.bias") && !(fabs(got / expected - 1) <= worst))
            worst = fabs(got / expected - 1);
    }
    near(worst, 0, 1e-5, "the norms of its gradients");
}

static void test_golden(void)
{
    struct student s;
    struct mlm_head head = {0};
    struct lines lines;
    struct json doc = {0};
    struct error err = {0};
    const char *line;
    uint32_t at[256];
    int32_t labels[256];
    size_t len, n = 0;
    double loss = NAN;
    long long right = -1;
    char *path = testdata("pretraining/mlm.ndjson");
    student_init(&s, "pretraining", "mlm");
    if (lines_open(&lines, path, 0, &err) < 0)
        bail_out(path, err.text);
    batch_begin(&s.b);
    while (lines_next(&lines, &line, &len, &err) > 0) {
        if (json_parse(&doc, line, len, &err) < 0)
            bail_out(path, err.text);
        if (json_get_double(json_member(&doc, json_root(&doc), "loss"), &loss))
            break;
        add_row(&s.b, &doc, at, labels, &n);
    }
    batch_end(&s.b);
    json_get_long(json_member(&doc, json_root(&doc), "right"), &right);
    ok(n > 20 && right > 0, "%zu labels, %lld of them the best guess", n, right);
    model_forward(&s.m, &nn, &s.a, &s.b, NULL);
    model_clear_gradients(&s.m, &nn, &s.a, &s.b);
    struct objective_pass p = {.batch = &s.b,
                               .model = &s.m,
                               .nn = &nn,
                               .tokens = s.a.tokens,
                               .d_tokens = s.a.d_tokens,
                               .gradients = s.gradients};
    near(mlm_head_loss(&head, &p, at, labels, n, 1.0 / (double)n) / (double)n, loss, 2e-6, "transformers' loss");
    is_long((long long)p.right, right, "as many right");
    model_backward(&s.m, &nn, &s.a, &s.b, NULL, s.gradients);
    check_norms(&s, &doc);
    struct objective_pass alone = {.batch = &s.b, .model = &s.m, .nn = &nn, .tokens = s.a.tokens};
    near(mlm_head_loss(&head, &alone, at, labels, n, 1) / (double)n, loss, 2e-6, "the loss alone");
    near(mlm_head_loss(&head, &alone, at, labels, 0, 1), 0, 0, "no token, no loss");
    mlm_head_free(&head);
    json_free(&doc);
    lines_close(&lines);
    student_free(&s);
    free(path);
}

/* ---- what must not change a result ---- */

static void test_invariance(void)
{
    static const struct model_dropout some = {0.2, 0.1, 0.3, 77};
    struct student s;
    struct error err = {0};
    student_init(&s, "pretraining", "mlm");
    float *whole = xaligned(s.m.parameters.slab_size * sizeof *whole);
    double loss = step(&s, &some, ROWS, whole);
    ok(loss > 0 && s.o.terms[0].count > 5, "a step of %g masked tokens", s.o.terms[0].count);
    for (size_t at_once = 1; at_once < ROWS; at_once += 2) {
        near(step(&s, &some, at_once, s.gradients), loss, 2e-6, "%zu rows at once: the same loss", at_once);
        near(apart(&s, s.gradients, whole), 0, 2e-5, "%zu rows at once: the same gradient", at_once);
    }
    struct nn one = nn;
    if (nn_cpu(&nn, &(struct nn_options){.threads = 3}, &err) < 0)
        bail_out("nn_cpu", err.text);
    near(step(&s, &some, ROWS, s.gradients), loss, 0, "three threads: the same loss");
    ok(memcmp(s.gradients, whole, s.m.parameters.slab_size * sizeof *whole) == 0, "and gradient, byte for byte");
    nn_free(&nn);
    nn = one;
    free(whole);
    student_free(&s);
}

/* Two terms beside each other: each is what it is alone. */
static void test_sum(void)
{
    struct student label, mlm, both;
    student_init(&label, "pretraining", "label");
    student_init(&mlm, "pretraining", "mlm");
    student_init(&both, "pretraining", "label=0.7,mlm=0.3");
    double a = step(&label, NULL, ROWS, label.gradients), b = step(&mlm, NULL, ROWS, mlm.gradients);
    near(step(&both, NULL, 3, both.gradients), 0.7 * a + 0.3 * b, 2e-6, "the loss of two terms is their sum");
    double worst = 0;
    size_t misplaced = 0;
    for (size_t i = 0; i < both.m.parameters.n; i++) {
        const struct parameter *p = &both.m.parameters.list[i];
        const struct parameter *q = parameters_find(&label.m.parameters, p->name);
        const struct parameter *r = parameters_find(&mlm.m.parameters, p->name);
        double distance = 0, norm = norm_of(both.gradients + p->offset, p->size);
        for (size_t j = 0; j < p->size; j++) {
            double x = (q ? 0.7 * label.gradients[q->offset + j] : 0) + (r ? 0.3 * mlm.gradients[r->offset + j] : 0);
            distance += pow(both.gradients[p->offset + j] - x, 2);
        }
        if (!strstr(p->name, "key.bias"))
            worst = fmax(worst, sqrt(distance) / norm);
        misplaced += p->auxiliary != (strncmp(p->name, "cls.", 4) == 0);
    }
    is_long((long long)misplaced, 0, "the head is no part of the model there");
    near(worst, 0, 2e-5, "and so is the gradient");
    is_string(model_architecture(&mlm.m), "BertForMaskedLM", "mlm alone");
    ok(!model_architecture(&both.m), "with a label a classifier");
    ok(!mlm.m.parameters.list[mlm.m.parameters.n - 1].auxiliary, "mlm alone: the head is part of the model");
    ok(mlm.o.dense_word_gradient && !label.o.dense_word_gradient && both.o.dense_word_gradient, "dense word gradients");
    student_free(&label);
    student_free(&mlm);
    student_free(&both);
}

int main(void)
{
    static const struct model_dropout some = {0.2, 0.1, 0.3, 77};
    struct error err = {0};
    if (nn_cpu(&nn, &(struct nn_options){.threads = 1}, &err) < 0)
        bail_out("nn_cpu", err.text);
    make_tokens();
    test_masking();
    test_whole_words();
    test_no_mask_token();
    test_all_tokens("classifier", NULL, "classifier");
    test_all_tokens("gelu_new", &some, "gelu_new, dropout");
    test_golden();
    test_directions("pretraining", "mlm", NULL);
    test_directions("pretraining", "mlm", &some);
    test_directions("encoder", "label=0.5,mlm", &some);
    test_probe("encoder", OBJECTIVE_VECTORS, "sentence vectors");
    test_probe("encoder", OBJECTIVE_TOKENS, "tokens");
    test_probe("gelu_new", OBJECTIVE_VECTORS | OBJECTIVE_TOKENS, "both");
    test_invariance();
    test_sum();
    return done_testing();
}
