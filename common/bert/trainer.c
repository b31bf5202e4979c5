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
#include "bert/objectives/label.h"
#include "bert/optimiser.h"
#include "bert/parameter_groups.h"
#include "bert/schedule.h"
#include "bert/selection.h"
#include "bert/train_log.h"

/* Streams of random numbers (rng.h) that one seed gives. */
enum { RNG_SHUFFLE = 1, RNG_DROPOUT = 2 };

/* Bits of train_state.warned: each is said once a run. */
enum { WARNED_ONE_CLASS = 1, WARNED_AT_CHANCE = 2 };

struct run {
    struct model *m;
    const struct nn *nn;
    struct objectives *objectives;
    const struct train_data *data;
    const struct train_options *o;
    const struct train_reports *reports;
    const struct train_checkpoints *checkpoints;

    struct optimiser optimiser;
    struct activations training, inference;
    struct batch batch;
    struct model_dropout dropout;
    uint64_t *order; /* the epoch's permutation of the rows */
    uint64_t steps, steps_per_epoch, warmup_steps;
    struct train_state s;
    double weights_squares; /* when they were last looked at */
    size_t trained;         /* parameters that are not frozen */
    uint64_t saved_at;      /* steps done at the last checkpoint, plus 1 */
    double started;         /* on the monotonic clock, as if the run had never been interrupted */
    struct progress progress;
};

static bool drops(const struct model_dropout *d)
{
    return d->hidden > 0 || d->attention > 0 || d->classifier > 0;
}

/* A batch is about to be computed. */
static void touch_words(void *context, const struct batch *b)
{
    struct run *r = context;
    optimiser_touch(&r->optimiser, r->nn, &r->m->parameters, b->ids, b->tokens);
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
    r->optimiser.lazy = !r->objectives->dense_word_gradient;
    r->optimiser.weight_decay = o->weight_decay;
    r->optimiser.max_grad_norm = o->max_grad_norm;
    r->objectives->before_pass = touch_words;
    r->objectives->before_pass_context = r;
    r->batch.row_multiple = r->nn->row_multiple;
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
    r->objectives->before_pass = NULL;
    optimiser_free(&r->optimiser);
    activations_free(&r->training);
    activations_free(&r->inference);
    batch_free(&r->batch);
    free(r->order);
}

/* The epoch's order is a function of the seed and the epoch's number alone. */
static void order_rows(struct run *r)
{
    size_t n = r->data->train->n;
    for (size_t i = 0; i < n; i++)
        r->order[i] = i;
    if (r->o->shuffle) {
        struct rng rng;
        rng_init(&rng, r->o->seed, (uint64_t)RNG_SHUFFLE << 32 | r->s.epoch);
        rng_shuffle(&rng, r->order, n);
    }
}

/* The rows which[0..n) are one step, computed in batches of at most batch_size. Returns its loss. */
static double accumulate_gradients(struct run *r, const uint64_t *which, size_t n)
{
    const struct model_dropout *dropout = drops(&r->dropout) ? &r->dropout : NULL;
    const struct objective_rows step = {r->data->train, which, n, r->s.rows_done};
    objectives_schedule(r->objectives, (double)r->s.step / (double)r->steps);
    optimiser_clear(&r->optimiser, r->nn, &r->m->parameters);
    r->training.overwrite = true;
    return objectives_step(r->objectives, r->m, r->nn, &r->training, &r->batch, dropout, &step,
                           (size_t)r->o->batch_size, r->optimiser.gradients);
}

