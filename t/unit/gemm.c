/* gemm.c - the products of every matrix library: against double precision, in float32, bfloat16 and 8-bit integers,
 * with every edge that tiles have; the same bits for any number of threads, and for the built-in kernels any batch.
 */
#include "../helper/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "nn/cpu/int8_kernels.h"
#include "nn/cpu/kernels.h"
#include "nn/nn.h"

static struct rng rng;

static float *random_floats(size_t n, double scale)
{
    float *x = xaligned((n + 1) * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * rng_normal(&rng));
    return x;
}

static float *copy_floats(const float *x, size_t n)
{
    float *copy = xaligned(n * sizeof *copy);
    memcpy(copy, x, n * sizeof *copy);
    return copy;
}

static double bf16(double x)
{
    float f = (float)x;
    kernels_generic.round_bf16(&f, &f, 1);
    return f;
}

enum kind { FORWARD, INPUT, WEIGHT };

/* One product of the three, with operands of its own. m rows, out, in. */
struct product {
    const struct nn *nn;
    enum kind kind;
    size_t rows, out, in, ldx, ldy;
    float *x, *y, *w, *bias, *dx, *dw, *db; /* y is the result of the forward product, or the gradient that comes in */
    bool accumulate, overwrite;             /* of the input's gradient; of the weight's */
};

static void run(void *argument)
{
    struct product *p = argument;
    const struct nn *nn = p->nn;
    if (p->kind == FORWARD)
        nn->linear(nn, p->y, p->ldy, p->x, p->ldx, p->w, p->bias, p->rows, p->out, p->in);
    else if (p->kind == INPUT)
        nn->linear_grad_input(nn, p->dx, p->ldx, p->y, p->ldy, p->w, p->rows, p->out, p->in, p->accumulate);
    else
        nn->linear_grad_weight(nn, p->dw, p->db, p->y, p->ldy, p->x, p->ldx, p->rows, p->out, p->in, !p->overwrite);
}

/* x[rows, columns] as doubles, or x^T where `across`; rounded where the product rounds. */
static double *operand(const struct product *p, const float *x, size_t ld, size_t rows, size_t columns, bool across)
{
    double *out = xaligned(rows * columns * sizeof *out);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            float value = x[i * ld + j];
            out[across ? j * rows + i : i * columns + j] = p->nn->precision == NN_BF16 ? bf16(value) : value;
        }
    return out;
}

/* Largest difference of the result [m, n] from the double-precision one, in units of the sum of absolute products. */
static double worst_of(const struct product *p, const float *result, size_t ld, const float *before, size_t m, size_t n,
                       size_t k)
{
    double worst = 0, *a, *b; /* [m, k], [n, k] */
    a = p->kind == FORWARD ? operand(p, p->x, p->ldx, m, k, false)
        : p->kind == INPUT ? operand(p, p->y, p->ldy, m, k, false)
                           : operand(p, p->y, p->ldy, k, m, true);
    b = p->kind == FORWARD ? operand(p, p->w, p->in, n, k, false)
        : p->kind == INPUT ? operand(p, p->w, p->in, k, n, true)
                           : operand(p, p->x, p->ldx, k, n, true);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = before ? before[i * ld + j] : p->kind == FORWARD && p->bias ? p->bias[j] : 0;
            double size = fabs(sum) + 1e-6;
            for (size_t q = 0; q < k; q++) {
                double product = a[i * k + q] * b[j * k + q];
                sum += product;
                size += fabs(product);
            }
            worst = fmax(worst, fabs(result[i * ld + j] - sum) / size);
        }
    free(a), free(b);
    return worst;
}

/* gap: numbers between the rows of x and of y. */
static void product_make(struct product *p, const struct nn *nn, size_t rows, size_t out, size_t in, size_t gap)
{
    *p = (struct product){.nn = nn, .rows = rows, .out = out, .in = in, .ldx = in + gap, .ldy = out + 2 * gap};
    p->x = random_floats(rows * p->ldx, 1);
    p->y = random_floats(rows * p->ldy, 1);
    p->w = random_floats(out * in, 1);
    p->bias = random_floats(out, 1);
    p->dx = random_floats(rows * p->ldx, 1);
    p->dw = random_floats(out * in, 1);
    p->db = random_floats(out, 0);
}

static void product_free(struct product *p)
{
    free(p->x), free(p->y), free(p->w), free(p->bias), free(p->dx), free(p->dw), free(p->db);
}

