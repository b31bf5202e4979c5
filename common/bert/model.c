/* model.c - making a model, and its forward pass; the way back is in backward.c. */
#include "bert/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bert/model_internal.h"

/* Copies the first token of each row of x[P, hidden]; the rest of out[N, hidden] is zero. */
static void gather_first(const struct nn *nn, float *out, const float *x, const struct batch *b, size_t hidden)
{
    nn->gather_rows(nn, out, x, b->offsets, b->rows, hidden);
    clear_tail(nn, out, b->rows, b->padded_rows, hidden);
}

/* q, k and v of all tokens; one product where that can be. */
static void project_all(const struct model *m, const struct nn *nn, size_t layer, const struct layer_activations *l,
                        size_t tokens, size_t hidden)
{
    const float *query = layer_weight(m, layer, QUERY_WEIGHT), *query_bias = layer_weight(m, layer, QUERY_BIAS);
    if (model_is_joined(m, layer)) {
        nn->linear(nn, l->q, l->ldq, l->input, hidden, query, query_bias, tokens, 3 * hidden, hidden);
        return;
    }
    nn->linear(nn, l->q, l->ldq, l->input, hidden, query, query_bias, tokens, hidden, hidden);
    nn->linear(nn, l->k, l->ldkv, l->input, hidden, layer_weight(m, layer, KEY_WEIGHT),
               layer_weight(m, layer, KEY_BIAS), tokens, hidden, hidden);
    nn->linear(nn, l->v, l->ldkv, l->input, hidden, layer_weight(m, layer, VALUE_WEIGHT),
               layer_weight(m, layer, VALUE_BIAS), tokens, hidden, hidden);
}

/* A last layer of first tokens: keys and values of all tokens, queries of the first ones. */
static void project_first(const struct model *m, const struct nn *nn, size_t layer, const struct layer_activations *l,
                          const struct batch *b, size_t hidden)
{
    gather_first(nn, l->input_first, l->input, b, hidden);
    nn->linear(nn, l->q, l->ldq, l->input_first, hidden, layer_weight(m, layer, QUERY_WEIGHT),
               layer_weight(m, layer, QUERY_BIAS), b->padded_rows, hidden, hidden);
    nn->linear(nn, l->k, l->ldkv, l->input, hidden, layer_weight(m, layer, KEY_WEIGHT),
               layer_weight(m, layer, KEY_BIAS), b->padded_tokens, hidden, hidden);
    nn->linear(nn, l->v, l->ldkv, l->input, hidden, layer_weight(m, layer, VALUE_WEIGHT),
               layer_weight(m, layer, VALUE_BIAS), b->padded_tokens, hidden, hidden);
}

static void forward_layer(const struct model *m, const struct nn *nn, size_t layer, struct activations *a,
                          const struct batch *b, const struct model_dropout *dropout)
{
    struct layer_activations *l = &a->layers[layer];
    size_t hidden = (size_t)m->config.hidden_size, intermediate = (size_t)m->config.intermediate_size;
    bool first_only = l->input_first != NULL;
    size_t queries = first_only ? b->padded_rows : b->padded_tokens, real = first_only ? b->rows : b->tokens;
    float epsilon = (float)m->config.layer_norm_eps;
    struct nn_attention attention = attention_of_layer(m, layer, a, b, dropout);
    struct nn_dropout drop = first_only ? dropout_of_rows(dropout, dropout ? dropout->hidden : 0, b)
                                        : dropout_of_tokens(dropout, dropout ? dropout->hidden : 0, b);
    if (first_only)
        project_first(m, nn, layer, l, b, hidden);
    else
        project_all(m, nn, layer, l, b->padded_tokens, hidden);
    nn->attention(nn, l->context, hidden, l->probabilities, l->q, l->ldq, l->k, l->v, l->ldkv, &attention);
    clear_tail(nn, l->context, real, queries, hidden);
    nn->linear(nn, l->attention_sum, hidden, l->context, hidden, layer_weight(m, layer, ATTENTION_OUTPUT_WEIGHT), NULL,
               queries, hidden, hidden);
    nn->add_norm(nn, l->attention_output, l->attention_sum, l->attention_mean, l->attention_rstd, l->attention_sum,
                 layer_weight(m, layer, ATTENTION_OUTPUT_BIAS), first_only ? l->input_first : l->input,
                 layer_weight(m, layer, ATTENTION_NORM_WEIGHT), layer_weight(m, layer, ATTENTION_NORM_BIAS), epsilon,
                 &drop, nn_site(layer + 1, NN_SITE_ATTENTION_OUTPUT), queries, hidden);
    float *z = l->derivative ? l->derivative : l->hidden;
    nn->linear(nn, z, intermediate, l->attention_output, hidden, layer_weight(m, layer, INTERMEDIATE_WEIGHT), NULL,
               queries, intermediate, hidden);
    nn->bias_activation(nn, m->config.hidden_act, l->hidden, l->derivative, z,
                        layer_weight(m, layer, INTERMEDIATE_BIAS), queries, intermediate);
    nn->linear(nn, l->output_sum, hidden, l->hidden, intermediate, layer_weight(m, layer, OUTPUT_WEIGHT), NULL, queries,
               hidden, intermediate);
    nn->add_norm(nn, l->output, l->output_sum, l->output_mean, l->output_rstd, l->output_sum,
                 layer_weight(m, layer, OUTPUT_BIAS), l->attention_output, layer_weight(m, layer, OUTPUT_NORM_WEIGHT),
                 layer_weight(m, layer, OUTPUT_NORM_BIAS), epsilon, &drop, nn_site(layer + 1, NN_SITE_OUTPUT), queries,
                 hidden);
}

