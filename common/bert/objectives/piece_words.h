/* piece_words.h - whole words of token ids: a word is a piece and the pieces "##..." that follow it, and it is known by
 * that sequence of pieces. A table numbers words in the order in which they are met.
 */
#ifndef BERT_OBJECTIVES_PIECE_WORDS_H
#define BERT_OBJECTIVES_PIECE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "bert/objectives/objective.h"

enum { WORD_LONGEST = 64 }; /* pieces of a word that count */

/* Where the word that begins at ids[begin] ends: at most n. */
size_t piece_word_end(const struct token_table *tokens, const int32_t *ids, size_t n, size_t begin);
/* Whether its pieces are text: no special token, and a letter, a digit or a byte beyond ASCII somewhere. */
bool piece_word_is_text(const struct token_table *tokens, const int32_t *ids, size_t n);
/* Sets out to its text: the pieces without prefixes, ASCII letters in lower case. */
void piece_word_text(const struct token_table *tokens, const int32_t *ids, size_t n, struct buf *out);

/* Zeroed before the first use. */
struct piece_words {
    size_t n;           /* words */
    struct buf pieces;  /* int32_t, one word after another */
    struct buf begins;  /* size_t [n + 1] */
    uint32_t *slots;    /* word + 1; 0: free */
    size_t slots_count; /* a power of two */
};

/* The number of the word, a new one where it was not there. */
size_t piece_words_add(struct piece_words *w, const int32_t *ids, size_t n);
/* SIZE_MAX where it is not there. */
size_t piece_words_find(const struct piece_words *w, const int32_t *ids, size_t n);
/* The pieces of a word, *n of them. */
const int32_t *piece_words_get(const struct piece_words *w, size_t word, size_t *n);
void piece_words_free(struct piece_words *w);

#endif
