/* cues.c - the term `cues`: which words of the sentence the teacher called decisive, told from each token's state.
 *
 * A head of four classes (cues.h) reads the state of each token that is text. With p = softmax(head) and the token's
 * mark in the column `cues`,
 *
 *     l_i = - log p_none, - log p_favourable, ...     or - log (p_favourable + p_unfavourable + p_modifier)
 *
 * where a decisive token has no polarity of its own. A row's l is the mean of its tokens' l_i, marked ones with the
 * weight min(5, unmarked / marked tokens of all training rows). Rows whose cues are unknown are not used. Token-level
 * rationale supervision as in HateXplain (Mathew et al. 2021) and ER-Test (Joshi et al. 2022).
 */
#include "bert/objectives/cues.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/piece_words.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/small_head.h"

struct cues_state {
    uint8_t *is_text; /* [tokens of the vocabulary] a piece that has a letter or a digit and is not special */
    double marked_weight;
    size_t rows, marked, unmarked; /* of all training rows */
};

static void release(struct objective *o)
{
    struct cues_state *state = o->state;
    if (state)
        free(state->is_text);
    free(state);
    o->state = NULL;
}

/* The marks of a row, NULL where they are unknown; reasoning against a gold label does not count. */
static const uint8_t *marks_of(const struct rows *rows, uint64_t row)
{
    const struct column *cues = rows_find(rows, "cues");
    const int64_t *offsets = column_offsets(rows_find(rows, "ids"));
    const uint8_t *marks = cues ? column_u8(cues) + offsets[row] : NULL;
    return marks && marks[0] != CUE_ROW_UNMARKED && reasoning_label(rows, row) >= 0 ? marks : NULL;
}

static void count_tokens(struct cues_state *state, const struct rows *rows, uint64_t row)
{
    size_t n;
    const int32_t *ids = rows_list(rows, "ids", row, &n);
    const uint8_t *marks = marks_of(rows, row);
    state->rows += marks != NULL;
    for (size_t i = 0; marks && i < n; i++)
        if (state->is_text[ids[i]])
            marks[i] == CUE_NONE ? state->unmarked++ : state->marked++;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct cues_state *state = o->state = xcalloc(1, sizeof *state);
    size_t vocabulary = (size_t)setting->config->vocab_size;
    state->is_text = xcalloc(vocabulary, 1);
    for (size_t i = 0; i < vocabulary && i < setting->tokens->n; i++)
        state->is_text[i] = piece_word_is_text(setting->tokens, &(int32_t){(int32_t)i}, 1);
    for (uint64_t row = 0; row < setting->rows->n; row++)
        count_tokens(state, setting->rows, row);
    if (state->marked == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a cue of its teacher that stands in the sentence, which the objective term 'cues' "
                         "needs; run groq-reason before wp-tokenize, or leave the term out of --objective");
    state->marked_weight = fmin(5, (double)state->unmarked / (double)state->marked);
    if (state->marked_weight == 0) /* every token is marked */
        state->marked_weight = 1;
    return 0;
}

static void add_heads(const struct objective *o, const struct bert_config *config, struct model_heads *heads)
{
    (void)o;
    model_heads_add(heads, CUES_WEIGHT, CUES_CLASSES, (size_t)config->hidden_size);
    model_heads_add(heads, CUES_BIAS, CUES_CLASSES, 1);
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    size_t used = 0;
    (void)o;
    for (size_t i = 0; i < rows->n; i++)
        used += marks_of(rows->rows, rows->which[i]) != NULL;
    return (double)used;
}

/* l_i of one token; d[CUES_CLASSES] = its gradient by the head's outputs. */
static double token_loss(const float *z, uint8_t mark, double *d)
{
    static const int class_of[] = {[CUE_NONE] = CUES_NONE,
                                   [CUE_FAVOURABLE] = CUES_FAVOURABLE,
                                   [CUE_UNFAVOURABLE] = CUES_UNFAVOURABLE,
                                   [CUE_MODIFIER] = CUES_MODIFIER};
    double p[CUES_CLASSES];
    softmax_of_logits(z, CUES_CLASSES, p);
    double wanted = mark == CUE_DECISIVE ? p[1] + p[2] + p[3] : p[class_of[mark]];
    wanted = fmax(wanted, 1e-300);
    for (int c = 0; c < CUES_CLASSES; c++) {
        bool is_wanted = mark == CUE_DECISIVE ? c != CUES_NONE : c == class_of[mark];
        d[c] = p[c] - (is_wanted ? p[c] / wanted : 0);
    }
    return -log(wanted);
}

static double row_loss(const struct cues_state *state, const struct small_head *head, struct objective_pass *p,
                       size_t i, double scale)
{
    uint64_t row = p->part.which[i];
    const uint8_t *marks = marks_of(p->part.rows, row);
    size_t n, words = 0, hidden = head->weight->cols;
    const int32_t *ids = rows_list(p->part.rows, "ids", row, &n);
    double loss = 0, d[CUES_CLASSES];
    for (size_t t = 0; t < n; t++)
        words += state->is_text[ids[t]];
    for (size_t t = 0; t < n; t++) {
        size_t at = ((size_t)p->batch->offsets[i] + t) * hidden;
        float z[CUES_CLASSES], dz[CUES_CLASSES];
        if (!state->is_text[ids[t]])
            continue;
        double weight = (marks[t] == CUE_NONE ? 1 : state->marked_weight) / (double)words;
        small_head_forward(head, p->tokens + at, z);
        loss += weight * token_loss(z, marks[t], d);
        for (int c = 0; c < CUES_CLASSES; c++)
            dz[c] = (float)(scale * weight * d[c]);
        if (p->gradients)
            small_head_backward(head, p->gradients, p->tokens + at, dz, p->d_tokens + at);
    }
    return loss;
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct small_head head = small_head_find(p->model, CUES_WEIGHT, CUES_BIAS);
    double loss = 0;
    for (size_t i = 0; i < p->part.n; i++)
        if (marks_of(p->part.rows, p->part.which[i]))
            loss += row_loss(o->state, &head, p, i, scale);
    return loss;
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct cues_state *state = o->state;
    buf_addf(json, ",\"cues_rows\":%zu,\"cues_marked_tokens\":%zu,\"cues_marked_weight\":%.6g", state->rows,
             state->marked, state->marked_weight);
}

const struct objective_kind objective_cues = {.name = "cues",
                                              .reads = OBJECTIVE_ROWS | OBJECTIVE_TOKENS,
                                              .prepare = prepare,
                                              .add_heads = add_heads,
                                              .count = count,
                                              .add = add,
                                              .describe = describe,
                                              .release = release};
