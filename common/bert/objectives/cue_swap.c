/* cue_swap.c - the term `cue-swap`: the sentence with its decisive spans exchanged for spans of other sentences, as a
 * further row, l = - log p_label.
 *
 * With probability 1/2 a row keeps its label and each of its spans (cue_spans.h) makes room for a span of the same
 * polarity, else the label is the other one and each span makes room for one of the other polarity. The spans come from
 * all training rows; which ones, follows from the seed and the row's number in the run, so each epoch has other
 * sentences. After the automatically generated counterfactuals of Wang, Culotta 2021 (arXiv:2012.10040), which take
 * causal words from a first classifier and their opposites from a dictionary; here the teacher names both.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "bert/objectives/cue_spans.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/text_rows.h"

enum { RNG_CUE_SWAP = 14 }; /* stream of random numbers (rng.h) that the seed gives */

/* A span of a training row, as text to be put elsewhere. */
struct donor {
    uint64_t row;
    size_t begin, end;
};

struct donors {
    struct donor *spans;
    size_t n, capacity;
};

struct cue_swap_state {
    struct text_rows further;
    const struct rows *rows; /* of the donors */
    struct donors donors[2]; /* by polarity */
    size_t most;             /* tokens of a row */
    uint64_t key;
    size_t usable;  /* of all training rows */
    struct buf ids; /* of one row */
};

static void release(struct objective *o)
{
    struct cue_swap_state *state = o->state;
    if (state) {
        text_rows_free(&state->further);
        buf_free(&state->ids);
        free(state->donors[0].spans);
        free(state->donors[1].spans);
    }
    free(state);
    o->state = NULL;
}

/* The row's spans without its first and its last token, which are special and stay. */
static size_t find_spans(const struct rows *rows, uint64_t row, struct cue_span spans[CUE_SPANS_MOST])
{
    size_t length, n = cue_spans_find(rows, row, 2, spans), kept = 0;
    rows_list(rows, "ids", row, &length);
    for (size_t j = 0; j < n; j++) {
        struct cue_span span = spans[j];
        span.begin += span.begin == 0;
        span.end -= span.end == length;
        if (span.begin < span.end)
            spans[kept++] = span;
    }
    return kept;
}

static void add_donor(struct donors *donors, uint64_t row, const struct cue_span *span)
{
    if (donors->n == donors->capacity) {
        donors->capacity = 2 * donors->capacity + 64;
        donors->spans = xrealloc_array(donors->spans, donors->capacity, sizeof *donors->spans);
    }
    donors->spans[donors->n++] = (struct donor){row, span->begin, span->end};
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct cue_swap_state *state = o->state = xcalloc(1, sizeof *state);
    struct cue_span spans[CUE_SPANS_MOST];
    struct rng rng;
    if (text_rows_two_classes(setting->classes, o->kind->name, "a span is favourable or not", err) < 0)
        return -1;
    state->rows = setting->rows;
    state->most = (size_t)setting->config->max_position_embeddings;
    for (size_t i = 0; i < setting->rows->n; i++) {
        size_t n = find_spans(setting->rows, i, spans);
        state->usable += n > 0;
        for (size_t j = 0; j < n; j++)
            add_donor(&state->donors[spans[j].label], i, &spans[j]);
    }
    if (state->donors[0].n == 0 || state->donors[1].n == 0)
        return error_set(err, STATUS_FAILURE,
                         "there are no cues of both polarities that stand in their sentences (%zu unfavourable, %zu "
                         "favourable), which the objective term 'cue-swap' needs; run groq-reason before wp-tokenize, "
                         "or leave the term out of --objective",
                         state->donors[0].n, state->donors[1].n);
    rng_init(&rng, setting->seed, RNG_CUE_SWAP);
    state->key = rng_u64(&rng);
    return 0;
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    struct cue_span spans[CUE_SPANS_MOST];
    size_t used = 0;
    (void)o;
    for (size_t i = 0; i < rows->n; i++)
        used += find_spans(rows->rows, rows->which[i], spans) > 0;
    return (double)used;
}

/* A random number of a place of the run's row `number`; place 0 decides whether the label stays. */
static uint32_t draw(const struct cue_swap_state *state, uint64_t number, uint32_t place)
{
    uint32_t random[4];
    rng_of_row(state->key, number, place, 2, random);
    return random[0];
}

static void put(struct cue_swap_state *state, const int32_t *ids, size_t n)
{
    buf_add(&state->ids, ids, n * sizeof *ids);
}

/* Sets state->ids to the row with other spans, cut before its last token to what the encoder takes; returns how many
 * tokens. */
static size_t exchange(struct cue_swap_state *state, const struct rows *rows, uint64_t row, uint64_t number,
                       const struct cue_span *spans, size_t n, bool flip)
{
    size_t length, at = 0, donor_length;
    const int32_t *ids = rows_list(rows, "ids", row, &length);
    state->ids.len = 0;
    for (size_t j = 0; j < n; j++) {
        const struct donors *donors = &state->donors[flip ? 1 - spans[j].label : spans[j].label];
        const struct donor *donor = &donors->spans[(uint64_t)draw(state, number, (uint32_t)j + 1) * donors->n >> 32];
        put(state, ids + at, spans[j].begin - at);
        put(state, rows_list(state->rows, "ids", donor->row, &donor_length) + donor->begin, donor->end - donor->begin);
        at = spans[j].end;
    }
    put(state, ids + at, length - 1 - at);
    size_t made = state->ids.len / sizeof *ids;
    if (made > state->most - 1) {
        made = state->most - 1;
        state->ids.len = made * sizeof *ids;
    }
    put(state, &ids[length - 1], 1);
    return made + 1;
}

static void add_rows(struct objective *o, const struct objective_rows *rows, struct batch *b)
{
    struct cue_swap_state *state = o->state;
    struct cue_span spans[CUE_SPANS_MOST];
    state->further.n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        uint64_t row = rows->which[i], number = objective_number(o, rows->first_number + i, 0);
        size_t n = find_spans(rows->rows, row, spans);
        if (n == 0)
            continue;
        bool flip = draw(state, number, 0) & 1;
        size_t length = exchange(state, rows->rows, row, number, spans, n, flip);
        int32_t label = reasoning_label(rows->rows, row);
        batch_add(b, (const int32_t *)(const void *)state->ids.data, NULL, length, number);
        text_rows_label(&state->further, flip ? 1 - label : label);
    }
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct cue_swap_state *state = o->state;
    return text_rows_loss(&state->further, p, scale);
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct cue_swap_state *state = o->state;
    buf_addf(json, ",\"cue-swap_rows\":%zu,\"cue-swap_spans\":[%zu,%zu]", state->usable, state->donors[0].n,
             state->donors[1].n);
}

const struct objective_kind objective_cue_swap = {.name = "cue-swap",
                                                  .reads = OBJECTIVE_LOGITS,
                                                  .stream = 9,
                                                  .prepare = prepare,
                                                  .count = count,
                                                  .add_rows = add_rows,
                                                  .add = add,
                                                  .describe = describe,
                                                  .release = release};
