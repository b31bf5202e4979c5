/* trainer.c - training runs on a tiny network: what they must not depend on (batches, accumulation, threads, frames)
 * and what they must (seed, order, epochs), when what happens, and the records, read back.
 */
#include "bert/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../helper/tap.h"
#include "base/diag.h"
#include "base/memory.h"
#include "base/rng.h"
#include "bert/evaluate.h"
#include "bert/spool.h"
#include "bert_folder.h"
#include "wire/json.h"
#include "wire/lines.h"

static struct nn nn;
static char *trash;

_Noreturn static void bail_out(const char *what, const char *why)
{
    printf("Bail out! %s: %s\n", what, why);
    exit(1);
}

/* ---- a tiny network and its rows ---- */

enum { VOCABULARY = 30 };

static void tiny_config(struct bert_config *config, double dropout)
{
    bert_config_preset(config, "tiny", VOCABULARY);
    config->hidden_size = 24;
    config->num_attention_heads = 2;
    config->intermediate_size = 40;
    config->max_position_embeddings = 16;
    config->initializer_range = 0.3;
    config->hidden_dropout_prob = config->attention_probs_dropout_prob = dropout;
}

/* n rows of 2 to 9 tokens; the label can be learnt: it is whether token 7 is there. Every fifth has no label where
 * `gaps`. */
static void make_rows(struct rows *rows, size_t n, bool gaps)
{
    struct rng rng;
    rng_init(&rng, 3, 1);
    rows_column(rows, "ids", ST_I32, COLUMN_LIST, 1); /* all before one is held: a new column moves the others */
    rows_column(rows, "idx", ST_I64, COLUMN_ROW, 1);
    rows_column(rows, "label", ST_I32, COLUMN_ROW, 1);
    rows_column(rows, "teacher_label", ST_I32, COLUMN_ROW, 1);
    struct column *ids = rows_find(rows, "ids"), *idx = rows_find(rows, "idx");
    struct column *label = rows_find(rows, "label"), *teacher = rows_find(rows, "teacher_label");
    for (size_t i = 0; i < n; i++) {
        size_t tokens = 2 + rng_below(&rng, 8);
        int32_t gold = (int32_t)(i % 2), said = i % 3 ? gold : -1, unknown = -1;
        for (size_t t = 0; t < tokens; t++) {
            int32_t id = t == 0 ? 2 : t + 1 == tokens && gold ? 7 : (int32_t)(8 + rng_below(&rng, VOCABULARY - 8));
            buf_add(&ids->values, &id, sizeof id);
        }
        int64_t end = (int64_t)(ids->values.len / sizeof(int32_t)), number = (int64_t)i;
        buf_add(&ids->offsets, &end, sizeof end);
        buf_add(&idx->values, &number, sizeof number);
        buf_add(&label->values, gaps && i % 5 == 4 ? &unknown : &gold, sizeof gold);
        buf_add(&teacher->values, &said, sizeof said);
        rows->n++;
    }
}

/* ---- whole runs ---- */

static const struct train_options plain = {.epochs = 2,
                                           .batch_size = 32,
                                           .gradient_accumulation_steps = 1,
                                           .learning_rate = 1e-3,
                                           .max_grad_norm = 1,
                                           .dropout = -1,
                                           .shuffle = true,
                                           .seed = 42,
                                           .keep = 1,
                                           .layer_wise_lr_decay = 1,
                                           .objective = "label=0.7,soft=0.3"};

/* What a run leaves. */
struct trained {
    struct train_result result;
    float *slab;
    size_t size;
    struct error err;
    int status;
};

