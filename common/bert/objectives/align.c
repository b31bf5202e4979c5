/* align.c - the term `align`: a sentence's vector and its reasoning's find each other (InfoNCE, van den Oord et al.
 * 2018, arXiv:1807.03748; both ways as in CLIP, Radford et al. 2021).
 *
 * A reasoning alone, the words that name the verdict shown as [MASK], is a further row. With z = P h / |P h| of the
 * sentence vectors h, P of 128 rows for both sides, and the rows i, j of a batch that have a reasoning,
 *
 *     l_i = - 1/2 (log softmax_j(z_i . z'_j / 0.07)_i + log softmax_j(z_j . z'_i / 0.07)_i)
 *
 * Rows with the same ids as row i are none of its negatives. Negatives come from the batch, so that with gradient
 * accumulation a step is not what one large batch would be.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/small_head.h"
#include "bert/objectives/verdict.h"

static const char weight_name[] = "auxiliary.align.weight";
enum { WIDTH = 128 };
static const double temperature = 0.07;

struct align_state {
    struct verdict verdict;
    int32_t mask;
    size_t most;         /* tokens of a row */
    struct buf ids;      /* of one row */
    uint8_t *is_verdict; /* of one row */
    size_t capacity;
    uint32_t *place; /* [n] of the batch's rows with a reasoning, their number among its rows */
    uint64_t *row;   /* [n] and in the spool */
    size_t n, n_capacity;
    float *z;                     /* [2, n, WIDTH] projections: sentences, reasonings */
    double *length;               /* [2, n] */
    double *p;                    /* [n, n] similarities, then gradients */
    double *d;                    /* [2, n, WIDTH] */
    size_t reasonings, scratch_n; /* in all training rows; rows that the scratch fits */
};

static bool is_used(const struct rows *rows, uint64_t row)
{
    size_t n;
    rows_list(rows, "reason_ids", row, &n);
    return n > 0 && reasoning_label(rows, row) >= 0;
}

static void release(struct objective *o)
{
    struct align_state *state = o->state;
    if (state) {
        verdict_free(&state->verdict);
        buf_free(&state->ids);
        free(state->is_verdict);
        free(state->place);
        free(state->row);
        free(state->z);
        free(state->length);
        free(state->p);
        free(state->d);
    }
    free(state);
    o->state = NULL;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct align_state *state = o->state = xcalloc(1, sizeof *state);
    for (uint64_t i = 0; i < setting->rows->n; i++)
        state->reasonings += is_used(setting->rows, i);
    if (state->reasonings == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a reasoning, which the objective term 'align' needs; run groq-reason before "
                         "wp-tokenize, or leave the term out of --objective");
    state->mask = setting->tokens->mask;
    if (state->mask < 0)
        return error_set(err, STATUS_USAGE,
                         "the objective term 'align' hides words behind [MASK], which is not in the vocabulary; leave "
                         "the term out of --objective");
    state->most = (size_t)setting->config->max_position_embeddings;
    verdict_init(&state->verdict, setting);
    return 0;
}

static void add_heads(const struct objective *o, const struct bert_config *config, struct model_heads *heads)
{
    (void)o;
    model_heads_add(heads, weight_name, WIDTH, (size_t)config->hidden_size);
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    size_t used = 0;
    (void)o;
    for (size_t i = 0; i < rows->n; i++)
        used += is_used(rows->rows, rows->which[i]);
    return (double)used;
}

static void add_row(struct align_state *state, const struct rows *rows, uint64_t row, uint64_t number, struct batch *b)
{
    size_t begin, n = reasoning_row(rows, row, state->most, false, &state->ids, &begin);
    int32_t *shown = batch_add(b, (const int32_t *)(const void *)state->ids.data, NULL, n, number);
    if (n > state->capacity) {
        state->capacity = 2 * n;
        state->is_verdict = xrealloc_array(state->is_verdict, state->capacity, sizeof *state->is_verdict);
    }
    verdict_mark(&state->verdict, shown, n, state->is_verdict);
    for (size_t i = 0; i < n; i++)
        if (state->is_verdict[i])
            shown[i] = state->mask;
}

static void add_rows(struct objective *o, const struct objective_rows *rows, struct batch *b)
{
    struct align_state *state = o->state;
    if (rows->n > state->n_capacity) {
        state->n_capacity = rows->n;
        state->place = xrealloc_array(state->place, rows->n, sizeof *state->place);
        state->row = xrealloc_array(state->row, rows->n, sizeof *state->row);
    }
    state->n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (!is_used(rows->rows, rows->which[i]))
            continue;
        add_row(state, rows->rows, rows->which[i], objective_number(o, rows->first_number + i, 0), b);
        state->place[state->n] = (uint32_t)i;
        state->row[state->n++] = rows->which[i];
    }
}

