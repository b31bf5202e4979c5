/* jsonl.h - rows that are JSON objects, one a line. Blank lines are no rows.
 *
 * The sentence keeps the bytes and escapes of its source. Every member but the four that sst2-dump writes itself passes
 * through untouched and in order, so that dumping a dump changes nothing. An integer `idx` is kept; without one the row
 * gets its place in the file.
 */
#ifndef DATA_JSONL_H
#define DATA_JSONL_H

#include "base/buf.h"
#include "base/error.h"
#include "data/options.h"
#include "data/row.h"
#include "wire/json.h"
#include "wire/lines.h"

struct jsonl {
    struct lines *lines;                    /* not owned */
    const struct class_names *labels;       /* not owned */
    const char *text_member, *label_member; /* as asked for; NULL: the usual names */
    struct json doc;
    struct buf members;
    long long next_idx;
};

void jsonl_open(struct jsonl *j, struct lines *lines, const struct data_options *options);
enum data_step jsonl_next(struct jsonl *j, struct data_row *row, struct error *err);
void jsonl_close(struct jsonl *j);

#endif