static void train(struct trained *t, const struct rows *rows, const struct rows *validation, double dropout,
                  const struct train_options *o, struct output *metrics, const struct train_checkpoints *checkpoints)
{
    struct bert_config config;
    struct model m;
    struct objectives objectives;
    struct train_data data = {.train = rows, .validation = validation};
    char *argv[] = {(char *)(uintptr_t) "bert-train", (char *)(uintptr_t) "-o",
                    (char *)(uintptr_t) "a \"quoted\" name"};
    struct train_reports reports = {.metrics = metrics, .argc = 3, .argv = argv};
    *t = (struct trained){0};
    tiny_config(&config, dropout);
    model_random(&m, &config, &(struct model_heads){.classes = 2}, 1);
    const struct objective_setting setting = {.rows = rows, .classes = 2, .config = &config};
    if (objectives_parse(&objectives, o->objective, &t->err) < 0 ||
        objectives_prepare(&objectives, &setting, &t->err) < 0)
        bail_out("objectives", t->err.text);
    t->status = trainer_run(&m, &nn, &objectives, &data, o, &reports, checkpoints, &t->result, &t->err);
    t->size = m.parameters.slab_size;
    t->slab = xmalloc_array(t->size, sizeof *t->slab);
    memcpy(t->slab, m.parameters.slab, t->size * sizeof *t->slab);
    objectives_free(&objectives);
    model_free(&m);
}

/* The largest difference of a parameter, but for key biases: their true gradient is 0, and Adam makes whole steps out
 * of its rounding. */
static double apart(const struct trained *a, const struct trained *b)
{
    struct bert_config config;
    struct parameters p;
    double most = 0;
    tiny_config(&config, 0);
    parameters_init(&p, &config, 2);
    for (size_t i = 0; i < p.n; i++)
        for (size_t j = p.list[i].offset; j < p.list[i].offset + p.list[i].size; j++) {
            double distance = strstr(p.list[i].name, "key.bias") ? 0 : fabs((double)a->slab[j] - (double)b->slab[j]);
            most = distance <= most ? most : isnan(distance) ? INFINITY : distance;
        }
    parameters_free(&p);
    return most;
}

static bool same_bits(const struct trained *a, const struct trained *b)
{
    return memcmp(a->slab, b->slab, a->size * sizeof *a->slab) == 0;
}

static void test_accumulation(void)
{
    struct rows rows = {0};
    struct train_options whole = plain, parts = plain, uneven = plain, larger = plain;
    struct trained a, b;
    make_rows(&rows, 75, true); /* 32 + 32 + 11 rows */
    parts.batch_size = 8;
    parts.gradient_accumulation_steps = 4;
    uneven.batch_size = 1;
    uneven.gradient_accumulation_steps = 32;
    train(&a, &rows, NULL, 0.1, &whole, NULL, NULL);
    is_long((long long)a.result.steps, 6, "75 rows in steps of 32, twice: six steps");
    train(&b, &rows, NULL, 0.1, &parts, NULL, NULL);
    is_long((long long)b.result.steps, 6, "4 batches of 8: as many");
    near(apart(&a, &b), 0, 1e-5, "4 batches of 8 are a batch of 32, with dropout");
    near(b.result.train_loss, a.result.train_loss, 1e-6, "and so is their loss");
    free(b.slab);
    train(&b, &rows, NULL, 0.1, &uneven, NULL, NULL);
    near(apart(&a, &b), 0, 1e-5, "32 batches of 1, too");
    free(b.slab);
    train(&b, &rows, NULL, 0, &whole, NULL, NULL);
    ok(apart(&a, &b) > 1e-4, "dropout was at work");
    free(b.slab);
    larger.batch_size = 8;
    train(&b, &rows, NULL, 0.1, &larger, NULL, NULL);
    is_long((long long)b.result.steps, 20, "batches of 8 without accumulation are steps of their own");
    ok(apart(&a, &b) > 1e-4, "and another run");
    free(a.slab);
    free(b.slab);
    rows_free(&rows);
}

