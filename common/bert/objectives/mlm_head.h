/* mlm_head.h - the head of BertForMaskedLM: from token states to a distribution over the vocabulary.
 *
 *     y = LayerNorm(f(x W^T + b)),   logits = y E^T + c,   l = - log softmax(logits)_label
 *
 * W [hidden, hidden] and b are cls.predictions.transform.dense, the LayerNorm is cls.predictions.transform.LayerNorm,
 * c [vocabulary] is cls.predictions.bias, f the encoder's activation; E is the table of word embeddings, which is
 * trained through both of its uses (Devlin et al. 2019; tied as in Press & Wolf 2017). Only the tokens that have a
 * label are computed, a slice of them at a time, so that memory stays small for any vocabulary.
 */
#ifndef BERT_OBJECTIVES_MLM_HEAD_H
#define BERT_OBJECTIVES_MLM_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "bert/objectives/objective.h"

struct mlm_head {
    float *states, *z, *derivative, *normalised, *mean, *rstd, *d; /* of the labelled tokens */
    float *logits;                                                 /* of a slice */
    double *loss;                                                  /* [slice] */
    uint8_t *right;                                                /* [slice] */
    float *slab;
    size_t capacity;
};

/* The head's parameters. */
void mlm_head_add(const struct bert_config *config, struct model_heads *heads);
/* n tokens, at places `at` of the batch with those labels: returns the sum of l; the gradients of p += scale x dl/d...,
 * p->right += how many labels are the most likely token. */
double mlm_head_loss(struct mlm_head *h, struct objective_pass *p, const uint32_t *at, const int32_t *labels, size_t n,
                     double scale);
void mlm_head_free(struct mlm_head *h);

#endif
