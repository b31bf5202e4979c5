/* stream.h - the token stream between wp-tokenize, bert-train and bert-infer: head, batch..., end; distil-stream(5).
 *
 * The reader checks what the frames owe each other: a head first, seq without gap from 0, an end frame whose totals are
 * right, nothing after it. The frame size is transport only and must not change any result.
 */
#ifndef WIRE_STREAM_H
#define WIRE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"
#include "wire/lines.h"
#include "wire/rows.h"
#include "wire/safetensors.h"

struct stream_head {
    char vocab_sha256[65]; /* over the tokens in id order, each ended by \n */
    bool do_lower_case;
    long max_len;  /* with [CLS] and [SEP] */
    char **labels; /* label names in class order */
    size_t n_labels;
    char *producer; /* "wp-tokenize 0.1.0" */
};

void stream_head_free(struct stream_head *head);

struct stream_reader {
    struct input in;
    struct st_frame frame;
    struct stream_head head;
    uint64_t frames, rows; /* seen so far */
    struct st_ahead ahead; /* what stream_open_lines took over */
};

/* Opens (NULL or "-": stdin) and reads the head. NDJSON is named as such. */
int stream_open(struct stream_reader *r, const char *path, struct error *err);
/* The same from an input whose first bytes were looked at with lines_peek: takes the input and what it has read over
 * from `l`, which is left closed, also where this fails. */
int stream_open_lines(struct stream_reader *r, struct lines *l, struct error *err);
/* The next batch into *rows (which is overwritten): 1, or 0 after a correct end frame, or -1. A missing end, a gap or a
 * wrong total is "NAME: stream ended early; an upstream stage failed". */
int stream_next(struct stream_reader *r, struct rows *rows, struct error *err);
/* True where stream_next would find something, be it the end of the input, without waiting. */
bool stream_ready(const struct stream_reader *r);
void stream_close(struct stream_reader *r);

struct stream_writer {
    struct output *out; /* not owned */
    uint64_t frames, rows;
};

/* Writes the head frame. Failures of output stay in out->error, and -1 is returned. */
int stream_begin(struct stream_writer *w, struct output *out, const struct stream_head *head);
/* One batch frame; no rows writes nothing. */
int stream_batch(struct stream_writer *w, const struct rows *rows);
/* The end frame. The output is flushed, not closed. */
int stream_end(struct stream_writer *w);

#endif
