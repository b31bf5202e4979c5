/* gemm_kernels.h - the loops of our own matrix product that one thread runs; their text is gemm_body.h, compiled for
 * each kind of processor. gemm_builtin.c calls them. */
#ifndef NN_CPU_GEMM_KERNELS_H
#define NN_CPU_GEMM_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

/* c[rows, columns] = a b + bias over one block of k, or += where accumulate (then bias is NULL). */
struct gemm_tile {
    size_t rows, columns, k;
    const float *a;
    size_t lda;            /* where a lies as it is: from row to row */
    size_t a_panel_stride; /* where a is packed: from panel to panel; 0: it lies as it is */
    const float *b;        /* packed */
    size_t b_stride;       /* from panel to panel */
    const float *bias;     /* [columns] or NULL */
    bool accumulate;
    float *c;
    size_t ldc;
};

struct gemm_kernels {
    const char *name;     /* "avx2" */
    size_t rows, columns; /* of a micro kernel */
    void (*tile)(const struct gemm_tile *t);
    /* Panels of the second operand from b[columns, k], and from b[k, columns]; what a last panel lacks is filled up
     * with finite numbers. */
    void (*pack_b_lines)(float *out, const float *b, size_t ldb, size_t columns, size_t k);
    void (*pack_b_columns)(float *out, const float *b, size_t ldb, size_t columns, size_t k);
    /* Panels of the first operand from a[k, rows]. */
    void (*pack_a_columns)(float *out, const float *a, size_t lda, size_t rows, size_t k);
};

extern const struct gemm_kernels gemm_kernels_avx2, gemm_kernels_avx512;
/* The best of them for this processor; NULL where there is none. */
const struct gemm_kernels *gemm_kernels_choose(void);

#endif
