/* peaks.c - what this machine can do at most: multiply-adds that stay in registers, and memory streams.
 *
 *   peaks [--quick] [--threads N]   one JSON object: for one thread and for N (default: all processors) the rate of
 *                                   fp32 multiply-adds, of bf16 and int8 dot products where the processor has them
 *                                   (10^9 operations a second, a multiply-add is two), of a triad and of a loop with
 *                                   AdamW's seven streams (10^9 bytes a second, as counted by the program: no
 *                                   write-allocate traffic). Each is the best of several samples: a ceiling.
 *   peaks --probe [--threads N]     one number, the fp32 rate over a few milliseconds: whether the machine is quiet
 *
 * The instruction set is chosen at run time. Not a test: nothing here passes or fails.
 */
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 256 };

/* Runs `rounds` rounds and returns something that depends on all of them. Operations a round: kernel.operations. */
typedef float register_loop(uint64_t rounds);

struct kernel {
    const char *name;
    register_loop *run;
    double operations;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- loops that stay in registers ---- */

/* x <- x * 0.999 + 0.001 on 64 floats; the compiler uses whatever vectors the target has. */
static float fma_portable(uint64_t rounds)
{
    float x[64], sum = 0;
    for (int i = 0; i < 64; i++)
        x[i] = (float)i;
    for (uint64_t r = 0; r < rounds; r++)
        for (int i = 0; i < 64; i++)
            x[i] = x[i] * 0.999f + 0.001f;
    for (int i = 0; i < 64; i++)
        sum += x[i];
    return sum;
}

static const struct kernel portable = {"portable", fma_portable, 128};

#if defined(__x86_64__)
#include <immintrin.h>

/* Chains that do not wait for each other: enough to hide the latency of two units, few enough for the registers. */
#define CHAINS_12(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define CHAINS_24(X) CHAINS_12(X) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)

__attribute__((target("avx2,fma"))) static float fma_avx2(uint64_t rounds)
{
    const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
    __m256 sum = _mm256_setzero_ps();
#define START(i) __m256 x##i = _mm256_set1_ps((float)i);
#define STEP(i) x##i = _mm256_fmadd_ps(x##i, a, b);
#define ADD(i) sum = _mm256_add_ps(sum, x##i);
    CHAINS_12(START)
    for (uint64_t r = 0; r < rounds; r++) {
        CHAINS_12(STEP)
    }
    CHAINS_12(ADD)
#undef START
#undef STEP
#undef ADD
    return _mm256_cvtss_f32(sum);
}

__attribute__((target("avx512f"))) static float fma_avx512(uint64_t rounds)
{
    const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
    __m512 sum = _mm512_setzero_ps();
#define START(i) __m512 x##i = _mm512_set1_ps((float)i);
#define STEP(i) x##i = _mm512_fmadd_ps(x##i, a, b);
#define ADD(i) sum = _mm512_add_ps(sum, x##i);
    CHAINS_24(START)
    for (uint64_t r = 0; r < rounds; r++) {
        CHAINS_24(STEP)
    }
    CHAINS_24(ADD)
#undef START
#undef STEP
#undef ADD
    return _mm512_cvtss_f32(sum);
}

__attribute__((target("avx512f,avx512bf16"))) static float dot_bf16(uint64_t rounds)
{
    const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f));
    __m512 sum = _mm512_setzero_ps();
#define START(i) __m512 x##i = _mm512_set1_ps((float)i);
#define STEP(i) x##i = _mm512_dpbf16_ps(x##i, a, a);
#define ADD(i) sum = _mm512_add_ps(sum, x##i);
    CHAINS_24(START)
    for (uint64_t r = 0; r < rounds; r++) {
        CHAINS_24(STEP)
    }
    CHAINS_24(ADD)
#undef START
#undef STEP
#undef ADD
    return _mm512_cvtss_f32(sum);
}

__attribute__((target("avx512f,avx512vnni"))) static float dot_int8_avx512(uint64_t rounds)
{
    const __m512i a = _mm512_set1_epi8(3);
    __m512i sum = _mm512_setzero_si512();
#define START(i) __m512i x##i = _mm512_set1_epi32(i);
#define STEP(i) x##i = _mm512_dpbusd_epi32(x##i, a, a);
#define ADD(i) sum = _mm512_add_epi32(sum, x##i);
    CHAINS_24(START)
    for (uint64_t r = 0; r < rounds; r++) {
        CHAINS_24(STEP)
    }
    CHAINS_24(ADD)
#undef START
#undef STEP
#undef ADD
    return (float)_mm_cvtsi128_si32(_mm512_castsi512_si128(sum));
}

/* Without VNNI: three instructions for what vpdpbusd does in one. The empty asm keeps the product from leaving the
 * loop. */
