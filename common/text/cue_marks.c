/* cue_marks.c - folds sentence and cues to one form and looks for the one in the other. */
#include "text/cue_marks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"
#include "wire/rows.h"

enum { MOST_CUES = 256 };

/* Lower case, white space runs as one space, none at the ends. places may be NULL. */
static void fold(const char *text, size_t len, struct buf *out, uint32_t *places)
{
    bool space = false;

    buf_reset(out);
    for (size_t i = 0; i < len;) {
        uint32_t c, lower[UNICODE_MAX_LOWER];
        unsigned size = utf8_decode(text + i, len - i, &c), n;
        if (size == 0)
            break;
        if (unicode_class(c) == UNICODE_SPACE) {
            space = true;
            i += size;
            continue;
        }
        if (space && out->len > 0)
            buf_addch(out, ' '); /* its place stays the end of the word before it */
        space = false;
        n = unicode_lower(c, lower);
        for (unsigned k = 0; k < n; k++) {
            char bytes[4];
            unsigned bytes_len = utf8_encode(lower[k], bytes);
            for (unsigned b = 0; places && b < bytes_len; b++)
                places[out->len + b] = (uint32_t)i;
            buf_add(out, bytes, bytes_len);
        }
        i += size;
        if (places)
            places[out->len] = (uint32_t)i;
    }
}

static void fold_sentence(struct cue_finder *f, const struct sentence *s)
{
    size_t most = 3 * s->len + 8; /* lower case may be longer: U+0130 is 2 bytes, then 3; U+023A 2, then 3 */

    if (most > f->places_cap) {
        f->places_cap = most;
        f->places = xrealloc_array(f->places, most, sizeof *f->places);
    }
    f->places[0] = 0;
    fold(s->text, s->len, &f->folded, f->places);
}

static bool is_word_at(const struct buf *text, size_t at)
{
    uint32_t c;

    while (at > 0 && ((unsigned char)text->data[at] & 0xC0) == 0x80)
        at--;
    return utf8_decode(text->data + at, text->len - at, &c) > 0 && unicode_is_word_character(c);
}

/* Neither end may cut a word. */
static bool is_whole(const struct buf *text, size_t begin, size_t end)
{
    return !(begin > 0 && is_word_at(text, begin - 1) && is_word_at(text, begin)) &&
           !(end < text->len && is_word_at(text, end - 1) && is_word_at(text, end));
}

/* A search for all whole places of the folded f->cue, one after the other: Knuth, Morris, Pratt, so that no text and no
 * cue takes more than linear time. */
struct cue_search {
    size_t next;    /* byte of the folded sentence */
    size_t matched; /* bytes of the cue that end there */
};

/* borders[i]: the longest part that both begins and ends the cue's first i + 1 bytes, shorter than these. */
static void find_borders(struct cue_finder *f)
{
    const char *cue = f->cue.data;
    size_t n = 0;

    if (f->cue.len > f->borders_cap) {
        f->borders_cap = 2 * f->cue.len;
        f->borders = xrealloc_array(f->borders, f->borders_cap, sizeof *f->borders);
    }
    if (f->cue.len > 0)
        f->borders[0] = 0;
    for (size_t i = 1; i < f->cue.len; i++) {
        while (n > 0 && cue[i] != cue[n])
            n = f->borders[n - 1];
        n += cue[i] == cue[n];
        f->borders[i] = (uint32_t)n;
    }
}

static bool find_next(const struct cue_finder *f, struct cue_search *search, size_t *begin)
{
    const struct buf *text = &f->folded;
    const char *cue = f->cue.data;

    while (f->cue.len > 0 && search->next < text->len) {
        char c = text->data[search->next++];
        while (search->matched > 0 && c != cue[search->matched])
            search->matched = f->borders[search->matched - 1];
        search->matched += c == cue[search->matched];
        if (search->matched < f->cue.len)
            continue;
        *begin = search->next - f->cue.len;
        search->matched = f->borders[f->cue.len - 1];
        if (is_whole(text, *begin, search->next))
            return true;
    }
    return false;
}

