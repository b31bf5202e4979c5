/* marked_sentences.h - how attribution.c finds the tree of a sentence. */
#ifndef SCORE_MARKED_SENTENCES_H
#define SCORE_MARKED_SENTENCES_H

#include "score/attribution.h"

/* key = the text without ASCII white space, in ASCII lower case. places: size_t [len + 1], how many bytes of the key
 * stand before each byte of the text and before its end. */
void marked_key(const char *text, size_t len, struct buf *key, struct buf *places);
/* NULL where there is none. */
const struct marked_sentence *marked_find(const struct marked_sentences *m, const char *key, size_t len);

#endif
