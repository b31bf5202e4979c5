/* batch.h - some rows of a spool, or made from them, packed for the encoder: their tokens one after another, nothing
 * padded between them.
 *
 * Only the end may be filled up to a multiple of row_multiple tokens (and rows), where the matrix library likes that
 * (nn.h); the filling has no influence on any result.
 */
#ifndef BERT_BATCH_H
#define BERT_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/rows.h"

struct batch {
    size_t rows, tokens;               /* the real ones */
    size_t row_multiple;               /* set by the owner; 0: 1 */
    size_t padded_rows, padded_tokens; /* multiples of it */
    size_t longest;                    /* tokens of the longest row */
    int64_t *offsets;                  /* [rows + 1] */
    int32_t *ids;                      /* [padded_tokens] */
    uint8_t *types;                    /* [padded_tokens]; NULL where every type is 0 */
    uint32_t *token;                   /* [padded_tokens] place in the row, which is also the position */
    uint64_t *token_row;               /* [padded_tokens] the row's number in the run, for dropout */
    uint64_t *row;                     /* [padded_rows] the same, a row */
    uint32_t *first;                   /* [padded_rows] zeros: the place of a row's first token */
    uint8_t *types_storage;
    bool has_types;
    size_t rows_capacity, tokens_capacity;
};

/* A batch is filled between batch_begin and batch_end. Memory grows on demand and is kept. */
void batch_begin(struct batch *b);
/* Appends one row of n tokens (types NULL: all 0), which is number `number` of the run. Returns its ids in the batch,
 * which may be changed until the next row comes. */
int32_t *batch_add(struct batch *b, const int32_t *ids, const uint8_t *types, size_t n, uint64_t number);
/* Appends rows which[0..n) of the spool (columns ids and, where there, types); numbers are first_number and following.
 */
void batch_add_rows(struct batch *b, const struct rows *rows, const uint64_t *which, size_t n, uint64_t first_number);
void batch_end(struct batch *b);

/* All of that with these rows alone. */
void batch_fill(struct batch *b, const struct rows *rows, const uint64_t *which, size_t n, uint64_t first_number);
void batch_free(struct batch *b);

#endif