/* The first place of the folded f->cue that no cue before cue i has taken; false where there is none. */
static bool find_untaken(struct cue_finder *f, size_t i)
{
    struct cue_search search = {0};
    size_t begin;

    find_borders(f);
    while (find_next(f, &search, &begin)) {
        struct token_span span = {f->places[begin], f->places[begin + f->cue.len]};
        bool taken = false;
        for (size_t k = 0; k < i; k++)
            taken |= f->found[k].begin == span.begin && f->found[k].end == span.end;
        if (!taken) {
            f->found[i] = span;
            return true;
        }
    }
    return false;
}

/* Whether text[at..] begins with punctuation or a space; *size is the character's. */
static bool is_outer(const struct buf *text, size_t at, unsigned *size)
{
    uint32_t c;

    *size = utf8_decode(text->data + at, text->len - at, &c);
    return *size > 0 && (c == ' ' || unicode_class(c) == UNICODE_PUNCT);
}

/* Takes the punctuation off both ends of the folded cue; false where it has none there, or nothing else. */
static bool trim_cue(struct buf *cue)
{
    size_t begin = 0, end = cue->len;
    unsigned size;

    while (begin < end && is_outer(cue, begin, &size))
        begin += size;
    while (end > begin) {
        size_t last = end - 1;
        while (last > begin && ((unsigned char)cue->data[last] & 0xC0) == 0x80)
            last--;
        if (!is_outer(cue, last, &size))
            break;
        end = last;
    }
    if (begin == end || end - begin == cue->len)
        return false;
    memmove(cue->data, cue->data + begin, end - begin);
    cue->len = end - begin;
    cue->data[cue->len] = '\0';
    return true;
}

static void find_cue(struct cue_finder *f, const struct sentence *s, size_t i)
{
    f->found[i] = (struct token_span){0, 0};
    fold(s->cues[i].text, s->cues[i].len, &f->cue, NULL);
    if (!find_untaken(f, i) && trim_cue(&f->cue))
        find_untaken(f, i);
}

static bool is_all_punctuation(const char *text, struct token_span span)
{
    for (size_t i = span.begin; i < span.end;) {
        uint32_t c;
        unsigned size = utf8_decode(text + i, span.end - i, &c);
        if (size == 0 || unicode_class(c) != UNICODE_PUNCT)
            return false;
        i += size;
    }
    return true;
}

static uint8_t mark_of(const struct cue_finder *f, const struct sentence *s, size_t n_cues, struct token_span token)
{
    uint8_t mark = CUE_NONE;
    uint32_t shortest = UINT32_MAX;

    for (size_t i = 0; i < n_cues; i++) {
        struct token_span cue = f->found[i];
        if (cue.begin < token.end && token.begin < cue.end && cue.end - cue.begin < shortest) {
            shortest = cue.end - cue.begin;
            mark = s->cues[i].mark;
        }
    }
    return mark;
}

void cue_marks_add(struct cue_finder *f, const struct sentence *s, const struct token_span *spans, const uint8_t *types,
                   size_t n, struct buf *out)
{
    const size_t n_cues = s->n_cues < MOST_CUES ? s->n_cues : MOST_CUES;
    bool any = false;
    char *marks;

    buf_reserve(out, n);
    marks = out->data + out->len;
    memset(marks, CUE_NONE, n);
    if (n_cues > f->found_cap) {
        f->found_cap = 2 * n_cues;
        f->found = xrealloc_array(f->found, f->found_cap, sizeof *f->found);
    }
    if (n_cues > 0)
        fold_sentence(f, s);
    for (size_t i = 0; i < n_cues; i++)
        find_cue(f, s, i);
    for (size_t i = 0; i < n && n_cues > 0; i++) {
        uint8_t mark = spans[i].end > 0 && !(types && types[i]) ? mark_of(f, s, n_cues, spans[i]) : CUE_NONE;
        if (mark == CUE_NONE || is_all_punctuation(s->text, spans[i]))
            continue;
        marks[i] = (char)mark;
        any = true;
    }
    if (!any)
        memset(marks, CUE_ROW_UNMARKED, n);
    out->len += n;
    out->data[out->len] = '\0';
}

void cue_finder_free(struct cue_finder *f)
{
    buf_free(&f->folded);
    buf_free(&f->cue);
    free(f->places);
    free(f->borders);
    free(f->found);
    *f = (struct cue_finder){0};
}
