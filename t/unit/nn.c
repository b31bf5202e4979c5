/* nn.c - every operator of the CPU backend: its gradient against finite differences, its result against double
 * precision or against each set of kernels, and the same bits for any number of threads.
 */
#include "../helper/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "nn/cpu/kernels.h"
#include "nn/nn.h"

static struct rng rng;

static float *random_floats(size_t n, double scale)
{
    float *x = xaligned(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * rng_normal(&rng));
    return x;
}

/* ---- finite differences: the loss is sum of y x r for a fixed random r ---- */

struct check {
    void (*forward)(void *op);
    void *op;
    const float *y, *r;
    size_t n;
};

static double loss_of(const struct check *c)
{
    double loss = 0;
    c->forward(c->op);
    for (size_t i = 0; i < c->n; i++)
        loss += (double)c->y[i] * c->r[i];
    return loss;
}

/* ||numeric - analytic|| <= tolerance ||numeric|| over at most 200 elements of x. */
static void check_gradient(const struct check *c, float *x, const float *analytic, size_t n, const char *name)
{
    double difference = 0, norm = 0;
    size_t step = n > 200 ? n / 200 : 1;
    for (size_t i = 0; i < n; i += step) {
        float saved = x[i], h = 5e-3f;
        x[i] = saved + h;
        double up = x[i], above = loss_of(c);
        x[i] = saved - h;
        double numeric = (above - loss_of(c)) / (up - x[i]);
        x[i] = saved;
        difference += (numeric - analytic[i]) * (numeric - analytic[i]);
        norm += numeric * numeric;
    }
    ok(norm > 0 && sqrt(difference) <= 3e-3 * sqrt(norm), "%s: gradient agrees with finite differences", name);
    if (!(sqrt(difference) <= 3e-3 * sqrt(norm)))
        note("relative difference %.3g", sqrt(difference / norm));
}

/* ---- linear ---- */

struct linear_op {
    struct nn *nn;
    float *y, *x, *w, *b;
    size_t rows, out, in;
};

static void linear_forward(void *p)
{
    struct linear_op *o = p;
    o->nn->linear(o->nn, o->y, o->out, o->x, o->in, o->w, o->b, o->rows, o->out, o->in);
}

static void test_linear(struct nn *nn)
{
    struct linear_op o = {.nn = nn, .rows = 21, .out = 19, .in = 13};
    o.y = xaligned(o.rows * o.out * sizeof(float));
    o.x = random_floats(o.rows * o.in, 1);
    o.w = random_floats(o.out * o.in, 1);
    o.b = random_floats(o.out, 1);
    float *r = random_floats(o.rows * o.out, 1), *dx = xaligned(o.rows * o.in * sizeof(float));
    float *dw = xaligned(o.out * o.in * sizeof(float)), *db = xaligned(o.out * sizeof(float));
    struct check c = {linear_forward, &o, o.y, r, o.rows * o.out};
    nn->linear_grad_input(nn, dx, o.in, r, o.out, o.w, o.rows, o.out, o.in, false);
    nn->linear_grad_weight(nn, dw, db, r, o.out, o.x, o.in, o.rows, o.out, o.in);
    check_gradient(&c, o.x, dx, o.rows * o.in, "linear, input");
    check_gradient(&c, o.w, dw, o.out * o.in, "linear, weight");
    check_gradient(&c, o.b, db, o.out, "linear, bias");
    float before = dx[5];
    nn->linear_grad_input(nn, dx, o.in, r, o.out, o.w, o.rows, o.out, o.in, true);
    near(dx[5], 2 * before, 1e-5, "linear_grad_input adds where asked");
    free(o.y), free(o.x), free(o.w), free(o.b), free(r), free(dx), free(dw), free(db);
}

/* ---- activations ---- */

struct activation_op {
    struct nn *nn;
    enum activation f;
    float *h, *z, *b, *derivative;
    size_t rows, n;
};

static void activation_forward(void *p)
{
    struct activation_op *o = p;
    o->nn->bias_activation(o->nn, o->f, o->h, o->derivative, o->z, o->b, o->rows, o->n);
}

