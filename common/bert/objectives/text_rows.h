/* text_rows.h - rows of other text that a term makes and that have a label: what `counterfactual`, `cue-text` and
 * `rationale-text` have in common.
 *
 *     l = - log p_label     for each further row
 *
 * They go through the encoder beside the rows of the batch, with random numbers of their own, and are read at the same
 * classifier. A term's items are its rows, so that its weight counts against that of `label` whatever their numbers.
 */
#ifndef BERT_OBJECTIVES_TEXT_ROWS_H
#define BERT_OBJECTIVES_TEXT_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "bert/objectives/objective.h"

/* The labels of a batch's further rows, in their order; zeroed before the first use. */
struct text_rows {
    int32_t *labels;
    size_t n, capacity;
};

void text_rows_label(struct text_rows *t, int32_t label);
/* The sum of l of the term's rows; gradients of the logits += scale x dl/d... . */
double text_rows_loss(const struct text_rows *t, struct objective_pass *p, double scale);
void text_rows_free(struct text_rows *t);

/* STATUS_FAILURE unless there are two classes: `what` tells the other one from the first. */
int text_rows_two_classes(size_t classes, const char *term, const char *what, struct error *err);

#endif
