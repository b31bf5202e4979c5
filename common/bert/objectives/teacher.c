/* teacher.c - see teacher.h. */
#include "bert/objectives/teacher.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* The columns that matter; NULL where the stream has none. */
struct answers {
    const int32_t *gold, *label;
    const float *confidence, *probs;
};

static struct answers answers_of(const struct rows *rows)
{
    const struct column *gold = rows_find(rows, "label"), *label = rows_find(rows, "teacher_label");
    const struct column *confidence = rows_find(rows, "confidence"), *probs = rows_find(rows, "teacher_probs");
    return (struct answers){gold ? column_i32(gold) : NULL, label ? column_i32(label) : NULL,
                            confidence ? column_f32(confidence) : NULL, probs ? column_f32(probs) : NULL};
}

/* Agreement counts of each fold and third. */
struct calibration {
    double edges[TEACHER_BINS - 1];
    size_t agree[TEACHER_FOLDS][TEACHER_BINS], total[TEACHER_FOLDS][TEACHER_BINS];
};

static size_t bin_of(const double *edges, double confidence)
{
    size_t bin = 0;
    while (bin < TEACHER_BINS - 1 && confidence > edges[bin])
        bin++;
    return bin;
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double confidence_of(const struct answers *a, size_t i)
{
    return a->confidence ? a->confidence[i] : -1;
}

/* The largest confidence below the cut that would part sorted[0..n) at `at`. Equal values stay together, so the cut
 * moves to the nearest place where the value changes. */
static double edge_near(const float *sorted, size_t n, size_t at)
{
    for (size_t away = 0; away < n; away++) {
        if (away < at && sorted[at - away - 1] < sorted[at - away])
            return sorted[at - away - 1];
        if (at + away < n && sorted[at + away - 1] < sorted[at + away])
            return sorted[at + away - 1];
    }
    return INFINITY; /* all are equal: no cut */
}

static void calibrate(struct calibration *c, struct teacher *t, const struct answers *a, size_t n)
{
    float *sorted = xmalloc_array(t->rows_with_gold, sizeof *sorted);
    size_t used = 0;
    for (size_t i = 0; i < n; i++)
        if (a->gold[i] >= 0 && a->label[i] >= 0)
            sorted[used++] = (float)confidence_of(a, i);
    qsort(sorted, used, sizeof *sorted, compare_floats);
    for (size_t b = 0; b + 1 < TEACHER_BINS; b++)
        c->edges[b] = t->edges[b] = edge_near(sorted, used, (b + 1) * used / TEACHER_BINS);
    free(sorted);
    for (size_t i = 0; i < n; i++) {
        if (a->gold[i] < 0 || a->label[i] < 0)
            continue;
        size_t bin = bin_of(c->edges, confidence_of(a, i)), fold = i % TEACHER_FOLDS;
        c->total[fold][bin]++;
        c->agree[fold][bin] += a->gold[i] == a->label[i];
    }
}

/* How often the teacher is right in a third, from all folds but `without` (TEACHER_FOLDS: from all). */
static double right_in(const struct calibration *c, size_t bin, size_t without)
{
    double agree = 1, total = 2;
    for (size_t fold = 0; fold < TEACHER_FOLDS; fold++) {
        if (fold == without)
            continue;
        agree += (double)c->agree[fold][bin];
        total += (double)c->total[fold][bin];
    }
    return agree / total;
}

static int take_probs(double *out, const float *probs, size_t classes, size_t row, struct error *err)
{
    double total = 0;
    for (size_t c = 0; c < classes; c++) {
        out[c] = probs[c];
        total += probs[c];
        if (!(probs[c] >= 0))
            return error_set(err, STATUS_FAILURE, "row %zu: teacher_probs are no probabilities: one is %g", row + 1,
                             probs[c]);
    }
    if (fabs(total - 1) > 1e-3)
        return error_set(err, STATUS_FAILURE, "row %zu: teacher_probs are no probabilities: they add up to %g", row + 1,
                         total);
    return 0;
}

static int count_rows(struct teacher *t, const struct answers *a, const struct rows *rows, size_t classes,
                      struct error *err)
{
    for (size_t i = 0; i < rows->n; i++) {
        bool has_label = a->label && a->label[i] >= 0;
        if (has_label && a->label[i] >= (int32_t)classes)
            return error_set(err, STATUS_FAILURE,
                             "row %zu: teacher_label %d, but there are %zu classes (0 to %zu); name all of them in "
                             "wp-tokenize --labels",
                             i + 1, (int)a->label[i], classes, classes - 1);
        t->rows_with += has_label || (a->probs && a->probs[i * classes] >= 0);
        if (has_label && a->gold && a->gold[i] >= 0) {
            t->rows_with_gold++;
            t->rows_agreeing += a->gold[i] == a->label[i];
        }
    }
    t->calibrated = t->rows_with_gold >= TEACHER_FEWEST;
    return 0;
}

int teacher_estimate(struct teacher *t, const struct rows *rows, size_t classes, struct error *err)
{
    struct answers a = answers_of(rows);
    struct calibration calibration = {0};
    const struct column *probs = rows_find(rows, "teacher_probs");
    *t = (struct teacher){0};
    if (probs && probs->width != classes)
        return error_set(err, STATUS_FAILURE,
                         "teacher_probs has %zu classes, but there are %zu; name all of them in wp-tokenize --labels",
                         probs->width, classes);
    if (count_rows(t, &a, rows, classes, err) < 0)
        return -1;
    if (t->calibrated)
        calibrate(&calibration, t, &a, rows->n);
    for (size_t bin = 0; bin < TEACHER_BINS; bin++)
        t->right[bin] = t->calibrated ? right_in(&calibration, bin, TEACHER_FOLDS) : 0.75;
    t->probabilities = xmalloc_array(rows->n * classes + 1, sizeof *t->probabilities);
    for (size_t i = 0; i < rows->n; i++) {
        double *out = t->probabilities + i * classes;
        out[0] = -1;
        if (a.probs && a.probs[i * classes] >= 0) {
            if (take_probs(out, a.probs + i * classes, classes, i, err) < 0)
                goto fail;
        } else if (a.label && a.label[i] >= 0) {
            bool gold = a.gold && a.gold[i] >= 0;
            size_t bin = bin_of(t->edges, confidence_of(&a, i));
            double right = t->calibrated ? right_in(&calibration, bin, gold ? i % TEACHER_FOLDS : TEACHER_FOLDS) : 0.75;
            for (size_t c = 0; c < classes; c++)
                out[c] = c == (size_t)a.label[i] ? right : (1 - right) / (double)(classes - 1);
        }
    }
    return 0;
fail:
    teacher_free(t);
    return -1;
}

void teacher_free(struct teacher *t)
{
    free(t->probabilities);
    t->probabilities = NULL;
}
