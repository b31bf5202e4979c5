/* backward.c - the way back through the network of model.c, in reverse order of its forward functions. */
#include <string.h>

#include "bert/model_internal.h"

/* NULL: it is not wanted. */
static float *layer_gradient(const struct model *m, float *gradients, size_t layer, enum layer_parameter which)
{
    return !gradients ? NULL : gradients + m->parameters.list[parameter_of_layer(layer, which)].offset;
}

static float *head_gradient(const struct model *m, float *gradients, int which)
{
    return !gradients ? NULL : gradients + m->parameters.list[parameter_of_head(&m->parameters, which)].offset;
}

static float *embedding_gradient(const struct model *m, float *gradients, int which)
{
    return !gradients ? NULL : gradients + m->parameters.list[which].offset;
}

static void weight_gradient(const struct nn *nn, float *dw, float *dbias, const float *dy, size_t lddy, const float *x,
                            size_t ldx, size_t rows, size_t out, size_t in, bool accumulate)
{
    if (dw)
        nn->linear_grad_weight(nn, dw, dbias, dy, lddy, x, ldx, rows, out, in, accumulate);
}

/* d: gradient of a sum `residual + dropout(map)`. Returns the map's own gradient: d itself without dropout, else
 * masked. */
static const float *through_dropout(const struct nn *nn, struct activations *a, const float *d,
                                    const struct nn_dropout *drop, uint32_t site, size_t rows, size_t hidden)
{
    if (drop->probability <= 0)
        return d;
    nn->dropout(nn, a->d_masked, d, drop, site, rows, hidden);
    return a->d_masked;
}

/* From d (in: of the layer's output; out: of its attention block's output): LayerNorm, feed-forward block, residual. */
static void backward_feed_forward(const struct model *m, const struct nn *nn, size_t layer, struct activations *a,
                                  float *d, const struct nn_dropout *drop, size_t queries, float *gradients)
{
    struct layer_activations *l = &a->layers[layer];
    size_t hidden = (size_t)m->config.hidden_size, intermediate = (size_t)m->config.intermediate_size;
    nn->norm_backward(nn, d, layer_gradient(m, gradients, layer, OUTPUT_NORM_WEIGHT),
                      layer_gradient(m, gradients, layer, OUTPUT_NORM_BIAS), d, l->output_sum, l->output_mean,
                      l->output_rstd, layer_weight(m, layer, OUTPUT_NORM_WEIGHT), queries, hidden);
    const float *dz = through_dropout(nn, a, d, drop, nn_site(layer + 1, NN_SITE_OUTPUT), queries, hidden);
    weight_gradient(nn, layer_gradient(m, gradients, layer, OUTPUT_WEIGHT),
                    layer_gradient(m, gradients, layer, OUTPUT_BIAS), dz, hidden, l->hidden, intermediate, queries,
                    hidden, intermediate, !a->overwrite);
    nn->linear_grad_input(nn, a->d_hidden, intermediate, dz, hidden, layer_weight(m, layer, OUTPUT_WEIGHT), queries,
                          hidden, intermediate, false);
    nn->multiply(nn, a->d_hidden, l->derivative, queries * intermediate);
    weight_gradient(nn, layer_gradient(m, gradients, layer, INTERMEDIATE_WEIGHT),
                    layer_gradient(m, gradients, layer, INTERMEDIATE_BIAS), a->d_hidden, intermediate,
                    l->attention_output, hidden, queries, intermediate, hidden, !a->overwrite);
    nn->linear_grad_input(nn, d, hidden, a->d_hidden, intermediate, layer_weight(m, layer, INTERMEDIATE_WEIGHT),
                          queries, intermediate, hidden, true);
}

