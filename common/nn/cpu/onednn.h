/* onednn.h - matrix products of dense tiles by oneDNN: its library is loaded when it is asked for, primitives are made
 * once a shape and used by every thread. What tiles a product is cut into is gemm_onednn.c's business.
 *
 * The library (API of version 2) is loaded by name at run time, because being linked to it makes every start 7 ms
 * longer (Zen 3; it brings OpenCL with it), and so that a program built with it runs without it.
 *
 * Everything here computes on the calling thread alone. A primitive is made and executed while OpenMP's number of
 * threads is 1 for that thread: oneDNN would otherwise plan for as many as there are (and sum in another order), and
 * start them where our team has only one.
 */
#ifndef NN_CPU_ONEDNN_H
#define NN_CPU_ONEDNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the second operand lies: as b[n, k], as b[k, n], or as onednn_pack left it. */
enum onednn_layout { ONEDNN_LINES, ONEDNN_COLUMNS, ONEDNN_PACKED };

/* c[m, n] = a b + bias, or += where accumulate; everything dense. */
struct onednn_shape {
    uint32_t m, n, k;
    uint8_t a_across; /* a lies as a[k, m] */
    uint8_t b;        /* enum onednn_layout */
    uint8_t bias, accumulate;
    uint8_t bf16; /* both operands are bfloat16, two bytes each */
    uint8_t zero[3];
};

struct onednn;
/* NULL where the library is not there, is of another version or lacks what is needed. */
struct onednn *onednn_open(void);
void onednn_close(struct onednn *o);

void onednn_version(const struct onednn *o, int version[3]);
const char *onednn_processor(const struct onednn *o); /* the instructions that it uses: "avx2" */
bool onednn_bf16(const struct onednn *o);             /* it has products of bfloat16 that are fast here */

/* One product; `thread` is the caller's number. Writes through c; scratch memory is its own. */
void onednn_run(struct onednn *o, int thread, const struct onednn_shape *shape, const void *a, const void *b,
                const float *bias, float *c);
/* b[n, k] (float, or bfloat16 where bf16) into the layout that products of any m read fastest; as large as b. */
void onednn_pack(struct onednn *o, int thread, void *out, const void *b, uint32_t n, uint32_t k, bool bf16);

#endif
