/* cue_spans.h - the spans of a sentence that the teacher called decisive, with a label each: what `cue-text`,
 * `cue-swap` and `contrast` have in common.
 *
 * A span is a run of tokens with the same mark in the column `cues`. Its label is its own polarity where the teacher
 * gave it and there are two classes (favourable 1, unfavourable 0), else the label that the reasoning argues for
 * (reasoning.h). Modifiers have no label and are no spans.
 */
#ifndef BERT_OBJECTIVES_CUE_SPANS_H
#define BERT_OBJECTIVES_CUE_SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/rows.h"

enum { CUE_SPANS_MOST = 255 }; /* of one row; the further ones are not seen */

struct cue_span {
    size_t begin, end; /* tokens of the row */
    int32_t label;
};

/* The spans of a row in their order; spans NULL: their number alone. None where the reasoning is not used. */
size_t cue_spans_find(const struct rows *rows, uint64_t row, size_t classes, struct cue_span spans[CUE_SPANS_MOST]);

#endif
