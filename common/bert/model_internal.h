/* model_internal.h - what forward and backward share: which parameter, which dropout, which attention. */
#ifndef BERT_MODEL_INTERNAL_H
#define BERT_MODEL_INTERNAL_H

#include <math.h>

#include "bert/model.h"

/* One pass over a batch, as every thread gets it. */
struct pass {
    const struct model *m;
    const struct nn *nn;
    struct activations *a;
    const struct batch *b;
    const struct model_dropout *dropout;
    float *gradients;
    bool embedded; /* the pass starts from a->embedding_sum */
};

/* x[real.., n] = 0 up to the filled-up number of rows. */
static inline void clear_tail(const struct nn *nn, float *x, size_t real, size_t padded, size_t n)
{
    if (padded > real)
        nn->zero(nn, x + real * n, (padded - real) * n);
}

static inline const float *layer_weight(const struct model *m, size_t layer, enum layer_parameter which)
{
    return m->parameters.list[parameter_of_layer(layer, which)].value;
}

static inline const float *head_weight(const struct model *m, int which)
{
    return m->parameters.list[parameter_of_head(&m->parameters, which)].value;
}

/* Whether the three weights and biases lie side by side, as they do in a slab. */
static inline bool model_is_joined(const struct model *m, size_t layer)
{
    size_t hidden = (size_t)m->config.hidden_size;
    const float *query = layer_weight(m, layer, QUERY_WEIGHT), *query_bias = layer_weight(m, layer, QUERY_BIAS);
    return layer_weight(m, layer, KEY_WEIGHT) == query + hidden * hidden &&
           layer_weight(m, layer, VALUE_WEIGHT) == query + 2 * hidden * hidden &&
           layer_weight(m, layer, KEY_BIAS) == query_bias + hidden &&
           layer_weight(m, layer, VALUE_BIAS) == query_bias + 2 * hidden;
}

static inline struct nn_dropout dropout_of_tokens(const struct model_dropout *d, double probability,
                                                  const struct batch *b)
{
    return (struct nn_dropout){
        .probability = d ? (float)probability : 0.0f, .seed = d ? d->seed : 0, .row = b->token_row, .token = b->token};
}

static inline struct nn_dropout dropout_of_rows(const struct model_dropout *d, double probability,
                                                const struct batch *b)
{
    return (struct nn_dropout){
        .probability = d ? (float)probability : 0.0f, .seed = d ? d->seed : 0, .row = b->row, .token = b->first};
}

static inline struct nn_attention attention_of_layer(const struct model *m, size_t layer, const struct activations *a,
                                                     const struct batch *b, const struct model_dropout *d)
{
    bool first_only = a->layers[layer].input_first != NULL;
    size_t heads = (size_t)m->config.num_attention_heads, size = (size_t)m->config.hidden_size / heads;
    return (struct nn_attention){
        .rows = b->rows,
        .offsets = b->offsets,
        .probability_offsets = first_only ? a->first_probability_offsets : a->probability_offsets,
        .first_only = first_only,
        .heads = heads,
        .head_size = size,
        .scale = (float)(1.0 / sqrt((double)size)),
        .dropout = dropout_of_tokens(d, d ? d->attention : 0, b),
        .site = nn_site(layer + 1, NN_SITE_ATTENTION_PROBABILITIES),
    };
}

#endif
