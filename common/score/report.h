/* report.h - what sst2-score prints: the scores of one file or of two, for people and for programs. */
#ifndef SCORE_REPORT_H
#define SCORE_REPORT_H

#include "base/buf.h"
#include "score/intervals.h"
#include "score/metrics.h"
#include "score/predictions.h"

/* One file's scores. The intervals are bootstrap intervals over its rows. */
struct score_report {
    const struct predictions *predictions; /* not owned */
    uint64_t *counts;                      /* [k][k] */
    struct class_score *classes;           /* [k] */
    struct score score;
    struct interval accuracy, macro_f1, mcc;
    struct interval nll; /* NAN without probs */
};

void score_report_compute(struct score_report *e, const struct predictions *p, const struct bootstrap *options);
void score_report_free(struct score_report *e);
/* The class that all rows were predicted as, -1 where there are several: a sign of a model that learned nothing. */
long score_report_only_class(const struct score_report *e);

/* B against A, whose predictions are matched. Differences are B minus A. */
struct comparison {
    struct paired_counts pairs;
    struct mcnemar mcnemar;
    double accuracy, nll; /* differences; nll is NAN where either has no probs */
    struct interval accuracy_interval, nll_interval;
};

void comparison_compute(struct comparison *c, const struct predictions *a, const struct predictions *b,
                        const struct bootstrap *options);

/* Tables of at most 80 columns; b and c NULL: of one file. */
void report_text(struct buf *out, const struct score_report *a, const struct score_report *b,
                 const struct comparison *c, const struct bootstrap *options);

/* One line with one object: the scores of A; with b and c also "other" (the scores of B) and "comparison". Undefined
 * numbers are null. */
void report_json(struct buf *out, const struct score_report *a, const struct score_report *b,
                 const struct comparison *c, const struct bootstrap *options);

#endif
