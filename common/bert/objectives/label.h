/* label.h - what the term `label` can be told beside its weight: class weights and label smoothing.
 *
 *     l = (1 - e) w_g (- log p_g) + e / C  sum_c w_c (- log p_c),   the mean over rows is  sum l / sum w_g
 *
 * for gold label g, C classes, smoothing e, as torch.nn.CrossEntropyLoss(weight=w, label_smoothing=e). Smoothing:
 * Szegedy et al. 2016. `balanced`: w_c = n / (C n_c) from the labelled training rows, as scikit-learn's.
 */
#ifndef BERT_OBJECTIVES_LABEL_H
#define BERT_OBJECTIVES_LABEL_H

#include <stddef.h>

#include "base/error.h"

struct objectives;

/* That it is "balanced" or a list of numbers from 0 on; else STATUS_USAGE. NULL: none. */
int class_weights_check(const char *class_weights, struct error *err);
/* The weights [classes] of the prepared term; NULL where there is no such term or it has none. */
const double *class_weights_of(const struct objectives *o);

#endif
