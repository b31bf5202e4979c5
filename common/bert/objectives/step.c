/* step.c - the loss of a step: which rows go through the encoder, and the sum over terms and batches. */
#include <string.h>

#include "bert/objectives/objective.h"

uint64_t objective_number(const struct objective *o, uint64_t number, unsigned sub)
{
    return number | (uint64_t)o->kind->stream << 56 | (uint64_t)sub << 48;
}

void objectives_count(struct objectives *o, const struct objective_rows *step)
{
    for (size_t i = 0; i < o->n; i++)
        o->terms[i].count = o->terms[i].kind->count(&o->terms[i], step);
}

void objectives_fill(struct objectives *o, const struct objective_rows *part, struct batch *b)
{
    batch_begin(b);
    if (o->reads & OBJECTIVE_ROWS)
        batch_add_rows(b, part->rows, part->which, part->n, part->first_number);
    for (size_t i = 0; i < o->n; i++) {
        struct objective *term = &o->terms[i];
        term->first_row = b->rows;
        if (term->kind->add_rows)
            term->kind->add_rows(term, part, b);
        term->n_rows = b->rows - term->first_row;
    }
    batch_end(b);
}

double objectives_add(struct objectives *o, struct objective_pass *p)
{
    double loss = 0;
    for (size_t i = 0; i < o->n; i++) {
        const struct objective *term = &o->terms[i];
        double scale = term->count > 0 ? term->weight * term->factor / term->count : 0;
        if (scale == 0)
            continue;
        p->first_row = term->first_row;
        p->n_rows = term->n_rows;
        loss += scale * term->kind->add(term, p, scale);
    }
    return loss;
}

double objectives_pass(struct objectives *o, const struct model *m, const struct nn *nn, struct activations *a,
                       struct batch *b, const struct model_dropout *dropout, const struct objective_rows *part,
                       float *gradients, size_t *right)
{
    objectives_fill(o, part, b);
    if (b->rows == 0)
        return 0;
    if (gradients && o->before_pass)
        o->before_pass(o->before_pass_context, b);
    model_forward(m, nn, a, b, dropout);
    struct objective_pass p = {.part = *part,
                               .batch = b,
                               .model = m,
                               .nn = nn,
                               .classes = m->classes,
                               .logits = a->logits,
                               .vectors = a->pooled,
                               .tokens = a->tokens};
    if (gradients) {
        model_clear_gradients(m, nn, a, b);
        p.d_logits = a->d_logits;
        p.d_vectors = a->d_pooled;
        p.d_tokens = a->d_tokens;
        p.gradients = gradients;
    }
    double loss = objectives_add(o, &p);
    if (gradients)
        model_backward(m, nn, a, b, dropout, gradients);
    if (right)
        *right += p.right;
    return loss;
}

double objectives_step(struct objectives *o, const struct model *m, const struct nn *nn, struct activations *a,
                       struct batch *b, const struct model_dropout *dropout, const struct objective_rows *step,
                       size_t batch_size, float *gradients)
{
    double loss = 0;
    objectives_count(o, step);
    for (size_t begin = 0; begin < step->n; begin += batch_size) {
        size_t n = step->n - begin < batch_size ? step->n - begin : batch_size;
        struct objective_rows part = {step->rows, step->which + begin, n, step->first_number + begin};
        loss += objectives_pass(o, m, nn, a, b, dropout, &part, gradients, NULL);
    }
    model_clear_overwritten(m, nn, a, gradients);
    return loss;
}
