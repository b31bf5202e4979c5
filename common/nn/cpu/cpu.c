/* cpu.c - the CPU backend: splits each operator of nn.h into parts for OpenMP's threads.
 *
 * Parts do not depend on the number of threads: rows are independent of each other, and sums over rows are split by
 * columns, each column being summed from the first row to the last by one thread.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <omp.h>

#include "base/memory.h"
#include "nn/cpu/denormals.h"
#include "nn/cpu/gemm.h"
#include "nn/cpu/kernels.h"
#include "nn/nn.h"

/* Columns that one part of a sum over rows takes; elements of one part of a flat array. */
enum { COLUMNS = 64, ELEMENTS = 16384, LARGEST_THREADS = 1024 };

static void linear(const struct nn *nn, float *y, size_t ldy, const float *x, size_t ldx, const float *w,
                   const float *bias, size_t rows, size_t out, size_t in)
{
    gemm(nn->matrix_library, nn->threads, false, true, rows, out, in, x, ldx, w, in, false, y, ldy);
    if (!bias)
        return;
#pragma omp parallel for num_threads(nn->threads)
    for (size_t r = 0; r < rows; r++)
        nn->kernel_table->add_bias(y + r * ldy, bias, out);
}

static void linear_grad_input(const struct nn *nn, float *dx, size_t lddx, const float *dy, size_t lddy, const float *w,
                              size_t rows, size_t out, size_t in, bool accumulate)
{
    gemm(nn->matrix_library, nn->threads, false, false, rows, in, out, dy, lddy, w, in, accumulate, dx, lddx);
}

static void linear_grad_weight(const struct nn *nn, float *dw, float *dbias, const float *dy, size_t lddy,
                               const float *x, size_t ldx, size_t rows, size_t out, size_t in)
{
    gemm(nn->matrix_library, nn->threads, true, false, out, in, rows, dy, lddy, x, ldx, true, dw, in);
    if (!dbias)
        return;
#pragma omp parallel for num_threads(nn->threads)
    for (size_t begin = 0; begin < out; begin += COLUMNS)
        nn->kernel_table->column_sums(dbias, dy, rows, lddy, begin, begin + COLUMNS < out ? begin + COLUMNS : out);
}

static void bias_activation(const struct nn *nn, enum activation f, float *h, float *derivative, const float *z,
                            const float *bias, size_t rows, size_t n)
{
#pragma omp parallel for num_threads(nn->threads)
    for (size_t r = 0; r < rows; r++)
        nn->kernel_table->activation(f, h + r * n, derivative ? derivative + r * n : NULL, z + r * n, bias, n);
}

static void multiply(const struct nn *nn, float *x, const float *y, size_t n)
{
#pragma omp parallel for num_threads(nn->threads)
    for (size_t i = 0; i < n; i += ELEMENTS)
        nn->kernel_table->multiply(x + i, y + i, n - i < ELEMENTS ? n - i : ELEMENTS);
}

/* Room for one dropout mask of n elements, which the kernel writes in whole blocks; freed by the caller. */
static float *mask_room(size_t n)
{
    return xaligned((n + 63) / 64 * 64 * sizeof(float));
}

static void add_norm(const struct nn *nn, float *y, float *sum, float *mean, float *rstd, const float *z,
                     const float *bias, const float *residual, const float *weight, const float *beta, float epsilon,
                     const struct nn_dropout *dropout, uint32_t site, size_t rows, size_t n)
{
    bool drop = dropout && dropout->probability > 0;
#pragma omp parallel num_threads(nn->threads)
    {
        float *mask = drop ? mask_room(n) : NULL;
#pragma omp for
        for (size_t r = 0; r < rows; r++) {
            if (drop)
                nn->kernel_table->dropout_mask(mask, n, dropout->probability, dropout->seed, dropout->row[r],
                                               dropout->token[r], site, 0);
            nn->kernel_table->add_norm(y + r * n, sum + r * n, mean ? mean + r : NULL, rstd ? rstd + r : NULL,
                                       z + r * n, bias, residual ? residual + r * n : NULL, mask, weight, beta, epsilon,
                                       n);
        }
        free(mask);
    }
}

static void norm_backward(const struct nn *nn, float *dsum, float *dweight, float *dbeta, const float *dy,
                          const float *sum, const float *mean, const float *rstd, const float *weight, size_t rows,
                          size_t n)
{
    /* Parameters first: dsum may be dy. */
#pragma omp parallel num_threads(nn->threads)
    {
#pragma omp for
        for (size_t begin = 0; begin < n; begin += COLUMNS)
            nn->kernel_table->norm_parameters(dweight, dbeta, dy, sum, mean, rstd, rows, n, begin,
                                              begin + COLUMNS < n ? begin + COLUMNS : n);
#pragma omp for
        for (size_t r = 0; r < rows; r++)
            nn->kernel_table->norm_backward(dsum + r * n, dy + r * n, sum + r * n, mean[r], rstd[r], weight, n);
    }
}