/* d (in: of the attention block's output; out: of the residual branch); a->d_context: of the context. */
static void backward_attention_output(const struct model *m, const struct nn *nn, size_t layer, struct activations *a,
                                      float *d, const struct nn_dropout *drop, size_t queries, float *gradients)
{
    struct layer_activations *l = &a->layers[layer];
    size_t hidden = (size_t)m->config.hidden_size;
    nn->norm_backward(nn, d, layer_gradient(m, gradients, layer, ATTENTION_NORM_WEIGHT),
                      layer_gradient(m, gradients, layer, ATTENTION_NORM_BIAS), d, l->attention_sum, l->attention_mean,
                      l->attention_rstd, layer_weight(m, layer, ATTENTION_NORM_WEIGHT), queries, hidden);
    const float *dz = through_dropout(nn, a, d, drop, nn_site(layer + 1, NN_SITE_ATTENTION_OUTPUT), queries, hidden);
    weight_gradient(nn, layer_gradient(m, gradients, layer, ATTENTION_OUTPUT_WEIGHT),
                    layer_gradient(m, gradients, layer, ATTENTION_OUTPUT_BIAS), dz, hidden, l->context, hidden, queries,
                    hidden, hidden, !a->overwrite);
    nn->linear_grad_input(nn, a->d_context, hidden, dz, hidden, layer_weight(m, layer, ATTENTION_OUTPUT_WEIGHT),
                          queries, hidden, hidden, false);
}

/* A layer of all tokens: q, k and v of all tokens are one product. d: [P, hidden], in place. */
static void backward_projections(const struct model *m, const struct nn *nn, size_t layer, struct activations *a,
                                 const struct batch *b, const struct nn_attention *attention, float *gradients)
{
    static const enum layer_parameter projection[] = {QUERY_WEIGHT, KEY_WEIGHT, VALUE_WEIGHT};
    struct layer_activations *l = &a->layers[layer];
    size_t hidden = (size_t)m->config.hidden_size, ld = 3 * hidden;
    nn->attention_backward(nn, a->d_qkv, ld, a->d_qkv + hidden, a->d_qkv + 2 * hidden, ld, a->d_context, hidden,
                           l->probabilities, l->q, l->ldq, l->k, l->v, l->ldkv, attention);
    clear_tail(nn, a->d_qkv, b->tokens, b->padded_tokens, ld);
    weight_gradient(nn, layer_gradient(m, gradients, layer, QUERY_WEIGHT),
                    layer_gradient(m, gradients, layer, QUERY_BIAS), a->d_qkv, ld, l->input, hidden, b->padded_tokens,
                    ld, hidden, !a->overwrite);
    if (model_is_joined(m, layer)) {
        nn->linear_grad_input(nn, a->d_output, hidden, a->d_qkv, ld, layer_weight(m, layer, QUERY_WEIGHT),
                              b->padded_tokens, ld, hidden, true);
        return;
    }
    for (size_t i = 0; i < 3; i++) /* mapped weights lie apart */
        nn->linear_grad_input(nn, a->d_output, hidden, a->d_qkv + i * hidden, ld, layer_weight(m, layer, projection[i]),
                              b->padded_tokens, hidden, hidden, true);
}

/* A last layer of first tokens: a->d_first is the gradient of the first tokens' residual branch; sets a->d_output of
 * all tokens. */
