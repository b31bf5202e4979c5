/* state.h - what the CPU backend owns: the library of matrix products, the kernels, scratch memory of each thread, and
 * weights in prepared form. Private to this folder. */
#ifndef NN_CPU_STATE_H
#define NN_CPU_STATE_H

#include <stddef.h>

#include "nn/cpu/gemm.h"
#include "nn/cpu/kernels.h"

enum {
    CPU_PARTIAL_SUMS = 4096, /* parts of a sum over a flat array */
};

/* One thread's own, a cache line apart. */
struct cpu_scratch {
    float *floats;
    size_t size;
    char apart[48];
};

struct cpu {
    struct gemm_library library;
    const struct cpu_kernels *kernels;
    const struct int8_kernels *int8;
    int threads;
    struct cpu_scratch *scratch; /* [threads] */
    float *shared;               /* for collectives: packed or rounded operands */
    size_t shared_size;
    double *partial;           /* [CPU_PARTIAL_SUMS] */
    struct prepared *prepared; /* weights in prepared form */
    size_t n_prepared;
};

/* At least n floats of the calling thread's own, aligned; kept from call to call, so that a step allocates nothing once
 * the largest has been seen. */
float *cpu_scratch(struct cpu *cpu, size_t n);
/* At least n floats of all threads; collective. What was in them is lost. */
float *cpu_shared(struct cpu *cpu, size_t n);

#endif
