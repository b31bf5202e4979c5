/* cross_entropy.c - see cross_entropy.h. */
#include "bert/objectives/cross_entropy.h"

#include <math.h>

/* The logarithm of sum over c of exp(logits[c]). */
static double log_sum_exp(const float *logits, size_t classes)
{
    double largest = logits[0], total = 0;
    for (size_t c = 1; c < classes; c++)
        largest = logits[c] > largest ? logits[c] : largest;
    for (size_t c = 0; c < classes; c++)
        total += exp(logits[c] - largest);
    return largest + log(total);
}

double cross_entropy(const float *logits, const double *target, size_t label, size_t classes, double scale,
                     float *d_logits)
{
    double normaliser = log_sum_exp(logits, classes), loss = 0, mass = 0;
    for (size_t c = 0; c < classes; c++)
        mass += target ? target[c] : c == label;
    for (size_t c = 0; c < classes; c++) {
        double wanted = target ? target[c] : c == label, log_p = logits[c] - normaliser;
        if (wanted != 0)
            loss -= wanted * log_p;
        if (d_logits)
            d_logits[c] += (float)(scale * (exp(log_p) * mass - wanted));
    }
    return loss;
}

void softmax_of_logits(const float *logits, size_t classes, double *probabilities)
{
    double normaliser = log_sum_exp(logits, classes);
    for (size_t c = 0; c < classes; c++)
        probabilities[c] = exp(logits[c] - normaliser);
}

double logistic_loss(double z)
{
    return z > 0 ? log1p(exp(-z)) : -z + log1p(exp(z));
}
