/* containment.c - a trie of words with failure links. */
#include "data/containment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/source.h"

static const uint32_t NONE = UINT32_MAX, ROOT = 0;

struct node {
    uint32_t parent, word, depth;
    uint32_t fail;    /* the longest proper suffix of this node's words that is in the trie */
    uint32_t pattern; /* whose words end here; NONE */
    uint32_t suffix;  /* the nearest node over failure links where a pattern ends; NONE */
};

/* Open addressing; a slot holds a node (word) number + 1, 0 is empty. */
struct table {
    uint32_t *slots;
    size_t cap, used;
};

struct word {
    size_t begin, len; /* in struct trie's text */
};

struct trie {
    struct node *nodes;
    size_t n_nodes, cap_nodes;
    struct word *words;
    size_t n_words, cap_words;
    struct buf text;
    struct table children, dictionary;
};

/* ---- hashing ---- */

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static uint64_t hash_bytes(const char *data, size_t len)
{
    uint64_t h = len;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)data[i]) * 0x100000001B3u;
    return mix(h);
}

static uint64_t hash_child(uint32_t parent, uint32_t word)
{
    return mix((uint64_t)parent << 32 | word);
}

static uint64_t rehash(const struct trie *t, bool dictionary, uint32_t item)
{
    if (dictionary)
        return hash_bytes(t->text.data + t->words[item].begin, t->words[item].len);
    return hash_child(t->nodes[item].parent, t->nodes[item].word);
}

/* Keeps the table under two thirds full. */
static void table_grow(struct trie *t, struct table *table, bool dictionary)
{
    if (3 * (table->used + 1) <= 2 * table->cap)
        return;
    size_t cap = table->cap ? 2 * table->cap : 1024;
    uint32_t *slots = xcalloc(cap, sizeof *slots);
    for (size_t i = 0; i < table->cap; i++) {
        if (!table->slots[i])
            continue;
        size_t at = rehash(t, dictionary, table->slots[i] - 1) & (cap - 1);
        while (slots[at])
            at = (at + 1) & (cap - 1);
        slots[at] = table->slots[i];
    }
    free(table->slots);
    table->slots = slots;
    table->cap = cap;
}

/* ---- the trie ---- */

static uint32_t *child_slot(const struct trie *t, uint32_t parent, uint32_t word)
{
    size_t at = hash_child(parent, word) & (t->children.cap - 1);
    for (;; at = (at + 1) & (t->children.cap - 1)) {
        uint32_t item = t->children.slots[at];
        if (!item || (t->nodes[item - 1].parent == parent && t->nodes[item - 1].word == word))
            return &t->children.slots[at];
    }
}

static uint32_t child_of(const struct trie *t, uint32_t parent, uint32_t word)
{
    uint32_t item = *child_slot(t, parent, word);
    return item ? item - 1 : NONE;
}

static uint32_t add_node(struct trie *t, uint32_t parent, uint32_t word, uint32_t depth)
{
    if (t->n_nodes == t->cap_nodes) {
        t->cap_nodes = t->cap_nodes ? 2 * t->cap_nodes : 1024;
        t->nodes = xrealloc_array(t->nodes, t->cap_nodes, sizeof *t->nodes);
    }
    t->nodes[t->n_nodes] = (struct node){parent, word, depth, ROOT, NONE, NONE};
    return (uint32_t)t->n_nodes++;
}

static uint32_t descend(struct trie *t, uint32_t parent, uint32_t word)
{
    table_grow(t, &t->children, false);
    uint32_t *slot = child_slot(t, parent, word);
    if (!*slot) {
        uint32_t depth = t->nodes[parent].depth + 1;
        *slot = add_node(t, parent, word, depth) + 1;
        t->children.used++;
    }
    return *slot - 1;
}

/* The number of a word, its ASCII letters in lower case. */
static uint32_t number_word(struct trie *t, const char *data, size_t len)
{
    size_t begin = t->text.len;
    for (size_t i = 0; i < len; i++)
        buf_addch(&t->text, data[i] >= 'A' && data[i] <= 'Z' ? (char)(data[i] + 32) : data[i]);
    table_grow(t, &t->dictionary, true);
    size_t at = hash_bytes(t->text.data + begin, len) & (t->dictionary.cap - 1);
    for (;; at = (at + 1) & (t->dictionary.cap - 1)) {
        uint32_t item = t->dictionary.slots[at];
        if (!item)
            break;
        const struct word *w = &t->words[item - 1];
        if (w->len == len && memcmp(t->text.data + w->begin, t->text.data + begin, len) == 0) {
            t->text.len = begin; /* known */
            return item - 1;
        }
    }
    if (t->n_words == t->cap_words) {
        t->cap_words = t->cap_words ? 2 * t->cap_words : 1024;
        t->words = xrealloc_array(t->words, t->cap_words, sizeof *t->words);
    }
    t->words[t->n_words++] = (struct word){begin, len};
    t->dictionary.slots[at] = (uint32_t)t->n_words;
    t->dictionary.used++;
    return (uint32_t)t->n_words - 1;
}

