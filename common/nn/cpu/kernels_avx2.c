/* kernels_avx2.c - the CPU kernels compiled for processors with AVX2 and FMA; empty on other architectures. */
#if defined(__x86_64__)
#define KERNELS kernels_avx2
#define INT8_KERNELS int8_kernels_avx2
#define ATTENTION attention
#define ATTENTION_BACKWARD attention_backward
#define KERNELS_NAME "avx2"
#define GEMM_KERNELS gemm_kernels_avx2
#include "nn/cpu/kernels_body.h"
#include "nn/cpu/gemm_body.h"
#include "nn/cpu/attention_body.h"
#include "nn/cpu/int8_body.h"
#include "nn/cpu/kernels_table.h"
#else
typedef int no_kernels_here; /* a translation unit must not be empty */
#endif
