/* word_table.c - open addressing, at most half full. */
#include "text/word_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { FIRST_SLOTS = 1024 };

static uint64_t hash_of(const char *word, size_t len)
{
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t h = len * odd, x;

    for (; len >= 8; word += 8, len -= 8) {
        memcpy(&x, word, 8);
        h = (h ^ x) * odd;
        h ^= h >> 32;
    }
    x = 0;
    memcpy(&x, word, len);
    h = (h ^ x) * odd;
    h ^= h >> 29;
    h *= UINT64_C(0xBF58476D1CE4E5B9);
    return h ^ h >> 32;
}

/* The slot of the string, or the free one where it belongs. */
static size_t slot_of(const struct word_table *t, const char *word, size_t len, uint64_t hash)
{
    size_t mask = t->n_slots - 1, i = hash & mask;

    while (t->slots[i] != WORD_TABLE_NONE) {
        const struct word_entry *e = &t->entries[t->slots[i]];
        if (e->hash == hash && e->len == len && memcmp(t->bytes.data + e->at, word, len) == 0)
            break;
        i = (i + 1) & mask;
    }
    return i;
}

static void grow(struct word_table *t)
{
    t->n_slots = t->n_slots ? 2 * t->n_slots : FIRST_SLOTS;
    t->slots = xrealloc_array(t->slots, t->n_slots, sizeof *t->slots);
    memset(t->slots, 0xFF, t->n_slots * sizeof *t->slots);
    for (uint32_t n = 0; n < t->n; n++) {
        size_t i = t->entries[n].hash & (t->n_slots - 1);
        while (t->slots[i] != WORD_TABLE_NONE)
            i = (i + 1) & (t->n_slots - 1);
        t->slots[i] = n;
    }
}

uint32_t word_table_add(struct word_table *t, const char *word, size_t len)
{
    uint64_t hash = hash_of(word, len);
    size_t slot;

    if (2 * ((size_t)t->n + 1) > t->n_slots)
        grow(t);
    slot = slot_of(t, word, len, hash);
    if (t->slots[slot] != WORD_TABLE_NONE)
        return t->slots[slot];
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : FIRST_SLOTS / 2;
        t->entries = xrealloc_array(t->entries, t->cap, sizeof *t->entries);
    }
    t->slots[slot] = t->n;
    t->entries[t->n] = (struct word_entry){.hash = hash, .at = t->bytes.len, .len = len};
    buf_add(&t->bytes, word, len);
    return t->n++;
}

uint32_t word_table_find(const struct word_table *t, const char *word, size_t len)
{
    return t->n > 0 ? t->slots[slot_of(t, word, len, hash_of(word, len))] : WORD_TABLE_NONE;
}

void word_table_free(struct word_table *t)
{
    free(t->entries);
    free(t->slots);
    buf_free(&t->bytes);
    *t = (struct word_table){0};
}
