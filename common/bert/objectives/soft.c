/* soft.c - the term `soft`: cross-entropy with the teacher's probability q (teacher.h), l = - sum_c q_c log p_c.
 *
 * Distillation after Hinton, Vinyals, Dean 2015 at temperature 1, with a teacher that gives labels and confidences
 * rather than logits. Rows without a teacher's answer are not used.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/teacher.h"

struct soft_state {
    struct teacher teacher;
    size_t classes;
};

static void release(struct objective *o)
{
    struct soft_state *state = o->state;
    if (state)
        teacher_free(&state->teacher);
    free(state);
    o->state = NULL;
}

static int prepare(struct objective *o, const struct rows *rows, size_t classes, struct error *err)
{
    struct soft_state *state = o->state = xcalloc(1, sizeof *state);
    state->classes = classes;
    if (teacher_estimate(&state->teacher, rows, classes, err) < 0)
        return -1;
    if (state->teacher.rows_with == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a teacher's answer, which the objective term 'soft' needs; run groq-reason before "
                         "wp-tokenize, or leave the term out of --objective");
    return 0;
}

static const double *target_of(const struct objective *o, uint64_t row)
{
    const struct soft_state *state = o->state;
    const double *target = state->teacher.probabilities + row * state->classes;
    return target[0] >= 0 ? target : NULL;
}

static size_t count(const struct objective *o, const struct rows *rows, const uint64_t *which, size_t n)
{
    size_t used = 0;
    (void)rows;
    for (size_t i = 0; i < n; i++)
        used += target_of(o, which[i]) != NULL;
    return used;
}

static double add(const struct objective *o, const struct objective_batch *b, double scale)
{
    double loss = 0;
    for (size_t i = 0; i < b->n; i++) {
        const double *target = target_of(o, b->which[i]);
        if (target)
            loss +=
                cross_entropy(b->logits + i * b->classes, target, 0, b->classes, scale, b->d_logits + i * b->classes);
    }
    return loss;
}

const struct objective_kind objective_soft = {"soft", prepare, count, add, release};