/* given: a->embedding_sum is set already. */
static void forward_embeddings(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b,
                               const struct model_dropout *dropout, bool given)
{
    const struct parameter *p = m->parameters.list;
    size_t hidden = (size_t)m->config.hidden_size;
    struct nn_dropout drop = dropout_of_tokens(dropout, dropout ? dropout->hidden : 0, b);
    if (!given)
        nn->embed(nn, a->embedding_sum, p[WORD_EMBEDDINGS].value, p[POSITION_EMBEDDINGS].value,
                  p[TOKEN_TYPE_EMBEDDINGS].value, b->ids, b->token, b->types, b->tokens, hidden);
    clear_tail(nn, a->embedding_sum, b->tokens, b->padded_tokens, hidden);
    nn->add_norm(nn, a->embedding_output, a->embedding_sum, a->embedding_mean, a->embedding_rstd, a->embedding_sum,
                 NULL, NULL, p[EMBEDDING_NORM_WEIGHT].value, p[EMBEDDING_NORM_BIAS].value,
                 (float)m->config.layer_norm_eps, NULL, 0, b->padded_tokens, hidden);
    nn->dropout(nn, a->embedding_output, a->embedding_output, &drop, nn_site(0, NN_SITE_EMBEDDINGS), b->padded_tokens,
                hidden);
}

/* What the model has of pooler and classifier. */
static void forward_head(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b,
                         const struct model_dropout *dropout)
{
    size_t hidden = (size_t)m->config.hidden_size;
    struct nn_dropout drop = dropout_of_rows(dropout, dropout ? dropout->classifier : 0, b);
    if (!parameters_have_head(&m->parameters, POOLER_WEIGHT))
        return;
    if (a->all_tokens)
        gather_first(nn, a->first, a->tokens, b, hidden);
    nn->linear(nn, a->pooled, hidden, a->first, hidden, head_weight(m, POOLER_WEIGHT), head_weight(m, POOLER_BIAS),
               b->padded_rows, hidden, hidden);
    nn->tanh(nn, a->pooled, a->pooled, b->padded_rows * hidden);
    if (m->classes == 0)
        return;
    nn->dropout(nn, a->pooled_dropped, a->pooled, &drop, nn_site(0, NN_SITE_CLASSIFIER), b->padded_rows, hidden);
    nn->linear(nn, a->logits, m->classes, a->pooled_dropped, hidden, head_weight(m, CLASSIFIER_WEIGHT),
               head_weight(m, CLASSIFIER_BIAS), b->padded_rows, m->classes, hidden);
}

static void forward(void *argument)
{
    const struct pass *p = argument;
    forward_embeddings(p->m, p->nn, p->a, p->b, p->dropout, p->embedded);
    for (size_t layer = 0; layer < (size_t)p->m->config.num_hidden_layers; layer++)
        forward_layer(p->m, p->nn, layer, p->a, p->b, p->dropout);
    forward_head(p->m, p->nn, p->a, p->b, p->dropout);
}