static void check_shape(const struct nn *nn, size_t rows, size_t out, size_t in, size_t gap)
{
    struct product p;
    double worst = 0, tolerance = 5e-7; /* chains of float32 sums, relative to the absolute ones */
    product_make(&p, nn, rows, out, in, gap);
    float *dw = copy_floats(p.dw, out * in), *dx = copy_floats(p.dx, rows * p.ldx);
    p.kind = WEIGHT; /* adds */
    nn->parallel(nn, run, &p);
    worst = fmax(worst, worst_of(&p, p.dw, in, dw, out, in, rows));
    p.overwrite = true;
    nn->parallel(nn, run, &p);
    worst = fmax(worst, worst_of(&p, p.dw, in, NULL, out, in, rows));
    p.kind = INPUT;
    nn->parallel(nn, run, &p);
    worst = fmax(worst, worst_of(&p, p.dx, p.ldx, NULL, rows, in, out));
    memcpy(p.dx, dx, rows * p.ldx * sizeof(float));
    p.accumulate = true;
    nn->parallel(nn, run, &p);
    worst = fmax(worst, worst_of(&p, p.dx, p.ldx, dx, rows, in, out));
    p.kind = FORWARD;
    float beyond = gap ? p.y[p.out] : 0;
    nn->parallel(nn, run, &p);
    worst = fmax(worst, worst_of(&p, p.y, p.ldy, NULL, rows, out, in));
    ok(worst <= tolerance && (!gap || p.y[p.out] == beyond),
       "%zu rows, %zu x %zu, %s: agrees with double precision (%.1e)", rows, out, in, gap ? "apart" : "dense", worst);
    free(dw), free(dx);
    product_free(&p);
}

static void test_library(const char *library, enum nn_precision precision)
{
    static const size_t shapes[][3] = {{1, 1, 1},     {1, 2, 128},    {7, 3, 5},     {13, 17, 33},    {25, 48, 64},
                                       {32, 2, 70},   {65, 66, 67},   {97, 130, 31}, {200, 129, 800}, {3, 16, 1600},
                                       {530, 64, 48}, {130, 600, 34}, {96, 128, 128}};
    struct nn nn;
    struct error err = {0};
    if (nn_cpu(&nn, &(struct nn_options){.threads = 2, .gemm = library, .precision = precision}, &err) < 0) {
        skip(library, err.text);
        return;
    }
    note("%s, %s", nn.library, precision == NN_BF16 ? "bf16" : "f32");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (size_t gap = 0; gap < 6; gap += 3)
            check_shape(&nn, shapes[i][0], shapes[i][1], shapes[i][2], gap);
    nn_free(&nn);
}

/* ---- the same bits ---- */

static void forward_rows(const char *library, int threads, const struct product *from, size_t first, size_t rows,
                         float *y)
{
    struct nn nn;
    struct product p = *from;
    nn_cpu(&nn, &(struct nn_options){.threads = threads, .gemm = library}, NULL);
    p.nn = &nn;
    p.kind = FORWARD;
    p.x = from->x + first * from->ldx;
    p.y = y;
    p.rows = rows;
    nn.parallel(&nn, run, &p);
    nn_free(&nn);
}

static void test_same_bits(const char *library)
{
    static const int threads[] = {1, 2, 3, 8};
    struct nn nn;
    struct product p;
    struct error err = {0};
    if (nn_cpu(&nn, &(struct nn_options){.threads = 1, .gemm = library}, &err) < 0) {
        skip(library, err.text);
        return;
    }
    product_make(&p, &nn, 333, 300, 900, 3);
    size_t n = p.rows * p.ldy;
    float *y[2] = {xaligned(n * sizeof(float)), xaligned(n * sizeof(float))};
    bool same = true;
    for (int t = 0; t < 4; t++) {
        forward_rows(library, threads[t], &p, 0, p.rows, y[t > 0]);
        same &= t == 0 || memcmp(y[0], y[1], n * sizeof(float)) == 0;
    }
    ok(same, "%s: 1, 2, 3 and 8 threads give the same bits", nn.library);
    float *dw = NULL;
    same = true;
    for (int t = 0; t < 4; t++) {
        struct nn team;
        nn_cpu(&team, &(struct nn_options){.threads = threads[t], .gemm = library}, NULL);
        struct product q = p;
        q.nn = &team;
        q.kind = WEIGHT;
        q.dw = xaligned(p.out * p.in * sizeof(float));
        q.db = xaligned(p.out * sizeof(float));
        team.parallel(&team, run, &q);
        free(q.db);
        if (t == 0)
            dw = q.dw;
        else {
            same &= memcmp(dw, q.dw, p.out * p.in * sizeof(float)) == 0;
            free(q.dw);
        }
        nn_free(&team);
    }
    ok(same, "%s: and so do weight gradients", nn.library);
    if (nn.row_multiple == 1) {
        same = true;
        for (size_t first = 0; first < 320; first += 41) {
            forward_rows(library, 2, &p, first, 1 + first % 7, y[1]);
            for (size_t i = 0; i < 1 + first % 7; i++)
                same &= memcmp(y[0] + (first + i) * p.ldy, y[1] + i * p.ldy, p.out * sizeof(float)) == 0;
        }
        ok(same, "%s: a row's result does not depend on its batch", nn.library);
    }
    free(dw), free(y[0]), free(y[1]);
    product_free(&p);
    nn_free(&nn);
}

