/* word_cache.h - the pieces of short words met lately: most running text is made of few words.
 *
 * A table of sets of two words, one cache line each; a key holds the whole word, so a hit is certain. Words of up to 15
 * bytes and 3 pieces are kept; of a set's two the one that was put in earlier makes room.
 */
#ifndef TEXT_WORD_CACHE_H
#define TEXT_WORD_CACHE_H

#include <stddef.h>
#include <stdint.h>

enum { WORD_CACHE_SETS = 65536, WORD_CACHE_WAYS = 2, WORD_CACHE_BYTES = 15, WORD_CACHE_PIECES = 3 };

/* A word's bytes, then zeros; the last byte is its length. */
struct word_key {
    uint64_t low, high;
};

struct cached_word {
    struct word_key key; /* zero: empty, as no word has length 0 */
    int32_t ids[WORD_CACHE_PIECES];
    uint8_t n;
    uint8_t ends[WORD_CACHE_PIECES]; /* where each piece ends, in bytes of the word */
};

struct word_set {
    struct cached_word ways[WORD_CACHE_WAYS];
};

struct word_cache {
    struct word_set *sets; /* [WORD_CACHE_SETS], or NULL */
};

static inline struct word_set *word_cache_set(const struct word_cache *cache, struct word_key key)
{
    uint64_t h = (key.low ^ (key.high * UINT64_C(0x9E3779B97F4A7C15))) * UINT64_C(0xD6E8FEB86659FD93);

    return &cache->sets[(h >> 40) % WORD_CACHE_SETS];
}

static inline int word_key_equal(struct word_key a, struct word_key b)
{
    return a.low == b.low && a.high == b.high;
}

#endif
