/* kernels.h - the loops of the CPU backend that one thread runs over one part of the work.
 *
 * kernels_body.h holds their text; it is compiled three times (kernels_generic.c, kernels_avx2.c, kernels_avx512.c) and
 * the best set for the processor is chosen at run time. No OpenMP regions here, no allocation.
 */
#ifndef NN_CPU_KERNELS_H
#define NN_CPU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/nn.h"

/* One (sentence, head) of attention. */
struct head {
    size_t queries, tokens, size; /* size: of the head */
    size_t padded;                /* tokens rounded up to 16 */
    float scale;
    float *scratch; /* head_scratch_size(tokens, queries, size) floats */
    /* dropout on the probabilities; probability 0: none */
    float probability;
    uint64_t seed, row;
    uint32_t site, head;
};

/* Elements of a dropout mask that are made at once; a mask is written in whole blocks. */
enum { DROPOUT_BLOCK = 128 };
static inline size_t dropout_mask_size(size_t n)
{
    return (n + DROPOUT_BLOCK - 1) / DROPOUT_BLOCK * DROPOUT_BLOCK;
}

/* Queries whose masks are made at once: so many that blocks are well filled. */
static inline size_t head_mask_queries(size_t tokens)
{
    return tokens < 1024 ? 1024 / tokens : 1;
}

/* Keys (or values) transposed, two matrices of a number for each query and token, the dropout masks of some queries. */
static inline size_t head_scratch_size(size_t tokens, size_t queries, size_t size)
{
    return (tokens + 31) / 32 * 32 * (size + 2 * queries) + dropout_mask_size(tokens < 1024 ? 1024 : tokens);
}

struct cpu_kernels {
    const char *name;
    /* y[n] += bias[n] */
    void (*add_bias)(float *y, const float *bias, size_t n);
    void (*activation)(enum activation f, float *h, float *derivative, const float *z, const float *bias, size_t n);
    void (*multiply)(float *x, const float *y, size_t n);
    /* sum[n] = residual + mask x (z + bias); residual, bias, mask may be NULL; then y = norm(sum). */
    void (*add_norm)(float *y, float *sum, float *mean, float *rstd, const float *z, const float *bias,
                     const float *residual, const float *mask, const float *weight, const float *beta, float epsilon,
                     size_t n);
    void (*norm_backward)(float *dsum, const float *dy, const float *sum, float mean, float rstd, const float *weight,
                          size_t n);
    /* For columns begin..end of [rows, ld]: dbeta += sum dy, dweight += sum dy (sum - mean) rstd. */
    void (*norm_parameters)(float *dweight, float *dbeta, const float *dy, const float *sum, const float *mean,
                            const float *rstd, size_t rows, size_t ld, size_t begin, size_t end);
    /* out[j] += sum over rows of x[row][j], columns begin..end. */
    void (*column_sums)(float *out, const float *x, size_t rows, size_t ld, size_t begin, size_t end);
    /* mask[n] = 0 or 1 / (1 - probability), from Philox over (element, token | site, row); probability to 1/65536. */
    void (*dropout_mask)(float *mask, size_t n, float probability, uint64_t seed, uint64_t row, uint32_t token,
                         uint32_t site, uint32_t head);
    void (*attention)(float *context, size_t ldc, float *probabilities, const float *q, size_t ldq, const float *k,
                      const float *v, size_t ldkv, const struct head *h);
    void (*attention_backward)(float *dq, size_t lddq, float *dk, float *dv, size_t lddkv, const float *dcontext,
                               size_t ldc, const float *probabilities, const float *q, size_t ldq, const float *k,
                               const float *v, size_t ldkv, const struct head *h);
    /* x[n]: logits in, scale (softmax - one-hot) out. Returns - log softmax(x)_label. */
    double (*cross_entropy)(float *x, uint8_t *right, size_t label, double scale, size_t n);
    double (*sum_of_squares)(const float *x, size_t n);
    /* out[n] = x rounded to the nearest bfloat16, ties to even; out may be x. Infinities stay, NaN stays NaN. */
    void (*round_bf16)(float *out, const float *x, size_t n);
    /* The same in two bytes a number. */
    void (*to_bf16)(uint16_t *out, const float *x, size_t n);
    /* correction1 = 1 - beta1^step, correction2_root = sqrt(1 - beta2^step). */
    void (*adamw)(float *p, float *m, float *v, const float *g, size_t n, const struct nn_adamw *a, double correction1,
                  double correction2_root);
    /* `steps` steps of it without gradient; the same bits. */
    void (*adamw_past)(float *p, float *m, float *v, size_t n, const struct nn_adamw_past *past, size_t steps,
                       const struct nn_adamw *a);
};

extern const struct cpu_kernels kernels_generic, kernels_avx2, kernels_avx512;
/* The best of them for this processor. */
const struct cpu_kernels *cpu_kernels_choose(void);

#endif