static void backward_projections_first(const struct model *m, const struct nn *nn, size_t layer, struct activations *a,
                                       const struct batch *b, const struct nn_attention *attention, float *gradients)
{
    struct layer_activations *l = &a->layers[layer];
    size_t hidden = (size_t)m->config.hidden_size, ld = 2 * hidden;
    float *dq = a->d_qkv + b->padded_tokens * ld, *dk = a->d_qkv, *dv = dk + hidden;
    nn->attention_backward(nn, dq, hidden, dk, dv, ld, a->d_context, hidden, l->probabilities, l->q, l->ldq, l->k, l->v,
                           l->ldkv, attention);
    clear_tail(nn, dk, b->tokens, b->padded_tokens, ld);
    clear_tail(nn, dq, b->rows, b->padded_rows, hidden);
    weight_gradient(nn, layer_gradient(m, gradients, layer, QUERY_WEIGHT),
                    layer_gradient(m, gradients, layer, QUERY_BIAS), dq, hidden, l->input_first, hidden, b->padded_rows,
                    hidden, hidden, !a->overwrite);
    weight_gradient(nn, layer_gradient(m, gradients, layer, KEY_WEIGHT), layer_gradient(m, gradients, layer, KEY_BIAS),
                    dk, ld, l->input, hidden, b->padded_tokens, ld, hidden, !a->overwrite);
    nn->linear_grad_input(nn, a->d_first, hidden, dq, hidden, layer_weight(m, layer, QUERY_WEIGHT), b->padded_rows,
                          hidden, hidden, true);
    if (model_is_joined(m, layer)) {
        nn->linear_grad_input(nn, a->d_output, hidden, dk, ld, layer_weight(m, layer, KEY_WEIGHT), b->padded_tokens, ld,
                              hidden, false);
    } else {
        nn->linear_grad_input(nn, a->d_output, hidden, dk, ld, layer_weight(m, layer, KEY_WEIGHT), b->padded_tokens,
                              hidden, hidden, false);
        nn->linear_grad_input(nn, a->d_output, hidden, dv, ld, layer_weight(m, layer, VALUE_WEIGHT), b->padded_tokens,
                              hidden, hidden, true);
    }
    nn->scatter_add_rows(nn, a->d_output, a->d_first, b->offsets, b->rows, hidden);
}

static void backward_layer(const struct model *m, const struct nn *nn, size_t layer, struct activations *a,
                           const struct batch *b, const struct model_dropout *dropout, float *gradients)
{
    bool first_only = a->layers[layer].input_first != NULL;
    size_t queries = first_only ? b->padded_rows : b->padded_tokens;
    struct nn_attention attention = attention_of_layer(m, layer, a, b, dropout);
    struct nn_dropout drop = first_only ? dropout_of_rows(dropout, dropout ? dropout->hidden : 0, b)
                                        : dropout_of_tokens(dropout, dropout ? dropout->hidden : 0, b);
    float *d = first_only ? a->d_first : a->d_output;
    backward_feed_forward(m, nn, layer, a, d, &drop, queries, gradients);
    backward_attention_output(m, nn, layer, a, d, &drop, queries, gradients);
    if (first_only)
        backward_projections_first(m, nn, layer, a, b, &attention, gradients);
    else
        backward_projections(m, nn, layer, a, b, &attention, gradients);
}

/* a->d_pooled += from the gradient of the logits. */
static void backward_classifier(const struct model *m, const struct nn *nn, struct activations *a,
                                const struct batch *b, const struct model_dropout *dropout, float *gradients)
{
    size_t hidden = (size_t)m->config.hidden_size;
    struct nn_dropout drop = dropout_of_rows(dropout, dropout ? dropout->classifier : 0, b);
    weight_gradient(nn, head_gradient(m, gradients, CLASSIFIER_WEIGHT), head_gradient(m, gradients, CLASSIFIER_BIAS),
                    a->d_logits, m->classes, a->pooled_dropped, hidden, b->rows, m->classes, hidden, true);
    nn->linear_grad_input(nn, a->d_dropped, hidden, a->d_logits, m->classes, head_weight(m, CLASSIFIER_WEIGHT), b->rows,
                          m->classes, hidden, false);
    clear_tail(nn, a->d_dropped, b->rows, b->padded_rows, hidden);
    nn->dropout(nn, a->d_dropped, a->d_dropped, &drop, nn_site(0, NN_SITE_CLASSIFIER), b->padded_rows, hidden);
    nn->add(nn, a->d_pooled, a->d_dropped, b->padded_rows * hidden);
}

/* From the gradients of logits and sentence vectors that of the last layer's first tokens: sets a->d_first, or adds to
 * a->d_output where the last layer is one of all tokens. */