static void test_overfit(void)
{
    struct rows rows = {0};
    struct train_options o = plain;
    struct trained t;
    struct error err = {0};
    make_rows(&rows, 8, false);
    o.epochs = 60;
    o.learning_rate = 5e-3;
    o.objective = "label";
    train(&t, &rows, &rows, 0, &o, NULL, NULL);
    ok(t.status == 0 && t.result.train_loss < 0.05, "eight rows are learnt by heart: loss %.3g", t.result.train_loss);
    ok(t.result.evaluated && t.result.scores.accuracy == 1, "all of them");
    near(t.result.scores.loss, t.result.train_loss, 0.01, "the evaluation sees that");
    ok(evaluation_check(&rows, 2, &err) == 0, "these rows can be evaluated");
    ok(evaluation_check(&rows, 1, &err) < 0, "with one class they cannot");
    is_string(err.text, "row 2: label 1, but there are 1 classes (0 to 0); name all of them in wp-tokenize --labels",
              "the row is named");
    int32_t *label = (int32_t *)(void *)rows_find(&rows, "label")->values.data;
    for (size_t i = 0; i < rows.n; i++)
        label[i] = -1;
    ok(evaluation_check(&rows, 2, &err) < 0, "without labels they cannot");
    is_string(err.text, "no row has a gold label (0, 1, ...), so there is nothing to evaluate on", "and why");
    free(t.slab);
    rows_free(&rows);
}

static void test_threads(void)
{
    struct rows rows = {0};
    struct trained one, other;
    struct nn before = nn;
    make_rows(&rows, 40, true);
    train(&one, &rows, NULL, 0.1, &plain, NULL, NULL);
    for (int threads = 2; threads <= 3; threads++) {
        nn_cpu(&nn, &(struct nn_options){.threads = threads}, NULL);
        train(&other, &rows, NULL, 0.1, &plain, NULL, NULL);
        ok(same_bits(&one, &other), "%d threads: the same bits", threads);
        nn_free(&nn);
        nn = before;
        free(other.slab);
    }
    free(one.slab);
    rows_free(&rows);
}

static void write_stream(const char *path, const struct rows *rows, size_t per_frame)
{
    static char *labels[] = {(char *)(uintptr_t) "negative", (char *)(uintptr_t) "positive"};
    struct stream_head head = {.max_len = 16, .labels = labels, .n_labels = 2, .producer = (char *)(uintptr_t) "test"};
    struct output out;
    struct error err = {0};
    struct stream_writer w;
    memset(head.vocab_sha256, 'a', 64);
    if (output_open(&out, path, true, &err) < 0 || stream_begin(&w, &out, &head) < 0)
        bail_out(path, err.text);
    for (size_t begin = 0; begin < rows->n; begin += per_frame) {
        struct rows part = {0};
        size_t n = rows->n - begin < per_frame ? rows->n - begin : per_frame;
        for (size_t i = 0; i < rows->n_columns; i++) {
            const struct column *c = &rows->columns[i];
            struct column *to = rows_column(&part, c->name, c->dtype, c->kind, c->width);
            size_t size = st_dtype_size(c->dtype), first = begin, count = n;
            if (c->kind == COLUMN_LIST) {
                const int64_t *offsets = column_offsets(c);
                first = (size_t)offsets[begin];
                count = (size_t)offsets[begin + n] - first;
                for (size_t k = begin + 1; k <= begin + n; k++) {
                    int64_t end = offsets[k] - (int64_t)first;
                    buf_add(&to->offsets, &end, sizeof end);
                }
            }
            buf_add(&to->values, c->values.data + first * size, count * size);
        }
        part.n = n;
        stream_batch(&w, &part);
        rows_free(&part);
    }
    if (stream_end(&w) < 0 || output_close(&out) < 0)
        bail_out(path, out.error.text);
}

