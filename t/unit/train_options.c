/* train_options.c - what single options do, apart from whole runs: class weights and label smoothing against goldens of
 * PyTorch, rates and frozen parts, the best evaluation; and a run's state, written and read back.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"
#include "base/memory.h"
#include "bert/model.h"
#include "bert/objectives/label.h"
#include "bert/objectives/objective.h"
#include "bert/optimiser.h"
#include "bert/parameter_groups.h"
#include "bert/run_state.h"
#include "bert/selection.h"
#include "bert/spool.h"
#include "bert/train_state.h"
#include "bert_folder.h"

_Noreturn static void bail_out(const char *what, const char *why)
{
    printf("Bail out! %s: %s\n", what, why);
    exit(1);
}

/* Rows of two tokens with these labels. */
static void make_rows(struct rows *rows, const int32_t *labels, size_t n)
{
    rows_column(rows, "ids", ST_I32, COLUMN_LIST, 1);
    rows_column(rows, "idx", ST_I64, COLUMN_ROW, 1);
    rows_column(rows, "label", ST_I32, COLUMN_ROW, 1);
    for (size_t i = 0; i < n; i++) {
        const int32_t ids[] = {2, (int32_t)i};
        int64_t end = 2 * ((int64_t)i + 1), number = (int64_t)i;
        buf_add(&rows_find(rows, "ids")->values, ids, sizeof ids);
        buf_add(&rows_find(rows, "ids")->offsets, &end, sizeof end);
        buf_add(&rows_find(rows, "idx")->values, &number, sizeof number);
        buf_add(&rows_find(rows, "label")->values, &labels[i], sizeof labels[i]);
        rows->n++;
    }
}

/* ---- class weights and label smoothing ---- */

/* torch.nn.CrossEntropyLoss(weight=w, label_smoothing=e) in float64 over the logits of test_label, labels 0 2 1 2:
 * value and gradient (torch 2, see t/oracle/trainer.py for whole runs). */
static const struct golden {
    const char *weights;
    double smoothing, loss, gradient[12];
} goldens[] = {
    {"0.5,2,1.25",
     0,
     1.1464663453910411,
     {-0.03962511038513742, 0.0030058887569574025, 0.036619221628180022, 0.088574109442816962, 0.14603401827169343,
      -0.23460812771451039, 0.022644692896188513, -0.12413116555019857, 0.1014864726540101, 0.075152401338931835,
      0.083056248383336834, -0.15820864972226861}},
    {NULL,
     0.1,
     1.1939250259644811,
     {-0.082396109296176884, -0.00081861144093982752, 0.083214720737116721, 0.08024077610948363, 0.1377006849383601,
      -0.21794146104784373, 0.0058195997267844867, -0.060915311802207439, 0.055095712075422978, 0.066819068005598503,
      0.074722915050003502, -0.14154198305560195}},
    {"0.5,2,1.25",
     0.2,
     1.2044580815057291,
     {-0.0081793101673453116, -0.022759011282622043, 0.030938321449967363, 0.081907442776150294, 0.11936735160502676,
      -0.20127479438117707, 0.014279674262307708, -0.091487994800600353, 0.077208320538292671, 0.068485734672265167,
      0.056389581716670169, -0.1248753163889353}},
    {"1,0,3.0",
     0.1,
     1.6413886405779665,
     {-0.044208496282821912, 0.0044372643555085469, 0.039771231927313376, 0.13864379624075129, 0.23643602958274179,
      -0.37507982582349308, -0.0036835860525624513, 0.013136611164276257, -0.0094530251117138035, 0.11691341169160394,
      0.13447202119206919, -0.25138543288367304}},
};

