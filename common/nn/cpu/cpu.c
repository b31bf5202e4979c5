/* cpu.c - the CPU backend: splits each operator of nn.h into parts for OpenMP's threads.
 *
 * Parts do not depend on the number of threads: rows are independent of each other, and sums over rows are split by
 * columns, each column being summed from the first row to the last by one thread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <omp.h>

#include "base/memory.h"
#include "nn/cpu/denormals.h"
#include "nn/cpu/gemm.h"
#include "nn/cpu/int8_kernels.h"
#include "nn/cpu/kernels.h"
#include "nn/cpu/prepared.h"
#include "nn/cpu/state.h"
#include "nn/nn.h"

/* Columns that one part of a sum over rows takes; elements of one part of a flat array. */
enum { COLUMNS = 64, ELEMENTS = 16384, LARGEST_THREADS = 1024 };

static void parallel(const struct nn *nn, void (*work)(void *argument), void *argument)
{
#pragma omp parallel num_threads(nn->threads)
    work(argument);
}

static void linear(const struct nn *nn, float *y, size_t ldy, const float *x, size_t ldx, const float *w,
                   const float *bias, size_t rows, size_t out, size_t in)
{
    const struct prepared *prepared = prepared_find(nn->cpu, w, out, in);
    struct gemm g = {.kind = GEMM_FORWARD,
                     .m = rows,
                     .n = out,
                     .k = in,
                     .a = x,
                     .lda = ldx,
                     .b = w,
                     .ldb = in,
                     .bias = bias,
                     .c = y,
                     .ldc = ldy,
                     .bf16 = nn->precision == NN_BF16};
    if (prepared)
        prepared_run(nn->cpu, prepared, &g);
    else
        nn->cpu->library.run(nn->cpu, &g);
}

static void linear_grad_input(const struct nn *nn, float *dx, size_t lddx, const float *dy, size_t lddy, const float *w,
                              size_t rows, size_t out, size_t in, bool accumulate)
{
    struct gemm g = {.kind = GEMM_INPUT_GRADIENT,
                     .m = rows,
                     .n = in,
                     .k = out,
                     .a = dy,
                     .lda = lddy,
                     .b = w,
                     .ldb = in,
                     .accumulate = accumulate,
                     .c = dx,
                     .ldc = lddx,
                     .bf16 = nn->precision == NN_BF16};
    nn->cpu->library.run(nn->cpu, &g);
}

static void linear_grad_weight(const struct nn *nn, float *dw, float *dbias, const float *dy, size_t lddy,
                               const float *x, size_t ldx, size_t rows, size_t out, size_t in, bool accumulate)
{
    struct gemm g = {.kind = GEMM_WEIGHT_GRADIENT,
                     .m = out,
                     .n = in,
                     .k = rows,
                     .a = dy,
                     .lda = lddy,
                     .b = x,
                     .ldb = ldx,
                     .accumulate = accumulate,
                     .c = dw,
                     .ldc = in,
                     .bf16 = nn->precision == NN_BF16};
    nn->cpu->library.run(nn->cpu, &g);
    if (!dbias)
        return;
#pragma omp for
    for (size_t begin = 0; begin < out; begin += COLUMNS)
        nn->cpu->kernels->column_sums(dbias, dy, rows, lddy, begin, begin + COLUMNS < out ? begin + COLUMNS : out);
}

static void bias_activation(const struct nn *nn, enum activation f, float *h, float *derivative, const float *z,
                            const float *bias, size_t rows, size_t n)
{
#pragma omp for
    for (size_t r = 0; r < rows; r++)
        nn->cpu->kernels->activation(f, h + r * n, derivative ? derivative + r * n : NULL, z + r * n, bias, n);
}

static void multiply(const struct nn *nn, float *x, const float *y, size_t n)
{
#pragma omp for
    for (size_t i = 0; i < n; i += ELEMENTS)
        nn->cpu->kernels->multiply(x + i, y + i, n - i < ELEMENTS ? n - i : ELEMENTS);
}

static void add(const struct nn *nn, float *x, const float *y, size_t n)
{
#pragma omp for
    for (size_t i = 0; i < n; i += ELEMENTS)
        nn->cpu->kernels->add_bias(x + i, y + i, n - i < ELEMENTS ? n - i : ELEMENTS);
}

/* Room for one dropout mask of n elements, which the kernel writes in whole blocks. */
static float *mask_room(const struct nn *nn, size_t n)
{
    return cpu_scratch(nn->cpu, dropout_mask_size(n));
}