static double epoch_of(const struct run *r)
{
    return (double)r->s.step / (double)r->steps_per_epoch;
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

static bool asked_to_stop(const struct run *r)
{
    return r->checkpoints->stop && r->checkpoints->stop();
}

static bool is_due(const struct run *r, long every)
{
    return every > 0 && r->s.step > 0 && r->s.step % (uint64_t)every == 0;
}

static int train_step(struct run *r, const uint64_t *which, size_t n, struct error *err)
{
    struct train_state *s = &r->s;
    double rate = schedule_linear(r->o->learning_rate, s->step, r->warmup_steps, r->steps);
    double loss = accumulate_gradients(r, which, n);
    double norm = optimiser_update(&r->optimiser, r->nn, &r->m->parameters, rate);
    if (!isfinite(loss) || !isfinite(norm))
        return error_set(err, STATUS_FAILURE,
                         "step %llu: the loss is %g and the gradients' norm %g; try a smaller --learning-rate",
                         (unsigned long long)s->step + 1, loss, norm);
    s->step++;
    s->rows_done += n;
    s->epoch_loss += loss * (double)n;
    s->epoch_rows += n;
    if (is_due(r, r->o->log_steps))
        train_log_step(r->reports, s->step, epoch_of(r), loss, rate, norm);
    progress_update(&r->progress, s->step, NULL);
    return check_metrics(r, err);
}

/* ---- checkpoints and evaluations ---- */

static void sum_weights(void *argument)
{
    struct run *r = argument;
    const struct parameters *p = &r->m->parameters;
    double sum = r->nn->sum_of_squares(r->nn, p->slab, p->slab_size);
#pragma omp master
    r->weights_squares = sum;
}

/* Brings every weight up to date; false where one is not finite. */
static bool settle_weights(struct run *r)
{
    optimiser_settle(&r->optimiser, r->nn, &r->m->parameters);
    r->nn->parallel(r->nn, sum_weights, r);
    return isfinite(r->weights_squares);
}

/* One that fails costs nothing but itself: the last good one stays. */
static bool save_now(struct run *r)
{
    struct error err = {0};
    if (!r->checkpoints->save || r->saved_at == r->s.step + 1)
        return true;
    if (!settle_weights(r)) /* the next step will say so; the last checkpoint is to stay good */
        return false;
    r->s.seconds = monotonic_seconds() - r->started;
    r->s.optimiser_step = r->optimiser.step;
    if (r->checkpoints->save(r->checkpoints->context, &r->s, &r->optimiser, &err) < 0) {
        warn("after step %llu no checkpoint could be written: %s; training goes on", (unsigned long long)r->s.step,
             err.text);
        return false;
    }
    r->saved_at = r->s.step + 1;
    return true;
}

/* The best weights are those of a checkpoint, so one is written with them; without it, they are not the best. */
static void note_best(struct run *r)
{
    struct train_state *s = &r->s, before = r->s;
    if (!r->o->metric)
        return;
    if (!selection_improves(r->o->metric, &s->scores, s->best_at ? &s->best : NULL)) {
        s->without_improvement++;
        s->stopped_early = r->o->patience > 0 && s->without_improvement >= (uint64_t)r->o->patience;
        return;
    }
    s->best = s->scores;
    s->best_at = s->step + 1;
    s->without_improvement = 0;
    if (r->o->load_best && !save_now(r)) {
        s->best = before.best;
        s->best_at = before.best_at;
    }
}

static void warn_of_one_class(struct run *r, const struct evaluation *e)
{
    if (!e->one_class || r->s.warned & WARNED_ONE_CLASS)
        return;
    r->s.warned |= WARNED_ONE_CLASS;
    warn("after step %llu all %zu validation rows are predicted as class %zu; if that stays so, train longer, with "
         "--warmup-ratio 0.1 or another --learning-rate",
         (unsigned long long)r->s.step, e->rows, e->one_class - 1);
}

static int evaluate_now(struct run *r, struct error *err)
{
    struct train_state *s = &r->s;
    struct evaluation e;
    if (!r->data->validation || s->evaluated_at == s->step + 1)
        return 0;
    optimiser_settle(&r->optimiser, r->nn, &r->m->parameters);
    int status = r->m->classes ? evaluate(r->m, r->nn, &r->inference, &r->batch, r->data->validation,
                                          r->checkpoints->stop, &e, err)
                               : evaluate_objectives(r->objectives, r->m, r->nn, &r->inference, &r->batch,
                                                     r->data->validation, r->checkpoints->stop, &e, err);
    if (status != 0)
        return status < 0 ? -1 : 0; /* asked to stop: it is done again when the run goes on */
    s->evaluated_at = s->step + 1;
    s->scores = (struct train_scores){e.loss,      e.score.accuracy, e.score.macro_f1, e.score.mcc,
                                      e.score.nll, e.score.brier,    e.score.ece};
    train_log_evaluation(r->reports, s->step, epoch_of(r), &e);
    warn_of_one_class(r, &e);
    note_best(r);
    if (s->stopped_early) {
        progress_finish(&r->progress);
        inform(0, "%lld evaluations without a better %s than that of step %llu: training stops after step %llu",
               (long long)s->without_improvement, r->o->metric, (unsigned long long)(s->best_at ? s->best_at - 1 : 0),
               (unsigned long long)s->step);
        train_log_early_stopping(r->reports, r->o->metric, s);
    }
    return check_metrics(r, err);
}

/* ---- epochs ---- */

/* What a classifier that guesses has as its loss: ln(classes), for the gold label as for a teacher's probability. 0:
 * not known, for other terms, and with a temperature, where what is to be learnt is itself near a guess. */
static double loss_of_guessing(const struct run *r)
{
    double weight = 0;
    for (size_t i = 0; i < r->objectives->n; i++) {
        const struct objective *term = &r->objectives->terms[i];
        if ((term->kind != &objective_label && term->kind != &objective_soft) ||
            (r->o->temperature > 0 && r->o->temperature != 1))
            return 0;
        weight += term->weight;
    }
    return weight * log((double)r->m->classes);
}

/* Short epochs are not judged before the end. */
static void warn_of_guessing(struct run *r)
{
    enum { ENOUGH_STEPS = 100 };
    double guessing = loss_of_guessing(r);
    bool judged = r->s.step >= ENOUGH_STEPS || r->s.step >= r->steps;
    if (!judged || r->s.train_loss < 0.97 * guessing || r->s.warned & WARNED_AT_CHANCE || guessing == 0)
        return;
    r->s.warned |= WARNED_AT_CHANCE;
    warn("after epoch %llu the training loss is %.4f, no better than guessing (%.4f): nothing was learnt; check that "
         "labels belong to their sentences, or try more epochs, another --learning-rate or a pretrained -m MODEL",
         (unsigned long long)r->s.epoch, r->s.train_loss, guessing);
}

static int end_epoch(struct run *r, bool whole, struct error *err)
{
    struct train_state *s = &r->s;
    s->train_loss = s->epoch_loss / (double)s->epoch_rows;
    if (r->o->eval_steps == 0 && evaluate_now(r, err) < 0)
        return -1;
    if (asked_to_stop(r))
        return 0;
    progress_finish(&r->progress);
    s->in_epoch = false;
    if (whole) {
        s->epoch++;
        train_log_epoch(s);
        warn_of_guessing(r);
    }
    if (r->o->save_steps == 0)
        save_now(r);
    return 0;
}

/* What a step brings about comes before the next step, also where a checkpoint lies between the two. */
static int run_epoch(struct run *r, struct error *err)
{
    struct train_state *s = &r->s;
    size_t n = r->data->train->n, window = (size_t)(r->o->batch_size * r->o->gradient_accumulation_steps);
    order_rows(r);
    if (!s->in_epoch) {
        s->in_epoch = true;
        s->epoch_loss = 0;
        s->epoch_rows = 0;
    }
    for (;;) {
        if (is_due(r, r->o->eval_steps) && evaluate_now(r, err) < 0)
            return -1;
        if (asked_to_stop(r))
            return 0;
        if (is_due(r, r->o->save_steps))
            save_now(r);
        if (s->epoch_rows >= n || s->step >= r->steps || s->stopped_early)
            break;
        size_t left = n - s->epoch_rows;
        if (train_step(r, r->order + s->epoch_rows, left < window ? left : window, err) < 0)
            return -1;
    }
    return end_epoch(r, s->epoch_rows >= n, err);
}

/* From the state that it begins with to the last step, or to where it is asked to stop. */
static int run_epochs(struct run *r, struct error *err)
{
    while (((r->s.step < r->steps && !r->s.stopped_early) || r->s.in_epoch) && !asked_to_stop(r))
        if (run_epoch(r, err) < 0)
            return -1;
    return asked_to_stop(r) ? 0 : evaluate_now(r, err);
}

static int set_rates(struct run *r, struct error *err)
{
    size_t all = 0;
    const struct parameters *p = &r->m->parameters;
    if (parameter_groups_rates(p, r->o->freeze, r->o->layer_wise_lr_decay, r->optimiser.rates, &r->trained, err) < 0)
        return -1;
    for (size_t i = 0; i < p->n; i++)
        all += p->list[i].size;
    if (r->o->freeze)
        inform(0, "%zu of %zu parameters are trained", r->trained, all);
    return 0;
}

static void log_start(const struct run *r)
{
    const struct train_plan plan = {.steps = r->steps,
                                    .warmup_steps = r->warmup_steps,
                                    .parameters_trained = r->trained,
                                    .dropout = &r->dropout,
                                    .class_weights = class_weights_of(r->objectives)};
    train_log_start(r->reports, r->m, r->nn, r->objectives, r->data, r->o, &r->optimiser, &plan);
}

static int take_up(struct run *r, struct error *err)
{
    const struct train_checkpoints *c = r->checkpoints;
    if (!c->from)
        return 0;
    r->s = *c->from;
    r->saved_at = r->s.step + 1;
    if (c->load_moments(c->context, &r->optimiser, err) < 0)
        return -1;
    optimiser_resume(&r->optimiser, r->s.optimiser_step);
    return 0;
}

/* Which weights the run ends with, and what is known of them. */
static int finish(struct run *r, struct train_result *result, struct error *err)
{
    const struct train_state *s = &r->s;
    if (!settle_weights(r))
        return error_set(err, STATUS_FAILURE,
                         "after step %llu the weights are not finite; try a smaller --learning-rate",
                         (unsigned long long)s->step);
    result->steps = result->kept_step = s->step;
    result->train_loss = s->train_loss;
    result->evaluated = s->evaluated_at > 0;
    result->scores = s->scores;
    result->stopped_early = s->stopped_early;
    result->has_best = s->best_at > 0;
    if (s->best_at > 0) {
        result->best_step = s->best_at - 1;
        result->best_value = selection_value(r->o->metric, &s->best);
    }
    if (r->o->load_best && s->best_at > 0 && result->best_step != s->step) {
        if (r->checkpoints->load_weights(r->checkpoints->context, result->best_step, err) < 0)
            return -1;
        result->kept_step = result->best_step;
        result->scores = s->best;
    }
    result->seconds = monotonic_seconds() - r->started;
    result->rows_per_second = (double)s->rows_done / result->seconds;
    train_log_end(r->reports, r->o->metric, result);
    return check_metrics(r, err);
}

int trainer_run(struct model *m, const struct nn *nn, struct objectives *objectives, const struct train_data *data,
                const struct train_options *o, const struct train_reports *reports,
                const struct train_checkpoints *checkpoints, struct train_result *result, struct error *err)
{
    static const struct train_checkpoints none = {0};
    struct run r = {.m = m,
                    .nn = nn,
                    .objectives = objectives,
                    .data = data,
                    .o = o,
                    .reports = reports,
                    .checkpoints = checkpoints ? checkpoints : &none};
    int status = -1;
    *result = (struct train_result){0};
    if (data->train->n == 0)
        return error_set(err, STATUS_FAILURE, "there are no rows to train on");
    run_init(&r);
    if (set_rates(&r, err) < 0 || take_up(&r, err) < 0)
        goto done;
    if (!r.checkpoints->from)
        log_start(&r);
    if (check_metrics(&r, err) < 0)
        goto done;
    r.started = monotonic_seconds() - r.s.seconds;
    progress_start(&r.progress, "steps", r.steps);
    r.progress.started = r.started;
    status = run_epochs(&r, err);
    progress_finish(&r.progress);
    if (status == 0 && asked_to_stop(&r)) {
        save_now(&r);
        result->interrupted = true;
        result->steps = r.s.step;
    } else if (status == 0) {
        status = finish(&r, result, err);
    }
done:
    run_free(&r);
    return status;
}
