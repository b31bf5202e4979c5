/* word_counter.h - how often each word stands in a text: normalised and cut as the tokenizer does it, but not pieced.
 *
 * Nothing is taken for an added token: [SEP] in a text is three words, as in tokenizers' training.
 * One a thread; word_counter_merge adds them up.
 */
#ifndef TEXT_WORD_COUNTER_H
#define TEXT_WORD_COUNTER_H

#include <stddef.h>
#include <stdint.h>

#include "text/normalizer.h"
#include "text/word_table.h"

/* settings are set, the rest is zeroed before its first use. */
struct word_counter {
    struct normalizer_settings settings;
    struct word_table words;
    /* buffers */
    uint8_t kinds[256];
    bool ready;
    struct normalized normalized;
    struct buf lowered;
};

/* text: valid UTF-8 of less than 4 GiB. */
void word_counter_add(struct word_counter *c, const char *text, size_t len);
/* Adds the counts of `from`, which stays as it is. */
void word_counter_merge(struct word_counter *into, const struct word_counter *from);
void word_counter_free(struct word_counter *c);

#endif
