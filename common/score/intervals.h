/* intervals.h - how much of a score is chance: bootstrap intervals and McNemar's test. Needs no normal approximation.
 *
 * Bootstrap: rows are drawn with replacement, as many as there are, the statistic is computed anew, and the interval is
 * cut from the sorted results: Efron, "Bootstrap methods: another look at the jackknife" (1979), percentile interval as
 * in Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. What it covers is the choice of the
 * rows; a model trained again with another seed varies beyond it.
 *
 * A statistic of counts (accuracy, F1, MCC) is drawn as counts: drawing n rows with replacement is one multinomial draw
 * over the cells, which costs the same for a hundred rows and for a million. A mean of values a row (NLL) is drawn by
 * row. The same seed gives the same interval on every machine with IEEE doubles.
 */
#ifndef SCORE_INTERVALS_H
#define SCORE_INTERVALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

struct interval {
    double low, high;
};

struct bootstrap {
    size_t draws; /* at least 1 */
    double level; /* 0.95: the interval leaves out (1 - level) / 2 of the draws at each end */
    uint64_t seed;
};

/* Of cells[n_cells] counts; context is the caller's. NAN is not a value: it must be defined for every draw. */
typedef double count_statistic(const uint64_t *cells, const void *context);

/* The interval of a statistic of counts. */
struct interval bootstrap_counts(const struct bootstrap *options, const uint64_t *cells, size_t n_cells,
                                 count_statistic *statistic, const void *context);

/* The interval of the mean of values[n], 0 < n < 2^32. For a paired difference the values are the rows' differences. */
struct interval bootstrap_mean(const struct bootstrap *options, const double *values, size_t n);

/* Two classifiers on the same rows. */
struct paired_counts {
    uint64_t both_right;
    uint64_t only_a; /* A right, B wrong: "b" in McNemar's table */
    uint64_t only_b; /* A wrong, B right: "c" */
    uint64_t both_wrong;
};

struct paired_counts paired_count(const int32_t *gold, const int32_t *pred_a, const int32_t *pred_b, size_t n);

/* Accuracy of B minus accuracy of A, and its paired bootstrap interval: rows are drawn with both of their answers, so
 * that what both find easy cancels out. */
double paired_difference(const struct paired_counts *pairs);
struct interval bootstrap_paired_difference(const struct bootstrap *options, const struct paired_counts *pairs);

/* McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika
 * 12 (1947), two-sided: with equal accuracy each of the b + c rows on which exactly one is right is a fair coin.
 *
 *     exact: min(1, 2 P(X <= min(b, c))), X ~ Binomial(b + c, 1/2)
 *     mid_p: exact - P(X = min(b, c)), and 1 - P(X = b) / 2 where b = c
 *
 * The mid-p value is less conservative and keeps its level in practice: Fagerland, Lydersen, Laake, "The McNemar test
 * for binary matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Medical Research
 * Methodology 13 (2013). Both are 1 where b + c = 0. */
struct mcnemar {
    double exact, mid_p;
};
struct mcnemar mcnemar_test(const struct paired_counts *pairs);

/* One draw from Binomial(n, p), by inversion from the mode outwards (Devroye, Non-Uniform Random Variate Generation
 * (1986), section X.4): about sqrt(n p (1 - p)) steps. */
uint64_t binomial_draw(struct rng *rng, uint64_t n, double p);

/* The quantile of sorted values[n] at 0 <= q <= 1, between neighbours in proportion (type 7 of Hyndman and Fan 1996,
 * the default of R and NumPy). */
double sorted_quantile(const double *values, size_t n, double q);

#endif