static void add_norm(const struct nn *nn, float *y, float *sum, float *mean, float *rstd, const float *z,
                     const float *bias, const float *residual, const float *weight, const float *beta, float epsilon,
                     const struct nn_dropout *dropout, uint32_t site, size_t rows, size_t n)
{
    bool drop = dropout && dropout->probability > 0;
    float *mask = drop ? mask_room(nn, n) : NULL;
#pragma omp for
    for (size_t r = 0; r < rows; r++) {
        if (drop)
            nn->cpu->kernels->dropout_mask(mask, n, dropout->probability, dropout->seed, dropout->row[r],
                                           dropout->token[r], site, 0);
        nn->cpu->kernels->add_norm(y + r * n, sum + r * n, mean ? mean + r : NULL, rstd ? rstd + r : NULL, z + r * n,
                                   bias, residual ? residual + r * n : NULL, mask, weight, beta, epsilon, n);
    }
}

static void norm_backward(const struct nn *nn, float *dsum, float *dweight, float *dbeta, const float *dy,
                          const float *sum, const float *mean, const float *rstd, const float *weight, size_t rows,
                          size_t n)
{
    /* Parameters first: dsum may be dy. */
#pragma omp for
    for (size_t begin = 0; begin < (dweight ? n : 0); begin += COLUMNS)
        nn->cpu->kernels->norm_parameters(dweight, dbeta, dy, sum, mean, rstd, rows, n, begin,
                                          begin + COLUMNS < n ? begin + COLUMNS : n);
#pragma omp for
    for (size_t r = 0; r < rows; r++)
        nn->cpu->kernels->norm_backward(dsum + r * n, dy + r * n, sum + r * n, mean[r], rstd[r], weight, n);
}

static void dropout_rows(const struct nn *nn, float *y, const float *x, const struct nn_dropout *dropout, uint32_t site,
                         size_t rows, size_t n)
{
    bool drop = dropout && dropout->probability > 0;
    if (!drop && y == x)
        return;
    float *mask = mask_room(nn, n);
#pragma omp for
    for (size_t r = 0; r < rows; r++) {
        if (y != x)
            memcpy(y + r * n, x + r * n, n * sizeof *y);
        if (!drop)
            continue;
        nn->cpu->kernels->dropout_mask(mask, n, dropout->probability, dropout->seed, dropout->row[r], dropout->token[r],
                                       site, 0);
        nn->cpu->kernels->multiply(y + r * n, mask, n);
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

static float *head_scratch(const struct nn *nn, const struct nn_attention *a)
{
    size_t longest = longest_sentence(a);
    return cpu_scratch(nn->cpu, head_scratch_size(longest, a->first_only ? 1 : longest, a->head_size));
}

static void attention(const struct nn *nn, float *context, size_t ldc, float *probabilities, const float *q, size_t ldq,
                      const float *k, const float *v, size_t ldkv, const struct nn_attention *a)
{
    struct head h = {.scratch = head_scratch(nn, a)};
#pragma omp for schedule(dynamic, 4)
    for (size_t part = 0; part < a->rows * a->heads; part++) {
        size_t sentence = part / a->heads, head = part % a->heads, column = head * a->head_size;
        size_t begin = head_of(&h, a, sentence, head), first = a->first_only ? sentence : begin;
        float *p =
            probabilities ? probabilities + a->probability_offsets[sentence] + head * h.queries * h.tokens : NULL;
        nn->cpu->kernels->attention(context + first * ldc + column, ldc, p, q + first * ldq + column, ldq,
                                    k + begin * ldkv + column, v + begin * ldkv + column, ldkv, &h);
    }
}

static void attention_backward(const struct nn *nn, float *dq, size_t lddq, float *dk, float *dv, size_t lddkv,
                               const float *dcontext, size_t ldc, const float *probabilities, const float *q,
                               size_t ldq, const float *k, const float *v, size_t ldkv, const struct nn_attention *a)
{
    struct head h = {.scratch = head_scratch(nn, a)};
#pragma omp for schedule(dynamic, 4)
    for (size_t part = 0; part < a->rows * a->heads; part++) {
        size_t sentence = part / a->heads, head = part % a->heads, column = head * a->head_size;
        size_t begin = head_of(&h, a, sentence, head), first = a->first_only ? sentence : begin;
        nn->cpu->kernels->attention_backward(
            dq + first * lddq + column, lddq, dk + begin * lddkv + column, dv + begin * lddkv + column, lddkv,
            dcontext + first * ldc + column, ldc,
            probabilities + a->probability_offsets[sentence] + head * h.queries * h.tokens, q + first * ldq + column,
            ldq, k + begin * ldkv + column, v + begin * ldkv + column, ldkv, &h);
    }
}

static void cross_entropy(const struct nn *nn, float *x, double *loss, uint8_t *right, const int32_t *labels,
                          double scale, size_t rows, size_t n)
{
#pragma omp for
    for (size_t r = 0; r < rows; r++)
        loss[r] = nn->cpu->kernels->cross_entropy(x + r * n, &right[r], (size_t)labels[r], scale, n);
}

static void embed(const struct nn *nn, float *sum, const float *words, const float *positions, const float *types,
                  const int32_t *ids, const uint32_t *token, const uint8_t *types_of_tokens, size_t tokens, size_t n)
{
    (void)nn;
#pragma omp for
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
#pragma omp for
    for (size_t begin = 0; begin < n; begin += COLUMNS) {
        size_t width = n - begin < COLUMNS ? n - begin : COLUMNS;
        for (size_t t = 0; t < tokens; t++) {
            const float *d = dsum + t * n + begin;
            if (ids[t] != padding_id)
                nn->cpu->kernels->column_sums(dwords + (size_t)ids[t] * n + begin, d, 1, n, 0, width);
            nn->cpu->kernels->column_sums(dpositions + token[t] * n + begin, d, 1, n, 0, width);
            nn->cpu->kernels->column_sums(dtypes + (types_of_tokens ? types_of_tokens[t] : 0) * n + begin, d, 1, n, 0,
                                          width);
        }
    }
}

static double sum_of_squares(const struct nn *nn, const float *x, size_t n)
{
    size_t part = (n + CPU_PARTIAL_SUMS - 1) / CPU_PARTIAL_SUMS;
    part = part < ELEMENTS ? ELEMENTS : part;
    size_t parts = (n + part - 1) / part;
    double *partial = nn->cpu->partial, total = 0;
#pragma omp for
    for (size_t i = 0; i < parts; i++)
        partial[i] = nn->cpu->kernels->sum_of_squares(x + i * part, n - i * part < part ? n - i * part : part);
    for (size_t i = 0; i < parts; i++)
        total += partial[i];
#pragma omp barrier /* before the next sum writes there */
    return total;
}

static void adamw(const struct nn *nn, float *p, float *m, float *v, const float *g, size_t n, const struct nn_adamw *a)
{
    double correction1 = nn_adamw_correction(a->beta1, a->step), correction2 = nn_adamw_correction(a->beta2, a->step);
#pragma omp for nowait
    for (size_t i = 0; i < n; i += ELEMENTS)
        nn->cpu->kernels->adamw(p + i, m + i, v + i, g + i, n - i < ELEMENTS ? n - i : ELEMENTS, a, correction1,
                                sqrt(correction2));
}

static void adamw_rows(const struct nn *nn, float *p, float *m, float *v, float *g, const int32_t *rows, size_t count,
                       size_t n, const struct nn_adamw *a)
{
    double correction1 = nn_adamw_correction(a->beta1, a->step), correction2 = nn_adamw_correction(a->beta2, a->step);
#pragma omp for
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)rows[i] * n;
        nn->cpu->kernels->adamw(p + at, m + at, v + at, g + at, n, a, correction1, sqrt(correction2));
        memset(g + at, 0, n * sizeof *g);
    }
}

