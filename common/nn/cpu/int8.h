/* int8.h - weights kept as 8-bit integers, for inference.
 *
 * A weight is q x scale with a scale for each output (largest weight / 63, q from -63 to 63: seven bits, see
 * int8_body.h); an input is (q - zero_point) x scale with both for each row (q from 0 to 255). Then
 *     y = x_scale w_scale (sum q_x q_w - zero_point sum q_w) + bias
 * with exact integer sums, so every processor gives the same answer. Scheme: Jacob et al. 2018, "Quantization and
 * training of neural networks for efficient integer-arithmetic-only inference"; rows are quantised as they come
 * ("dynamic"), so no calibration is needed.
 */
#ifndef NN_CPU_INT8_H
#define NN_CPU_INT8_H

#include <stddef.h>
#include <stdint.h>

#include "nn/cpu/gemm.h"

struct int8_weight {
    size_t n, k;
    int8_t *panels; /* see int8_kernels.h */
    float *scale;   /* [n] */
    int32_t *sum;   /* [n] */
};

/* Memory for a weight w[n, k]; int8_quantise fills it, by all threads of the team. */
void int8_allocate(struct int8_weight *q, size_t n, size_t k);
void int8_free(struct int8_weight *q);
void int8_quantise(struct int8_weight *q, const float *w);
/* The forward product g with that weight; collective. */
void int8_run(struct cpu *cpu, const struct int8_weight *q, const struct gemm *g);

#endif
