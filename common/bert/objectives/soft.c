/* soft.c - the term `soft`: cross-entropy with the teacher's probability q (teacher.h), l = - sum_c q_c log p_c.
 *
 * Distillation after Hinton, Vinyals, Dean 2015 (arXiv:1503.02531), with a teacher that gives labels and confidences
 * rather than logits. At the temperature T
 *
 *     l = - T^2 sum_c q'_c log p'_c,     q' = q^(1/T) / sum q^(1/T),   p' = softmax(z / T)
 *
 * Rows without a teacher's answer are not used.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/teacher.h"

struct soft_state {
    struct teacher teacher;
    size_t classes;
    double temperature;
};

enum { MOST_CLASSES = 256 }; /* with a temperature */

static void release(struct objective *o)
{
    struct soft_state *state = o->state;
    if (state)
        teacher_free(&state->teacher);
    free(state);
    o->state = NULL;
}

/* q becomes q', in every row that has one. */
static void soften(struct soft_state *state, size_t rows)
{
    size_t k = state->classes;
    for (size_t i = 0; i < rows; i++) {
        double *q = state->teacher.probabilities + i * k, sum = 0;
        for (size_t c = 0; c < k && q[0] >= 0; c++)
            sum += q[c] = pow(q[c], 1 / state->temperature);
        for (size_t c = 0; c < k && q[0] >= 0; c++)
            q[c] /= sum;
    }
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct soft_state *state = o->state = xcalloc(1, sizeof *state);
    state->classes = setting->classes;
    state->temperature = setting->temperature > 0 ? setting->temperature : 1;
    if (state->temperature != 1 && state->classes > MOST_CLASSES)
        return error_set(err, STATUS_USAGE, "--temperature: there are %zu classes, more than %d", state->classes,
                         MOST_CLASSES);
    if (teacher_estimate(&state->teacher, setting->rows, setting->classes, err) < 0)
        return -1;
    if (state->teacher.rows_with == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a teacher's answer, which the objective term 'soft' needs; run groq-reason before "
                         "wp-tokenize, or leave the term out of --objective");
    if (state->temperature != 1)
        soften(state, setting->rows->n);
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

/* l of one row at the temperature. */
static double softened(const struct soft_state *state, const float *logits, const double *target, double scale,
                       float *d_logits)
{
    float z[MOST_CLASSES], d[MOST_CLASSES] = {0};
    double t = state->temperature;
    for (size_t c = 0; c < state->classes; c++)
        z[c] = (float)(logits[c] / t);
    double loss = cross_entropy(z, target, 0, state->classes, scale * t, d);
    for (size_t c = 0; d_logits && c < state->classes; c++)
        d_logits[c] += d[c];
    return t * t * loss;
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct soft_state *state = o->state;
    double loss = 0;
    for (size_t i = 0; i < p->part.n; i++) {
        const double *target = target_of(o, p->part.which[i]);
        const float *logits = p->logits + i * p->classes;
        float *d_logits = p->d_logits ? p->d_logits + i * p->classes : NULL;
        if (target && state->temperature == 1)
            loss += cross_entropy(logits, target, 0, p->classes, scale, d_logits);
        else if (target)
            loss += softened(state, logits, target, scale, d_logits);
    }
    return loss;
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct teacher *t = &((const struct soft_state *)o->state)->teacher;
    buf_addf(json, ",\"soft_rows\":%zu,\"soft_rows_with_gold\":%zu,\"soft_rows_agreeing\":%zu", t->rows_with,
             t->rows_with_gold, t->rows_agreeing);
    if (!t->calibrated)
        return;
    buf_addstr(json, ",\"soft_confidence_edges\":[");
    for (size_t i = 0; i < TEACHER_BINS - 1; i++)
        buf_addf(json, "%s%.6g", i ? "," : "", t->edges[i]);
    buf_addstr(json, "],\"soft_right\":[");
    for (size_t i = 0; i < TEACHER_BINS; i++)
        buf_addf(json, "%s%.6g", i ? "," : "", t->right[i]);
    buf_addstr(json, "]");
}

const struct objective_kind objective_soft = {.name = "soft",
                                              .reads = OBJECTIVE_ROWS | OBJECTIVE_LOGITS,
                                              .prepare = prepare,
                                              .count = count,
                                              .add = add,
                                              .describe = describe,
                                              .release = release};