/* ---- prepared weights ---- */

struct preparation {
    struct product *p;
    enum nn_weights form;
};

static void prepare(void *argument)
{
    struct preparation *o = argument;
    o->p->nn->prepare_weight(o->p->nn, o->p->w, o->p->out, o->p->in, o->form);
}

/* Libraries that use one kernel for both forms give the same bits, and so all here do; where the packed form has a
 * kernel of its own, sums may be in another order. */
static void check_prepared(const struct nn *nn, enum nn_weights form, size_t rows, size_t out, size_t in)
{
    struct product p;
    product_make(&p, nn, rows, out, in, rows % 2 ? 3 : 0);
    p.kind = FORWARD;
    nn->parallel(nn, run, &p);
    float *plain = copy_floats(p.y, p.rows * p.ldy);
    double worst_plain = worst_of(&p, p.y, p.ldy, NULL, rows, out, in);
    struct preparation o = {&p, form};
    nn->parallel(nn, prepare, &o);
    nn->parallel(nn, prepare, &o);
    nn->parallel(nn, run, &p);
    double worst = worst_of(&p, p.y, p.ldy, NULL, rows, out, in);
    bool same = !memcmp(plain, p.y, p.rows * p.ldy * sizeof(float));
    ok(strncmp(nn->library, "oneDNN", 6) ? same : worst <= fmax(2 * worst_plain, 5e-7),
       "%s: %s weights, %zu rows, %zu x %zu (%s bits as plain ones)", nn->library,
       form == NN_WEIGHTS_BF16 ? "prepared bf16" : "prepared f32", rows, out, in, same ? "the same" : "not the same");
    free(plain);
    product_free(&p);
}

