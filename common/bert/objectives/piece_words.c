/* piece_words.c - see piece_words.h. */
#include "bert/objectives/piece_words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static bool continues(const struct token_table *tokens, int32_t id)
{
    size_t prefix = strlen(tokens->prefix);
    return (size_t)id < tokens->n && strncmp(tokens->text[id], tokens->prefix, prefix) == 0 &&
           strlen(tokens->text[id]) > prefix;
}

static bool is_special(const struct token_table *tokens, int32_t id)
{
    return (size_t)id >= tokens->n || tokens->special[id];
}

size_t piece_word_end(const struct token_table *tokens, const int32_t *ids, size_t n, size_t begin)
{
    size_t end = begin + 1;
    if (is_special(tokens, ids[begin]))
        return end;
    while (end < n && end - begin < WORD_LONGEST && continues(tokens, ids[end]) && !is_special(tokens, ids[end]))
        end++;
    return end;
}

bool piece_word_is_text(const struct token_table *tokens, const int32_t *ids, size_t n)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        if (is_special(tokens, ids[i]))
            return false;
        const char *text = tokens->text[ids[i]];
        for (text += continues(tokens, ids[i]) ? strlen(tokens->prefix) : 0; *text; text++)
            found |= isalnum((unsigned char)*text) || (unsigned char)*text >= 0x80;
    }
    return found;
}

void piece_word_text(const struct token_table *tokens, const int32_t *ids, size_t n, struct buf *out)
{
    out->len = 0;
    for (size_t i = 0; i < n; i++)
        buf_addstr(out, tokens->text[ids[i]] + (continues(tokens, ids[i]) ? strlen(tokens->prefix) : 0));
    for (size_t i = 0; i < out->len; i++)
        out->data[i] = (char)tolower((unsigned char)out->data[i]);
}

/* FNV-1a over the pieces. */
static size_t hash_of(const int32_t *ids, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint32_t)ids[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 29);
}

const int32_t *piece_words_get(const struct piece_words *w, size_t word, size_t *n)
{
    const size_t *begins = (const size_t *)(const void *)w->begins.data;
    *n = begins[word + 1] - begins[word];
    return (const int32_t *)(const void *)w->pieces.data + begins[word];
}

/* The slot of the word, or the free one where it would go. */
static size_t slot_of(const struct piece_words *w, const int32_t *ids, size_t n)
{
    size_t mask = w->slots_count - 1, at = hash_of(ids, n) & mask, m;
    for (; w->slots[at]; at = (at + 1) & mask) {
        const int32_t *known = piece_words_get(w, w->slots[at] - 1, &m);
        if (m == n && memcmp(known, ids, n * sizeof *ids) == 0)
            break;
    }
    return at;
}

static void grow(struct piece_words *w)
{
    free(w->slots);
    w->slots_count = w->slots_count ? 2 * w->slots_count : 1024;
    w->slots = xcalloc(w->slots_count, sizeof *w->slots);
    for (size_t i = 0; i < w->n; i++) {
        size_t n;
        const int32_t *ids = piece_words_get(w, i, &n);
        w->slots[slot_of(w, ids, n)] = (uint32_t)i + 1;
    }
}

size_t piece_words_find(const struct piece_words *w, const int32_t *ids, size_t n)
{
    size_t at = w->n ? slot_of(w, ids, n) : 0;
    return w->n && w->slots[at] ? w->slots[at] - 1 : SIZE_MAX;
}

size_t piece_words_add(struct piece_words *w, const int32_t *ids, size_t n)
{
    size_t end = 0;
    if (2 * w->n >= w->slots_count)
        grow(w);
    size_t at = slot_of(w, ids, n);
    if (w->slots[at])
        return w->slots[at] - 1;
    if (w->n == 0)
        buf_add(&w->begins, &end, sizeof end);
    buf_add(&w->pieces, ids, n * sizeof *ids);
    end = w->pieces.len / sizeof *ids;
    buf_add(&w->begins, &end, sizeof end);
    w->slots[at] = (uint32_t)++w->n;
    return w->n - 1;
}

void piece_words_free(struct piece_words *w)
{
    buf_free(&w->pieces);
    buf_free(&w->begins);
    free(w->slots);
    *w = (struct piece_words){0};
}
