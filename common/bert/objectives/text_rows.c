/* text_rows.c - see text_rows.h. */
#include "bert/objectives/text_rows.h"

#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"

void text_rows_label(struct text_rows *t, int32_t label)
{
    if (t->n == t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 64;
        t->labels = xrealloc_array(t->labels, t->capacity, sizeof *t->labels);
    }
    t->labels[t->n++] = label;
}

double text_rows_loss(const struct text_rows *t, struct objective_pass *p, double scale)
{
    size_t k = p->classes;
    double loss = 0;
    for (size_t i = 0; i < p->n_rows; i++) {
        size_t at = (p->first_row + i) * k;
        loss +=
            cross_entropy(p->logits + at, NULL, (size_t)t->labels[i], k, scale, p->d_logits ? p->d_logits + at : NULL);
    }
    return loss;
}

void text_rows_free(struct text_rows *t)
{
    free(t->labels);
    *t = (struct text_rows){0};
}

int text_rows_two_classes(size_t classes, const char *term, const char *what, struct error *err)
{
    if (classes == 2)
        return 0;
    return error_set(err, STATUS_FAILURE,
                     "the objective term '%s' needs two classes, because %s; there are %zu, so leave it out of "
                     "--objective",
                     term, what, classes);
}
