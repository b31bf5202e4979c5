/* evaluate.c - see evaluate.h. */
#include "bert/evaluate.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"

enum { ROWS_AT_ONCE = 64 };

static size_t largest_logit(const float *logits, size_t classes)
{
    size_t best = 0;
    for (size_t c = 1; c < classes; c++)
        best = logits[c] > logits[best] ? c : best;
    return best;
}

/* The rows that have a gold label; *n of them. Freed by the caller. */
static uint64_t *labelled_rows(const struct rows *rows, size_t *n)
{
    const struct column *label = rows_find(rows, "label");
    uint64_t *which = xmalloc_array(rows->n + 1, sizeof *which);
    *n = 0;
    for (size_t i = 0; label && i < rows->n; i++)
        if (column_i32(label)[i] >= 0)
            which[(*n)++] = i;
    return which;
}

int evaluation_check(const struct rows *rows, size_t classes, struct error *err)
{
    const int32_t *label = column_i32(rows_find(rows, "label"));
    size_t labelled = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (label[i] >= (int32_t)classes)
            return error_set(err, STATUS_FAILURE,
                             "row %zu: label %d, but there are %zu classes (0 to %zu); name all of them in wp-tokenize "
                             "--labels",
                             i + 1, (int)label[i], classes, classes - 1);
        labelled += label[i] >= 0;
    }
    if (labelled == 0)
        return error_set(err, STATUS_FAILURE,
                         "no row has a gold label (0, 1, ...), so there is nothing to evaluate on");
    return 0;
}

int evaluate(const struct model *m, const struct nn *nn, struct activations *a, struct batch *b,
             const struct rows *rows, bool (*stop)(void), struct evaluation *e, struct error *err)
{
    size_t n, k = m->classes;
    uint64_t *which = labelled_rows(rows, &n);
    int32_t *gold = xmalloc_array(n + 1, sizeof *gold), *predicted = xmalloc_array(n + 1, sizeof *predicted);
    double *probabilities = xmalloc_array(n * k + 1, sizeof *probabilities), loss = 0;
    int status = -1;
    *e = (struct evaluation){.rows = n};
    const int32_t *label = column_i32(rows_find(rows, "label"));
    for (size_t begin = 0; begin < n; begin += ROWS_AT_ONCE) {
        size_t count = n - begin < ROWS_AT_ONCE ? n - begin : ROWS_AT_ONCE;
        if (stop && stop()) {
            status = 1;
            goto done;
        }
        batch_fill(b, rows, which + begin, count, 0);
        model_forward(m, nn, a, b, NULL);
        for (size_t i = 0; i < count; i++) {
            const float *logits = a->logits + i * k;
            size_t row = begin + i;
            gold[row] = label[which[row]];
            predicted[row] = (int32_t)largest_logit(logits, k);
            softmax_of_logits(logits, k, probabilities + row * k);
            loss += cross_entropy(logits, NULL, (size_t)gold[row], k, 0, NULL);
        }
    }
    if (!isfinite(loss)) {
        error_set(err, STATUS_FAILURE,
                  "on the validation rows the model's logits are not finite; try a smaller "
                  "--learning-rate");
        goto done;
    }
    e->loss = loss / (double)n;
    score_compute(&e->score, gold, predicted, probabilities, n, k);
    e->one_class = (size_t)predicted[0] + 1;
    for (size_t i = 1; i < n; i++)
        if (predicted[i] != predicted[0])
            e->one_class = 0;
    status = 0;
done:
    free(which);
    free(gold);
    free(predicted);
    free(probabilities);
    return status;
}
