/* gemm.h - matrix products of the CPU backend, behind one interface: our own kernels, OpenBLAS or oneDNN.
 *
 * Every product of a BERT is one of three: forward y = x w^T + bias, the gradient of the input dx = dy w, the gradient
 * of the weight dw = dy^T x; all matrices lie row-major as they are stored. A product is collective: every thread of
 * the team calls gemm_run with the same arguments, and takes some of the parts (see nn.h). What is computed depends on
 * the shapes alone, never on the number of threads.
 *
 * Which library: gemm_choose. On processors with AVX2 our own is the fastest of the three (docs: t/bench/README.md),
 * and its results do not depend on a row's place in a batch; with AVX-512 oneDNN is, and it knows bf16 and int8 there;
 * OpenBLAS is everywhere.
 */
#ifndef NN_CPU_GEMM_H
#define NN_CPU_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "nn/nn.h"

enum gemm_kind {
    GEMM_FORWARD,        /* c[m, n] = a[m, k] b[n, k]^T */
    GEMM_INPUT_GRADIENT, /* c[m, n] = a[m, k] b[k, n] */
    GEMM_WEIGHT_GRADIENT /* c[m, n] = a[k, m]^T b[k, n] */
};

struct gemm {
    enum gemm_kind kind;
    size_t m, n, k;
    const float *a;
    size_t lda;
    const float *b;
    size_t ldb;
    const float *bias; /* [n], forward only; NULL: none */
    bool accumulate;   /* += instead of =; not with a bias */
    float *c;
    size_t ldc;
    bool bf16;           /* both operands rounded to bfloat16, sums in float32 */
    const float *packed; /* b as gemm_pack left it, forward only; NULL: b itself */
};

struct cpu;
struct gemm_library {
    char name[96];       /* "OpenBLAS 0.3.21 (Zen)": with version and core type, as records show it */
    size_t row_multiple; /* rows of a batch are best filled up to a multiple of this */
    void (*run)(struct cpu *cpu, const struct gemm *g);
    /* Where weights can be kept in the form that the kernels read: floats that the copy takes, and the collective that
     * writes it. NULL: the library has no such form. */
    size_t (*packed_size)(const struct cpu *cpu, size_t n, size_t k);
    void (*pack)(struct cpu *cpu, float *out, const float *b, size_t ldb, size_t n, size_t k, bool bf16);
    bool bf16; /* the library's own bf16 products are used, else rounded float32 ones */
    void (*close)(struct gemm_library *library); /* frees the state; NULL: nothing to free */
    void *state;                                 /* the library's own */
};

/* name: auto, builtin, openblas or onednn. One that is not built in or does not run here is STATUS_USAGE. */
int gemm_choose(struct gemm_library *library, const char *name, struct error *err);

/* The three; each sets *library, or returns false where it is not built in or the processor lacks what it needs. */
bool gemm_builtin(struct gemm_library *library);
bool gemm_openblas(struct gemm_library *library);
bool gemm_onednn(struct gemm_library *library);

/* The size of equal parts of `total`, each a multiple of 16 and about `wanted`. */
static inline size_t gemm_part(size_t total, size_t wanted)
{
    size_t parts = (total + wanted - 1) / wanted;
    return parts ? ((total + parts - 1) / parts + 15) / 16 * 16 : 16;
}

#endif
