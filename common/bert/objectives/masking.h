/* masking.h - which tokens of a row a masked language model has to predict, and what it sees in their place.
 *
 * Devlin et al. 2019, section 3.1, and Hugging Face's DataCollatorForLanguageModeling: every token but the special ones
 * ([CLS], [SEP], [PAD], [MASK], [UNK]) is chosen with the same probability; of the chosen, 80 % are shown as [MASK], 10
 * % as a random token of the whole vocabulary, 10 % as they are. With whole words the choice is made for a word, which
 * is a piece and the pieces "##..." after it; each of its pieces is then replaced for itself. All of it is a function
 * of the seed, the row's number in the run and the token's place in the row: the same for any batch size, number of
 * threads, and after a restart.
 */
#ifndef BERT_OBJECTIVES_MASKING_H
#define BERT_OBJECTIVES_MASKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bert/objectives/objective.h"

struct masking {
    double probability;
    uint64_t key;           /* what the seed gives */
    int32_t mask;           /* id of [MASK] */
    size_t n_tokens;        /* random ones are below it */
    const uint8_t *special; /* [n_tokens] */
    uint8_t *continues;     /* [n_tokens] 1: a piece that belongs to the word before it; NULL: every piece for itself */
};

/* setting->tokens must outlive it. A vocabulary without [MASK] is STATUS_USAGE. */
int masking_init(struct masking *m, const struct objective_setting *setting, struct error *err);
void masking_free(struct masking *m);

/* Masks a row of n ids: places[n] gets the chosen ones' places in ascending order, labels[n] their ids, shown[n], which
 * holds the row's ids, is changed; all three are NULL where the number alone is wanted. Returns how many were chosen.
 */
size_t masking_apply(const struct masking *m, const int32_t *ids, size_t n, uint64_t number, uint32_t *places,
                     int32_t *labels, int32_t *shown);

#endif
