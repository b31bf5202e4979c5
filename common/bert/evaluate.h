/* evaluate.h - the model's answers for many rows, and how good they are. */
#ifndef BERT_EVALUATE_H
#define BERT_EVALUATE_H

#include "base/error.h"
#include "bert/model.h"
#include "bert/objectives/objective.h"
#include "score/metrics.h"
#include "wire/rows.h"

struct evaluation {
    size_t rows; /* with a gold label */
    double loss; /* mean cross-entropy with the gold label */
    struct score score;
    size_t tokens; /* masked tokens, of which score.accuracy says how many were found; 0: a classifier was evaluated */
    size_t one_class; /* the class that every row was given, plus 1; 0 where there were several */
};

/* Whether the rows can be evaluated: some have a gold label, and none one that is no class. The text names the row,
 * counted from 1. */
int evaluation_check(const struct rows *rows, size_t classes, struct error *err);
/* Evaluates all rows with a gold label, which evaluation_check has passed; a is for inference. Rows without one are
 * left out. Logits that are not finite are a failure. stop (may be NULL) is asked between batches: 1 is returned as
 * soon as it says so, and then *e holds nothing. */
int evaluate(const struct model *m, const struct nn *nn, struct activations *a, struct batch *b,
             const struct rows *rows, bool (*stop)(void), struct evaluation *e, struct error *err);

/* The same for a model without classifier: the loss is that of the terms, which must be such as evaluate. What is
 * random in them is the same at every evaluation. */
int evaluate_objectives(struct objectives *o, const struct model *m, const struct nn *nn, struct activations *a,
                        struct batch *b, const struct rows *rows, bool (*stop)(void), struct evaluation *e,
                        struct error *err);

#endif
