/* controls.h - training rows changed so that what an objective owes to the reasoning can be told from what it owes to
 * something else: further text, further steps, the teacher's labels, a lexicon of any words.
 *
 * A control replaces columns of the spooled rows before the terms are prepared; labels, sentences, the order of rows
 * and the number of steps stay. What is random is a function of the seed. Privileged information
 * often helps for other reasons than its content (Provodin et al. 2024,
 * arXiv:2408.14319; Hase and Bansal 2021, arXiv:2102.02201).
 */
#ifndef BERT_CONTROLS_H
#define BERT_CONTROLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "bert/objectives/objective.h"
#include "wire/rows.h"

#define CONTROL_CHOICES                                                                                                \
    "reason-shuffled|reason-shuffled-class|reason-tokens-shuffled|reason-training-text|reason-label-sentence|"         \
    "reason-sentence|edits-shuffled|edits-more-rows|edits-repeat|cues-random|cues-shuffled-polarity|cues-all-words|"   \
    "soft-smoothing"

struct control_setting {
    const struct rows *unlabelled; /* rows that nobody labelled but perhaps the teacher; NULL: none */
    const struct token_table *tokens;
    const char *const *labels; /* [classes] */
    size_t classes;
    uint64_t seed;
};

/* Changes the rows as the control `name`, one of the choices, says. Rows that lack what it changes are STATUS_FAILURE
 * with a cure. */
int controls_apply(const char *name, struct rows *rows, const struct control_setting *setting, struct error *err);

#endif
