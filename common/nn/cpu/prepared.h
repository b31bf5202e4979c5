/* prepared.h - weights that are kept in the form in which products read them fastest, found by their address and
 * shape. */
#ifndef NN_CPU_PREPARED_H
#define NN_CPU_PREPARED_H

#include "nn/cpu/gemm.h"
#include "nn/cpu/int8.h"

struct prepared {
    const float *weight; /* the address that stands for it */
    size_t out, in;
    enum nn_weights form;
    float *packed; /* f32 and bf16, where the library has a packed form */
    struct int8_weight int8;
};

/* NULL where it has not been prepared. */
const struct prepared *prepared_find(const struct cpu *cpu, const float *weight, size_t out, size_t in);
/* Collective. */
void prepared_add(struct cpu *cpu, const float *weight, size_t out, size_t in, enum nn_weights form);
/* The forward product g with it; collective. */
void prepared_run(struct cpu *cpu, const struct prepared *prepared, struct gemm *g);
void prepared_free(struct cpu *cpu);

#endif
