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
        b->offsets = xrealloc_array(b->offsets, b->rows_capacity + 1, sizeof *b->offsets);
        b->row = xrealloc_array(b->row, b->rows_capacity, sizeof *b->row);
        b->first = xrealloc_array(b->first, b->rows_capacity, sizeof *b->first);
    }
    if (tokens > b->tokens_capacity) {
        b->tokens_capacity = round_up(tokens + tokens / 4);
        b->ids = xrealloc_array(b->ids, b->tokens_capacity, sizeof *b->ids);
        b->types_storage = xrealloc_array(b->types_storage, b->tokens_capacity, sizeof *b->types_storage);
        b->token = xrealloc_array(b->token, b->tokens_capacity, sizeof *b->token);
        b->token_row = xrealloc_array(b->token_row, b->tokens_capacity, sizeof *b->token_row);
    }
}

void batch_fill(struct batch *b, const struct rows *rows, const uint64_t *which, size_t n, uint64_t first_number)
{
    const struct column *ids_column = rows_find(rows, "ids"), *types_column = rows_find(rows, "types");
    const int32_t *ids = column_i32(ids_column);
    const int64_t *offsets = column_offsets(ids_column);
    const uint8_t *types = types_column ? column_u8(types_column) : NULL;
    size_t tokens = 0;
    for (size_t i = 0; i < n; i++)
        tokens += (size_t)(offsets[which[i] + 1] - offsets[which[i]]);
    b->rows = n;
    b->tokens = tokens;
    b->padded_rows = round_up(n);
    b->padded_tokens = round_up(tokens);
    b->longest = 0;
    reserve(b, b->padded_rows, b->padded_tokens);
    size_t t = 0;
    b->offsets[0] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t begin = (size_t)offsets[which[i]], length = (size_t)offsets[which[i] + 1] - begin;
        memcpy(b->ids + t, ids + begin, length * sizeof *ids);
        if (types)
            memcpy(b->types_storage + t, types + begin, length);
        b->row[i] = first_number + i;
        for (size_t j = 0; j < length; j++) {
            b->token[t + j] = (uint32_t)j;
            b->token_row[t + j] = first_number + i;
        }
        t += length;
        b->offsets[i + 1] = (int64_t)t;
        b->longest = length > b->longest ? length : b->longest;
    }
    for (; t < b->padded_tokens; t++) {
        b->ids[t] = 0;
        b->types_storage[t] = 0;
        b->token[t] = 0;
        b->token_row[t] = 0;
    }
    for (size_t i = n; i < b->padded_rows; i++)
        b->row[i] = 0;
    memset(b->first, 0, b->padded_rows * sizeof *b->first);
    b->types = types ? b->types_storage : NULL;
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
