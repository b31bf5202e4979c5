/* int8_kernels.h - the loops of products of 8-bit integers that one thread runs; their text is int8_body.h, compiled
 * for each kind of processor. int8.c calls them and says what the numbers mean. */
#ifndef NN_CPU_INT8_KERNELS_H
#define NN_CPU_INT8_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum {
    INT8_GROUP = 4,    /* consecutive k whose products are summed in one step */
    INT8_COLUMNS = 16, /* of a packed panel of weights: [k / 4][column][4] */
    INT8_ROWS = 6      /* of a micro kernel */
};

struct int8_tile {
    size_t rows, columns; /* columns <= INT8_COLUMNS */
    size_t groups;        /* k / INT8_GROUP, rounded up */
    const uint8_t *a;     /* [rows, lda] */
    size_t lda;
    const int8_t *b;           /* one panel */
    const float *row_scale;    /* [rows] */
    const int32_t *zero_point; /* [rows] */
    const float *column_scale; /* [columns] */
    const int32_t *column_sum; /* [columns] sum of the column's weights */
    const float *bias;         /* [columns] or NULL */
    float *c;
    size_t ldc;
};

struct int8_kernels {
    const char *name;
    /* c = row_scale column_scale (sum a b - zero_point column_sum) + bias; the sum is an exact integer. */
    void (*tile)(const struct int8_tile *t);
    /* out[n] = x / scale + zero_point rounded to 0..255, where scale and zero_point map the range of x and 0 onto that;
     * zeros behind n up to a whole group. */
    void (*quantise_row)(uint8_t *out, float *scale, int32_t *zero_point, const float *x, size_t n);
};

extern const struct int8_kernels int8_kernels_generic, int8_kernels_avx2, int8_kernels_avx512, int8_kernels_avx512vnni;
/* The best of them for this processor. All give the same results. */
const struct int8_kernels *int8_kernels_choose(void);

#endif