static void dropout_rows(const struct nn *nn, float *y, const float *x, const struct nn_dropout *dropout, uint32_t site,
                         size_t rows, size_t n)
{
    if (!dropout || dropout->probability <= 0) {
        if (y != x)
            memcpy(y, x, rows * n * sizeof *y);
        return;
    }
#pragma omp parallel num_threads(nn->threads)
    {
        float *mask = mask_room(n);
#pragma omp for
        for (size_t r = 0; r < rows; r++) {
            nn->kernel_table->dropout_mask(mask, n, dropout->probability, dropout->seed, dropout->row[r],
                                           dropout->token[r], site, 0);
            if (y != x)
                memcpy(y + r * n, x + r * n, n * sizeof *y);
            nn->kernel_table->multiply(y + r * n, mask, n);
        }
        free(mask);
    }
}

/* The part of one head of one sentence; fills h and returns the sentence's first token. */
static size_t head_of(struct head *h, const struct nn_attention *a, size_t sentence, size_t head)
{
    size_t begin = (size_t)a->offsets[sentence], n = (size_t)(a->offsets[sentence + 1] - a->offsets[sentence]);
    h->queries = a->first_only ? 1 : n;
    h->tokens = n;
    h->padded = (n + 15) / 16 * 16;
    h->size = a->head_size;
    h->scale = a->scale;
    h->probability = a->dropout.probability;
    h->seed = a->dropout.seed;
    h->row = h->probability > 0 ? a->dropout.row[begin] : 0;
    h->site = a->site;
    h->head = (uint32_t)head;
    return begin;
}

static size_t longest_sentence(const struct nn_attention *a)
{
    size_t longest = 1;
    for (size_t i = 0; i < a->rows; i++) {
        size_t n = (size_t)(a->offsets[i + 1] - a->offsets[i]);
        longest = n > longest ? n : longest;
    }
    return longest;
}

static void attention(const struct nn *nn, float *context, size_t ldc, float *probabilities, const float *q, size_t ldq,
                      const float *k, const float *v, size_t ldkv, const struct nn_attention *a)
{
    size_t scratch_size = head_scratch_size(longest_sentence(a), a->head_size);
#pragma omp parallel num_threads(nn->threads)
    {
        struct head h = {.scratch = xaligned(scratch_size * sizeof(float))};
#pragma omp for schedule(dynamic, 4)
        for (size_t part = 0; part < a->rows * a->heads; part++) {
            size_t sentence = part / a->heads, head = part % a->heads, column = head * a->head_size;
            size_t begin = head_of(&h, a, sentence, head), first = a->first_only ? sentence : begin;
            float *p =
                probabilities ? probabilities + a->probability_offsets[sentence] + head * h.queries * h.tokens : NULL;
            nn->kernel_table->attention(context + first * ldc + column, ldc, p, q + first * ldq + column, ldq,
                                        k + begin * ldkv + column, v + begin * ldkv + column, ldkv, &h);
        }
        free(h.scratch);
    }
}

static void attention_backward(const struct nn *nn, float *dq, size_t lddq, float *dk, float *dv, size_t lddkv,
                               const float *dcontext, size_t ldc, const float *probabilities, const float *q,
                               size_t ldq, const float *k, const float *v, size_t ldkv, const struct nn_attention *a)
{
    size_t scratch_size = head_scratch_size(longest_sentence(a), a->head_size);
#pragma omp parallel num_threads(nn->threads)
    {
        struct head h = {.scratch = xaligned(scratch_size * sizeof(float))};
#pragma omp for schedule(dynamic, 4)
        for (size_t part = 0; part < a->rows * a->heads; part++) {
            size_t sentence = part / a->heads, head = part % a->heads, column = head * a->head_size;
            size_t begin = head_of(&h, a, sentence, head), first = a->first_only ? sentence : begin;
            nn->kernel_table->attention_backward(
                dq + first * lddq + column, lddq, dk + begin * lddkv + column, dv + begin * lddkv + column, lddkv,
                dcontext + first * ldc + column, ldc,
                probabilities + a->probability_offsets[sentence] + head * h.queries * h.tokens,
                q + first * ldq + column, ldq, k + begin * ldkv + column, v + begin * ldkv + column, ldkv, &h);
        }
        free(h.scratch);
    }
}

