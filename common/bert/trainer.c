/* trainer.c - see trainer.h. The records are written by train_log.c. */
#include "bert/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/rng.h"
#include "bert/evaluate.h"
#include "bert/optimiser.h"
#include "bert/schedule.h"
#include "bert/train_log.h"

/* Streams of random numbers (rng.h) that one seed gives. */
enum { RNG_SHUFFLE = 1, RNG_DROPOUT = 2 };

struct run {
    struct model *m;
    const struct nn *nn;
    struct objectives *objectives;
    const struct train_data *data;
    const struct train_options *o;
    const struct train_reports *reports;
    save_function *save;
    void *save_context;
    struct train_result *result;

    struct optimiser optimiser;
    struct activations training, inference;
    struct batch batch;
    struct model_dropout dropout;
    uint64_t *order; /* the epoch's permutation of the rows */
    uint64_t steps, steps_per_epoch, warmup_steps;
    uint64_t step, epoch; /* done */
    uint64_t rows_done;   /* over all epochs */
    double epoch_loss;    /* sum over the epoch's rows */
    uint64_t epoch_rows;
    uint64_t evaluated_at, saved_at; /* steps done then, plus 1 */
    struct progress progress;
};

static bool drops(const struct model_dropout *d)
{
    return d->hidden > 0 || d->attention > 0 || d->classifier > 0;
}

static void run_init(struct run *r)
{
    const struct train_options *o = r->o;
    const struct bert_config *c = &r->m->config;
    uint64_t n = r->data->train->n, window = (uint64_t)(o->batch_size * o->gradient_accumulation_steps);
    r->steps_per_epoch = (n + window - 1) / window;
    r->steps = o->max_steps > 0 ? (uint64_t)o->max_steps : r->steps_per_epoch * (uint64_t)o->epochs;
    r->warmup_steps =
        o->warmup_steps > 0 ? (uint64_t)o->warmup_steps : (uint64_t)ceil(o->warmup_ratio * (double)r->steps);
    optimiser_init(&r->optimiser, &r->m->parameters);
    r->optimiser.weight_decay = o->weight_decay;
    r->optimiser.max_grad_norm = o->max_grad_norm;
    activations_init(&r->training, c, true);
    activations_init(&r->inference, c, false);
    r->training.all_tokens = r->objectives->reads & OBJECTIVE_TOKENS;
    r->inference.all_tokens = r->m->classes == 0 && r->training.all_tokens; /* else it is the classifier's */
    double classifier = c->classifier_dropout >= 0 ? c->classifier_dropout : c->hidden_dropout_prob;
    struct rng seeds;
    rng_init(&seeds, o->seed, RNG_DROPOUT);
    r->dropout =
        (struct model_dropout){c->hidden_dropout_prob, c->attention_probs_dropout_prob, classifier, rng_u64(&seeds)};
    if (o->dropout >= 0)
        r->dropout.hidden = r->dropout.attention = r->dropout.classifier = o->dropout;
    r->order = xmalloc_array(n, sizeof *r->order);
}

static void run_free(struct run *r)
{
    optimiser_free(&r->optimiser);
    activations_free(&r->training);
    activations_free(&r->inference);
    batch_free(&r->batch);
    free(r->order);
}

/* The epoch's order is a function of the seed and the epoch's number alone. */
static void begin_epoch(struct run *r)
{
    size_t n = r->data->train->n;
    for (size_t i = 0; i < n; i++)
        r->order[i] = i;
    if (r->o->shuffle) {
        struct rng rng;
        rng_init(&rng, r->o->seed, (uint64_t)RNG_SHUFFLE << 32 | r->epoch);
        rng_shuffle(&rng, r->order, n);
    }
    r->epoch_loss = 0;
    r->epoch_rows = 0;
}

/* The rows which[0..n) are one step, computed in batches of at most batch_size. Returns its loss. */
static double accumulate_gradients(struct run *r, const uint64_t *which, size_t n)
{
    const struct model_dropout *dropout = drops(&r->dropout) ? &r->dropout : NULL;
    const struct objective_rows step = {r->data->train, which, n, r->rows_done};
    optimiser_clear(&r->optimiser, r->nn);
    return objectives_step(r->objectives, r->m, r->nn, &r->training, &r->batch, dropout, &step,
                           (size_t)r->o->batch_size, r->optimiser.gradients);
}

static double epoch_of(const struct run *r)
{
    return (double)r->step / (double)r->steps_per_epoch;
}

/* A record that could not be written ends the run at once rather than after hours. */
static int check_metrics(const struct run *r, struct error *err)
{
    const struct output *metrics = r->reports->metrics;
    if (!metrics || !metrics->error.status)
        return 0;
    *err = metrics->error;
    return -1;
}

