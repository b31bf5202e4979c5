/* nn.h - the operators that a BERT encoder is made of, forward and backward, behind one struct of function pointers.
 *
 * Rows are packed: the tokens of a batch lie one after another, [T, hidden], without padding inside. All matrices are
 * row-major float32; weights are [out, in] as in the checkpoint. `ld...` is the distance in floats from one row to the
 * next. A gradient written with "=" is overwritten, with "+=" added to.
 *
 * Operators are collective: `parallel` runs a function on all threads, each of which calls the same operators with the
 * same arguments; an operator's result is there for all of them when it returns (adamw excepted). Code between
 * operators runs on every thread, so it must not write what is shared. Outside `parallel` an operator works on one
 * thread.
 *
 * Every operator splits its work into parts that do not depend on the number of threads, and every sum has a fixed
 * order: on one kind of processor the results are the same bits for any number of threads.
 * A backend is chosen at run time; nn_cpu is always there.
 */
#ifndef NN_NN_H
#define NN_NN_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "nn/activation.h"

/* Where dropout masks come from: Philox (base/rng.h) over (row, token, site, element), so that a mask is a function of
 * the row's number in the run and of its place in the network, and does not depend on the batch or on threads. */
struct nn_dropout {
    float probability; /* 0: none */
    uint64_t seed;
    const uint64_t *row;   /* [T] number of the token's row in the run, counted over all epochs */
    const uint32_t *token; /* [T] the token's place in its row */
};

/* A site is a place in the network; each draws masks of its own. */
enum nn_dropout_site {
    NN_SITE_EMBEDDINGS,
    NN_SITE_ATTENTION_PROBABILITIES,
    NN_SITE_ATTENTION_OUTPUT,
    NN_SITE_OUTPUT,
    NN_SITE_CLASSIFIER,
    NN_SITES
};
static inline uint32_t nn_site(size_t layer, enum nn_dropout_site site)
{
    return (uint32_t)(layer * NN_SITES + (size_t)site);
}

/* What attention works on: the rows of a packed batch. */
struct nn_attention {
    size_t rows;            /* sentences */
    const int64_t *offsets; /* [rows + 1] tokens of sentence r: offsets[r] .. offsets[r + 1] */
    const size_t
        *probability_offsets; /* [rows + 1] where a sentence's probabilities start: heads x queries x tokens each */
    bool first_only;          /* only the first token of each sentence asks: q has one row a sentence */
    size_t heads, head_size;
    float scale; /* 1 / sqrt(head_size) */
    struct nn_dropout dropout;
    uint32_t site;
};

struct nn_adamw {
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    double gradient_scale; /* clipping: multiplies every gradient first */
    uint64_t step;         /* from 1, for bias correction */
};
static inline double nn_adamw_correction(double beta, uint64_t step)
{
    return 1.0 - pow(beta, (double)step);
}

/* bf16: the operands of every product are rounded to bfloat16, sums stay float32, as torch.autocast does it; everything
 * else is float32. Where the processor or the library has no such product, rounded float32 ones are used: the same
 * meaning, no gain in speed. */
enum nn_precision { NN_F32, NN_BF16 };

/* How weights are kept for inference. int8: 7 bits a weight with a scale for each output (so that a pair of products
 * fits 16 bits on every processor), 8 bits an input with scale and zero point for each row; sums are exact integers. */
enum nn_weights { NN_WEIGHTS_F32, NN_WEIGHTS_BF16, NN_WEIGHTS_INT8 };

/* What an AdamW step did to a parameter whose gradient was 0: p = keep p - rate m / (sqrt(v) inverse_root + epsilon),
 * with m and v as that step left them. */
struct nn_adamw_past {
    float keep, rate, inverse_root;
};

struct nn_part {
    size_t offset, size;
};

struct nn_options {
    long threads;     /* 0: as many as OpenMP gives (OMP_NUM_THREADS) */
    const char *gemm; /* auto, builtin, openblas, onednn; NULL: auto */
    enum nn_precision precision;
};

struct cpu; /* the CPU backend's own */

struct nn {
    const char *name;    /* "cpu" */
    const char *library; /* the matrix library, with its version and core type */
    const char *kernels; /* "avx2" */
    int threads;
    enum nn_precision precision;
    bool fast_bf16;      /* the precision bf16 is faster than f32 here */
    size_t row_multiple; /* rows of a product are best filled up to a multiple of this */
    struct cpu *cpu;

