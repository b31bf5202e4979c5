/* report.c - see report.h: what was run, the tables of arms and controls, the primary endpoints, what was not run. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "report/compare.h"
#include "wire/json.h"

static const char baseline[] = "label";
/* Fixed before anything was run; all else is exploratory. */
static const char primary_group[] = "T-240";
static const int primary_sets[] = {SET_TREES, SET_IMDB, SET_CONTRAST};
enum { PRIMARY = sizeof primary_sets / sizeof *primary_sets };

/* ---- what was run, and with what ---- */

static void write_opening(struct page *p, const struct experiment *e)
{
    page_text(p,
              "Students that are finished: %zu; groups (a track and a size): %zu; arms: %zu. Tracks: A gold labels and "
              "the teacher on the same rows; C gold labels on some rows, the teacher's on the rest; T the teacher's "
              "labels alone. In a group and seed all arms share rows, order, initial weights and number of steps, but "
              "for the controls that take more of one of these.",
              e->n_cells, e->n_groups, e->n_arms);
}

static void write_about(struct page *p, const struct experiment *e)
{
    struct json doc = {0};
    struct error ignored = {0};
    page_heading(p, 2, "Versions, variables, commands");
    page_table(p, "variable|value");
    if (json_parse(&doc, e->about, strlen(e->about), &ignored) == 0)
        for (const struct json_node *m = json_first(&doc, json_root(&doc)); m; m = json_next(&doc, m)) {
            page_cell(p, true, "%s", m->key);
            page_cell(p, false, "%s", m->text ? m->text : "");
            page_row_end(p);
        }
    page_table_end(p);
    json_free(&doc);
    page_heading(p, 3, "Arms");
    page_table(p, "arm|role|controls|stages of bert-train");
    for (size_t i = 0; i < e->n_arms; i++) {
        page_cell(p, true, "%s", e->arms[i].name);
        page_cell(p, false, "%s", e->arms[i].role);
        page_cell(p, false, "%s", e->arms[i].of);
        page_cell(p, false, "%s", e->arms[i].stages);
        page_row_end(p);
    }
    page_table_end(p);
}

/* ---- a table of all arms ---- */

struct line {
    const struct arm *arm;
    struct outcomes outcomes;
    struct comparison against; /* the baseline */
    double holm;
};

/* A number with so many digits, or a dash for what is not known. */
static void optional(struct page *p, double value, int digits)
{
    if (isnan(value))
        page_cell(p, false, "–");
    else
        page_cell(p, false, "%.*f", digits, value);
}

static void write_line(struct page *p, const struct line *l)
{
    const struct seed_result *d = &l->against.difference;
    page_cell(p, true, "%s", l->arm->name);
    page_cell(p, false, "%s", l->arm->role);
    page_cell(p, false, "%zu", l->outcomes.seeds);
    page_cell(p, false, "%.4f", l->outcomes.mean);
    optional(p, l->outcomes.sd, 4);
    if (l->against.there && strcmp(l->arm->name, baseline) != 0) {
        page_cell(p, false, "%+.4f", d->mean);
        page_cell(p, false, "%+.4f to %+.4f", d->interval.low, d->interval.high);
        page_cell(p, false, "%.4f", d->p);
        page_cell(p, false, "%.4f", l->holm);
        page_cell(p, false, "%.4f", l->against.mcnemar);
    } else {
        for (int i = 0; i < 5; i++)
            page_cell(p, false, "–");
    }
    optional(p, l->outcomes.nll, 3);
    optional(p, l->outcomes.ece, 3);
    page_row_end(p);
}

static void adjust(struct line *lines, size_t n)
{
    double *p = xmalloc_array(n + 1, sizeof *p);
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (lines[i].against.there && strcmp(lines[i].arm->name, baseline) != 0)
            p[m++] = lines[i].against.difference.p;
    holm_adjust(p, m);
    m = 0;
    for (size_t i = 0; i < n; i++)
        if (lines[i].against.there && strcmp(lines[i].arm->name, baseline) != 0)
            lines[i].holm = p[m++];
    free(p);
}

