/* trainer.h - a training run: epochs over spooled rows, evaluation, checkpoints, metrics, the finished model folder.
 *
 * With dropout 0 and no shuffling a run is a function of weights and rows alone. The transport's frame size never
 * matters, and neither does the number of threads.
 */
#ifndef BERT_TRAINER_H
#define BERT_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"
#include "bert/model.h"
#include "bert/objectives/objective.h"
#include "wire/rows.h"

struct train_options {
    long epochs, batch_size, gradient_accumulation_steps;
    long max_steps; /* 0: epochs decide; else the N of the schedule, rows start over as needed */
    double learning_rate, weight_decay, max_grad_norm;
    double warmup_ratio; /* w = ceil(ratio x N) where warmup_steps is 0 */
    long warmup_steps;
    double dropout; /* -1: as the model's config says */
    bool shuffle;
    uint64_t seed;
    long eval_steps, save_steps, log_steps; /* 0: at the end of each epoch (log: never) */
    long keep;                              /* newest checkpoints that stay */
    double mlm_probability; /* of the term mlm: masking.h */
    bool whole_word_masking;
    const char *objective;                  /* the spec, for the records */
};

struct train_data {
    const struct rows *train, *validation; /* validation NULL: none */
};

/* What a run ends with, for the model card and the last line. */
struct train_result {
    uint64_t steps;
    double train_loss; /* mean over the rows of the last epoch */
    bool evaluated;
    double validation_loss, validation_accuracy, validation_macro_f1, validation_mcc, validation_nll, validation_ece;
    double seconds, rows_per_second;
};

/* Where a run tells how it goes. metrics NULL: no records. */
struct train_reports {
    struct output *metrics; /* NDJSON, see bert-train(1) */
    int argc;
    char **argv; /* for the first record */
};

/* Writes a checkpoint that is complete or absent; called with the number of steps done. */
typedef int save_function(void *context, const struct model *m, uint64_t step, struct error *err);

/* Trains m in place. objectives must be prepared. save may be NULL. */
int trainer_run(struct model *m, const struct nn *nn, struct objectives *objectives,
                const struct train_data *data, const struct train_options *o, const struct train_reports *reports,
                save_function *save, void *save_context, struct train_result *result, struct error *err);

#endif
