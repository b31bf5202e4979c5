/* rows.h - ragged rows as named columns: what a batch frame holds, and what bert-train spools.
 *
 * A column has a value a row (label), a value a token (types, cues; their number follows ids), or a list a row
 * (ids, reason_ids, edit_ids), which carries offsets of its own: rows i's part is offsets[i]..offsets[i+1].
 * On the wire a list column `P_ids` is the tensor `P_ids` and the tensor `P_offsets` (for `ids`: `offsets`). Which kind
 * an unknown tensor is follows from the offsets tensor, else from its first dimension (n rows or T tokens; a row has at
 * least two tokens, so they differ). Unknown columns are kept and found by name; dimensions after the first come back
 * as one.
 */
#ifndef WIRE_ROWS_H
#define WIRE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "wire/safetensors.h"

enum column_kind { COLUMN_ROW, COLUMN_TOKEN, COLUMN_LIST };

/* Values of the column `cues`, one a token. */
enum {
    CUE_NONE = 0,
    CUE_DECISIVE = 1,
    CUE_FAVOURABLE = 2,
    CUE_UNFAVOURABLE = 3,
    CUE_MODIFIER = 4,
    CUE_ROW_UNMARKED = 255
};

struct column {
    char *name;
    enum st_dtype dtype;
    enum column_kind kind;
    size_t width;       /* elements for each row or token: the product of the dimensions after the first */
    struct buf values;  /* element size x width x (rows, tokens or list elements) bytes */
    struct buf offsets; /* COLUMN_LIST: int64_t, n+1 of them, the first 0 */
};

struct rows {
    size_t n; /* rows */
    struct column *columns;
    size_t n_columns;
};

/* Finds a column; NULL where there is none. */
struct column *rows_find(const struct rows *rows, const char *name);
/* Typed access; the column must be of that type (assert). */
const int32_t *column_i32(const struct column *c);
const int64_t *column_i64(const struct column *c);
const float *column_f32(const struct column *c);
const uint8_t *column_u8(const struct column *c);
const int64_t *column_offsets(const struct column *c);

/* Finds or makes a column in rows that are filled by hand: the caller appends to values (and to offsets, which starts
 * with the 0) and raises rows->n. An existing one must have the same type. */
struct column *rows_column(struct rows *rows, const char *name, enum st_dtype dtype, enum column_kind kind,
                           size_t width);
/* No rows; the columns and their memory stay. */
void rows_reset(struct rows *rows);
void rows_free(struct rows *rows);

/* Takes a frame of kind batch apart, checking it: ids, offsets, idx and label are there; every column's length; known
 * columns' dtype and range of values; every row at least 1 token; offsets ascending. The values are copied. What rows
 * held before is gone, columns that the frame lacks too: a struct column * must be looked up again for each frame. */
int rows_from_frame(struct rows *rows, const struct st_frame *frame, struct error *err);
/* Appends src's rows to dst. A column that one side lacks is filled with the value that means "unknown": label,
 * teacher_label -1; confidence, teacher_probs -1; types 0; cues CUE_ROW_UNMARKED; lists empty; any other is an error,
 * and then dst is unchanged. */
int rows_append(struct rows *dst, const struct rows *src, struct error *err);

#endif
