/* added.c - a table by first byte; texts seldom hold a first byte at all. */
#include "text/added.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"

void added_matcher_add(struct added_matcher *m, const struct added_pattern *pattern)
{
    if (pattern->len == 0)
        return;
    m->patterns = xrealloc_array(m->patterns, m->n + 1, sizeof *m->patterns);
    m->patterns[m->n] = *pattern;
    m->patterns[m->n++].text = xmemdup0(pattern->text, pattern->len);
}

static int by_first_byte_then_longest(const void *a, const void *b)
{
    const struct added_pattern *x = a, *y = b;
    unsigned char first_x = (unsigned char)x->text[0], first_y = (unsigned char)y->text[0];

    if (first_x != first_y)
        return first_x < first_y ? -1 : 1;
    if (x->len != y->len)
        return x->len > y->len ? -1 : 1;
    return 0;
}

void added_matcher_finish(struct added_matcher *m)
{
    m->only_byte = -1;
    if (m->n == 0)
        return;
    qsort(m->patterns, m->n, sizeof *m->patterns, by_first_byte_then_longest);
    memset(m->first, 0, sizeof m->first);
    for (size_t i = 0; i < m->n; i++)
        m->first[(unsigned char)m->patterns[i].text[0] + 1]++;
    for (size_t b = 0; b < 256; b++) {
        if (m->first[b + 1] == m->n)
            m->only_byte = (int)b;
        m->first[b + 1] += m->first[b];
    }
}

void added_matcher_free(struct added_matcher *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->patterns[i].text);
    free(m->patterns);
    *m = (struct added_matcher){0};
}

/* The character that ends before text[at]; at > 0. Returns where it begins. */
static size_t character_before(const char *text, size_t at, uint32_t *c)
{
    size_t begin = at - 1;

    while (begin > 0 && at - begin < 4 && ((unsigned char)text[begin] & 0xC0) == 0x80)
        begin--;
    if (utf8_decode(text + begin, at - begin, c) == 0)
        *c = 0xFFFD;
    return begin;
}

static bool is_word_before(const char *text, size_t at)
{
    uint32_t c;

    if (at == 0)
        return false;
    character_before(text, at, &c);
    return unicode_is_word_character(c);
}

static bool is_word_after(const char *text, size_t at, size_t len)
{
    uint32_t c;

    return at < len && utf8_decode(text + at, len - at, &c) > 0 && unicode_is_word_character(c);
}

static size_t skip_space_left(const char *text, size_t at, size_t limit)
{
    uint32_t c;

    while (at > limit) {
        size_t begin = character_before(text, at, &c);
        if (unicode_class(c) != UNICODE_SPACE)
            break;
        at = begin;
    }
    return at > limit ? at : limit;
}

static size_t skip_space_right(const char *text, size_t at, size_t len)
{
    uint32_t c;
    unsigned size;

    while (at < len && (size = utf8_decode(text + at, len - at, &c)) > 0 && unicode_class(c) == UNICODE_SPACE)
        at += size;
    return at;
}

static const struct added_pattern *pattern_at(const struct added_matcher *m, const char *text, size_t len)
{
    unsigned char byte = (unsigned char)text[0];

    for (size_t i = m->first[byte]; i < m->first[byte + 1]; i++)
        if (m->patterns[i].len <= len && memcmp(m->patterns[i].text, text, m->patterns[i].len) == 0)
            return &m->patterns[i];
    return NULL;
}

bool added_matcher_next(const struct added_matcher *m, struct added_search *s, struct added_match *match)
{
    for (; m->n > 0 && s->next < s->len; s->next++) {
        if (m->only_byte >= 0) {
            const char *found = memchr(s->text + s->next, m->only_byte, s->len - s->next);
            if (!found)
                break;
            s->next = (size_t)(found - s->text);
        }
        const struct added_pattern *p = pattern_at(m, s->text + s->next, s->len - s->next);
        if (!p)
            continue;
        size_t begin = s->next, end = begin + p->len;
        if (p->single_word && (is_word_before(s->text, begin) || is_word_after(s->text, end, s->len))) {
            s->next = end - 1; /* a refused match still takes its place */
            continue;
        }
        match->begin = p->lstrip ? skip_space_left(s->text, begin, s->covered) : begin;
        match->end = p->rstrip ? skip_space_right(s->text, end, s->len) : end;
        match->id = p->id;
        s->covered = match->end;
        s->next = end > match->end ? end : match->end;
        return true;
    }
    return false;
}
