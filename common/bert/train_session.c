/* train_session.c - see train_session.h. */
#include "bert/train_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/hub.h"
#include "base/memory.h"
#include "bert/controls.h"
#include "bert/evaluate.h"
#include "bert/label_source.h"
#include "bert/model_card.h"
#include "bert/precision.h"
#include "bert/run_state.h"
#include "bert/selection.h"
#include "bert/spool.h"

static const char state_file[] = "trainer_state.json";
enum { STATE_CAP = 1 << 20 };

/* ---- taking up an interrupted run ---- */

/* The newest checkpoint that can be read; without any the run starts afresh from its rows. */
static int find_checkpoint(struct session *s)
{
    size_t n, len;
    uint64_t *steps = run_state_list(s->state, &n);
    while (n-- > 0 && !s->has_checkpoint) {
        struct error err = {0};
        char *folder = run_state_checkpoint(s->state, steps[n]), *path = path_join(folder, state_file);
        char *text = file_read(path, STATE_CAP, &len, &err);
        if (text && train_state_read(&s->from, text, len, path, &err) == 0) {
            s->has_checkpoint = true;
            s->source = xstrdup(folder);
        } else {
            warn("%s; the checkpoint before it is taken", err.text);
        }
        free(text);
        free(path);
        free(folder);
    }
    free(steps);
    if (s->has_checkpoint)
        inform(0, "going on after step %llu, from %s", (unsigned long long)s->from.step, s->source);
    else
        inform(0, "%s holds no checkpoint yet; training starts afresh with its rows", s->state);
    return 0;
}

static int open_metrics(struct session *s, struct error *err)
{
    const char *path = s->recorded ? s->record.metrics : s->o->metrics;
    if (!path)
        return 0;
    if (!s->has_checkpoint)
        return output_open_log(&s->metrics, path, err);
    int shorter = output_resume_log(&s->metrics, path, s->from.metrics_size, err);
    if (shorter > 0)
        warn("%s is shorter than it was at the checkpoint; records are missing in it", path);
    return shorter < 0 ? -1 : 0;
}

/* ---- opening ---- */

/* So that a run can go on from another folder. Names under / stay: /dev/stdout is not what it points to. */
static char *absolute(const char *path)
{
    char *cwd = path[0] == '/' || strcmp(path, "-") == 0 ? NULL : getcwd(NULL, 0);
    char *joined = cwd ? path_join(cwd, path) : xstrdup(path);
    free(cwd);
    return joined;
}

static int check_state(const struct session *s, struct error *err)
{
    const struct session_options *o = s->o;
    if (!o->resume && !o->force && run_state_look(s->state) == RUN_UNFINISHED)
        return error_set(err, STATUS_USAGE,
                         "%s holds a run that was interrupted; go on with it by bert-train --resume -o %s, or start "
                         "over with -f",
                         s->state, o->output);
    return 0;
}

static int check_label_options(const struct session *s, struct error *err)
{
    const struct train_options *t = &s->o->train;
    if (t->temperature != 1 && !objectives_have(&s->objectives, &objective_soft))
        return error_set(err, STATUS_USAGE,
                         "--temperature works on the objective term 'soft', which --objective %s does not have",
                         t->objective);
    if (objectives_have(&s->objectives, &objective_label))
        return 0;
    if (!t->class_weights && t->label_smoothing == 0)
        return 0;
    return error_set(err, STATUS_USAGE, "--%s works on the objective term 'label', which --objective %s does not have",
                     t->class_weights ? "class-weights" : "label-smoothing", t->objective);
}

/* What can be refused without reading the input. */
static int open_model_and_vocabulary(struct session *s, struct error *err)
{
    const struct session_options *o = s->o;
    const struct nn_options options = {
        .threads = o->threads, .gemm = o->gemm, .precision = nn_precision_of(o->precision)};
    if (model_folder_check(o->output, o->force || s->recorded, err) < 0 || check_state(s, err) < 0 ||
        nn_cpu(&s->nn, &options, err) < 0 || objectives_parse(&s->objectives, o->train.objective, err) < 0 ||
        check_label_options(s, err) < 0)
        return -1;
    if (s->recorded && run_record_check(&s->record, s->state, &s->nn, err) < 0)
        return -1;
    if (!s->recorded && !(s->source = hub_resolve(o->model ? o->model : o->vocab, err)))
        return -1;
    inform_of_slow_bf16(&s->nn);
    s->lock = run_state_take(s->state, err);
    if (s->lock < 0)
        return -1;
    if (!s->recorded && run_state_begin(s->state, err) < 0)
        return -1;
    if (s->recorded) {
        run_state_sweep(s->state);
        find_checkpoint(s);
        if (!s->has_checkpoint)
            s->source = xstrdup(s->record.source);
    }
    if (vocabulary_load(&s->vocabulary, s->source, err) < 0 ||
        ((o->model || s->has_checkpoint) && model_open(&s->model, s->source, err) < 0))
        return -1;
    return open_metrics(s, err);
}

