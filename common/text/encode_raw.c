/* encode_raw.c - cuts text into words and words into pieces.
 *
 * ASCII goes the fast way: bytes are classified by a table, and a word of letters and digits is looked up in the cache
 * as two 64-bit numbers. A word that holds anything else, up to the next ASCII space or punctuation, goes through the
 * normaliser.
 */
#include <string.h>

#include "base/memory.h"
#include "text/tokenizer.h"

static inline void emit(struct encoding *out, int32_t id, uint32_t begin, uint32_t end)
{
    out->ids[out->n] = id;
    out->spans[out->n++] = (struct token_span){begin, end};
}

static int32_t *piece_room(struct encoder_scratch *s, size_t n)
{
    if (n > s->pieces_cap) {
        s->pieces_cap = 2 * n + 256;
        s->pieces = xrealloc_array(s->pieces, s->pieces_cap, sizeof *s->pieces);
    }
    return s->pieces;
}

/* ---- words that are not plain ASCII ---- */

/* The word chars[first..last) of the normalised text. */
static void encode_normal_word(const struct tokenizer *t, struct encoder_scratch *s, size_t first, size_t last,
                               struct encoding *out)
{
    const struct normal_char *chars = s->normalized.chars;
    const uint8_t *bytes = (const uint8_t *)s->normalized.bytes.data;
    size_t len = chars[last].at - chars[first].at, n = 0, at = first;
    int32_t *ids;

    encoding_reserve(out, last - first);
    if (last - first <= t->max_word_characters) {
        ids = piece_room(s, len);
        n = trie_match(&t->trie, bytes + chars[first].at, len, ids);
    }
    if (n == 0) {
        emit(out, t->unk, chars[first].begin, chars[last - 1].end);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t begin = at, stop = chars[at].at + t->trie.piece_bytes[ids[i]];
        while (chars[at].at < stop)
            at++;
        emit(out, ids[i], chars[begin].begin, chars[at - 1].end);
    }
}

/* The normalised text's characters first..last, cut at spaces and punctuation. */
static void encode_normal_chars(const struct tokenizer *t, struct encoder_scratch *s, size_t first, size_t last,
                                struct encoding *out)
{
    const struct normal_char *chars = s->normalized.chars;
    size_t i = first;

    while (i < last) {
        size_t begin = i++;
        if (chars[begin].class == NORMAL_SPACE)
            continue;
        if (chars[begin].class == NORMAL_WORD)
            while (i < last && chars[i].class == NORMAL_WORD)
                i++;
        encode_normal_word(t, s, begin, i, out);
    }
}

static void encode_other(const struct tokenizer *t, struct encoder_scratch *s, const char *text, uint32_t begin,
                         uint32_t end, struct encoding *out)
{
    normalized_reset(&s->normalized);
    normalize(&t->settings, &s->normalized, text, begin, end);
    encode_normal_chars(t, s, 0, s->normalized.n, out);
}

/* A part of a text for a tokenizer with added tokens that are matched after normalisation. */
static void encode_with_added(const struct tokenizer *t, struct encoder_scratch *s, const char *text, uint32_t begin,
                              uint32_t end, struct encoding *out)
{
    struct added_match match;
    size_t done = 0, at = 0;

    normalized_reset(&s->normalized);
    normalize(&t->settings, &s->normalized, text, begin, end);
    struct added_search search = {.text = s->normalized.bytes.data, .len = s->normalized.bytes.len};
    const struct normal_char *chars = s->normalized.chars;
    while (search.len > 0 && added_matcher_next(&t->normalized, &search, &match)) {
        while (chars[at].at < match.begin)
            at++;
        encode_normal_chars(t, s, done, at, out);
        size_t first = at;
        while (chars[at].at < match.end)
            at++;
        encoding_reserve(out, 1);
        emit(out, match.id, chars[first].begin, chars[at - 1].end);
        done = at;
    }
    encode_normal_chars(t, s, done, s->normalized.n, out);
}

/* ---- ASCII words ---- */