__attribute__((target("avx2"))) static float dot_int8_avx2(uint64_t rounds)
{
    __m256i a = _mm256_set1_epi8(3);
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
#define START(i) __m256i x##i = _mm256_set1_epi32(i);
#define STEP(i)                                                                                                        \
    __asm__ volatile("" : "+x"(a));                                                                                    \
    x##i = _mm256_add_epi32(x##i, _mm256_madd_epi16(_mm256_maddubs_epi16(a, a), ones));
#define ADD(i) sum = _mm256_add_epi32(sum, x##i);
    CHAINS_12(START)
    for (uint64_t r = 0; r < rounds; r++) {
        CHAINS_12(STEP)
    }
    CHAINS_12(ADD)
#undef START
#undef STEP
#undef ADD
    return (float)_mm_cvtsi128_si32(_mm256_castsi256_si128(sum));
}

static const struct kernel avx2 = {"avx2", fma_avx2, 12 * 8 * 2};
static const struct kernel avx512 = {"avx512", fma_avx512, 24 * 16 * 2};
static const struct kernel bf16 = {"avx512_bf16", dot_bf16, 24 * 32 * 2};
static const struct kernel int8_vnni = {"avx512_vnni", dot_int8_avx512, 24 * 64 * 2};
static const struct kernel int8_avx2 = {"avx2", dot_int8_avx2, 12 * 32 * 2};

static const struct kernel *fma_kernel(void)
{
    if (__builtin_cpu_supports("avx512f"))
        return &avx512;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2 : &portable;
}

static const struct kernel *bf16_kernel(void)
{
    return __builtin_cpu_supports("avx512bf16") ? &bf16 : NULL;
}

static const struct kernel *int8_kernel(void)
{
    if (__builtin_cpu_supports("avx512vnni"))
        return &int8_vnni;
    return __builtin_cpu_supports("avx2") ? &int8_avx2 : NULL;
}
#else
static const struct kernel *fma_kernel(void)
{
    return &portable;
}

static const struct kernel *bf16_kernel(void)
{
    return NULL;
}

static const struct kernel *int8_kernel(void)
{
    return NULL;
}
#endif

/* ---- loops over memory ---- */

static inline __attribute__((always_inline)) void triad_body(float *restrict a, const float *restrict b,
                                                             const float *restrict c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] = b[i] + 0.5f * c[i];
}

static inline __attribute__((always_inline)) void adamw_body(float *restrict p, float *restrict m, float *restrict v,
                                                             const float *restrict g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        m[i] = 0.9f * m[i] + 0.1f * g[i];
        v[i] = 0.999f * v[i] + 0.001f * g[i] * g[i];
        p[i] -= 1e-5f * m[i] / (sqrtf(v[i]) + 1e-8f);
    }
}

/* arrays: four of n floats. */
typedef void memory_loop(float *const *arrays, size_t n);

static void triad_portable(float *const *x, size_t n)
{
    triad_body(x[0], x[1], x[2], n);
}