/* ---- rows ---- */

/* Text for terms that need no labels. It must be of the same vocabulary. */
static int read_unlabelled(struct session *s, struct error *err)
{
    const char *path = s->o->unlabelled;
    if (!path)
        return 0;
    s->unlabelled_name = s->recorded ? path_join(s->state, RUN_UNLABELLED) : xstrdup(path);
    if (spool_read(&s->unlabelled, &s->unlabelled_head, s->unlabelled_name, s->vocabulary.sha256, err) < 0)
        return -1;
    return s->unlabelled.n > 0 ? 0 : error_set(err, STATUS_FAILURE, "%s: there are no rows", s->unlabelled_name);
}

/* Validation rows first: they are in a file, and the training rows may be the end of a long pipe. */
static int read_rows(struct session *s, struct error *err)
{
    const struct session_options *o = s->o;
    bool standard = !o->file || strcmp(o->file, "-") == 0;
    s->train_name = s->recorded ? path_join(s->state, RUN_TRAIN) : xstrdup(standard ? "<stdin>" : o->file);
    if (o->validation)
        s->validation_name = s->recorded ? path_join(s->state, RUN_VALIDATION) : xstrdup(o->validation);
    const char *path = s->recorded ? s->train_name : o->file;
    if (read_unlabelled(s, err) < 0)
        return -1;
    if ((o->validation &&
         spool_read(&s->validation, &s->validation_head, s->validation_name, s->vocabulary.sha256, err) < 0) ||
        spool_read(&s->train, &s->head, path, s->vocabulary.sha256, err) < 0)
        return -1;
    if (s->train.n == 0)
        return error_set(err, STATUS_FAILURE, "%s: there are no rows to train on", s->train_name);
    if (!o->validation)
        return 0;
    if (!(s->objectives.reads & OBJECTIVE_LOGITS)) /* no classifier: labels do not matter */
        return s->objectives.evaluates
                   ? 0
                   : error_set(err, STATUS_USAGE, "--validation: nothing in --objective %s can be evaluated",
                               o->train.objective);
    if (spool_check_labels(&s->validation_head, s->head.labels, s->head.n_labels, false, "the training rows",
                           s->validation_name, err) < 0)
        return -1;
    return evaluation_check(&s->validation, s->head.n_labels, err) < 0 ? error_prefix(err, "%s", s->validation_name)
                                                                       : 0;
}

static int check_digest(const char *now, const char *then, const char *what, struct error *err)
{
    if (strcmp(now, then) == 0)
        return 0;
    return error_set(err, STATUS_FAILURE,
                     "%s changed since the run began (now %.12s..., then %.12s...); start over with -f", what, now,
                     then);
}

/* The digests, which a run that goes on must find as they were. */
static int digest_rows(struct session *s, struct error *err)
{
    char train[SHA256_HEX_SIZE], validation[SHA256_HEX_SIZE] = "", unlabelled[SHA256_HEX_SIZE] = "";
    spool_digest(&s->train, train);
    if (s->o->validation)
        spool_digest(&s->validation, validation);
    if (s->o->unlabelled)
        spool_digest(&s->unlabelled, unlabelled);
    if (s->recorded)
        return check_digest(train, s->record.train_sha256, s->train_name, err) < 0 ||
                       check_digest(validation, s->record.validation_sha256, s->validation_name, err) < 0 ||
                       check_digest(unlabelled, s->record.unlabelled_sha256, s->unlabelled_name, err) < 0
                   ? -1
                   : 0;
    memcpy(s->record.train_sha256, train, sizeof train);
    memcpy(s->record.validation_sha256, validation, sizeof validation);
    memcpy(s->record.unlabelled_sha256, unlabelled, sizeof unlabelled);
    return 0;
}

/* ---- the model ---- */

