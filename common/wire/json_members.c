/* json_members.c - see json_members.h: an open hash table with linear probing. */
#include "wire/json_members.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static uint64_t hash_key(uint64_t seed, uint32_t parent, const char *key, size_t len)
{
    const uint64_t k = 0x9E3779B97F4A7C15u;
    uint64_t h = (seed ^ parent) * k ^ len;
    while (len > 0) {
        uint64_t word = 0;
        size_t n = len < sizeof word ? len : sizeof word;
        memcpy(&word, key, n);
        h = (h ^ word) * k;
        h ^= h >> 29;
        key += n;
        len -= n;
    }
    return h ^ h >> 32;
}

struct member_slot *member_find(const struct member_table *t, const struct json_node *nodes, uint32_t parent,
                                const char *key, size_t len)
{
    size_t i = hash_key(t->seed, parent, key, len) & (t->cap - 1);
    for (;; i = (i + 1) & (t->cap - 1)) {
        struct member_slot *s = &t->slots[i];
        if (s->generation != t->generation)
            return s;
        const struct json_node *n = &nodes[s->node];
        if (s->parent == parent && n->key_len == len && memcmp(n->key, key, len) == 0)
            return s;
    }
}

void member_table_grow(struct member_table *t, const struct json_node *nodes)
{
    struct member_table larger = *t;
    larger.cap = t->cap ? 2 * t->cap : 64;
    larger.slots = xcalloc(larger.cap, sizeof *larger.slots);
    for (size_t i = 0; i < t->cap; i++) {
        const struct member_slot *s = &t->slots[i];
        if (s->generation == t->generation)
            *member_find(&larger, nodes, s->parent, nodes[s->node].key, nodes[s->node].key_len) = *s;
    }
    free(t->slots);
    *t = larger;
}

void member_table_reset(struct member_table *t)
{
    t->used = 0;
    if (++t->generation == 0) { /* old slots could pass for new ones */
        if (t->slots)
            memset(t->slots, 0, t->cap * sizeof *t->slots);
        t->generation = 1;
    }
}
