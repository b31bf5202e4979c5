/* rows_known.h - the columns that distil-stream(5) defines; shared by rows.c and rows_frame.c, no interface for others.
 */
#ifndef WIRE_ROWS_KNOWN_H
#define WIRE_ROWS_KNOWN_H

#include <stdbool.h>

#include "wire/rows.h"

/* The value of a row or token for which nothing is known. */
enum unknown { UNKNOWN_NONE, UNKNOWN_MINUS_1, UNKNOWN_0, UNKNOWN_255 };

struct known_column {
    const char *name;
    enum st_dtype dtype;
    enum column_kind kind;
    size_t width; /* 0: any from 1 on */
    bool required;
    enum unknown unknown;
};

extern const struct known_column known_columns[]; /* ends with name NULL */
const struct known_column *known_column(const char *name);
void rows_remove_column(struct rows *rows, struct column *c);

#endif
