/* int8.c - see int8.h. */
#include "nn/cpu/int8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "nn/cpu/int8_kernels.h"
#include "nn/cpu/state.h"

enum { LARGEST = 63, ROWS = 48, PANELS = 4 /* of a part */ };

static size_t groups_of(size_t k)
{
    return (k + INT8_GROUP - 1) / INT8_GROUP;
}

void int8_allocate(struct int8_weight *q, size_t n, size_t k)
{
    size_t panels = (n + INT8_COLUMNS - 1) / INT8_COLUMNS;
    *q = (struct int8_weight){.n = n, .k = k};
    q->panels = xaligned(panels * INT8_COLUMNS * groups_of(k) * INT8_GROUP);
    q->scale = xaligned(panels * INT8_COLUMNS * sizeof *q->scale);
    q->sum = xaligned(panels * INT8_COLUMNS * sizeof *q->sum);
}

void int8_free(struct int8_weight *q)
{
    free(q->panels);
    free(q->scale);
    free(q->sum);
    *q = (struct int8_weight){0};
}

static void quantise_output(struct int8_weight *q, const float *w, size_t j)
{
    int8_t *out =
        q->panels + j / INT8_COLUMNS * INT8_COLUMNS * groups_of(q->k) * INT8_GROUP + j % INT8_COLUMNS * INT8_GROUP;
    float largest = 0;
    for (size_t p = 0; p < q->k; p++)
        largest = fabsf(w[p]) > largest ? fabsf(w[p]) : largest;
    float scale = largest > 0 ? largest / LARGEST : 1.0f, inverse = 1.0f / scale;
    int32_t sum = 0;
    for (size_t p = 0; p < q->k; p++) {
        int32_t value = (int32_t)lrintf(w[p] * inverse);
        out[p / INT8_GROUP * INT8_COLUMNS * INT8_GROUP + p % INT8_GROUP] = (int8_t)value;
        sum += value;
    }
    q->scale[j] = scale;
    q->sum[j] = sum;
}

void int8_quantise(struct int8_weight *q, const float *w)
{
#pragma omp for schedule(static, INT8_COLUMNS)
    for (size_t j = 0; j < q->n; j++)
        quantise_output(q, w + j * q->k, j);
}

/* The rows of the product's first operand as integers. */
struct quantised {
    uint8_t *values; /* [m, groups x INT8_GROUP] */
    float *scale;    /* [m] */
    int32_t *zero_point;
};

static struct quantised quantise_rows(struct cpu *cpu, const struct int8_kernels *kernels, const struct gemm *g)
{
    size_t width = groups_of(g->k) * INT8_GROUP;
    float *shared = cpu_shared(cpu, g->m * 2 + (g->m * width + 3) / 4);
    struct quantised a = {(uint8_t *)(shared + g->m * 2), shared, (int32_t *)(void *)(shared + g->m)};
#pragma omp for
    for (size_t i = 0; i < g->m; i++)
        kernels->quantise_row(a.values + i * width, a.scale + i, a.zero_point + i, g->a + i * g->lda, g->k);
    return a;
}

void int8_run(struct cpu *cpu, const struct int8_weight *q, const struct gemm *g)
{
    const struct int8_kernels *kernels = cpu->int8;
    if (g->m == 0)
        return;
    struct quantised a = quantise_rows(cpu, kernels, g);
    size_t groups = groups_of(g->k), width = groups * INT8_GROUP, strip = PANELS * INT8_COLUMNS;
    size_t across = (g->n + strip - 1) / strip, down = (g->m + ROWS - 1) / ROWS;
#pragma omp for schedule(dynamic, 1)
    for (size_t part = 0; part < across * down; part++) {
        size_t i = part % down * ROWS, end = (part / down + 1) * strip;
        for (size_t j = part / down * strip; j < end && j < g->n; j += INT8_COLUMNS) {
            struct int8_tile tile = {
                .rows = g->m - i < ROWS ? g->m - i : ROWS,
                .columns = g->n - j < INT8_COLUMNS ? g->n - j : INT8_COLUMNS,
                .groups = groups,
                .a = a.values + i * width,
                .lda = width,
                .b = q->panels + j * width,
                .row_scale = a.scale + i,
                .zero_point = a.zero_point + i,
                .column_scale = q->scale + j,
                .column_sum = q->sum + j,
                .bias = g->bias ? g->bias + j : NULL,
                .c = g->c + i * g->ldc + j,
                .ldc = g->ldc,
            };
            kernels->tile(&tile);
        }
    }
}