/* All four rows at once, and then in two parts of the same step. */
static void test_label(const struct golden *g)
{
    static const int32_t labels[] = {0, 2, 1, 2, -1};
    static const uint64_t which[] = {0, 1, 2, 3, 4};
    static const float logits[] = {1.0f, -2.0f, 0.5f, 0.25f, 0.75f, -1.5f, -0.5f, 2.0f,
                                   1.0f, 0.1f,  0.2f, 0.3f,  5.0f,  6.0f,  7.0f};
    struct rows rows = {0};
    struct objectives o;
    struct error err = {0};
    const char *name = g->weights ? g->weights : "no weights";
    make_rows(&rows, labels, 5);
    const struct objective_setting setting = {
        .rows = &rows, .classes = 3, .class_weights = g->weights, .label_smoothing = g->smoothing};
    if (objectives_parse(&o, "label", &err) < 0 || objectives_prepare(&o, &setting, &err) < 0)
        bail_out("label", err.text);
    for (size_t parts = 1; parts <= 2; parts++) {
        const struct objective_rows step = {&rows, which, 5, 0};
        float d[15] = {0};
        double loss = 0, worst = 0;
        objectives_count(&o, &step);
        for (size_t at = 0; at < 5; at += parts == 1 ? 5 : 3) {
            size_t n = parts == 1 ? 5 : at ? 2 : 3;
            struct objective_pass p = {
                .part = {&rows, which + at, n, at}, .classes = 3, .logits = logits + 3 * at, .d_logits = d + 3 * at};
            loss += objectives_add(&o, &p);
        }
        for (size_t i = 0; i < 12; i++)
            worst = fmax(worst, fabs(d[i] - g->gradient[i]));
        near(loss, g->loss, 1e-7, "%s, smoothing %g, %zu parts: the loss is torch's", name, g->smoothing, parts);
        near(worst, 0, 1e-7, "%s, smoothing %g, %zu parts: and the gradient", name, g->smoothing, parts);
        ok(d[12] == 0 && d[13] == 0 && d[14] == 0, "none for a row without a label");
    }
    objectives_free(&o);
    rows_free(&rows);
}

static void test_balanced(void)
{
    static const int32_t labels[] = {0, 0, 1, 0, -1, 2, 0, 1}, lacking[] = {0, 2, 0};
    struct rows rows = {0}, other = {0};
    struct objectives o;
    struct error err = {0};
    make_rows(&rows, labels, 8);
    make_rows(&other, lacking, 3);
    struct objective_setting setting = {.rows = &rows, .classes = 3, .class_weights = "balanced"};
    ok(objectives_parse(&o, "soft,label", &err) == 0 && o.terms[1].kind->prepare(&o.terms[1], &setting, &err) == 0,
       "balanced");
    const double *w = class_weights_of(&o);
    ok(w && fabs(w[0] - 7.0 / 12) < 1e-15 && fabs(w[1] - 7.0 / 6) < 1e-15 && fabs(w[2] - 7.0 / 3) < 1e-15,
       "n / (C n_c) of the labelled rows");
    objectives_free(&o);
    setting.rows = &other;
    ok(objectives_parse(&o, "label", &err) == 0 && objectives_prepare(&o, &setting, &err) < 0, "a class without rows");
    is_string(err.text,
              "no row has the label 1, so its balanced weight is not defined; give --class-weights as numbers",
              "is named");
    objectives_free(&o);
    setting.class_weights = "1,2";
    ok(objectives_parse(&o, "label", &err) == 0 && objectives_prepare(&o, &setting, &err) < 0, "too few numbers");
    is_string(err.text, "--class-weights gives 2 numbers, but there are 3 classes", "are counted");
    objectives_free(&o);
    rows_free(&rows);
    rows_free(&other);
}

