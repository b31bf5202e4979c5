/* mlm_head.c - see mlm_head.h. */
#include "bert/objectives/mlm_head.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { SLICE_FLOATS = 1 << 21 };

static const char dense_weight[] = "cls.predictions.transform.dense.weight";
static const char dense_bias[] = "cls.predictions.transform.dense.bias";
static const char norm_weight[] = "cls.predictions.transform.LayerNorm.weight";
static const char norm_bias[] = "cls.predictions.transform.LayerNorm.bias";
static const char decoder_bias[] = "cls.predictions.bias";

void mlm_head_add(const struct bert_config *config, struct model_heads *heads)
{
    size_t hidden = (size_t)config->hidden_size;
    model_heads_add(heads, decoder_bias, (size_t)config->vocab_size, 1);
    model_heads_add(heads, dense_weight, hidden, hidden);
    model_heads_add(heads, dense_bias, hidden, 1);
    model_heads_add(heads, norm_weight, hidden, 1);
    model_heads_add(heads, norm_bias, hidden, 1);
}

void mlm_head_free(struct mlm_head *h)
{
    free(h->slab);
    *h = (struct mlm_head){0};
}

static size_t round_up(size_t n)
{
    return (n + 15) / 16 * 16;
}

/* How many tokens' logits are computed at once. */
static size_t slice_of(size_t vocabulary)
{
    size_t n = SLICE_FLOATS / vocabulary / 16 * 16;
    return n < 16 ? 16 : n;
}

/* Lays the slab out for n tokens, a multiple of 16; it grows on demand and is kept. */
static void layout(struct mlm_head *h, size_t n, size_t hidden, size_t vocabulary)
{
    size_t slice = slice_of(vocabulary), wide = n * round_up(hidden);
    size_t need = 5 * wide + 2 * n + slice * (round_up(vocabulary) + 2 + 1);
    if (need > h->capacity) {
        h->capacity = need + need / 4;
        free(h->slab);
        h->slab = xaligned(h->capacity * sizeof *h->slab);
    }
    h->states = h->slab;
    h->z = h->states + wide;
    h->derivative = h->z + wide;
    h->normalised = h->derivative + wide;
    h->d = h->normalised + wide;
    h->mean = h->d + wide;
    h->rstd = h->mean + n;
    h->logits = h->rstd + n;
    h->loss = (double *)(h->logits + slice * round_up(vocabulary));
    h->right = (uint8_t *)(h->loss + slice);
}

struct head_weights {
    const struct parameter *words, *bias, *dense, *dense_bias, *norm, *norm_bias;
};

static struct head_weights weights_of(const struct model *m)
{
    const struct parameters *p = &m->parameters;
    return (struct head_weights){&p->list[WORD_EMBEDDINGS],        parameters_find(p, decoder_bias),
                                 parameters_find(p, dense_weight), parameters_find(p, dense_bias),
                                 parameters_find(p, norm_weight),  parameters_find(p, norm_bias)};
}

/* One call of mlm_head_loss, as every thread gets it. */
struct work {
    struct mlm_head *h;
    struct objective_pass *p;
    struct head_weights w;
    const uint32_t *at;
    const int32_t *labels;
    size_t n, padded; /* tokens; the same filled up */
    double scale;
    double loss;
    size_t right;
};

/* The logits and losses of tokens begin .. begin + n and, where gradients are wanted, what the way back gives: h->d of
 * the slice, the gradients of the word embeddings and of the bias. */
