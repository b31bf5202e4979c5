/* kernels_avx512.c - the CPU kernels compiled for processors with AVX-512; empty on other architectures. */
#if defined(__x86_64__)
#define KERNELS kernels_avx512
#define KERNELS_NAME "avx512"
#include "nn/cpu/kernels_body.h"
#else
typedef int no_kernels_here; /* a translation unit must not be empty */
#endif