static void write_set(struct page *p, const struct experiment *e, const char *group, int set)
{
    struct line *lines = xcalloc(e->n_arms, sizeof *lines);
    struct outcomes plain;
    size_t n = 0;
    outcomes_of(&plain, e, group, baseline, set);
    for (size_t i = 0; i < e->n_arms; i++) {
        lines[n].arm = &e->arms[i];
        outcomes_of(&lines[n].outcomes, e, group, e->arms[i].name, set);
        if (lines[n].outcomes.seeds == 0)
            continue;
        lines[n].against = compare_outcomes(&plain, &lines[n].outcomes);
        n++;
    }
    if (n > 0) {
        adjust(lines, n);
        page_heading(p, 3, set_titles[set]);
        page_table(p,
                   set == SET_CONTRAST
                       ? "arm|role|>seeds|>both right|>sd|>less label-only|>95 % interval|>p|>Holm|>McNemar|>NLL|>ECE"
                       : "arm|role|>seeds|>accuracy|>sd|>less label-only|>95 % interval|>p|>Holm|>McNemar|>NLL|>ECE");
        for (size_t i = 0; i < n; i++)
            write_line(p, &lines[i]);
        page_table_end(p);
    }
    for (size_t i = 0; i < n; i++)
        outcomes_free(&lines[i].outcomes);
    outcomes_free(&plain);
    free(lines);
}

static void write_groups(struct page *p, const struct experiment *e)
{
    for (size_t i = 0; i < e->n_groups; i++) {
        struct buf title = {0};
        buf_addf(&title, "%s: all arms", e->groups[i]);
        page_heading(p, 2, title.data);
        page_text(
            p,
            "Differences are paired by seed and row, over the seeds that both have (the means are over all); intervals "
            "and p come from the two-level bootstrap over seeds and rows (10,000 draws), Holm's p is over the arms of "
            "the table, McNemar's is exact on what most seeds answered (of an even number the last is left out). %s",
            strcmp(e->groups[i], primary_group) == 0 ? "The primary endpoints are told above; the rest of this is "
                                                       "exploratory."
                                                     : "All of this is exploratory.");
        for (int set = 0; set < SETS; set++)
            write_set(p, e, e->groups[i], set);
        buf_free(&title);
    }
}

/* ---- the primary endpoints ---- */

static bool has_set(const struct experiment *e, const char *group, const char *arm, int set)
{
    for (size_t i = 0; i < e->n_cells; i++)
        if (strcmp(e->cells[i].group, group) == 0 && strcmp(e->cells[i].arm, arm) == 0 && e->cells[i].sets[set].there)
            return true;
    return false;
}

static void write_primary_arm(struct page *p, const struct experiment *e, const char *arm)
{
    struct comparison c[PRIMARY];
    double holm[PRIMARY];
    size_t n = 0;
    for (int i = 0; i < PRIMARY; i++) {
        struct outcomes a, b;
        outcomes_of(&a, e, primary_group, baseline, primary_sets[i]);
        outcomes_of(&b, e, primary_group, arm, primary_sets[i]);
        c[i] = compare_outcomes(&a, &b);
        holm[n] = c[i].difference.p;
        n += c[i].there;
        outcomes_free(&a);
        outcomes_free(&b);
    }
    holm_adjust(holm, n);
    n = 0;
    for (int i = 0; i < PRIMARY; i++) {
        if (!c[i].there)
            continue;
        page_cell(p, true, "%s", arm);
        page_cell(p, false, "%s", set_names[primary_sets[i]]);
        page_cell(p, false, "%zu", c[i].seeds);
        page_cell(p, false, "%+.4f", c[i].difference.mean);
        page_cell(p, false, "%+.4f to %+.4f", c[i].difference.interval.low, c[i].difference.interval.high);
        page_cell(p, false, "%.4f", holm[n++]);
        page_row_end(p);
    }
}

static void write_primary(struct page *p, const struct experiment *e)
{
    page_heading(p, 2, "The primary endpoints");
    page_text(p,
              "Fixed before the first run: 240 sentences with the teacher's labels (group %s); accuracy on the 1,821 "
              "sentences (trees1821), accuracy out of domain (imdb2000), contrast pairs with both right (contrast); "
              "each arm less label-only, Holm over the three. With one seed an interval is of the rows alone; with few "
              "seeds it is too narrow.",
              primary_group);
    bool any = false;
    for (int i = 0; i < PRIMARY; i++)
        any |= has_set(e, primary_group, baseline, primary_sets[i]);
    if (!any) {
        page_text(p, "None of them was looked at: what follows is exploratory.");
        return;
    }
    page_table(p, "arm|endpoint|>seeds|>difference|>95 % interval|>p, Holm");
    for (size_t i = 0; i < e->n_arms; i++)
        if (strcmp(e->arms[i].role, "arm") == 0)
            write_primary_arm(p, e, e->arms[i].name);
    page_table_end(p);
}

