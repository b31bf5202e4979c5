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

/* ---- what was run ---- */

static void write_about(struct page *p, const struct experiment *e)
{
    struct json doc = {0};
    struct error ignored = {0};
    page_heading(p, 2, "What was run");
    page_text(p,
              "%zu students are finished, of %zu groups (track and size) and up to %zu arms. Tracks: A gold labels and "
              "the teacher on the same rows; C gold labels on some rows, the teacher's on the rest; T the teacher's "
              "labels alone. In a group and seed all arms share rows, order, initial weights and number of steps.",
              e->n_cells, e->n_groups, e->n_arms);
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

static void optional(struct page *p, double value, const char *format)
{
    struct buf text = {0};
    if (isnan(value)) {
        page_cell(p, false, "–");
        return;
    }
    buf_addf(&text, format[0] == '4' ? "%.4f" : "%.3f", value);
    page_cell(p, false, "%s", text.data);
    buf_free(&text);
}

static void write_line(struct page *p, const struct line *l)
{
    const struct seed_result *d = &l->against.difference;
    page_cell(p, true, "%s", l->arm->name);
    page_cell(p, false, "%s", l->arm->role);
    page_cell(p, false, "%zu", l->outcomes.seeds);
    page_cell(p, false, "%.4f", l->outcomes.mean);
    optional(p, l->outcomes.sd, "4");
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
    optional(p, l->outcomes.nll, "3");
    optional(p, l->outcomes.ece, "3");
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
            "Differences are paired by seed and row; intervals and p come from the two-level bootstrap over seeds "
            "and rows (10,000 draws), Holm's p is over the arms of the table, McNemar's is exact on what most "
            "seeds answered. %s",
            strcmp(e->groups[i], primary_group) == 0 ? "The primary endpoints are told below; the rest of this is "
                                                       "exploratory."
                                                     : "All of this is exploratory.");
        for (int set = 0; set < SETS; set++)
            write_set(p, e, e->groups[i], set);
        buf_free(&title);
    }
}

/* ---- the rule of success ---- */

/* One difference; returns whether its interval lies above 0. */
static bool write_against(struct page *p, const struct experiment *e, const char *group, int set, const char *arm,
                          const char *other)
{
    struct outcomes a, b;
    outcomes_of(&a, e, group, other, set);
    outcomes_of(&b, e, group, arm, set);
    struct comparison c = compare_outcomes(&a, &b);
    page_cell(p, true, "%s", arm);
    page_cell(p, false, "%s", set_names[set]);
    page_cell(p, false, "%s", other);
    if (c.there) {
        page_cell(p, false, "%zu", c.seeds);
        page_cell(p, false, "%+.4f", c.difference.mean);
        page_cell(p, false, "%+.4f to %+.4f", c.difference.interval.low, c.difference.interval.high);
        page_cell(p, false, "%s", c.difference.interval.low > 0 ? "above 0" : "not above 0");
    } else {
        page_cell(p, false, "0");
        page_cell(p, false, "–");
        page_cell(p, false, "–");
        page_cell(p, false, "not run");
    }
    page_row_end(p);
    outcomes_free(&a);
    outcomes_free(&b);
    return c.there && c.difference.interval.low > 0;
}

static bool has_set(const struct experiment *e, const char *group, const char *arm, int set)
{
    for (size_t i = 0; i < e->n_cells; i++)
        if (strcmp(e->cells[i].group, group) == 0 && strcmp(e->cells[i].arm, arm) == 0 && e->cells[i].sets[set].there)
            return true;
    return false;
}

static bool is_control_of(const struct arm *control, const char *arm)
{
    return strcmp(control->role, "control") == 0 &&
           (strcmp(control->of, arm) == 0 || strcmp(control->name, "compute") == 0);
}

/* An arm against label-only and its controls on one set. */
static bool write_rule(struct page *p, const struct experiment *e, const char *group, const char *arm, int set)
{
    bool passes = write_against(p, e, group, set, arm, baseline);
    for (size_t i = 0; i < e->n_arms; i++)
        if (is_control_of(&e->arms[i], arm))
            passes &= write_against(p, e, group, set, arm, e->arms[i].name);
    return passes;
}

static void write_controls(struct page *p, const struct experiment *e)
{
    for (size_t g = 0; g < e->n_groups; g++) {
        struct buf title = {0};
        buf_addf(&title, "%s: each arm beside its controls", e->groups[g]);
        page_heading(p, 2, title.data);
        buf_free(&title);
        page_text(
            p, "An arm passes where the interval of its difference lies above 0 against label-only and against every "
               "control of it. A control that was not run cannot be passed.");
        page_table(p, "arm|set|against|>seeds|>difference|>95 % interval|verdict");
        for (int set = 0; set < SETS; set++)
            for (size_t i = 0; i < e->n_arms; i++)
                if (strcmp(e->arms[i].role, "arm") == 0 && has_set(e, e->groups[g], e->arms[i].name, set) &&
                    write_rule(p, e, e->groups[g], e->arms[i].name, set)) {
                    page_cell(p, true, "%s", e->arms[i].name);
                    page_cell(p, false, "%s", set_names[set]);
                    page_cell(p, false, "label-only and all controls");
                    page_cell(p, false, " ");
                    page_cell(p, false, " ");
                    page_cell(p, false, " ");
                    page_cell(p, false, "PASSES");
                    page_row_end(p);
                }
        page_table_end(p);
    }
}

/* ---- the primary endpoints ---- */

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
        page_cell(p, false, "%s", set_titles[primary_sets[i]]);
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
              "sentences, accuracy out of domain, contrast pairs with both right; each arm less label-only, Holm over "
              "the three.",
              primary_group);
    page_table(p, "arm|endpoint|>seeds|>difference|>95 % interval|>p, Holm");
    for (size_t i = 0; i < e->n_arms; i++)
        if (strcmp(e->arms[i].role, "arm") == 0)
            write_primary_arm(p, e, e->arms[i].name);
    page_table_end(p);
}

/* ---- what was not run, and what it cost ---- */

static void write_missing(struct page *p, const struct experiment *e)
{
    page_heading(p, 2, "What was run, and what was not");
    page_table(p, "group|arm|>seeds|>seconds of training, mean|sets");
    for (size_t g = 0; g < e->n_groups; g++)
        for (size_t a = 0; a < e->n_arms; a++) {
            size_t seeds = 0;
            double seconds = 0;
            bool sets[SETS] = {0};
            for (size_t i = 0; i < e->n_cells; i++) {
                const struct cell *c = &e->cells[i];
                if (strcmp(c->group, e->groups[g]) != 0 || strcmp(c->arm, e->arms[a].name) != 0)
                    continue;
                seeds++;
                seconds += c->train_seconds;
                for (int s = 0; s < SETS; s++)
                    sets[s] |= c->sets[s].there;
            }
            page_cell(p, true, "%s", e->groups[g]);
            page_cell(p, false, "%s", e->arms[a].name);
            if (seeds == 0)
                page_cell(p, false, "not run");
            else
                page_cell(p, false, "%zu", seeds);
            optional(p, seeds ? seconds / (double)seeds : NAN, "3");
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
    write_about(&p, e);
    write_primary(&p, e);
    write_groups(&p, e);
    write_controls(&p, e);
    if (report_plots(&p, e, o, err) < 0 || report_rows(&p, e, o, err) < 0)
        result = -1;
    write_missing(&p, e);
    page_end(&p);
    if (result == 0 && (write_file(o->output, "report.md", &p.markdown, err) < 0 ||
                        write_file(o->output, "report.html", &p.html, err) < 0))
        result = -1;
    page_free(&p);
    return result;
}
