/* mlm_head.c - see mlm_head.h. */
#include "bert/objectives/mlm_head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { SLICE_FLOATS = 1 << 21, BLOCK = 256 };

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

static float largest_of(const float *x, size_t n)
{
    float lanes[8], largest = x[0]; /* lanes, so that the compiler can compare several at once */
    size_t i = 0;
    for (size_t j = 0; j < 8; j++)
        lanes[j] = x[0];
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    for (; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (size_t j = 0; j < 8; j++)
        largest = lanes[j] > largest ? lanes[j] : largest;
    return largest;
}

/* x become exp(x - largest); returns their sum, in blocks, whose order is fixed. */
static double exponentials(float *x, size_t n, float largest)
{
    double total = 0;
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t end = n - begin < BLOCK ? n : begin + BLOCK;
        float sum = 0;
        for (size_t i = begin; i < end; i++)
            x[i] = expf(x[i] - largest);
#pragma omp simd reduction(+ : sum)
        for (size_t i = begin; i < end; i++)
            sum += x[i];
        total += (double)sum;
    }
    return total;
}

/* x[n]: logits in, scale x (softmax - one-hot) out. Returns l. */
static double softmax_row(float *x, size_t n, size_t label, double scale, uint8_t *right)
{
    float wanted = x[label], largest = largest_of(x, n);
    double total = exponentials(x, n, largest);
    float factor = (float)(scale / total);
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
    x[label] -= (float)scale;
    *right = wanted >= largest;
    return log(total) - ((double)wanted - (double)largest);
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

/* The slice's logits, losses and, unless gradients is NULL, what its way back gives: h->d of the slice, the gradients
 * of the word embeddings and of the bias. */
static double decode(struct mlm_head *h, const struct nn *nn, const struct head_weights *w, size_t begin, size_t n,
                     size_t real, const int32_t *labels, double scale, float *gradients, size_t *right)
{
    size_t hidden = w->words->cols, vocabulary = w->words->rows;
    const float *y = h->normalised + begin * hidden;
    double loss = 0;
    nn->linear(nn, h->logits, vocabulary, y, hidden, w->words->value, w->bias->value, n, vocabulary, hidden);
#pragma omp parallel for num_threads(nn->threads) schedule(static)
    for (size_t i = 0; i < real; i++)
        h->loss[i] =
            softmax_row(h->logits + i * vocabulary, vocabulary, (size_t)labels[begin + i], scale, &h->right[i]);
    for (size_t i = 0; i < real; i++) {
        loss += h->loss[i];
        *right += h->right[i];
    }
    if (!gradients)
        return loss;
    memset(h->logits + real * vocabulary, 0, (n - real) * vocabulary * sizeof *h->logits);
    nn->linear_grad_weight(nn, gradients + w->words->offset, gradients + w->bias->offset, h->logits, vocabulary, y,
                           hidden, n, vocabulary, hidden);
    nn->linear_grad_input(nn, h->d + begin * hidden, hidden, h->logits, vocabulary, w->words->value, n, vocabulary,
                          hidden, false);
    return loss;
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
                           hidden, hidden);
    nn->linear_grad_input(nn, h->z, hidden, h->d, hidden, w->dense->value, n, hidden, hidden, false);
}

double mlm_head_loss(struct mlm_head *h, struct objective_pass *p, const uint32_t *at, const int32_t *labels, size_t n,
                     double scale)
{
    struct head_weights w = weights_of(p->model);
    size_t hidden = w.words->cols, vocabulary = w.words->rows, padded = round_up(n), slice = slice_of(vocabulary);
    double loss = 0;
    if (n == 0)
        return 0;
    layout(h, padded, hidden, vocabulary);
    for (size_t i = 0; i < n; i++)
        memcpy(h->states + i * hidden, p->tokens + at[i] * hidden, hidden * sizeof *h->states);
    memset(h->states + n * hidden, 0, (padded - n) * hidden * sizeof *h->states);
    transform(h, p, &w, padded);
    for (size_t begin = 0; begin < padded; begin += slice) {
        size_t count = padded - begin < slice ? padded - begin : slice, real = n - begin < count ? n - begin : count;
        loss += decode(h, p->nn, &w, begin, count, real, labels, scale, p->gradients, &p->right);
    }
    if (!p->gradients)
        return loss;
    transform_backward(h, p, &w, padded);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < hidden; j++)
            p->d_tokens[at[i] * hidden + j] += h->z[i * hidden + j];
    return loss;
}
