/* holdout.c - groups by union and find, and their way to one of the parts. */
#include "data/holdout.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

static const uint32_t NO_OWNER = UINT32_MAX - 1, MANY_OWNERS = UINT32_MAX; /* other values of `owner` are patterns */
enum { ALWAYS_TIED = 100, HOLDOUT_STREAM = 1 };

struct groups {
    const struct containment *c;
    const uint32_t *rows; /* of each pattern: how many texts have its words */
    uint32_t *parent;     /* union and find; a root is its own parent */
    size_t *size;         /* of a root: rows of its group */
    size_t largest;
    uint32_t *owner; /* of a short phrase: what contains it */
    bool *held;      /* of each pattern */
};

static uint32_t find(const struct groups *g, uint32_t p)
{
    while (g->parent[p] != p) {
        g->parent[p] = g->parent[g->parent[p]];
        p = g->parent[p];
    }
    return p;
}

static void join(struct groups *g, uint32_t a, uint32_t b)
{
    a = find(g, a);
    b = find(g, b);
    if (a == b)
        return;
    if (g->size[a] < g->size[b]) {
        uint32_t other = a;
        a = b;
        b = other;
    }
    g->parent[b] = a;
    g->size[a] += g->size[b];
    if (g->size[a] > g->largest)
        g->largest = g->size[a];
}

static void separate(struct groups *g)
{
    g->largest = 0;
    for (size_t p = 0; p < g->c->n_patterns; p++) {
        g->parent[p] = (uint32_t)p;
        g->size[p] = g->rows[p];
        if (g->size[p] > g->largest)
            g->largest = g->size[p];
    }
}

/* Sorts the edges by their phrases' words, the longest first. */
static void sort_edges(struct containment *c)
{
    uint32_t most = 0;
    for (size_t p = 0; p < c->n_patterns; p++)
        if (c->words[p] > most)
            most = c->words[p];
    size_t *next = xcalloc((size_t)most + 2, sizeof *next);
    struct containment_edge *sorted = xmalloc_array(c->n_edges ? c->n_edges : 1, sizeof *sorted);
    for (size_t i = 0; i < c->n_edges; i++)
        next[most - c->words[c->edges[i].phrase] + 1]++;
    for (size_t d = 1; d <= most; d++)
        next[d] += next[d - 1];
    for (size_t i = 0; i < c->n_edges; i++)
        sorted[next[most - c->words[c->edges[i].phrase]]++] = c->edges[i];
    free(next);
    free(c->edges);
    c->edges = sorted;
}

/* Joins along the edges of at least `words` words until a group is over `cap` rows. Returns the words of the edge that
 * made it so, 0 where none did. */
static uint32_t tie(struct groups *g, uint32_t words, size_t cap)
{
    separate(g);
    if (g->largest > cap) /* equal texts alone make it so */
        return g->c->n_edges ? g->c->words[g->c->edges[0].phrase] : 0;
    for (size_t i = 0; i < g->c->n_edges; i++) {
        const struct containment_edge *e = &g->c->edges[i];
        if (g->c->words[e->phrase] < words)
            break;
        join(g, e->whole, e->phrase);
        if (g->largest > cap)
            return g->c->words[e->phrase];
    }
    return 0;
}

/* The edges to phrases of fewer than `words` words. */
static size_t first_short(const struct containment *c, uint32_t words)
{
    size_t i = 0;
    while (i < c->n_edges && c->words[c->edges[i].phrase] >= words)
        i++;
    return i;
}

/* Finds each short phrase's owner: the root of the only group that contains it, or MANY_OWNERS. What contains a phrase
 * has more words, so its owner is known before it is needed. Then joins it with that group. */
