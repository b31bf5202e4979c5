/* objective.h - what the student is trained to do: a sum of terms with weights, each term one file of this folder.
 *
 *     L = sum over terms of weight x (sum over its rows of l) / (number of its rows in the step)
 *
 * A term's rows are those that have what it needs (a gold label, a teacher's answer); a step is everything between two
 * updates, also when it is computed in several batches. `--objective label=1,soft=0.3` names terms and weights; a new
 * term is one file and one line in the table of objectives.c.
 */
#ifndef BERT_OBJECTIVES_OBJECTIVE_H
#define BERT_OBJECTIVES_OBJECTIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "wire/rows.h"

struct objective;

/* One batch as a term sees it. */
struct objective_batch {
    const struct rows *rows; /* the spool */
    const uint64_t *which;   /* [n] its rows that are in the batch */
    size_t n, classes;
    const float *logits; /* [n, classes] */
    float *d_logits;     /* [n, classes] += */
};

struct objective_kind {
    const char *name;
    /* Looks at all training rows once (calibration, vocabularies); sets o->state. No usable row is STATUS_FAILURE. */
    int (*prepare)(struct objective *o, const struct rows *rows, size_t classes, struct error *err);
    /* How many of these rows the term uses. */
    size_t (*count)(const struct objective *o, const struct rows *rows, const uint64_t *which, size_t n);
    /* d_logits += scale x dl/dlogits of each of its rows; returns the sum of l. */
    double (*add)(const struct objective *o, const struct objective_batch *b, double scale);
    void (*release)(struct objective *o);
};

struct objective {
    const struct objective_kind *kind;
    double weight;
    void *state;
};

struct objectives {
    struct objective *terms;
    size_t n;
};

extern const struct objective_kind objective_label, objective_soft;

/* "label", "label=1,soft=0.3". STATUS_USAGE names what is wrong and lists the terms. */
int objectives_parse(struct objectives *o, const char *spec, struct error *err);
int objectives_prepare(struct objectives *o, const struct rows *rows, size_t classes, struct error *err);
void objectives_free(struct objectives *o);

/* The step's loss in parts: counts once for all rows of the step, then each batch. */
void objectives_count(const struct objectives *o, const struct rows *rows, const uint64_t *which, size_t n,
                      size_t *counts);
/* Returns the batch's part of L; d_logits is overwritten. */
double objectives_add(const struct objectives *o, const struct objective_batch *b, const size_t *counts);

#endif
