/* unicode.h - the few properties of code points that BERT's tokenizer asks for, with the answers of Hugging Face's
 * tokenizers library. From libutf8proc, but for the code points in unicode_exceptions.h.
 *
 * All functions take any code point below 0x110000 and are pure.
 */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

enum unicode_class {
    UNICODE_WORD,  /* everything else */
    UNICODE_SPACE, /* White_Space */
    UNICODE_PUNCT, /* category P, and all of ASCII that is neither letter, digit, space nor control */
    UNICODE_MARK,  /* category Mn: what "strip accents" removes */
    UNICODE_OTHER  /* categories Cc, Cf, Co without the white space among them */
};
enum unicode_class unicode_class(uint32_t c);

/* What cleaning removes: UNICODE_OTHER, U+0000, U+FFFD, and of the white space U+000B, U+000C and U+0085. */
bool unicode_is_removed(uint32_t c);
/* The blocks that BERT sets apart with spaces. */
bool unicode_is_cjk(uint32_t c);
/* \w of a regular expression: alphabetic, mark, decimal digit, connector, joiner. */
bool unicode_is_word_character(uint32_t c);

/* Canonical combining class; 0 is a starter. */
unsigned unicode_combining_class(uint32_t c);

enum { UNICODE_MAX_DECOMPOSITION = 4, UNICODE_MAX_LOWER = 2 };
/* Full canonical decomposition (Hangul too); returns how many were written, at least 1. */
unsigned unicode_decompose(uint32_t c, uint32_t out[UNICODE_MAX_DECOMPOSITION]);
/* Lower case without context (no final sigma); only U+0130 becomes two. */
unsigned unicode_lower(uint32_t c, uint32_t out[UNICODE_MAX_LOWER]);

/* FNV-1a over class, combining class, decomposition and lower case of every code point, as tokenizers has them; for the
 * test that compares what these functions say. */
extern const uint64_t unicode_checksum;

#endif
