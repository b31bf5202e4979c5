/* tokenizer.h - what the files of the tokenizer share: the struct behind wordpiece.h. Not for other rooms. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "text/added.h"
#include "text/normalizer.h"
#include "text/trie.h"
#include "text/word_cache.h"
#include "text/wordpiece.h"

/* What a byte of raw text means to the fast path. */
enum byte_kind {
    BYTE_WORD, /* ASCII letter or digit */
    BYTE_SPACE,
    BYTE_PUNCT, /* ASCII punctuation: a word of its own */
    BYTE_OTHER  /* not ASCII, or a control: the normaliser decides */
};

struct tokenizer {
    struct normalizer_settings settings;
    struct trie trie;
    struct added_matcher raw, normalized; /* found before and after normalisation */
    int32_t unk, cls, sep;
    size_t max_word_characters;
    uint32_t cached_bytes; /* ASCII words up to this length go through the cache */
    uint8_t kinds[256];
    int32_t punct_ids[128]; /* id of a lone punctuation character */
    uint64_t fingerprint;   /* of everything that results depend on */
};

struct encoder_scratch {
    uint64_t fingerprint; /* of the tokenizer that the caches belong to */
    struct normalized normalized;
    struct word_cache cache;
    int32_t *pieces; /* [pieces_cap]: of one word */
    size_t pieces_cap;
    struct buf lowered; /* an ASCII word */
};

/* encode_raw.c: the ids and spans of text[begin..end), a part without added tokens of the raw kind. */
void encode_raw(const struct tokenizer *t, struct encoder_scratch *s, const char *text, uint32_t begin, uint32_t end,
                size_t len, struct encoding *out);
/* wordpiece.c: what each byte of raw text means, a function of nothing. */
void byte_kinds_fill(uint8_t kinds[256]);
/* wordpiece.c: room for n more tokens. */
void encoding_reserve(struct encoding *e, size_t n);

#endif
