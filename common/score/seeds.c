/* seeds.c - see seeds.h. */
#include "score/seeds.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"

enum { RNG_SEEDS = 21 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double mean_of(const struct seed_differences *d)
{
    double sum = 0;
    for (size_t i = 0; i < d->seeds * d->n; i++)
        sum += d->difference[i];
    return sum / (double)(d->seeds * d->n);
}

/* One draw: how often each seed and each row was taken decides the sum. times[seeds] and rows[n] are scratch: each
 * row's sum over the seeds taken is made once, in order of memory, however often the row is taken. */
static double draw(const struct seed_differences *d, struct rng *rng, uint32_t *times, double *rows)
{
    double sum = 0;
    for (size_t s = 0; s < d->seeds; s++)
        times[s] = 0;
    for (size_t s = 0; s < d->seeds; s++)
        times[rng_below(rng, d->seeds)]++;
    for (size_t i = 0; i < d->n; i++)
        rows[i] = 0;
    for (size_t s = 0; s < d->seeds; s++)
        for (size_t i = 0; times[s] > 0 && i < d->n; i++)
            rows[i] += times[s] * (double)d->difference[s * d->n + i];
    for (size_t i = 0; i < d->n; i++)
        sum += rows[rng_below(rng, d->n)];
    return sum / (double)(d->seeds * d->n);
}

struct seed_result seeds_compare(const struct bootstrap *options, const struct seed_differences *d)
{
    struct seed_result r = {.mean = mean_of(d)};
    size_t draws = options->draws, at_most = 0, at_least = 0;
    double *means = xmalloc_array(draws, sizeof *means), tail = (1 - options->level) / 2;
    double *rows = xmalloc_array(d->n, sizeof *rows);
    uint32_t *times = xmalloc_array(d->seeds, sizeof *times);
    struct rng rng;
    rng_init(&rng, options->seed, RNG_SEEDS);
    for (size_t i = 0; i < draws; i++) {
        means[i] = draw(d, &rng, times, rows);
        at_most += means[i] <= 0;
        at_least += means[i] >= 0;
    }
    qsort(means, draws, sizeof *means, ascending);
    r.interval = (struct interval){sorted_quantile(means, draws, tail), sorted_quantile(means, draws, 1 - tail)};
    size_t smaller = at_most < at_least ? at_most : at_least;
    r.p = 2 * (double)(smaller + 1) / (double)(draws + 1);
    r.p = r.p > 1 ? 1 : r.p;
    free(times);
    free(rows);
    free(means);
    return r;
}

struct ranked {
    double p;
    size_t at;
};

static int by_p(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

void holm_adjust(double *p, size_t n)
{
    struct ranked *ranked = xmalloc_array(n + 1, sizeof *ranked);
    double least = 0;
    for (size_t i = 0; i < n; i++)
        ranked[i] = (struct ranked){p[i], i};
    qsort(ranked, n, sizeof *ranked, by_p);
    for (size_t i = 0; i < n; i++) {
        double adjusted = ranked[i].p * (double)(n - i);
        least = adjusted > least ? adjusted : least; /* they do not fall where the order rises */
        p[ranked[i].at] = least > 1 ? 1 : least;
    }
    free(ranked);
}