static void embed(const struct nn *nn, float *sum, const float *words, const float *positions, const float *types,
                  const int32_t *ids, const uint32_t *token, const uint8_t *types_of_tokens, size_t tokens, size_t n)
{
#pragma omp parallel for num_threads(nn->threads)
    for (size_t t = 0; t < tokens; t++) {
        const float *word = words + (size_t)ids[t] * n, *position = positions + token[t] * n;
        const float *type = types + (types_of_tokens ? types_of_tokens[t] : 0) * n;
        for (size_t i = 0; i < n; i++)
            sum[t * n + i] = word[i] + type[i] + position[i];
    }
}

static void embed_backward(const struct nn *nn, float *dwords, float *dpositions, float *dtypes, const float *dsum,
                           const int32_t *ids, const uint32_t *token, const uint8_t *types_of_tokens, size_t tokens,
                           size_t n, long padding_id)
{
    /* Several tokens may share a row of a table, so the columns are split, not the tokens. */
#pragma omp parallel for num_threads(nn->threads)
    for (size_t begin = 0; begin < n; begin += COLUMNS) {
        size_t width = n - begin < COLUMNS ? n - begin : COLUMNS;
        for (size_t t = 0; t < tokens; t++) {
            const float *d = dsum + t * n + begin;
            if (ids[t] != padding_id)
                nn->kernel_table->column_sums(dwords + (size_t)ids[t] * n + begin, d, 1, n, 0, width);
            nn->kernel_table->column_sums(dpositions + token[t] * n + begin, d, 1, n, 0, width);
            nn->kernel_table->column_sums(dtypes + (types_of_tokens ? types_of_tokens[t] : 0) * n + begin, d, 1, n, 0,
                                          width);
        }
    }
}

static double sum_of_squares(const struct nn *nn, const float *x, size_t n)
{
    size_t parts = (n + ELEMENTS - 1) / ELEMENTS;
    double *part = xmalloc_array(parts + 1, sizeof *part), total = 0;
#pragma omp parallel for num_threads(nn->threads)
    for (size_t i = 0; i < parts; i++)
        part[i] = nn->kernel_table->sum_of_squares(x + i * ELEMENTS,
                                                   n - i * ELEMENTS < ELEMENTS ? n - i * ELEMENTS : ELEMENTS);
    for (size_t i = 0; i < parts; i++)
        total += part[i];
    free(part);
    return total;
}

static void adamw(const struct nn *nn, float *p, float *m, float *v, const float *g, size_t n, const struct nn_adamw *a)
{
    double correction1 = 1.0 - pow(a->beta1, (double)a->step), correction2 = 1.0 - pow(a->beta2, (double)a->step);
#pragma omp parallel for num_threads(nn->threads)
    for (size_t i = 0; i < n; i += ELEMENTS)
        nn->kernel_table->adamw(p + i, m + i, v + i, g + i, n - i < ELEMENTS ? n - i : ELEMENTS, a, correction1,
                                sqrt(correction2));
}

static void zero(const struct nn *nn, float *x, size_t n)
{
#pragma omp parallel for num_threads(nn->threads)
    for (size_t i = 0; i < n; i += ELEMENTS)
        memset(x + i, 0, (n - i < ELEMENTS ? n - i : ELEMENTS) * sizeof *x);
}

int nn_cpu(struct nn *nn, long threads, struct error *err)
{
    /* Before OpenBLAS is touched: see gemm.h. */
    int wanted = threads > 0 ? (int)threads : omp_get_max_threads();
    if (threads < 0 || wanted > LARGEST_THREADS)
        return error_set(err, STATUS_USAGE, "--threads must be between 1 and %d, not %ld", (int)LARGEST_THREADS,
                         threads);
    const struct gemm_library *library = gemm_openblas();
    const struct cpu_kernels *kernels = cpu_kernels_choose();
    *nn = (struct nn){
        .name = "cpu",
        .library = library->name,
        .kernels = kernels->name,
        .threads = wanted,
        .matrix_library = library,
        .kernel_table = kernels,
        .linear = linear,
        .linear_grad_input = linear_grad_input,
        .linear_grad_weight = linear_grad_weight,
        .bias_activation = bias_activation,
        .multiply = multiply,
        .add_norm = add_norm,
        .norm_backward = norm_backward,
        .dropout = dropout_rows,
        .attention = attention,
        .attention_backward = attention_backward,
        .embed = embed,
        .embed_backward = embed_backward,
        .sum_of_squares = sum_of_squares,
        .adamw = adamw,
        .zero = zero,
    };
#pragma omp parallel num_threads(wanted)
    flush_denormals();
    return 0;
}
