/* choose.c - which set of kernels this processor runs best. */
#include "nn/cpu/kernels.h"

#if defined(__x86_64__)

const struct cpu_kernels *cpu_kernels_choose(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return &kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &kernels_avx2;
    return &kernels_generic;
}

#else

const struct cpu_kernels *cpu_kernels_choose(void)
{
    return &kernels_generic;
}

#endif
