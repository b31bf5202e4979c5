/* student.h - a small model of testdata/bert with the heads that some objectives ask for, and whether its gradients are
 * those of finite differences. The file that includes it defines ROWS, the table `tokens` and make_rows before.
 */
#ifndef UNIT_STUDENT_H
#define UNIT_STUDENT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"
#include "base/memory.h"
#include "bert/objectives/objective.h"
#include "bert_folder.h"

static struct nn nn;

_Noreturn static void bail_out(const char *what, const char *why)
{
    printf("Bail out! %s: %s\n", what, why);
    exit(1);
}

struct student {
    struct model m;
    struct objectives o;
    struct activations a;
    struct batch b;
    struct rows rows;
    float *gradients;
};

/* 0 to ROWS - 1 */
static uint64_t in_order[ROWS];

static const char *const student_labels[] = {"negative", "positive"};

/* A model with the heads that the objectives, which are parsed, ask for. */
static void student_start(struct student *s, const char *folder, struct objectives o)
{
    struct model_heads heads;
    struct error err = {0};
    bool fresh;
    char *path = testdata(folder);
    *s = (struct student){.o = o};
    for (size_t i = 0; i < ROWS; i++)
        in_order[i] = i;
    make_rows(&s->rows);
    if (model_open(&s->m, path, &err) < 0)
        bail_out(folder, err.text);
    const struct objective_setting setting = {.rows = &s->rows,
                                              .classes = 2,
                                              .config = &s->m.config,
                                              .tokens = &tokens,
                                              .seed = 3,
                                              .mlm_probability = 0.15,
                                              .unlabelled = &s->rows,
                                              .labels = student_labels,
                                              .temperature = 2};
    if (objectives_prepare(&s->o, &setting, &err) < 0)
        bail_out(folder, err.text);
    objectives_heads(&s->o, &s->m.config, 2, &heads);
    if (model_load(&s->m, &heads, 1, &fresh, &err) < 0)
        bail_out(folder, err.text);
    model_heads_free(&heads);
    activations_init(&s->a, &s->m.config, true);
    s->a.all_tokens = s->o.reads & OBJECTIVE_TOKENS;
    s->gradients = xaligned(s->m.parameters.slab_size * sizeof *s->gradients);
    free(path);
}

static void student_init(struct student *s, const char *folder, const char *spec)
{
    struct objectives o;
    struct error err = {0};
    if (objectives_parse(&o, spec, &err) < 0)
        bail_out(spec, err.text);
    student_start(s, folder, o);
}

static void student_free(struct student *s)
{
    objectives_free(&s->o);
    activations_free(&s->a);
    batch_free(&s->b);
    model_free(&s->m);
    rows_free(&s->rows);
    free(s->gradients);
}

/* Loss and, unless gradients is NULL, gradient of all rows, at most `at_once` in a batch. */
static double step(struct student *s, const struct model_dropout *dropout, size_t at_once, float *gradients)
{
    const struct objective_rows rows = {&s->rows, in_order, ROWS, 100};
    if (gradients)
        memset(gradients, 0, s->m.parameters.slab_size * sizeof *gradients);
    return objectives_step(&s->o, &s->m, &nn, &s->a, &s->b, dropout, &rows, at_once, gradients);
}

static double norm_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

/* A step along each parameter's own gradient, so long that it should change the loss by 2e-3, does. */
static void check_directions(struct student *s, const struct model_dropout *dropout, const char *name)
{
    double worst = 0;
    size_t checked = 0;
    step(s, dropout, ROWS, s->gradients);
    for (size_t i = 0; i < s->m.parameters.n; i++) {
        const struct parameter *p = &s->m.parameters.list[i];
        const float *g = s->gradients + p->offset;
        float *value = s->m.parameters.slab + p->offset, *saved = xmalloc_array(p->size, sizeof *saved);
        double norm = norm_of(g, p->size), h = 1e-3 / norm;
        if (norm > 5e-3) {
            memcpy(saved, value, p->size * sizeof *saved);
            for (size_t j = 0; j < p->size; j++)
                value[j] = (float)(saved[j] + h * g[j] / norm);
            double above = step(s, dropout, ROWS, NULL);
            for (size_t j = 0; j < p->size; j++)
                value[j] = (float)(saved[j] - h * g[j] / norm);
            double slope = (above - step(s, dropout, ROWS, NULL)) / (2 * h);
            memcpy(value, saved, p->size * sizeof *saved);
            double distance = fabs(slope / norm - 1);
            worst = distance <= worst ? worst : isnan(distance) ? INFINITY : distance;
            checked++;
            if (!(distance < 0.01))
                note("%s: slope %.6g, norm of the gradient %.6g", p->name, slope, norm);
        }
        free(saved);
    }
    ok(checked > s->m.parameters.n * 3 / 5, "%s: %zu gradients that can be measured", name, checked);
    near(worst, 0, 0.01, "%s: gradients agree with finite differences", name);
}

static void test_directions(const char *folder, const char *spec, const struct model_dropout *dropout)
{
    struct student s;
    struct buf name = {0};
    buf_addf(&name, "%s, %s%s", folder, spec, dropout ? ", dropout" : "");
    student_init(&s, folder, spec);
    check_directions(&s, dropout, name.data);
    student_free(&s);
    buf_free(&name);
}

/* ---- what other terms may read: sentence vectors without a classifier, and tokens of the rows as they are ---- */

#endif