static void test_frames(void)
{
    static const size_t sizes[] = {1, 7, 1000};
    struct rows rows = {0};
    struct trained expected, t;
    struct error err = {0};
    char *path = path_join(trash, "rows.stream");
    make_rows(&rows, 40, true);
    train(&expected, &rows, NULL, 0.1, &plain, NULL, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct rows spooled = {0};
        struct stream_head head;
        write_stream(path, &rows, sizes[i]);
        if (!ok(spool_read(&spooled, &head, path, NULL, &err) == 0 && spooled.n == 40, "frames of %zu rows", sizes[i]))
            note("%s", err.text);
        train(&t, &spooled, NULL, 0.1, &plain, NULL, NULL);
        ok(same_bits(&expected, &t), "the same bits");
        free(t.slab);
        stream_head_free(&head);
        rows_free(&spooled);
    }
    free(expected.slab);
    free(path);
    rows_free(&rows);
}

static void test_seed(void)
{
    struct rows rows = {0};
    struct train_options o = plain;
    struct trained a, b;
    make_rows(&rows, 40, false);
    train(&a, &rows, NULL, 0.1, &plain, NULL, NULL);
    train(&b, &rows, NULL, 0.1, &plain, NULL, NULL);
    ok(same_bits(&a, &b), "a run is a function of its inputs");
    free(b.slab);
    o.shuffle = false;
    train(&b, &rows, NULL, 0.1, &o, NULL, NULL);
    ok(!same_bits(&a, &b), "without shuffling it is another");
    free(b.slab);
    o = plain;
    o.seed = 43;
    train(&b, &rows, NULL, 0.1, &o, NULL, NULL);
    ok(!same_bits(&a, &b), "with another seed it is another");
    free(b.slab);
    free(a.slab);
    train(&a, &rows, NULL, 0, &plain, NULL, NULL);
    train(&b, &rows, NULL, 0, &o, NULL, NULL);
    ok(!same_bits(&a, &b), "also without dropout: the rows' order is the seed's");
    free(b.slab);
    o = plain;
    o.dropout = 0;
    train(&b, &rows, NULL, 0.1, &o, NULL, NULL);
    ok(same_bits(&a, &b), "dropout 0 goes before the model's own");
    free(a.slab);
    free(b.slab);
    rows_free(&rows);
}

/* ---- when what happens ---- */

struct saved {
    uint64_t steps[16];
    size_t n, fail_at;
};

static int save(void *context, const struct train_state *state, const struct optimiser *optimiser, struct error *err)
{
    struct saved *s = context;
    (void)optimiser;
    s->steps[s->n++ % 16] = state->step;
    return s->n == s->fail_at ? error_set(err, STATUS_FAILURE, "no room for step %d", (int)state->step) : 0;
}

static void saves_at(const struct saved *s, const char *expected, const char *name)
{
    struct buf got = {0};
    buf_addstr(&got, "");
    for (size_t i = 0; i < s->n && i < 16; i++)
        buf_addf(&got, "%s%d", i ? " " : "", (int)s->steps[i]);
    is_string(got.data ? got.data : "", expected, "%s", name);
    buf_free(&got);
}

static void run_and_save(const struct rows *rows, const struct train_options *o, long long steps, const char *expected,
                         const char *name)
{
    struct trained t;
    struct saved s = {0};
    struct train_checkpoints checkpoints = {.context = &s, .save = save};
    train(&t, rows, NULL, 0, o, NULL, &checkpoints);
    is_long((long long)t.result.steps, steps, "%s: steps", name);
    saves_at(&s, expected, name);
    free(t.slab);
}

static void test_steps(void)
{
    struct rows rows = {0};
    struct train_options o = plain;
    struct trained t;
    struct saved s = {.fail_at = 2};
    make_rows(&rows, 10, false);
    o.batch_size = 4;
    run_and_save(&rows, &o, 6, "3 6", "ten rows in batches of four, two epochs: a checkpoint each epoch");
    o.save_steps = 2;
    run_and_save(&rows, &o, 6, "2 4 6", "a checkpoint every two steps");
    o.save_steps = 0;
    o.max_steps = 7;
    run_and_save(&rows, &o, 7, "3 6 7", "seven steps: the rows start over");
    o.max_steps = 2;
    run_and_save(&rows, &o, 2, "2", "two steps: less than an epoch");
    o.max_steps = 0;
    struct train_checkpoints checkpoints = {.context = &s, .save = save};
    train(&t, &rows, NULL, 0, &o, NULL, &checkpoints);
    ok(t.status == 0, "a checkpoint that fails does not end the run");
    saves_at(&s, "3 6", "the others are tried");
    free(t.slab);
    rows_free(&rows);
}

