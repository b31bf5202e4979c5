/* score.c - the formulas of common/score against values worked out by hand, and its draws against exact distributions.
 */
#include <math.h>
#include <stdlib.h>

#include "../helper/tap.h"
#include "base/memory.h"
#include "score/intervals.h"
#include "score/metrics.h"

static void test_confusion(void)
{
    const int32_t gold[] = {0, 0, 0, 1, 1, 2}, pred[] = {0, 0, 1, 1, 2, 2};
    uint64_t counts[9];
    struct class_score classes[3];
    confusion_count(gold, pred, 6, 3, counts);
    const uint64_t expected[9] = {2, 1, 0, 0, 1, 1, 0, 0, 1};
    bool same = true;
    for (int i = 0; i < 9; i++)
        same = same && counts[i] == expected[i];
    ok(same, "confusion matrix: gold is the row, predicted the column");
    near(confusion_accuracy(counts, 3), 4.0 / 6, 1e-15, "accuracy");
    confusion_classes(counts, 3, classes);
    near(classes[0].precision, 1, 0, "precision of class 0");
    near(classes[0].recall, 2.0 / 3, 1e-15, "recall of class 0");
    near(classes[0].f1, 0.8, 1e-15, "F1 of class 0");
    near(classes[2].precision, 0.5, 0, "precision of class 2");
    near(classes[2].recall, 1, 0, "recall of class 2");
    is_long((long long)classes[0].support, 3, "support");
    is_long((long long)classes[0].predicted, 2, "predicted");
    near(confusion_macro_f1(counts, 3), (0.8 + 0.5 + 2.0 / 3) / 3, 1e-15, "macro-F1");
    near(confusion_mcc(counts, 3), 12 / sqrt(24.0 * 22), 1e-15, "MCC of three classes");
}

static void test_confusion_edges(void)
{
    const uint64_t two[4] = {5, 1, 2, 4}, one_predicted[4] = {3, 0, 2, 0}, absent[9] = {2, 1, 0, 1, 3, 0, 0, 0, 0};
    struct class_score classes[3];
    near(confusion_mcc(two, 2), (4 * 5 - 1 * 2) / sqrt(5.0 * 6 * 6 * 7), 1e-15, "MCC of two classes is Matthews'");
    near(confusion_mcc(one_predicted, 2), 0, 0, "MCC is 0 where one class is predicted throughout");
    confusion_classes(one_predicted, 2, classes);
    ok(isnan(classes[1].precision), "precision of a class that is never predicted is undefined");
    near(classes[1].recall, 0, 0, "its recall is 0");
    near(confusion_macro_f1(one_predicted, 2), 0.75 / 2, 1e-15, "and its F1 counts as 0");
    confusion_classes(absent, 3, classes);
    ok(isnan(classes[2].f1) && isnan(classes[2].recall), "a class that does not occur has no scores");
    near(confusion_macro_f1(absent, 3), (4.0 / 6 + 6.0 / 8) / 2, 1e-15, "and is no part of macro-F1");
    const uint64_t many[4] = {400000000, 1, 1, 400000000};
    near(confusion_mcc(many, 2), 1 - 2 / 400000001.0, 1e-12, "MCC of 800 million rows");
}

static void test_probabilities(void)
{
    const int32_t gold[] = {0, 1}, pred[] = {0, 1};
    const double probs[] = {0.5, 0.5, 0.25, 0.75}, impossible[] = {0, 1};
    near(probs_nll(gold, probs, 2, 2), (log(2) + log(4.0 / 3)) / 2, 1e-15, "NLL");
    near(probs_brier(gold, probs, 2, 2), (0.5 + 0.125) / 2, 1e-15, "Brier over both classes");
    near(row_nll(0, impossible), 149 * log(2), 1e-12, "a probability of 0 costs 103.28 nats");
    near(probs_ece(gold, pred, probs, 2, 2, 15), (0.5 + 0.25) / 2, 1e-15, "ECE with fewer rows than bins");
}