/* The rows decide what the classes are and how they are called. */
static int take_labels(struct session *s, bool fresh, struct error *err)
{
    struct bert_config *config = &s->model.config;
    if (!fresh &&
        spool_check_labels(&s->head, config->labels, config->n_labels, true, "the model", s->train_name, err) < 0)
        return -1;
    if (fresh && config->n_labels > 0 && config->n_labels != s->head.n_labels)
        warn("%s tells %zu classes apart, the rows %zu; its classifier is replaced by a new one", s->o->model,
             config->n_labels, s->head.n_labels);
    bert_config_set_labels(config, s->head.labels, s->head.n_labels);
    return 0;
}

/* What the run starts from; a run that starts afresh must find it as it was. */
static int digest_weights(struct session *s, struct error *err)
{
    char fingerprint[FINGERPRINT_HEX_SIZE];
    if (s->has_checkpoint)
        return 0;
    fingerprint_hex(s->model.parameters.slab, s->model.parameters.slab_size * sizeof(float), fingerprint);
    if (s->recorded)
        return check_digest(fingerprint, s->record.weights_fingerprint, s->source, err);
    memcpy(s->record.weights_fingerprint, fingerprint, sizeof fingerprint);
    return 0;
}

/* wp-tokenize counts what it cuts but does not pass it on; a row that is exactly as long as it may be was cut, or very
 * nearly. */
static void warn_of_rows(const struct session *s)
{
    const int64_t *offsets = column_offsets(rows_find(&s->train, "ids"));
    long positions = s->model.config.max_position_embeddings, max_len = s->head.max_len;
    size_t n = 0;
    for (size_t i = 0; i < s->train.n; i++)
        n += offsets[i + 1] - offsets[i] >= max_len;
    if (n > 0 && !s->has_checkpoint)
        warn("%s: %zu of %zu rows are as long as wp-tokenize's --max-len %ld allows, so most of them were cut; %s",
             s->train_name, n, s->train.n, max_len,
             max_len < positions ? "tokenise with a larger --max-len" : "split long texts into several rows");
    for (size_t i = 0; i < s->objectives.n; i++)
        if (s->objectives.terms[i].kind != &objective_soft)
            return;
    if (s->o->init && !s->has_checkpoint)
        warn("a random encoder learns from the teacher's answers alone; start from a pretrained -m MODEL, or add the "
             "gold labels (--objective label=0.7,soft=0.3)");
}

static struct train_data data_of(const struct session *s)
{
    return (struct train_data){s->is_shaped ? &s->shaped : &s->train, s->o->validation ? &s->validation : NULL,
                               s->o->unlabelled ? &s->unlabelled : NULL};
}

/* What the terms see of the training rows. The spool keeps them as they came, so that a run that goes on does the same
 * again. */
static int shape_rows(struct session *s, struct error *err)
{
    const struct train_options *t = &s->o->train;
    bool other_labels = strcmp(t->label_source, "gold") != 0;
    const struct control_setting setting = {.unlabelled = s->o->unlabelled ? &s->unlabelled : NULL,
                                            .tokens = &s->tokens.table,
                                            .labels = (const char *const *)s->head.labels,
                                            .classes = s->head.n_labels,
                                            .seed = t->seed};
    if (!other_labels && !t->control)
        return 0;
    s->is_shaped = true;
    if (rows_append(&s->shaped, &s->train, err) < 0)
        return -1;
    if (other_labels)
        label_source_apply(&s->shaped, t->label_source);
    return t->control ? controls_apply(t->control, &s->shaped, &setting, err) : 0;
}

static int make_model(struct session *s, struct error *err)
{
    const struct session_options *o = s->o;
    struct train_data data;
    bool fresh;
    student_tokens_init(&s->tokens, &s->vocabulary);
    if (shape_rows(s, err) < 0)
        return error_prefix(err, "%s", s->train_name);
    data = data_of(s);
    if (student_make(&s->model, &s->objectives, s->has_checkpoint ? NULL : o->init, &s->vocabulary, &s->tokens, &data,
                     s->train_name, &s->head, &o->train, &fresh, err) < 0)
        return -1;
    if (model_check_rows(&s->model, &s->validation, err) < 0)
        return error_prefix(err, "%s", s->validation_name);
    if (s->o->unlabelled && model_check_rows(&s->model, &s->unlabelled, err) < 0)
        return error_prefix(err, "%s", s->unlabelled_name);
    if (s->model.classes && take_labels(s, fresh, err) < 0)
        return -1;
    warn_of_rows(s);
    return digest_weights(s, err);
}

/* ---- checkpoints ---- */

