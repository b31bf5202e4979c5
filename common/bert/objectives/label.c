/* label.c - the term `label`: cross-entropy with the gold label, l = - log p_gold. Rows without a gold label are not
 * used.
 *
 * The plain fine-tuning of Devlin et al. 2019, and the control of every other term.
 */
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/objective.h"

static const int32_t *gold_labels(const struct rows *rows)
{
    const struct column *c = rows_find(rows, "label");
    return c ? column_i32(c) : NULL;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    const struct rows *rows = setting->rows;
    size_t classes = setting->classes;
    const int32_t *label = gold_labels(rows);
    size_t used = 0;
    (void)o;
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
    return 0;
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    const int32_t *label = gold_labels(rows->rows);
    size_t used = 0;
    (void)o;
    for (size_t i = 0; i < rows->n; i++)
        used += label[rows->which[i]] >= 0;
    return (double)used;
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const int32_t *label = gold_labels(p->part.rows);
    double loss = 0;
    (void)o;
    for (size_t i = 0; i < p->part.n; i++) {
        int32_t gold = label[p->part.which[i]];
        if (gold >= 0)
            loss += cross_entropy(p->logits + i * p->classes, NULL, (size_t)gold, p->classes, scale,
                                  p->d_logits ? p->d_logits + i * p->classes : NULL);
    }
    return loss;
}

static void release(struct objective *o)
{
    o->state = NULL;
}

const struct objective_kind objective_label = {.name = "label",
                                               .reads = OBJECTIVE_ROWS | OBJECTIVE_LOGITS,
                                               .prepare = prepare,
                                               .count = count,
                                               .add = add,
                                               .release = release};
