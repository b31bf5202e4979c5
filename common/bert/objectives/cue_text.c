/* cue_text.c - the term `cue-text`: the spans that the teacher called decisive, each as a further row with a label of
 * its own (cue_spans.h), l = - log p_label.
 *
 * In the manner of the phrase labels of the Stanford Sentiment Treebank (Socher
 * et al. 2013), with a teacher in place of the people.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/cue_spans.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/text_rows.h"

struct cue_text_state {
    struct text_rows further;
    size_t classes;
    size_t spans; /* in all training rows */
    int32_t *ids; /* of one span with [CLS] and [SEP] */
    size_t ids_capacity;
};

static void release(struct objective *o)
{
    struct cue_text_state *state = o->state;
    if (state) {
        text_rows_free(&state->further);
        free(state->ids);
    }
    free(state);
    o->state = NULL;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct cue_text_state *state = o->state = xcalloc(1, sizeof *state);
    state->classes = setting->classes;
    for (size_t i = 0; i < setting->rows->n; i++)
        state->spans += cue_spans_find(setting->rows, i, state->classes, NULL);
    if (state->spans == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a cue of its teacher that stands in the sentence, which the objective term "
                         "'cue-text' needs; run groq-reason before wp-tokenize, or leave the term out of --objective");
    return 0;
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    const struct cue_text_state *state = o->state;
    size_t used = 0;
    for (size_t i = 0; i < rows->n; i++)
        used += cue_spans_find(rows->rows, rows->which[i], state->classes, NULL);
    return (double)used;
}

/* [CLS] span [SEP], where the row's own first and last token are those. */
static size_t span_ids(struct cue_text_state *state, const struct rows *rows, uint64_t row, const struct cue_span *span)
{
    size_t length, n = span->end - span->begin;
    const int32_t *ids = rows_list(rows, "ids", row, &length);
    if (n + 2 > state->ids_capacity) {
        state->ids_capacity = 2 * (n + 2);
        state->ids = xrealloc_array(state->ids, state->ids_capacity, sizeof *state->ids);
    }
    state->ids[0] = ids[0];
    for (size_t i = 0; i < n; i++)
        state->ids[1 + i] = ids[span->begin + i];
    state->ids[n + 1] = ids[length - 1];
    return n + 2;
}

static void add_rows(struct objective *o, const struct objective_rows *rows, struct batch *b)
{
    struct cue_text_state *state = o->state;
    struct cue_span spans[CUE_SPANS_MOST];
    state->further.n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        uint64_t row = rows->which[i];
        size_t n = cue_spans_find(rows->rows, row, state->classes, spans);
        for (size_t j = 0; j < n; j++) {
            size_t length = span_ids(state, rows->rows, row, &spans[j]);
            batch_add(b, state->ids, NULL, length, objective_number(o, rows->first_number + i, (unsigned)j));
            text_rows_label(&state->further, spans[j].label);
        }
    }
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct cue_text_state *state = o->state;
    return text_rows_loss(&state->further, p, scale);
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct cue_text_state *state = o->state;
    buf_addf(json, ",\"cue-text_rows\":%zu", state->spans);
}

const struct objective_kind objective_cue_text = {.name = "cue-text",
                                                  .reads = OBJECTIVE_LOGITS,
                                                  .stream = 3,
                                                  .prepare = prepare,
                                                  .count = count,
                                                  .add_rows = add_rows,
                                                  .add = add,
                                                  .describe = describe,
                                                  .release = release};
