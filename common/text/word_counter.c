/* word_counter.c - the cuts of encode_raw.c, without its pieces and places. */
#include "text/word_counter.h"

#include "text/tokenizer.h"

static void count(struct word_counter *c, const char *word, size_t len)
{
    uint32_t number = word_table_add(&c->words, word, len); /* may move the entries */

    c->words.entries[number].count++;
}

static void count_ascii(struct word_counter *c, const char *word, size_t len)
{
    if (c->settings.do_lower_case) {
        buf_reset(&c->lowered);
        buf_add(&c->lowered, word, len);
        for (size_t i = 0; i < len; i++) {
            char b = c->lowered.data[i];
            c->lowered.data[i] = (char)(b >= 'A' && b <= 'Z' ? b | 0x20 : b);
        }
        word = c->lowered.data;
    }
    count(c, word, len);
}

static void count_other(struct word_counter *c, const char *text, uint32_t begin, uint32_t end)
{
    const struct normalized *n = &c->normalized;

    normalized_reset(&c->normalized);
    normalize(&c->settings, &c->normalized, text, begin, end);
    for (size_t i = 0; i < n->n;) {
        size_t first = i++;
        if (n->chars[first].class == NORMAL_SPACE)
            continue;
        if (n->chars[first].class == NORMAL_WORD)
            while (i < n->n && n->chars[i].class == NORMAL_WORD)
                i++;
        count(c, n->bytes.data + n->chars[first].at, n->chars[i].at - n->chars[first].at);
    }
}

void word_counter_add(struct word_counter *c, const char *text, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)text, *kinds = c->kinds;
    uint32_t end = (uint32_t)len, i = 0;

    if (!c->ready)
        byte_kinds_fill(c->kinds);
    c->ready = true;
    while (i < end) {
        uint32_t first = i;
        uint8_t kind = kinds[bytes[i++]];
        if (kind == BYTE_SPACE)
            continue;
        if (kind == BYTE_PUNCT) {
            count(c, text + first, 1);
            continue;
        }
        while (kind == BYTE_WORD && i < end && kinds[bytes[i]] == BYTE_WORD)
            i++;
        if (kind == BYTE_WORD && (i == end || kinds[bytes[i]] != BYTE_OTHER)) {
            count_ascii(c, text + first, i - first);
            continue;
        }
        while (i < end && kinds[bytes[i]] != BYTE_SPACE && kinds[bytes[i]] != BYTE_PUNCT)
            i++;
        count_other(c, text, first, i);
    }
}

void word_counter_merge(struct word_counter *into, const struct word_counter *from)
{
    for (uint32_t i = 0; i < from->words.n; i++) {
        uint32_t number = word_table_add(&into->words, word_table_text(&from->words, i), from->words.entries[i].len);
        into->words.entries[number].count += from->words.entries[i].count;
    }
}

void word_counter_free(struct word_counter *c)
{
    word_table_free(&c->words);
    normalized_free(&c->normalized);
    buf_free(&c->lowered);
}