static void adamw_portable(float *const *x, size_t n)
{
    adamw_body(x[0], x[1], x[2], x[3], n);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void triad_avx2(float *const *x, size_t n)
{
    triad_body(x[0], x[1], x[2], n);
}

__attribute__((target("avx2,fma"))) static void adamw_avx2(float *const *x, size_t n)
{
    adamw_body(x[0], x[1], x[2], x[3], n);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
static const memory_loop *const triad_avx2 = triad_portable, *const adamw_avx2 = adamw_portable;

static bool has_avx2(void)
{
    return false;
}
#endif

/* ---- threads ---- */

/* One sample: every thread does the same work between two barriers; the slowest one counts. */
struct job {
    const struct kernel *kernel; /* with `rounds`; else memory with `arrays` of n floats, `passes` times */
    uint64_t rounds;
    memory_loop *memory;
    float *arrays[4];
    size_t n;
    int passes;
    pthread_barrier_t *barrier;
    double seconds;
    volatile float sink;
};

static void *work(void *argument)
{
    struct job *j = argument;
    for (int i = 0; j->memory && i < 4; i++)
        for (size_t k = 0; k < j->n; k++)
            j->arrays[i][k] = 1.0f + (float)(k & 15); /* the pages' first touch is not measured */
    pthread_barrier_wait(j->barrier);
    double start = now();
    if (j->kernel)
        j->sink = j->kernel->run(j->rounds);
    for (int i = 0; j->memory && i < j->passes; i++)
        j->memory(j->arrays, j->n);
    j->seconds = now() - start;
    return NULL;
}

/* Runs a copy of *proto on each of `threads` threads; returns the slowest one's seconds. */
static double run_sample(const struct job *proto, int threads)
{
    pthread_t thread[MAX_THREADS];
    struct job *jobs = calloc((size_t)threads, sizeof *jobs);
    pthread_barrier_t barrier;
    double slowest = 0;
    if (!jobs || pthread_barrier_init(&barrier, NULL, (unsigned)threads) != 0)
        exit(1);
    for (int t = 0; t < threads; t++) {
        jobs[t] = *proto;
        jobs[t].barrier = &barrier;
        for (int i = 0; i < 4; i++)
            jobs[t].arrays[i] = proto->arrays[i] ? proto->arrays[i] + proto->n * (size_t)t : NULL;
        if (pthread_create(&thread[t], NULL, work, &jobs[t]) != 0) {
            fprintf(stderr, "peaks: cannot start a thread\n");
            exit(1);
        }
    }
    for (int t = 0; t < threads; t++) {
        pthread_join(thread[t], NULL);
        if (jobs[t].seconds > slowest)
            slowest = jobs[t].seconds;
    }
    pthread_barrier_destroy(&barrier);
    free(jobs);
    return slowest;
}

/* Best of `samples`, in 10^9 operations a second over all threads. */
static double register_rate(const struct kernel *kernel, int threads, double seconds, int samples)
{
    struct job job = {.kernel = kernel, .rounds = 100000};
    double best = 0;
    job.rounds = (uint64_t)((double)job.rounds * seconds / run_sample(&job, 1)) + 1;
    for (int s = 0; s < samples; s++) {
        double rate = kernel->operations * (double)job.rounds * threads / run_sample(&job, threads) / 1e9;
        if (rate > best)
            best = rate;
    }
    return best;
}

/* Best of `samples`, in 10^9 bytes a second; `streams` floats pass for each element. */
static double memory_rate(memory_loop *loop, float *const *arrays, size_t n, int streams, int threads, int samples)
{
    struct job job = {.memory = loop, .n = n / (size_t)threads, .passes = 2};
    double best = 0;
    memcpy(job.arrays, arrays, sizeof job.arrays);
    for (int s = 0; s < samples; s++) {
        double bytes = (double)streams * sizeof(float) * (double)job.n * threads * job.passes;
        double rate = bytes / run_sample(&job, threads) / 1e9;
        if (rate > best)
            best = rate;
    }
    return best;
}

static void print_registers(const char *name, const struct kernel *kernel, int threads, bool quick)
{
    if (!kernel) {
        printf("\"%s\":null,", name);
        return;
    }
    double seconds = quick ? 0.001 : 0.05;
    int samples = quick ? 1 : 9;
    printf("\"%s\":{\"kernel\":\"%s\",\"one\":%.2f,\"all\":%.2f},", name, kernel->name,
           register_rate(kernel, 1, seconds, samples), register_rate(kernel, threads, seconds, samples));
}

static int print_memory(int threads, bool quick)
{
    size_t n = (size_t)(quick ? 1 : 32) << 20; /* floats an array: 128 MiB, more than the caches hold */
    int samples = quick ? 1 : 5;
    float *arrays[4] = {NULL};
    memory_loop *triad = has_avx2() ? triad_avx2 : triad_portable, *adamw = has_avx2() ? adamw_avx2 : adamw_portable;
    for (int i = 0; i < 4; i++) {
        arrays[i] = aligned_alloc(64, n * sizeof **arrays);
        if (!arrays[i]) {
            fprintf(stderr, "peaks: out of memory\n");
            return -1;
        }
    }
    printf("\"triad\":{\"one\":%.2f,\"all\":%.2f},", memory_rate(triad, arrays, n, 3, 1, samples),
           memory_rate(triad, arrays, n, 3, threads, samples));
    printf("\"adamw\":{\"one\":%.2f,\"all\":%.2f}", memory_rate(adamw, arrays, n, 7, 1, samples),
           memory_rate(adamw, arrays, n, 7, threads, samples));
    for (int i = 0; i < 4; i++)
        free(arrays[i]);
    return 0;
}

int main(int argc, char **argv)
{
    bool quick = false, probe = false;
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            quick = true;
        } else if (strcmp(argv[i], "--probe") == 0) {
            probe = true;
        } else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
            threads = strtol(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "peaks: what is %s? See the head of peaks.c\n", argv[i]);
            return 2;
        }
    }
    threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
    if (probe) {
        printf("%.2f\n", register_rate(fma_kernel(), (int)threads, 0.003, 3));
    } else {
        printf("{\"threads\":%ld,", threads);
        print_registers("fma", fma_kernel(), (int)threads, quick);
        print_registers("bf16", bf16_kernel(), (int)threads, quick);
        print_registers("int8", int8_kernel(), (int)threads, quick);
        if (print_memory((int)threads, quick) < 0)
            return 1;
        printf("}\n");
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
