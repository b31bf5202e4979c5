/* cross_entropy.h - the loss of one row: cross-entropy between a target distribution and the softmax of its logits.
 *
 *     l = - sum_c target_c log p_c,   p = softmax(logits),   dl/dlogits = p sum(target) - target
 *
 * In double, with the largest logit taken out, so that large logits cost no digits.
 */
#ifndef BERT_OBJECTIVES_CROSS_ENTROPY_H
#define BERT_OBJECTIVES_CROSS_ENTROPY_H

#include <stddef.h>

/* logits, target, d_logits [classes]; d_logits += scale x gradient, NULL: not wanted. target NULL: one-hot at `label`.
 * Returns l. */
double cross_entropy(const float *logits, const double *target, size_t label, size_t classes, double scale,
                     float *d_logits);

/* -log of the logistic function of z, log(1 + exp(-z)), without overflow. */
double logistic_loss(double z);

/* probabilities[classes] = softmax(logits). */
void softmax_of_logits(const float *logits, size_t classes, double *probabilities);

#endif
