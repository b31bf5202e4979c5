/* pair_queue.c - a hash table of pairs and a binary heap of entries. */
#include "text/pair_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { FIRST_SLOTS = 4096 };

/* ---- pairs by key ---- */

static size_t slot_of(const struct pair_queue *q, uint64_t key)
{
    size_t mask = q->n_slots - 1, i = (key * UINT64_C(0x9E3779B97F4A7C15) >> 20) & mask;

    while (q->slots[i] != UINT32_MAX && q->pairs[q->slots[i]].key != key)
        i = (i + 1) & mask;
    return i;
}

static void grow(struct pair_queue *q)
{
    q->n_slots = q->n_slots ? 2 * q->n_slots : FIRST_SLOTS;
    q->slots = xrealloc_array(q->slots, q->n_slots, sizeof *q->slots);
    memset(q->slots, 0xFF, q->n_slots * sizeof *q->slots);
    for (size_t i = 0; i < q->n; i++)
        q->slots[slot_of(q, q->pairs[i].key)] = (uint32_t)i;
}

static struct pair *pair_of(struct pair_queue *q, uint64_t key)
{
    size_t slot;

    if (2 * (q->n + 1) > q->n_slots)
        grow(q);
    slot = slot_of(q, key);
    if (q->slots[slot] == UINT32_MAX) {
        if (q->n == q->cap) {
            q->cap = 2 * q->cap + FIRST_SLOTS;
            q->pairs = xrealloc_array(q->pairs, q->cap, sizeof *q->pairs);
        }
        q->slots[slot] = (uint32_t)q->n;
        q->pairs[q->n++] = (struct pair){.key = key};
    }
    return &q->pairs[q->slots[slot]];
}

/* ---- the heap ---- */

static bool goes_before(const struct pair_entry *a, const struct pair_entry *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return a->key != b->key ? a->key < b->key : a->made < b->made;
}

static void sift_down(struct pair_queue *q, struct pair_entry entry)
{
    size_t i = 0;

    for (size_t child = 1; child < q->n_heap; child = 2 * i + 1) {
        if (child + 1 < q->n_heap && goes_before(&q->heap[child + 1], &q->heap[child]))
            child++;
        if (!goes_before(&q->heap[child], &entry))
            break;
        q->heap[i] = q->heap[child];
        i = child;
    }
    q->heap[i] = entry;
}

static void push(struct pair_queue *q, struct pair_entry entry)
{
    size_t i = q->n_heap++;

    if (q->n_heap > q->heap_cap) {
        q->heap_cap = 2 * q->heap_cap + FIRST_SLOTS;
        q->heap = xrealloc_array(q->heap, q->heap_cap, sizeof *q->heap);
    }
    while (i > 0 && goes_before(&entry, &q->heap[(i - 1) / 2])) {
        q->heap[i] = q->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    q->heap[i] = entry;
}

/* ---- the queue ---- */

static void note(struct pair_queue *q, struct pair *pair, uint32_t word)
{
    struct pair_places *p = &pair->places;

    if (p->n > 0 && p->words[p->n - 1] == word)
        return;
    if (p->n == 0) {
        if (q->n_round == q->round_cap) {
            q->round_cap = 2 * q->round_cap + 256;
            q->round = xrealloc_array(q->round, q->round_cap, sizeof *q->round);
        }
        q->round[q->n_round++] = (uint32_t)(pair - q->pairs);
    }
    if (p->n == p->cap) {
        p->cap = 2 * p->cap + 2;
        p->words = xrealloc_array(p->words, p->cap, sizeof *p->words);
    }
    p->words[p->n++] = word;
}

void pair_queue_count(struct pair_queue *q, uint32_t left, uint32_t right, int64_t amount, uint32_t word)
{
    struct pair *pair = pair_of(q, (uint64_t)left << 32 | right);

    pair->count += amount;
    if (amount > 0)
        note(q, pair, word);
}

void pair_queue_end_round(struct pair_queue *q)
{
    for (size_t i = 0; i < q->n_round; i++) {
        struct pair *pair = &q->pairs[q->round[i]];
        if (pair->count > 0)
            push(q, (struct pair_entry){pair->key, pair->count, q->made++, pair->places});
        else
            free(pair->places.words); /* made and unmade in this round */
        pair->places = (struct pair_places){0};
    }
    q->n_round = 0;
}

bool pair_queue_next(struct pair_queue *q, struct pair_entry *entry)
{
    while (q->n_heap > 0) {
        *entry = q->heap[0];
        int64_t now = pair_of(q, entry->key)->count;
        if (entry->count == now) {
            struct pair_entry last = q->heap[--q->n_heap];
            if (q->n_heap > 0)
                sift_down(q, last);
            return true;
        }
        entry->count = now; /* it may be higher: then it stays the first */
        sift_down(q, *entry);
    }
    return false;
}

void pair_queue_free(struct pair_queue *q)
{
    for (size_t i = 0; i < q->n; i++)
        free(q->pairs[i].places.words);
    for (size_t i = 0; i < q->n_heap; i++)
        free(q->heap[i].places.words);
    free(q->pairs);
    free(q->slots);
    free(q->round);
    free(q->heap);
    *q = (struct pair_queue){0};
}
