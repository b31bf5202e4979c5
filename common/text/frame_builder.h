/* frame_builder.h - tokenised rows, gathered until they are written: as the columns of a batch frame
 * (distil-stream(5)), or as lines of NDJSON. One a thread and frame; builders share nothing but the tokenizer.
 */
#ifndef TEXT_FRAME_BUILDER_H
#define TEXT_FRAME_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "text/cue_marks.h"
#include "text/sentences.h"
#include "text/wordpiece.h"
#include "wire/rows.h"

/* The columns, in the order of struct rows below. */
enum frame_column {
    FRAME_IDS,
    FRAME_IDX,
    FRAME_LABEL,
    FRAME_TYPES,
    FRAME_TEACHER_LABEL,
    FRAME_CONFIDENCE,
    FRAME_TEACHER_PROBS,
    FRAME_REASON_IDS,
    FRAME_CUES,
    FRAME_EDIT_IDS,
    FRAME_COLUMNS
};

struct frame_options {
    const struct tokenizer *tokenizer;
    long max_len; /* with specials */
    size_t n_labels;
    bool pair, ndjson, offsets;
};

struct frame_builder {
    struct rows rows;                /* all columns; `unknown` is written where a row has no value */
    bool used[FRAME_COLUMNS];        /* some row has a value */
    bool teacher;                    /* some row has one; else the columns that it fills are empty */
    struct buf text;                 /* NDJSON output */
    uint64_t n, tokens;              /* rows and their ids */
    uint64_t truncated;              /* rows cut to max_len */
    uint64_t odd_idx;                /* rows whose idx is no integer */
    uint64_t unpaired;               /* rows without the member of --pair */
    struct encoder_scratch *scratch; /* not owned; the caller gives the one of its thread */
    /* buffers */
    struct encoding encoding, extra;
    struct cue_finder cues;
    struct json doc;
    struct buf member;
};

/* Tokenises a row and appends it. doc: the parsed line, where NDJSON is passed through as NDJSON; else NULL. */
void frame_builder_add(struct frame_builder *b, const struct frame_options *options, const struct sentence *sentence,
                       const struct json *doc);
/* The rows with the columns that are to be written, sharing memory with the builder until its next call. */
struct rows frame_builder_rows(struct frame_builder *b, struct column columns[FRAME_COLUMNS]);
/* No rows; memory stays. */
void frame_builder_reset(struct frame_builder *b);
void frame_builder_free(struct frame_builder *b);

#endif
