/* teacher.h - the teacher's probability of each class, as the training rows tell it.
 *
 * teacher_probs where votes or logits gave them. Else from the teacher's label and its own confidence, which is not to
 * be taken at its word (Xiong et al. 2023, arXiv:2306.13063): rows with a gold label tell how often the teacher is
 * right. They are cut into thirds by confidence, rows of equal confidence staying together; in a third with n rows of
 * which a agree, the teacher's label has the probability (a + 1) / (n + 2) (Laplace), the other classes share the rest.
 * Cross-fitted: a gold row's probability comes from the rows of the other four of five folds (row number mod 5). With
 * fewer than 50 gold rows a single answer counts as one vote of one, (v + 0.5) / (k + 1) = 0.75.
 */
#ifndef BERT_OBJECTIVES_TEACHER_H
#define BERT_OBJECTIVES_TEACHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "wire/rows.h"

enum { TEACHER_BINS = 3, TEACHER_FOLDS = 5, TEACHER_FEWEST = 50 };

struct teacher {
    double *probabilities; /* [n, classes]; the first of a row is -1 where the row has no teacher */
    size_t rows_with, rows_with_gold, rows_agreeing;
    bool calibrated;
    double edges[TEACHER_BINS - 1]; /* of confidence */
    double right[TEACHER_BINS];     /* how often right, over all gold rows */
};

/* A teacher_label outside the classes, or probabilities that are not a distribution, are STATUS_FAILURE. */
int teacher_estimate(struct teacher *t, const struct rows *rows, size_t classes, struct error *err);
void teacher_free(struct teacher *t);

#endif