static void own_short_phrases(struct groups *g, uint32_t words)
{
    const struct containment *c = g->c;
    for (size_t p = 0; p < c->n_patterns; p++)
        g->owner[p] = NO_OWNER;
    for (size_t i = first_short(c, words); i < c->n_edges; i++) {
        uint32_t whole = c->edges[i].whole, phrase = c->edges[i].phrase;
        uint32_t owner = g->owner[whole] == NO_OWNER ? find(g, whole) : g->owner[whole];
        if (g->owner[phrase] == NO_OWNER)
            g->owner[phrase] = owner;
        else if (g->owner[phrase] != owner)
            g->owner[phrase] = MANY_OWNERS;
    }
    for (size_t p = 0; p < c->n_patterns; p++)
        if (g->owner[p] < NO_OWNER)
            join(g, g->owner[p], (uint32_t)p);
}

/* Sends whole groups to the hold-out. */
static void choose_groups(struct groups *g, struct holdout *h, size_t target)
{
    uint64_t *roots = xmalloc_array(g->c->n_patterns, sizeof *roots);
    struct rng rng;
    for (size_t p = 0; p < g->c->n_patterns; p++)
        if (g->owner[p] != MANY_OWNERS && g->parent[p] == p)
            roots[h->n_groups++] = p;
    rng_init(&rng, h->seed, HOLDOUT_STREAM);
    rng_shuffle(&rng, roots, h->n_groups);
    size_t held = 0;
    for (size_t i = 0; i < h->n_groups && held < target; i++) {
        size_t size = g->size[roots[i]];
        if (size >= 2 * (target - held)) /* it would overshoot by as much as is missing now, or more */
            continue;
        g->held[roots[i]] = true;
        held += size;
    }
    free(roots);
    for (size_t p = 0; p < g->c->n_patterns; p++)
        g->held[p] = g->owner[p] == MANY_OWNERS || g->held[find(g, (uint32_t)p)];
}

/* Phrases with many owners stay in the hold-out only if all their owners do. */
static void place_shared_phrases(struct groups *g, uint32_t words)
{
    for (size_t i = first_short(g->c, words); i < g->c->n_edges; i++) {
        const struct containment_edge *e = &g->c->edges[i];
        if (g->owner[e->phrase] == MANY_OWNERS && !g->held[e->whole])
            g->held[e->phrase] = false;
    }
}

int holdout_split(struct holdout *h, const struct text *texts, size_t n, struct error *err)
{
    struct containment c;
    if (containment_find(&c, texts, n, err) < 0)
        return -1;
    size_t patterns = c.n_patterns ? c.n_patterns : 1;
    size_t target = (size_t)(h->fraction * (double)n + 0.5), smaller = target < n - target ? target : n - target;
    uint32_t *rows = xcalloc(patterns, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[c.pattern[i]]++;
    sort_edges(&c);
    struct groups g = {.c = &c,
                       .rows = rows,
                       .parent = xmalloc_array(patterns, sizeof *g.parent),
                       .size = xmalloc_array(patterns, sizeof *g.size),
                       .owner = xmalloc_array(patterns, sizeof *g.owner),
                       .held = xcalloc(patterns, sizeof *g.held)};
    if (h->phrase_words == 0)
        h->phrase_words = (long)tie(&g, 1, smaller > ALWAYS_TIED ? smaller : ALWAYS_TIED) + 1;
    uint32_t words = h->phrase_words < UINT32_MAX ? (uint32_t)h->phrase_words : UINT32_MAX;
    tie(&g, words, SIZE_MAX);
    own_short_phrases(&g, words);
    choose_groups(&g, h, target);
    place_shared_phrases(&g, words);

    h->largest = g.largest;
    h->held = xcalloc(n ? n : 1, sizeof *h->held);
    for (size_t i = 0; i < n; i++) {
        h->held[i] = g.held[c.pattern[i]];
        h->n_held += h->held[i];
    }
    free(rows);
    free(g.parent);
    free(g.size);
    free(g.owner);
    free(g.held);
    containment_free(&c);
    return 0;
}

void holdout_free(struct holdout *h)
{
    free(h->held);
    h->held = NULL;
}
