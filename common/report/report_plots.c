/* report_plots.c - the report's plots: losses while training, accuracy by size, reliability; and the confusion
 * matrices.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "report/compare.h"
#include "report/plot.h"
#include "report/report.h"

static const char baseline[] = "label";
enum { BINS = 10, MOST_CURVES = 9 };

/* Draws into the report's folder and onto the page. */
static void place(struct page *p, const struct report_options *o, const struct plot *plot, const char *file,
                  const char *caption)
{
    char *path = path_join(o->output, file), *svg = plot_svg(plot, path);
    page_plot(p, svg, file, caption);
    free(svg);
    free(path);
}

/* ---- losses ---- */

/* The mean of an arm's losses over its seeds; false where it has no cell. */
static bool mean_curve(const struct experiment *e, const char *group, const char *arm, struct curve *mean)
{
    size_t cells = 0;
    for (size_t i = 0; i < e->n_cells; i++) {
        const struct cell *c = &e->cells[i];
        if (strcmp(c->group, group) != 0 || strcmp(c->arm, arm) != 0 || c->curve.n == 0)
            continue;
        if (cells == 0) {
            mean->n = c->curve.n;
            mean->step = xcalloc(mean->n, sizeof *mean->step);
            mean->loss = xcalloc(mean->n, sizeof *mean->loss);
        }
        if (c->curve.n != mean->n)
            continue;
        cells++;
        for (size_t k = 0; k < mean->n; k++) {
            mean->step[k] = c->curve.step[k];
            mean->loss[k] += (c->curve.loss[k] - mean->loss[k]) / (double)cells;
        }
    }
    return cells > 0;
}

static void draw_losses(struct page *p, const struct experiment *e, const char *group, const struct report_options *o)
{
    struct curve curves[MOST_CURVES] = {0};
    struct plot_curve drawn[MOST_CURVES];
    struct buf title = {0}, file = {0};
    size_t n = 0;
    for (size_t i = 0; i < e->n_arms && n < MOST_CURVES; i++)
        if ((strcmp(e->arms[i].role, "control") != 0) && mean_curve(e, group, e->arms[i].name, &curves[n])) {
            drawn[n] = (struct plot_curve){e->arms[i].name, curves[n].step, curves[n].loss, curves[n].n};
            n++;
        }
    buf_addf(&title, "%s: loss of the training steps, mean over seeds (terms are added up, so arms differ in height)%s",
             group, n == MOST_CURVES ? "; the first nine arms of the list" : "");
    buf_addf(&file, "losses-%s.svg", group);
    place(p, o, &(struct plot){.name = file.data, .x_label = "step", .y_label = "loss", .curves = drawn, .n = n},
          file.data, title.data);
    for (size_t i = 0; i < n; i++) {
        free(curves[i].step);
        free(curves[i].loss);
    }
    buf_free(&title);
    buf_free(&file);
}

/* ---- accuracy by size ---- */

static double size_of(const char *group)
{
    const char *dash = strrchr(group, '-');
    return dash ? strtod(dash + 1, NULL) : NAN;
}

static int by_size(const void *a, const void *b)
{
    double x = ((const double *)a)[0], y = ((const double *)b)[0];
    return (x > y) - (x < y);
}

/* An arm's accuracy on validation rows in the groups of a track, by size. */
static size_t size_points(const struct experiment *e, char track, const char *arm, double (*points)[2])
{
    size_t n = 0;
    for (size_t g = 0; g < e->n_groups; g++) {
        struct outcomes o;
        if (e->groups[g][0] != track)
            continue;
        outcomes_of(&o, e, e->groups[g], arm, SET_VALIDATION);
        if (o.seeds > 0) {
            points[n][0] = size_of(e->groups[g]);
            points[n++][1] = o.mean;
        }
        outcomes_free(&o);
    }
    qsort(points, n, sizeof *points, by_size);
    return n;
}