/* The node where the text ends. */
static uint32_t add_text(struct trie *t, const struct text *text)
{
    const char *at = text->data, *end = at + text->len, *word;
    size_t len;
    uint32_t node = ROOT;
    while (node != NONE && (word = source_word(&at, end, &len)) != NULL)
        node = t->n_nodes < NONE - 1 && t->n_words < NONE - 1 ? descend(t, node, number_word(t, word, len)) : NONE;
    return node;
}

/* ---- links ---- */

/* The nodes by depth, so that links of shorter suffixes are there before they are needed. Freed by the caller. */
static uint32_t *order_by_depth(const struct trie *t)
{
    uint32_t deepest = 0;
    for (size_t i = 0; i < t->n_nodes; i++)
        if (t->nodes[i].depth > deepest)
            deepest = t->nodes[i].depth;
    size_t *next = xcalloc((size_t)deepest + 2, sizeof *next);
    for (size_t i = 0; i < t->n_nodes; i++)
        next[t->nodes[i].depth + 1]++;
    for (size_t d = 1; d <= deepest; d++)
        next[d] += next[d - 1];
    uint32_t *order = xmalloc_array(t->n_nodes, sizeof *order);
    for (size_t i = 0; i < t->n_nodes; i++)
        order[next[t->nodes[i].depth]++] = (uint32_t)i;
    free(next);
    return order;
}

static void add_links(struct trie *t)
{
    uint32_t *order = order_by_depth(t);
    for (size_t i = 1; i < t->n_nodes; i++) { /* the root has none */
        struct node *node = &t->nodes[order[i]];
        uint32_t at = node->parent, found = NONE;
        while (at != ROOT && found == NONE) {
            at = t->nodes[at].fail;
            found = child_of(t, at, node->word);
        }
        node->fail = found == NONE ? ROOT : found;
        const struct node *fail = &t->nodes[node->fail];
        node->suffix = node->fail != ROOT && fail->pattern != NONE ? node->fail : fail->suffix;
    }
    free(order);
}

/* The longest pattern but `self` that ends at the node; NONE where there is none. */
static uint32_t longest_ending(const struct trie *t, uint32_t node, uint32_t self)
{
    const struct node *at = &t->nodes[node];
    if (at->pattern != NONE && at->pattern != self)
        return at->pattern;
    return at->suffix == NONE ? NONE : t->nodes[at->suffix].pattern;
}

static void collect_edges(const struct trie *t, struct containment *c, const uint32_t *last)
{
    size_t most = 0;
    for (size_t p = 0; p < c->n_patterns; p++)
        most += c->words[p];
    c->edges = xmalloc_array(most ? most : 1, sizeof *c->edges);
    for (size_t p = 0; p < c->n_patterns; p++) {
        for (uint32_t node = last[p]; node != ROOT; node = t->nodes[node].parent) {
            uint32_t phrase = longest_ending(t, node, (uint32_t)p);
            if (phrase != NONE)
                c->edges[c->n_edges++] = (struct containment_edge){(uint32_t)p, phrase};
        }
    }
}

static void trie_free(struct trie *t)
{
    free(t->nodes);
    free(t->words);
    free(t->children.slots);
    free(t->dictionary.slots);
    buf_free(&t->text);
}

int containment_find(struct containment *c, const struct text *texts, size_t n, struct error *err)
{
    struct trie t = {0};
    uint32_t *last = xmalloc_array(n ? n : 1, sizeof *last); /* of each pattern: the node where it ends */
    int rc = 0;
    *c = (struct containment){.pattern = xmalloc_array(n ? n : 1, sizeof *c->pattern),
                              .words = xmalloc_array(n ? n : 1, sizeof *c->words)};
    add_node(&t, NONE, NONE, 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t node = add_text(&t, &texts[i]);
        if (node == NONE) {
            rc = error_set(err, STATUS_FAILURE, "--holdout: more than 4 billion words");
            goto out;
        }
        if (t.nodes[node].pattern == NONE) {
            c->words[c->n_patterns] = t.nodes[node].depth;
            last[c->n_patterns] = node;
            t.nodes[node].pattern = (uint32_t)c->n_patterns++;
        }
        c->pattern[i] = t.nodes[node].pattern;
    }
    if (t.n_nodes > 1)
        add_links(&t);
    collect_edges(&t, c, last);
out:
    if (rc < 0)
        containment_free(c);
    trie_free(&t);
    free(last);
    return rc;
}

void containment_free(struct containment *c)
{
    free(c->pattern);
    free(c->words);
    free(c->edges);
    *c = (struct containment){0};
}
