/* evaluate_objectives.c - the evaluation of a model without classifier; see evaluate.h. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "bert/evaluate.h"

enum { ROWS_AT_ONCE = 32 };

int evaluate_objectives(struct objectives *o, const struct model *m, const struct nn *nn, struct activations *a,
                        struct batch *b, const struct rows *rows, bool (*stop)(void), struct evaluation *e,
                        struct error *err)
{
    uint64_t *which = xmalloc_array(rows->n + 1, sizeof *which);
    size_t right = 0;
    double loss = 0;
    int status = 0;
    for (size_t i = 0; i < rows->n; i++)
        which[i] = i;
    struct objective_rows all = {rows, which, rows->n, OBJECTIVE_VALIDATION};
    objectives_count(o, &all);
    for (size_t begin = 0; begin < rows->n; begin += ROWS_AT_ONCE) {
        size_t n = rows->n - begin < ROWS_AT_ONCE ? rows->n - begin : ROWS_AT_ONCE;
        struct objective_rows part = {rows, which + begin, n, all.first_number + begin};
        if (stop && stop()) {
            status = 1;
            break;
        }
        loss += objectives_pass(o, m, nn, a, b, NULL, &part, NULL, &right);
    }
    free(which);
    if (status)
        return status;
    if (!isfinite(loss))
        return error_set(err, STATUS_FAILURE,
                         "on the validation rows the loss is not finite; try a smaller --learning-rate");
    *e = (struct evaluation){.rows = rows->n, .loss = loss};
    for (size_t i = 0; i < o->n; i++)
        e->tokens += (size_t)o->terms[i].count;
    e->score = (struct score){.accuracy = e->tokens ? (double)right / (double)e->tokens : NAN,
                              .macro_f1 = NAN,
                              .mcc = NAN,
                              .nll = NAN,
                              .brier = NAN,
                              .ece = NAN};
    return 0;
}