static void test_class_weights_check(void)
{
    static const char *const good[] = {"balanced", "1", "0,1", "0.5,1e3,.25"};
    static const char *const bad[] = {"", "1,", ",1", "1,,2", "-1,2", "1,nan", "inf", "1 2", "1, 2", "Balanced", "1,x"};
    struct error err = {0};
    ok(class_weights_check(NULL, &err) == 0, "no weights");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ok(class_weights_check(good[i], &err) == 0, "weights '%s'", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(class_weights_check(bad[i], &err) < 0 && err.status == STATUS_USAGE && strstr(err.text, bad[i]),
           "no weights: '%s'", bad[i]);
}

/* ---- rates and frozen parts ---- */

static void test_groups(void)
{
    static const char *const bad[] = {"",          "layer",       "layers:",   "layers:x",  "layers:2-1",
                                      "layers:1-", "embeddings,", "layers:-1", "layers:0 ", "classifier"};
    struct bert_config config;
    struct parameters p;
    struct error err = {0};
    size_t trained, all = 0, head;
    bert_config_preset(&config, "mini", 30); /* four layers */
    parameters_init(&p, &config, 2);
    double *rates = xmalloc_array(p.n, sizeof *rates);
    head = parameter_of_head(&p, POOLER_WEIGHT);
    for (size_t i = 0; i < p.n; i++)
        all += p.list[i].size;
    ok(parameter_groups_rates(&p, NULL, 1, rates, &trained, &err) == 0 && rates[0] == 1 && rates[p.n - 1] == 1,
       "all learn alike");
    is_long((long long)trained, (long long)all, "all of them");
    ok(parameter_groups_rates(&p, NULL, 0.5, rates, &trained, &err) == 0, "a decay of 0.5 over four layers");
    near(rates[WORD_EMBEDDINGS], 1.0 / 32, 0, "embeddings: to the power of 5");
    near(rates[EMBEDDING_NORM_BIAS], 1.0 / 32, 0, "their LayerNorm, too");
    near(rates[parameter_of_layer(0, QUERY_WEIGHT)], 1.0 / 16, 0, "the lowest layer: 4");
    near(rates[parameter_of_layer(3, OUTPUT_NORM_BIAS)], 0.5, 0, "the highest: 1");
    ok(rates[head] == 1 && rates[p.n - 1] == 1, "pooler and classifier: the whole rate");
    ok(parameter_groups_rates(&p, "embeddings,layers:1-2", 1, rates, &trained, &err) == 0, "some parts frozen");
    ok(rates[WORD_EMBEDDINGS] == 0 && rates[EMBEDDING_NORM_WEIGHT] == 0, "embeddings");
    ok(rates[parameter_of_layer(0, OUTPUT_NORM_BIAS)] == 1 && rates[parameter_of_layer(1, QUERY_WEIGHT)] == 0 &&
           rates[parameter_of_layer(2, OUTPUT_NORM_BIAS)] == 0 && rates[parameter_of_layer(3, QUERY_WEIGHT)] == 1,
       "layers 1 and 2");
    ok(parameter_groups_rates(&p, "encoder", 1, rates, &trained, &err) == 0 && rates[head - 1] == 0 && rates[head] == 1,
       "encoder");
    is_long((long long)trained, 256 * 256 + 256 + 2 * 256 + 2, "what is left is pooler and classifier");
    ok(parameter_groups_rates(&p, "layers,pooler", 1, rates, &trained, &err) == 0 && rates[0] == 1 &&
           rates[head - 1] == 0 && rates[head] == 0 && rates[head + 1] == 0 && rates[head + 2] == 1,
       "layers and pooler");
    ok(parameter_groups_rates(&p, "layers:3-4", 1, rates, &trained, &err) < 0 && err.status == STATUS_USAGE,
       "a layer too many");
    is_string(err.text, "--freeze: there is no layer 4; the model's are 0 to 3", "is named");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(parameter_groups_check(bad[i], &err) < 0 && err.status == STATUS_USAGE, "no part: '%s'", bad[i]);
    ok(parameter_groups_check("layers:0-3,pooler,embeddings,layers,encoder,layers:7", &err) == 0, "all parts");
    free(rates);
    parameters_free(&p);
}

static void test_frozen(const struct nn *nn)
{
    struct bert_config config;
    struct model m;
    struct optimiser o;
    bert_config_preset(&config, "tiny", 30);
    model_random(&m, &config, &(struct model_heads){.classes = 2}, 1);
    optimiser_init(&o, &m.parameters);
    o.weight_decay = 0.5;
    o.rates[WORD_EMBEDDINGS] = 0;
    o.rates[POSITION_EMBEDDINGS] = 0.25;
    const struct parameter *words = &m.parameters.list[WORD_EMBEDDINGS];
    const struct parameter *positions = &m.parameters.list[POSITION_EMBEDDINGS];
    float before = m.parameters.slab[words->offset + 5], at = m.parameters.slab[positions->offset];
    o.gradients[words->offset + 5] = 3;
    o.gradients[positions->offset] = 4;
    near(optimiser_update(&o, nn, &m.parameters, 0.01), 4, 1e-6, "the norm is that of what is trained");
    near(m.parameters.slab[words->offset + 5], before, 0, "what is frozen stays, without decay");
    double rate = 0.01 * 0.25;
    near(m.parameters.slab[positions->offset], at * (1 - rate * 0.5) - rate, 1e-7, "a quarter of the rate");
    optimiser_free(&o);
    model_free(&m);
}

/* ---- the best evaluation ---- */

static void test_selection(void)
{
    struct train_scores a = {0.5, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1}, b = {0.4, 0.9, 0.8, 0.7, 0.4, 0.2, 0.05}, none;
    static const char *const names[] = {"loss", "accuracy", "macro_f1", "mcc", "brier", "ece", "eval_loss"};
    struct error err = {0};
    none = (struct train_scores){NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = names[i];
        ok(selection_check(name, &err) == 0, "metric %s", name);
        ok(selection_improves(name, &b, &a) && !selection_improves(name, &a, &b), "%s: the better one", name);
        ok(!selection_improves(name, &a, &a), "%s: the same is not better", name);
        ok(selection_improves(name, &a, NULL) && !selection_improves(name, &none, NULL), "%s: the first one", name);
        ok(!selection_improves(name, &none, &a) && selection_improves(name, &a, &none), "%s: one without value", name);
    }
    near(selection_value("brier", &a), 0.3, 0, "a value");
    ok(selection_check("f1", &err) < 0 && err.status == STATUS_USAGE, "no metric");
    is_string(
        err.text,
        "--metric-for-best-model: there is no metric 'f1'; the metrics are: loss, accuracy, macro_f1, mcc, brier, "
        "ece",
        "all are listed");
}

/* ---- the state of a run ---- */

static void test_state(void)
{
    struct train_state s = {.step = 12,
                            .epoch = 3,
                            .rows_done = (uint64_t)1 << 60,
                            .in_epoch = true,
                            .epoch_rows = 7,
                            .epoch_loss = 0.1,
                            .train_loss = 1.0 / 3,
                            .evaluated_at = 9,
                            .scores = {0.1, 0.2, NAN, 0.4, 0.5, 0.6, 0.7},
                            .best_at = 5,
                            .best = {1e-300, 0.2, 0.3, -0.4, 0.5, 0.6, 0.7},
                            .without_improvement = 2,
                            .stopped_early = true,
                            .warned = 3,
                            .seconds = 12.25,
                            .metrics_size = 4711,
                            .optimiser_step = 11};
    struct train_state back;
    struct buf text = {0}, again = {0};
    struct error err = {0};
    train_state_write(&text, &s);
    ok(train_state_read(&back, text.data, text.len, "state", &err) == 0, "a state is read back");
    train_state_write(&again, &back);
    is_string(again.data, text.data, "the same text");
    ok(back.step == s.step && back.rows_done == s.rows_done && back.in_epoch && back.epoch_loss == s.epoch_loss &&
           back.train_loss == s.train_loss && back.best.loss == 1e-300 && back.best.mcc == -0.4 &&
           isnan(back.scores.macro_f1) && back.stopped_early && back.optimiser_step == 11,
       "the same values, to the last bit");
    ok(train_state_read(&back, "{\"global_step\": 1}", 18, "state", &err) < 0, "a state without its members");
    is_string(err.text, "state: epoch is missing or of another kind", "the first one is named");
    ok(train_state_read(&back, text.data, text.len - 3, "state", &err) < 0, "a state cut short");
    ok(strncmp(err.text, "state: not valid JSON", 21) == 0, "is named: %s", err.text);
    buf_free(&text);
    buf_free(&again);
}

static void test_moments(const char *trash)
{
    struct bert_config config;
    struct parameters p;
    struct optimiser o, back;
    struct error err = {0};
    bert_config_preset(&config, "tiny", 30);
    parameters_init(&p, &config, 2);
    optimiser_init(&o, &p);
    optimiser_init(&back, &p);
    for (size_t i = 0; i < o.size; i++) {
        o.first[i] = (float)i * 1e-3f;
        o.second[i] = (float)i * 1e-9f;
    }
    ok(train_moments_write(trash, &o, &err) == 0 && train_moments_read(trash, &back, &err) == 0, "moments: %s",
       err.text);
    ok(memcmp(o.first, back.first, o.size * sizeof(float)) == 0 &&
           memcmp(o.second, back.second, o.size * sizeof(float)) == 0,
       "are read back");
    back.size--;
    ok(train_moments_read(trash, &back, &err) < 0 && strstr(err.text, "exp_avg is missing or of another size"),
       "those of another model are refused");
    optimiser_free(&o);
    optimiser_free(&back);
    parameters_free(&p);
}

static void touch(const char *folder, const char *name)
{
    put(folder, name, "x");
}

static void test_run_state(const char *trash)
{
    struct error err = {0};
    size_t n;
    char *state = path_join(trash, "model.state"), *asked = path_join(trash, "model///");
    char *path = run_state_path(asked);
    is_string(path, state, "DIR/// is DIR");
    ok(run_state_look(state) == RUN_NONE, "no state");
    int lock = run_state_take(state, &err);
    ok(lock >= 0 && run_state_look(state) == RUN_NOT_BEGUN, "taken");
    static const uint64_t steps[] = {9, 10, 100, 2, 30};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char *folder = run_state_checkpoint(state, steps[i]);
        touch(folder, "model.safetensors");
        free(folder);
    }
    static const char *const others[] = {"checkpoint-7.tmp-12", "checkpoint-", "checkpoint-x", "checkpoint-1.old-9",
                                         "mine"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *folder = path_join(state, others[i]);
        touch(folder, "file");
        free(folder);
    }
    ok(run_state_look(state) == RUN_FINISHED, "checkpoints without a record are of a run that is over");
    touch(state, RUN_RECORD);
    touch(state, RUN_TRAIN);
    touch(state, RUN_TRAIN ".tmp-1-2");
    ok(run_state_look(state) == RUN_UNFINISHED, "with one, it is not over");
    uint64_t *list = run_state_list(state, &n);
    ok(n == 5 && list[0] == 2 && list[1] == 9 && list[2] == 10 && list[3] == 30 && list[4] == 100,
       "checkpoints by their steps");
    free(list);
    run_state_sweep(state);
    char *left = path_join(state, "checkpoint-7.tmp-12");
    ok(!path_exists(left), "what is not finished is swept");
    free(left);
    ok(run_state_rotate(state, 2, 9, &err) == 0, "two are kept, and the best one");
    list = run_state_list(state, &n);
    ok(n == 3 && list[0] == 9 && list[1] == 30 && list[2] == 100, "9, 30 and 100");
    free(list);
    is_long(run_state_clear(state, &err), 5, "all of ours are removed, what looks like ours, too");
    ok(run_state_look(state) == RUN_NOT_BEGUN, "nothing is left to go on with");
    left = path_join(state, "mine/file");
    ok(run_state_remove(state, &err) == 0 && path_exists(left), "what is not ours stays");
    free(left);
    free(state);
    free(asked);
    free(path);
}

