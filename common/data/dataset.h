/* dataset.h - the rows of a data set, whatever it is stored in: a zip archive, a folder or a file; GLUE's TSV, trees,
 * CSV, TSV or JSONL.
 *
 *     struct dataset set;
 *     struct data_row row;
 *     if (dataset_open(&set, &options, &err) < 0)
 *         die_error(&err);
 *     while ((step = dataset_next(&set, &row, &err)) == DATA_ROW)
 *         ...
 *     dataset_close(&set);
 *
 * Rows come in the order of the file, their idx counts from 0. Messages about a row begin `FILE:LINE: `, then name the
 * column (member, byte), and give the reason and, where the options are at fault (STATUS_USAGE), the cure.
 */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include <stdbool.h>

#include "base/error.h"
#include "data/jsonl.h"
#include "data/options.h"
#include "data/row.h"
#include "data/table.h"
#include "data/trees.h"
#include "wire/lines.h"

struct dataset {
    struct lines lines;
    enum data_format format; /* found out; FORMAT_TSV for GLUE */
    union {
        struct table table;
        struct trees trees;
        struct jsonl jsonl;
    } reader;
};

/* The options must live as long as the data set. Options that the format found has no use for are STATUS_USAGE. */
int dataset_open(struct dataset *set, const struct data_options *options, struct error *err);
enum data_step dataset_next(struct dataset *set, struct data_row *row, struct error *err);
/* Whether dataset_next would return without waiting for the input. */
bool dataset_ready(struct dataset *set);
void dataset_close(struct dataset *set);

#endif
