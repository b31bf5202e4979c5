/* vocabulary_learner.c - the alphabet, the words as pieces, and the merges. */
#include "text/vocabulary_learner.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "text/pair_queue.h"

enum { CODE_POINTS = 0x110000, PREFIX = 2 };

struct learner {
    struct word_table tokens; /* numbered by id */
    uint32_t *pieces;         /* of all words, one after another */
    struct learner_word {
        size_t begin;
        size_t n;
        int64_t count;
    } * words;
    size_t n_words;
    struct pair_queue queue;
    struct buf text;
};

/* ---- the alphabet ---- */

/* What is known of a code point. */
struct character {
    uint64_t count;
    uint32_t id, inside_id; /* of the character and of "##" with it; WORD_TABLE_NONE: none */
    bool inside;            /* it stands inside a word */
};

struct ranked_character {
    uint32_t code_point;
    uint64_t count;
};

static int by_count(const void *a, const void *b)
{
    const struct ranked_character *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->code_point < y->code_point ? -1 : 1;
}

/* The character at the front of *text, which moves on. */
static uint32_t next_character(const char **text, const char *end)
{
    uint32_t c = 0xFFFD;
    unsigned size = utf8_decode(*text, (size_t)(end - *text), &c);

    *text += size > 0 ? size : 1;
    return c;
}

static void count_characters(const struct word_table *words, struct character *characters)
{
    for (uint32_t i = 0; i < words->n; i++) {
        const char *begin = word_table_text(words, i), *end = begin + words->entries[i].len;
        for (const char *p = begin; p < end;) {
            bool inside = p > begin;
            struct character *c = &characters[next_character(&p, end)];
            c->count += words->entries[i].count;
            c->inside |= inside;
        }
    }
}

/* Forgets all but the `keep` most frequent characters. */
static void limit_alphabet(struct character *characters, size_t keep, struct vocabulary_result *result)
{
    struct ranked_character *ranked;
    size_t n = 0;

    for (uint32_t c = 0; c < CODE_POINTS; c++)
        result->characters += characters[c].count > 0;
    if (result->characters <= keep)
        return;
    ranked = xmalloc_array(result->characters, sizeof *ranked);
    for (uint32_t c = 0; c < CODE_POINTS; c++)
        if (characters[c].count > 0)
            ranked[n++] = (struct ranked_character){c, characters[c].count};
    qsort(ranked, n, sizeof *ranked, by_count);
    for (size_t i = keep; i < n; i++)
        characters[ranked[i].code_point].count = 0;
    result->dropped_characters = n - keep;
    free(ranked);
}

static void add_alphabet(struct learner *l, struct character *characters)
{
    char token[PREFIX + 4] = "##";

    for (uint32_t c = 0; c < CODE_POINTS; c++)
        if (characters[c].count > 0)
            characters[c].id = word_table_add(&l->tokens, token + PREFIX, utf8_encode(c, token + PREFIX));
    for (uint32_t c = 0; c < CODE_POINTS; c++)
        if (characters[c].count > 0 && characters[c].inside)
            characters[c].inside_id = word_table_add(&l->tokens, token, PREFIX + utf8_encode(c, token + PREFIX));
}

/* ---- words and merges ---- */

/* Cuts all words into characters; one that was left out of the alphabet is left out of its word. */
static void cut_words(struct learner *l, const struct word_table *words, const struct character *characters)
{
    size_t n = 0;

    l->pieces = xmalloc_array(words->bytes.len + 1, sizeof *l->pieces);
    l->words = xmalloc_array((size_t)words->n + 1, sizeof *l->words);
    for (uint32_t i = 0; i < words->n; i++) {
        const char *begin = word_table_text(words, i), *end = begin + words->entries[i].len;
        size_t first = n;
        for (const char *p = begin; p < end;) {
            bool inside = p > begin;
            const struct character *c = &characters[next_character(&p, end)];
            if (c->count > 0)
                l->pieces[n++] = inside ? c->inside_id : c->id;
        }
        l->words[l->n_words++] = (struct learner_word){first, n - first, (int64_t)words->entries[i].count};
    }
}

static void count_pairs(struct learner *l)
{
    for (size_t w = 0; w < l->n_words; w++) {
        const uint32_t *pieces = l->pieces + l->words[w].begin;
        for (size_t i = 1; i < l->words[w].n; i++)
            pair_queue_count(&l->queue, pieces[i - 1], pieces[i], l->words[w].count, (uint32_t)w);
    }
    pair_queue_end_round(&l->queue);
}

/* The token that left and right make: "ab" and "##c" make "abc". It may be there already, made of other parts. */
static uint32_t join(struct learner *l, uint32_t left, uint32_t right)
{
    const struct word_entry *entries = l->tokens.entries;

    buf_reset(&l->text);
    buf_add(&l->text, word_table_text(&l->tokens, left), entries[left].len);
    buf_add(&l->text, word_table_text(&l->tokens, right) + PREFIX, entries[right].len - PREFIX);
    return word_table_add(&l->tokens, l->text.data, l->text.len);
}

static void merge_in_word(struct learner *l, uint32_t w, uint32_t left, uint32_t right, uint32_t joined)
{
    struct learner_word *word = &l->words[w];
    uint32_t *pieces = l->pieces + word->begin;
    size_t n = 0;

    for (size_t i = 0; i < word->n;) {
        if (i + 1 == word->n || pieces[i] != left || pieces[i + 1] != right) {
            pieces[n++] = pieces[i++];
            continue;
        }
        if (n > 0) {
            pair_queue_count(&l->queue, pieces[n - 1], left, -word->count, w);
            pair_queue_count(&l->queue, pieces[n - 1], joined, word->count, w);
        }
        if (i + 2 < word->n) {
            pair_queue_count(&l->queue, right, pieces[i + 2], -word->count, w);
            pair_queue_count(&l->queue, joined, pieces[i + 2], word->count, w);
        }
        pieces[n++] = joined;
        i += 2;
    }
    word->n = n;
}

static void merge(struct learner *l, const struct vocabulary_goal *goal)
{
    struct pair_entry top;

    while (l->tokens.n < goal->size && pair_queue_next(&l->queue, &top)) {
        uint32_t left = (uint32_t)(top.key >> 32), right = (uint32_t)top.key;
        if (top.count < 1 || (uint64_t)top.count < goal->min_frequency) {
            free(top.places.words);
            return;
        }
        uint32_t joined = join(l, left, right);
        for (size_t i = 0; i < top.places.n; i++)
            merge_in_word(l, top.places.words[i], left, right, joined);
        pair_queue_end_round(&l->queue);
        free(top.places.words);
    }
}

void vocabulary_learn(const struct word_table *words, const struct vocabulary_goal *goal,
                      struct vocabulary_result *result)
{
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    struct character *characters = xcalloc(CODE_POINTS, sizeof *characters);
    struct learner l = {0};

    *result = (struct vocabulary_result){0};
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++)
        word_table_add(&l.tokens, specials[i], strlen(specials[i]));
    count_characters(words, characters);
    limit_alphabet(characters, goal->alphabet, result);
    add_alphabet(&l, characters);
    cut_words(&l, words, characters);
    free(characters);
    count_pairs(&l);
    merge(&l, goal);
    for (uint32_t i = 0; i < l.tokens.n; i++) {
        buf_add(&result->text, word_table_text(&l.tokens, i), l.tokens.entries[i].len);
        buf_addch(&result->text, '\n');
    }
    result->n = l.tokens.n;
    word_table_free(&l.tokens);
    free(l.pieces);
    free(l.words);
    pair_queue_free(&l.queue);
    buf_free(&l.text);
}