static void adamw_catch_up(const struct nn *nn, float *p, float *m, float *v, const int32_t *rows, size_t count,
                           size_t n, uint64_t *updated, const struct nn_adamw_past *past, uint64_t first, uint64_t now,
                           const struct nn_adamw *a)
{
#pragma omp for schedule(dynamic, 8)
    for (size_t i = 0; i < count; i++) {
        size_t row = rows ? (size_t)rows[i] : i, at = row * n;
        uint64_t last = updated[row] < first - 1 ? first - 1 : updated[row];
        if (last < now)
            nn->cpu->kernels->adamw_past(p + at, m + at, v + at, n, past + (last + 1 - first), (size_t)(now - last), a);
        updated[row] = now;
    }
}

static void row_squares(const struct nn *nn, double *out, const float *x, const int32_t *rows, size_t count, size_t n)
{
#pragma omp for
    for (size_t i = 0; i < count; i++)
        out[i] = nn->cpu->kernels->sum_of_squares(x + (size_t)rows[i] * n, n);
}

static void zero(const struct nn *nn, float *x, size_t n)
{
    (void)nn;
#pragma omp for
    for (size_t i = 0; i < n; i += ELEMENTS)
        memset(x + i, 0, (n - i < ELEMENTS ? n - i : ELEMENTS) * sizeof *x);
}

static void zero_parts(const struct nn *nn, float *x, const struct nn_part *parts, size_t count)
{
    (void)nn;
#pragma omp for
    for (size_t i = 0; i < count; i++)
        memset(x + parts[i].offset, 0, parts[i].size * sizeof *x);
}

static void tanh_forward(const struct nn *nn, float *y, const float *x, size_t n)
{
    (void)nn;
#pragma omp for
    for (size_t i = 0; i < n; i++)
        y[i] = tanhf(x[i]);
}