static void test_activations(struct nn *nn)
{
    static const char *const names[] = {"gelu", "gelu_new", "relu"};
    for (int f = 0; f < 3; f++) {
        struct activation_op o = {.nn = nn, .f = (enum activation)f, .rows = 7, .n = 37};
        size_t n = o.rows * o.n;
        o.h = xaligned(n * sizeof(float));
        o.derivative = xaligned(n * sizeof(float));
        o.z = random_floats(n, 1.5);
        o.b = random_floats(o.n, 0.5);
        if (f == ACTIVATION_RELU) /* away from the corner, where there is no derivative */
            for (size_t i = 0; i < n; i++)
                o.z[i] += o.z[i] + o.b[i % o.n] > 0 ? 0.05f : -0.05f;
        float *r = random_floats(n, 1), *dz = xaligned(n * sizeof(float)), *db = xaligned(o.n * sizeof(float));
        struct check c = {activation_forward, &o, o.h, r, n};
        activation_forward(&o);
        memcpy(dz, r, n * sizeof(float));
        nn->multiply(nn, dz, o.derivative, n);
        for (size_t i = 0; i < n; i++)
            db[i % o.n] += dz[i];
        check_gradient(&c, o.z, dz, n, names[f]);
        if (f != ACTIVATION_RELU)
            check_gradient(&c, o.b, db, o.n, "its bias");
        free(o.h), free(o.derivative), free(o.z), free(o.b), free(r), free(dz), free(db);
    }
}

/* ---- residual, dropout, LayerNorm ---- */

struct norm_op {
    struct nn *nn;
    float *y, *sum, *mean, *rstd, *z, *bias, *residual, *weight, *beta;
    struct nn_dropout dropout;
    size_t rows, n;
};

static void norm_forward(void *p)
{
    struct norm_op *o = p;
    o->nn->add_norm(o->nn, o->y, o->sum, o->mean, o->rstd, o->z, o->bias, o->residual, o->weight, o->beta, 1e-12f,
                    &o->dropout, nn_site(1, NN_SITE_OUTPUT), o->rows, o->n);
}

static void test_norm(struct nn *nn)
{
    enum { ROWS = 9, N = 70 };
    uint64_t row[ROWS];
    uint32_t token[ROWS];
    struct norm_op o = {.nn = nn, .rows = ROWS, .n = N};
    size_t n = ROWS * N;
    for (size_t i = 0; i < ROWS; i++)
        row[i] = i / 3, token[i] = (uint32_t)(i % 3);
    o.dropout = (struct nn_dropout){.probability = 0.3f, .seed = 99, .row = row, .token = token};
    o.y = xaligned(n * sizeof(float)), o.sum = xaligned(n * sizeof(float));
    o.mean = xaligned(ROWS * sizeof(float)), o.rstd = xaligned(ROWS * sizeof(float));
    o.z = random_floats(n, 1), o.bias = random_floats(N, 1), o.residual = random_floats(n, 1);
    o.weight = random_floats(N, 1), o.beta = random_floats(N, 1);
    float *r = random_floats(n, 1), *dsum = xaligned(n * sizeof(float)), *dz = xaligned(n * sizeof(float));
    float *dweight = xaligned(N * sizeof(float)), *dbeta = xaligned(N * sizeof(float));
    struct check c = {norm_forward, &o, o.y, r, n};
    norm_forward(&o);
    nn->norm_backward(nn, dsum, dweight, dbeta, r, o.sum, o.mean, o.rstd, o.weight, ROWS, N);
    nn->dropout(nn, dz, dsum, &o.dropout, nn_site(1, NN_SITE_OUTPUT), ROWS, N);
    check_gradient(&c, o.residual, dsum, n, "add_norm, residual");
    check_gradient(&c, o.z, dz, n, "add_norm, through dropout");
    check_gradient(&c, o.weight, dweight, N, "add_norm, weight");
    check_gradient(&c, o.beta, dbeta, N, "add_norm, beta");
    free(o.y), free(o.sum), free(o.mean), free(o.rstd), free(o.z), free(o.bias), free(o.residual), free(o.weight);
    free(o.beta), free(r), free(dsum), free(dz), free(dweight), free(dbeta);
}

/* ---- attention ---- */

enum { HEADS = 2, HEAD = 5, HIDDEN = HEADS * HEAD, SENTENCES = 4, TOKENS = 27 };

struct attention_op {
    struct nn *nn;
    float *context, *probabilities, *q, *k, *v;
    struct nn_attention a;
};

static void attention_forward(void *p)
{
    struct attention_op *o = p;
    o->nn->attention(o->nn, o->context, HIDDEN, o->probabilities, o->q, HIDDEN, o->k, o->v, HIDDEN, &o->a);
}