void model_forward(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b,
                   const struct model_dropout *dropout)
{
    struct pass p = {.m = m, .nn = nn, .a = a, .b = b, .dropout = dropout};
    activations_layout(a, &m->config, m->classes, b);
    nn->parallel(nn, forward, &p);
}

void model_forward_embedded(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b)
{
    struct pass p = {.m = m, .nn = nn, .a = a, .b = b, .embedded = true};
    nn->parallel(nn, forward, &p);
}

struct preparation {
    const struct model *m;
    const struct nn *nn;
    enum nn_weights form;
};

static void prepare(void *argument)
{
    const struct preparation *p = argument;
    const struct model *m = p->m;
    size_t hidden = (size_t)m->config.hidden_size, layers = (size_t)m->config.num_hidden_layers;
    static const enum layer_parameter weights[] = {
        QUERY_WEIGHT, KEY_WEIGHT, VALUE_WEIGHT, ATTENTION_OUTPUT_WEIGHT, INTERMEDIATE_WEIGHT, OUTPUT_WEIGHT};
    for (size_t layer = 0; layer < layers; layer++) {
        bool joined = layer + 1 < layers && model_is_joined(m, layer);
        if (joined)
            p->nn->prepare_weight(p->nn, layer_weight(m, layer, QUERY_WEIGHT), 3 * hidden, hidden, p->form);
        for (size_t i = joined ? 3 : 0; i < sizeof weights / sizeof weights[0]; i++) {
            const struct parameter *w = &m->parameters.list[parameter_of_layer(layer, weights[i])];
            p->nn->prepare_weight(p->nn, w->value, w->rows, w->cols, p->form);
        }
    }
}

void model_prepare(const struct model *m, const struct nn *nn, enum nn_weights form)
{
    struct preparation p = {m, nn, form};
    nn->parallel(nn, prepare, &p);
}

int model_open(struct model *m, const char *folder, struct error *err)
{
    *m = (struct model){0};
    if (bert_config_read(&m->config, folder, err) < 0 || checkpoint_open(&m->checkpoint, folder, err) < 0) {
        model_free(m);
        return -1;
    }
    m->classes = checkpoint_num_labels(&m->checkpoint);
    return 0;
}

/* Whether auxiliary.safetensors has it; of another size it is of another run's head. */
static bool has_head(const struct checkpoint *c, const struct head_parameter *head)
{
    const struct st_tensor *tensor = c->auxiliary == SIZE_MAX ? NULL : st_find(&c->files[c->auxiliary], head->name);
    return tensor && tensor->elements == head->rows * head->cols;
}

int model_map_heads(struct model *m, const char *folder, model_add_heads *add_heads, struct error *err)
{
    struct model_heads wanted = {0}, heads = {.auxiliary = true};
    if (model_open(m, folder, err) < 0)
        return -1;
    if (m->classes == 0) {
        error_set(err, STATUS_USAGE, "%s has no classifier: it is an encoder; train it with bert-train -m %s first",
                  folder, folder);
        goto fail;
    }
    heads.classes = m->classes;
    if (add_heads)
        add_heads(&wanted, &m->config);
    for (size_t i = 0; i < wanted.n_of_objectives; i++) {
        const struct head_parameter *head = &wanted.of_objectives[i];
        if (has_head(&m->checkpoint, head))
            model_heads_add(&heads, head->name, head->rows, head->cols);
    }
    parameters_init_heads(&m->parameters, &m->config, &heads);
    model_heads_free(&heads);
    model_heads_free(&wanted);
    if (checkpoint_attach(&m->checkpoint, &m->parameters, NULL, NULL, err) == 0)
        return 0;
fail:
    model_free(m);
    return -1;
}

int model_map(struct model *m, const char *folder, struct error *err)
{
    return model_map_heads(m, folder, NULL, err);
}

