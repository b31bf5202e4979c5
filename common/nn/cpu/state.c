/* state.c - see state.h. */
#include "nn/cpu/state.h"

#include <stdlib.h>

#include <omp.h>

#include "base/memory.h"

float *cpu_scratch(struct cpu *cpu, size_t n)
{
    struct cpu_scratch *own = &cpu->scratch[omp_get_thread_num()];
    if (own->size < n) {
        free(own->floats);
        own->floats = xaligned(n * sizeof *own->floats);
        own->size = n;
    }
    return own->floats;
}

float *cpu_shared(struct cpu *cpu, size_t n)
{
#pragma omp single
    if (cpu->shared_size < n) {
        free(cpu->shared);
        cpu->shared_size = n + n / 4;
        cpu->shared = xaligned(cpu->shared_size * sizeof *cpu->shared);
    }
    return cpu->shared;
}
