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
#include "wire/json.h"

struct soft_state {
    struct teacher teacher;
    size_t classes;
    double temperature;
    float *softened, *d_softened; /* [classes] of a row, where there is a temperature */
};

static void release(struct objective *o)
{
    struct soft_state *state = o->state;
    if (state) {
        teacher_free(&state->teacher);
        free(state->softened);
        free(state->d_softened);
    }
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
    if (teacher_estimate(&state->teacher, setting->rows, setting->classes, err) < 0)
        return -1;
    if (state->teacher.rows_with == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a teacher's answer, which the objective term 'soft' needs; run groq-reason before "
                         "wp-tokenize, or leave the term out of --objective");
    if (state->temperature != 1) {
        soften(state, setting->rows->n);
        state->softened = xmalloc_array(state->classes, sizeof *state->softened);
        state->d_softened = xmalloc_array(state->classes, sizeof *state->d_softened);
    }
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

/* l of one row at the temperature; its gradient by the logits is T (p' - q'). */
static double softened(const struct soft_state *state, const float *logits, const double *target, double scale,
                       float *d_logits)
{
    double t = state->temperature;
    for (size_t c = 0; c < state->classes; c++) {
        state->softened[c] = (float)(logits[c] / t);
        state->d_softened[c] = 0;
    }
    double loss = cross_entropy(state->softened, target, 0, state->classes, scale * t, state->d_softened);
    for (size_t c = 0; d_logits && c < state->classes; c++)
        d_logits[c] += state->d_softened[c];
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

/* A cut that is none, because all confidences are equal, is null. */
static void add_numbers(struct buf *json, const char *name, const double *values, size_t n)
{
    buf_addf(json, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        buf_addstr(json, i > 0 ? "," : "");
        if (isfinite(values[i]))
            json_add_double(json, values[i]);
        else
            buf_addstr(json, "null");
    }
    buf_addch(json, ']');
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct teacher *t = &((const struct soft_state *)o->state)->teacher;
    buf_addf(json, ",\"soft_rows\":%zu,\"soft_rows_with_gold\":%zu,\"soft_rows_agreeing\":%zu", t->rows_with,
             t->rows_with_gold, t->rows_agreeing);
    if (t->rows_with_gold > 0) {
        buf_addstr(json, ",\"soft_teacher_accuracy\":");
        json_add_double(json, (double)t->rows_agreeing / (double)t->rows_with_gold);
    }
    if (!t->calibrated)
        return;
    add_numbers(json, "soft_confidence_edges", t->edges, TEACHER_BINS - 1);
    add_numbers(json, "soft_right", t->right, TEACHER_BINS);
}

const struct objective_kind objective_soft = {.name = "soft",
                                              .reads = OBJECTIVE_ROWS | OBJECTIVE_LOGITS,
                                              .prepare = prepare,
                                              .count = count,
                                              .add = add,
                                              .describe = describe,
                                              .release = release};
