/* int8_avx512vnni.c - products of 8-bit integers for processors with AVX-512 VNNI; empty on other architectures. */
#if defined(__x86_64__)
#define INT8_KERNELS int8_kernels_avx512vnni
#define KERNELS_NAME "avx512vnni"
#include "nn/cpu/int8_body.h"
#else
typedef int no_kernels_here; /* a translation unit must not be empty */
#endif
