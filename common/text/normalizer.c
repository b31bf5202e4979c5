/* normalizer.c - the common way: each character by itself, from pages of precomputed answers. */
#include "text/normalizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"

enum { PAGE_SIZE = 256, PAGE_COUNT = 0x110000 / PAGE_SIZE, INFO_CHARS = 3, INFO_BYTES = 9 };

enum char_kind {
    CHAR_UNKNOWN, /* not asked for yet */
    CHAR_DROPPED,
    CHAR_PLAIN,   /* bytes of the same class */
    CHAR_REORDERS /* a character with a combining class survives, or it does not fit here */
};

struct char_info {
    uint8_t kind, n, class, spaces; /* spaces: it is set apart */
    uint8_t sizes[INFO_CHARS];
    uint8_t bytes[INFO_BYTES];
};

enum normal_class normal_class_of(uint32_t code_point)
{
    switch (unicode_class(code_point)) {
    case UNICODE_SPACE:
        return NORMAL_SPACE;
    case UNICODE_PUNCT:
        return NORMAL_ALONE;
    default:
        return NORMAL_WORD;
    }
}

/* Adds one character of the result to info; false where it does not fit. */
static bool info_add(struct char_info *info, uint32_t code_point)
{
    char bytes[4];
    unsigned size = utf8_encode(code_point, bytes);
    enum normal_class class = normal_class_of(code_point);
    size_t used = 0;

    for (unsigned i = 0; i < info->n; i++)
        used += info->sizes[i];
    if (info->n == INFO_CHARS || used + size > INFO_BYTES || (info->n > 0 && class != NORMAL_WORD) ||
        (info->n > 0 && info->class != NORMAL_WORD))
        return false;
    memcpy(info->bytes + used, bytes, size);
    info->sizes[info->n++] = (uint8_t)size;
    info->class = (uint8_t) class;
    return true;
}

static void info_compute(const struct normalizer_settings *settings, struct char_info *info, uint32_t c)
{
    uint32_t parts[UNICODE_MAX_DECOMPOSITION] = {c}, lower[UNICODE_MAX_LOWER];
    unsigned n_parts = 1;

    if (settings->clean_text && unicode_is_removed(c)) {
        info->kind = CHAR_DROPPED;
        return;
    }
    if (settings->clean_text && unicode_class(c) == UNICODE_SPACE)
        parts[0] = c = ' ';
    if (settings->strip_accents)
        n_parts = unicode_decompose(c, parts);
    info->kind = CHAR_REORDERS;
    for (unsigned i = 0; i < n_parts; i++) {
        unsigned n_lower = 1;
        lower[0] = parts[i];
        if (settings->strip_accents) {
            if (unicode_class(parts[i]) == UNICODE_MARK)
                continue;
            if (unicode_combining_class(parts[i]) != 0)
                return;
        }
        if (settings->do_lower_case)
            n_lower = unicode_lower(parts[i], lower);
        for (unsigned k = 0; k < n_lower; k++)
            if (!info_add(info, lower[k]))
                return;
    }
    info->kind = info->n > 0 ? CHAR_PLAIN : CHAR_DROPPED;
    if (info->n > 0 && settings->tokenize_chinese_chars && unicode_is_cjk(c)) {
        info->spaces = settings->cjk_spaces;
        info->class = settings->cjk_spaces ? info->class : NORMAL_ALONE;
    }
}

static const struct char_info *info_of(const struct normalizer_settings *settings, struct normalized *out, uint32_t c)
{
    struct char_info **page = &out->pages[c / PAGE_SIZE];
    struct char_info *info;

    if (!*page)
        *page = xcalloc(PAGE_SIZE, sizeof **page);
    info = *page + c % PAGE_SIZE;
    if (info->kind == CHAR_UNKNOWN)
        info_compute(settings, info, c);
    return info;
}

void normalized_add(struct normalized *out, const char *bytes, size_t len, uint32_t begin, uint32_t end,
                    enum normal_class class)
{
    if (out->n + 2 > out->cap) {
        out->cap = out->cap ? 2 * out->cap : 64;
        out->chars = xrealloc_array(out->chars, out->cap, sizeof *out->chars);
    }
    out->chars[out->n++] = (struct normal_char){begin, end, (uint32_t)out->bytes.len, class};
    buf_add(&out->bytes, bytes, len);
    out->chars[out->n].at = (uint32_t)out->bytes.len;
}

static void add_plain(struct normalized *out, const struct char_info *info, uint32_t begin, uint32_t end)
{
    const uint8_t *bytes = info->bytes;

    if (info->spaces)
        normalized_add(out, " ", 1, begin, end, NORMAL_SPACE);
    for (unsigned k = 0; k < info->n; bytes += info->sizes[k++])
        normalized_add(out, (const char *)bytes, info->sizes[k], begin, end, info->class);
    if (info->spaces)
        normalized_add(out, " ", 1, begin, end, NORMAL_SPACE);
}

void normalize(const struct normalizer_settings *settings, struct normalized *out, const char *text, uint32_t begin,
               uint32_t end)
{
    size_t n_before = out->n, bytes_before = out->bytes.len;

    if (!out->pages)
        out->pages = xcalloc(PAGE_COUNT, sizeof *out->pages);
    for (uint32_t i = begin; i < end;) {
        uint32_t c;
        unsigned size = utf8_decode(text + i, end - i, &c);
        if (size == 0) { /* not text; no harm done */
            i++;
            continue;
        }
        const struct char_info *info = info_of(settings, out, c);
        if (info->kind == CHAR_PLAIN) {
            add_plain(out, info, i, i + size);
        } else if (info->kind == CHAR_REORDERS) {
            out->n = n_before;
            out->bytes.len = bytes_before;
            normalize_reordered(settings, out, text, begin, end);
            return;
        }
        i += size;
    }
}

void normalized_reset(struct normalized *n)
{
    n->n = 0;
    buf_reset(&n->bytes);
}

void normalized_free(struct normalized *n)
{
    if (n->pages)
        for (size_t i = 0; i < PAGE_COUNT; i++)
            free(n->pages[i]);
    free(n->pages);
    free(n->chars);
    buf_free(&n->bytes);
    *n = (struct normalized){0};
}
