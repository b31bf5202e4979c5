/* report.h - the report of an experiment: every arm beside label-only and beside its controls, on every set that was
 * looked at, with what speaks against a finding as plainly as what speaks for it.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "report/experiment.h"
#include "report/page.h"

struct report_options {
    const char *output; /* folder for report.md, report.html and the plots */
    bool sentences;     /* rows may be quoted */
};

/* Writes the report's files. */
int report_write(const struct experiment *e, const struct report_options *o, struct error *err);

/* Its parts; report_rule.c, report_plots.c and report_rows.c. */
void report_rule(struct page *p, const struct experiment *e);
int report_plots(struct page *p, const struct experiment *e, const struct report_options *o, struct error *err);
int report_rows(struct page *p, const struct experiment *e, const struct report_options *o, struct error *err);
/* The arm of role `arm` with the largest mean on the set, NULL where none was run. */
const char *report_best_arm(const struct experiment *e, const char *group, int set);
/* The set with the most rows that label-only and another arm have: what plots and quotations are about. */
int report_main_set(const struct experiment *e, const char *group);

#endif
