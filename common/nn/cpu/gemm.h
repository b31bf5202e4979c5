/* gemm.h - matrix products of the CPU backend: fixed tiles, each one single-threaded call of a matrix library.
 *
 * A library is one struct; OpenBLAS is the one that is always there. The tiles depend on the shape alone, never on the
 * number of threads, so that each element of the result is computed by the same call whatever the number of threads.
 *
 * Debian has two builds of OpenBLAS. The pthread build starts threads of its own even inside a parallel region of ours,
 * which made it ten times slower, unless openblas_set_num_threads(1) was called; in the OpenMP build that same call
 * also sets OpenMP's number of threads to 1. So gemm_openblas() makes that call, the caller reads the number of threads
 * before it, and every region of ours says num_threads(n).
 */
#ifndef NN_CPU_GEMM_H
#define NN_CPU_GEMM_H

#include <stdbool.h>
#include <stddef.h>

struct gemm_library {
    const char *name; /* "OpenBLAS 0.3.21 (Zen)" */
    /* c[m, n] = op(a) op(b), or += where accumulate; op(a) is a[m, k], or a[k, m] transposed; op(b) is b[k, n], or
     * b[n, k] transposed. Row-major, one thread. */
    void (*sgemm)(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, const float *a, size_t lda,
                  const float *b, size_t ldb, bool accumulate, float *c, size_t ldc);
};

/* Readies OpenBLAS for calls from our own threads. */
const struct gemm_library *gemm_openblas(void);

/* The same product on `threads` threads, in fixed tiles. */
void gemm(const struct gemm_library *library, int threads, bool transpose_a, bool transpose_b, size_t m, size_t n,
          size_t k, const float *a, size_t lda, const float *b, size_t ldb, bool accumulate, float *c, size_t ldc);

#endif
