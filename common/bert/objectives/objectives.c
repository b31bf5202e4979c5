/* objectives.c - the table of terms, the parser of --objective, and what the terms need together; the sum is in step.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bert/objectives/objective.h"

static const struct objective_kind *const kinds[] = {
    &objective_label,    &objective_soft,      &objective_counterfactual, &objective_pair,
    &objective_cue_text, &objective_cue_swap,  &objective_rationale_text, &objective_keywords,
    &objective_cues,     &objective_rationale, &objective_align,          &objective_polarity,
    &objective_mlm,      &objective_rdrop};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const struct objective_kind *find_kind(const char *name, size_t len)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strlen(kinds[i]->name) == len && memcmp(kinds[i]->name, name, len) == 0)
            return kinds[i];
    return NULL;
}

static int unknown_term(const char *name, size_t len, struct error *err)
{
    char terms[256];
    size_t used = 0;
    for (size_t i = 0; i < KINDS && used < sizeof terms; i++)
        used += (size_t)snprintf(terms + used, sizeof terms - used, "%s%s", i ? ", " : "", kinds[i]->name);
    return error_set(err, STATUS_USAGE, "--objective: there is no term '%.*s'; the terms are: %s", (int)len, name,
                     terms);
}

/* The number that [text, end) is; false where it is none, or not in (0, most]. */
static bool parse_positive(const char *text, const char *end, double most, double *value)
{
    char *stop;
    *value = text < end ? strtod(text, &stop) : 0;
    return text < end && stop == end && isfinite(*value) && *value > 0 && *value <= most;
}

/* One "name", "name=weight" or "name=weight@share" of len bytes. */
static int parse_term(struct objective *term, const char *text, size_t len, struct error *err)
{
    const char *at = memchr(text, '@', len), *end = text + len;
    if (at)
        len = (size_t)(at - text);
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;
    term->kind = find_kind(text, name_len);
    if (!term->kind)
        return unknown_term(text, name_len, err);
    term->weight = term->steady = term->factor = 1;
    if (equals && !parse_positive(equals + 1, text + len, HUGE_VAL, &term->weight))
        return error_set(err, STATUS_USAGE, "--objective: the weight of '%s' must be a number above 0, not '%.*s'",
                         term->kind->name, (int)(text + len - equals - 1), equals + 1);
    if (at && !parse_positive(at + 1, end, 1, &term->steady))
        return error_set(err, STATUS_USAGE,
                         "--objective: what follows '@' of '%s' must be a share of the steps above 0 and at most 1, "
                         "not '%.*s'",
                         term->kind->name, (int)(end - at - 1), at + 1);
    return 0;
}

int objectives_parse(struct objectives *o, const char *spec, struct error *err)
{
    *o = (struct objectives){.evaluates = true};
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
        const struct objective_kind *kind = o->terms[o->n++].kind;
        o->reads |= kind->reads;
        o->dense_word_gradient |= kind->dense_word_gradient;
        o->evaluates &= kind->evaluates;
        at += len;
        if (!*at)
            return 0;
    }
fail:
    objectives_free(o);
    return -1;
}

int objectives_prepare(struct objectives *o, const struct objective_setting *setting, struct error *err)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->terms[i].kind->prepare(&o->terms[i], setting, err) < 0)
            return -1;
    return 0;
}

void objectives_heads(const struct objectives *o, const struct bert_config *config, size_t classes,
                      struct model_heads *heads)
{
    bool classifier = o->reads & OBJECTIVE_LOGITS, vectors = o->reads & OBJECTIVE_VECTORS;
    *heads = (struct model_heads){.classes = classifier ? classes : 0,
                                  .pooler = classifier || vectors,
                                  .auxiliary = classifier || vectors || o->n > 1};
    for (size_t i = 0; i < o->n; i++)
        if (o->terms[i].kind->add_heads)
            o->terms[i].kind->add_heads(&o->terms[i], config, heads);
}

bool objectives_have(const struct objectives *o, const struct objective_kind *kind)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->terms[i].kind == kind)
            return true;
    return false;
}

void objectives_describe(const struct objectives *o, struct buf *json)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->terms[i].kind->describe)
            o->terms[i].kind->describe(&o->terms[i], json);
}

void objectives_schedule(struct objectives *o, double progress)
{
    for (size_t i = 0; i < o->n; i++) {
        struct objective *term = &o->terms[i];
        term->factor = progress <= term->steady ? 1 : (1 - progress) / (1 - term->steady);
    }
}

void objectives_free(struct objectives *o)
{
    for (size_t i = 0; i < o->n; i++)
        o->terms[i].kind->release(&o->terms[i]);
    free(o->terms);
    *o = (struct objectives){0};
}
