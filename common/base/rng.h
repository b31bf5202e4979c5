/* rng.h - Philox4x32-10, a counter-based generator: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3" (SC 2011). A block of four 32-bit numbers is a function of a 64-bit key and a 128-bit counter alone, so
 * dropout masks can be computed again instead of stored, and no result depends on the number of threads.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* out[0..3] = Philox4x32-10(counter, key); key[0] is the low word. */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* Four numbers of a place in row `number` of a run; uses that share a key are told apart by `use`. */
void rng_of_row(uint64_t key, uint64_t number, uint32_t place, uint32_t use, uint32_t out[4]);

/* A sequence on top of it. `stream` keeps uses of one seed apart (shuffling, initialisation, bootstrap). */
struct rng {
    uint64_t seed, stream, block; /* counter = (block, stream) */
    uint32_t out[4];
    unsigned left; /* unused words of out */
    double spare;  /* second normal of a pair */
    int has_spare;
};

void rng_init(struct rng *r, uint64_t seed, uint64_t stream);
uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
/* Uniform in 0..bound-1 without bias (Lemire 2019); bound > 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);
/* Uniform in [0, 1), 53 bits. */
double rng_double(struct rng *r);
/* Standard normal, Box-Muller. */
double rng_normal(struct rng *r);
/* Fisher-Yates. */
void rng_shuffle(struct rng *r, uint64_t *items, size_t n);

#endif
