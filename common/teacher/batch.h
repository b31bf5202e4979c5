/* batch.h - `groq-reason --batch`: the same questions through the server's batch API, at its price and in its time.
 *
 *   submit   rows in; questions that the journal does not answer and no open batch holds are uploaded and ordered
 *   status   one line for each batch
 *   fetch    what ended batches hold goes into the journal; rows in, the same rows out as far as they are answered
 *   cancel   open batches are told to end; what they have answered by then is still fetched
 *
 * The state file (batch_state.h) tells what was ordered whatever ended a run, so any of them can be killed and run
 * again. Nothing is asked live.
 */
#ifndef TEACHER_BATCH_H
#define TEACHER_BATCH_H

#include <stdbool.h>

#include "base/error.h"
#include "base/io.h"
#include "teacher/asker.h"
#include "teacher/batch_api.h"
#include "teacher/key_set.h"
#include "teacher/window.h"
#include "wire/lines.h"

enum batch_command { BATCH_SUBMIT, BATCH_STATUS, BATCH_FETCH, BATCH_CANCEL };
#define BATCH_COMMANDS "submit|status|fetch|cancel"

struct batch_settings {
    struct asker *asker; /* its settings, with the price of batches; its journal is open for submit and fetch */
    const char *journal_path;
    struct lines *rows; /* NULL: none */
    struct window *window;
    struct output *output;
    long ask;                      /* rows to ask for; below 0: all */
    unsigned samples;              /* questions a row */
    bool unordered;                /* fetch: rows need not wait for those before them */
    const char *completion_window; /* "24h" to "7d" */
    size_t most_lines;             /* of a batch */
    struct api_signals signals;
    void (*say)(const char *text);      /* what was done */
    void (*complain)(const char *text); /* what is wrong with a row or a batch, while the run goes on */
};

/* The command's number; -1 for another name. */
int batch_command_find(const char *name);

/* Adds the questions that open batches hold to `keys`; nothing is changed, and nobody is asked. */
int batch_open_questions(const char *journal_path, struct key_set *keys, struct error *err);

/* Returns the exit status: STATUS_OK, STATUS_PARTIAL, or with err that of the error: STATUS_RESUMABLE also where
 * batches are open or rows have no answer yet. */
int batch_run(enum batch_command command, const struct batch_settings *settings, struct error *err);

#endif
