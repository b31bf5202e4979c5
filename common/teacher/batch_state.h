/* batch_state.h - which batches were ordered, in a file beside the journal (JOURNAL.batches).
 *
 *     {"batches":"groq-reason","version":1}
 *     {"event":"begun","part":"5f0c...","at":1790000000,"server":"https://...","model":"...","labels":"negative,positive",
 *      "counterfactual":true,"budget":1024,"questions":2,"bytes":5120,"keys":"<sha256><sha256>"}
 *     {"event":"uploaded","part":"5f0c...","at":...,"file":"file_1"}
 *     {"event":"ordering","part":"5f0c...","at":...}
 *     {"event":"ordered","part":"5f0c...","at":...,"batch":"batch_1"}
 *     {"event":"fetched","part":"5f0c...","at":...,"state":"completed"}
 *
 * A part is one file of questions and the batch made of it. An event is written before a call to the server and after
 * it, a line and an fsync each, so that whatever ends a run, the next one knows what may have been bought: a part that
 * was being ordered is looked for at the server before anything is ordered again. Append-only and locked (flock), and
 * a torn line at the end is cut off, as in the journal; a line inside that cannot be read is a failure, because money
 * hangs on it.
 */
#ifndef TEACHER_BATCH_STATE_H
#define TEACHER_BATCH_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/append_file.h"
#include "base/buf.h"
#include "base/error.h"
#include "teacher/key_set.h"

enum part_state {
    PART_BEGUN,      /* perhaps uploaded; nothing is ordered */
    PART_UPLOADED,   /* the server has the file; nothing is ordered */
    PART_ORDERING,   /* perhaps ordered */
    PART_ORDERED,    /* the server has the batch */
    PART_CANCELLING, /* the same, and it was told to end it; what was answered is still to be fetched */
    PART_FETCHED,    /* ended, and its results are in the journal */
    PART_DROPPED     /* never ordered, or gone */
};

struct batch_part {
    char *id, *server, *model, *labels; /* server: the endpoint's identity */
    bool counterfactual;
    long long budget, questions, at; /* at: of the last event, seconds since 1970 */
    enum part_state state;
    char *file, *batch;  /* the server's names; NULL while unknown */
    char *ended;         /* the batch's last state, once fetched; else NULL */
    struct key_set keys; /* of parts that are not fetched or dropped */
};

struct batch_state {
    struct append_file file; /* its fd -1: there is none to read */
    struct batch_part *parts;
    size_t n;
    struct buf line;
};

/* Opens the state of a journal. To write: makes the file (mode 0600) and locks it; STATUS_FAILURE where another run
 * holds it, STATUS_USAGE where it is no such file. Otherwise it is only read, and may be absent. */
int batch_state_open(struct batch_state *state, const char *journal_path, bool to_write, struct error *err);
void batch_state_close(struct batch_state *state);

/* Writes that a part is begun; id, server, model, labels, counterfactual, budget and keys are given. Everything is
 * copied. The new part stays where it is until the next one is begun. NULL on failure. */
struct batch_part *batch_state_begin(struct batch_state *state, const struct batch_part *part, uint64_t bytes,
                                     struct error *err);
/* Writes what has become of a part. `name` is the file's (PART_UPLOADED), the batch's (PART_ORDERED) or the batch's
 * last state (PART_FETCHED), else NULL. */
int batch_state_note(struct batch_state *state, struct batch_part *part, enum part_state what, const char *name,
                     struct error *err);

/* Ordered at this server and not fetched yet. */
bool batch_part_is_open(const struct batch_part *part);

#endif
