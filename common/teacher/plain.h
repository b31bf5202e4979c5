/* plain.h - what answers need to know about running text: blank characters, trimming, letter case, outer punctuation.
 *
 * Case is folded for ASCII alone: the labels and the words that matter here are compared after what a model was told to
 * copy letter for letter.
 */
#ifndef TEACHER_PLAIN_H
#define TEACHER_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

struct span_of_text {
    const char *at;
    size_t len;
};

/* Without blank characters at both ends: white space and control characters, U+00A0, U+2000..U+200F, U+2028..U+202F,
 * U+3000, U+FEFF. Length 0 where nothing else is there. */
struct span_of_text plain_trim(struct span_of_text text);
/* Without blank characters and punctuation (ASCII's, quotation marks, dashes, ellipsis) at both ends. */
struct span_of_text plain_trim_punctuation(struct span_of_text text);
char plain_fold(char c); /* an ASCII capital's small letter */
/* Equal but for the case of ASCII letters. */
bool plain_equal_fold(struct span_of_text a, struct span_of_text b);
/* Whether a letter, digit, mark or underscore stands directly before (after) the position. Outside ASCII all that the
 * blocks of scripts with spaces between words hold counts as letters (Latin, Greek, Cyrillic, Arabic, the Indian ones,
 * Hangul), their few punctuation marks included; the others have no such boundary. */
bool plain_letter_before(struct span_of_text text, size_t position);
bool plain_letter_after(struct span_of_text text, size_t position);
/* `text` cut at a character's boundary to at most `longest` bytes. */
struct span_of_text plain_cut(struct span_of_text text, size_t longest);

#endif