static int train_step(struct run *r, const uint64_t *which, size_t n, struct error *err)
{
    double rate = schedule_linear(r->o->learning_rate, r->step, r->warmup_steps, r->steps);
    double loss = accumulate_gradients(r, which, n);
    double norm = optimiser_update(&r->optimiser, r->nn, &r->m->parameters, rate);
    if (!isfinite(loss) || !isfinite(norm))
        return error_set(err, STATUS_FAILURE,
                         "step %llu: the loss is %g and the gradients' norm %g; try a smaller --learning-rate",
                         (unsigned long long)r->step + 1, loss, norm);
    r->step++;
    r->rows_done += n;
    r->epoch_loss += loss * (double)n;
    r->epoch_rows += n;
    if (r->o->log_steps > 0 && r->step % (uint64_t)r->o->log_steps == 0)
        train_log_step(r->reports, r->step, epoch_of(r), loss, rate, norm);
    progress_update(&r->progress, r->step, NULL);
    return check_metrics(r, err);
}

static int evaluate_now(struct run *r, struct error *err)
{
    struct evaluation e;
    if (!r->data->validation || r->evaluated_at == r->step + 1)
        return 0;
    int status = r->m->classes ? evaluate(r->m, r->nn, &r->inference, &r->batch, r->data->validation, &e, err)
                               : evaluate_objectives(r->objectives, r->m, r->nn, &r->inference, &r->batch,
                                                     r->data->validation, NULL, &e, err);
    if (status < 0)
        return -1;
    r->evaluated_at = r->step + 1;
    r->result->evaluated = true;
    r->result->validation_loss = e.loss;
    r->result->validation_accuracy = e.score.accuracy;
    r->result->validation_macro_f1 = e.score.macro_f1;
    r->result->validation_mcc = e.score.mcc;
    r->result->validation_nll = e.score.nll;
    r->result->validation_ece = e.score.ece;
    train_log_evaluation(r->reports, r->step, epoch_of(r), &e);
    if (e.one_class)
        warn("after step %llu all %zu validation rows are predicted as class %zu", (unsigned long long)r->step, e.rows,
             e.one_class - 1);
    return check_metrics(r, err);
}

static int save_now(struct run *r, struct error *err)
{
    if (!r->save || r->saved_at == r->step + 1)
        return 0;
    r->saved_at = r->step + 1;
    return r->save(r->save_context, r->m, r->step, err);
}

static int end_epoch(struct run *r, bool whole, struct error *err)
{
    if (whole)
        r->epoch++;
    r->result->train_loss = r->epoch_loss / (double)r->epoch_rows;
    if (r->o->eval_steps == 0 && evaluate_now(r, err) < 0)
        return -1;
    progress_finish(&r->progress);
    if (whole)
        train_log_epoch(r->epoch, r->result);
    if (r->o->save_steps == 0 && save_now(r, err) < 0)
        return -1;
    return 0;
}

static int run_epoch(struct run *r, struct error *err)
{
    size_t n = r->data->train->n, window = (size_t)(r->o->batch_size * r->o->gradient_accumulation_steps), at = 0;
    begin_epoch(r);
    for (; at < n && r->step < r->steps; at += window) {
        if (train_step(r, r->order + at, n - at < window ? n - at : window, err) < 0)
            return -1;
        if (r->o->eval_steps > 0 && r->step % (uint64_t)r->o->eval_steps == 0 && evaluate_now(r, err) < 0)
            return -1;
        if (r->o->save_steps > 0 && r->step % (uint64_t)r->o->save_steps == 0 && save_now(r, err) < 0)
            return -1;
    }
    return end_epoch(r, at >= n, err);
}

int trainer_run(struct model *m, const struct nn *nn, struct objectives *objectives,
                const struct train_data *data, const struct train_options *o, const struct train_reports *reports,
                save_function *save, void *save_context, struct train_result *result, struct error *err)
{
    struct run r = {.m = m,
                    .nn = nn,
                    .objectives = objectives,
                    .data = data,
                    .o = o,
                    .reports = reports,
                    .save = save,
                    .save_context = save_context,
                    .result = result};
    int status = -1;
    *result = (struct train_result){0};
    if (data->train->n == 0)
        return error_set(err, STATUS_FAILURE, "there are no rows to train on");
    run_init(&r);
    train_log_start(reports, m, nn, data, o, r.steps, r.warmup_steps);
    if (check_metrics(&r, err) < 0)
        goto done;
    double started = monotonic_seconds();
    progress_start(&r.progress, "steps", r.steps);
    while (r.step < r.steps)
        if (run_epoch(&r, err) < 0)
            goto done;
    if (evaluate_now(&r, err) < 0)
        goto done;
    result->steps = r.step;
    result->seconds = monotonic_seconds() - started;
    result->rows_per_second = (double)r.rows_done / result->seconds;
    train_log_end(reports, result);
    status = check_metrics(&r, err);
done:
    progress_finish(&r.progress);
    run_free(&r);
    return status;
}
