/* gemm_body.h - the text of our own matrix product, included by kernels_avx2.c and kernels_avx512.c, which are compiled
 * for different processors. Sums are float32; for bfloat16 the operands are rounded while they are packed.
 *
 * The second operand is packed into panels of GEMM_COLUMNS columns, k after k, with zeros behind the last column; the
 * first one is read where it lies, or, where its rows are the columns of a stored matrix, from panels of GEMM_ROWS.
 * A micro kernel keeps GEMM_ROWS x GEMM_COLUMNS sums in registers over one block of k (Goto and van de Geijn 2008 gives
 * the scheme). Each element of the result is the same chain of fused multiply-adds whatever tile, batch or thread
 * computes it: blocks of k depend on k alone, and narrower edges use the same chain.
 */
#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nn/cpu/gemm_kernels.h"

#if defined(__AVX512F__)
typedef __m512 vector;
enum { LANES = 16, GEMM_ROWS = 12 };
#define vector_zero _mm512_setzero_ps
#define vector_load _mm512_loadu_ps
#define vector_store _mm512_storeu_ps
#define vector_broadcast _mm512_set1_ps
#define vector_multiply_add _mm512_fmadd_ps
#define vector_add _mm512_add_ps
#else
typedef __m256 vector;
enum { LANES = 8, GEMM_ROWS = 6 };
#define vector_zero _mm256_setzero_ps
#define vector_load _mm256_loadu_ps
#define vector_store _mm256_storeu_ps
#define vector_broadcast _mm256_set1_ps
#define vector_multiply_add _mm256_fmadd_ps
#define vector_add _mm256_add_ps
#endif
enum { GEMM_COLUMNS = 2 * LANES };

/* c[rows, GEMM_COLUMNS] = (or +=) a b + bias over one block of k; `rows` is a constant where it is inlined, and so is
 * one of the strides of a: a(i, k) lies at a[i * row_stride + k * k_stride]. Row k of b lies at b[k * ldb]. */
static inline __attribute__((always_inline)) void micro_kernel(size_t rows, size_t k, const float *a, size_t row_stride,
                                                               size_t k_stride, const float *b, size_t ldb,
                                                               const float *bias, bool accumulate, float *c, size_t ldc)
{
    vector sum[GEMM_ROWS][2];
    for (size_t i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = vector_zero();
    for (size_t i = 0; i < rows; i++) { /* the results' lines come while the sums are formed */
        __builtin_prefetch(c + i * ldc, 1);
        __builtin_prefetch(c + i * ldc + GEMM_COLUMNS - 1, 1);
    }
    for (size_t p = 0; p < k; p++) {
        vector b0 = vector_load(b), b1 = vector_load(b + LANES);
        b += ldb;
#pragma GCC unroll 12
        for (size_t i = 0; i < rows; i++) {
            vector x = vector_broadcast(a[i * row_stride]);
            sum[i][0] = vector_multiply_add(x, b0, sum[i][0]);
            sum[i][1] = vector_multiply_add(x, b1, sum[i][1]);
        }
        a += k_stride;
    }
    vector bias0 = bias ? vector_load(bias) : vector_zero(), bias1 = bias ? vector_load(bias + LANES) : vector_zero();
#pragma GCC unroll 12
    for (size_t i = 0; i < rows; i++) {
        float *out = c + i * ldc;
        vector first = accumulate ? vector_load(out) : bias0, second = accumulate ? vector_load(out + LANES) : bias1;
        vector_store(out, vector_add(first, sum[i][0]));
        vector_store(out + LANES, vector_add(second, sum[i][1]));
    }
}

/* stride: of the rows of a where it lies as it is, of k where it lies across. */
typedef void micro_kernel_function(size_t k, const float *a, size_t stride, const float *b, size_t ldb,
                                   const float *bias, bool accumulate, float *c, size_t ldc);

#define MICRO_KERNELS(n)                                                                                               \
    static void lying_##n(size_t k, const float *a, size_t stride, const float *b, size_t ldb, const float *bias,      \
                          bool accumulate, float *c, size_t ldc)                                                       \
    {                                                                                                                  \
        micro_kernel(n, k, a, stride, 1, b, ldb, bias, accumulate, c, ldc);                                            \
    }                                                                                                                  \
    static void across_##n(size_t k, const float *a, size_t stride, const float *b, size_t ldb, const float *bias,     \
                           bool accumulate, float *c, size_t ldc)                                                      \
    {                                                                                                                  \
        micro_kernel(n, k, a, 1, stride, b, ldb, bias, accumulate, c, ldc);                                            \
    }
