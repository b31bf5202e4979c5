/* unicode.c - libutf8proc's answers, corrected where tokenizers has others. It caches nothing: the normaliser does. */
#include "text/unicode.h"

#include <stddef.h>

#include <utf8proc.h>

#include "text/unicode_exceptions.h"

static bool in_ranges(const struct unicode_range *ranges, size_t n, uint32_t c)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && ranges[low].first <= c;
}

static enum unicode_class class_of_category(utf8proc_category_t category)
{
    switch (category) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return UNICODE_PUNCT;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return UNICODE_SPACE;
    case UTF8PROC_CATEGORY_MN:
        return UNICODE_MARK;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
        return UNICODE_OTHER;
    default:
        return UNICODE_WORD;
    }
}

static enum unicode_class ascii_class(uint32_t c)
{
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return UNICODE_SPACE;
    if (c < ' ' || c == 0x7F)
        return UNICODE_OTHER;
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return UNICODE_WORD;
    return UNICODE_PUNCT;
}

enum unicode_class unicode_class(uint32_t c)
{
    if (c < 0x80)
        return ascii_class(c);
    if (c == 0x85)
        return UNICODE_SPACE;
    for (size_t i = 0; i < unicode_class_changes_count; i++)
        if (unicode_class_changes[i].code_point == c)
            return unicode_class_changes[i].class;
    if (in_ranges(unicode_plain, unicode_plain_count, c))
        return UNICODE_WORD;
    return class_of_category(utf8proc_category((utf8proc_int32_t)c));
}

bool unicode_is_removed(uint32_t c)
{
    return c == 0xFFFD || c == 0x0B || c == 0x0C || c == 0x85 || unicode_class(c) == UNICODE_OTHER;
}

bool unicode_is_cjk(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0x2F800 && c <= 0x2FA1F);
}

bool unicode_is_word_character(uint32_t c)
{
    /* Alphabetic are the letters, Nl, and some symbols: the circled and squared letters; its marks are in M anyway. */
    static const struct unicode_range symbols[] = {
        {0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};

    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return c == 0x200C || c == 0x200D || in_ranges(symbols, sizeof symbols / sizeof symbols[0], c);
    }
}

unsigned unicode_combining_class(uint32_t c)
{
    if (c < 0x300 || in_ranges(unicode_uncombined, unicode_uncombined_count, c))
        return 0;
    return (unsigned)utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
}

unsigned unicode_decompose(uint32_t c, uint32_t out[UNICODE_MAX_DECOMPOSITION])
{
    utf8proc_int32_t buffer[UNICODE_MAX_DECOMPOSITION];
    utf8proc_ssize_t n;

    out[0] = c;
    if (c < 0xC0 || in_ranges(unicode_uncombined, unicode_uncombined_count, c))
        return 1;
    n = utf8proc_decompose_char((utf8proc_int32_t)c, buffer, UNICODE_MAX_DECOMPOSITION, UTF8PROC_DECOMPOSE, NULL);
    if (n < 1 || n > UNICODE_MAX_DECOMPOSITION)
        return 1; /* a surrogate */
    for (utf8proc_ssize_t i = 0; i < n; i++)
        out[i] = (uint32_t)buffer[i];
    return (unsigned)n;
}

unsigned unicode_lower(uint32_t c, uint32_t out[UNICODE_MAX_LOWER])
{
    if (c == 0x130) { /* I with a dot above: i, then the dot */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    for (size_t i = 0; i < unicode_lower_changes_count; i++) {
        if (c >= unicode_lower_changes[i].first && c <= unicode_lower_changes[i].last) {
            out[0] = (uint32_t)((int32_t)c + unicode_lower_changes[i].delta);
            return 1;
        }
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    return 1;
}