static void test_attention(struct nn *nn, bool first_only, float dropout)
{
    static const int64_t offsets[SENTENCES + 1] = {0, 1, 4, 21, TOKENS};
    size_t probability_offsets[SENTENCES + 1] = {0}, queries = first_only ? SENTENCES : TOKENS;
    uint64_t row[TOKENS];
    char name[64];
    struct attention_op o = {.nn = nn};
    for (size_t i = 0; i < SENTENCES; i++) {
        size_t n = (size_t)(offsets[i + 1] - offsets[i]);
        probability_offsets[i + 1] = probability_offsets[i] + HEADS * n * (first_only ? 1 : n);
        for (int64_t t = offsets[i]; t < offsets[i + 1]; t++)
            row[t] = i + 7;
    }
    o.a = (struct nn_attention){SENTENCES,
                                offsets,
                                probability_offsets,
                                first_only,
                                HEADS,
                                HEAD,
                                0.4f,
                                {.probability = dropout, .seed = 5, .row = row},
                                nn_site(2, NN_SITE_ATTENTION_OUTPUT)};
    o.context = xaligned(queries * HIDDEN * sizeof(float));
    o.probabilities = xaligned(probability_offsets[SENTENCES] * sizeof(float));
    o.q = random_floats(queries * HIDDEN, 1), o.k = random_floats(TOKENS * HIDDEN, 1);
    o.v = random_floats(TOKENS * HIDDEN, 1);
    float *r = random_floats(queries * HIDDEN, 1), *dq = xaligned(queries * HIDDEN * sizeof(float));
    float *dk = xaligned(TOKENS * HIDDEN * sizeof(float)), *dv = xaligned(TOKENS * HIDDEN * sizeof(float));
    struct check c = {attention_forward, &o, o.context, r, queries * HIDDEN};
    attention_forward(&o);
    nn->attention_backward(nn, dq, HIDDEN, dk, dv, HIDDEN, r, HIDDEN, o.probabilities, o.q, HIDDEN, o.k, o.v, HIDDEN,
                           &o.a);
    const float *gradients[] = {dq, dk, dv};
    float *inputs[] = {o.q, o.k, o.v};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "attention%s%s, %c", first_only ? " of first tokens" : "",
                 dropout > 0 ? " with dropout" : "", "qkv"[i]);
        check_gradient(&c, inputs[i], gradients[i], (i == 0 ? queries : TOKENS) * HIDDEN, name);
    }
    free(o.context), free(o.probabilities), free(o.q), free(o.k), free(o.v), free(r), free(dq), free(dk), free(dv);
}

/* ---- embeddings ---- */

struct embed_op {
    struct nn *nn;
    float *sum, *words, *positions, *types;
    const int32_t *ids;
    const uint32_t *token;
    const uint8_t *types_of_tokens;
};

enum { EMBED_TOKENS = 6, EMBED = 70 };

static void embed_forward(void *p)
{
    struct embed_op *o = p;
    o->nn->embed(o->nn, o->sum, o->words, o->positions, o->types, o->ids, o->token, o->types_of_tokens, EMBED_TOKENS,
                 EMBED);
}

static void test_embed(struct nn *nn)
{
    static const int32_t ids[EMBED_TOKENS] = {1, 3, 3, 1, 2, 4};
    static const uint32_t token[EMBED_TOKENS] = {0, 1, 2, 0, 1, 2};
    static const uint8_t types[EMBED_TOKENS] = {0, 0, 1, 0, 1, 1};
    struct embed_op o = {nn,
                         xaligned(EMBED_TOKENS * EMBED * sizeof(float)),
                         random_floats(5 * EMBED, 1),
                         random_floats(3 * EMBED, 1),
                         random_floats(2 * EMBED, 1),
                         ids,
                         token,
                         types};
    float *r = random_floats(EMBED_TOKENS * EMBED, 1), *dwords = xaligned(5 * EMBED * sizeof(float));
    float *dpositions = xaligned(3 * EMBED * sizeof(float)), *dtypes = xaligned(2 * EMBED * sizeof(float));
    struct check c = {embed_forward, &o, o.sum, r, EMBED_TOKENS * EMBED};
    nn->embed_backward(nn, dwords, dpositions, dtypes, r, ids, token, types, EMBED_TOKENS, EMBED, 0);
    check_gradient(&c, o.words, dwords, 5 * EMBED, "embeddings, words");
    check_gradient(&c, o.positions, dpositions, 3 * EMBED, "embeddings, positions");
    check_gradient(&c, o.types, dtypes, 2 * EMBED, "embeddings, types");
    memset(dwords, 0, 5 * EMBED * sizeof(float));
    nn->embed_backward(nn, dwords, dpositions, dtypes, r, ids, token, types, EMBED_TOKENS, EMBED, 3);
    ok(dwords[3 * EMBED] == 0 && dwords[1 * EMBED] != 0, "the padding token's row gets no gradient");
    free(o.sum), free(o.words), free(o.positions), free(o.types), free(r), free(dwords), free(dpositions), free(dtypes);
}