    /* Runs work(argument) on all threads and waits for them. */
    void (*parallel)(const struct nn *nn, void (*work)(void *argument), void *argument);

    /* Keeps a copy of w[out, in] in the form in which linear reads it fastest, from then on used for that address; w
     * and the copy must not change. Twice for one address is once. Collective. */
    void (*prepare_weight)(const struct nn *nn, const float *w, size_t out, size_t in, enum nn_weights form);

    /* y[rows, out] = x[rows, in] w[out, in]^T + bias[out]; bias may be NULL. */
    void (*linear)(const struct nn *nn, float *y, size_t ldy, const float *x, size_t ldx, const float *w,
                   const float *bias, size_t rows, size_t out, size_t in);
    /* dx[rows, in] = dy[rows, out] w[out, in], or += where accumulate. */
    void (*linear_grad_input)(const struct nn *nn, float *dx, size_t lddx, const float *dy, size_t lddy, const float *w,
                              size_t rows, size_t out, size_t in, bool accumulate);
    /* dw[out, in] = dy[rows, out]^T x[rows, in], or += where accumulate; dbias[out] += column sums of dy (dbias may be
     * NULL). */
    void (*linear_grad_weight)(const struct nn *nn, float *dw, float *dbias, const float *dy, size_t lddy,
                               const float *x, size_t ldx, size_t rows, size_t out, size_t in, bool accumulate);

    /* z[rows, n] holds a linear map without its bias. h = f(z + bias); derivative (may be z itself, or NULL) = f'(z +
     * bias). */
    void (*bias_activation)(const struct nn *nn, enum activation f, float *h, float *derivative, const float *z,
                            const float *bias, size_t rows, size_t n);
    /* x[n] *= y[n], x[n] += y[n], elementwise. */
    void (*multiply)(const struct nn *nn, float *x, const float *y, size_t n);
    void (*add)(const struct nn *nn, float *x, const float *y, size_t n);
    /* y = tanh(x), y may be x; dx = dy (1 - y^2), dx may be dy. [n] */
    void (*tanh)(const struct nn *nn, float *y, const float *x, size_t n);
    void (*tanh_backward)(const struct nn *nn, float *dx, const float *dy, const float *y, size_t n);

    /* out[i] = x[which[i]] for rows of n floats; and the way back, x[which[i]] += out[i], where no row comes twice. */
    void (*gather_rows)(const struct nn *nn, float *out, const float *x, const int64_t *which, size_t rows, size_t n);
    void (*scatter_add_rows)(const struct nn *nn, float *x, const float *out, const int64_t *which, size_t rows,
                             size_t n);

    /* sum = residual + dropout(z + bias); y = LayerNorm(sum) weight + beta (Ba, Kiros, Hinton 2016). sum may be z.
     * residual, bias and the dropout may be NULL. mean and rstd [rows] are kept for the way back (NULL: not needed).
     * All [rows, n]. */
    void (*add_norm)(const struct nn *nn, float *y, float *sum, float *mean, float *rstd, const float *z,
                     const float *bias, const float *residual, const float *weight, const float *beta, float epsilon,
                     const struct nn_dropout *dropout, uint32_t site, size_t rows, size_t n);
    /* dsum = gradient of sum; dweight += , dbeta += (both NULL: not wanted). dsum may be dy. */
    void (*norm_backward)(const struct nn *nn, float *dsum, float *dweight, float *dbeta, const float *dy,
                          const float *sum, const float *mean, const float *rstd, const float *weight, size_t rows,
                          size_t n);
    /* y = dropout(x) with the mask of that site; y may be x. No dropout: copies. */
    void (*dropout)(const struct nn *nn, float *y, const float *x, const struct nn_dropout *dropout, uint32_t site,
                    size_t rows, size_t n);

    /* context[queries, hidden] = softmax(q k^T scale) v for each sentence and head; q, k, v have their own leading
     * dimensions. probabilities (before dropout) are kept for the way back; NULL: not needed. Vaswani et al. 2017. */
    void (*attention)(const struct nn *nn, float *context, size_t ldc, float *probabilities, const float *q, size_t ldq,
                      const float *k, const float *v, size_t ldkv, const struct nn_attention *a);
    /* dq =, dk =, dv = from dcontext; the layouts are those of the forward call. */
    void (*attention_backward)(const struct nn *nn, float *dq, size_t lddq, float *dk, float *dv, size_t lddkv,
                               const float *dcontext, size_t ldc, const float *probabilities, const float *q,
                               size_t ldq, const float *k, const float *v, size_t ldkv, const struct nn_attention *a);

