/* train_log.h - what a training run tells: NDJSON records for programs, the epoch line for people. */
#ifndef BERT_TRAIN_LOG_H
#define BERT_TRAIN_LOG_H

#include <stdint.h>

#include "bert/evaluate.h"
#include "bert/trainer.h"

/* What follows from the options, the rows and the model. */
struct train_plan {
    uint64_t steps, warmup_steps;
    size_t parameters_trained;
    const struct model_dropout *dropout;
    const double *class_weights; /* [classes]; NULL: none */
};

/* Each writes one record where metrics are wanted; a failure stays in the output's error. */
void train_log_start(const struct train_reports *r, const struct model *m, const struct nn *nn,
                     const struct objectives *objectives, const struct train_data *data, const struct train_options *o,
                     const struct optimiser *optimiser, const struct train_plan *plan);
/* loss: mean over the step's rows; rate: the one that this step used; norm: before clipping. */
void train_log_step(const struct train_reports *r, uint64_t step, double epoch, double loss, double rate, double norm);
void train_log_evaluation(const struct train_reports *r, uint64_t step, double epoch, const struct evaluation *e);
/* Patience has ended the run. */
void train_log_early_stopping(const struct train_reports *r, const char *metric, const struct train_state *s);
/* metric NULL: none was named. */
void train_log_end(const struct train_reports *r, const char *metric, const struct train_result *result);
/* "Epoch 1: Training Loss - 0.522523 | Validation Loss - 0.530785 | Accuracy - 0.9128" on stderr. */
void train_log_epoch(const struct train_state *s);

#endif