static void test_divergence(void)
{
    struct rows rows = {0};
    struct train_options o = plain;
    struct trained t;
    make_rows(&rows, 16, false);
    o.batch_size = 1;
    o.max_grad_norm = 0;
    o.learning_rate = 1e38;
    train(&t, &rows, NULL, 0, &o, NULL, NULL);
    ok(t.status < 0 && t.err.status == STATUS_FAILURE, "a run that diverges fails");
    ok(strncmp(t.err.text, "step ", 5) == 0 && strstr(t.err.text, "; try a smaller --learning-rate") != NULL,
       "with the step and the cure: %s", t.err.text);
    free(t.slab);
    struct rows none = {0};
    struct train_result result;
    struct train_data data = {.train = &none};
    struct error err = {0};
    ok(trainer_run(NULL, &nn, NULL, &data, &o, NULL, NULL, &result, &err) < 0, "no rows");
    is_string(err.text, "there are no rows to train on", "its message");
    rows_free(&rows);
}

/* ---- the records ---- */

struct record {
    char *text;
    struct json doc;
};

static double number_of(const struct record *r, const char *name)
{
    double value;
    return json_get_double(json_member(&r->doc, json_root(&r->doc), name), &value) ? value : NAN;
}

static const char *text_of(const struct record *r, const char *name)
{
    const struct json_node *node = json_member(&r->doc, json_root(&r->doc), name);
    return node && node->type == JSON_STRING ? node->text : "(none)";
}

static size_t read_records(const char *path, struct record *records, size_t most)
{
    struct lines lines;
    struct error err = {0};
    const char *line;
    size_t len, n = 0;
    if (lines_open(&lines, path, 0, &err) < 0)
        bail_out(path, err.text);
    while (lines_next(&lines, &line, &len, &err) > 0 && n < most) {
        records[n].text = xmemdup0(line, len);
        records[n].doc = (struct json){0};
        if (json_parse(&records[n].doc, records[n].text, len, &err) < 0)
            bail_out(path, err.text);
        n++;
    }
    lines_close(&lines);
    return n;
}

static void members(const struct record *r, const char *expected)
{
    struct buf names = {0};
    for (const struct json_node *n = json_first(&r->doc, json_root(&r->doc)); n; n = json_next(&r->doc, n))
        buf_addf(&names, "%s%s", names.len ? " " : "", n->key);
    is_string(names.data, expected, "members of the event %s", text_of(r, "event"));
    buf_free(&names);
}

