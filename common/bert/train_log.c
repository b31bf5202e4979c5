/* train_log.c - see train_log.h. */
#include "bert/train_log.h"

#include <math.h>
#include <string.h>

#include "base/cli.h"
#include "base/diag.h"
#include "bert/selection.h"
#include "wire/json.h"

static void add_number(struct buf *b, const char *name, double value)
{
    buf_addf(b, ",\"%s\":", name);
    if (isfinite(value)) /* a score that is not defined (no row of a class) is null */
        json_add_double(b, value);
    else
        buf_addstr(b, "null");
}

static void add_integer(struct buf *b, const char *name, long long value)
{
    buf_addf(b, ",\"%s\":%lld", name, value);
}

static void add_text(struct buf *b, const char *name, const char *text)
{
    buf_addf(b, ",\"%s\":", name);
    json_add_string(b, text, strlen(text));
}

static void write_record(const struct train_reports *r, struct buf *b)
{
    buf_addstr(b, "}\n");
    if (output_write(r->metrics, b->data, b->len) == 0)
        output_flush(r->metrics); /* so that a running job can be watched; a failure stays in the output */
    buf_free(b);
}

static void add_optional(struct buf *b, const char *name, const char *text)
{
    if (text && *text)
        add_text(b, name, text);
}

static void add_argv(struct buf *b, const struct train_reports *r)
{
    buf_addstr(b, ",\"argv\":[");
    for (int i = 0; i < r->argc; i++) {
        buf_addstr(b, i ? "," : "");
        json_add_string(b, r->argv[i], strlen(r->argv[i]));
    }
    buf_addstr(b, "]");
}

/* What the objective is and how the optimiser works. */
static void add_recipe(struct buf *b, const struct model *m, const struct train_options *o,
                       const struct optimiser *optimiser, const struct train_plan *plan)
{
    add_text(b, "objective", o->objective);
    add_optional(b, "label_source", o->label_source);
    add_optional(b, "control", o->control);
    if (plan->class_weights) {
        buf_addstr(b, ",\"class_weights\":[");
        for (size_t c = 0; c < m->classes; c++) {
            buf_addstr(b, c ? "," : "");
            json_add_double(b, plan->class_weights[c]);
        }
        buf_addstr(b, "]");
    }
    add_number(b, "label_smoothing", o->label_smoothing);
    add_number(b, "hidden_dropout", plan->dropout->hidden);
    add_number(b, "attention_dropout", plan->dropout->attention);
    add_number(b, "classifier_dropout", plan->dropout->classifier);
    buf_addf(b, ",\"shuffle\":%s", o->shuffle ? "true" : "false");
    add_integer(b, "batch_size", o->batch_size);
    add_integer(b, "gradient_accumulation_steps", o->gradient_accumulation_steps);
    add_text(b, "optimizer", "adamw");
    add_number(b, "adam_beta1", optimiser->beta1);
    add_number(b, "adam_beta2", optimiser->beta2);
    add_number(b, "adam_epsilon", optimiser->epsilon);
    add_number(b, "weight_decay", o->weight_decay);
    add_number(b, "max_grad_norm", o->max_grad_norm);
    add_number(b, "learning_rate", o->learning_rate);
    add_text(b, "lr_scheduler_type", "linear");
    add_number(b, "layer_wise_lr_decay", o->layer_wise_lr_decay);
    add_optional(b, "freeze", o->freeze);
    add_optional(b, "metric_for_best_model", o->metric);
    if (o->metric)
        buf_addf(b, ",\"load_best_model_at_end\":%s", o->load_best ? "true" : "false");
    if (o->patience > 0)
        add_integer(b, "patience", o->patience);
    add_integer(b, "warmup_steps", (long long)plan->warmup_steps);
    add_integer(b, "steps", (long long)plan->steps);
}

