/* batch_internal.h - inside `--batch`: what its commands share. */
#ifndef TEACHER_BATCH_INTERNAL_H
#define TEACHER_BATCH_INTERNAL_H

#include "teacher/batch.h"
#include "teacher/batch_state.h"

struct batch {
    const struct batch_settings *settings;
    struct batch_state state;
    struct batch_api api;
    struct json doc; /* of a row */
    uint64_t complaints;
};

/* One of the rows that were given. */
struct batch_row {
    const char *line;
    size_t len;
    uint64_t number;
    bool ask;                     /* it is among those to ask for */
    struct span_of_text sentence; /* at NULL: it is not to be asked, or cannot be */
};

/* Calls `take` for each row that is not blank, until it returns -1. What cannot be asked is complained about. A signal
 * ends it, too. */
int batch_each_row(struct batch *batch, int (*take)(void *user, const struct batch_row *row, struct error *err),
                   void *user, struct error *err);

void batch_say(const struct batch *batch, const char *format, ...) __attribute__((format(printf, 2, 3)));
void batch_complain(const struct batch *batch, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether the part is at the server that this run talks to. */
bool batch_is_here(const struct batch *batch, const struct batch_part *part);
/* The keys of all questions in open batches. */
void batch_open_keys(const struct batch_state *state, struct key_set *keys);

int batch_submit(struct batch *batch, struct error *err);
int batch_fetch(struct batch *batch, struct error *err);

#endif