/* The losses of 2 x 10 steps of one row each, at rate 0 and without dropout: they tell which row was taken when. */
static void row_losses(const struct rows *rows, bool shuffle, double losses[20])
{
    struct train_options o = plain;
    struct trained t;
    struct output metrics;
    struct error err = {0};
    struct record records[24];
    char *path = path_join(trash, "order.ndjson");
    o.batch_size = 1;
    o.learning_rate = 0;
    o.shuffle = shuffle;
    o.log_steps = 1;
    o.objective = "label";
    if (output_open_log(&metrics, path, &err) < 0)
        bail_out(path, err.text);
    train(&t, rows, NULL, 0, &o, &metrics, NULL);
    output_close(&metrics);
    size_t n = read_records(path, records, 24);
    is_long((long long)n, 22, "20 steps between start and end");
    for (size_t i = 0; i < n; i++) {
        if (i >= 1 && i <= 20)
            losses[i - 1] = number_of(&records[i], "loss");
        json_free(&records[i].doc);
        free(records[i].text);
    }
    free(t.slab);
    free(path);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_order(void)
{
    struct rows rows = {0};
    double plainly[20], shuffled[20];
    make_rows(&rows, 10, false);
    row_losses(&rows, false, plainly);
    row_losses(&rows, true, shuffled);
    ok(memcmp(plainly, plainly + 10, 10 * sizeof *plainly) == 0, "unshuffled, both epochs have the same order");
    ok(memcmp(shuffled, shuffled + 10, 10 * sizeof *shuffled) != 0, "shuffled, each has its own");
    ok(memcmp(shuffled, plainly, 10 * sizeof *shuffled) != 0, "and not that of the input");
    double distinct = 1;
    qsort(plainly, 10, sizeof *plainly, compare_doubles);
    qsort(shuffled, 10, sizeof *shuffled, compare_doubles);
    qsort(shuffled + 10, 10, sizeof *shuffled, compare_doubles);
    for (int i = 1; i < 10; i++)
        distinct = fmin(distinct, plainly[i] - plainly[i - 1]);
    ok(distinct > 1e-6, "each row has a loss of its own");
    bool same = true;
    for (int i = 0; i < 10; i++)
        same = same && fabs(shuffled[i] - plainly[i]) < 1e-7 && fabs(shuffled[i + 10] - plainly[i]) < 1e-7;
    ok(same, "each epoch takes each row once");
    rows_free(&rows);
}

static void check_start(const struct record *r)
{
    members(r, "event version argv device library kernels precision threads seed parameters_trained classes rows "
               "validation_rows objective label_smoothing hidden_dropout attention_dropout classifier_dropout shuffle "
               "batch_size gradient_accumulation_steps optimizer adam_beta1 adam_beta2 adam_epsilon weight_decay "
               "max_grad_norm learning_rate lr_scheduler_type layer_wise_lr_decay warmup_steps steps soft_rows "
               "soft_rows_with_gold soft_rows_agreeing soft_teacher_accuracy");
    const struct json_node *argv = json_member(&r->doc, json_root(&r->doc), "argv");
    ok(argv->count == 3 &&
           json_is(json_next(&r->doc, json_next(&r->doc, json_first(&r->doc, argv))), "a \"quoted\" name"),
       "argv as it was given");
    ok(number_of(r, "rows") == 10 && number_of(r, "validation_rows") == 6 && number_of(r, "classes") == 2, "rows");
    ok(number_of(r, "steps") == 6 && number_of(r, "warmup_steps") == 2, "six steps, ceil(0.3 x 6) = 2 of them warm-up");
    is_string(text_of(r, "objective"), "label=0.7,soft=0.3", "objective");
    ok(number_of(r, "seed") == 42 && number_of(r, "batch_size") == 4 && number_of(r, "learning_rate") == 0.01,
       "options");
}

/* rate x s/w below w = 2, else rate x (N - s)/(N - w) with N = 6, s from 0. */
static void check_steps(const struct record *const *steps, size_t n)
{
    static const double rates[] = {0, 0.005, 0.01, 0.0075, 0.005, 0.0025};
    double losses = 0;
    is_long((long long)n, 6, "six records of steps");
    for (size_t i = 0; i < n && i < 6; i++) {
        members(steps[i], "event step epoch loss learning_rate grad_norm");
        near(number_of(steps[i], "step"), (double)i + 1, 0, "its number");
        near(number_of(steps[i], "epoch"), ((double)i + 1) / 3, 1e-15, "its epoch");
        near(number_of(steps[i], "learning_rate"), rates[i], 1e-17, "the rate that it used");
        ok(number_of(steps[i], "grad_norm") > 0 && number_of(steps[i], "loss") > 0, "its loss and gradient");
        losses += i >= 3 ? number_of(steps[i], "loss") * (i == 5 ? 2 : 4) : 0;
    }
    near(losses / 10, number_of(steps[n], "loss"), 1e-12, "the end's loss is the mean over the last epoch's rows");
}

static void test_records(void)
{
    enum { MOST = 16 };
    struct rows rows = {0}, validation = {0};
    struct train_options o = plain;
    struct trained t;
    struct output metrics;
    struct error err = {0};
    struct record records[MOST];
    const struct record *steps[MOST];
    size_t n_steps = 0;
    char *path = path_join(trash, "metrics.ndjson");
    make_rows(&rows, 10, false);
    make_rows(&validation, 6, false);
    o.batch_size = 4;
    o.learning_rate = 0.01;
    o.warmup_ratio = 0.3;
    o.log_steps = 1;
    if (output_open_log(&metrics, path, &err) < 0)
        bail_out(path, err.text);
    train(&t, &rows, &validation, 0, &o, &metrics, NULL);
    ok(t.status == 0 && output_close(&metrics) == 0, "a run with records");
    size_t n = read_records(path, records, MOST);
    struct buf events = {0};
    for (size_t i = 0; i < n; i++)
        buf_addf(&events, "%c", text_of(&records[i], "event")[0]);
    if (!is_string(events.data, "ssssesssee", "start, 3 steps, eval, 3 steps, eval, end"))
        bail_out(path, "other records");
    buf_free(&events);
    for (size_t i = 1; i < n; i++)
        if (strcmp(text_of(&records[i], "event"), "step") == 0)
            steps[n_steps++] = &records[i];
    steps[n_steps] = &records[n - 1];
    check_start(&records[0]);
    check_steps(steps, n_steps);
    const struct record *eval = &records[8], *end = &records[9];
    members(&records[4], "event step epoch loss accuracy macro_f1 mcc brier ece rows");
    ok(number_of(&records[4], "step") == 3 && number_of(&records[4], "epoch") == 1, "an evaluation after an epoch");
    ok(number_of(eval, "step") == 6 && number_of(eval, "epoch") == 2 && number_of(eval, "rows") == 6, "and the next");
    members(end, "event step loss validation_loss accuracy seconds rows_per_second");
    ok(number_of(end, "step") == 6 && number_of(end, "validation_loss") == number_of(eval, "loss") &&
           number_of(end, "accuracy") == number_of(eval, "accuracy"),
       "the end repeats the last evaluation");
    for (size_t i = 0; i < n; i++) {
        json_free(&records[i].doc);
        free(records[i].text);
    }
    free(t.slab);
    free(path);
    rows_free(&rows);
    rows_free(&validation);
}

static void test_full_device(void)
{
    struct rows rows = {0};
    struct trained t;
    struct output metrics;
    struct error err = {0};
    make_rows(&rows, 10, false);
    if (access("/dev/full", W_OK) != 0 || output_open_log(&metrics, "/dev/full", &err) < 0) {
        skip("records to a full device", "no /dev/full");
        return;
    }
    train(&t, &rows, NULL, 0, &plain, &metrics, NULL);
    ok(t.status < 0 && t.result.steps == 0, "records that cannot be written end the run before it begins");
    is_string(t.err.text, "/dev/full: cannot write: No space left on device", "with the reason");
    output_close(&metrics);
    free(t.slab);
    rows_free(&rows);
}

int main(void)
{
    struct error err = {0};
    if (nn_cpu(&nn, &(struct nn_options){.threads = 1}, &err) < 0)
        bail_out("nn_cpu", err.text);
    diag_set_verbosity(-1); /* no epoch lines */
    trash = make_trash();
    test_accumulation();
    test_overfit();
    test_threads();
    test_frames();
    test_seed();
    test_steps();
    test_divergence();
    test_order();
    test_records();
    test_full_device();
    folder_remove(trash, &err);
    free(trash);
    return done_testing();
}
