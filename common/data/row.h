/* row.h - one row of a data set on its way to NDJSON; see the contract of the rows in sst2-dump(1).
 *
 *     {"idx":0,"sentence":"hide new secretions from the parental units ","label":0}
 *
 * The bytes belong to the reader that filled the row and live until its next row.
 */
#ifndef DATA_ROW_H
#define DATA_ROW_H

#include <stddef.h>

#include "base/buf.h"

/* What the readers return: a row, the end of the data, a row that is malformed (the next call goes on behind it), or a
 * failure after which nothing more can be read. */
enum data_step { DATA_END = 0, DATA_ROW = 1, DATA_BAD_ROW = 2, DATA_FAILED = -1 };

enum { LABEL_UNKNOWN = -1 };

struct data_row {
    long long idx;        /* its place in the source, from 0, unless the source says otherwise */
    const char *sentence; /* strict UTF-8; may hold NULs */
    size_t sentence_len;
    const char *sentence_json; /* the sentence as a JSON source wrote it, quotes included; NULL: made from `sentence` */
    size_t sentence_json_len;
    int label;              /* class, or LABEL_UNKNOWN */
    const char *label_text; /* the name that the source gave; NULL where it gave none or a number */
    const char *members;    /* the other members of a JSON source, each with a comma before it; may be NULL */
    size_t members_len;
};

/* Appends the row as one line of NDJSON, \n included. */
void data_row_write(const struct data_row *row, struct buf *out);

#endif