MICRO_KERNELS(1)
MICRO_KERNELS(2)
MICRO_KERNELS(3)
MICRO_KERNELS(4)
MICRO_KERNELS(5)
MICRO_KERNELS(6)
#if defined(__AVX512F__)
MICRO_KERNELS(7)
MICRO_KERNELS(8)
MICRO_KERNELS(9)
MICRO_KERNELS(10)
MICRO_KERNELS(11)
MICRO_KERNELS(12)
static micro_kernel_function *const lying[GEMM_ROWS + 1] = {NULL,     lying_1,  lying_2, lying_3, lying_4,
                                                            lying_5,  lying_6,  lying_7, lying_8, lying_9,
                                                            lying_10, lying_11, lying_12};
static micro_kernel_function *const across[GEMM_ROWS + 1] = {NULL,      across_1,  across_2, across_3, across_4,
                                                             across_5,  across_6,  across_7, across_8, across_9,
                                                             across_10, across_11, across_12};
#else
static micro_kernel_function *const lying[GEMM_ROWS + 1] = {NULL, lying_1, lying_2, lying_3, lying_4, lying_5, lying_6};
static micro_kernel_function *const across[GEMM_ROWS + 1] = {NULL,     across_1, across_2, across_3,
                                                             across_4, across_5, across_6};
#endif

/* One tile: rows x columns of c; b: its first panel, panels are `b_stride` floats apart. */
static void tile_kernel(const struct gemm_tile *t)
{
    bool packed = t->a_panel_stride != 0;
    for (size_t j = 0; j < t->columns; j += GEMM_COLUMNS) {
        const float *b = t->b + j / GEMM_COLUMNS * t->b_stride;
        size_t width = t->columns - j < GEMM_COLUMNS ? t->columns - j : GEMM_COLUMNS;
        for (size_t i = 0; i < t->rows; i += GEMM_ROWS) {
            size_t rows = t->rows - i < GEMM_ROWS ? t->rows - i : GEMM_ROWS;
            const float *a = packed ? t->a + i / GEMM_ROWS * t->a_panel_stride : t->a + i * t->lda;
            micro_kernel_function *kernel = packed ? across[rows] : lying[rows];
            size_t stride = packed ? GEMM_ROWS : t->lda;
            float *c = t->c + i * t->ldc + j;
            if (width == GEMM_COLUMNS) {
                kernel(t->k, a, stride, b, GEMM_COLUMNS, t->bias ? t->bias + j : NULL, t->accumulate, c, t->ldc);
                continue;
            }
            float edge[GEMM_ROWS * GEMM_COLUMNS], bias[GEMM_COLUMNS] = {0};
            if (t->bias)
                memcpy(bias, t->bias + j, width * sizeof *bias);
            for (size_t r = 0; t->accumulate && r < rows; r++)
                memcpy(edge + r * GEMM_COLUMNS, c + r * t->ldc, width * sizeof *edge);
            kernel(t->k, a, stride, b, GEMM_COLUMNS, t->bias ? bias : NULL, t->accumulate, edge, GEMM_COLUMNS);
            for (size_t r = 0; r < rows; r++)
                memcpy(c + r * t->ldc, edge + r * GEMM_COLUMNS, width * sizeof *edge);
        }
    }
}