int model_load(struct model *m, const struct model_heads *heads, uint64_t seed, bool *fresh, struct error *err)
{
    struct model_heads as_folder = {.classes = m->classes ? m->classes : m->config.n_labels};
    size_t *missing = NULL, n_missing = 0;
    *fresh = false;
    heads = heads ? heads : &as_folder;
    if (m->classes != heads->classes)
        m->checkpoint.has_classifier = false;
    m->classes = heads->classes;
    parameters_init_heads(&m->parameters, &m->config, heads);
    parameters_allocate(&m->parameters);
    if (checkpoint_attach(&m->checkpoint, &m->parameters, &missing, &n_missing, err) < 0) {
        model_free(m);
        return -1;
    }
    for (size_t i = 0; i < n_missing; i++) {
        parameter_initialise(&m->parameters, &m->parameters.list[missing[i]], &m->config, seed);
        *fresh |= m->classes && missing[i] == parameter_of_head(&m->parameters, CLASSIFIER_WEIGHT);
    }
    free(missing);
    checkpoint_close(&m->checkpoint);
    return 0;
}

void model_random(struct model *m, const struct bert_config *config, const struct model_heads *heads, uint64_t seed)
{
    *m = (struct model){.config = *config, .classes = heads->classes};
    parameters_init_heads(&m->parameters, &m->config, heads);
    parameters_allocate(&m->parameters);
    for (size_t i = 0; i < m->parameters.n; i++)
        parameter_initialise(&m->parameters, &m->parameters.list[i], &m->config, seed);
}

void model_free(struct model *m)
{
    parameters_free(&m->parameters);
    checkpoint_close(&m->checkpoint);
    bert_config_free(&m->config);
    *m = (struct model){0};
}

const char *model_architecture(const struct model *m)
{
    const struct parameter *mlm = parameters_find(&m->parameters, "cls.predictions.bias");
    return m->classes ? NULL : mlm && !mlm->auxiliary ? "BertForMaskedLM" : "BertModel";
}

int model_check_row(const struct model *m, const int32_t *ids, const uint8_t *types, size_t n, struct error *err)
{
    long positions = m->config.max_position_embeddings;
    if (n > (size_t)positions)
        return error_set(err, STATUS_FAILURE,
                         "%zu tokens, but the model has %ld positions; run wp-tokenize with --max-len %ld", n,
                         positions, positions);
    for (size_t t = 0; t < n; t++) {
        if (ids[t] < 0 || ids[t] >= m->config.vocab_size)
            return error_set(err, STATUS_FAILURE,
                             "token id %ld is not among the model's %ld tokens; run wp-tokenize -m with this model",
                             (long)ids[t], m->config.vocab_size);
        if (types && types[t] >= m->config.type_vocab_size)
            return error_set(err, STATUS_FAILURE,
                             "token type %d, but the model knows %ld types; it was not made for pairs, so run "
                             "wp-tokenize without --pair",
                             types[t], m->config.type_vocab_size);
    }
    return 0;
}

/* The further texts of rows, which terms make rows of. at_once: tokens that must fit the model's positions. */
static int check_lists(const struct model *m, const struct rows *rows, const char *name, size_t at_once,
                       struct error *err)
{
    const struct column *c = rows_find(rows, name);
    for (size_t i = 0; c && i < rows->n; i++) {
        size_t begin = (size_t)column_offsets(c)[i], end = (size_t)column_offsets(c)[i + 1];
        for (size_t n; begin < end; begin += n) {
            n = end - begin < at_once ? end - begin : at_once;
            if (model_check_row(m, column_i32(c) + begin, NULL, n, err) < 0)
                return error_prefix(err, "row %zu, %s", i + 1, name);
        }
    }
    return 0;
}

int model_check_rows(const struct model *m, const struct rows *rows, struct error *err)
{
    const struct column *ids = rows_find(rows, "ids"), *types = rows_find(rows, "types");
    for (size_t i = 0; i < rows->n; i++) {
        size_t begin = (size_t)column_offsets(ids)[i], n = (size_t)column_offsets(ids)[i + 1] - begin;
        if (model_check_row(m, column_i32(ids) + begin, types ? column_u8(types) + begin : NULL, n, err) < 0)
            return error_prefix(err, "row %zu", i + 1);
    }
    /* A reasoning is whole in the stream; a term that makes a row of it cuts it. */
    if (check_lists(m, rows, "reason_ids", (size_t)m->config.max_position_embeddings, err) < 0)
        return -1;
    return check_lists(m, rows, "edit_ids", SIZE_MAX, err);
}
