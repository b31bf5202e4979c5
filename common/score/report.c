/* report.c - from predictions to scores with intervals, and from two of them to a comparison. */
#include "score/report.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

static const struct interval no_interval = {(double)NAN, (double)NAN};

static double cells_accuracy(const uint64_t *cells, const void *k)
{
    return confusion_accuracy(cells, *(const size_t *)k);
}

static double cells_macro_f1(const uint64_t *cells, const void *k)
{
    return confusion_macro_f1(cells, *(const size_t *)k);
}

static double cells_mcc(const uint64_t *cells, const void *k)
{
    return confusion_mcc(cells, *(const size_t *)k);
}

static double *nll_values(const struct predictions *p)
{
    double *values = xmalloc_array(p->n, sizeof *values);
    for (size_t i = 0; i < p->n; i++)
        values[i] = row_nll(p->gold[i], p->probs + i * p->k);
    return values;
}

void score_report_compute(struct score_report *e, const struct predictions *p, const struct bootstrap *options)
{
    *e = (struct score_report){.predictions = p, .nll = no_interval};
    e->counts = xmalloc_array(p->k * p->k, sizeof *e->counts);
    e->classes = xmalloc_array(p->k, sizeof *e->classes);
    confusion_count(p->gold, p->pred, p->n, p->k, e->counts);
    confusion_classes(e->counts, p->k, e->classes);
    score_compute(&e->score, p->gold, p->pred, p->has_probs ? p->probs : NULL, p->n, p->k);
    e->accuracy = bootstrap_counts(options, e->counts, p->k * p->k, cells_accuracy, &p->k);
    e->macro_f1 = bootstrap_counts(options, e->counts, p->k * p->k, cells_macro_f1, &p->k);
    e->mcc = bootstrap_counts(options, e->counts, p->k * p->k, cells_mcc, &p->k);
    if (p->has_probs) {
        double *values = nll_values(p);
        e->nll = bootstrap_mean(options, values, p->n);
        free(values);
    }
}

void score_report_free(struct score_report *e)
{
    free(e->counts);
    free(e->classes);
    *e = (struct score_report){0};
}

long score_report_only_class(const struct score_report *e)
{
    for (size_t class = 0; class < e->predictions->k; class ++) {
        if (e->classes[class].predicted)
            return e->classes[class].predicted == e->predictions->n ? (long)class : -1;
    }
    return -1;
}

void comparison_compute(struct comparison *c, const struct predictions *a, const struct predictions *b,
                        const struct bootstrap *options)
{
    c->pairs = paired_count(a->gold, a->pred, b->pred, a->n);
    c->mcnemar = mcnemar_test(&c->pairs);
    c->accuracy = paired_difference(&c->pairs);
    c->accuracy_interval = bootstrap_paired_difference(options, &c->pairs);
    c->nll = (double)NAN;
    c->nll_interval = no_interval;
    if (!a->has_probs || !b->has_probs)
        return;
    double *differences = nll_values(b), *of_a = nll_values(a), sum = 0;
    for (size_t i = 0; i < a->n; i++) {
        differences[i] -= of_a[i];
        sum += differences[i];
    }
    c->nll = sum / (double)a->n;
    c->nll_interval = bootstrap_mean(options, differences, a->n);
    free(differences);
    free(of_a);
}
