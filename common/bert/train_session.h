/* train_session.h - everything that a training run opens and writes, in the order in which that happens; what is
 * computed in between is trainer.h's.
 *
 * What can be refused early is refused before the input is read. A run keeps what it needs to go on in DIR.state
 * (run_state.h); with `resume` a session takes it from there.
 */
#ifndef BERT_TRAIN_SESSION_H
#define BERT_TRAIN_SESSION_H

#include <stdbool.h>

#include "bert/run_record.h"
#include "bert/student.h"
#include "bert/trainer.h"
#include "text/vocabulary.h"
#include "wire/stream.h"

struct session_options {
    const char *model, *init, *vocab, *output, *validation, *unlabelled, *metrics;
    const char *file; /* the training rows; NULL or "-": stdin */
    bool force, keep_state, resume;
    long threads;
    const char *gemm, *precision; /* nn.h */
    const char *save_dtype;       /* f32 or bf16: of the model that is written; checkpoints are f32 */
    struct train_options train;
    char *options; /* for the record: run_record_options */
    int argc;
    char **argv;
};

struct session {
    const struct session_options *o;
    struct nn nn;
    char *state;              /* DIR.state */
    int lock;                 /* on it; -1: not taken */
    struct run_record record; /* of the run that is resumed, or of this one */
    bool recorded;            /* a run is resumed */
    bool owns_state;          /* this process made what is in DIR.state */
    enum { SESSION_OPENING, SESSION_TRAINING, SESSION_WRITING } stage;
    struct train_state from; /* where to go on */
    bool has_checkpoint;
    char *source; /* the folder of -m, or the vocabulary of --init, or the newest checkpoint */
    char *absolute_source, *absolute_metrics;
    char *train_name, *validation_name, *unlabelled_name; /* where the rows come from, for messages */
    struct vocabulary vocabulary;
    struct stream_head head, validation_head, unlabelled_head;
    struct rows train, validation, unlabelled;
    struct rows shaped; /* the training rows as --label-source and --control make them; not used without these */
    bool is_shaped;
    struct student_tokens tokens;
    struct objectives objectives;
    struct model model;
    struct output metrics;
    struct train_result result;
};

/* Three parts, each to be called when the one before it returned 0. What is to be said to people is said through
 * diag.h; after a failure only session_free is due. */
/* Opens and reads all there is, and records the run in DIR.state. s->record holds the record of the run that is
 * resumed, or is empty. */
int session_open(struct session *s, const struct session_options *o, struct error *err);
/* Trains. stop is asked after each step; a run that was asked to stop has s->result.interrupted set, and ends here. */
int session_train(struct session *s, bool (*stop)(void), struct error *err);
/* Writes the model folder, and ends the state. */
int session_write(struct session *s, struct error *err);
void session_free(struct session *s);

#endif
