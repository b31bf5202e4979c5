/* lexicon.h - how favourable the words of the teacher's cues are: what `polarity` carries to other text.
 *
 *     v(w) = log((n+(w) + .5) / (n-(w) + .5))
 *
 * n+ and n- count a word's places inside favourable and unfavourable spans of the column `cues`; a span without a
 * polarity of its own has that of the label its row's reasoning argues for, modifiers count for nothing. Words with
 * n+ + n- >= 2 and |v| > 0.9 stay (after SKEP, Tian et al. 2020, arXiv:2005.05635, whose
 * lexicon came from mutual information with seed words).
 */
#ifndef BERT_OBJECTIVES_LEXICON_H
#define BERT_OBJECTIVES_LEXICON_H

#include <stddef.h>
#include <stdint.h>

#include "bert/objectives/piece_words.h"

struct lexicon {
    struct piece_words words; /* all words of cues; those that did not stay have the value 0 */
    double *value;            /* [words.n] */
    size_t kept;
};

void lexicon_make(struct lexicon *l, const struct rows *rows, const struct token_table *tokens);
/* v of the word ids[0..n); 0 where it is not in the lexicon. */
double lexicon_value(const struct lexicon *l, const int32_t *ids, size_t n);
void lexicon_free(struct lexicon *l);

#endif
