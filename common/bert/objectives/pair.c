/* pair.c - the term `pair`: of a sentence and the teacher's minimal edit of it, the sentence must have more of its
 * label than the edit has.
 *
 * With s(x) = the logit of the sentence's label less that of the other one, x the sentence and x' its edit,
 *
 *     l = log(1 + exp(-(s(x) - s(x'))))
 *
 * the pairwise logistic loss of Burges et al. 2005 (RankNet). What the two sentences share cancels in the difference,
 * so its gradient is about the words that differ, where `counterfactual`, which may stand beside it, holds the sides.
 * Its items are the rows that have an edit of the other label; the edit goes through the encoder as a further row, with
 * random numbers of its own.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/text_rows.h"

/* The label of a row that makes a pair with its edit; -1: none. A control may give it an edit of the same label. */
static int32_t pair_label(const struct rows *rows, uint64_t row)
{
    int32_t label = reasoning_label(rows, row), edit = reasoning_edit_label(rows, row);
    return label >= 0 && edit == 1 - label ? label : -1;
}

static size_t count_pairs(const struct rows *rows, const uint64_t *which, size_t n)
{
    size_t pairs = 0;
    for (size_t i = 0; i < n; i++)
        pairs += pair_label(rows, which ? which[i] : i) >= 0;
    return pairs;
}

static void release(struct objective *o)
{
    free(o->state);
    o->state = NULL;
}

/* The state is the number of pairs in all training rows. */
static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    size_t *pairs = o->state = xcalloc(1, sizeof *pairs);
    if (text_rows_two_classes(setting->classes, o->kind->name, "an edit has the label that its sentence has not", err) <
        0)
        return -1;
    *pairs = count_pairs(setting->rows, NULL, setting->rows->n);
    if (*pairs == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a counterfactual of the other label, which the objective term 'pair' needs; ask "
                         "for them with groq-reason, or leave the term out of --objective");
    return 0;
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    (void)o;
    return (double)count_pairs(rows->rows, rows->which, rows->n);
}

static void add_rows(struct objective *o, const struct objective_rows *rows, struct batch *b)
{
    for (size_t i = 0; i < rows->n; i++) {
        size_t n;
        const int32_t *ids = rows_list(rows->rows, "edit_ids", rows->which[i], &n);
        if (pair_label(rows->rows, rows->which[i]) >= 0)
            batch_add(b, ids, NULL, n, objective_number(o, rows->first_number + i, 0));
    }
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    size_t edit = p->first_row;
    double loss = 0;
    (void)o;
    for (size_t i = 0; i < p->part.n; i++) {
        int32_t label = pair_label(p->part.rows, p->part.which[i]);
        if (label < 0)
            continue;
        size_t own = 2 * i + (size_t)label, other = 2 * i + 1 - (size_t)label;
        size_t edit_own = 2 * edit + (size_t)label, edit_other = 2 * edit + 1 - (size_t)label;
        edit++;
        const float *z = p->logits;
        double margin = ((double)z[own] - z[other]) - ((double)z[edit_own] - z[edit_other]);
        loss += logistic_loss(margin);
        if (!p->d_logits)
            continue;
        float d = (float)(-scale / (1 + exp(margin)));
        p->d_logits[own] += d;
        p->d_logits[other] -= d;
        p->d_logits[edit_own] -= d;
        p->d_logits[edit_other] += d;
    }
    return loss;
}

static void describe(const struct objective *o, struct buf *json)
{
    buf_addf(json, ",\"pair_rows\":%zu", *(const size_t *)o->state);
}

const struct objective_kind objective_pair = {.name = "pair",
                                              .reads = OBJECTIVE_ROWS | OBJECTIVE_LOGITS,
                                              .stream = 10,
                                              .prepare = prepare,
                                              .count = count,
                                              .add_rows = add_rows,
                                              .add = add,
                                              .describe = describe,
                                              .release = release};
