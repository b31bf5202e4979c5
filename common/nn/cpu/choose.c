/* choose.c - which sets of kernels this processor runs best. */
#include "nn/cpu/gemm_kernels.h"
#include "nn/cpu/int8_kernels.h"
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

const struct gemm_kernels *gemm_kernels_choose(void)
{
    const struct cpu_kernels *kernels = cpu_kernels_choose();
    return kernels == &kernels_avx512 ? &gemm_kernels_avx512 : kernels == &kernels_avx2 ? &gemm_kernels_avx2 : NULL;
}

const struct int8_kernels *int8_kernels_choose(void)
{
    const struct cpu_kernels *kernels = cpu_kernels_choose();
    if (kernels == &kernels_avx512)
        return __builtin_cpu_supports("avx512vnni") ? &int8_kernels_avx512vnni : &int8_kernels_avx512;
    return kernels == &kernels_avx2 ? &int8_kernels_avx2 : &int8_kernels_generic;
}

#else

const struct cpu_kernels *cpu_kernels_choose(void)
{
    return &kernels_generic;
}

const struct gemm_kernels *gemm_kernels_choose(void)
{
    return NULL;
}

const struct int8_kernels *int8_kernels_choose(void)
{
    return &int8_kernels_generic;
}

#endif
