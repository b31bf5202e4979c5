/* train_state.h - where a training run stands: all that has to be known, beside weights and moments, to go on from a
 * step as if nothing had happened.
 *
 * What is random needs no state: shuffling, dropout and initialisation are functions of the seed and of the counters
 * here (rng.h). Kept in a checkpoint as trainer_state.json; the moments lie beside it, trainer_state.safetensors.
 */
#ifndef BERT_TRAIN_STATE_H
#define BERT_TRAIN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "bert/optimiser.h"

/* An evaluation's figures, as the record `eval` has them. */
struct train_scores {
    double loss, accuracy, macro_f1, mcc, nll, brier, ece;
};

struct train_state {
    uint64_t step, epoch, rows_done; /* steps, whole epochs, rows of all epochs that are done */
    bool in_epoch;                   /* an epoch has begun and not ended */
    uint64_t epoch_rows;             /* rows of the current epoch's permutation that are done */
    double epoch_loss;               /* sum over them */
    double train_loss;               /* mean over the rows of the last epoch */
    uint64_t evaluated_at;           /* steps done at the last evaluation, plus 1; 0: there was none */
    struct train_scores scores;      /* of it */
    uint64_t best_at;                /* the same of the best evaluation, where a metric is named */
    struct train_scores best;
    uint64_t without_improvement; /* evaluations since then */
    bool stopped_early;
    uint64_t warned;       /* bits of the warnings given */
    double seconds;        /* of training until here */
    uint64_t metrics_size; /* bytes of records written until here */
    uint64_t optimiser_step;
};

/* trainer_state.json: one object. */
void train_state_write(struct buf *out, const struct train_state *state);
/* name: the file's, for messages. A member that is missing or no number is STATUS_FAILURE. */
int train_state_read(struct train_state *state, const char *text, size_t len, const char *name, struct error *err);

/* The optimiser's arrays, written to and read from trainer_state.safetensors in a checkpoint's folder; it is not
 * synced. */
int train_moments_write(const char *folder, const struct optimiser *o, struct error *err);
int train_moments_read(const char *folder, struct optimiser *o, struct error *err);

#endif
