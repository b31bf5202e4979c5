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

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct soft_state *state = o->state = xcalloc(1, sizeof *state);
    state->classes = setting->classes;
    if (teacher_estimate(&state->teacher, setting->rows, setting->classes, err) < 0)
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

static double count(const struct objective *o, const struct objective_rows *rows)
{
    size_t used = 0;
    for (size_t i = 0; i < rows->n; i++)
        used += target_of(o, rows->which[i]) != NULL;
    return (double)used;
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    double loss = 0;
    for (size_t i = 0; i < p->part.n; i++) {
        const double *target = target_of(o, p->part.which[i]);
        if (target)
            loss += cross_entropy(p->logits + i * p->classes, target, 0, p->classes, scale,
                                  p->d_logits ? p->d_logits + i * p->classes : NULL);
    }
    return loss;
}

const struct objective_kind objective_soft = {.name = "soft",
                                              .reads = OBJECTIVE_ROWS | OBJECTIVE_LOGITS,
                                              .prepare = prepare,
                                              .count = count,
                                              .add = add,
                                              .release = release};
