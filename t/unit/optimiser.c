/* optimiser.c - the schedule of the learning rate by its formula, and AdamW with clipping against a computation in
 * double.
 */
#include "bert/optimiser.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"
#include "bert/model.h"
#include "bert/schedule.h"

static struct nn nn;

/* ---- the schedule ---- */

static void test_schedule(void)
{
    near(schedule_linear(2, 0, 0, 4), 2, 0, "without warm-up step 0 has the whole rate");
    near(schedule_linear(2, 1, 0, 4), 1.5, 0, "then it falls: x (N - s) / N");
    near(schedule_linear(2, 3, 0, 4), 0.5, 0, "the last step has rate / N");
    near(schedule_linear(2, 4, 0, 4), 0, 0, "after it, nothing");
    near(schedule_linear(1, 0, 4, 10), 0, 0, "warm-up begins at 0");
    near(schedule_linear(1, 1, 4, 10), 0.25, 0, "rises by s / w");
    near(schedule_linear(1, 3, 4, 10), 0.75, 0, "below the whole rate until w");
    near(schedule_linear(1, 4, 4, 10), 1, 0, "has it at w");
    near(schedule_linear(1, 7, 4, 10), 0.5, 0, "and falls by (N - s) / (N - w)");
    near(schedule_linear(1, 9, 10, 10), 0.9, 0, "nothing but warm-up");
    near(schedule_linear(1, 9, 20, 10), 0.45, 0, "warm-up longer than the run");
}

/* ---- AdamW ---- */

/* One parameter's steps in double, as torch.optim.AdamW's documentation has it. */
struct reference {
    double value, first, second, decay;
};

static void reference_step(struct reference *r, double gradient, double rate, int t)
{
    r->value *= 1 - rate * r->decay;
    r->first = 0.9 * r->first + 0.1 * gradient;
    r->second = 0.999 * r->second + 0.001 * gradient * gradient;
    double first = r->first / (1 - pow(0.9, t)), second = r->second / (1 - pow(0.999, t));
    r->value -= rate * first / (sqrt(second) + 1e-8);
}

static void test_optimiser(void)
{
    struct bert_config config;
    struct model m;
    struct optimiser o;
    bert_config_preset(&config, "tiny", 30);
    model_random(&m, &config, &(struct model_heads){.classes = 2}, 1);
    optimiser_init(&o, &m.parameters);
    o.weight_decay = 0.5;
    o.max_grad_norm = 1;
    static const char *const names[] = {"bert.encoder.layer.0.output.dense.weight",
                                        "bert.encoder.layer.1.output.dense.bias",
                                        "bert.encoder.layer.1.attention.output.LayerNorm.weight"};
    size_t at[3];
    struct reference r[3];
    for (int i = 0; i < 3; i++) {
        const struct parameter *p = parameters_find(&m.parameters, names[i]);
        at[i] = p->offset + 3;
        r[i] = (struct reference){.value = m.parameters.slab[at[i]], .decay = i == 0 ? 0.5 : 0};
    }
    for (int t = 1; t <= 5; t++) {
        static const double gradients[5][3] = {
            {3, 4, 12}, {0.1, -0.2, 0.2}, {0, 0, 0}, {-30, 0, 40}, {1e-3, 1e-3, 1e-3}};
        double rate = 0.01 * t, norm = 0;
        optimiser_clear(&o, &nn, &m.parameters);
        for (int i = 0; i < 3; i++) {
            o.gradients[at[i]] = (float)gradients[t - 1][i];
            norm += gradients[t - 1][i] * gradients[t - 1][i];
        }
        norm = sqrt(norm);
        near(optimiser_update(&o, &nn, &m.parameters, rate), norm, 1e-6 * norm, "step %d: the norm before clipping", t);
        for (int i = 0; i < 3; i++) {
            reference_step(&r[i], gradients[t - 1][i] * fmin(1, 1 / (norm + 1e-6)), rate, t);
            near(m.parameters.slab[at[i]], r[i].value, 1e-6, "step %d: %s", t, names[i]);
        }
    }
    o.gradients[at[0]] = NAN;
    float before = m.parameters.slab[at[1]];
    ok(isnan(optimiser_update(&o, &nn, &m.parameters, 0.1)) && o.step == 5 && m.parameters.slab[at[1]] == before,
       "a norm that is not finite changes nothing");
    optimiser_clear(&o, &nn, &m.parameters);
    o.gradients[at[0]] = 0; /* a layer's matrix, which a step sets */
    o.gradients[at[1]] = 30;
    o.max_grad_norm = 0;
    optimiser_update(&o, &nn, &m.parameters, 0.06);
    reference_step(&r[1], 30, 0.06, 6);
    near(m.parameters.slab[at[1]], r[1].value, 1e-6, "max_grad_norm 0: no clipping");
    optimiser_free(&o);
    model_free(&m);
}

