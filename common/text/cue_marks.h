/* cue_marks.h - which tokens of a sentence its teacher called decisive: the values of the column `cues`.
 *
 * A cue is looked for as whole words, case aside, any white space for any other; failing that, without the punctuation
 * at its ends. A cue that is listed again means its next place. A token is marked if it overlaps a cue and is not all
 * punctuation; where cues overlap, the shorter one says more and wins, of equally long ones the first. What the marks
 * mean: CUE_... in wire/rows.h. Of a row's cues the first 256 count. Time: linear in the sentence and the cues' text.
 */
#ifndef TEXT_CUE_MARKS_H
#define TEXT_CUE_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "text/sentences.h"
#include "text/wordpiece.h"

/* Buffers, reused; zeroed before the first use. */
struct cue_finder {
    struct buf folded, cue; /* lower case, white space made one space */
    uint32_t *places;       /* [folded.len + 1] the byte of the sentence that a byte of folded came from */
    size_t places_cap;
    uint32_t *borders; /* [cue.len] */
    size_t borders_cap;
    struct token_span *found; /* [cues] */
    size_t found_cap;
};

/* Appends a mark for each of the n tokens to out. spans: their places in the sentence, {0, 0} for specials; types:
 * NULL, or 1 for tokens of another text. A row where no token is marked gets CUE_ROW_UNMARKED throughout. */
void cue_marks_add(struct cue_finder *finder, const struct sentence *sentence, const struct token_span *spans,
                   const uint8_t *types, size_t n, struct buf *out);
void cue_finder_free(struct cue_finder *finder);

#endif
