/* normalizer_reorder.c - the general way: the whole span is decomposed and put into canonical order, as Unicode's
 * algorithm has it (Unicode Standard, section 3.11), before accents are stripped. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "text/normalizer.h"
#include "text/unicode.h"

/* A character of the decomposed text. Reordering moves code points, not places: a character that replaces one of the
 * text (`first`) takes the next place, one that was added by a decomposition the place before. */
struct ordered_char {
    uint32_t code_point;
    uint32_t begin, end;
    uint8_t combining_class;
    bool first;
};

struct reordering {
    struct ordered_char *chars; /* [n] */
    struct ordered_char *spare; /* [cap] */
    size_t n, cap;
};

static void add(struct reordering *r, struct ordered_char c)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 256;
        r->chars = xrealloc_array(r->chars, r->cap, sizeof *r->chars);
    }
    r->chars[r->n++] = c;
}

static void decompose(const struct normalizer_settings *settings, struct reordering *r, const char *text,
                      uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end;) {
        uint32_t c, parts[UNICODE_MAX_DECOMPOSITION];
        unsigned size = utf8_decode(text + i, end - i, &c);
        bool apart = settings->tokenize_chinese_chars && size > 0 && unicode_is_cjk(c);
        if (size == 0 || (settings->clean_text && unicode_is_removed(c))) {
            i += size > 0 ? size : 1;
            continue;
        }
        if (settings->clean_text && unicode_class(c) == UNICODE_SPACE)
            c = ' ';
        if (apart)
            add(r, (struct ordered_char){' ', i, i + size, 0, true});
        unsigned n = unicode_decompose(c, parts);
        for (unsigned k = 0; k < n; k++)
            add(r, (struct ordered_char){parts[k], i, i + size, (uint8_t)unicode_combining_class(parts[k]), k == 0});
        if (apart)
            add(r, (struct ordered_char){' ', i, i + size, 0, true});
        i += size;
    }
}

/* Sorts chars[begin..end) by combining class, equal ones in their order, and gives the places out again. */
static void order_run(struct reordering *r, size_t begin, size_t end)
{
    size_t start[257] = {0}, place = begin;
    struct ordered_char *sorted = r->spare + begin;

    for (size_t i = begin; i < end; i++)
        start[r->chars[i].combining_class + 1]++;
    for (size_t i = 0; i < 256; i++)
        start[i + 1] += start[i];
    for (size_t i = begin; i < end; i++)
        sorted[start[r->chars[i].combining_class]++] = r->chars[i];
    /* Places of the run, in order: those of its `first` characters; before them the place of what precedes the run. */
    for (size_t i = 0; i < end - begin; i++) {
        struct ordered_char *c = &sorted[i];
        if (c->first) {
            while (!r->chars[place].first)
                place++;
            c->begin = r->chars[place].begin;
            c->end = r->chars[place].end;
            place++;
        } else if (i > 0) {
            c->begin = sorted[i - 1].begin;
            c->end = sorted[i - 1].end;
        } else if (begin > 0) {
            c->begin = r->chars[begin - 1].begin;
            c->end = r->chars[begin - 1].end;
        }
    }
    memcpy(r->chars + begin, sorted, (end - begin) * sizeof *sorted);
}

static void reorder(struct reordering *r)
{
    r->spare = xmalloc_array(r->n + 1, sizeof *r->spare);
    for (size_t i = 0; i < r->n;) {
        size_t end = i + 1;
        if (r->chars[i].combining_class == 0) {
            i++;
            continue;
        }
        while (end < r->n && r->chars[end].combining_class != 0)
            end++;
        if (end - i > 1)
            order_run(r, i, end);
        i = end;
    }
}

void normalize_reordered(const struct normalizer_settings *settings, struct normalized *out, const char *text,
                         uint32_t begin, uint32_t end)
{
    struct reordering r = {0};

    decompose(settings, &r, text, begin, end);
    reorder(&r);
    for (size_t i = 0; i < r.n; i++) {
        const struct ordered_char *c = &r.chars[i];
        uint32_t lower[UNICODE_MAX_LOWER] = {c->code_point};
        unsigned n = 1;
        if (unicode_class(c->code_point) == UNICODE_MARK)
            continue;
        if (settings->do_lower_case)
            n = unicode_lower(c->code_point, lower);
        for (unsigned k = 0; k < n; k++) {
            char bytes[4];
            unsigned size = utf8_encode(lower[k], bytes);
            normalized_add(out, bytes, size, c->begin, c->end, normal_class_of(lower[k]));
        }
    }
    free(r.chars);
    free(r.spare);
}