static void backward_head(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b,
                          const struct model_dropout *dropout, float *gradients)
{
    size_t hidden = (size_t)m->config.hidden_size;
    if (!parameters_have_head(&m->parameters, POOLER_WEIGHT)) {
        if (!a->all_tokens)
            nn->zero(nn, a->d_first, b->padded_rows * hidden);
        return;
    }
    if (m->classes)
        backward_classifier(m, nn, a, b, dropout, gradients);
    nn->tanh_backward(nn, a->d_pooled, a->d_pooled, a->pooled, b->padded_rows * hidden);
    weight_gradient(nn, head_gradient(m, gradients, POOLER_WEIGHT), head_gradient(m, gradients, POOLER_BIAS),
                    a->d_pooled, hidden, a->first, hidden, b->padded_rows, hidden, hidden, true);
    nn->linear_grad_input(nn, a->d_first, hidden, a->d_pooled, hidden, head_weight(m, POOLER_WEIGHT), b->padded_rows,
                          hidden, hidden, false);
    if (a->all_tokens)
        nn->scatter_add_rows(nn, a->d_output, a->d_first, b->offsets, b->rows, hidden);
}

static void backward_embeddings(const struct model *m, const struct nn *nn, struct activations *a,
                                const struct batch *b, const struct model_dropout *dropout, float *gradients)
{
    const struct parameter *p = m->parameters.list;
    size_t hidden = (size_t)m->config.hidden_size;
    struct nn_dropout drop = dropout_of_tokens(dropout, dropout ? dropout->hidden : 0, b);
    nn->dropout(nn, a->d_output, a->d_output, &drop, nn_site(0, NN_SITE_EMBEDDINGS), b->padded_tokens, hidden);
    nn->norm_backward(nn, a->d_output, embedding_gradient(m, gradients, EMBEDDING_NORM_WEIGHT),
                      embedding_gradient(m, gradients, EMBEDDING_NORM_BIAS), a->d_output, a->embedding_sum,
                      a->embedding_mean, a->embedding_rstd, p[EMBEDDING_NORM_WEIGHT].value, b->padded_tokens, hidden);
    if (!gradients)
        return;
    nn->embed_backward(nn, gradients + p[WORD_EMBEDDINGS].offset, gradients + p[POSITION_EMBEDDINGS].offset,
                       gradients + p[TOKEN_TYPE_EMBEDDINGS].offset, a->d_output, b->ids, b->token, b->types, b->tokens,
                       hidden, m->config.pad_token_id);
}

static void clear_gradients(void *argument)
{
    const struct pass *p = argument;
    size_t hidden = (size_t)p->m->config.hidden_size;
    p->nn->zero(p->nn, p->a->d_pooled, p->b->padded_rows * hidden);
    p->nn->zero(p->nn, p->a->d_logits, p->b->padded_rows * p->m->classes);
    if (p->a->d_tokens)
        p->nn->zero(p->nn, p->a->d_tokens, p->b->padded_tokens * hidden);
}

void model_clear_gradients(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b)
{
    struct pass p = {.m = m, .nn = nn, .a = a, .b = b};
    nn->parallel(nn, clear_gradients, &p);
}

static void backward(void *argument)
{
    const struct pass *p = argument;
    backward_head(p->m, p->nn, p->a, p->b, p->dropout, p->gradients);
    for (size_t layer = (size_t)p->m->config.num_hidden_layers; layer-- > 0;)
        backward_layer(p->m, p->nn, layer, p->a, p->b, p->dropout, p->gradients);
    backward_embeddings(p->m, p->nn, p->a, p->b, p->dropout, p->gradients);
}

void model_backward(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b,
                    const struct model_dropout *dropout, float *gradients)
{
    struct pass p = {.m = m, .nn = nn, .a = a, .b = b, .dropout = dropout, .gradients = gradients};
    nn->parallel(nn, backward, &p);
    a->overwrite = false;
}

static void clear_layers(void *argument)
{
    const struct pass *p = argument;
    const struct parameters *parameters = &p->m->parameters;
    for (size_t i = 0; i < parameters->n; i++)
        if (parameter_is_overwritten(parameters, i))
            p->nn->zero(p->nn, p->gradients + parameters->list[i].offset, parameters->list[i].size);
}

void model_clear_overwritten(const struct model *m, const struct nn *nn, struct activations *a, float *gradients)
{
    struct pass p = {.m = m, .nn = nn, .gradients = gradients};
    if (!a->overwrite)
        return;
    nn->parallel(nn, clear_layers, &p);
    a->overwrite = false;
}