static void tanh_backward(const struct nn *nn, float *dx, const float *dy, const float *y, size_t n)
{
    (void)nn;
#pragma omp for
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] * (1.0f - y[i] * y[i]);
}

static void gather_rows(const struct nn *nn, float *out, const float *x, const int64_t *which, size_t rows, size_t n)
{
    (void)nn;
#pragma omp for
    for (size_t i = 0; i < rows; i++)
        memcpy(out + i * n, x + (size_t)which[i] * n, n * sizeof *out);
}

static void scatter_add_rows(const struct nn *nn, float *x, const float *out, const int64_t *which, size_t rows,
                             size_t n)
{
    (void)nn;
#pragma omp for
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            x[(size_t)which[i] * n + j] += out[i * n + j];
}

static void prepare_weight(const struct nn *nn, const float *w, size_t out, size_t in, enum nn_weights form)
{
    prepared_add(nn->cpu, w, out, in, form);
}

static const struct nn operators = {
    .name = "cpu",
    .parallel = parallel,
    .prepare_weight = prepare_weight,
    .linear = linear,
    .linear_grad_input = linear_grad_input,
    .linear_grad_weight = linear_grad_weight,
    .bias_activation = bias_activation,
    .multiply = multiply,
    .add = add,
    .tanh = tanh_forward,
    .tanh_backward = tanh_backward,
    .gather_rows = gather_rows,
    .scatter_add_rows = scatter_add_rows,
    .add_norm = add_norm,
    .norm_backward = norm_backward,
    .dropout = dropout_rows,
    .attention = attention,
    .attention_backward = attention_backward,
    .cross_entropy = cross_entropy,
    .embed = embed,
    .embed_backward = embed_backward,
    .sum_of_squares = sum_of_squares,
    .adamw = adamw,
    .adamw_rows = adamw_rows,
    .adamw_catch_up = adamw_catch_up,
    .row_squares = row_squares,
    .zero = zero,
    .zero_parts = zero_parts,
};

int nn_cpu(struct nn *nn, const struct nn_options *options, struct error *err)
{
    /* Before OpenBLAS is touched: see gemm_openblas.c. */
    int threads = options->threads > 0 ? (int)options->threads : omp_get_max_threads();
    *nn = operators;
    if (options->threads < 0 || options->threads > LARGEST_THREADS || threads > LARGEST_THREADS)
        return error_set(err, STATUS_USAGE, "--threads must be between 1 and %d, not %ld", (int)LARGEST_THREADS,
                         options->threads);
    struct cpu *cpu = xcalloc(1, sizeof *cpu);
    if (gemm_choose(&cpu->library, options->gemm ? options->gemm : "auto", err) < 0) {
        free(cpu);
        return -1;
    }
    cpu->kernels = cpu_kernels_choose();
    cpu->int8 = int8_kernels_choose();
    cpu->threads = threads;
    cpu->scratch = xcalloc((size_t)threads, sizeof *cpu->scratch);
    cpu->partial = xmalloc_array(CPU_PARTIAL_SUMS, sizeof *cpu->partial);
    nn->cpu = cpu;
    nn->threads = threads;
    nn->precision = options->precision;
    nn->library = cpu->library.name;
    nn->kernels = cpu->kernels->name;
    nn->fast_bf16 = cpu->library.bf16;
    nn->row_multiple = cpu->library.row_multiple;
#pragma omp parallel num_threads(threads)
    flush_denormals();
    return 0;
}

void nn_cpu_features(char *out, size_t size)
{
    struct gemm_library library;
    size_t used = 0;
    bool (*const libraries[])(struct gemm_library *) = {gemm_builtin, gemm_openblas, gemm_onednn};
    int threads = omp_get_max_threads(); /* asking OpenBLAS may change it: see gemm_openblas.c */
    out[0] = '\0';
    for (int i = 0; i < 3; i++)
        if (libraries[i](&library) && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "matrix libraries: ", library.name);
    if (used < size)
        snprintf(out + used, size - used, "\nkernels: %s, int8 %s; threads: OpenMP, %d", cpu_kernels_choose()->name,
                 int8_kernels_choose()->name, threads);
}

void nn_free(struct nn *nn)
{
    struct cpu *cpu = nn->cpu;
    if (!cpu)
        return;
    prepared_free(cpu);
    for (int i = 0; i < cpu->threads; i++)
        free(cpu->scratch[i].floats);
    free(cpu->scratch);
    free(cpu->shared);
    free(cpu->partial);
    if (cpu->library.close)
        cpu->library.close(&cpu->library);
    free(cpu);
    *nn = (struct nn){0};
}
