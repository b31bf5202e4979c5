/* small_head.h - a linear head of an objective, y = W x + b, for few inputs at a time: sentence vectors, or the states
 * of some tokens. One thread, sums in a fixed order.
 */
#ifndef BERT_OBJECTIVES_SMALL_HEAD_H
#define BERT_OBJECTIVES_SMALL_HEAD_H

#include <stddef.h>

#include "bert/objectives/objective.h"

struct small_head {
    const struct parameter *weight, *bias; /* [outputs, inputs], [outputs]; bias NULL: none */
};

/* The head with these names in the model's table. */
struct small_head small_head_find(const struct model *m, const char *weight, const char *bias);
/* y[outputs] from x[inputs]. */
void small_head_forward(const struct small_head *h, const float *x, float *y);
/* From dy, the gradients in the slab += and, unless dx is NULL, dx[inputs] += . */
void small_head_backward(const struct small_head *h, float *gradients, const float *x, const float *dy, float *dx);

#endif
