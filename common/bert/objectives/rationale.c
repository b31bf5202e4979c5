/* rationale.c - the term `rationale`: masked language modelling of the reasoning, given the sentence.
 *
 * A further row `[CLS] sentence [SEP] reasoning [SEP]`, in which the sentence is whole, and of the reasoning's tokens
 * 40 % are masked as masking.h says, and all pieces of words that name the verdict (verdict.h) are shown as [MASK];
 *
 *     l = - log p(token | the rest)     for each masked token,
 *
 * through the head of mlm_head.h. At a low rate a reasoning would predict itself and the sentence would not be read
 * (high rates: Wettig et al. 2023, arXiv:2202.08005). Meant for a first run before the one that learns the labels, in
 * the manner of distilling step by step (Hsieh et al. 2023, arXiv:2305.02301) with an encoder in place of a decoder.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bert/objectives/masking.h"
#include "bert/objectives/mlm_head.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/verdict.h"

static const double masked_share = 0.4;

struct rationale_state {
    struct verdict verdict;
    struct masking masking;
    struct mlm_head head;
    size_t most; /* tokens of a row */
    bool types;  /* the model tells the second text from the first */
    /* of one row */
    struct buf ids, type_ids;
    uint8_t *is_verdict;
    uint32_t *chosen;
    int32_t *chosen_labels, *shown;
    size_t capacity;
    /* of the batch */
    uint32_t *places;
    int32_t *labels;
    size_t n, n_capacity;
    size_t reasonings; /* in all training rows */
};

static bool is_used(const struct rows *rows, uint64_t row)
{
    size_t n;
    rows_list(rows, "reason_ids", row, &n);
    return n > 0 && reasoning_label(rows, row) >= 0;
}

static void release(struct objective *o)
{
    struct rationale_state *state = o->state;
    if (state) {
        verdict_free(&state->verdict);
        masking_free(&state->masking);
        mlm_head_free(&state->head);
        buf_free(&state->ids);
        buf_free(&state->type_ids);
        free(state->is_verdict);
        free(state->chosen);
        free(state->chosen_labels);
        free(state->shown);
        free(state->places);
        free(state->labels);
    }
    free(state);
    o->state = NULL;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct rationale_state *state = o->state = xcalloc(1, sizeof *state);
    for (uint64_t i = 0; i < setting->rows->n; i++)
        state->reasonings += is_used(setting->rows, i);
    if (state->reasonings == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a reasoning, which the objective term 'rationale' needs; run groq-reason before "
                         "wp-tokenize, or leave the term out of --objective");
    if (masking_init(&state->masking, setting, err) < 0)
        return -1;
    state->masking.probability = masked_share;
    state->most = (size_t)setting->config->max_position_embeddings;
    state->types = setting->config->type_vocab_size > 1;
    verdict_init(&state->verdict, setting);
    return 0;
}

static void add_heads(const struct objective *o, const struct bert_config *config, struct model_heads *heads)
{
    (void)o;
    mlm_head_add(config, heads);
}

static void reserve_row(struct rationale_state *state, size_t n)
{
    if (n <= state->capacity)
        return;
    state->capacity = 2 * n;
    state->is_verdict = xrealloc_array(state->is_verdict, state->capacity, sizeof *state->is_verdict);
    state->chosen = xrealloc_array(state->chosen, state->capacity, sizeof *state->chosen);
    state->chosen_labels = xrealloc_array(state->chosen_labels, state->capacity, sizeof *state->chosen_labels);
    state->shown = xrealloc_array(state->shown, state->capacity, sizeof *state->shown);
}

/* Makes the row of `number` in ids, type_ids and shown, and chooses what is masked in it: chosen and chosen_labels in
 * ascending order. Returns how many; *length is the row's. */
static size_t make_row(struct rationale_state *state, const struct rows *rows, uint64_t row, uint64_t number,
                       size_t *length)
{
    size_t begin, n = reasoning_row(rows, row, state->most, true, &state->ids, &begin), found = 0;
    const int32_t *ids = (const int32_t *)(const void *)state->ids.data;
    reserve_row(state, n);
    memcpy(state->shown, ids, n * sizeof *ids);
    verdict_mark(&state->verdict, ids, n, state->is_verdict);
    size_t drawn = masking_apply(&state->masking, ids + begin, n - begin, number, state->chosen, state->chosen_labels,
                                 state->shown + begin);
    for (size_t i = 0; i < drawn; i++)
        state->is_verdict[begin + state->chosen[i]] |= 2;
    state->type_ids.len = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t type = i >= begin && state->types;
        buf_add(&state->type_ids, &type, 1);
        if (i < begin || i == n - 1 || !state->is_verdict[i])
            continue;
        if (state->is_verdict[i] & 1)
            state->shown[i] = state->masking.mask;
        state->chosen[found] = (uint32_t)i;
        state->chosen_labels[found++] = ids[i];
    }
    *length = n;
    return found;
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    struct rationale_state *state = o->state;
    size_t total = 0, length;
    for (size_t i = 0; i < rows->n; i++)
        if (is_used(rows->rows, rows->which[i]))
            total +=
                make_row(state, rows->rows, rows->which[i], objective_number(o, rows->first_number + i, 0), &length);
    return (double)total;
}

static void add_rows(struct objective *o, const struct objective_rows *rows, struct batch *b)
{
    struct rationale_state *state = o->state;
    state->n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        uint64_t number = objective_number(o, rows->first_number + i, 0);
        size_t length, first = b->tokens;
        if (!is_used(rows->rows, rows->which[i]))
            continue;
        size_t found = make_row(state, rows->rows, rows->which[i], number, &length);
        batch_add(b, state->shown, state->types ? (const uint8_t *)state->type_ids.data : NULL, length, number);
        if (state->n + found > state->n_capacity) {
            state->n_capacity = 2 * (state->n + found);
            state->places = xrealloc_array(state->places, state->n_capacity, sizeof *state->places);
            state->labels = xrealloc_array(state->labels, state->n_capacity, sizeof *state->labels);
        }
        for (size_t j = 0; j < found; j++) {
            state->places[state->n] = (uint32_t)first + state->chosen[j];
            state->labels[state->n++] = state->chosen_labels[j];
        }
    }
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    struct rationale_state *state = o->state;
    size_t right = p->right; /* these are tokens, and the pass counts what the classifier got right */
    double loss = mlm_head_loss(&state->head, p, state->places, state->labels, state->n, scale);
    p->right = right;
    return loss;
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct rationale_state *state = o->state;
    buf_addf(json, ",\"rationale_rows\":%zu,\"rationale_verdict_words\":", state->reasonings);
    verdict_list(&state->verdict, json);
}

const struct objective_kind objective_rationale = {.name = "rationale",
                                                   .reads = OBJECTIVE_TOKENS,
                                                   .stream = 8,
                                                   .dense_word_gradient = true,
                                                   .prepare = prepare,
                                                   .add_heads = add_heads,
                                                   .count = count,
                                                   .add_rows = add_rows,
                                                   .add = add,
                                                   .describe = describe,
                                                   .release = release};
