/* compare.h - an arm of the experiment beside another one: what each got on each row of a set, seed by seed, and
 * whether the difference is more than chance.
 */
#ifndef REPORT_COMPARE_H
#define REPORT_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "report/experiment.h"
#include "score/seeds.h"

/* What a set counts: rows that are right, or in the contrast set pairs with both right. */
struct outcomes {
    float *right; /* [seeds, n] */
    long *seed;   /* [seeds] */
    size_t seeds, n;
    double mean, sd; /* over seeds; sd NAN with one */
    double nll, ece; /* means over seeds */
};

/* Of the cells of that arm that have the set; seeds 0 where there is none. */
void outcomes_of(struct outcomes *o, const struct experiment *e, const char *group, const char *arm, int set);
void outcomes_free(struct outcomes *o);

struct comparison {
    bool there;                    /* they have a seed in common, and the same rows */
    size_t seeds;                  /* in common: they alone are compared */
    struct seed_result difference; /* b less a */
    double mcnemar; /* exact, on what most of these seeds answered (of an even number the last left out) */
};
struct comparison compare_outcomes(const struct outcomes *a, const struct outcomes *b);

#endif
