/* run_state.h - DIR.state, the folder beside a model folder DIR where a run keeps what it needs to go on after it was
 * interrupted: the record of what it does, its rows, its checkpoints.
 *
 *     run.json            what the run is (run_record.h); written last of the three, so where it is, the rows are whole
 *     train.tokens        the training rows, a token stream
 *     validation.tokens   the validation rows, if there are any
 *     unlabelled.tokens   the unlabelled rows, if there are any
 *     reading             a run is at its beginning, and has no record yet
 *     checkpoint-N/       the model after N steps, with trainer_state.json and trainer_state.safetensors
 *
 * Knows names alone, not what is in the files. Only what has one of these names is ever removed.
 */
#ifndef BERT_RUN_STATE_H
#define BERT_RUN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define RUN_RECORD "run.json"
#define RUN_READING "reading"
#define RUN_TRAIN "train.tokens"
#define RUN_VALIDATION "validation.tokens"
#define RUN_UNLABELLED "unlabelled.tokens"

/* DIR.state, whatever slashes DIR ends in. Freed by the caller. */
char *run_state_path(const char *model_folder);
enum run_state {
    RUN_NONE,       /* nothing of ours */
    RUN_NOT_BEGUN,  /* of a run that was killed before it had its rows, or that is reading them now */
    RUN_UNFINISHED, /* of a run that can go on */
    RUN_FINISHED,   /* checkpoints of a run that is over */
    RUN_ENDING      /* of a run that is over, and was killed while it removed its state */
};
enum run_state run_state_look(const char *state);
/* Makes the folder if it is not there and takes it for this process until it ends: the descriptor, or -1. Another
 * process at work in it is STATUS_FAILURE. */
int run_state_take(const char *state, struct error *err);
/* Says that a run is at its beginning, that it has its record, and that it came to nothing, which removes the folder
 * too where nothing else is in it. */
int run_state_begin(const char *state, struct error *err);
int run_state_begun(const char *state, struct error *err);
void run_state_abandon(const char *state);

/* DIR.state/checkpoint-STEP, freed by the caller. */
char *run_state_checkpoint(const char *state, uint64_t step);
/* The steps of the checkpoints that are there, ascending; *n of them, freed by the caller. */
uint64_t *run_state_list(const char *state, size_t *n);
/* Removes checkpoints but the `keep` newest ones and that of step `spared` (UINT64_MAX: none). */
int run_state_rotate(const char *state, size_t keep, uint64_t spared, struct error *err);
/* Removes what a killed process left unfinished. The folder must have been taken. */
void run_state_sweep(const char *state);

/* Removes the checkpoints that are there, also unfinished ones, and all else of a run, but for what run_state_begin
 * said; it is no failure if there is no such folder. Returns the number of checkpoints, or -1. */
long run_state_clear(const char *state, struct error *err);
/* The same, and the folder too where nothing else is in it. */
int run_state_remove(const char *state, struct error *err);
/* The run is over; its checkpoints stay. */
int run_state_finish(const char *state, struct error *err);

#endif
