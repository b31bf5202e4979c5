/* evaluate.h - the model's answers for many rows, and how good they are. */
#ifndef BERT_EVALUATE_H
#define BERT_EVALUATE_H

#include "base/error.h"
#include "bert/model.h"
#include "score/metrics.h"
#include "wire/rows.h"

struct evaluation {
    size_t rows;  /* with a gold label */
    double loss;  /* mean cross-entropy with the gold label */
    struct score score;
    size_t one_class; /* the class that every row was given, plus 1; 0 where there were several */
};

/* Evaluates all rows with a gold label; a is for inference. Rows without one are left out; none at all is a failure, and so are
 * logits that are not finite. */
int evaluate(const struct model *m, const struct nn *nn, struct activations *a, struct batch *b, const struct rows *rows,
             struct evaluation *e, struct error *err);

#endif
