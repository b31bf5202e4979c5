/* key_set.c - see key_set.h. */
#include "teacher/key_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* The slot of the key, or the free one where it belongs. A key is a hash already. */
static uint32_t *find_slot(const struct key_set *s, const unsigned char *key)
{
    uint64_t hash;
    memcpy(&hash, key, sizeof hash);
    size_t i = hash & (s->n_slots - 1);
    while (s->slots[i] && memcmp(s->keys[s->slots[i] - 1], key, JOURNAL_KEY_SIZE) != 0)
        i = (i + 1) & (s->n_slots - 1);
    return &s->slots[i];
}

static void grow(struct key_set *s)
{
    s->cap = s->cap ? 2 * s->cap : 256;
    assert(s->cap < UINT32_MAX / 2);
    s->keys = xrealloc_array(s->keys, s->cap, sizeof *s->keys);
    free(s->slots);
    s->n_slots = 2 * s->cap;
    s->slots = xcalloc(s->n_slots, sizeof *s->slots);
    for (size_t i = 0; i < s->n; i++)
        *find_slot(s, s->keys[i]) = (uint32_t)(i + 1);
}

bool key_set_add(struct key_set *s, const unsigned char key[JOURNAL_KEY_SIZE])
{
    if (s->n == s->cap)
        grow(s);
    uint32_t *slot = find_slot(s, key);
    if (*slot)
        return false;
    memcpy(s->keys[s->n++], key, JOURNAL_KEY_SIZE);
    *slot = (uint32_t)s->n;
    return true;
}

long key_set_find(const struct key_set *s, const unsigned char key[JOURNAL_KEY_SIZE])
{
    return s->n ? (long)*find_slot(s, key) - 1 : -1;
}

void key_set_reset(struct key_set *s)
{
    if (s->n)
        memset(s->slots, 0, s->n_slots * sizeof *s->slots);
    s->n = 0;
}

void key_set_free(struct key_set *s)
{
    free(s->keys);
    free(s->slots);
    *s = (struct key_set){0};
}
