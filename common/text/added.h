/* added.h - finds added tokens ([SEP], [MASK], ... and a user's own) in a text: leftmost first, the longest of those
 * that begin there, as Hugging Face's AddedVocabulary does, with single_word, lstrip and rstrip.
 *
 * Time: linear in the text, times the bytes of the added tokens that share a first byte.
 */
#ifndef TEXT_ADDED_H
#define TEXT_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct added_pattern {
    char *text;
    size_t len;
    int32_t id;
    bool single_word, lstrip, rstrip;
};

struct added_matcher {
    struct added_pattern *patterns; /* by first byte, then longest first */
    size_t n;
    size_t first[257]; /* patterns that begin with byte b: first[b] .. first[b + 1] */
    int only_byte;     /* the first byte of all of them, or -1 */
};

/* A search through one text. */
struct added_search {
    const char *text;
    size_t len;
    size_t next;    /* where to look for the next match */
    size_t covered; /* end of the last match, with the white space that it took */
};

struct added_match {
    size_t begin, end; /* with the white space that belongs to it */
    int32_t id;
};

/* Takes the pattern over (text is copied); empty ones are ignored. Call added_matcher_finish after the last. */
void added_matcher_add(struct added_matcher *m, const struct added_pattern *pattern);
void added_matcher_finish(struct added_matcher *m);
void added_matcher_free(struct added_matcher *m);

/* The next match; false where there is no more. */
bool added_matcher_next(const struct added_matcher *m, struct added_search *search, struct added_match *match);

#endif
