/* activations.h - the memory of one forward (and backward) pass: one slab, laid out again for each batch.
 *
 * For training every layer keeps what its way back needs. For inference all layers share one set, since nothing is
 * kept. P = padded tokens, H = hidden size, I = intermediate size, N = padded rows.
 */
#ifndef BERT_ACTIVATIONS_H
#define BERT_ACTIVATIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "bert/batch.h"
#include "bert/config.h"

/* In the last layer only the first token of each row is computed beyond keys and values, unless all tokens are wanted:
 * there queries = N, and `input_first` holds those tokens' inputs; elsewhere queries = P, and q, k, v are the thirds of
 * one [P, 3 H] matrix. */
struct layer_activations {
    const float *input; /* [P, H] the layer below's output */
    float *input_first; /* [N, H]; NULL but in a last layer of first tokens */
    float *q, *k, *v;   /* [queries, H], [P, H], [P, H] with leading dimensions ldq, ldkv */
    size_t ldq, ldkv;
    float *probabilities;    /* heads x queries x tokens for each row; NULL for inference */
    float *context;          /* [queries, H] */
    float *attention_sum;    /* [queries, H] before LayerNorm */
    float *attention_output; /* [queries, H] */
    float *hidden;           /* [queries, I] after the activation */
    float *derivative;       /* [queries, I]; NULL for inference */
    float *output_sum;       /* [queries, H] before LayerNorm */
    float *output;           /* [queries, H] */
    float *attention_mean, *attention_rstd, *output_mean, *output_rstd; /* [queries]; NULL for inference */
};

struct activations {
    bool training;
    bool overwrite;  /* the next way back sets the gradients of the layers' matrices instead of adding to them, and
                        clears  this: the first pass of a step need not find them cleared */
    bool all_tokens; /* set between init and the first pass: the last layer's states of all tokens are wanted */
    struct layer_activations *layers;                                          /* [num_hidden_layers] */
    float *embedding_sum, *embedding_output, *embedding_mean, *embedding_rstd; /* [P, H], [P, H], [P], [P] */
    size_t *probability_offsets;                                               /* [rows + 1] layers of all tokens */
    size_t *first_probability_offsets;                                         /* [rows + 1] layers of first tokens */
    float *tokens;                  /* [P, H] the last layer's output; NULL without all_tokens */
    float *first;                   /* [N, H] its first tokens */
    float *pooled, *pooled_dropped; /* [N, H] */
    float *logits;                  /* [N, classes] */
    /* What the way back starts from: gradients that objectives add to, which model_clear_gradients sets to 0. */
    float *d_logits; /* [N, classes] */
    float *d_pooled; /* [N, H] of pooled */
    float *d_tokens; /* [P, H]; NULL without all_tokens */
    /* way back, shared by all layers; NULL for inference */
    float *d_output, *d_masked, *d_context; /* [P, H] */
    float *d_qkv;                           /* [P, 3 H] */
    float *d_hidden;                        /* [P, I] */
    float *d_first, *d_dropped;             /* [N, H] */
    float *slab;
    size_t capacity, rows_capacity;
};

void activations_init(struct activations *a, const struct bert_config *config, bool training);
/* Lays the slab out for a batch; memory grows on demand and is kept. */
void activations_layout(struct activations *a, const struct bert_config *config, size_t classes, const struct batch *b);
void activations_free(struct activations *a);

#endif
