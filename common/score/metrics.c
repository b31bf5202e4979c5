/* metrics.c - accuracy, F1, MCC, NLL, Brier, ECE and the confusion matrix; the formulas stand in metrics.h. */
#include "score/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void confusion_count(const int32_t *gold, const int32_t *pred, size_t n, size_t k, uint64_t *counts)
{
    memset(counts, 0, k * k * sizeof *counts);
    for (size_t i = 0; i < n; i++) {
        assert(gold[i] >= 0 && (size_t)gold[i] < k && pred[i] >= 0 && (size_t)pred[i] < k);
        counts[(size_t)gold[i] * k + (size_t)pred[i]]++;
    }
}

/* Rows, right rows, and each class's rows and predictions are what all of the count metrics are made of. */
static uint64_t confusion_total(const uint64_t *counts, size_t k, uint64_t *right)
{
    uint64_t total = 0;
    *right = 0;
    for (size_t gold = 0; gold < k; gold++) {
        for (size_t pred = 0; pred < k; pred++)
            total += counts[gold * k + pred];
        *right += counts[gold * k + gold];
    }
    return total;
}

static void class_totals(const uint64_t *counts, size_t k, size_t class, uint64_t *support, uint64_t *predicted)
{
    *support = *predicted = 0;
    for (size_t other = 0; other < k; other++) {
        *support += counts[class * k + other];
        *predicted += counts[other * k + class];
    }
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : (double)NAN;
}

double confusion_accuracy(const uint64_t *counts, size_t k)
{
    uint64_t right, total = confusion_total(counts, k, &right);
    return ratio(right, total);
}

void confusion_classes(const uint64_t *counts, size_t k, struct class_score *classes)
{
    for (size_t class = 0; class < k; class ++) {
        struct class_score *score = &classes[class];
        uint64_t right = counts[class * k + class];
        class_totals(counts, k, class, &score->support, &score->predicted);
        score->precision = ratio(right, score->predicted);
        score->recall = ratio(right, score->support);
        score->f1 = ratio(2 * right, score->support + score->predicted);
    }
}

double confusion_macro_f1(const uint64_t *counts, size_t k)
{
    double sum = 0;
    size_t present = 0;
    for (size_t class = 0; class < k; class ++) {
        uint64_t support, predicted;
        class_totals(counts, k, class, &support, &predicted);
        if (support + predicted == 0)
            continue;
        sum += ratio(2 * counts[class * k + class], support + predicted);
        present++;
    }
    return present ? sum / (double)present : (double)NAN;
}

double confusion_mcc(const uint64_t *counts, size_t k)
{
    uint64_t right, total = confusion_total(counts, k, &right);
    double s = (double)total, products = 0, predicted_squares = 0, support_squares = 0;
    for (size_t class = 0; class < k; class ++) {
        uint64_t support, predicted;
        class_totals(counts, k, class, &support, &predicted);
        products += (double)support * (double)predicted;
        predicted_squares += (double)predicted * (double)predicted;
        support_squares += (double)support * (double)support;
    }
    double predicted_spread = s * s - predicted_squares, support_spread = s * s - support_squares;
    if (predicted_spread <= 0 || support_spread <= 0)
        return 0;
    /* two roots, because the product of the spreads of 10^8 rows is no longer exact in a double */
    return ((double)right * s - products) / (sqrt(predicted_spread) * sqrt(support_spread));
}

double row_nll(int32_t gold, const double *row_probs)
{
    double p = row_probs[gold];
    return -log(p > 0x1p-149 ? p : 0x1p-149);
}

double probs_nll(const int32_t *gold, const double *probs, size_t n, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += row_nll(gold[i], probs + i * k);
    return sum / (double)n;
}

double probs_brier(const int32_t *gold, const double *probs, size_t n, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t class = 0; class < k; class ++) {
            double miss = probs[i * k + class] - (class == (size_t)gold[i] ? 1 : 0);
            sum += miss * miss;
        }
    }
    return sum / (double)n;
}

struct judged {
    double confidence;
    double right; /* 0 or 1; after share_ties the mean over rows of equal confidence */
};

static int by_confidence(const void *a, const void *b)
{
    double x = ((const struct judged *)a)->confidence, y = ((const struct judged *)b)->confidence;
    return (x > y) - (x < y);
}

static void share_ties(struct judged *rows, size_t n)
{
    for (size_t begin = 0, end; begin < n; begin = end) {
        double right = 0;
        for (end = begin; end < n && rows[end].confidence == rows[begin].confidence; end++)
            right += rows[end].right;
        for (size_t i = begin; i < end; i++)
            rows[i].right = right / (double)(end - begin);
    }
}

double probs_ece(const int32_t *gold, const int32_t *pred, const double *probs, size_t n, size_t k, size_t bins)
{
    struct judged *rows = xmalloc_array(n, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct judged){probs[i * k + (size_t)pred[i]], gold[i] == pred[i]};
    qsort(rows, n, sizeof *rows, by_confidence);
    share_ties(rows, n);

    double error = 0;
    for (size_t begin = 0, end; begin < n; begin = end) {
        size_t bin = begin * bins / n;
        double gap = 0;
        for (end = begin; end < n && end * bins / n == bin; end++)
            gap += rows[end].right - rows[end].confidence;
        error += fabs(gap) / (double)n;
    }
    free(rows);
    return error;
}

void score_compute(struct score *score, const int32_t *gold, const int32_t *pred, const double *probs, size_t n,
                   size_t k)
{
    uint64_t *counts = xmalloc_array(k * k, sizeof *counts);
    confusion_count(gold, pred, n, k, counts);
    score->accuracy = confusion_accuracy(counts, k);
    score->macro_f1 = confusion_macro_f1(counts, k);
    score->mcc = confusion_mcc(counts, k);
    score->nll = probs ? probs_nll(gold, probs, n, k) : (double)NAN;
    score->brier = probs ? probs_brier(gold, probs, n, k) : (double)NAN;
    score->ece = probs ? probs_ece(gold, pred, probs, n, k, ECE_BINS) : (double)NAN;
    free(counts);
}
