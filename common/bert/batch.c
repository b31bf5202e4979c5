/* batch.c - see batch.h. */
#include "bert/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static size_t round_up(size_t n)
{
    return (n + 15) / 16 * 16;
}

static void reserve(struct batch *b, size_t rows, size_t tokens)
{
    if (rows > b->rows_capacity) {
        b->rows_capacity = round_up(rows + rows / 4);
        b->row = xrealloc_array(b->row, b->rows_capacity, sizeof *b->row);
        b->first = xrealloc_array(b->first, b->rows_capacity, sizeof *b->first);
        b->offsets = xrealloc_array(b->offsets, b->rows_capacity + 1, sizeof *b->offsets);
    }
    if (tokens > b->tokens_capacity) {
        b->tokens_capacity = round_up(tokens + tokens / 4);
        b->ids = xrealloc_array(b->ids, b->tokens_capacity, sizeof *b->ids);
        b->types_storage = xrealloc_array(b->types_storage, b->tokens_capacity, sizeof *b->types_storage);
        b->token = xrealloc_array(b->token, b->tokens_capacity, sizeof *b->token);
        b->token_row = xrealloc_array(b->token_row, b->tokens_capacity, sizeof *b->token_row);
    }
}

void batch_begin(struct batch *b)
{
    reserve(b, 1, 1);
    b->rows = b->tokens = b->longest = 0;
    b->has_types = false;
    b->offsets[0] = 0;
}

int32_t *batch_add(struct batch *b, const int32_t *ids, const uint8_t *types, size_t n, uint64_t number)
{
    reserve(b, b->rows + 1, b->tokens + n);
    size_t begin = b->tokens;
    if (n > 0)
        memcpy(b->ids + begin, ids, n * sizeof *ids);
    for (size_t i = 0; i < n; i++) {
        b->types_storage[begin + i] = types ? types[i] : 0;
        b->token[begin + i] = (uint32_t)i;
        b->token_row[begin + i] = number;
    }
    b->has_types |= types != NULL;
    b->row[b->rows++] = number;
    b->tokens += n;
    b->offsets[b->rows] = (int64_t)b->tokens;
    b->longest = n > b->longest ? n : b->longest;
    return b->ids + begin;
}

void batch_add_rows(struct batch *b, const struct rows *rows, const uint64_t *which, size_t n, uint64_t first_number)
{
    const struct column *ids_column = rows_find(rows, "ids"), *types_column = rows_find(rows, "types");
    const int32_t *ids = column_i32(ids_column);
    const int64_t *offsets = column_offsets(ids_column);
    const uint8_t *types = types_column ? column_u8(types_column) : NULL;
    for (size_t i = 0; i < n; i++) {
        size_t begin = (size_t)offsets[which[i]], length = (size_t)offsets[which[i] + 1] - begin;
        batch_add(b, ids + begin, types ? types + begin : NULL, length, first_number + i);
    }
}

void batch_end(struct batch *b)
{
    size_t multiple = b->row_multiple ? b->row_multiple : 1;
    b->padded_rows = (b->rows + multiple - 1) / multiple * multiple;
    b->padded_tokens = (b->tokens + multiple - 1) / multiple * multiple;
    reserve(b, b->padded_rows, b->padded_tokens);
    for (size_t t = b->tokens; t < b->padded_tokens; t++) {
        b->ids[t] = 0;
        b->types_storage[t] = 0;
        b->token[t] = 0;
        b->token_row[t] = 0;
    }
    for (size_t i = b->rows; i < b->padded_rows; i++)
        b->row[i] = 0;
    memset(b->first, 0, b->padded_rows * sizeof *b->first);
    b->types = b->has_types ? b->types_storage : NULL;
}

void batch_fill(struct batch *b, const struct rows *rows, const uint64_t *which, size_t n, uint64_t first_number)
{
    batch_begin(b);
    batch_add_rows(b, rows, which, n, first_number);
    batch_end(b);
}

void batch_free(struct batch *b)
{
    free(b->offsets);
    free(b->ids);
    free(b->types_storage);
    free(b->token);
    free(b->token_row);
    free(b->row);
    free(b->first);
    *b = (struct batch){0};
}
