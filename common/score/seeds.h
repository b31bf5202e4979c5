/* seeds.h - is one recipe better than another, over several seeds: what a difference owes to the rows that happen to be
 * in the test set and to the seeds that happen to have been run.
 */
#ifndef SCORE_SEEDS_H
#define SCORE_SEEDS_H

#include <stddef.h>
#include <stdint.h>

#include "score/intervals.h"

/* difference[seeds, n]: for each seed and row, what recipe B got less what recipe A got, paired (the same seed, the
 * same row). */
struct seed_differences {
    const float *difference;
    size_t seeds, n;
};

struct seed_result {
    double mean;
    struct interval interval;
    double p; /* two-sided: twice the smaller share of draws on one side of 0, at least 2 / (draws + 1) */
};

/* The paired two-level bootstrap of the Multi-Bootstrap (Sellam et al. 2022, arXiv:2106.16163): each draw takes seeds
 * with replacement and rows with replacement, independently, and the mean over both. One seed has no spread of seeds:
 * then the interval is of the rows alone. */
struct seed_result seeds_compare(const struct bootstrap *options, const struct seed_differences *d);

/* Holm 1979: p[n] becomes what is to be compared with the level when all n are looked at. */
void holm_adjust(double *p, size_t n);

#endif