/* ---- against double precision ---- */

static void test_accuracy(const struct cpu_kernels *k)
{
    enum { N = 20000 };
    float *z = xaligned(N * sizeof(float)), *h = xaligned(N * sizeof(float)), *d = xaligned(N * sizeof(float));
    float *zero = xaligned(N * sizeof(float));
    double worst = 0, worst_derivative = 0, worst_tanh = 0;
    for (size_t i = 0; i < N; i++)
        z[i] = (float)(-10 + 20.0 * (double)i / N);
    k->activation(ACTIVATION_GELU, h, d, z, zero, N);
    for (size_t i = 0; i < N; i++) {
        double x = z[i], phi = 0.5 * erfc(-x / sqrt(2)), density = exp(-x * x / 2) / sqrt(2 * acos(-1));
        worst = fmax(worst, fabs(h[i] - x * phi) / fmax(1, fabs(x)));
        worst_derivative = fmax(worst_derivative, fabs(d[i] - (phi + x * density)));
    }
    ok(worst < 2.5e-7, "%s: gelu within 2.5e-7 of double", k->name);
    ok(worst_derivative < 3e-7, "%s: its derivative within 3e-7", k->name);
    note("%s: gelu %.2e, derivative %.2e", k->name, worst, worst_derivative);
    k->activation(ACTIVATION_GELU_TANH, h, d, z, zero, N);
    for (size_t i = 0; i < N; i++) {
        double x = z[i], u = sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x);
        worst_tanh = fmax(worst_tanh, fabs(h[i] - x * 0.5 * (1 + tanh(u))) / fmax(1, fabs(x)));
    }
    ok(worst_tanh < 1e-6, "%s: gelu_new within 1e-6 of double", k->name);
    note("%s: gelu_new %.2e", k->name, worst_tanh);
    free(z), free(h), free(d), free(zero);
}

static void test_adamw(struct nn *nn)
{
    enum { N = 50 };
    float *p = random_floats(N, 1), *m = xaligned(N * sizeof(float)), *v = xaligned(N * sizeof(float));
    double rp[N], rm[N] = {0}, rv[N] = {0}, worst = 0;
    for (size_t i = 0; i < N; i++)
        rp[i] = p[i];
    for (uint64_t step = 1; step <= 20; step++) {
        float *g = random_floats(N, 1);
        struct nn_adamw a = {1e-3, 0.9, 0.999, 1e-8, 0.5, 0.25, step};
        nn->adamw(nn, p, m, v, g, N, &a);
        for (size_t i = 0; i < N; i++) {
            double gradient = 0.25 * g[i];
            rp[i] *= 1 - 1e-3 * 0.5;
            rm[i] = 0.9 * rm[i] + 0.1 * gradient;
            rv[i] = 0.999 * rv[i] + 0.001 * gradient * gradient;
            rp[i] -=
                1e-3 / (1 - pow(0.9, (double)step)) * rm[i] / (sqrt(rv[i]) / sqrt(1 - pow(0.999, (double)step)) + 1e-8);
        }
        free(g);
    }
    for (size_t i = 0; i < N; i++)
        worst = fmax(worst, fabs(p[i] - rp[i]));
    near(worst, 0, 3e-6, "20 AdamW steps follow the formula in double");
    free(p), free(m), free(v);
}

/* ---- dropout ---- */

static void test_dropout(const struct cpu_kernels *k)
{
    enum { N = 640 };
    float mask[N];
    size_t kept = 0, wrong = 0;
    k->dropout_mask(mask, N, 0.1f, 0x1234567890abcdefu, 77, 3, 9, 2);
    for (size_t b = 0; b < N / 8; b++) {
        uint32_t counter[4] = {(uint32_t)b, 3u | 9u << 20, 77, 2u << 16}, key[2] = {0x90abcdefu, 0x12345678u}, out[4];
        const float *block = mask + b / 16 * DROPOUT_BLOCK + b % 16;
        philox4x32(counter, key, out);
        for (size_t w = 0; w < 8; w++)
            wrong += (block[w * 16] == 0.0f) != ((out[w / 2] >> 16 * (w % 2) & 0xFFFFu) < 6554u);
    }
    is_long((long long)wrong, 0, "%s: dropout masks are Philox's numbers", k->name);
    for (uint64_t row = 0; row < 100; row++) {
        k->dropout_mask(mask, N, 0.1f, 1, row, 0, 0, 0);
        for (size_t i = 0; i < N; i++)
            kept += mask[i] > 0;
    }
    near((double)kept / (100.0 * N), 0.9, 0.005, "%s: a tenth is dropped", k->name);
}

