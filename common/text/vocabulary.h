/* vocabulary.h - a WordPiece vocabulary and the settings of its tokenizer, read from a Hugging Face folder or a
 * vocab.txt.
 *
 * Read from a folder: vocab.txt, or tokenizer.json where there is no vocab.txt; tokenizer_config.json,
 * special_tokens_map.json, added_tokens.json; model_max_length and config.json's max_position_embeddings. The settings
 * are those of tokenizer_config.json; what it leaves open is taken from tokenizer.json's normalizer, else from
 * BertTokenizer's defaults (transformers' BertTokenizer asks tokenizer.json for none of them). Beside a vocab.txt and a
 * do_lower_case in tokenizer_config.json, tokenizer.json is not read at all. Truncation and padding in it are ignored.
 * Other models (BPE, Unigram, WordLevel), normalizers and pre-tokenizers are refused by name. A bare vocab.txt means
 * the settings of BertTokenizer: lower case, CJK spacing, accents stripped with the case.
 *
 *     struct vocabulary v = {0};
 *     if (vocabulary_load(&v, path, &err) < 0)     // path as hub_resolve gives it
 *         die_error(&err);
 *     struct tokenizer *t = tokenizer_new(&v, &err);
 *     vocabulary_free(&v);
 */
#ifndef TEXT_VOCABULARY_H
#define TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/error.h"

/* A token that is found in the text as it stands and never split ([SEP], [MASK], tokens that a user added). The flags
 * are those of Hugging Face's AddedToken. */
struct added_token {
    char *text;
    size_t len;
    int32_t id;
    bool special;     /* of the special_tokens_map, or marked so */
    bool single_word; /* only between characters that are not part of words */
    bool lstrip;      /* takes white space on its left with it */
    bool rstrip;
    bool normalized; /* matched in the normalised text, not in the raw one */
    bool is_new;     /* the model's own vocabulary lacks it: no word is pieced with it */
};

struct vocabulary {
    const char **tokens; /* in id order, NUL-terminated; "" for an id that no token has (duplicates in vocab.txt) */
    size_t n_tokens;
    int32_t unk, cls, sep, pad,
        mask;                  /* ids; -1 where the vocabulary has no such token (unk, cls and sep always have) */
    struct added_token *added; /* by ascending id; the special ones are among them */
    size_t n_added;
    bool clean_text, tokenize_chinese_chars, do_lower_case, strip_accents;
    char *prefix;                 /* of a piece inside a word: "##" */
    long max_word_characters;     /* longer words become unk: 100 */
    long model_max_length;        /* -1: unknown or practically infinite */
    long max_position_embeddings; /* -1: unknown */
    long default_max_len;         /* the smaller of the two; 512 where neither is known */
    char sha256[SHA256_HEX_SIZE]; /* over the tokens in id order, each ended by \n */
    struct buf storage;           /* holds the tokens' text */
};

/* path: a folder or a vocab.txt. v must be zeroed; on failure it is left freed. A missing file is STATUS_USAGE, a
 * broken one STATUS_FAILURE; both name the file, and the line where there is one. */
int vocabulary_load(struct vocabulary *v, const char *path, struct error *err);
void vocabulary_free(struct vocabulary *v);

#endif
