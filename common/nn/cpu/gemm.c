/* gemm.c - see gemm.h. */
#include "nn/cpu/gemm.h"

#include <stdio.h>
#include <string.h>

#include <cblas.h>

static void openblas_sgemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, const float *a, size_t lda,
                           const float *b, size_t ldb, bool accumulate, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
                (blasint)m, (blasint)n, (blasint)k, 1.0f, a, (blasint)lda, b, (blasint)ldb, accumulate ? 1.0f : 0.0f, c,
                (blasint)ldc);
}

const struct gemm_library *gemm_openblas(void)
{
    static char name[96];
    static struct gemm_library library = {.name = name, .sgemm = openblas_sgemm};
    if (!name[0]) {
        const char *config = openblas_get_config(); /* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..." */
        int words = (int)strcspn(config + strcspn(config, " ") + 1, " ") + (int)strcspn(config, " ") + 1;
        snprintf(name, sizeof name, "%.*s (%s)", words, config, openblas_get_corename());
        openblas_set_num_threads(1);
    }
    return &library;
}

/* The size of equal parts of `total`, each a multiple of 16 and about `wanted`. */
static size_t part(size_t total, size_t wanted)
{
    size_t parts = (total + wanted - 1) / wanted;
    return ((total + parts - 1) / parts + 15) / 16 * 16;
}

/* Tiles of about 224 x 192 reached 95 % of the best grid for every shape of a 384-wide encoder at 432 tokens (Zen 3,
 * OpenBLAS 0.3.21); with few rows narrower ones, so that there is work for several threads. */
void gemm(const struct gemm_library *library, int threads, bool transpose_a, bool transpose_b, size_t m, size_t n,
          size_t k, const float *a, size_t lda, const float *b, size_t ldb, bool accumulate, float *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    size_t tile_m = part(m, 224), tile_n = part(n, m <= 64 ? 96 : 192);
    size_t across = (n + tile_n - 1) / tile_n, tiles = (m + tile_m - 1) / tile_m * across;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (size_t tile = 0; tile < tiles; tile++) {
        size_t i = tile / across * tile_m, j = tile % across * tile_n;
        library->sgemm(transpose_a, transpose_b, m - i < tile_m ? m - i : tile_m, n - j < tile_n ? n - j : tile_n, k,
                       a + (transpose_a ? i : i * lda), lda, b + (transpose_b ? j * ldb : j), ldb, accumulate,
                       c + i * ldc + j, ldc);
    }
}
