/* optimiser.c - see optimiser.h. */
#include "bert/optimiser.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

void optimiser_init(struct optimiser *o, const struct parameters *p)
{
    *o = (struct optimiser){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .size = p->slab_size};
    o->gradients = xaligned(p->slab_size * sizeof(float));
    o->first = xaligned(p->slab_size * sizeof(float));
    o->second = xaligned(p->slab_size * sizeof(float));
    o->rates = xmalloc_array(p->n, sizeof *o->rates);
    for (size_t i = 0; i < p->n; i++)
        o->rates[i] = 1;
}

void optimiser_free(struct optimiser *o)
{
    free(o->gradients);
    free(o->first);
    free(o->second);
    free(o->rates);
    *o = (struct optimiser){0};
}

/* One call of optimiser_clear or optimiser_update, as every thread gets it. */
struct work {
    struct optimiser *o;
    const struct nn *nn;
    struct parameters *p;
    double learning_rate, norm;
};

static void clear(void *argument)
{
    struct work *w = argument;
    w->nn->zero(w->nn, w->o->gradients, w->o->size);
}

void optimiser_clear(struct optimiser *o, const struct nn *nn)
{
    struct work w = {.o = o, .nn = nn};
    nn->parallel(nn, clear, &w);
}

static void update(void *argument)
{
    struct work *w = argument;
    struct optimiser *o = w->o;
    for (size_t i = 0; i < w->p->n; i++)
        if (o->rates[i] == 0)
            w->nn->zero(w->nn, o->gradients + w->p->list[i].offset, w->p->list[i].size);
    double norm = sqrt(w->nn->sum_of_squares(w->nn, o->gradients, o->size));
    double factor = o->max_grad_norm > 0 ? o->max_grad_norm / (norm + 1e-6) : 1;
#pragma omp master
    w->norm = norm;
    if (!isfinite(norm))
        return;
    struct nn_adamw a = {.learning_rate = w->learning_rate,
                         .beta1 = o->beta1,
                         .beta2 = o->beta2,
                         .epsilon = o->epsilon,
                         .gradient_scale = factor < 1 ? factor : 1,
                         .step = o->step + 1};
    for (size_t i = 0; i < w->p->n; i++) {
        const struct parameter *q = &w->p->list[i];
        if (o->rates[i] == 0)
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
    o->step += isfinite(w.norm);
    return w.norm;
}

size_t optimiser_tensors(const struct optimiser *o, struct st_tensor out[OPTIMISER_TENSORS])
{
    out[0] = (struct st_tensor){.name = "exp_avg", .dtype = ST_F32, .rank = 1, .shape = {o->size}, .data = o->first};
    out[1] =
        (struct st_tensor){.name = "exp_avg_sq", .dtype = ST_F32, .rank = 1, .shape = {o->size}, .data = o->second};
    return OPTIMISER_TENSORS;
}