/* Eight rows of x, which may be the same, become eight columns: t[p] holds element p of each row. */
static inline __attribute__((always_inline)) void transpose_8x8(__m256 t[8], const float *const x[8])
{
    __m256 r0 = _mm256_loadu_ps(x[0]), r1 = _mm256_loadu_ps(x[1]), r2 = _mm256_loadu_ps(x[2]),
           r3 = _mm256_loadu_ps(x[3]), r4 = _mm256_loadu_ps(x[4]), r5 = _mm256_loadu_ps(x[5]),
           r6 = _mm256_loadu_ps(x[6]), r7 = _mm256_loadu_ps(x[7]);
    __m256 a0 = _mm256_unpacklo_ps(r0, r1), a1 = _mm256_unpackhi_ps(r0, r1), a2 = _mm256_unpacklo_ps(r2, r3),
           a3 = _mm256_unpackhi_ps(r2, r3), a4 = _mm256_unpacklo_ps(r4, r5), a5 = _mm256_unpackhi_ps(r4, r5),
           a6 = _mm256_unpacklo_ps(r6, r7), a7 = _mm256_unpackhi_ps(r6, r7);
    __m256 b0 = _mm256_shuffle_ps(a0, a2, 0x44), b1 = _mm256_shuffle_ps(a0, a2, 0xEE),
           b2 = _mm256_shuffle_ps(a1, a3, 0x44), b3 = _mm256_shuffle_ps(a1, a3, 0xEE),
           b4 = _mm256_shuffle_ps(a4, a6, 0x44), b5 = _mm256_shuffle_ps(a4, a6, 0xEE),
           b6 = _mm256_shuffle_ps(a5, a7, 0x44), b7 = _mm256_shuffle_ps(a5, a7, 0xEE);
    t[0] = _mm256_permute2f128_ps(b0, b4, 0x20);
    t[1] = _mm256_permute2f128_ps(b1, b5, 0x20);
    t[2] = _mm256_permute2f128_ps(b2, b6, 0x20);
    t[3] = _mm256_permute2f128_ps(b3, b7, 0x20);
    t[4] = _mm256_permute2f128_ps(b0, b4, 0x31);
    t[5] = _mm256_permute2f128_ps(b1, b5, 0x31);
    t[6] = _mm256_permute2f128_ps(b2, b6, 0x31);
    t[7] = _mm256_permute2f128_ps(b3, b7, 0x31);
}

/* Packs x[lines, k], which lies line after line, into panels of GEMM_COLUMNS lines; the last line stands in for those
 * that a last panel lacks. */
static void pack_b_lines(float *out, const float *x, size_t ldx, size_t lines, size_t k)
{
    for (size_t begin = 0; begin < lines; begin += GEMM_COLUMNS, out += GEMM_COLUMNS * k) {
        size_t count = lines - begin < GEMM_COLUMNS ? lines - begin : GEMM_COLUMNS, p = 0;
        const float *from = x + begin * ldx;
        for (; p + 8 <= k; p += 8)
            for (size_t j = 0; j < GEMM_COLUMNS; j += 8) {
                const float *rows[8];
                __m256 t[8];
                for (size_t i = 0; i < 8; i++)
                    rows[i] = from + (j + i < count ? j + i : count - 1) * ldx + p;
                transpose_8x8(t, rows);
                for (size_t i = 0; i < 8; i++)
                    _mm256_storeu_ps(out + (p + i) * GEMM_COLUMNS + j, t[i]);
            }
        for (; p < k; p++)
            for (size_t j = 0; j < GEMM_COLUMNS; j++)
                out[p * GEMM_COLUMNS + j] = from[(j < count ? j : count - 1) * ldx + p];
    }
}

/* The same from x[k, lines], into panels of `width`, with zeros for what is lacking: each row of x is read once, a
 * cache line after the other, and asked for a dozen rows ahead, since the hardware does not foresee the stride. */
static inline __attribute__((always_inline)) void pack_columns(float *out, size_t width, const float *x, size_t ldx,
                                                               size_t lines, size_t k)
{
    size_t whole = lines / width * width;
    for (size_t p = 0; p < k; p++) {
        const float *from = x + p * ldx;
        float *to = out + p * width;
        for (size_t j = 0; j < lines; j += 16)
            __builtin_prefetch(from + 12 * ldx + j);
        for (size_t j = 0; j < whole; j += width, to += width * k)
            memcpy(to, from + j, width * sizeof *to);
        for (size_t j = whole; j < lines; j++)
            to[j - whole] = from[j];
        for (size_t j = lines; whole < lines && j < whole + width; j++)
            to[j - whole] = 0.0f;
    }
}

static void pack_b_columns(float *out, const float *b, size_t ldb, size_t columns, size_t k)
{
    pack_columns(out, GEMM_COLUMNS, b, ldb, columns, k);
}

static void pack_a_columns(float *out, const float *a, size_t lda, size_t rows, size_t k)
{
    pack_columns(out, GEMM_ROWS, a, lda, rows, k);
}

const struct gemm_kernels GEMM_KERNELS = {
    .name = KERNELS_NAME,
    .rows = GEMM_ROWS,
    .columns = GEMM_COLUMNS,
    .tile = tile_kernel,
    .pack_b_lines = pack_b_lines,
    .pack_b_columns = pack_b_columns,
    .pack_a_columns = pack_a_columns,
};
