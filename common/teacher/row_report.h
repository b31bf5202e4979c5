/* row_report.h - what a run's rows took, as a file beside them: --report.
 *
 *     {"event":"row","line":1,"status":"ok","samples":[{"source":"server","attempts":1,"ms":412,"request_id":"req_1",
 *      "usage":{...},"cost":0.00012}]}
 *     {"event":"end","status":0,"rows":1,...}
 *
 * Here is what depends on the run and the clock, so that the rows need not: milliseconds, attempts, request ids, costs.
 * Newline-delimited JSON, a line a row in the order of the output; the file appears when the run ends, however it ends.
 */
#ifndef TEACHER_ROW_REPORT_H
#define TEACHER_ROW_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"
#include "teacher/asker.h"

struct row_report {
    struct output output;
    struct price price;
    struct buf line;
};

int row_report_open(struct row_report *report, const char *path, const struct price *price, struct error *err);
/* questions[n]: the row's; n 0: it was not asked. A failed write is told by row_report_close. */
void row_report_add(struct row_report *report, uint64_t line, bool failed, struct question *const *questions,
                    unsigned n);
/* The last line: the run as a whole. */
void row_report_end(struct row_report *report, const struct asker *asker, int status, uint64_t rows, uint64_t failed);
int row_report_close(struct row_report *report, struct error *err);

#endif
