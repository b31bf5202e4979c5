/* normalizer.h - BertNormalizer: cleaning, CJK spacing, stripping of accents, lower case, for text that is not plain
 * ASCII; each character of the result knows its class and the bytes of the text that it came from.
 *
 * The result equals that of Hugging Face's NormalizedString, alignments included:
 *   - what is removed (controls, accents) belongs to no character; a word that goes over it covers it;
 *   - the characters of a decomposition all stand for the whole composed character;
 *   - where canonical reordering moves a mark, the places stay in order and the characters change places.
 * Only where a character with a combining class survives the stripping does order matter; that rare text takes the
 * second, general way (normalizer_reorder.c). Both are linear in the text.
 */
#ifndef TEXT_NORMALIZER_H
#define TEXT_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct normalizer_settings {
    bool clean_text, tokenize_chinese_chars, strip_accents, do_lower_case;
    bool cjk_spaces; /* write the spaces around CJK characters into the result; else these are NORMAL_ALONE */
};

enum normal_class {
    NORMAL_WORD,
    NORMAL_SPACE,
    NORMAL_ALONE /* punctuation and CJK: a word of its own */
};

struct normal_char {
    uint32_t begin, end; /* bytes of the text */
    uint32_t at;         /* byte of the result where it begins */
    enum normal_class class;
};

struct char_info;

/* The result, and what is known about characters so far; zeroed before its first use. Pages depend on the settings. */
struct normalized {
    struct buf bytes;          /* UTF-8 */
    struct normal_char *chars; /* [n + 1]: the last one only has `at` = bytes.len */
    size_t n, cap;
    struct char_info **pages; /* 256 code points each, made when first met */
};

/* Appends the normal form of text[begin..end) to the result; begin and end are character boundaries, and the text
 * around them must not interact (ASCII, or a place where the tokenizer cuts anyway). */
void normalize(const struct normalizer_settings *settings, struct normalized *out, const char *text, uint32_t begin,
               uint32_t end);
/* Empties the result. */
void normalized_reset(struct normalized *n);
/* Forgets the pages too, for other settings. */
void normalized_free(struct normalized *n);

/* For normalizer_reorder.c. */
void normalized_add(struct normalized *out, const char *bytes, size_t len, uint32_t begin, uint32_t end,
                    enum normal_class class);
enum normal_class normal_class_of(uint32_t code_point);
void normalize_reordered(const struct normalizer_settings *settings, struct normalized *out, const char *text,
                         uint32_t begin, uint32_t end);

#endif
