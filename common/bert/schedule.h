/* schedule.h - the learning rate of a step: linear warm-up, then linear decay to 0 (as Trainer's default "linear"). */
#ifndef BERT_SCHEDULE_H
#define BERT_SCHEDULE_H

#include <stdint.h>

/* Step s counts from 0: rate x s/w below w = warmup_steps, else rate x (N - s)/(N - w), N = total_steps. */
static inline double schedule_linear(double rate, uint64_t step, uint64_t warmup_steps, uint64_t total_steps)
{
    if (step < warmup_steps)
        return rate * (double)step / (double)warmup_steps;
    if (step >= total_steps)
        return 0;
    return rate * (double)(total_steps - step) / (double)(total_steps - warmup_steps);
}

#endif
