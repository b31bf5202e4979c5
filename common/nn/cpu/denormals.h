/* denormals.h - tiny gradients and moments become denormal numbers, which are a hundred times slower: take them as 0.
 */
#ifndef NN_CPU_DENORMALS_H
#define NN_CPU_DENORMALS_H

#if defined(__x86_64__)
#include <immintrin.h>

/* Flush-to-zero and denormals-are-zero for the calling thread. */
static inline void flush_denormals(void)
{
    _mm_setcsr(_mm_getcsr() | 0x8040u);
}
#else
static inline void flush_denormals(void)
{
}
#endif

#endif
