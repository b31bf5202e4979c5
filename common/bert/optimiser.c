/* optimiser.c - see optimiser.h. */
#include "bert/optimiser.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

void optimiser_init(struct optimiser *o, const struct parameters *p)
{
    size_t vocabulary = p->list[WORD_EMBEDDINGS].rows;
    *o = (struct optimiser){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .size = p->slab_size, .lazy = true};
    o->gradients = xaligned(p->slab_size * sizeof(float));
    o->first = xaligned(p->slab_size * sizeof(float));
    o->second = xaligned(p->slab_size * sizeof(float));
    o->rates = xmalloc_array(p->n, sizeof *o->rates);
    for (size_t i = 0; i < p->n; i++)
        o->rates[i] = 1;
    o->cleared = xmalloc_array(p->n, sizeof *o->cleared);
    for (size_t i = 0; i < p->n; i++)
        if (i != WORD_EMBEDDINGS && !parameter_is_overwritten(p, i))
            o->cleared[o->n_cleared++] = (struct nn_part){p->list[i].offset, p->list[i].size};
    o->vocabulary = vocabulary;
    o->updated = xcalloc(vocabulary, sizeof *o->updated);
    o->noted = xcalloc(vocabulary, sizeof *o->noted);
    o->touched = xmalloc_array(vocabulary, sizeof *o->touched);
    o->row_squares = xmalloc_array(vocabulary, sizeof *o->row_squares);
    o->past_first = 1;
}

void optimiser_free(struct optimiser *o)
{
    free(o->gradients);
    free(o->first);
    free(o->second);
    free(o->rates);
    free(o->cleared);
    free(o->updated);
    free(o->noted);
    free(o->touched);
    free(o->row_squares);
    free(o->past);
    *o = (struct optimiser){0};
}

void optimiser_resume(struct optimiser *o, uint64_t step)
{
    o->step = step;
    o->past_first = step + 1;
    for (size_t i = 0; i < o->vocabulary; i++)
        o->updated[i] = step;
}

/* One call, as every thread gets it. */
struct work {
    struct optimiser *o;
    const struct nn *nn;
    const struct parameters *p;
    double learning_rate, norm;
    const int32_t *rows; /* to be brought up to date; NULL: all */
    size_t count;
};

/* Where the word embeddings end in a slab; they come first. */
static size_t words_end(const struct optimiser *o, const struct parameters *p)
{
    const struct parameter *words = &p->list[WORD_EMBEDDINGS];
    return o->lazy ? words->offset + words->size : 0;
}

static struct nn_adamw step_of(const struct optimiser *o, double learning_rate, double gradient_scale)
{
    return (struct nn_adamw){.learning_rate = learning_rate,
                             .beta1 = o->beta1,
                             .beta2 = o->beta2,
                             .epsilon = o->epsilon,
                             .gradient_scale = gradient_scale,
                             .step = o->step + 1};
}

static void clear(void *argument)
{
    struct work *w = argument;
    const struct parameter *words = &w->p->list[WORD_EMBEDDINGS];
    if (!w->o->lazy)
        w->nn->zero(w->nn, w->o->gradients + words->offset, words->size);
    w->nn->zero_parts(w->nn, w->o->gradients, w->o->cleared, w->o->n_cleared);
}

void optimiser_clear(struct optimiser *o, const struct nn *nn, const struct parameters *p)
{
    struct work w = {.o = o, .nn = nn, .p = p};
    nn->parallel(nn, clear, &w);
}

static void catch_up(void *argument)
{
    struct work *w = argument;
    struct optimiser *o = w->o;
    const struct parameter *q = &w->p->list[WORD_EMBEDDINGS];
    struct nn_adamw a = step_of(o, 0, 1);
    w->nn->adamw_catch_up(w->nn, w->p->slab + q->offset, o->first + q->offset, o->second + q->offset, w->rows, w->count,
                          q->cols, o->updated, o->past, o->past_first, o->step, &a);
}

void optimiser_touch(struct optimiser *o, const struct nn *nn, struct parameters *p, const int32_t *ids, size_t n)
{
    size_t before = o->n_touched;
    if (!o->lazy)
        return;
    for (size_t i = 0; i < n; i++) {
        if (o->noted[ids[i]] == o->step + 1)
            continue;
        o->noted[ids[i]] = o->step + 1;
        o->touched[o->n_touched++] = ids[i];
    }
    struct work w = {.o = o, .nn = nn, .p = p, .rows = o->touched + before, .count = o->n_touched - before};
    if (o->rates[WORD_EMBEDDINGS] != 0 && w.count > 0)
        nn->parallel(nn, catch_up, &w);
}

void optimiser_settle(struct optimiser *o, const struct nn *nn, struct parameters *p)
{
    struct work w = {.o = o, .nn = nn, .p = p, .count = o->vocabulary};
    if (!o->lazy || o->rates[WORD_EMBEDDINGS] == 0 || o->past_first > o->step)
        return;
    nn->parallel(nn, catch_up, &w);
    o->past_first = o->step + 1;
}