static struct model_folder folder_of(const struct session *s, const char *card)
{
    return (struct model_folder){.config = &s->model.config,
                                 .parameters = &s->model.parameters,
                                 .tokenizer_source = s->source,
                                 .do_lower_case = s->vocabulary.do_lower_case,
                                 .model_max_length = s->model.config.max_position_embeddings,
                                 .card = card};
}

struct checkpoint_parts {
    struct train_state state;
    const struct optimiser *optimiser;
};

static int write_parts(void *context, const char *folder, struct error *err)
{
    const struct checkpoint_parts *parts = context;
    struct buf text = {0};
    char *path = path_join(folder, state_file);
    train_state_write(&text, &parts->state);
    int result = train_moments_write(folder, parts->optimiser, err);
    if (result == 0)
        result = file_write_part(path, text.data, text.len, err);
    buf_free(&text);
    free(path);
    return result;
}

/* How many bytes of records there are, on the disk; 0 where that is not a file of ours. */
static uint64_t metrics_size(struct session *s)
{
    if (!s->o->metrics || strcmp(s->o->metrics, "-") == 0 || output_flush(&s->metrics) < 0)
        return 0;
    off_t size = lseek(s->metrics.fd, 0, SEEK_CUR);
    (void)!fdatasync(s->metrics.fd);
    return size > 0 ? (uint64_t)size : 0;
}

/* A checkpoint is a model folder of its own; the oldest beyond --keep go when the new one is complete. From then on the
 * tokenizer's files are copied from it, so that a run does not need what it started from any more. */
static int save_checkpoint(void *context, const struct train_state *state, const struct optimiser *optimiser,
                           struct error *err)
{
    struct session *s = context;
    struct checkpoint_parts parts = {*state, optimiser};
    struct model_folder folder = folder_of(s, "A checkpoint of a run that was under way.\n");
    struct error rotation = {0};
    char *path = run_state_checkpoint(s->state, state->step);
    parts.state.metrics_size = metrics_size(s);
    folder.write_more = write_parts;
    folder.context = &parts;
    if (model_folder_write(path, &folder, true, err) < 0) {
        free(path);
        return -1;
    }
    free(s->source);
    s->source = path;
    s->has_checkpoint = true;
    uint64_t spared = s->o->train.load_best && state->best_at > 0 ? state->best_at - 1 : UINT64_MAX;
    if (run_state_rotate(s->state, (size_t)s->o->train.keep, spared, &rotation) < 0)
        warn("%s", rotation.text);
    return 0;
}

static int load_moments(void *context, struct optimiser *optimiser, struct error *err)
{
    const struct session *s = context;
    return train_moments_read(s->source, optimiser, err);
}

static int load_weights(void *context, uint64_t step, struct error *err)
{
    struct session *s = context;
    struct checkpoint checkpoint;
    char *path = run_state_checkpoint(s->state, step);
    int result = checkpoint_open(&checkpoint, path, err);
    if (result == 0) {
        result = checkpoint_attach(&checkpoint, &s->model.parameters, NULL, NULL, err);
        checkpoint_close(&checkpoint);
    }
    free(path);
    return result;
}

/* ---- the run ---- */

/* From here on the run can be resumed. */
static int record_run(struct session *s, struct error *err)
{
    const struct session_options *o = s->o;
    char *train = path_join(s->state, RUN_TRAIN), *validation = path_join(s->state, RUN_VALIDATION);
    char *unlabelled = path_join(s->state, RUN_UNLABELLED);
    long old = run_state_clear(s->state, err); /* so that what will be there is of this run */
    int result = -1;
    if (old < 0)
        goto done;
    if (old > 0)
        inform(0, "removed %ld checkpoints of an earlier run from %s", old, s->state);
    s->record.device = s->nn.name;
    s->record.library = s->nn.library;
    s->record.kernels = s->nn.kernels;
    s->record.source = s->absolute_source = absolute(s->source);
    s->record.metrics = s->absolute_metrics = o->metrics ? absolute(o->metrics) : NULL;
    s->record.file = o->file;
    s->record.argc = o->argc;
    s->record.argv = o->argv;
    s->owns_state = true;
    if (spool_write(train, &s->train, &s->head, err) < 0 ||
        (o->validation && spool_write(validation, &s->validation, &s->validation_head, err) < 0) ||
        (o->unlabelled && spool_write(unlabelled, &s->unlabelled, &s->unlabelled_head, err) < 0) ||
        run_record_write(s->state, &s->record, o->options, err) < 0 || run_state_begun(s->state, err) < 0)
        goto done;
    result = 0;
done:
    free(train);
    free(validation);
    free(unlabelled);
    return result;
}

