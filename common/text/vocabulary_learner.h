/* vocabulary_learner.h - learns a WordPiece vocabulary from the words of a text, as tokenizers' WordPieceTrainer and
 * BertWordPieceTokenizer.train do: byte-pair merges of pieces with "##" (Sennrich, Haddow, Birch, ACL 2016,
 * arXiv:1508.07909, section 3.2), the most frequent pair first.
 *
 * Ids: [PAD] [UNK] [CLS] [SEP] [MASK]; the characters of the text by code point; "##" and each character that stands
 * inside a word, by code point; then what the merges make, in their order. Of equally frequent pairs that with the
 * lower id on the left goes first, then the lower on the right. The library gives the ids of "##" characters in the
 * order of a hash table with a random seed, so there equal frequencies are decided anew in each run; otherwise nothing
 * differs: where it is told this order of characters, it makes the same vocabulary (t/oracle/vocabulary.py).
 */
#ifndef TEXT_VOCABULARY_LEARNER_H
#define TEXT_VOCABULARY_LEARNER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "text/word_table.h"

struct vocabulary_goal {
    size_t size;            /* stop with this many tokens; the special ones and the characters are always there */
    uint64_t min_frequency; /* of a pair that is merged */
    size_t alphabet;        /* keep so many characters, the most frequent (of equal ones the lower code points) */
};

struct vocabulary_result {
    struct buf text; /* the tokens in id order, each ended by \n: a vocab.txt */
    size_t n;
    size_t characters;         /* of the words, before any was left out */
    size_t dropped_characters; /* left out by `alphabet` */
};

/* words: with their counts, valid UTF-8. The result does not depend on their order. Time: of order s log s for the s
 * characters of the distinct words, in practice. Free result->text with buf_free. */
void vocabulary_learn(const struct word_table *words, const struct vocabulary_goal *goal,
                      struct vocabulary_result *result);

#endif