static void reserve(struct align_state *state)
{
    size_t n = state->n;
    if (n <= state->scratch_n)
        return;
    state->scratch_n = n;
    state->z = xrealloc_array(state->z, 2 * n * WIDTH, sizeof *state->z);
    state->d = xrealloc_array(state->d, 2 * n * WIDTH, sizeof *state->d);
    state->length = xrealloc_array(state->length, 2 * n, sizeof *state->length);
    state->p = xrealloc_array(state->p, n * n, sizeof *state->p);
}

static const float *vector_of(const struct align_state *state, const struct objective_pass *p, size_t side, size_t i,
                              size_t hidden)
{
    return p->vectors + (side ? p->first_row + i : state->place[i]) * hidden;
}

/* z of both sides, of length 1. */
static void project(struct align_state *state, const struct small_head *head, const struct objective_pass *p)
{
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < state->n; i++) {
            float *z = state->z + (side * state->n + i) * WIDTH;
            double squares = 1e-24;
            small_head_forward(head, vector_of(state, p, side, i, head->weight->cols), z);
            for (size_t c = 0; c < WIDTH; c++)
                squares += (double)z[c] * z[c];
            state->length[side * state->n + i] = sqrt(squares);
            for (size_t c = 0; c < WIDTH; c++)
                z[c] = (float)(z[c] / sqrt(squares));
        }
}

static bool same_text(const struct rows *rows, uint64_t a, uint64_t b)
{
    size_t n, m;
    const int32_t *x = rows_list(rows, "ids", a, &n), *y = rows_list(rows, "ids", b, &m);
    return n == m && memcmp(x, y, n * sizeof *x) == 0;
}

/* p = similarities; -infinity where a row is no negative of another. */
static void compare(struct align_state *state, const struct rows *rows)
{
    size_t n = state->n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const float *x = state->z + i * WIDTH, *y = state->z + (n + j) * WIDTH;
            double sum = 0;
            for (size_t c = 0; c < WIDTH; c++)
                sum += (double)x[c] * y[c];
            bool negative = i == j || !same_text(rows, state->row[i], state->row[j]);
            state->p[i * n + j] = negative ? sum / temperature : -INFINITY;
        }
}

/* log sum exp over n values, step apart. */
static double log_sum(const double *x, size_t n, size_t step)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, x[i * step]);
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i * step] - largest);
    return largest + log(sum);
}

/* The sum of l; d = its gradient by the z of both sides. */
static double contrast(struct align_state *state)
{
    size_t n = state->n;
    double loss = 0;
    double *by_row = xmalloc_array(2 * n, sizeof *by_row), *by_column = by_row + n;
    memset(state->d, 0, 2 * n * WIDTH * sizeof *state->d);
    for (size_t i = 0; i < n; i++) {
        by_row[i] = log_sum(state->p + i * n, n, 1);
        by_column[i] = log_sum(state->p + i, n, n);
        loss += 0.5 * (by_row[i] + by_column[i]) - state->p[i * n + i];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double s = state->p[i * n + j];
            double g = (0.5 * (exp(s - by_row[i]) + exp(s - by_column[j])) - (i == j)) / temperature;
            for (size_t c = 0; c < WIDTH; c++) {
                state->d[i * WIDTH + c] += g * state->z[(n + j) * WIDTH + c];
                state->d[(n + j) * WIDTH + c] += g * state->z[i * WIDTH + c];
            }
        }
    free(by_row);
    return loss;
}

/* Through the normalisation and the projection. */
static void back(struct align_state *state, const struct small_head *head, struct objective_pass *p, double scale)
{
    size_t n = state->n, hidden = head->weight->cols;
    for (size_t k = 0; k < 2 * n; k++) {
        const float *z = state->z + k * WIDTH;
        const double *d = state->d + k * WIDTH;
        double along = 0;
        float dy[WIDTH];
        for (size_t c = 0; c < WIDTH; c++)
            along += d[c] * z[c];
        for (size_t c = 0; c < WIDTH; c++)
            dy[c] = (float)(scale * (d[c] - along * z[c]) / state->length[k]);
        const float *x = vector_of(state, p, k >= n, k % n, hidden);
        small_head_backward(head, p->gradients, x, dy, p->d_vectors + (x - p->vectors));
    }
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    struct align_state *state = o->state;
    const struct small_head head = small_head_find(p->model, weight_name, NULL);
    if (state->n == 0)
        return 0;
    reserve(state);
    project(state, &head, p);
    compare(state, p->part.rows);
    double loss = contrast(state);
    if (p->gradients)
        back(state, &head, p, scale);
    return loss;
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct align_state *state = o->state;
    buf_addf(json, ",\"align_rows\":%zu,\"align_verdict_words\":", state->reasonings);
    verdict_list(&state->verdict, json);
}

const struct objective_kind objective_align = {.name = "align",
                                               .reads = OBJECTIVE_ROWS | OBJECTIVE_VECTORS,
                                               .stream = 7,
                                               .prepare = prepare,
                                               .add_heads = add_heads,
                                               .count = count,
                                               .add_rows = add_rows,
                                               .add = add,
                                               .describe = describe,
                                               .release = release};