static void test_prepared(const char *library, enum nn_weights form, enum nn_precision precision)
{
    static const size_t shapes[][3] = {{37, 150, 1000}, {1, 128, 384}, {16, 384, 128}, {70, 576, 64}, {130, 320, 192}};
    struct nn nn;
    struct error err = {0};
    if (nn_cpu(&nn, &(struct nn_options){.threads = 2, .gemm = library, .precision = precision}, &err) < 0) {
        skip(library, err.text);
        return;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        check_prepared(&nn, form, shapes[i][0], shapes[i][1], shapes[i][2]);
    nn_free(&nn);
}

/* ---- bfloat16 ---- */

static void test_to_bf16(const struct cpu_kernels *kernels)
{
    static const float x[] = {0,        -0.0f,     1,   -1.00390625f, 1.01171875f, 3.0e38f,     1e-40f, -3.3895314e38f,
                              INFINITY, -INFINITY, NAN, 1.5f,         2.7182818f,  -0.3333333f, 1e-3f,  12345.678f,
                              0.1f,     0.2f,      7e7f};
    enum { N = sizeof x / sizeof x[0] };
    float rounded[N];
    uint16_t halves[N];
    bool same = true;
    kernels->round_bf16(rounded, x, N);
    kernels->to_bf16(halves, x, N);
    for (size_t i = 0; i < N; i++) {
        uint32_t bits;
        memcpy(&bits, &rounded[i], sizeof bits);
        same &=
            bits == (uint32_t)halves[i] << 16 || (isnan(x[i]) && isnan(rounded[i]) && (halves[i] & 0x7FFF) > 0x7F80);
    }
    ok(same, "bfloat16, %s: two bytes hold what rounding to nearest even gives", kernels->name);
}

/* ---- 8-bit integers ---- */

static void test_int8_kernels(const struct int8_kernels *k)
{
    enum { ROWS = 17, GROUPS = 75, K = GROUPS * INT8_GROUP };
    uint8_t a[ROWS * K];
    int8_t b[K * INT8_COLUMNS];
    float ones[ROWS], c[ROWS * INT8_COLUMNS];
    int32_t zero_points[ROWS], sums[INT8_COLUMNS] = {0};
    bool same = true;
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = i % 3 ? (uint8_t)rng_below(&rng, 256) : 255; /* where sums of two products could overflow 16 bits */
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = i % 5 ? (int8_t)((int)rng_below(&rng, 127) - 63) : i % 2 ? 63 : -63;
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
        ones[i] = 1;
    for (size_t i = 0; i < ROWS; i++)
        zero_points[i] = (int32_t)i * 9;
    for (size_t j = 0; j < INT8_COLUMNS; j++)
        sums[j] = (int32_t)j - 5;
    struct int8_tile t = {.rows = ROWS,
                          .columns = INT8_COLUMNS,
                          .groups = GROUPS,
                          .a = a,
                          .lda = K,
                          .b = b,
                          .row_scale = ones,
                          .zero_point = zero_points,
                          .column_scale = ones,
                          .column_sum = sums,
                          .c = c,
                          .ldc = INT8_COLUMNS};
    k->tile(&t);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < INT8_COLUMNS; j++) {
            int32_t sum = 0;
            for (size_t q = 0; q < K; q++)
                sum += a[i * K + q] * b[(q / INT8_GROUP * INT8_COLUMNS + j) * INT8_GROUP + q % INT8_GROUP];
            same &= c[i * INT8_COLUMNS + j] == (float)(sum - zero_points[i] * sums[j]);
        }
    ok(same, "int8, %s: sums are exact", k->name);
    static const float row[] = {-1.0f, 0.0f, 3.0f, 2.98f, 0.004f, -0.99f};
    uint8_t q[8];
    float scale;
    int32_t zero;
    k->quantise_row(q, &scale, &zero, row, 6);
    same = q[6] == 0 && q[7] == 0 && q[1] == zero;
    for (int i = 0; i < 6; i++)
        same &= fabsf((float)(q[i] - zero) * scale - row[i]) <= 0.51f * scale;
    ok(same && fabsf(scale - 4.0f / 255.0f) < 1e-7f, "int8, %s: a row is quantised to the nearest step, 0 exactly",
       k->name);
}

static void test_int8(void)
{
    struct nn nn;
    struct product p;
    nn_cpu(&nn, &(struct nn_options){.threads = 2}, NULL);
    product_make(&p, &nn, 37, 150, 1001, 3);
    p.kind = FORWARD;
    nn.parallel(&nn, run, &p);
    float *plain = copy_floats(p.y, p.rows * p.ldy);
    struct preparation o = {&p, NN_WEIGHTS_INT8};
    nn.parallel(&nn, prepare, &o);
    nn.parallel(&nn, run, &p);
    double difference = 0, norm = 0;
    for (size_t i = 0; i < p.rows; i++)
        for (size_t j = 0; j < p.out; j++) {
            double d = p.y[i * p.ldy + j] - plain[i * p.ldy + j];
            difference += d * d;
            norm += (double)plain[i * p.ldy + j] * plain[i * p.ldy + j];
        }
    /* A uniform error of one step has a standard deviation of 0.29 steps; steps here are about 1/38 and 1/18 of a
     * standard deviation of the numbers. */
    ok(sqrt(difference / norm) < 0.025, "int8: relative error %.4f", sqrt(difference / norm));
    free(plain);
    product_free(&p);
    nn_free(&nn);
}

int main(void)
{
    static const char *const libraries[] = {"builtin", "openblas", "onednn"};
    rng_init(&rng, 11, 0);
    for (int i = 0; i < 3; i++) {
        test_library(libraries[i], NN_F32);
        test_library(libraries[i], NN_BF16);
        test_same_bits(libraries[i]);
        test_prepared(libraries[i], NN_WEIGHTS_F32, NN_F32);
        test_prepared(libraries[i], NN_WEIGHTS_BF16, NN_BF16);
    }
    test_to_bf16(&kernels_generic);
    if (cpu_kernels_choose() != &kernels_generic)
        test_to_bf16(cpu_kernels_choose());
    test_int8_kernels(&int8_kernels_generic);
    if (int8_kernels_choose() != &int8_kernels_generic)
        test_int8_kernels(int8_kernels_choose());
    test_int8();
    return done_testing();
}
