/* report_rule.c - the rule of success, fixed before anything was run: which arms are better than label-only, than
 * label-only with as much compute, than as many further rows with the teacher's label alone, and than their own recipe
 * with reasoning that was shuffled.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/compare.h"
#include "report/report.h"

/* What the rule names beside an arm's own controls. */
static const char *const rivals[] = {"label", "compute", "double"};
enum {
    RIVALS = sizeof rivals / sizeof *rivals,
    LEAST_SEEDS = 3 /* fewer do not show how far seeds spread, so an interval above 0 says little */
};

enum outcome { ABOVE, NOT_ABOVE, NOT_RUN };

/* What became of an arm on a set. */
struct verdict {
    struct buf beaten_by, missing, further; /* ", " before each name */
    size_t seeds;                           /* the fewest of its comparisons */
    bool shuffled;                          /* there is a control of its own with shuffled reasoning */
};

static bool has_set(const struct experiment *e, const char *group, const char *arm, int set)
{
    for (size_t i = 0; i < e->n_cells; i++)
        if (strcmp(e->cells[i].group, group) == 0 && strcmp(e->cells[i].arm, arm) == 0 && e->cells[i].sets[set].there)
            return true;
    return false;
}

/* Writes one comparison, and lowers *seeds to its number of seeds. */
static enum outcome write_against(struct page *p, const struct experiment *e, const char *group, int set,
                                  const char *arm, const char *other, size_t *seeds)
{
    struct outcomes a, b;
    outcomes_of(&a, e, group, other, set);
    outcomes_of(&b, e, group, arm, set);
    struct comparison c = compare_outcomes(&a, &b);
    enum outcome outcome = !c.there ? NOT_RUN : c.difference.interval.low > 0 ? ABOVE : NOT_ABOVE;
    page_cell(p, true, "%s", arm);
    page_cell(p, false, "%s", set_names[set]);
    page_cell(p, false, "%s", other);
    page_cell(p, false, "%zu", c.seeds);
    if (c.there) {
        *seeds = c.seeds < *seeds ? c.seeds : *seeds;
        page_cell(p, false, "%+.4f", c.difference.mean);
        page_cell(p, false, "%+.4f to %+.4f", c.difference.interval.low, c.difference.interval.high);
        page_cell(p, false, "%s", outcome == ABOVE ? "above 0" : "not above 0");
    } else {
        page_cell(p, false, "–");
        page_cell(p, false, "–");
        page_cell(p, false, "not run");
    }
    page_row_end(p);
    outcomes_free(&a);
    outcomes_free(&b);
    return outcome;
}

/* required: without it the rule cannot be met. */
static void note(struct verdict *v, enum outcome outcome, const char *other, bool required)
{
    if (outcome == NOT_ABOVE)
        buf_addf(&v->beaten_by, ", %s", other);
    else if (outcome == NOT_RUN)
        buf_addf(required ? &v->missing : &v->further, ", %s", other);
}

static bool is_rival(const char *name)
{
    for (int i = 0; i < RIVALS; i++)
        if (strcmp(rivals[i], name) == 0)
            return true;
    return false;
}

static void judge_arm(struct page *p, struct verdict *v, const struct experiment *e, const char *group, int set,
                      const char *arm)
{
    for (int i = 0; i < RIVALS; i++)
        note(v, write_against(p, e, group, set, arm, rivals[i], &v->seeds), rivals[i], true);
    for (size_t i = 0; i < e->n_arms; i++) {
        const struct arm *control = &e->arms[i];
        if (strcmp(control->role, "control") != 0 || strcmp(control->of, arm) != 0 || is_rival(control->name))
            continue;
        bool shuffled = strstr(control->name, "shuffled") != NULL;
        v->shuffled |= shuffled;
        note(v, write_against(p, e, group, set, arm, control->name, &v->seeds), control->name, shuffled);
    }
    if (!v->shuffled)
        buf_addstr(&v->missing, ", a control of its own with shuffled reasoning");
}

static const char *names(const struct buf *list)
{
    return list->data + 2; /* after the first ", " */
}

static void write_verdict(struct page *p, const struct verdict *v, const char *group, int set, const char *arm)
{
    page_cell(p, true, "%s", arm);
    page_cell(p, false, "%s, %s", group, set_names[set]);
    if (v->beaten_by.len) {
        page_cell(p, false, "does not pass");
        page_cell(p, false, "not above %s%s%s", names(&v->beaten_by), v->missing.len ? "; not compared with " : "",
                  v->missing.len ? names(&v->missing) : "");
    } else if (v->missing.len) {
        page_cell(p, false, "open");
        page_cell(p, false, "not compared with %s", names(&v->missing));
    } else if (v->seeds < LEAST_SEEDS) {
        page_cell(p, false, "open");
        page_cell(p, false, "too few seeds: %zu", v->seeds);
    } else {
        page_cell(p, false, "PASSES");
        page_cell(p, false, "%s%s", v->further.len ? "further controls that were not run: " : "above all that it names",
                  v->further.len ? names(&v->further) : "");
    }
    page_row_end(p);
}

static void free_verdict(struct verdict *v)
{
    buf_free(&v->beaten_by);
    buf_free(&v->missing);
    buf_free(&v->further);
}

static void write_group(struct page *verdicts, struct page *comparisons, const struct experiment *e, const char *group)
{
    page_heading(comparisons, 3, group);
    page_table(comparisons, "arm|set|against|>seeds|>difference|>95 % interval|verdict");
    for (int set = 0; set < SETS; set++)
        for (size_t i = 0; i < e->n_arms; i++) {
            struct verdict v = {.seeds = SIZE_MAX};
            if (strcmp(e->arms[i].role, "arm") != 0 || !has_set(e, group, e->arms[i].name, set))
                continue;
            judge_arm(comparisons, &v, e, group, set, e->arms[i].name);
            write_verdict(verdicts, &v, group, set, e->arms[i].name);
            free_verdict(&v);
        }
    page_table_end(comparisons);
}

void report_rule(struct page *p, const struct experiment *e)
{
    struct page comparisons = {0};
    page_heading(p, 2, "Which arms pass");
    page_text(p,
              "The rule, fixed before the first run: an arm passes on a set where the interval of its difference lies "
              "above 0 against label-only (label), against label-only with twice the steps (compute), against as many "
              "further rows with the teacher's label alone (double), and against every control of its own that was "
              "run, one with shuffled reasoning among them; of fewer than %d seeds none passes. Nothing is adjusted "
              "for the number of arms here; the primary endpoints are. Validation rows choose; only the other sets "
              "judge.",
              LEAST_SEEDS);
    page_table(p, "arm|where|verdict|why");
    page_heading(&comparisons, 2, "Each arm beside its controls");
    page_text(&comparisons, "Differences are the arm's less the other's, paired by seed and row.");
    for (size_t g = 0; g < e->n_groups; g++)
        write_group(p, &comparisons, e, e->groups[g]);
    page_table_end(p);
    page_append(p, &comparisons);
    page_free(&comparisons);
}
