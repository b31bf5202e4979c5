/* int8_body.h - the text of the products of 8-bit integers, included by kernels_*.c, which are compiled for different
 * processors; the including file defines INT8_KERNELS.
 *
 * A step multiplies four unsigned inputs by four signed weights for every column. The AVX2 instruction for it saturates
 * sums of two products at 16 bits; weights have 7 bits (at most 63 in size) so that 2 x 255 x 63 fits.
 */
#include <math.h>
#include <string.h>

#include "nn/cpu/int8_kernels.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512VNNI__)
typedef __m512i int8_sums;
enum { INT8_VECTORS = 1 };
#define int8_zero _mm512_setzero_si512
#define int8_broadcast _mm512_set1_epi32
#define int8_load(p) _mm512_loadu_si512((const void *)(p))
#define int8_store(p, x) _mm512_storeu_si512((void *)(p), x)
#define int8_step(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
#elif defined(__AVX512BW__)
typedef __m512i int8_sums;
enum { INT8_VECTORS = 1 };
#define int8_zero _mm512_setzero_si512
#define int8_broadcast _mm512_set1_epi32
#define int8_load(p) _mm512_loadu_si512((const void *)(p))
#define int8_store(p, x) _mm512_storeu_si512((void *)(p), x)
#define int8_step(sum, a, b) _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1)))
#elif defined(__AVX2__)
typedef __m256i int8_sums;
enum { INT8_VECTORS = 2 };
#define int8_zero _mm256_setzero_si256
#define int8_broadcast _mm256_set1_epi32
#define int8_load(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define int8_store(p, x) _mm256_storeu_si256((__m256i *)(void *)(p), x)
#define int8_step(sum, a, b) _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)))
#endif

#if defined(__AVX2__)

/* sums[rows][INT8_COLUMNS] of one panel; `rows` is a constant where it is inlined. */
static inline __attribute__((always_inline)) void int8_sums_of_rows(size_t rows, const struct int8_tile *t,
                                                                    const uint8_t *a, int32_t *sums)
{
    int8_sums sum[INT8_ROWS][INT8_VECTORS];
    const int8_t *b = t->b;
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < INT8_VECTORS; v++)
            sum[i][v] = int8_zero();
    for (size_t g = 0; g < t->groups; g++) {
        int8_sums weights[INT8_VECTORS];
        for (size_t v = 0; v < INT8_VECTORS; v++)
            weights[v] = int8_load(b + v * (INT8_COLUMNS * INT8_GROUP / INT8_VECTORS));
        b += INT8_COLUMNS * INT8_GROUP;
#pragma GCC unroll 6
        for (size_t i = 0; i < rows; i++) {
            int32_t four;
            memcpy(&four, a + i * t->lda + g * INT8_GROUP, sizeof four);
            int8_sums x = int8_broadcast(four);
            for (size_t v = 0; v < INT8_VECTORS; v++)
                sum[i][v] = int8_step(sum[i][v], x, weights[v]);
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < INT8_VECTORS; v++)
            int8_store(sums + i * INT8_COLUMNS + v * (INT8_COLUMNS / INT8_VECTORS), sum[i][v]);
}

#else

static inline void int8_sums_of_rows(size_t rows, const struct int8_tile *t, const uint8_t *a, int32_t *sums)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < INT8_COLUMNS; j++) {
            int32_t sum = 0;
            for (size_t g = 0; g < t->groups; g++)
                for (size_t q = 0; q < INT8_GROUP; q++)
                    sum += a[i * t->lda + g * INT8_GROUP + q] * t->b[(g * INT8_COLUMNS + j) * INT8_GROUP + q];
            sums[i * INT8_COLUMNS + j] = sum;
        }
}

#endif

static void int8_rows(size_t rows, const struct int8_tile *t, const uint8_t *a, int32_t *sums)
{
    switch (rows) {
    case 1:
        int8_sums_of_rows(1, t, a, sums);
        break;
    case 2:
        int8_sums_of_rows(2, t, a, sums);
        break;
    case 3:
        int8_sums_of_rows(3, t, a, sums);
        break;
    case 4:
        int8_sums_of_rows(4, t, a, sums);
        break;
    case 5:
        int8_sums_of_rows(5, t, a, sums);
        break;
    default:
        int8_sums_of_rows(INT8_ROWS, t, a, sums);
    }
}

static void int8_tile(const struct int8_tile *t)
{
    for (size_t i = 0; i < t->rows; i += INT8_ROWS) {
        int32_t sums[INT8_ROWS * INT8_COLUMNS];
        size_t rows = t->rows - i < INT8_ROWS ? t->rows - i : INT8_ROWS;
        int8_rows(rows, t, t->a + i * t->lda, sums);
        for (size_t r = 0; r < rows; r++) {
            float *c = t->c + (i + r) * t->ldc, scale = t->row_scale[i + r];
            int32_t zero_point = t->zero_point[i + r];
            const int32_t *sum = sums + r * INT8_COLUMNS;
            for (size_t j = 0; j < t->columns; j++)
                c[j] = (float)(sum[j] - zero_point * t->column_sum[j]) * (scale * t->column_scale[j]) +
                       (t->bias ? t->bias[j] : 0.0f);
        }
    }
}

static void int8_quantise_row(uint8_t *out, float *scale, int32_t *zero_point, const float *x, size_t n)
{
    float lowest = 0, highest = 0; /* 0 is exact: padding and dropped values are */
#pragma omp simd reduction(min : lowest) reduction(max : highest)
    for (size_t i = 0; i < n; i++) {
        lowest = x[i] < lowest ? x[i] : lowest;
        highest = x[i] > highest ? x[i] : highest;
    }
    float width = highest - lowest;
    *scale = width > 0 ? width / 255.0f : 1.0f;
    float inverse = 1.0f / *scale, zero = (float)(int32_t)(-lowest * inverse + 0.5f);
    *zero_point = (int32_t)zero;
    for (size_t i = 0; i < n; i++) { /* adding half and cutting rounds, since all is positive here */
        float q = x[i] * inverse + zero + 0.5f;
        q = q < 0.0f ? 0.0f : q;
        q = q > 255.0f ? 255.0f : q;
        out[i] = (uint8_t)(int32_t)q;
    }
    for (size_t i = n; i % INT8_GROUP != 0; i++)
        out[i] = 0;
}

const struct int8_kernels INT8_KERNELS = {
    .name = KERNELS_NAME,
    .tile = int8_tile,
    .quantise_row = int8_quantise_row,
};
