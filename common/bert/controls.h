/* controls.h - training rows changed so that what an objective owes to the reasoning can be told from what it owes to
 * something else: further text, further steps, the teacher's labels, a lexicon of any words.
 *
 * A control replaces columns of the spooled rows before the terms are prepared; labels, sentences, the order of rows
 * and the number of steps stay. It changes what terms use: a reasoning that argues against a known gold label
 * (reasoning.h) is neither dealt to other rows nor replaced, so that a control has as many items as what it is compared
 * with. What is random is a function of the seed. Privileged information often helps for other reasons than its content
 * (Provodin et al. 2024, arXiv:2408.14319; Hase and Bansal 2021, arXiv:2102.02201).
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
    "reason-sentence|edits-shuffled|edits-other-rows|edits-more-rows|edits-repeat|cues-random|cues-shuffled-polarity|" \
    "cues-all-words|"                                                                                                  \
    "soft-smoothing"

struct control_setting {
    const struct rows *unlabelled; /* rows that nobody labelled but perhaps the teacher; NULL: none */
    const struct token_table *tokens;
    const char *const *labels; /* [classes] */
    size_t classes;
    uint64_t seed;
};

/* Changes the rows as the controls `names`, some of the choices separated by commas, say, one after the other; man
 * bert-train tells what each does. The column
 * edit_label I32 [n] that edits-* make is the label of a row's edit, -1 where there is none. Rows that lack what it
 * changes and labels outside the classes are STATUS_FAILURE, too few rows of `unlabelled` or a class whose name is no
 * token STATUS_USAGE, each with a cure; the rows are of no use then. */
int controls_apply(const char *names, struct rows *rows, const struct control_setting *setting, struct error *err);

#endif
