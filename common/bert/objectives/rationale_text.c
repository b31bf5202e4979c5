/* rationale_text.c - the term `rationale-text`: the teacher's reasoning as a further row with the teacher's label,
 * l = - log p_label, where the words that name the verdict are shown as [MASK] (verdict.h).
 *
 * What a reasoning says of a sentence is text of the same opinion in other words; without the mask its label would be
 * read off the verdict. Used where no gold label contradicts the teacher (reasoning.h).
 */
#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/text_rows.h"
#include "bert/objectives/verdict.h"

struct rationale_text_state {
    struct text_rows further;
    struct verdict verdict;
    int32_t mask;
    size_t most;         /* tokens of a row */
    struct buf ids;      /* of one row */
    uint8_t *is_verdict; /* of one row */
    size_t capacity;
    size_t reasonings; /* in all training rows */
};

static int32_t label_of(const struct rows *rows, uint64_t row)
{
    size_t n;
    rows_list(rows, "reason_ids", row, &n);
    return n > 0 ? reasoning_label(rows, row) : -1;
}

static void release(struct objective *o)
{
    struct rationale_text_state *state = o->state;
    if (state) {
        text_rows_free(&state->further);
        verdict_free(&state->verdict);
        buf_free(&state->ids);
        free(state->is_verdict);
    }
    free(state);
    o->state = NULL;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct rationale_text_state *state = o->state = xcalloc(1, sizeof *state);
    for (size_t i = 0; i < setting->rows->n; i++)
        state->reasonings += label_of(setting->rows, i) >= 0;
    if (state->reasonings == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a reasoning, which the objective term 'rationale-text' needs; run groq-reason "
                         "before wp-tokenize, or leave the term out of --objective");
    state->mask = setting->tokens->mask;
    if (state->mask < 0)
        return error_set(err, STATUS_USAGE,
                         "the objective term 'rationale-text' hides words behind [MASK], which is not in the "
                         "vocabulary; leave the term out of --objective");
    state->most = (size_t)setting->config->max_position_embeddings;
    verdict_init(&state->verdict, setting);
    return 0;
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    size_t used = 0;
    (void)o;
    for (size_t i = 0; i < rows->n; i++)
        used += label_of(rows->rows, rows->which[i]) >= 0;
    return (double)used;
}

static void hide_verdict(struct rationale_text_state *state, int32_t *ids, size_t n)
{
    if (n > state->capacity) {
        state->capacity = 2 * n;
        state->is_verdict = xrealloc_array(state->is_verdict, state->capacity, sizeof *state->is_verdict);
    }
    verdict_mark(&state->verdict, ids, n, state->is_verdict);
    for (size_t i = 0; i < n; i++)
        if (state->is_verdict[i])
            ids[i] = state->mask;
}

static void add_rows(struct objective *o, const struct objective_rows *rows, struct batch *b)
{
    struct rationale_text_state *state = o->state;
    state->further.n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        int32_t label = label_of(rows->rows, rows->which[i]);
        size_t begin;
        if (label < 0)
            continue;
        size_t n = reasoning_row(rows->rows, rows->which[i], state->most, false, &state->ids, &begin);
        const int32_t *ids = (const int32_t *)(const void *)state->ids.data;
        hide_verdict(state, batch_add(b, ids, NULL, n, objective_number(o, rows->first_number + i, 0)), n);
        text_rows_label(&state->further, label);
    }
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct rationale_text_state *state = o->state;
    return text_rows_loss(&state->further, p, scale);
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct rationale_text_state *state = o->state;
    buf_addf(json, ",\"rationale-text_rows\":%zu,\"rationale-text_verdict_words\":", state->reasonings);
    verdict_list(&state->verdict, json);
}

const struct objective_kind objective_rationale_text = {.name = "rationale-text",
                                                        .reads = OBJECTIVE_LOGITS,
                                                        .stream = 4,
                                                        .prepare = prepare,
                                                        .count = count,
                                                        .add_rows = add_rows,
                                                        .add = add,
                                                        .describe = describe,
                                                        .release = release};
