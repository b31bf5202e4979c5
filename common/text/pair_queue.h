/* pair_queue.h - pairs of neighbouring pieces: how often each occurs, in which words, and which is due next.
 *
 * Places found in one round (the first count, or one merge) make one entry of the queue; a pair that turns up again in
 * a later round gets another entry. An entry has the count of when it was made, and is put back with the count of now
 * when it comes up with another one: the way tokenizers does it, on which its results depend where a piece can be put
 * together in more than one way.
 */
#ifndef TEXT_PAIR_QUEUE_H
#define TEXT_PAIR_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pair_places {
    uint32_t *words; /* [n] numbers of the words, ascending; owned */
    size_t n, cap;
};

struct pair {
    uint64_t key; /* left id << 32 | right id */
    int64_t count;
    struct pair_places places; /* found in this round */
};

struct pair_entry {
    uint64_t key;
    int64_t count;
    uint64_t made; /* a running number: of equal entries the older goes first */
    struct pair_places places;
};

/* Zeroed before its first use. */
struct pair_queue {
    struct pair *pairs; /* [n] */
    size_t n, cap;
    uint32_t *slots; /* [n_slots] open addressing */
    size_t n_slots;
    uint32_t *round; /* [n_round] pairs with places of this round */
    size_t n_round, round_cap;
    struct pair_entry *heap; /* [n_heap] */
    size_t n_heap, heap_cap;
    uint64_t made;
};

/* Adds to the count of the pair; a positive amount also notes the word, which must not be lower than the one noted
 * before in this round. */
void pair_queue_count(struct pair_queue *q, uint32_t left, uint32_t right, int64_t amount, uint32_t word);
/* Ends a round: what it noted is queued. */
void pair_queue_end_round(struct pair_queue *q);
/* The most frequent pair, of equal ones that with the lowest ids; the caller frees places.words. false: none is left.
 */
bool pair_queue_next(struct pair_queue *q, struct pair_entry *entry);
void pair_queue_free(struct pair_queue *q);

#endif
