/* row_report.c - see row_report.h. */
#include "teacher/row_report.h"

#include <math.h>
#include <string.h>

#include "wire/json.h"

int row_report_open(struct row_report *r, const char *path, const struct price *price, struct error *err)
{
    *r = (struct row_report){.price = *price};
    return output_open(&r->output, path, false, err);
}

static void put_line(struct row_report *r)
{
    buf_addch(&r->line, '\n');
    output_write(&r->output, r->line.data, r->line.len);
    buf_reset(&r->line);
}

static void add_cost(struct row_report *r, double cost)
{
    buf_addstr(&r->line, ",\"cost\":");
    if (cost >= 0)
        json_add_double(&r->line, round(cost * 1e12) * 1e-12); /* sums of doubles */
    else
        buf_addstr(&r->line, "null");
}

static void add_question(struct row_report *r, const struct question *q)
{
    buf_addf(&r->line, "{\"source\":\"%s\",\"status\":\"%s\",\"attempts\":%ld,\"ms\":%ld,\"request_id\":",
             q->replayed ? "journal" : "server", q->failed ? "error" : "ok", q->attempts, lround(1000 * q->seconds));
    if (*q->request_id)
        json_add_string(&r->line, q->request_id, strlen(q->request_id));
    else
        buf_addstr(&r->line, "null");
    buf_addstr(&r->line, ",\"usage\":");
    usage_write(&r->line, &q->usage);
    add_cost(r, price_of(&r->price, &q->usage) * (q->batch ? price_batch_share : 1));
    buf_addch(&r->line, '}');
}

void row_report_add(struct row_report *r, uint64_t line, bool failed, struct question *const *questions, unsigned n)
{
    buf_addf(&r->line, "{\"event\":\"row\",\"line\":%llu,\"status\":\"%s\",\"samples\":[", (unsigned long long)line,
             failed ? "error"
             : n    ? "ok"
                    : "passed");
    for (unsigned k = 0; k < n; k++) {
        buf_addstr(&r->line, k ? "," : "");
        add_question(r, questions[k]);
    }
    buf_addstr(&r->line, "]}");
    put_line(r);
}

void row_report_end(struct row_report *r, const struct asker *a, int status, uint64_t rows, uint64_t failed)
{
    buf_addf(&r->line,
             "{\"event\":\"end\",\"status\":%d,\"rows\":%llu,\"failed\":%llu,\"questions\":%llu,\"requests\":%llu,"
             "\"from_journal\":%llu,\"usage\":",
             status, (unsigned long long)rows, (unsigned long long)failed, (unsigned long long)a->questions,
             (unsigned long long)a->requests, (unsigned long long)a->replayed);
    usage_write(&r->line, &a->usage);
    add_cost(r, a->spending.price.known ? a->spending.cost : -1);
    buf_addf(&r->line, ",\"replies_of_unknown_cost\":%llu}", (unsigned long long)a->spending.unpriced);
    put_line(r);
}

int row_report_close(struct row_report *r, struct error *err)
{
    buf_free(&r->line);
    if (output_close(&r->output) == 0)
        return 0;
    *err = r->output.error;
    return -1;
}