static void test_ece(void)
{
    const int32_t gold[] = {1, 0, 1, 1}, pred[] = {1, 1, 1, 1};
    const double probs[] = {0.1, 0.9, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8};
    near(probs_ece(gold, pred, probs, 4, 2, 2), 0.15, 1e-15, "ECE of two bins");
    near(probs_ece(gold, pred, probs, 4, 2, 1), 0, 1e-15, "ECE of one bin: mean probability equals accuracy");
    const int32_t wrong_first[] = {0, 1}, right_first[] = {1, 0}, both[] = {1, 1};
    const double tied[] = {0.4, 0.6, 0.4, 0.6};
    near(probs_ece(wrong_first, both, tied, 2, 2, 2), 0.1, 1e-15, "ECE: tied rows share their bin's accuracy");
    near(probs_ece(right_first, both, tied, 2, 2, 2), 0.1, 1e-15, "ECE: in either order");
    const int32_t five_gold[] = {1, 1, 1, 0, 1}, five[] = {1, 1, 1, 1, 1};
    const double five_probs[] = {.5, .5, .4, .6, .3, .7, .2, .8, .1, .9};
    /* bins floor(2 i / 5): rows 0 to 2, rows 3 and 4 */
    near(probs_ece(five_gold, five, five_probs, 5, 2, 2), (3 - 1.8 + 1.7 - 1) / 5, 1e-15, "ECE: bins of unequal size");
    struct score score;
    score_compute(&score, five_gold, five, NULL, 5, 2);
    ok(isnan(score.nll) && isnan(score.brier) && isnan(score.ece), "no probabilities, no NLL, Brier and ECE");
    near(score.accuracy, 0.8, 1e-15, "but accuracy");
}

static struct mcnemar mcnemar(uint64_t b, uint64_t c)
{
    const struct paired_counts pairs = {.both_right = 7, .only_a = b, .only_b = c, .both_wrong = 3};
    return mcnemar_test(&pairs);
}

static void test_mcnemar(void)
{
    near(mcnemar(1, 5).exact, 14.0 / 64, 1e-13, "McNemar exact, 1 to 5");
    near(mcnemar(1, 5).mid_p, 8.0 / 64, 1e-13, "McNemar mid-p, 1 to 5");
    near(mcnemar(5, 1).exact, 14.0 / 64, 1e-13, "McNemar is symmetric");
    near(mcnemar(0, 10).exact, 2.0 / 1024, 1e-14, "McNemar exact, 0 to 10");
    near(mcnemar(0, 10).mid_p, 1.0 / 1024, 1e-14, "McNemar mid-p, 0 to 10");
    near(mcnemar(2, 2).exact, 1, 0, "McNemar exact of a tie is 1");
    near(mcnemar(2, 2).mid_p, 1 - 6.0 / 32, 1e-13, "McNemar mid-p of a tie");
    near(mcnemar(0, 0).exact, 1, 0, "McNemar without a difference is 1");
    near(mcnemar(0, 0).mid_p, 1, 0, "and so is mid-p");
    near(mcnemar(2, 3).exact, 1, 1e-13, "McNemar exact is at most 1");
    near(mcnemar(40, 60).exact, 0.05688793364098078, 1e-12, "McNemar exact, 40 to 60");
    ok(mcnemar(0, 5000).exact == 0 || mcnemar(0, 5000).exact < 1e-300, "McNemar far out is 0, not NAN");
    const int32_t gold[] = {0, 0, 1, 1, 1}, a[] = {0, 0, 1, 0, 0}, b[] = {0, 1, 0, 1, 0};
    struct paired_counts pairs = paired_count(gold, a, b, 5);
    ok(pairs.both_right == 1 && pairs.only_a == 2 && pairs.only_b == 1 && pairs.both_wrong == 1, "paired counts");
    near(paired_difference(&pairs), -0.2, 1e-15, "difference is B minus A");
}

/* The largest distance between the draws' and the exact distribution function (Kolmogorov). */
static double distance_from_binomial(uint64_t n, double p, size_t draws)
{
    struct rng rng;
    rng_init(&rng, 42, 7);
    size_t *seen = xcalloc(n + 1, sizeof *seen);
    for (size_t i = 0; i < draws; i++)
        seen[binomial_draw(&rng, n, p)]++;
    double worst = 0, exact = 0, drawn = 0;
    for (uint64_t m = 0; m <= n; m++) {
        double x = (double)m, rest = (double)(n - m);
        exact += exp(lgamma((double)n + 1) - lgamma(x + 1) - lgamma(rest + 1) + x * log(p) + rest * log1p(-p));
        drawn += (double)seen[m] / (double)draws;
        worst = fmax(worst, fabs(exact - drawn));
    }
    free(seen);
    return worst;
}

