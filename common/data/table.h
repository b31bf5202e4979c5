/* table.h - rows of a table with a header: GLUE's TSV (no quoting at all), the user's TSV, CSV after RFC 4180.
 *
 * In CSV a field that begins with a quote ends at the next single quote; inside, a doubled quote is one, and line ends
 * are text. A quote within an unquoted field is text. Lines end \n or \r\n; a blank line is no row. Every row has as
 * many fields as the header. The text and the label are found by the header's names or by number; all else is ignored.
 */
#ifndef DATA_TABLE_H
#define DATA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "data/options.h"
#include "data/row.h"
#include "wire/lines.h"

struct field {
    const char *text;
    size_t len;
};

struct table {
    struct lines *lines;              /* not owned */
    const struct class_names *labels; /* not owned */
    char delimiter;
    bool quoted;       /* quotes mean something (CSV) */
    struct buf record; /* a record that runs over several lines */
    struct buf values; /* its fields without their quotes */
    struct field *fields;
    size_t n_fields, cap_fields;
    uint64_t number;                    /* line on which the record begins */
    struct buf *names;                  /* the header; NULL without one */
    size_t n_columns;                   /* 0: no record was read yet */
    size_t text_column, label_column;   /* from 0; SIZE_MAX: none */
    const char *text_name, *label_name; /* as asked for; NULL: the usual names */
    bool pending;                       /* the fields hold a record that is still to be returned */
    long long next_idx;
};

/* Reads the header (or with no_header the first record) and finds the columns. No header is STATUS_FAILURE, a column
 * that was asked for and is not there STATUS_USAGE. */
int table_open(struct table *t, struct lines *lines, const struct data_options *options, char delimiter, bool quoted,
               struct error *err);
enum data_step table_next(struct table *t, struct data_row *row, struct error *err);
void table_close(struct table *t);

#endif