static int train(struct session *s, bool (*stop)(void), struct error *err)
{
    const struct session_options *o = s->o;
    const struct train_data data = data_of(s);
    struct train_reports reports = {.metrics = o->metrics ? &s->metrics : NULL,
                                    .argc = s->record.argc,
                                    .argv = s->record.argv,
                                    .model = o->model ? o->model : o->init,
                                    .weights_fingerprint = s->record.weights_fingerprint,
                                    .train_sha256 = s->record.train_sha256,
                                    .validation_sha256 = s->record.validation_sha256,
                                    .unlabelled_sha256 = s->record.unlabelled_sha256};
    struct train_checkpoints checkpoints = {.context = s,
                                            .save = save_checkpoint,
                                            .load_weights = load_weights,
                                            .load_moments = load_moments,
                                            .from = s->has_checkpoint ? &s->from : NULL,
                                            .stop = stop};
    int status =
        trainer_run(&s->model, &s->nn, &s->objectives, &data, &o->train, &reports, &checkpoints, &s->result, err);
    if (!reports.metrics)
        return status;
    if (output_close(&s->metrics) < 0 && status == 0) { /* after a failure, too: what was recorded until then stays */
        *err = s->metrics.error;
        return -1;
    }
    return status;
}

static int write_model(struct session *s, struct error *err)
{
    const struct session_options *o = s->o;
    const struct train_data data = data_of(s);
    struct buf card = {0};
    const char *origin = o->model ? o->model : "random weights";
    model_card_write(&card, &s->model, origin, &data, &o->train, &s->result);
    struct model_folder folder = folder_of(s, card.data);
    folder.bf16 = strcmp(o->save_dtype, "bf16") == 0;
    int status = model_folder_write(o->output, &folder, o->force || s->recorded, err);
    buf_free(&card);
    return status;
}

/* The model is there; the state goes, or tells that it is over. */
static int end_state(struct session *s, struct error *err)
{
    return s->o->keep_state ? run_state_finish(s->state, err) : run_state_remove(s->state, err);
}

/* A run that failed leaves its state where that is worth something, and says so in its one line. */
static int fail(struct session *s, struct error *err)
{
    struct error first = *err;
    if (s->stage == SESSION_WRITING && s->has_checkpoint)
        error_set(err, first.status, "%s; the trained model lies in %s, and bert-train --resume -o %s goes on from it",
                  first.text, s->source, s->o->output);
    else if (s->stage == SESSION_TRAINING && s->has_checkpoint)
        error_set(err, first.status, "%s; the last good checkpoint is %s", first.text, s->source);
    else if (s->owns_state)
        run_state_remove(s->state, NULL);
    else if (s->lock >= 0)
        run_state_abandon(s->state);
    return -1;
}

int session_open(struct session *s, const struct session_options *o, struct error *err)
{
    s->o = o;
    s->lock = -1;
    s->state = run_state_path(o->output);
    s->recorded = s->record.text != NULL;
    if (open_model_and_vocabulary(s, err) == 0 && read_rows(s, err) == 0 && digest_rows(s, err) == 0 &&
        make_model(s, err) == 0 && (s->recorded || record_run(s, err) == 0))
        return 0;
    return fail(s, err);
}

int session_train(struct session *s, bool (*stop)(void), struct error *err)
{
    s->stage = SESSION_TRAINING;
    return train(s, stop, err) < 0 ? fail(s, err) : 0;
}

int session_write(struct session *s, struct error *err)
{
    s->stage = SESSION_WRITING;
    return write_model(s, err) < 0 || end_state(s, err) < 0 ? fail(s, err) : 0;
}

void session_free(struct session *s)
{
    model_free(&s->model);
    nn_free(&s->nn);
    objectives_free(&s->objectives);
    rows_free(&s->train);
    rows_free(&s->validation);
    rows_free(&s->unlabelled);
    rows_free(&s->shaped);
    stream_head_free(&s->head);
    stream_head_free(&s->validation_head);
    stream_head_free(&s->unlabelled_head);
    vocabulary_free(&s->vocabulary);
    student_tokens_free(&s->tokens);
    nn_free(&s->nn);
    free(s->train_name);
    free(s->validation_name);
    free(s->unlabelled_name);
    free(s->source);
    free(s->absolute_source);
    free(s->absolute_metrics);
    free(s->state);
    run_record_free(&s->record);
    if (s->lock >= 0)
        close(s->lock);
}
