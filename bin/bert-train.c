/* bert-train.c - trains a BERT classifier from a token stream (wp-tokenize) and writes it as a Hugging Face folder.
 *
 * The work is in common/bert; here are the options, and the order in which things are opened and checked: what can be
 * refused early is refused before the input is read.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/diag.h"
#include "base/hub.h"
#include "base/memory.h"
#include "bert/evaluate.h"
#include "bert/model_card.h"
#include "bert/run_state.h"
#include "bert/spool.h"
#include "bert/student.h"
#include "bert/trainer.h"
#include "text/vocabulary.h"

struct options {
    const char *model, *init, *vocab, *output, *validation, *metrics;
    bool force, keep_state;
    long threads;
    struct train_options train;
};

/* Everything that is opened, in this order. */
struct session {
    struct nn nn;
    char *source; /* the folder of -m, or the vocabulary of --init */
    struct vocabulary vocabulary;
    struct stream_head head, validation_head;
    struct rows train, validation;
    const char *rows_name; /* where the training rows come from, for messages */
    struct student_tokens tokens;
    struct objectives objectives;
    struct model model;
    struct output metrics;
    char *state;        /* OUTPUT.state */
    char **checkpoints; /* folders written, oldest first */
    size_t n_checkpoints;
    const struct options *o;
};

