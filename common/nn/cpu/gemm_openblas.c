/* gemm_openblas.c - matrix products by OpenBLAS: fixed tiles, each one single-threaded call.
 *
 * Debian has two builds of OpenBLAS. The pthread build starts threads of its own even inside a parallel region of ours,
 * which made it ten times slower, unless openblas_set_num_threads(1) was called; in the OpenMP build that same call
 * also sets OpenMP's number of threads to 1. So gemm_openblas() makes that call, nn_cpu reads the number of threads
 * before it, and the region that runs the operators says num_threads(n).
 */
#include "nn/cpu/gemm.h"

#include <stdio.h>
#include <string.h>

#include <cblas.h>

#include "nn/cpu/operand.h"
#include "nn/cpu/state.h"

/* Tiles of about 224 x 192 reached 95 % of the best grid for every shape of a 384-wide encoder at 432 tokens (Zen 3,
 * OpenBLAS 0.3.21); with few rows narrower ones, so that there is work for several threads. */
static void tiles(const struct gemm *g, const float *a, size_t lda, const float *b, size_t ldb)
{
    size_t tile_m = gemm_part(g->m, 224), tile_n = gemm_part(g->n, g->m <= 64 ? 96 : 192);
    size_t across = (g->n + tile_n - 1) / tile_n, count = (g->m + tile_m - 1) / tile_m * across;
    bool a_lies_across = g->kind == GEMM_WEIGHT_GRADIENT, b_lies_across = g->kind == GEMM_FORWARD;
#pragma omp for schedule(dynamic, 1)
    for (size_t tile = 0; tile < count; tile++) {
        size_t i = tile / across * tile_m, j = tile % across * tile_n;
        size_t rows = g->m - i < tile_m ? g->m - i : tile_m, columns = g->n - j < tile_n ? g->n - j : tile_n;
        float *c = g->c + i * g->ldc + j;
        for (size_t r = 0; g->bias && r < rows; r++)
            memcpy(c + r * g->ldc, g->bias + j, columns * sizeof *c);
        cblas_sgemm(CblasRowMajor, a_lies_across ? CblasTrans : CblasNoTrans, b_lies_across ? CblasTrans : CblasNoTrans,
                    (blasint)rows, (blasint)columns, (blasint)g->k, 1.0f, a + (a_lies_across ? i : i * lda),
                    (blasint)lda, b + (b_lies_across ? j * ldb : j), (blasint)ldb,
                    g->accumulate || g->bias ? 1.0f : 0.0f, c, (blasint)g->ldc);
    }
}

static void run(struct cpu *cpu, const struct gemm *g)
{
    if (g->m == 0 || g->n == 0)
        return;
    if (!g->bf16) {
        tiles(g, g->a, g->lda, g->b, g->ldb);
        return;
    }
    size_t a_rows = g->kind == GEMM_WEIGHT_GRADIENT ? g->k : g->m, a_columns = g->m + g->k - a_rows;
    size_t b_rows = g->kind == GEMM_FORWARD ? g->n : g->k, b_columns = g->n + g->k - b_rows;
    float *a = cpu_shared(cpu, a_rows * a_columns + b_rows * b_columns), *b = a + a_rows * a_columns;
    operand_copy(cpu, a, OPERAND_ROUNDED, g->a, g->lda, a_rows, a_columns, a_columns);
    operand_copy(cpu, b, OPERAND_ROUNDED, g->b, g->ldb, b_rows, b_columns, b_columns);
    tiles(g, a, a_columns, b, b_columns);
}

bool gemm_openblas(struct gemm_library *library)
{
    const char *config = openblas_get_config(); /* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..." */
    int words = (int)strcspn(config + strcspn(config, " ") + 1, " ") + (int)strcspn(config, " ") + 1;
    *library = (struct gemm_library){.row_multiple = 16, .run = run};
    snprintf(library->name, sizeof library->name, "%.*s (%s)", words, config, openblas_get_corename());
    openblas_set_num_threads(1);
    return true;
}
