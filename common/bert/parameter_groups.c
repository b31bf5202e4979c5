/* parameter_groups.c - see parameter_groups.h. */
#include "bert/parameter_groups.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One part of the list: the parameters first..last of the table. Depths: 0 is the embeddings, 1 the lowest layer. */
struct part {
    bool embeddings, layers, pooler;
    long first, last; /* layers; last -1: to the end */
};

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* "N" or "N-M" */
static bool parse_range(struct part *part, const char *text, size_t len)
{
    char *end;
    if (len == 0 || !isdigit((unsigned char)*text))
        return false;
    part->first = part->last = strtol(text, &end, 10);
    if (end < text + len && *end == '-' && isdigit((unsigned char)end[1]))
        part->last = strtol(end + 1, &end, 10);
    return end == text + len && part->first <= part->last && part->last < 1 << 20;
}

static int parse_part(struct part *part, const char *text, size_t len, struct error *err)
{
    static const char layers[] = "layers:";
    *part = (struct part){.last = -1};
    if (is_word(text, len, "embeddings"))
        part->embeddings = true;
    else if (is_word(text, len, "layers"))
        part->layers = true;
    else if (is_word(text, len, "encoder"))
        part->embeddings = part->layers = true;
    else if (is_word(text, len, "pooler"))
        part->pooler = true;
    else if (len > sizeof layers - 1 && memcmp(text, layers, sizeof layers - 1) == 0 &&
             parse_range(part, text + sizeof layers - 1, len - (sizeof layers - 1)))
        part->layers = true;
    else
        return error_set(err, STATUS_USAGE,
                         "--freeze: '%.*s' is no part of a model; the parts are: embeddings, layers, layers:N, "
                         "layers:N-M, encoder, pooler",
                         (int)len, text);
    return 0;
}

int parameter_groups_check(const char *freeze, struct error *err)
{
    struct part part;
    for (const char *at = freeze; at; at = *at ? at + 1 : NULL) {
        size_t len = strcspn(at, ",");
        if (parse_part(&part, at, len, err) < 0)
            return -1;
        at += len;
    }
    return 0;
}

/* 0: embeddings, 1..L: layers, L + 1: all above them. */
static size_t depth_of(const struct parameters *p, size_t id)
{
    if (id < EMBEDDING_PARAMETERS)
        return 0;
    size_t depth = (id - EMBEDDING_PARAMETERS) / LAYER_PARAMETERS + 1;
    return depth <= p->n_layers ? depth : p->n_layers + 1;
}

static bool holds(const struct part *part, const struct parameters *p, size_t id)
{
    size_t depth = depth_of(p, id);
    if (depth == 0)
        return part->embeddings;
    if (depth > p->n_layers)
        return part->pooler && strncmp(p->list[id].name, "bert.pooler.", 12) == 0;
    return part->layers && (long)depth - 1 >= part->first && (part->last < 0 || (long)depth - 1 <= part->last);
}

int parameter_groups_rates(const struct parameters *p, const char *freeze, double decay, double *rates, size_t *trained,
                           struct error *err)
{
    struct part part;
    for (size_t i = 0; i < p->n; i++)
        rates[i] = p->list[i].idle ? 0 : pow(decay, (double)(p->n_layers + 1 - depth_of(p, i)));
    for (const char *at = freeze; at; at = *at ? at + 1 : NULL) {
        size_t len = strcspn(at, ",");
        if (parse_part(&part, at, len, err) < 0)
            return -1;
        if (part.last >= (long)p->n_layers)
            return error_set(err, STATUS_USAGE, "--freeze: there is no layer %ld; the model's are 0 to %zu", part.last,
                             p->n_layers - 1);
        for (size_t i = 0; i < p->n; i++)
            if (holds(&part, p, i))
                rates[i] = 0;
        at += len;
    }
    *trained = 0;
    for (size_t i = 0; i < p->n; i++)
        *trained += rates[i] > 0 ? p->list[i].size : 0;
    return 0;
}