static void parse(struct options *o, int argc, char **argv, const char **path)
{
    struct train_options *t = &o->train;
    const struct cli_option table[] = {
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
        {'\0', "objective", CLI_STRING, &t->objective, "SPEC", .help = "terms and weights, as label=0.7,soft=0.3"},
        {'\0', "mlm-probability", CLI_DOUBLE, &t->mlm_probability, "X", .min = 0.001, .max = 1,
         .help = "with the term mlm: share of the tokens that are masked"},
        {'\0', "whole-word-masking", CLI_FLAG, &t->whole_word_masking,
         .help = "with the term mlm: mask all pieces of a word together"},
        {'\0', "eval-steps", CLI_LONG, &t->eval_steps, "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "evaluate every N steps instead of every epoch"},
        {'\0', "save-steps", CLI_LONG, &t->save_steps, "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "write a checkpoint every N steps instead of every epoch"},
        {'\0', "keep", CLI_LONG, &t->keep, "N", .min = 1, .max = 1e6, .help = "newest checkpoints that stay"},
        {'\0', "keep-state", CLI_FLAG, &o->keep_state, .help = "leave the checkpoints in DIR.state at the end"},
        {'\0', "log-steps", CLI_LONG, &t->log_steps, "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "record every Nth step in --metrics"},
        {'\0', "metrics", CLI_FILE, &o->metrics, "FILE", .help = "write records of the run as NDJSON"},
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
                            .features = "matrix library: OpenBLAS, threads: OpenMP"};
    int first = cli_parse(&cli, argc, argv);
    *path = first < argc ? argv[first] : NULL;
    if (!o->output)
        cli_usage_error("where the model goes is missing: -o DIR");
    if (!o->model == !o->init)
        cli_usage_error("give either -m MODEL or --init SIZE");
    if (o->init && !o->vocab)
        cli_usage_error("--init needs --vocab, the folder or vocab.txt that the rows were tokenised with");
    if (o->model && o->vocab)
        cli_usage_error("--vocab goes with --init; -m MODEL brings its own vocabulary");
    if (o->validation && strcmp(o->validation, "-") == 0 && (!*path || strcmp(*path, "-") == 0))
        cli_usage_error("the training rows and --validation cannot both come from stdin; name a FILE for one of them");
    if ((!*path || strcmp(*path, "-") == 0) && isatty(STDIN_FILENO))
        cli_usage_error("a token stream is due on stdin; run wp-tokenize ... | bert-train, or name a FILE");
}

/* What can be refused without reading the input. */
static int open_model_and_vocabulary(struct session *s, struct error *err)
{
    const struct options *o = s->o;
    if (model_folder_check(o->output, o->force, err) < 0 || nn_cpu(&s->nn, o->threads, err) < 0 ||
        objectives_parse(&s->objectives, o->train.objective, err) < 0)
        return -1;
    s->source = hub_resolve(o->model ? o->model : o->vocab, err);
    if (!s->source || vocabulary_load(&s->vocabulary, s->source, err) < 0 ||
        (o->model && model_open(&s->model, s->source, err) < 0))
        return -1;
    return o->metrics ? output_open_log(&s->metrics, o->metrics, err) : 0;
}

/* Validation rows first: they are in a file, and the training rows may be the end of a long pipe. */
static int read_rows(struct session *s, const char *path, struct error *err)
{
    const char *validation = s->o->validation;
    s->rows_name = !path || strcmp(path, "-") == 0 ? "<stdin>" : path;
    if ((validation && spool_read(&s->validation, &s->validation_head, validation, s->vocabulary.sha256, err) < 0) ||
        spool_read(&s->train, &s->head, path, s->vocabulary.sha256, err) < 0)
        return -1;
    if (s->train.n == 0)
        return error_set(err, STATUS_FAILURE, "%s: there are no rows to train on", s->rows_name);
    if (!validation)
        return 0;
    if (!(s->objectives.reads & OBJECTIVE_LOGITS)) /* no classifier: labels do not matter */
        return s->objectives.evaluates
                   ? 0
                   : error_set(err, STATUS_USAGE, "--validation: nothing in --objective %s can be evaluated",
                               s->o->train.objective);
    if (spool_check_labels(&s->validation_head, s->head.labels, s->head.n_labels, false, "the training rows",
                           validation, err) < 0)
        return -1;
    return evaluation_check(&s->validation, s->head.n_labels, err) < 0 ? error_prefix(err, "%s", validation) : 0;
}

/* The rows decide what the classes are and how they are called. */
static int take_labels(struct session *s, bool fresh, struct error *err)
{
    struct bert_config *config = &s->model.config;
    if (!fresh &&
        spool_check_labels(&s->head, config->labels, config->n_labels, true, "the model", s->rows_name, err) < 0)
        return -1;
    if (fresh && config->n_labels > 0 && config->n_labels != s->head.n_labels)
        warn("%s tells %zu classes apart, the rows %zu; its classifier is replaced by a new one", s->o->model,
             config->n_labels, s->head.n_labels);
    bert_config_set_labels(config, s->head.labels, s->head.n_labels);
    return 0;
}

static int make_model(struct session *s, struct error *err)
{
    const struct options *o = s->o;
    bool fresh;
    student_tokens_init(&s->tokens, &s->vocabulary);
    if (student_make(&s->model, &s->objectives, o->init, &s->vocabulary, &s->tokens, &s->train, s->rows_name,
                     s->head.n_labels, &o->train, &fresh, err) < 0)
        return -1;
    if (model_check_rows(&s->model, &s->validation, err) < 0)
        return error_prefix(err, "%s", o->validation);
    return s->model.classes ? take_labels(s, fresh, err) : 0;
}

static struct model_folder folder_of(const struct session *s, const char *card)
{
    return (struct model_folder){.config = &s->model.config,
                                 .parameters = &s->model.parameters,
                                 .tokenizer_source = s->source,
                                 .do_lower_case = s->vocabulary.do_lower_case,
                                 .model_max_length = s->model.config.max_position_embeddings,
                                 .card = card};
}

/* A checkpoint is a model folder of its own; the oldest beyond --keep go when the new one is complete. */
static int save_checkpoint(void *context, const struct model *m, uint64_t step, struct error *err)
{
    struct session *s = context;
    struct model_folder folder = folder_of(s, "A checkpoint of a run that was under way.\n");
    struct buf path = {0};
    (void)m;
    buf_addf(&path, "%s/checkpoint-%llu", s->state, (unsigned long long)step);
    if (folder_make(s->state, err) < 0 || model_folder_write(path.data, &folder, true, err) < 0) {
        buf_free(&path);
        return -1;
    }
    s->checkpoints = xrealloc_array(s->checkpoints, s->n_checkpoints + 1, sizeof *s->checkpoints);
    s->checkpoints[s->n_checkpoints++] = path.data;
    if (s->n_checkpoints > (size_t)s->o->train.keep) {
        if (folder_remove(s->checkpoints[0], err) < 0)
            return -1;
        free(s->checkpoints[0]);
        memmove(s->checkpoints, s->checkpoints + 1, --s->n_checkpoints * sizeof *s->checkpoints);
    }
    return 0;
}

static int train(struct session *s, struct train_result *result, int argc, char **argv, struct error *err)
{
    const struct options *o = s->o;
    struct train_data data = {&s->train, o->validation ? &s->validation : NULL};
    struct train_reports reports = {o->metrics ? &s->metrics : NULL, argc, argv};
    long old = run_state_clear(s->state, err); /* so that what will be there is of this run */
    if (old < 0)
        return -1;
    if (old > 0)
        inform(0, "removed %ld checkpoints of an earlier run from %s", old, s->state);
    if (trainer_run(&s->model, &s->nn, &s->objectives, &data, &o->train, &reports, save_checkpoint, s, result, err) <
        0) {
        if (o->metrics)
            output_close(&s->metrics); /* what was recorded until then stays */
        return -1;
    }
    if (o->metrics && output_close(&s->metrics) < 0) {
        *err = s->metrics.error;
        return -1;
    }
    return 0;
}

static int write_model(struct session *s, const struct train_result *result, struct error *err)
{
    const struct options *o = s->o;
    struct train_data data = {&s->train, o->validation ? &s->validation : NULL};
    struct buf card = {0};
    const char *origin = o->model ? o->model : "random weights";
    model_card_write(&card, &s->model, origin, &data, &o->train, result);
    struct model_folder folder = folder_of(s, card.data);
    int status = model_folder_write(o->output, &folder, o->force, err);
    buf_free(&card);
    if (status == 0 && !o->keep_state)
        status = run_state_remove(s->state, err);
    return status;
}

static void session_free(struct session *s)
{
    model_free(&s->model);
    objectives_free(&s->objectives);
    rows_free(&s->train);
    rows_free(&s->validation);
    stream_head_free(&s->head);
    stream_head_free(&s->validation_head);
    vocabulary_free(&s->vocabulary);
    student_tokens_free(&s->tokens);
    for (size_t i = 0; i < s->n_checkpoints; i++)
        free(s->checkpoints[i]);
    free(s->checkpoints);
    free(s->source);
    free(s->state);
}

int main(int argc, char **argv)
{
    struct options o = {.train = {.epochs = 3,
                                  .batch_size = 32,
                                  .gradient_accumulation_steps = 1,
                                  .learning_rate = 5e-5,
                                  .max_grad_norm = 1,
                                  .dropout = -1,
                                  .shuffle = true,
                                  .seed = 42,
                                  .keep = 1,
                                  .mlm_probability = 0.15,
                                  .objective = "label"}};
    struct session s = {.o = &o};
    struct train_result result;
    struct error err = {0};
    const char *path;
    parse(&o, argc, argv, &path);
    s.state = run_state_path(o.output);
    if (open_model_and_vocabulary(&s, &err) < 0 || read_rows(&s, path, &err) < 0 || make_model(&s, &err) < 0 ||
        train(&s, &result, argc, argv, &err) < 0 || write_model(&s, &result, &err) < 0)
        die_error(&err);
    inform(0, "wrote %s: %llu steps, %.1f rows/s", o.output, (unsigned long long)result.steps, result.rows_per_second);
    session_free(&s);
    return 0;
}