static void draw_sizes(struct page *p, const struct experiment *e, char track, const struct report_options *o)
{
    struct plot_curve drawn[MOST_CURVES];
    double *values = xcalloc((size_t)MOST_CURVES * 2 * e->n_groups, sizeof *values);
    double(*points)[2] = xcalloc(e->n_groups + 1, sizeof *points);
    struct buf title = {0}, file = {0};
    size_t n = 0;
    for (size_t i = 0; i < e->n_arms && n < MOST_CURVES; i++) {
        size_t count = size_points(e, track, e->arms[i].name, points);
        double *x = values + 2 * n * e->n_groups, *y = x + e->n_groups;
        if (count < 2)
            continue;
        for (size_t k = 0; k < count; k++) {
            x[k] = points[k][0];
            y[k] = points[k][1];
        }
        drawn[n++] = (struct plot_curve){e->arms[i].name, x, y, count};
    }
    buf_addf(&title, "Track %c: accuracy on the validation rows by number of training rows%s", track,
             n == MOST_CURVES ? "; the first nine arms of the list" : "");
    buf_addf(&file, "sizes-%c.svg", track);
    if (n > 0)
        place(p, o,
              &(struct plot){
                  .name = file.data, .x_label = "rows", .y_label = "accuracy", .log_x = true, .curves = drawn, .n = n},
              file.data, title.data);
    free(values);
    free(points);
    buf_free(&title);
    buf_free(&file);
}

/* ---- reliability and confusion ---- */

struct reliability {
    double said[BINS], right[BINS], rows[BINS];
    size_t confusion[2][2]; /* gold, answer */
};

static void add_predictions(struct reliability *r, const struct predictions *p)
{
    for (size_t i = 0; i < p->n; i++) {
        double sure = p->has_probs ? p->probs[i * p->width + (size_t)p->pred[i]] : 1;
        int bin = sure >= 1 ? BINS - 1 : (int)(sure * BINS);
        r->said[bin] += sure;
        r->right[bin] += p->pred[i] == p->gold[i];
        r->rows[bin]++;
        if (p->gold[i] < 2 && p->pred[i] < 2)
            r->confusion[p->gold[i]][p->pred[i]]++;
    }
}

static struct reliability reliability_of(const struct experiment *e, const char *group, const char *arm, int set)
{
    struct reliability r = {0};
    for (size_t i = 0; i < e->n_cells; i++)
        if (strcmp(e->cells[i].group, group) == 0 && strcmp(e->cells[i].arm, arm) == 0 && e->cells[i].sets[set].there)
            add_predictions(&r, &e->cells[i].sets[set].predictions);
    return r;
}

static size_t reliability_points(const struct reliability *r, double *x, double *y)
{
    size_t n = 0;
    for (int b = 0; b < BINS; b++)
        if (r->rows[b] > 0) {
            x[n] = r->said[b] / r->rows[b];
            y[n++] = r->right[b] / r->rows[b];
        }
    return n;
}

static void write_confusion(struct page *p, const char *arm, const struct reliability *r)
{
    page_table(p, "gold|>answered 0|>answered 1");
    for (int gold = 0; gold < 2; gold++) {
        page_cell(p, true, "%s: label %d", arm, gold);
        page_cell(p, false, "%zu", r->confusion[gold][0]);
        page_cell(p, false, "%zu", r->confusion[gold][1]);
        page_row_end(p);
    }
    page_table_end(p);
}

static void draw_reliability(struct page *p, const struct experiment *e, const char *group,
                             const struct report_options *o)
{
    int set = report_main_set(e, group);
    const char *arms[] = {baseline, report_best_arm(e, group, set)};
    struct reliability r[2];
    struct plot_curve drawn[2];
    double x[2][BINS], y[2][BINS];
    struct buf title = {0}, file = {0};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++) {
        if (!arms[i])
            continue;
        r[n] = reliability_of(e, group, arms[i], set);
        drawn[n] = (struct plot_curve){arms[i], x[n], y[n], 0};
        drawn[n].n = reliability_points(&r[n], x[n], y[n]);
        n += drawn[n].n > 0;
    }
    buf_addf(&title, "%s: how often it is right by how sure it says it is (%s)", group, set_names[set]);
    buf_addf(&file, "reliability-%s.svg", group);
    place(p, o,
          &(struct plot){.name = file.data,
                         .x_label = "probability of the answer",
                         .y_label = "share that is right",
                         .diagonal = true,
                         .curves = drawn,
                         .n = n},
          file.data, title.data);
    page_text(p, "Confusion matrices on %s, all seeds together:", set_names[set]);
    for (size_t i = 0; i < n; i++)
        write_confusion(p, drawn[i].title, &r[i]);
    buf_free(&title);
    buf_free(&file);
}

int report_plots(struct page *p, const struct experiment *e, const struct report_options *o, struct error *err)
{
    (void)err;
    page_heading(p, 2, "Learning, size and calibration");
    for (size_t g = 0; g < e->n_groups; g++) {
        draw_losses(p, e, e->groups[g], o);
        draw_reliability(p, e, e->groups[g], o);
    }
    draw_sizes(p, e, 'A', o);
    draw_sizes(p, e, 'C', o);
    draw_sizes(p, e, 'T', o);
    return 0;
}