/* Turns A-Z into a-z in 8 ASCII bytes at once. */
static inline uint64_t lower_ascii(uint64_t x)
{
    uint64_t from_a = x + UINT64_C(0x3F3F3F3F3F3F3F3F), past_z = x + UINT64_C(0x2525252525252525);

    return x | ((from_a & ~past_z & UINT64_C(0x8080808080808080)) >> 2);
}

/* How many of the 8 bytes, from the first, are ASCII letters and digits. */
static inline uint32_t word_bytes(uint64_t x)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);
    uint64_t low7 = x & ~high, folded = low7 | (0x20 * ones);
    uint64_t letters = (folded + (0x80 - 'a') * ones) & ~(folded + (0x80 - 'z' - 1) * ones);
    uint64_t digits = (low7 + (0x80 - '0') * ones) & ~(low7 + (0x80 - '9' - 1) * ones);
    uint64_t others = ~((letters | digits) & ~x) & high;

    return others ? (uint32_t)__builtin_ctzll(others) / 8 : 8;
}

/* The first n bytes, n <= 8. */
static inline uint64_t first_bytes(uint64_t x, uint32_t n)
{
    return n < 8 ? x & ((UINT64_C(1) << (8 * n)) - 1) : x;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte of a word is the lowest of a number");

/* The word of letters and digits at text[begin..), or the one byte there that is neither: its length up to 16, and the
 * key if that is no more than WORD_CACHE_BYTES. */
static inline uint32_t read_word(const char *text, uint32_t begin, uint32_t end, size_t len, bool lower,
                                 struct word_key *key)
{
    uint64_t low = 0, high = 0;
    uint32_t n, m;

    if (begin + 16 <= len) {
        memcpy(&low, text + begin, 8);
        memcpy(&high, text + begin + 8, 8);
    } else {
        char last[16] = {0};
        memcpy(last, text + begin, len - begin);
        memcpy(&low, last, 8);
        memcpy(&high, last + 8, 8);
    }
    n = word_bytes(low);
    m = word_bytes(high);
    n = n == 8 ? 8 + m : n;
    n = n < end - begin ? n : end - begin;
    n = n > 0 ? n : 1;
    m = n > 8 ? n - 8 : 0;
    low = first_bytes(low, n);
    high = first_bytes(high, m);
    if (lower) {
        low = lower_ascii(low);
        high = lower_ascii(high);
    }
    *key = (struct word_key){low, high | (uint64_t)n << 56};
    return n;
}

static size_t match_ascii(const struct tokenizer *t, struct encoder_scratch *s, const char *text, uint32_t begin,
                          uint32_t end)
{
    buf_reset(&s->lowered);
    buf_add(&s->lowered, text + begin, end - begin);
    for (size_t i = 0; t->settings.do_lower_case && i < s->lowered.len; i++)
        if (s->lowered.data[i] >= 'A' && s->lowered.data[i] <= 'Z')
            s->lowered.data[i] |= 0x20;
    return trie_match(&t->trie, (const uint8_t *)s->lowered.data, s->lowered.len, piece_room(s, s->lowered.len));
}

static void encode_long_ascii_word(const struct tokenizer *t, struct encoder_scratch *s, const char *text,
                                   uint32_t begin, uint32_t end, struct encoding *out)
{
    size_t n = 0;
    uint32_t at = begin;

    if (end - begin <= t->max_word_characters)
        n = match_ascii(t, s, text, begin, end);
    encoding_reserve(out, n + 1);
    if (n == 0)
        emit(out, t->unk, begin, end);
    for (size_t i = 0; i < n; i++) {
        emit(out, s->pieces[i], at, at + t->trie.piece_bytes[s->pieces[i]]);
        at += t->trie.piece_bytes[s->pieces[i]];
    }
}

/* ASCII words whose entries in the cache are on their way: the memory is asked for all of them before the first is
 * needed, so they are waited for together. */
enum { WAITING_WORDS = 16 };

struct waiting_word {
    struct word_key key;
    struct word_set *set;
    uint32_t begin, end;
};

struct waiting {
    struct waiting_word words[WAITING_WORDS];
    size_t n;
};

/* Pieces a short word and remembers it, if it has few pieces. */
static void encode_new_word(const struct tokenizer *t, struct encoder_scratch *s, const char *text,
                            const struct waiting_word *word, struct encoding *out)
{
    size_t first = out->n, n;
    struct cached_word *ways = word->set->ways;

    encode_long_ascii_word(t, s, text, word->begin, word->end, out);
    n = out->n - first;
    if (n > WORD_CACHE_PIECES)
        return;
    ways[1] = ways[0];
    ways[0] = (struct cached_word){.key = word->key, .n = (uint8_t)n};
    for (size_t i = 0; i < n; i++) {
        ways[0].ids[i] = out->ids[first + i];
        ways[0].ends[i] = (uint8_t)(out->spans[first + i].end - word->begin);
    }
}

/* Looks up the words that wait. All three pieces are written, whatever n is: that saves a branch that cannot be
 * foreseen. */
static void encode_waiting(const struct tokenizer *t, struct encoder_scratch *s, const char *text, struct waiting *w,
                           struct encoding *out)
{
    encoding_reserve(out, (w->n + 1) * WORD_CACHE_PIECES);
    for (size_t k = 0; k < w->n; k++) {
        const struct waiting_word *word = &w->words[k];
        const struct cached_word *hit = &word->set->ways[0];
        if (!word_key_equal(hit->key, word->key))
            hit = &word->set->ways[1];
        if (!word_key_equal(hit->key, word->key)) {
            encode_new_word(t, s, text, word, out);
            encoding_reserve(out, (w->n - k + 1) * WORD_CACHE_PIECES);
            continue;
        }
        int32_t *ids = out->ids + out->n;
        struct token_span *spans = out->spans + out->n;
        const uint32_t begin = word->begin;
        ids[0] = hit->ids[0];
        ids[1] = hit->ids[1];
        ids[2] = hit->ids[2];
        spans[0] = (struct token_span){begin, begin + hit->ends[0]};
        spans[1] = (struct token_span){begin + hit->ends[0], begin + hit->ends[1]};
        spans[2] = (struct token_span){begin + hit->ends[1], begin + hit->ends[2]};
        out->n += hit->n;
    }
    w->n = 0;
}

_Static_assert(WORD_CACHE_PIECES == 3, "encode_waiting writes three");

void encode_raw(const struct tokenizer *t, struct encoder_scratch *s, const char *text, uint32_t begin, uint32_t end,
                size_t len, struct encoding *out)
{
    const uint8_t *bytes = (const uint8_t *)text;
    const bool lower = t->settings.do_lower_case;
    struct waiting waiting;
    uint32_t i = begin;

    if (t->normalized.n > 0) {
        encode_with_added(t, s, text, begin, end, out);
        return;
    }
    waiting.n = 0;
    while (i < end) {
        uint8_t kind = t->kinds[bytes[i]];
        uint32_t first = i;
        if (kind == BYTE_SPACE) {
            i++;
            continue;
        }
        if (kind != BYTE_OTHER) {
            struct word_key key;
            i += read_word(text, first, end, len, lower, &key);
            if (i - first > WORD_CACHE_BYTES)
                while (i < end && t->kinds[bytes[i]] == BYTE_WORD)
                    i++;
            if ((i == end || t->kinds[bytes[i]] != BYTE_OTHER || kind == BYTE_PUNCT) && i - first <= t->cached_bytes) {
                struct word_set *set = word_cache_set(&s->cache, key);
                __builtin_prefetch(set);
                waiting.words[waiting.n++] = (struct waiting_word){key, set, first, i};
                if (waiting.n == WAITING_WORDS)
                    encode_waiting(t, s, text, &waiting, out);
                continue;
            }
        }
        encode_waiting(t, s, text, &waiting, out);
        if (kind != BYTE_OTHER && (i == end || t->kinds[bytes[i]] != BYTE_OTHER || kind == BYTE_PUNCT)) {
            encode_long_ascii_word(t, s, text, first, i, out);
            continue;
        }
        while (i < end && t->kinds[bytes[i]] != BYTE_SPACE && t->kinds[bytes[i]] != BYTE_PUNCT)
            i++;
        encode_other(t, s, text, first, i, out);
    }
    encode_waiting(t, s, text, &waiting, out);
}
