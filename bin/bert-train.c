/* bert-train.c - trains a BERT classifier from a token stream (wp-tokenize) and writes it as a Hugging Face folder.
 *
 * The work is in common/bert; here are the options, the signals and the last line.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/diag.h"
#include "base/io.h"
#include "bert/controls.h"
#include "bert/label_source.h"
#include "bert/objectives/label.h"
#include "bert/parameter_groups.h"
#include "bert/run_state.h"
#include "bert/selection.h"
#include "bert/train_session.h"
#include "nn/cpu/spin.h"

/* ---- signals: the first ends the run after its step, the second at once ---- */

static volatile sig_atomic_t signal_number;

static void on_signal(int number)
{
    signal_number = number;
}

static bool was_signalled(void)
{
    return signal_number != 0;
}

/* handler: for as long as there are steps that a run can end after; SIG_DFL: no longer. */
static void handle_signals(void (*handler)(int))
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        struct sigaction before;
        sigaction(caught[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) /* nohup, background jobs */
            sigaction(caught[i], &action, NULL);
    }
}

/* Ends as the signal would have, so that whoever started us sees it. */
static void end_by_signal(void)
{
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* ---- options ---- */

/* Takes the options of the interrupted run in DIR.state over; without one, says how things stand. */
static void resume(struct session_options *o, const struct cli_option *table, struct run_record *record)
{
    struct error err = {0};
    char *state = run_state_path(o->output);
    enum run_state found = run_state_look(state);
    if (found == RUN_UNFINISHED) {
        if (run_record_read(record, state, &err) < 0 || run_record_apply(record, state, table, o->file, &err) < 0)
            die_error(&err);
    } else if (found != RUN_NOT_BEGUN && path_exists(o->output)) {
        if (found == RUN_ENDING && run_state_remove(state, &err) < 0)
            die_error(&err);
        inform(0, "%s is finished; there is nothing to resume", o->output);
        exit(STATUS_OK);
    } else if (!o->model && !o->init) {
        die(STATUS_USAGE, "%s holds no run that could go on; start one without --resume", state);
    } else {
        inform(0, "%s holds no run that could go on; training starts afresh", state);
    }
    free(state);
}

/* What is missing or does not go together. A run that is resumed has its rows. */
static void check(const struct session_options *o, bool resumed)
{
    const struct train_options *t = &o->train;
    bool standard = !o->file || strcmp(o->file, "-") == 0;
    struct error err = {0};
    if (!o->model == !o->init)
        cli_usage_error("give either -m MODEL or --init SIZE");
    if (o->init && !o->vocab)
        cli_usage_error("--init needs --vocab, the folder or vocab.txt that the rows were tokenised with");
    if (o->model && o->vocab)
        cli_usage_error("--vocab goes with --init; -m MODEL brings its own vocabulary");
    if ((t->load_best || t->metric || t->patience > 0) && !o->validation)
        cli_usage_error("--%s needs evaluations: --validation FILE", t->load_best      ? "load-best-model-at-end"
                                                                     : t->patience > 0 ? "patience"
                                                                                       : "metric-for-best-model");
    if ((t->metric && selection_check(t->metric, &err) < 0) || class_weights_check(t->class_weights, &err) < 0 ||
        parameter_groups_check(t->freeze, &err) < 0)
        cli_usage_error("%s", err.text);
    if (resumed)
        return;
    if (o->validation && strcmp(o->validation, "-") == 0 && standard)
        cli_usage_error("the training rows and --validation cannot both come from stdin; name a FILE for one of them");
    if (standard && isatty(STDIN_FILENO))
        cli_usage_error("a token stream is due on stdin; run wp-tokenize ... | bert-train, or name a FILE");
}

static void parse(struct session_options *o, int argc, char **argv, struct run_record *record)
{
    enum { MOST_OPTIONS = 64 };
    struct train_options *t = &o->train;
    bool given[MOST_OPTIONS] = {0};
    struct cli_option table[] = {
        {'m', "model", CLI_STRING, &o->model, "MODEL", .help = "start from this folder or Hub name"},
        {'\0', "init", CLI_CHOICE, &o->init, "SIZE", .choices = "tiny|mini|small|medium|base",
         .help = "start from random weights of this size; needs --vocab"},
        {'\0', "vocab", CLI_STRING, &o->vocab, "MODEL", .help = "with --init: the vocabulary's folder or vocab.txt"},
        {'o', "output", CLI_FOLDER, &o->output, "DIR", .help = "the model folder to write"},
        {'f', "force", CLI_FLAG, &o->force, .help = "replace an existing DIR"},
        {'\0', "validation", CLI_FILE, &o->validation, "FILE", .help = "token stream to evaluate on"},
        {'\0', "epochs", CLI_LONG, &t->epochs, "N", .min = 1, .max = 1e6, .help = "passes over the rows"},
        {'\0', "max-steps", CLI_LONG, &t->max_steps, "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "steps in all, instead of --epochs; rows start over as needed"},
        {'\0', "batch-size", CLI_LONG, &t->batch_size, "N", .min = 1, .max = 65536, .help = "rows computed at once"},
        {'\0', "gradient-accumulation-steps", CLI_LONG, &t->gradient_accumulation_steps, "N", .min = 1, .max = 65536,
         .help = "batches that make one step"},
        {'\0', "learning-rate", CLI_DOUBLE, &t->learning_rate, "X", .min = 0, .max = 1, .help = "largest rate"},
        {'\0', "weight-decay", CLI_DOUBLE, &t->weight_decay, "X", .min = 0, .max = 10,
         .help = "on all parameters but biases and LayerNorm"},
        {'\0', "warmup-ratio", CLI_DOUBLE, &t->warmup_ratio, "X", .min = 0, .max = 1,
         .help = "share of the steps in which the rate rises"},
        {'\0', "warmup-steps", CLI_LONG, &t->warmup_steps, "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "the same as a number; goes before --warmup-ratio"},
        {'\0', "max-grad-norm", CLI_DOUBLE, &t->max_grad_norm, "X", .min = 0, .max = 1e9,
         .help = "longer gradients are shortened to it; 0: never"},
        {'\0', "dropout", CLI_DOUBLE, &t->dropout, "X", .min = 0, .max = 0.99, .no_default = true,
         .help = "instead of the model's own probabilities"},
        {'\0', "no-shuffle", CLI_UNFLAG, &t->shuffle, .help = "take the rows in their order"},
        {'\0', "objective", CLI_STRING, &t->objective, "SPEC", .help = "terms and weights, as label=0.7,soft=0.3@0.7"},
        {'\0', "label-source", CLI_CHOICE, &t->label_source, "WHOSE", .choices = LABEL_SOURCE_CHOICES,
         .help = "whose labels the terms take for gold"},
        {'\0', "control", CLI_CHOICES, &t->control, "NAME,...", .choices = CONTROL_CHOICES, .no_default = true,
         .help = "change the training rows, to see what the reasoning is worth"},
        {'\0', "unlabelled", CLI_FILE, &o->unlabelled, "FILE",
         .help = "token stream of further text, for the term polarity"},
        {'\0', "temperature", CLI_DOUBLE, &t->temperature, "X", .min = 0.01, .max = 100,
         .help = "of the teacher's and the student's probabilities in the term soft"},
        {'\0', "mlm-probability", CLI_DOUBLE, &t->mlm_probability, "X", .min = 0.001, .max = 1,
         .help = "with the term mlm: share of the tokens that are masked"},
        {'\0', "whole-word-masking", CLI_FLAG, &t->whole_word_masking,
         .help = "with the term mlm: mask all pieces of a word together"},
        {'\0', "class-weights", CLI_STRING, &t->class_weights, "W0,W1,...",
         .help = "how much each class counts in the term label, or balanced: all classes alike"},
        {'\0', "label-smoothing", CLI_DOUBLE, &t->label_smoothing, "X", .min = 0, .max = 1 - 1e-9,
         .help = "share of a gold label that is spread over all classes"},
        {'\0', "layer-wise-lr-decay", CLI_DOUBLE, &t->layer_wise_lr_decay, "X", .min = 1e-9, .max = 1,
         .help = "factor of the rate from each layer to the one below it"},
        {'\0', "freeze", CLI_STRING, &t->freeze, "PARTS",
         .help = "what is not trained: embeddings, layers, layers:N-M, encoder, pooler, with commas"},
        {'\0', "eval-steps", CLI_LONG, &t->eval_steps, "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "evaluate every N steps instead of every epoch"},
        {'\0', "save-steps", CLI_LONG, &t->save_steps, "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "write a checkpoint every N steps instead of every epoch"},
        {'\0', "keep", CLI_LONG, &t->keep, "N", .min = 1, .max = 1e6, .help = "newest checkpoints that stay"},
        {'\0', "save-dtype", CLI_CHOICE, &o->save_dtype, "TYPE", .choices = "f32|bf16",
         .help = "type of the weights in DIR; bf16 halves the file"},
        {'\0', "keep-state", CLI_FLAG, &o->keep_state, .help = "leave the checkpoints in DIR.state at the end"},
        {'\0', "log-steps", CLI_LONG, &t->log_steps, "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "record every Nth step in --metrics"},
        {'\0', "metric-for-best-model", CLI_STRING, &t->metric, "NAME", .no_default = true,
         .help = "how the best evaluation is told: loss, accuracy, macro_f1, mcc, brier or ece (default: loss)"},
        {'\0', "load-best-model-at-end", CLI_FLAG, &t->load_best,
         .help = "end with the weights of the best evaluation"},
        {'\0', "patience", CLI_LONG, &t->patience, "N", .min = 1, .max = 1e6, .no_default = true,
         .help = "stop after N evaluations without a better one"},
        {'\0', "resume", CLI_FLAG, &o->resume, .help = "go on with the run of DIR that was interrupted"},
        {'\0', "metrics", CLI_FILE, &o->metrics, "FILE", .help = "write records of the run as NDJSON"},
        {'\0', "precision", CLI_CHOICE, &o->precision, "TYPE", .choices = NN_PRECISION_CHOICES,
         .help = "of the products; bf16: rounded inputs, float32 sums and weights"},
        {'\0', "gemm", CLI_CHOICE, &o->gemm, "LIBRARY", .choices = NN_GEMM_CHOICES,
         .help = "matrix library; auto: by the processor"},
        {'\0', "seed", CLI_UINT64, &t->seed, "N", .help = "of initialisation, shuffling and dropout"},
        {'\0', "threads", CLI_LONG, &o->threads, "N", .min = 1, .max = 1024, .no_default = true,
         .help = "instead of OMP_NUM_THREADS or all cores; no influence on results"},
        CLI_END};
    const struct cli cli = {.tool = "bert-train",
                            .summary = "train a BERT classifier from a token stream",
                            .usage = "-m MODEL -o DIR [options] [FILE]\n"
                                     "--init SIZE --vocab MODEL -o DIR [options] [FILE]",
                            .examples = "wp-tokenize -m MODEL rows.ndjson | bert-train -m MODEL -o student",
                            .options = table,
                            .max_operands = 1,
                            .describe = nn_cpu_features};
    for (size_t i = 0; table[i].name; i++)
        table[i].given = &given[i];
    int first = cli_parse(&cli, argc, argv);
    o->file = first < argc ? argv[first] : NULL;
    if (!o->output)
        cli_usage_error("where the model goes is missing: -o DIR");
    if (o->resume)
        resume(o, table, record);
    if (!t->metric && (t->load_best || t->patience > 0))
        t->metric = "loss";
    struct buf kept = {0};
    run_record_options(&kept, table);
    o->options = kept.data;
    check(o, record->text != NULL);
}

/* The last line: what was made, or how to go on. */
static void report(const struct session *s)
{
    const struct train_result *r = &s->result;
    const char *output = s->o->output;
    if (r->interrupted) {
        complain("interrupted after step %llu; go on with: bert-train --resume -o %s", (unsigned long long)r->steps,
                 output);
        return;
    }
    struct buf best = {0};
    if (r->has_best)
        buf_addf(&best, "; %s step %llu: %s %.6g", s->o->train.load_best ? "kept the best," : "the best was",
                 (unsigned long long)r->best_step, s->o->train.metric, r->best_value);
    inform(0, "wrote %s: %llu steps, %.1f rows/s%s", output, (unsigned long long)r->steps, r->rows_per_second,
           best.data ? best.data : "");
    buf_free(&best);
}

int main(int argc, char **argv)
{
    struct session_options o = {.gemm = "auto",
                                .precision = "f32",
                                .save_dtype = "f32",
                                .argc = argc,
                                .argv = argv,
                                .train = {.epochs = 3,
                                          .batch_size = 32,
                                          .gradient_accumulation_steps = 1,
                                          .learning_rate = 5e-5,
                                          .max_grad_norm = 1,
                                          .dropout = -1,
                                          .shuffle = true,
                                          .seed = 42,
                                          .keep = 1,
                                          .layer_wise_lr_decay = 1,
                                          .mlm_probability = 0.15,
                                          .label_source = "gold",
                                          .temperature = 1,
                                          .objective = "label"}};
    struct session s = {0};
    struct error err = {0};
    cpu_limit_spinning(argv);
    parse(&o, argc, argv, &s.record);
    signal(SIGXFSZ, SIG_IGN); /* a file as large as is allowed is an error, not a death */
    if (session_open(&s, &o, &err) < 0)
        die_error(&err);
    handle_signals(on_signal);
    if (session_train(&s, was_signalled, &err) < 0)
        die_error(&err);
    handle_signals(SIG_DFL);
    if (!s.result.interrupted && session_write(&s, &err) < 0)
        die_error(&err);
    report(&s);
    session_free(&s);
    free(o.options);
    if (s.result.interrupted)
        end_by_signal();
    return 0;
}
