/* counterfactual.c - the term `counterfactual`: the sentence that the teacher edited as little as possible so that its
 * label flips, as a further row with the other label, l = - log p_other.
 *
 * After Kaushik, Hovy, Lipton 2020 (arXiv:1909.12434), whose edits were people's. Used where the teacher's label is not
 * contradicted by a gold one (reasoning.h).
 */
#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/text_rows.h"

struct counterfactual_state {
    struct text_rows further;
    size_t edits; /* in all training rows */
};

static void release(struct objective *o)
{
    struct counterfactual_state *state = o->state;
    if (state)
        text_rows_free(&state->further);
    free(state);
    o->state = NULL;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct counterfactual_state *state = o->state = xcalloc(1, sizeof *state);
    if (text_rows_two_classes(setting->classes, o->kind->name, "an edit has the label that its sentence has not", err) <
        0)
        return -1;
    for (size_t i = 0; i < setting->rows->n; i++)
        state->edits += reasoning_edit_label(setting->rows, i) >= 0;
    if (state->edits == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a counterfactual whose label is known, which the objective term 'counterfactual' "
                         "needs; ask for them with groq-reason, or leave the term out of --objective");
    return 0;
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    size_t used = 0;
    (void)o;
    for (size_t i = 0; i < rows->n; i++)
        used += reasoning_edit_label(rows->rows, rows->which[i]) >= 0;
    return (double)used;
}

static void add_rows(struct objective *o, const struct objective_rows *rows, struct batch *b)
{
    struct counterfactual_state *state = o->state;
    state->further.n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        int32_t label = reasoning_edit_label(rows->rows, rows->which[i]);
        size_t n;
        const int32_t *ids = rows_list(rows->rows, "edit_ids", rows->which[i], &n);
        if (label < 0)
            continue;
        batch_add(b, ids, NULL, n, objective_number(o, rows->first_number + i, 0));
        text_rows_label(&state->further, label);
    }
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct counterfactual_state *state = o->state;
    return text_rows_loss(&state->further, p, scale);
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct counterfactual_state *state = o->state;
    buf_addf(json, ",\"counterfactual_rows\":%zu", state->edits);
}

const struct objective_kind objective_counterfactual = {.name = "counterfactual",
                                                        .reads = OBJECTIVE_LOGITS,
                                                        .stream = 2,
                                                        .prepare = prepare,
                                                        .count = count,
                                                        .add_rows = add_rows,
                                                        .add = add,
                                                        .describe = describe,
                                                        .release = release};