/* Remembers what this step does to a word without gradient. */
static void remember(struct optimiser *o, double learning_rate)
{
    size_t at = (size_t)(o->step + 1 - o->past_first);
    double rate = learning_rate * o->rates[WORD_EMBEDDINGS];
    if (at >= o->past_capacity) {
        o->past_capacity = at * 2 + 64;
        o->past = xrealloc_array(o->past, o->past_capacity, sizeof *o->past);
    }
    o->past[at] = (struct nn_adamw_past){
        .keep = (float)(1.0 - rate * o->weight_decay),
        .rate = (float)(rate / nn_adamw_correction(o->beta1, o->step + 1)),
        .inverse_root = (float)(1.0 / sqrt(nn_adamw_correction(o->beta2, o->step + 1))),
    };
}

/* Sum of squares over all gradients that count; those of frozen parameters become 0. */
static double squares(const struct work *w)
{
    struct optimiser *o = w->o;
    size_t begin = words_end(o, w->p), cols = w->p->list[WORD_EMBEDDINGS].cols;
    float *words = o->gradients + w->p->list[WORD_EMBEDDINGS].offset;
    for (size_t i = 0; i < w->p->n; i++)
        if (o->rates[i] == 0 && w->p->list[i].offset >= begin)
            w->nn->zero(w->nn, o->gradients + w->p->list[i].offset, w->p->list[i].size);
    double total = w->nn->sum_of_squares(w->nn, o->gradients + begin, o->size - begin);
    if (!o->lazy)
        return total;
    for (size_t i = 0; o->rates[WORD_EMBEDDINGS] == 0 && i < o->n_touched; i++)
        w->nn->zero(w->nn, words + (size_t)o->touched[i] * cols, cols);
    w->nn->row_squares(w->nn, o->row_squares, words, o->touched, o->n_touched, cols);
    for (size_t i = 0; i < o->n_touched; i++)
        total += o->row_squares[i];
    return total;
}

static void update_words(const struct work *w, struct nn_adamw *a)
{
    struct optimiser *o = w->o;
    const struct parameter *q = &w->p->list[WORD_EMBEDDINGS];
    a->weight_decay = o->weight_decay;
    a->learning_rate = w->learning_rate * o->rates[WORD_EMBEDDINGS];
    w->nn->adamw_rows(w->nn, w->p->slab + q->offset, o->first + q->offset, o->second + q->offset,
                      o->gradients + q->offset, o->touched, o->n_touched, q->cols, a);
}

static void update(void *argument)
{
    struct work *w = argument;
    struct optimiser *o = w->o;
    double norm = sqrt(squares(w));
    double factor = o->max_grad_norm > 0 ? o->max_grad_norm / (norm + 1e-6) : 1;
#pragma omp master
    w->norm = norm;
    if (!isfinite(norm))
        return;
    struct nn_adamw a = step_of(o, w->learning_rate, factor < 1 ? factor : 1);
    if (o->lazy && o->rates[WORD_EMBEDDINGS] != 0)
        update_words(w, &a);
    for (size_t i = 0; i < w->p->n; i++) {
        const struct parameter *q = &w->p->list[i];
        if (o->rates[i] == 0 || (o->lazy && i == WORD_EMBEDDINGS))
            continue;
        a.learning_rate = w->learning_rate * o->rates[i];
        a.weight_decay = q->decay ? o->weight_decay : 0;
        w->nn->adamw(w->nn, w->p->slab + q->offset, o->first + q->offset, o->second + q->offset,
                     o->gradients + q->offset, q->size, &a);
    }
}

double optimiser_update(struct optimiser *o, const struct nn *nn, struct parameters *p, double learning_rate)
{
    struct work w = {.o = o, .nn = nn, .p = p, .learning_rate = learning_rate};
    nn->parallel(nn, update, &w);
    if (!isfinite(w.norm))
        return w.norm;
    if (o->lazy && o->rates[WORD_EMBEDDINGS] != 0)
        remember(o, learning_rate);
    o->step++;
    for (size_t i = 0; i < o->n_touched; i++)
        o->updated[o->touched[i]] = o->step;
    o->n_touched = 0;
    return w.norm;
}

size_t optimiser_tensors(const struct optimiser *o, struct st_tensor out[OPTIMISER_TENSORS])
{
    out[0] = (struct st_tensor){.name = "exp_avg", .dtype = ST_F32, .rank = 1, .shape = {o->size}, .data = o->first};
    out[1] =
        (struct st_tensor){.name = "exp_avg_sq", .dtype = ST_F32, .rank = 1, .shape = {o->size}, .data = o->second};
    return OPTIMISER_TENSORS;
}
