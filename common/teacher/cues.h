/* cues.h - decisive spans: where a quoted span stands in the sentence, and the spans that a reasoning quotes.
 *
 * A span stands in the sentence if it is there as whole words, case aside, any white space for any other; failing that,
 * without its own outer punctuation; failing that, as the beginning of a longer word ('undercut' in "undercuts"), and
 * then all of that word is the cue. What is kept is the sentence's writing of it. So a cue never cuts a word, and
 * wp-tokenize, which takes whole words alone, finds each of them (plain.h tells what a word's letters are; in scripts
 * without spaces between words the two may differ).
 */
#ifndef TEACHER_CUES_H
#define TEACHER_CUES_H

#include <stdbool.h>
#include <stddef.h>

#include "teacher/plain.h"

enum {
    CUES_MOST = 32,    /* kept of one answer */
    CUE_LONGEST = 512, /* bytes; a longer quotation is no cue */
    CUE_POLARITY_UNKNOWN = 2
};

struct cue {
    struct span_of_text span; /* in the sentence */
    int polarity;             /* 1 favourable, -1 unfavourable, 0 modifier, or CUE_POLARITY_UNKNOWN */
};

struct cues {
    struct cue list[CUES_MOST];
    size_t n;
};

/* Finds the span's first place in the sentence from byte `from` on. */
bool cue_locate(struct span_of_text sentence, size_t from, struct span_of_text quoted, struct span_of_text *found);
/* Adds the span if it stands in the sentence and there is room. The same span again means its next place; where there
 * is none, it is left out. */
void cues_add(struct cues *cues, struct span_of_text sentence, struct span_of_text quoted, int polarity);
/* Adds what stands between quotation marks ('...', "...", and the curly ones) in the reasoning. An apostrophe inside a
 * word opens and closes nothing; of several possible ends the last that gives a span of the sentence counts. A span
 * quoted twice is one cue. */
void cues_from_quotes(struct cues *cues, struct span_of_text sentence, struct span_of_text reasoning);

#endif