/* ---- what was not run, and what it cost ---- */

static void write_coverage(struct page *p, const struct experiment *e)
{
    page_heading(p, 2, "What was run, what was not, and what it cost");
    page_text(p,
              "Seconds and rows are of wall clock, on a machine that ran other cells beside; rows a second are those "
              "of the last stage.");
    page_table(p, "group|arm|>seeds|>seconds of training, mean|>rows a second|sets");
    for (size_t g = 0; g < e->n_groups; g++)
        for (size_t a = 0; a < e->n_arms; a++) {
            size_t seeds = 0;
            double seconds = 0, speed = 0;
            bool sets[SETS] = {0};
            for (size_t i = 0; i < e->n_cells; i++) {
                const struct cell *c = &e->cells[i];
                if (strcmp(c->group, e->groups[g]) != 0 || strcmp(c->arm, e->arms[a].name) != 0)
                    continue;
                seeds++;
                seconds += c->train_seconds;
                speed += c->rows_per_second;
                for (int s = 0; s < SETS; s++)
                    sets[s] |= c->sets[s].there;
            }
            page_cell(p, true, "%s", e->groups[g]);
            page_cell(p, false, "%s", e->arms[a].name);
            if (seeds == 0)
                page_cell(p, false, "not run");
            else
                page_cell(p, false, "%zu", seeds);
            optional(p, seeds ? seconds / (double)seeds : NAN, 1);
            optional(p, seeds ? speed / (double)seeds : NAN, 1);
            struct buf names = {0};
            buf_addstr(&names, " ");
            for (int s = 0; s < SETS; s++)
                if (sets[s])
                    buf_addf(&names, "%s ", set_names[s]);
            page_cell(p, false, "%s", names.data);
            page_row_end(p);
            buf_free(&names);
        }
    page_table_end(p);
}

/* ---- all of it ---- */

const char *report_best_arm(const struct experiment *e, const char *group, int set)
{
    const char *best = NULL;
    double most = -1;
    for (size_t i = 0; i < e->n_arms; i++) {
        struct outcomes o;
        if (strcmp(e->arms[i].role, "arm") != 0)
            continue;
        outcomes_of(&o, e, group, e->arms[i].name, set);
        if (o.seeds > 0 && o.mean > most) {
            most = o.mean;
            best = e->arms[i].name;
        }
        outcomes_free(&o);
    }
    return best;
}

int report_main_set(const struct experiment *e, const char *group)
{
    for (int set = SETS - 1; set > SET_VALIDATION; set--)
        if (set != SET_CONTRAST && set != SET_IMDB && has_set(e, group, baseline, set) &&
            report_best_arm(e, group, set))
            return set;
    return SET_VALIDATION;
}

static int write_file(const char *folder, const char *name, const struct buf *text, struct error *err)
{
    char *path = path_join(folder, name);
    int result = file_write(path, text->data, text->len, err);
    free(path);
    return result;
}

int report_write(const struct experiment *e, const struct report_options *o, struct error *err)
{
    struct page p = {0};
    int result = folder_make(o->output, err);
    if (result < 0)
        return -1;
    page_begin(&p, "Does a student learn from its teacher's reasoning?");
    write_opening(&p, e);
    write_primary(&p, e);
    report_rule(&p, e);
    write_groups(&p, e);
    if (report_plots(&p, e, o, err) < 0 || report_rows(&p, e, o, err) < 0)
        result = -1;
    write_coverage(&p, e);
    write_about(&p, e);
    page_end(&p);
    if (result == 0 && (write_file(o->output, "report.md", &p.markdown, err) < 0 ||
                        write_file(o->output, "report.html", &p.html, err) < 0))
        result = -1;
    page_free(&p);
    return result;
}
