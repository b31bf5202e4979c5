/* mlm.c - the term `mlm`: masked language modelling (Devlin et al. 2019), which makes an encoder from text alone.
 *
 *     l = - log p(token | the row with some of its tokens masked)     for each masked token
 *
 * It makes a row of its own from each row, masked as masking.h says, and reads it with the head of mlm_head.h. Its
 * items are the masked tokens, so that a step's loss is their mean. Labels are not needed.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/masking.h"
#include "bert/objectives/mlm_head.h"
#include "bert/objectives/objective.h"

struct mlm_state {
    struct masking masking;
    struct mlm_head head;
    uint32_t *places; /* of the batch's masked tokens in the batch */
    int32_t *labels;
    size_t n, capacity;
};

static void release(struct objective *o)
{
    struct mlm_state *state = o->state;
    if (state) {
        masking_free(&state->masking);
        mlm_head_free(&state->head);
        free(state->places);
        free(state->labels);
    }
    free(state);
    o->state = NULL;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct mlm_state *state = o->state = xcalloc(1, sizeof *state);
    return masking_init(&state->masking, setting, err);
}

static void add_heads(const struct objective *o, const struct bert_config *config, struct model_heads *heads)
{
    (void)o;
    mlm_head_add(config, heads);
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    const struct mlm_state *state = o->state;
    const struct column *column = rows_find(rows->rows, "ids");
    const int64_t *offsets = column_offsets(column);
    size_t total = 0;
    for (size_t i = 0; i < rows->n; i++) {
        int64_t begin = offsets[rows->which[i]], end = offsets[rows->which[i] + 1];
        total += masking_apply(&state->masking, column_i32(column) + begin, (size_t)(end - begin),
                               objective_number(o, rows->first_number + i, 0), NULL, NULL, NULL);
    }
    return (double)total;
}

static void reserve(struct mlm_state *state, size_t n)
{
    if (n <= state->capacity)
        return;
    state->capacity = n + n / 4;
    state->places = xrealloc_array(state->places, state->capacity, sizeof *state->places);
    state->labels = xrealloc_array(state->labels, state->capacity, sizeof *state->labels);
}

static void add_rows(struct objective *o, const struct objective_rows *rows, struct batch *b)
{
    struct mlm_state *state = o->state;
    const struct column *column = rows_find(rows->rows, "ids"), *types = rows_find(rows->rows, "types");
    const int64_t *offsets = column_offsets(column);
    state->n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        size_t begin = (size_t)offsets[rows->which[i]], n = (size_t)offsets[rows->which[i] + 1] - begin;
        uint64_t number = objective_number(o, rows->first_number + i, 0);
        const int32_t *ids = column_i32(column) + begin;
        uint32_t first = (uint32_t)b->tokens;
        int32_t *shown = batch_add(b, ids, types ? column_u8(types) + begin : NULL, n, number);
        reserve(state, state->n + n);
        uint32_t *places = state->places + state->n;
        size_t masked = masking_apply(&state->masking, ids, n, number, places, state->labels + state->n, shown);
        for (size_t j = 0; j < masked; j++)
            places[j] += first;
        state->n += masked;
    }
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    struct mlm_state *state = o->state;
    return mlm_head_loss(&state->head, p, state->places, state->labels, state->n, scale);
}

const struct objective_kind objective_mlm = {.name = "mlm",
                                             .reads = OBJECTIVE_TOKENS,
                                             .stream = 1,
                                             .dense_word_gradient = true,
                                             .evaluates = true,
                                             .prepare = prepare,
                                             .add_heads = add_heads,
                                             .count = count,
                                             .add_rows = add_rows,
                                             .add = add,
                                             .release = release};