static void test_draws(void)
{
    struct rng rng;
    rng_init(&rng, 1, 1);
    is_long((long long)binomial_draw(&rng, 10, 0), 0, "Binomial(n, 0)");
    is_long((long long)binomial_draw(&rng, 10, 1), 10, "Binomial(n, 1)");
    is_long((long long)binomial_draw(&rng, 0, 0.5), 0, "Binomial(0, p)");
    /* Kolmogorov: above 1.95 / sqrt(draws) with probability 0.001; the seed is fixed, so this passes or fails for good
     */
    near(distance_from_binomial(10, 0.3, 100000), 0, 1.95 / sqrt(1e5), "Binomial(10, 0.3)");
    near(distance_from_binomial(1, 0.999, 100000), 0, 1.95 / sqrt(1e5), "Binomial(1, 0.999)");
    near(distance_from_binomial(872, 0.92, 100000), 0, 1.95 / sqrt(1e5), "Binomial(872, 0.92)");
    near(distance_from_binomial(100000, 0.0001, 100000), 0, 1.95 / sqrt(1e5), "Binomial(100000, 0.0001)");
}

static double share_of_first(const uint64_t *cells, const void *context)
{
    (void)context;
    return (double)cells[0] / (double)(cells[0] + cells[1]);
}

static void test_intervals(void)
{
    const double sorted[] = {1, 2, 3, 4};
    near(sorted_quantile(sorted, 4, 0.25), 1.75, 1e-15, "quantile between two values");
    near(sorted_quantile(sorted, 4, 0), 1, 0, "quantile 0");
    near(sorted_quantile(sorted, 4, 1), 4, 0, "quantile 1");

    const struct bootstrap options = {.draws = 10000, .level = 0.95, .seed = 3};
    const uint64_t cells[2] = {800, 200};
    double values[1000];
    for (int i = 0; i < 1000; i++)
        values[i] = i < 800;
    struct interval of_counts = bootstrap_counts(&options, cells, 2, share_of_first, NULL);
    struct interval of_rows = bootstrap_mean(&options, values, 1000);
    near(of_counts.low, 0.775, 0.0021, "bootstrap of counts: the 2.5 %% point of Binomial(1000, 0.8) is 775");
    near(of_counts.high, 0.824, 0.0021, "and the 97.5 %% point 824");
    near(of_rows.low, 0.775, 0.0021, "bootstrap of rows: the same");
    near(of_rows.high, 0.824, 0.0021, "at both ends");
    struct interval again = bootstrap_counts(&options, cells, 2, share_of_first, NULL);
    ok(again.low == of_counts.low && again.high == of_counts.high, "the same seed gives the same interval");
    const struct bootstrap narrow = {.draws = 10000, .level = 0.5, .seed = 3};
    ok(bootstrap_mean(&narrow, values, 1000).low > of_rows.low, "a lower level gives a narrower interval");
    const double one = 4.5;
    near(bootstrap_mean(&options, &one, 1).low, 4.5, 0, "one row has an interval without width");
    const double pair[] = {0, 1};
    near(bootstrap_mean(&options, pair, 2).high, 1, 0, "two rows are both drawn");

    const struct paired_counts pairs = {.both_right = 700, .only_a = 60, .only_b = 100, .both_wrong = 140};
    struct interval difference = bootstrap_paired_difference(&options, &pairs);
    /* n = 1000, b - c = 40, variance (160 - 1.6) / 1000^2: 0.04 -+ 1.96 * 0.012586 */
    near(difference.low, 0.04 - 0.02467, 0.0021, "paired bootstrap, lower end");
    near(difference.high, 0.04 + 0.02467, 0.0021, "paired bootstrap, upper end");
}

int main(void)
{
    test_confusion();
    test_confusion_edges();
    test_probabilities();
    test_ece();
    test_mcnemar();
    test_draws();
    test_intervals();
    return done_testing();
}
