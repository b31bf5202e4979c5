/* objectives.c - the table of terms, the parser of --objective, and the sum. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bert/objectives/objective.h"

static const struct objective_kind *const kinds[] = {&objective_label, &objective_soft};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const struct objective_kind *find_kind(const char *name, size_t len)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strlen(kinds[i]->name) == len && memcmp(kinds[i]->name, name, len) == 0)
            return kinds[i];
    return NULL;
}

/* One "name" or "name=weight" of len bytes. */
static int parse_term(struct objective *term, const char *text, size_t len, struct error *err)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;
    term->kind = find_kind(text, name_len);
    if (!term->kind)
        return error_set(err, STATUS_USAGE, "--objective: there is no term '%.*s'; the terms are: label, soft",
                         (int)name_len, text);
    term->weight = 1;
    if (equals) {
        char *end;
        term->weight = strtod(equals + 1, &end);
        if (end != text + len || end == equals + 1 || !isfinite(term->weight) || term->weight <= 0)
            return error_set(err, STATUS_USAGE, "--objective: the weight of '%s' must be a number above 0, not '%.*s'",
                             term->kind->name, (int)(text + len - equals - 1), equals + 1);
    }
    return 0;
}

int objectives_parse(struct objectives *o, const char *spec, struct error *err)
{
    *o = (struct objectives){0};
    for (const char *at = spec;; at++) {
        size_t len = strcspn(at, ",");
        o->terms = xrealloc_array(o->terms, o->n + 1, sizeof *o->terms);
        o->terms[o->n] = (struct objective){0};
        if (parse_term(&o->terms[o->n], at, len, err) < 0)
            goto fail;
        for (size_t i = 0; i < o->n; i++)
            if (o->terms[i].kind == o->terms[o->n].kind) {
                error_set(err, STATUS_USAGE, "--objective names the term '%s' twice", o->terms[i].kind->name);
                goto fail;
            }
        o->n++;
        at += len;
        if (!*at)
            return 0;
    }
fail:
    objectives_free(o);
    return -1;
}

int objectives_prepare(struct objectives *o, const struct rows *rows, size_t classes, struct error *err)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->terms[i].kind->prepare(&o->terms[i], rows, classes, err) < 0)
            return -1;
    return 0;
}

void objectives_free(struct objectives *o)
{
    for (size_t i = 0; i < o->n; i++)
        o->terms[i].kind->release(&o->terms[i]);
    free(o->terms);
    *o = (struct objectives){0};
}

void objectives_count(const struct objectives *o, const struct rows *rows, const uint64_t *which, size_t n,
                      size_t *counts)
{
    for (size_t i = 0; i < o->n; i++)
        counts[i] = o->terms[i].kind->count(&o->terms[i], rows, which, n);
}

double objectives_add(const struct objectives *o, const struct objective_batch *b, const size_t *counts)
{
    double loss = 0;
    memset(b->d_logits, 0, b->n * b->classes * sizeof *b->d_logits);
    for (size_t i = 0; i < o->n; i++)
        if (counts[i] > 0) {
            double scale = o->terms[i].weight / (double)counts[i];
            loss += scale * o->terms[i].kind->add(&o->terms[i], b, scale);
        }
    return loss;
}