/* ---- rows of the word embeddings that are left out of steps ---- */

enum { LAZY_STEPS = 400 };

/* The words that have a gradient in a step: some often, some rarely, one in two steps far apart, the rest never. */
static size_t words_of_step(int t, int32_t *ids)
{
    size_t n = 0;
    ids[n++] = 3;
    if (t % 2)
        ids[n++] = 7;
    if (t % 37 == 5)
        ids[n++] = 11;
    if (t == 2 || t == 390)
        ids[n++] = 13;
    return n;
}

static void run_steps(struct model *m, struct optimiser *o, bool lazy, double weight_decay, int settle_every)
{
    struct bert_config config;
    bert_config_preset(&config, "tiny", 30);
    config.hidden_size = 40; /* no whole block of elements */
    config.num_attention_heads = 2;
    config.num_hidden_layers = 1;
    model_random(m, &config, &(struct model_heads){.classes = 2}, 1);
    optimiser_init(o, &m->parameters);
    o->lazy = lazy;
    o->weight_decay = weight_decay;
    o->max_grad_norm = 0;
    size_t hidden = 40;
    for (int t = 1; t <= LAZY_STEPS; t++) {
        int32_t ids[8];
        size_t n = words_of_step(t, ids);
        optimiser_clear(o, &nn, &m->parameters);
        optimiser_touch(o, &nn, &m->parameters, ids, n);
        optimiser_touch(o, &nn, &m->parameters, ids, 1); /* a second batch of the step */
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < hidden; j++)
                o->gradients[(size_t)ids[i] * hidden + j] = sinf((float)(t * 7 + ids[i] * 3 + (int)j)) * 1e-3f;
        optimiser_update(o, &nn, &m->parameters, schedule_linear(1e-3, (uint64_t)t - 1, 40, LAZY_STEPS));
        if (settle_every && t % settle_every == 0)
            optimiser_settle(o, &nn, &m->parameters);
    }
    optimiser_settle(o, &nn, &m->parameters);
}

static void test_lazy(double weight_decay, int settle_every)
{
    struct model dense, lazy;
    struct optimiser o, p;
    run_steps(&dense, &o, false, weight_decay, 0);
    run_steps(&lazy, &p, true, weight_decay, settle_every);
    size_t bytes = dense.parameters.list[WORD_EMBEDDINGS].size * sizeof(float);
    ok(!memcmp(dense.parameters.slab, lazy.parameters.slab, bytes),
       "weight decay %g, settled every %d steps: words "
       "left out of steps have the bits of words in every step",
       weight_decay, settle_every);
    ok(!memcmp(o.first, p.first, bytes) && !memcmp(o.second, p.second, bytes), "and their moments");
    bool cleared = true;
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        cleared &= p.gradients[i] == 0;
    ok(cleared, "and no gradient is left");
    optimiser_free(&o);
    optimiser_free(&p);
    model_free(&dense);
    model_free(&lazy);
}

int main(void)
{
    struct error err = {0};
    if (nn_cpu(&nn, &(struct nn_options){.threads = 1}, &err) < 0) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }
    test_schedule();
    test_optimiser();
    for (int every = 0; every < 300; every += 150) {
        test_lazy(0, every);
        test_lazy(0.1, every);
    }
    return done_testing();
}
