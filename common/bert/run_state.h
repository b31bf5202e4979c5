/* run_state.h - DIR.state, the folder beside a model folder DIR where a run keeps its checkpoints while it lasts.
 *
 * Knows names alone, not what is in a checkpoint. Only what is called checkpoint-... is ever removed.
 */
#ifndef BERT_RUN_STATE_H
#define BERT_RUN_STATE_H

#include "base/error.h"

/* DIR.state, whatever slashes DIR ends in. Freed by the caller. */
char *run_state_path(const char *model_folder);
/* Removes the checkpoints that are there, also unfinished ones; it is no failure if there is no such folder. Returns
 * their number, or -1. */
long run_state_clear(const char *state, struct error *err);
/* The same, and the folder too where nothing else is in it. */
int run_state_remove(const char *state, struct error *err);

#endif
