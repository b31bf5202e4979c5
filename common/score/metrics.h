/* metrics.h - how good predictions are, as plain functions over arrays. No input, no output, no randomness.
 *
 * n rows, k classes 0..k-1; gold[n] and pred[n] hold classes; probs[n][k] holds each row's probabilities, row after
 * row. n and k are at least 1. Results that are undefined (a precision where nothing was predicted) are NAN, and the
 * caller shows them as such; every other result is finite.
 *
 * The confusion matrix counts[k][k] has the gold label as row and the predicted label as column. Everything that
 * depends on counts alone is computed from it, so that the bootstrap can hand in drawn matrices.
 *
 *     uint64_t counts[4];
 *     confusion_count(gold, pred, n, 2, counts);
 *     printf("accuracy %.4f, MCC %.4f\n", confusion_accuracy(counts, 2), confusion_mcc(counts, 2));
 */
#ifndef SCORE_METRICS_H
#define SCORE_METRICS_H

#include <stddef.h>
#include <stdint.h>

/* counts[gold * k + pred]; overwritten. */
void confusion_count(const int32_t *gold, const int32_t *pred, size_t n, size_t k, uint64_t *counts);

/* Rows on the diagonal over all rows. NAN for an empty matrix. */
double confusion_accuracy(const uint64_t *counts, size_t k);

struct class_score {
    double precision;   /* of the rows predicted as this class, the share that is; NAN where none was predicted */
    double recall;      /* of the rows that are of this class, the share that was found; NAN where there is none */
    double f1;          /* 2 TP / (2 TP + FP + FN), the harmonic mean of the two; NAN where neither exists */
    uint64_t support;   /* rows of this class */
    uint64_t predicted; /* rows predicted as this class */
};

/* classes[k]; overwritten. */
void confusion_classes(const uint64_t *counts, size_t k, struct class_score *classes);

/* The mean of F1 over the classes that are among the gold or the predicted labels (as scikit-learn's f1_score with
 * average="macro" and no labels given). */
double confusion_macro_f1(const uint64_t *counts, size_t k);

/* Matthews' correlation coefficient for k classes: Gorodkin, "Comparing two K-category assignments by a K-category
 * correlation coefficient", Computational Biology and Chemistry 28 (2004), R_K, equation 8. With c right of s rows, t_i
 * rows of class i and p_i predicted as i:
 *     (c s - sum t_i p_i) / sqrt((s^2 - sum p_i^2) (s^2 - sum t_i^2))
 * For two classes this is Matthews (1975). -1..1; 0 by convention where all rows are of one class or all are predicted
 * as one. */
double confusion_mcc(const uint64_t *counts, size_t k);

/* -ln of the probability that a row gives its gold label. A probability of 0 counts as 2^-149, the smallest number
 * above 0 that a float holds, which is 103.28; it would be infinite otherwise. */
double row_nll(int32_t gold, const double *row_probs);

/* The mean of row_nll: cross-entropy in nats. Shannon (1948); Good, "Rational decisions" (1952). */
double probs_nll(const int32_t *gold, const double *probs, size_t n, size_t k);

/* Mean over rows of sum over classes of (probability - [class is gold])^2: Brier, "Verification of forecasts expressed
 * in terms of probability", Monthly Weather Review 78 (1950). 0..2; for two classes twice the one-sided form that some
 * libraries print. */
double probs_brier(const int32_t *gold, const double *probs, size_t n, size_t k);

enum { ECE_BINS = 15 };

/* Expected calibration error of the predicted label: rows sorted by the probability of their predicted label, cut into
 * `bins` bins of equal mass (row i of n falls into bin floor(i * bins / n)), and the sum over bins of
 *     rows in the bin / n * |share of right rows - mean probability|.
 * Naeini, Cooper, Hauskrecht (AAAI 2015); Guo et al. (ICML 2017) with 15 bins of equal width; equal mass as in Nguyen
 * and O'Connor (EMNLP 2015), because most probabilities of a fine-tuned classifier lie near 1. Rows of equal
 * probability share their mean of right rows, so that the result does not depend on the order of the input. 0..1. */
double probs_ece(const int32_t *gold, const int32_t *pred, const double *probs, size_t n, size_t k, size_t bins);

/* All of it at once. probs may be NULL: then nll, brier and ece are NAN. */
struct score {
    double accuracy, macro_f1, mcc, nll, brier, ece;
};
void score_compute(struct score *score, const int32_t *gold, const int32_t *pred, const double *probs, size_t n,
                   size_t k);

#endif