static void decode(struct work *k, size_t begin, size_t n)
{
    struct mlm_head *h = k->h;
    const struct head_weights *w = &k->w;
    const struct nn *nn = k->p->nn;
    size_t hidden = w->words->cols, vocabulary = w->words->rows, real = k->n - begin < n ? k->n - begin : n;
    const float *y = h->normalised + begin * hidden;
    float *gradients = k->p->gradients;
    nn->linear(nn, h->logits, vocabulary, y, hidden, w->words->value, w->bias->value, n, vocabulary, hidden);
    nn->cross_entropy(nn, h->logits, h->loss, h->right, k->labels + begin, k->scale, real, vocabulary);
#pragma omp single
    for (size_t i = 0; i < real; i++) {
        k->loss += h->loss[i];
        k->right += h->right[i];
    }
    if (!gradients)
        return;
    if (n > real)
        nn->zero(nn, h->logits + real * vocabulary, (n - real) * vocabulary);
    nn->linear_grad_weight(nn, gradients + w->words->offset, gradients + w->bias->offset, h->logits, vocabulary, y,
                           hidden, n, vocabulary, hidden, true);
    nn->linear_grad_input(nn, h->d + begin * hidden, hidden, h->logits, vocabulary, w->words->value, n, vocabulary,
                          hidden, false);
}

static void transform(struct mlm_head *h, const struct objective_pass *p, const struct head_weights *w, size_t n)
{
    const struct bert_config *c = &p->model->config;
    const struct nn *nn = p->nn;
    size_t hidden = (size_t)c->hidden_size;
    nn->linear(nn, h->z, hidden, h->states, hidden, w->dense->value, NULL, n, hidden, hidden);
    nn->bias_activation(nn, c->hidden_act, h->z, h->derivative, h->z, w->dense_bias->value, n, hidden);
    nn->add_norm(nn, h->normalised, h->z, h->mean, h->rstd, h->z, NULL, NULL, w->norm->value, w->norm_bias->value,
                 (float)c->layer_norm_eps, NULL, 0, n, hidden);
}

/* From h->d, the gradient of what the decoder reads, to that of the states, which it becomes. */
static void transform_backward(struct mlm_head *h, const struct objective_pass *p, const struct head_weights *w,
                               size_t n)
{
    const struct nn *nn = p->nn;
    size_t hidden = w->words->cols;
    float *g = p->gradients;
    nn->norm_backward(nn, h->d, g + w->norm->offset, g + w->norm_bias->offset, h->d, h->z, h->mean, h->rstd,
                      w->norm->value, n, hidden);
    nn->multiply(nn, h->d, h->derivative, n * hidden);
    nn->linear_grad_weight(nn, g + w->dense->offset, g + w->dense_bias->offset, h->d, hidden, h->states, hidden, n,
                           hidden, hidden, true);
    nn->linear_grad_input(nn, h->z, hidden, h->d, hidden, w->dense->value, n, hidden, hidden, false);
}

static void forward_and_backward(void *argument)
{
    struct work *k = argument;
    struct mlm_head *h = k->h;
    struct objective_pass *p = k->p;
    size_t hidden = k->w.words->cols, slice = slice_of(k->w.words->rows);
#pragma omp for
    for (size_t i = 0; i < k->n; i++)
        memcpy(h->states + i * hidden, p->tokens + k->at[i] * hidden, hidden * sizeof *h->states);
    if (k->padded > k->n)
        p->nn->zero(p->nn, h->states + k->n * hidden, (k->padded - k->n) * hidden);
    transform(h, p, &k->w, k->padded);
    for (size_t begin = 0; begin < k->padded; begin += slice)
        decode(k, begin, k->padded - begin < slice ? k->padded - begin : slice);
    if (!p->gradients)
        return;
    transform_backward(h, p, &k->w, k->padded);
#pragma omp for
    for (size_t i = 0; i < k->n; i++)
        for (size_t j = 0; j < hidden; j++)
            p->d_tokens[k->at[i] * hidden + j] += h->z[i * hidden + j];
}

double mlm_head_loss(struct mlm_head *h, struct objective_pass *p, const uint32_t *at, const int32_t *labels, size_t n,
                     double scale)
{
    struct work k = {.h = h, .p = p, .w = weights_of(p->model), .at = at, .labels = labels, .n = n, .scale = scale};
    if (n == 0)
        return 0;
    size_t multiple = p->nn->row_multiple;
    k.padded = (n + multiple - 1) / multiple * multiple;
    layout(h, k.padded, k.w.words->cols, k.w.words->rows);
    p->nn->parallel(p->nn, forward_and_backward, &k);
    p->right += k.right;
    return k.loss;
}