/* ---- any number of threads ---- */

/* Operators that sum over rows or elements, run by a whole team. */
struct team_work {
    const struct nn *nn;
    const float *x, *gradient;
    float *norm_weight, *norm_bias, *y;
    double squares;
    size_t rows, n;
};

static void run_team(void *argument)
{
    struct team_work *t = argument;
    const struct nn *nn = t->nn;
    size_t rows = t->rows, n = t->n;
    float *mean = t->y + rows * n, *rstd = mean + rows, *sum = rstd + rows;
    nn->add_norm(nn, t->y, sum, mean, rstd, t->x, NULL, NULL, t->norm_weight + n, t->norm_bias + n, 1e-12f, NULL, 0,
                 rows, n);
    nn->norm_backward(nn, sum, t->norm_weight, t->norm_bias, t->gradient, sum, mean, rstd, t->norm_weight + n, rows, n);
    double squares = nn->sum_of_squares(nn, sum, rows * n);
    nn->tanh(nn, t->y, t->y, rows * n);
#pragma omp single
    t->squares = squares;
}

static void test_threads(void)
{
    enum { ROWS = 333, N = 300, SIZE = 2 * ROWS * N + 2 * ROWS };
    float *x = random_floats(ROWS * N, 1), *r = random_floats(ROWS * N, 1);
    struct team_work work[2] = {{0}};
    static const int threads[] = {1, 2, 3, 8};
    for (int k = 0; k < 4; k++) {
        struct nn nn;
        nn_cpu(&nn, &(struct nn_options){.threads = threads[k]}, NULL);
        struct team_work *w = &work[k > 0];
        *w = (struct team_work){.nn = &nn, .x = x, .gradient = r, .rows = ROWS, .n = N};
        w->y = xaligned(SIZE * sizeof(float));
        w->norm_weight = xaligned(2 * N * sizeof(float));
        w->norm_bias = xaligned(2 * N * sizeof(float));
        for (int i = 0; i < N; i++)
            w->norm_weight[N + i] = 1;
        nn.parallel(&nn, run_team, w);
        if (k > 0) {
            ok(!memcmp(work[0].y, w->y, SIZE * sizeof(float)) &&
                   !memcmp(work[0].norm_weight, w->norm_weight, N * sizeof(float)) &&
                   !memcmp(work[0].norm_bias, w->norm_bias, N * sizeof(float)) && work[0].squares == w->squares,
               "%d threads give the bits of one", threads[k]);
            free(w->y), free(w->norm_weight), free(w->norm_bias);
        }
        nn_free(&nn);
    }
    free(work[0].y), free(work[0].norm_weight), free(work[0].norm_bias);
    free(x), free(r);
}

int main(void)
{
    struct nn nn;
    struct error err = {0};
    rng_init(&rng, 7, 0);
    ok(nn_cpu(&nn, &(struct nn_options){.threads = 2}, &err) == 0, "the CPU backend starts");
    note("%s, kernels %s", nn.library, nn.kernels);
    struct nn other;
    ok(nn_cpu(&other, &(struct nn_options){.threads = 100000}, &err) < 0 && err.status == STATUS_USAGE,
       "absurd numbers of threads are refused");
    ok(nn_cpu(&other, &(struct nn_options){.gemm = "mkl"}, &err) < 0 && err.status == STATUS_USAGE,
       "so is a matrix library that is not there");
    test_linear(&nn);
    test_activations(&nn);
    test_norm(&nn);
    for (int first_only = 0; first_only < 2; first_only++)
        for (int drop = 0; drop < 2; drop++)
            test_attention(&nn, first_only, drop ? 0.2f : 0.0f);
    test_embed(&nn);
    test_adamw(&nn);
    test_accuracy(&kernels_generic);
    test_dropout(&kernels_generic);
    if (cpu_kernels_choose() != &kernels_generic) {
        test_accuracy(cpu_kernels_choose());
        test_dropout(cpu_kernels_choose());
    }
    test_threads();
    nn_free(&nn);
    return done_testing();
}