void train_log_start(const struct train_reports *r, const struct model *m, const struct nn *nn,
                     const struct objectives *objectives, const struct train_data *data, const struct train_options *o,
                     const struct optimiser *optimiser, const struct train_plan *plan)
{
    struct buf b = {0};
    if (!r->metrics)
        return;
    buf_addstr(&b, "{\"event\":\"start\"");
    add_text(&b, "version", distil_version);
    add_argv(&b, r);
    add_text(&b, "device", nn->name);
    add_text(&b, "library", nn->library);
    add_text(&b, "kernels", nn->kernels);
    add_text(&b, "precision", nn->precision == NN_BF16 ? "bf16" : "f32");
    add_integer(&b, "threads", nn->threads);
    buf_addf(&b, ",\"seed\":%llu", (unsigned long long)o->seed);
    add_optional(&b, "model", r->model);
    add_optional(&b, "weights_fingerprint", r->weights_fingerprint);
    add_integer(&b, "parameters_trained", (long long)plan->parameters_trained);
    add_integer(&b, "classes", (long long)m->classes);
    add_integer(&b, "rows", (long long)data->train->n);
    add_optional(&b, "train_sha256", r->train_sha256);
    add_integer(&b, "validation_rows", data->validation ? (long long)data->validation->n : 0);
    add_optional(&b, "validation_sha256", r->validation_sha256);
    if (data->unlabelled) {
        add_integer(&b, "unlabelled_rows", (long long)data->unlabelled->n);
        add_optional(&b, "unlabelled_sha256", r->unlabelled_sha256);
    }
    add_recipe(&b, m, o, optimiser, plan);
    objectives_describe(objectives, &b);
    write_record(r, &b);
}

void train_log_step(const struct train_reports *r, uint64_t step, double epoch, double loss, double rate, double norm)
{
    struct buf b = {0};
    if (!r->metrics)
        return;
    buf_addstr(&b, "{\"event\":\"step\"");
    add_integer(&b, "step", (long long)step);
    add_number(&b, "epoch", epoch);
    add_number(&b, "loss", loss);
    add_number(&b, "learning_rate", rate);
    add_number(&b, "grad_norm", norm);
    write_record(r, &b);
}

void train_log_evaluation(const struct train_reports *r, uint64_t step, double epoch, const struct evaluation *e)
{
    struct buf b = {0};
    if (!r->metrics)
        return;
    buf_addstr(&b, "{\"event\":\"eval\"");
    add_integer(&b, "step", (long long)step);
    add_number(&b, "epoch", epoch);
    add_number(&b, "loss", e->loss);
    add_number(&b, "accuracy", e->score.accuracy);
    if (e->tokens > 0) { /* of a masked language model */
        add_number(&b, "perplexity", exp(e->loss));
        add_integer(&b, "tokens", (long long)e->tokens);
        add_integer(&b, "rows", (long long)e->rows);
        write_record(r, &b);
        return;
    }
    add_number(&b, "macro_f1", e->score.macro_f1);
    add_number(&b, "mcc", e->score.mcc);
    add_number(&b, "brier", e->score.brier);
    add_number(&b, "ece", e->score.ece);
    add_integer(&b, "rows", (long long)e->rows);
    write_record(r, &b);
}

void train_log_early_stopping(const struct train_reports *r, const char *metric, const struct train_state *s)
{
    struct buf b = {0};
    if (!r->metrics)
        return;
    buf_addstr(&b, "{\"event\":\"early_stopping\"");
    add_integer(&b, "step", (long long)s->step);
    add_integer(&b, "evaluations_without_improvement", (long long)s->without_improvement);
    add_text(&b, "metric_for_best_model", metric);
    add_integer(&b, "best_step", s->best_at ? (long long)s->best_at - 1 : -1);
    add_number(&b, "best_metric", s->best_at ? selection_value(metric, &s->best) : NAN);
    write_record(r, &b);
}

void train_log_end(const struct train_reports *r, const char *metric, const struct train_result *result)
{
    struct buf b = {0};
    if (!r->metrics)
        return;
    buf_addstr(&b, "{\"event\":\"end\"");
    add_integer(&b, "step", (long long)result->steps);
    add_number(&b, "loss", result->train_loss);
    if (result->evaluated) {
        add_number(&b, "validation_loss", result->scores.loss);
        add_number(&b, "accuracy", result->scores.accuracy);
    }
    if (metric) {
        add_text(&b, "metric_for_best_model", metric);
        add_integer(&b, "best_step", result->has_best ? (long long)result->best_step : -1);
        add_number(&b, "best_metric", result->has_best ? result->best_value : NAN);
        add_integer(&b, "kept_step", (long long)result->kept_step);
    }
    add_number(&b, "seconds", result->seconds);
    add_number(&b, "rows_per_second", result->rows_per_second);
    write_record(r, &b);
}

void train_log_epoch(const struct train_state *s)
{
    if (s->evaluated_at)
        diag_line("Epoch %llu: Training Loss - %.6f | Validation Loss - %.6f | Accuracy - %.4f",
                  (unsigned long long)s->epoch, s->train_loss, s->scores.loss, s->scores.accuracy);
    else
        diag_line("Epoch %llu: Training Loss - %.6f | Validation Loss - n/a | Accuracy - n/a",
                  (unsigned long long)s->epoch, s->train_loss);
}
