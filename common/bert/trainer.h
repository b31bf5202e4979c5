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
#include "bert/train_state.h"
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
    double mlm_probability;                 /* of the term mlm: masking.h */
    bool whole_word_masking;
    const char *objective;                       /* the spec, for the records */
    const char *label_source;                    /* rows_take_labels */
    const char *control;                         /* controls.h; NULL: none */
    double temperature;                          /* of the term soft */
    const char *metric;                          /* that tells the best evaluation (selection.h); NULL: none */
    long patience;                               /* evaluations without improvement that end the run; 0: any number */
    const char *class_weights, *freeze;          /* label.h, parameter_groups.h; NULL: none */
    double label_smoothing, layer_wise_lr_decay; /* 0, 1: none */
    bool load_best;                              /* end with the weights of the best evaluation */
};

struct train_data {
    const struct rows *train, *validation, *unlabelled; /* but for train NULL: none */
};

/* What a run ends with, for the model card and the last line. */
struct train_result {
    uint64_t steps;
    double train_loss; /* mean over the rows of the last epoch */
    bool evaluated;
    struct train_scores scores; /* of the weights that the run ends with */
    bool has_best;              /* a metric was named, and an evaluation had it */
    uint64_t best_step;
    double best_value;
    uint64_t kept_step; /* the step whose weights the run ends with */
    bool stopped_early; /* by patience */
    bool interrupted;   /* by `stop`; a checkpoint was written if that was possible */
    double seconds, rows_per_second;
};

/* Where a run tells how it goes. metrics NULL: no records. */
struct train_reports {
    struct output *metrics; /* NDJSON, see bert-train(1) */
    /* for the first record; what is NULL is left out */
    int argc;
    char **argv;
    const char *model, *weights_fingerprint; /* what the run starts from: a MODEL, or the size of random weights */
    const char *train_sha256, *validation_sha256, *unlabelled_sha256;
};

/* How a run is interrupted and goes on later. All of it may be NULL. */
struct train_checkpoints {
    void *context;
    /* Writes a checkpoint that is complete or absent, for `state`; the weights are the model's. */
    int (*save)(void *context, const struct train_state *state, const struct optimiser *optimiser, struct error *err);
    /* Gives the model the weights of the checkpoint of that step. */
    int (*load_weights)(void *context, uint64_t step, struct error *err);
    /* Where to go on; the model has the weights already, and load_moments gives the optimiser's. NULL: at the start. */
    const struct train_state *from;
    int (*load_moments)(void *context, struct optimiser *optimiser, struct error *err);
    /* Asked after each step: whether to write a checkpoint and come back. */
    bool (*stop)(void);
};

/* Trains m in place. objectives must be prepared. A checkpoint that cannot be written is warned of and the run goes on.
 * checkpoints may be NULL. */
int trainer_run(struct model *m, const struct nn *nn, struct objectives *objectives, const struct train_data *data,
                const struct train_options *o, const struct train_reports *reports,
                const struct train_checkpoints *checkpoints, struct train_result *result, struct error *err);

#endif
