/* intervals.c - bootstrap intervals and McNemar's test; the methods and their sources stand in intervals.h. */
#include "score/intervals.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* Keeps these draws apart from those that other parts take from the same seed. */
enum { STREAM_COUNTS = 0x73636f31, STREAM_MEAN = 0x73636f32 };

/* ln of P(X = m), X ~ Binomial(n, p), 0 < p < 1. */
static double binomial_log_mass(uint64_t n, uint64_t m, double p)
{
    double a = (double)m, b = (double)(n - m);
    return lgamma((double)n + 1) - lgamma(a + 1) - lgamma(b + 1) + a * log(p) + b * log1p(-p);
}

uint64_t binomial_draw(struct rng *rng, uint64_t n, double p)
{
    if (n == 0 || p <= 0)
        return 0;
    if (p >= 1)
        return n;
    double odds = p / (1 - p), u = rng_double(rng);
    uint64_t mode = (uint64_t)(((double)n + 1) * p);
    if (mode > n)
        mode = n;
    uint64_t low = mode, high = mode;
    double low_mass = exp(binomial_log_mass(n, mode, p)), high_mass = low_mass;
    u -= low_mass;
    while (u >= 0) {
        if (high < n) {
            high_mass *= (double)(n - high) / (double)(high + 1) * odds;
            high++;
            if ((u -= high_mass) < 0)
                return high;
        }
        if (low > 0) {
            low_mass *= (double)low / (double)(n - low + 1) / odds;
            low--;
            if ((u -= low_mass) < 0)
                return low;
        }
        if (low_mass < 1e-30 && high_mass < 1e-30)
            break; /* the masses' rounding left a remainder of about 1e-12 */
    }
    return mode;
}

double sorted_quantile(const double *values, size_t n, double q)
{
    double position = q * (double)(n - 1);
    size_t below = (size_t)position;
    if (below + 1 >= n)
        return values[n - 1];
    return values[below] + (position - (double)below) * (values[below + 1] - values[below]);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct interval percentile_interval(double *results, const struct bootstrap *options)
{
    double tail = (1 - options->level) / 2;
    qsort(results, options->draws, sizeof *results, by_value);
    return (struct interval){sorted_quantile(results, options->draws, tail),
                             sorted_quantile(results, options->draws, 1 - tail)};
}

/* One multinomial draw of `rows` rows: each cell in turn takes its binomial share of the rows that are still to be
 * placed. used[n_used] are the indices of the cells that are not 0. */
static void multinomial_draw(struct rng *rng, const uint64_t *cells, const size_t *used, size_t n_used, uint64_t rows,
                             uint64_t *drawn)
{
    uint64_t to_place = rows, mass = rows;
    for (size_t i = 0; i < n_used; i++) {
        uint64_t cell = cells[used[i]];
        drawn[used[i]] = binomial_draw(rng, to_place, (double)cell / (double)mass);
        to_place -= drawn[used[i]];
        mass -= cell;
    }
}

struct interval bootstrap_counts(const struct bootstrap *options, const uint64_t *cells, size_t n_cells,
                                 count_statistic *statistic, const void *context)
{
    double *results = xmalloc_array(options->draws, sizeof *results);
    uint64_t *drawn = xcalloc(n_cells, sizeof *drawn), rows = 0;
    size_t *used = xmalloc_array(n_cells, sizeof *used), n_used = 0;
    for (size_t i = 0; i < n_cells; i++) {
        rows += cells[i];
        if (cells[i])
            used[n_used++] = i;
    }

    struct rng rng;
    rng_init(&rng, options->seed, STREAM_COUNTS);
    for (size_t draw = 0; draw < options->draws; draw++) {
        multinomial_draw(&rng, cells, used, n_used, rows, drawn);
        results[draw] = statistic(drawn, context);
    }
    struct interval interval = percentile_interval(results, options);
    free(results);
    free(drawn);
    free(used);
    return interval;
}

struct interval bootstrap_mean(const struct bootstrap *options, const double *values, size_t n)
{
    double *results = xmalloc_array(options->draws, sizeof *results);
    struct rng rng;
    rng_init(&rng, options->seed, STREAM_MEAN);
    for (size_t draw = 0; draw < options->draws; draw++) {
        /* one number below n * n is two independent ones below n, at half the price */
        double sum = n % 2 ? values[rng_below(&rng, n)] : 0;
        for (size_t i = n % 2; i < n; i += 2) {
            uint64_t both = rng_below(&rng, (uint64_t)n * n);
            sum += values[both / n] + values[both % n];
        }
        results[draw] = sum / (double)n;
    }
    struct interval interval = percentile_interval(results, options);
    free(results);
    return interval;
}

struct paired_counts paired_count(const int32_t *gold, const int32_t *pred_a, const int32_t *pred_b, size_t n)
{
    struct paired_counts pairs = {0};
    for (size_t i = 0; i < n; i++) {
        int a = pred_a[i] == gold[i], b = pred_b[i] == gold[i];
        pairs.both_right += a && b;
        pairs.only_a += a && !b;
        pairs.only_b += !a && b;
        pairs.both_wrong += !a && !b;
    }
    return pairs;
}

double paired_difference(const struct paired_counts *pairs)
{
    double n = (double)(pairs->both_right + pairs->only_a + pairs->only_b + pairs->both_wrong);
    return ((double)pairs->only_b - (double)pairs->only_a) / n;
}

/* cells: only A right, only B right, the rest. */
static double cells_difference(const uint64_t *cells, const void *context)
{
    (void)context;
    double n = (double)(cells[0] + cells[1] + cells[2]);
    return ((double)cells[1] - (double)cells[0]) / n;
}

struct interval bootstrap_paired_difference(const struct bootstrap *options, const struct paired_counts *pairs)
{
    const uint64_t cells[3] = {pairs->only_a, pairs->only_b, pairs->both_right + pairs->both_wrong};
    return bootstrap_counts(options, cells, 3, cells_difference, NULL);
}

struct mcnemar mcnemar_test(const struct paired_counts *pairs)
{
    uint64_t b = pairs->only_a, c = pairs->only_b, n = b + c, fewer = b < c ? b : c;
    if (n == 0)
        return (struct mcnemar){1, 1};
    double point = exp(binomial_log_mass(n, fewer, 0.5)), tail = 0, mass = point;
    if (b == c)
        return (struct mcnemar){1, 1 - point / 2};
    for (uint64_t m = fewer;; m--) { /* downwards from the largest mass; the rest is below rounding */
        tail += mass;
        if (m == 0 || mass < tail * 1e-18)
            break;
        mass *= (double)m / (double)(n - m + 1);
    }
    double exact = 2 * tail > 1 ? 1 : 2 * tail;
    return (struct mcnemar){exact, 2 * tail - point};
}
