/* label.c - the term `label`: cross-entropy with the gold label, l = - log p_gold, with class weights and label
 * smoothing where they are asked for (label.h). Rows without a gold label are not used.
 *
 * The plain fine-tuning of Devlin et al. 2019, and the control of every other term.
 */
#include "bert/objectives/label.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/objective.h"

struct label_state {
    size_t classes;
    double *weights; /* [classes]; NULL: all 1 */
    double *targets; /* [classes, classes] a row for each gold label; NULL: one-hot */
};

static const int32_t *gold_labels(const struct rows *rows)
{
    const struct column *c = rows_find(rows, "label");
    return c ? column_i32(c) : NULL;
}

/* ---- class weights ---- */

/* The number that text begins with, ended by a comma or the end. */
static bool next_weight(const char **text, double *weight)
{
    char *end;
    if (!isdigit((unsigned char)**text) && **text != '.')
        return false;
    *weight = strtod(*text, &end);
    if (!isfinite(*weight) || (*end != ',' && *end != '\0'))
        return false;
    *text = end;
    return true;
}

int class_weights_check(const char *class_weights, struct error *err)
{
    const char *at = class_weights;
    double weight;
    if (!at || strcmp(at, "balanced") == 0)
        return 0;
    for (;; at++) {
        if (!next_weight(&at, &weight))
            return error_set(err, STATUS_USAGE,
                             "--class-weights must be 'balanced' or a number from 0 on for each class, as 1,2.5; not "
                             "'%s'",
                             class_weights);
        if (!*at)
            return 0;
    }
}

static int parse_weights(struct label_state *state, const char *text, struct error *err)
{
    size_t n = 0;
    double weight;
    for (const char *at = text;; at++) {
        if (!next_weight(&at, &weight))
            return class_weights_check(text, err);
        if (n < state->classes)
            state->weights[n] = weight;
        n++;
        if (!*at)
            break;
    }
    if (n != state->classes)
        return error_set(err, STATUS_USAGE, "--class-weights gives %zu numbers, but there are %zu classes", n,
                         state->classes);
    return 0;
}

static int balance_weights(struct label_state *state, const struct rows *rows, struct error *err)
{
    const int32_t *label = gold_labels(rows);
    size_t used = 0;
    for (size_t c = 0; c < state->classes; c++)
        state->weights[c] = 0;
    for (size_t i = 0; i < rows->n; i++)
        if (label[i] >= 0) {
            state->weights[label[i]]++;
            used++;
        }
    for (size_t c = 0; c < state->classes; c++) {
        if (state->weights[c] == 0)
            return error_set(err, STATUS_FAILURE,
                             "no row has the label %zu, so its balanced weight is not defined; give --class-weights as "
                             "numbers",
                             c);
        state->weights[c] = (double)used / ((double)state->classes * state->weights[c]);
    }
    return 0;
}

/* What is to be learnt for each gold label, and how much it counts. */
static int prepare_targets(struct label_state *state, const struct objective_setting *setting, struct error *err)
{
    size_t k = state->classes;
    double e = setting->label_smoothing;
    if (setting->class_weights) {
        state->weights = xmalloc_array(k, sizeof *state->weights);
        if ((strcmp(setting->class_weights, "balanced") == 0 ? balance_weights(state, setting->rows, err)
                                                             : parse_weights(state, setting->class_weights, err)) < 0)
            return -1;
    }
    if (!state->weights && e == 0)
        return 0;
    state->targets = xmalloc_array(k * k, sizeof *state->targets);
    for (size_t gold = 0; gold < k; gold++)
        for (size_t c = 0; c < k; c++)
            state->targets[gold * k + c] =
                (state->weights ? state->weights[c] : 1) * ((c == gold ? 1 - e : 0) + e / (double)k);
    return 0;
}

const double *class_weights_of(const struct objectives *o)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->terms[i].kind == &objective_label)
            return ((const struct label_state *)o->terms[i].state)->weights;
    return NULL;
}

/* ---- the term ---- */

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    const struct rows *rows = setting->rows;
    size_t classes = setting->classes, used = 0;
    const int32_t *label = gold_labels(rows);
    struct label_state *state = o->state = xcalloc(1, sizeof *state);
    state->classes = classes;
    for (size_t i = 0; label && i < rows->n; i++) {
        if (label[i] >= (int32_t)classes)
            return error_set(err, STATUS_FAILURE,
                             "row %zu: label %d, but there are %zu classes (0 to %zu); name all of them in wp-tokenize "
                             "--labels",
                             i + 1, (int)label[i], classes, classes - 1);
        used += label[i] >= 0;
    }
    if (used == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a gold label (0, 1, ...), which the objective term 'label' needs; label some "
                         "rows, or leave the term out of --objective");
    return prepare_targets(state, setting, err);
}

/* With class weights a row counts as much as its class: the mean is divided by the sum of the weights. */
static double count(const struct objective *o, const struct objective_rows *rows)
{
    const struct label_state *state = o->state;
    const int32_t *label = gold_labels(rows->rows);
    double used = 0;
    for (size_t i = 0; i < rows->n; i++) {
        int32_t gold = label[rows->which[i]];
        if (gold >= 0)
            used += state->weights ? state->weights[gold] : 1;
    }
    return used;
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct label_state *state = o->state;
    const int32_t *label = gold_labels(p->part.rows);
    size_t k = p->classes;
    double loss = 0;
    for (size_t i = 0; i < p->part.n; i++) {
        int32_t gold = label[p->part.which[i]];
        if (gold >= 0)
            loss += cross_entropy(p->logits + i * k, state->targets ? state->targets + (size_t)gold * k : NULL,
                                  (size_t)gold, k, scale, p->d_logits ? p->d_logits + i * k : NULL);
    }
    return loss;
}

static void release(struct objective *o)
{
    struct label_state *state = o->state;
    if (state) {
        free(state->weights);
        free(state->targets);
    }
    free(state);
    o->state = NULL;
}

const struct objective_kind objective_label = {.name = "label",
                                               .reads = OBJECTIVE_ROWS | OBJECTIVE_LOGITS,
                                               .prepare = prepare,
                                               .count = count,
                                               .add = add,
                                               .release = release};
