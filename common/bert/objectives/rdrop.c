/* rdrop.c - the term `rdrop`: R-Drop (Liang et al. 2021, arXiv:2106.14448), no reasoning but the same computation as a
 * term with one further row a row.
 *
 * Rows that have a label go through the encoder once more, with other dropout; with p and p' the two answers,
 *
 *     l = (KL(p || p') + KL(p' || p)) / 2,
 *
 * whose gradient goes into both. The cross-entropy with the label is the term `label`, of the first pass.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/reasoning.h"

struct rdrop_state {
    size_t classes;
    double *p; /* [2, classes] of a row */
};

static bool is_used(const struct rows *rows, uint64_t row)
{
    return column_i32(rows_find(rows, "label"))[row] >= 0;
}

static void release(struct objective *o)
{
    struct rdrop_state *state = o->state;
    if (state)
        free(state->p);
    free(state);
    o->state = NULL;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct rdrop_state *state = o->state = xcalloc(1, sizeof *state);
    state->classes = setting->classes;
    state->p = xmalloc_array(2 * state->classes, sizeof *state->p);
    for (uint64_t i = 0; i < setting->rows->n; i++)
        if (is_used(setting->rows, i))
            return 0;
    return error_set(err, STATUS_FAILURE,
                     "no row has a gold label (0, 1, ...), which the objective term 'rdrop' needs; label some rows, or "
                     "take the teacher's with --label-source gold-or-teacher");
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    size_t used = 0;
    (void)o;
    for (size_t i = 0; i < rows->n; i++)
        used += is_used(rows->rows, rows->which[i]);
    return (double)used;
}

static void add_rows(struct objective *o, const struct objective_rows *rows, struct batch *b)
{
    const struct column *types = rows_find(rows->rows, "types");
    const int64_t *offsets = column_offsets(rows_find(rows->rows, "ids"));
    for (size_t i = 0; i < rows->n; i++) {
        size_t n;
        const int32_t *ids = rows_list(rows->rows, "ids", rows->which[i], &n);
        if (is_used(rows->rows, rows->which[i]))
            batch_add(b, ids, types ? column_u8(types) + offsets[rows->which[i]] : NULL, n,
                      objective_number(o, rows->first_number + i, 0));
    }
}

/* The symmetric divergence of logits a and b; gradients += scale x its own. */
static double divergence(const struct rdrop_state *state, const float *a, const float *b, double scale, float *da,
                         float *db)
{
    size_t k = state->classes;
    double *p = state->p, *q = state->p + k, loss = 0, mean_p = 0, mean_q = 0;
    softmax_of_logits(a, k, p);
    softmax_of_logits(b, k, q);
    /* log p - log q is a - b but for a constant, which every sum below cancels */
    for (size_t c = 0; c < k; c++) {
        double t = (double)a[c] - (double)b[c];
        loss += 0.5 * (p[c] - q[c]) * t;
        mean_p += p[c] * t;
        mean_q += q[c] * t;
    }
    for (size_t c = 0; da && c < k; c++) {
        double t = (double)a[c] - (double)b[c];
        da[c] += (float)(scale * 0.5 * (p[c] * (t - mean_p) + p[c] - q[c]));
        db[c] += (float)(scale * 0.5 * (q[c] * (mean_q - t) + q[c] - p[c]));
    }
    return loss;
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct rdrop_state *state = o->state;
    size_t k = p->classes, second = p->first_row;
    double loss = 0;
    for (size_t i = 0; i < p->part.n; i++) {
        if (!is_used(p->part.rows, p->part.which[i]))
            continue;
        loss += divergence(state, p->logits + i * k, p->logits + second * k, scale,
                           p->d_logits ? p->d_logits + i * k : NULL, p->d_logits ? p->d_logits + second * k : NULL);
        second++;
    }
    return loss;
}

const struct objective_kind objective_rdrop = {.name = "rdrop",
                                               .reads = OBJECTIVE_ROWS | OBJECTIVE_LOGITS,
                                               .stream = 6,
                                               .prepare = prepare,
                                               .count = count,
                                               .add_rows = add_rows,
                                               .add = add,
                                               .release = release};
