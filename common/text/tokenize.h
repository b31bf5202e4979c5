/* tokenize.h - wp-tokenize's loop: lines in, frames or NDJSON out, on all cores, in order, with bounded memory. Or, for
 * learning a vocabulary, lines in and the counts of their words out.
 *
 * Lines are read into tasks, one a frame: at most frame_rows rows or about 1 MiB of text. Two tasks a thread are read,
 * worked on in parallel, and written in order; so neither rows nor bytes depend on the number of threads. When the
 * input pauses, what is there is worked on and flushed, which makes a shorter frame.
 */
#ifndef TEXT_TOKENIZE_H
#define TEXT_TOKENIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"
#include "base/progress.h"
#include "text/frame_builder.h"
#include "text/sentences.h"
#include "text/word_counter.h"
#include "wire/lines.h"
#include "wire/stream.h"

struct tokenize_options {
    struct frame_options frame;
    struct sentence_format format; /* labels and pair_member are set; the rest is found out */
    const char *input_format;      /* auto, text, ndjson, tsv */
    const struct stream_head *head;
    bool replace_invalid, keep_going;
    long expect_rows; /* -1: any number */
    long frame_rows;
    int threads;
    struct word_counter *counters; /* [threads] count words instead, nothing is written; NULL: tokenise */
    /* Told about each row that is skipped with keep_going; the text names its place. */
    void (*skipped)(const struct error *err);
};

struct tokenize_summary {
    uint64_t rows, tokens, truncated, odd_idx, unpaired, skipped, replaced;
};

/* Reads lines to their end and writes all rows, and for a stream the head and the end frame. -1: the text names file
 * and line; what came before has been written, the end frame has not. With counters, out may be NULL, and their sum
 * does not depend on the number of threads. */
int tokenize_run(const struct tokenize_options *options, struct lines *lines, struct output *out,
                 struct progress *progress, struct tokenize_summary *summary, struct error *err);

#endif
