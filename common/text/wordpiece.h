/* wordpiece.h - text into WordPiece ids and byte offsets, equal to Hugging Face's BertTokenizerFast on any valid UTF-8.
 *
 * Steps: added tokens ([SEP], ...) are found in the raw text; what lies between is cleaned, CJK characters are set
 * apart, accents are stripped (NFD without Mn), letters lowered; words are cut at white space and punctuation; each
 * word is pieced greedily, longest piece first, in one walk over a trie with failure links (LinMaxMatch: Song,
 * Salcianu, Song, Dopson, Zhou, "Fast WordPiece Tokenization", EMNLP 2021, arXiv:2012.15524). Time is linear in the
 * text for any input.
 *
 * A struct tokenizer never changes after tokenizer_new and may be used from many threads at once; what a thread needs
 * of its own (buffers, a cache of words) is in its encoder_scratch. Results do not depend on what a scratch has seen.
 *
 *     struct encoder_scratch *scratch = encoder_scratch_new();
 *     struct encoding e = {0};
 *     tokenizer_encode(t, scratch, text, len, 512, &e);   // e.ids[0..e.n), e.spans[0..e.n)
 *     encoding_free(&e);
 *     encoder_scratch_free(scratch);
 */
#ifndef TEXT_WORDPIECE_H
#define TEXT_WORDPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "text/vocabulary.h"

struct tokenizer;
struct encoder_scratch;

/* Where a token stands in its text, in bytes: [begin, end). {0, 0} for specials that the tokenizer added. */
struct token_span {
    uint32_t begin, end;
};

/* The result of an encode call. Zeroed before its first use; its memory is reused by the next call. */
struct encoding {
    int32_t *ids;             /* [n] */
    struct token_span *spans; /* [n]; in a pair those of the second text count from that text's begin */
    uint8_t *types;           /* [n] 0 for the first text and its specials, 1 for the second; only set by _pair */
    size_t n;
    size_t dropped; /* tokens lost to truncation */
    size_t cap;
};

/* Builds the trie and the tables; keeps nothing of v. NULL where the vocabulary cannot be used (STATUS_USAGE). */
struct tokenizer *tokenizer_new(const struct vocabulary *v, struct error *err);
void tokenizer_free(struct tokenizer *t);

struct encoder_scratch *encoder_scratch_new(void);
void encoder_scratch_free(struct encoder_scratch *s);
void encoding_free(struct encoding *e);

/* `text` is valid UTF-8 (utf8_check) of less than 4 GiB and may hold NULs; were it invalid, the result would be
 * meaningless, but nothing breaks. max_len counts [CLS] and [SEP] (three specials in a pair) and must leave room for
 * them; 0: no limit. What is over is cut from the end; in a pair from the end of the longer text, and once they are
 * equally long from both ("longest_first"; of an odd number the one that was longer, or the second, keeps one more). */
void tokenizer_encode(const struct tokenizer *t, struct encoder_scratch *s, const char *text, size_t len, long max_len,
                      struct encoding *out);
void tokenizer_encode_pair(const struct tokenizer *t, struct encoder_scratch *s, const char *a, size_t a_len,
                           const char *b, size_t b_len, long max_len, struct encoding *out);
/* Ids and spans of the text alone, without [CLS] and [SEP] and without a limit. */
void tokenizer_encode_plain(const struct tokenizer *t, struct encoder_scratch *s, const char *text, size_t len,
                            struct encoding *out);

#endif