/* ---- the spool ---- */

static void test_spool(const char *trash)
{
    enum { MANY = 2500 }; /* more than one frame */
    static int32_t labels[MANY];
    static char *names[] = {(char *)(uintptr_t) "no", (char *)(uintptr_t) "yes"};
    struct stream_head head = {.max_len = 9, .labels = names, .n_labels = 2, .producer = (char *)(uintptr_t) "test"};
    struct stream_head got;
    struct rows rows = {0}, back = {0};
    struct error err = {0};
    char first[SHA256_HEX_SIZE], second[SHA256_HEX_SIZE];
    char *path = path_join(trash, "rows.tokens");
    memset(head.vocab_sha256, 'b', 64);
    for (size_t i = 0; i < MANY; i++)
        labels[i] = (int32_t)(i % 3) - 1;
    make_rows(&rows, labels, MANY);
    ok(spool_write(path, &rows, &head, &err) == 0 && spool_read(&back, &got, path, NULL, &err) == 0, "a spool: %s",
       err.text);
    spool_digest(&rows, first);
    spool_digest(&back, second);
    is_string(second, first, "is read back, in frames of another size, with the same digest");
    ok(got.n_labels == 2 && strcmp(got.labels[1], "yes") == 0 && got.max_len == 9, "with its head");
    ((int32_t *)(void *)rows_find(&back, "label")->values.data)[MANY - 1] ^= 1;
    spool_digest(&back, second);
    ok(strcmp(first, second) != 0, "another label is another digest");
    stream_head_free(&got);
    rows_free(&rows);
    rows_free(&back);
    free(path);
}

int main(void)
{
    struct error err = {0};
    struct nn nn;
    char *trash = make_trash();
    if (nn_cpu(&nn, &(struct nn_options){.threads = 1}, &err) < 0)
        bail_out("nn_cpu", err.text);
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++)
        test_label(&goldens[i]);
    test_balanced();
    test_class_weights_check();
    test_groups();
    test_frozen(&nn);
    test_selection();
    test_state();
    test_moments(trash);
    test_run_state(trash);
    test_spool(trash);
    nn_free(&nn);
    folder_remove(trash, &err);
    free(trash);
    return done_testing();
}