    /* x[rows, n] holds logits. loss[row] = - log softmax(x[row])_label, right[row] = whether the label is a largest
     * one; then x = scale (softmax(x) - one-hot of the label), the gradient. For wide rows: vocabularies. */
    void (*cross_entropy)(const struct nn *nn, float *x, double *loss, uint8_t *right, const int32_t *labels,
                          double scale, size_t rows, size_t n);

    /* sum[t] = words[ids[t]] + positions[token[t]] + types[type[t]]; types_of_tokens NULL: all 0. [tokens, n] */
    void (*embed)(const struct nn *nn, float *sum, const float *words, const float *positions, const float *types,
                  const int32_t *ids, const uint32_t *token, const uint8_t *types_of_tokens, size_t tokens, size_t n);
    /* The same rows of the tables' gradients += dsum[t]. A word row equal to padding_id gets none, as in PyTorch. */
    void (*embed_backward)(const struct nn *nn, float *dwords, float *dpositions, float *dtypes, const float *dsum,
                           const int32_t *ids, const uint32_t *token, const uint8_t *types_of_tokens, size_t tokens,
                           size_t n, long padding_id);

    /* Sum of squares of x[n], in double; the order of the sum is fixed. Every thread gets it. */
    double (*sum_of_squares)(const struct nn *nn, const float *x, size_t n);
    /* One decoupled-weight-decay Adam step (Loshchilov & Hutter 2019; as torch.optim.AdamW) over p, m, v, g [n]. Does
     * not wait for the other threads: the end of `parallel` does. */
    void (*adamw)(const struct nn *nn, float *p, float *m, float *v, const float *g, size_t n,
                  const struct nn_adamw *a);
    /* The same for some rows of a table [.., n], which then have a gradient of 0 (it is cleared). */
    void (*adamw_rows)(const struct nn *nn, float *p, float *m, float *v, float *g, const int32_t *rows, size_t count,
                       size_t n, const struct nn_adamw *a);
    /* Brings rows up to date that were left out of steps because they had no gradient: row r was last updated by step
     * updated[r] (0: never), and past[i] tells of step first + i, up to step `now`, which updated[r] becomes. The
     * result is the same bits as if every step had updated them. rows NULL: rows 0 .. count - 1. */
    void (*adamw_catch_up)(const struct nn *nn, float *p, float *m, float *v, const int32_t *rows, size_t count,
                           size_t n, uint64_t *updated, const struct nn_adamw_past *past, uint64_t first, uint64_t now,
                           const struct nn_adamw *a);
    /* out[i] = sum of squares of row rows[i] of x [.., n]. */
    void (*row_squares)(const struct nn *nn, double *out, const float *x, const int32_t *rows, size_t count, size_t n);
    /* x[n] = 0; the same of parts of x. */
    void (*zero)(const struct nn *nn, float *x, size_t n);
    void (*zero_parts)(const struct nn *nn, float *x, const struct nn_part *parts, size_t count);
};

/* The CPU backend: OpenMP over single-threaded parts. Call it once, before any other use of OpenMP or OpenBLAS: it
 * takes OpenBLAS's own threads away (see cpu/gemm_openblas.c). STATUS_USAGE where options ask for what is not there. */
int nn_cpu(struct nn *nn, const struct nn_options *options, struct error *err);
void nn_free(struct nn *nn);
/* What the CPU backend has here, for -V -v: libraries with versions, kernels. It changes what OpenMP gives as nn_cpu
 * does, so the process must not go on to compute. */
void nn_cpu_features(char *out, size_t size);
/* The options that tools have: "auto|builtin|openblas|onednn", "f32|bf16", "f32|bf16|int8", and what a choice means. */
#define NN_GEMM_CHOICES "auto|builtin|openblas|onednn"
#define NN_PRECISION_CHOICES "f32|bf16"
#define NN_WEIGHTS_CHOICES "f32|bf16|int8"
static inline enum nn_precision nn_precision_of(const char *name)
{
    return strcmp(name, "bf16") == 0 ? NN_BF16 : NN_F32;
}
static inline enum nn_weights nn_weights_of(const char *name)
{
    return strcmp(name, "int8") == 0 ? NN_WEIGHTS_INT8 : strcmp(name, "bf16") == 0 ? NN_WEIGHTS_BF16 : NN_WEIGHTS_F32;
}

#endif
