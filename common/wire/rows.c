/* rows.c - see rows.h: columns found, made and appended. A frame is taken apart in rows_frame.c. */
#include "wire/rows.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "wire/rows_known.h"

const struct known_column known_columns[] = {
    {"ids", ST_I32, COLUMN_LIST, 1, true, UNKNOWN_NONE},
    {"idx", ST_I64, COLUMN_ROW, 1, true, UNKNOWN_NONE},
    {"label", ST_I32, COLUMN_ROW, 1, true, UNKNOWN_MINUS_1},
    {"types", ST_U8, COLUMN_TOKEN, 1, false, UNKNOWN_0},
    {"cues", ST_U8, COLUMN_TOKEN, 1, false, UNKNOWN_255},
    {"teacher_label", ST_I32, COLUMN_ROW, 1, false, UNKNOWN_MINUS_1},
    {"confidence", ST_F32, COLUMN_ROW, 1, false, UNKNOWN_MINUS_1},
    {"teacher_probs", ST_F32, COLUMN_ROW, 0, false, UNKNOWN_MINUS_1},
    {"reason_ids", ST_I32, COLUMN_LIST, 1, false, UNKNOWN_NONE},
    {"edit_ids", ST_I32, COLUMN_LIST, 1, false, UNKNOWN_NONE},
    {.name = NULL},
};

const struct known_column *known_column(const char *name)
{
    for (const struct known_column *k = known_columns; k->name; k++) {
        if (strcmp(k->name, name) == 0)
            return k;
    }
    return NULL;
}

struct column *rows_find(const struct rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->n_columns; i++) {
        if (strcmp(rows->columns[i].name, name) == 0)
            return &rows->columns[i];
    }
    return NULL;
}

const int32_t *column_i32(const struct column *c)
{
    assert(c->dtype == ST_I32);
    return (const int32_t *)(const void *)c->values.data;
}

const int64_t *column_i64(const struct column *c)
{
    assert(c->dtype == ST_I64);
    return (const int64_t *)(const void *)c->values.data;
}

const float *column_f32(const struct column *c)
{
    assert(c->dtype == ST_F32);
    return (const float *)(const void *)c->values.data;
}

const uint8_t *column_u8(const struct column *c)
{
    assert(c->dtype == ST_U8);
    return (const uint8_t *)c->values.data;
}

const int64_t *column_offsets(const struct column *c)
{
    assert(c->kind == COLUMN_LIST);
    return (const int64_t *)(const void *)c->offsets.data;
}

static void column_reset(struct column *c)
{
    const int64_t zero = 0;
    buf_reset(&c->values);
    buf_reset(&c->offsets);
    if (c->kind == COLUMN_LIST)
        buf_add(&c->offsets, &zero, sizeof zero);
}

struct column *rows_column(struct rows *rows, const char *name, enum st_dtype dtype, enum column_kind kind,
                           size_t width)
{
    struct column *c = rows_find(rows, name);
    if (c) {
        assert(c->dtype == dtype && c->kind == kind && c->width == width);
        return c;
    }
    rows->columns = xrealloc_array(rows->columns, rows->n_columns + 1, sizeof *rows->columns);
    c = &rows->columns[rows->n_columns++];
    *c = (struct column){.name = xstrdup(name), .dtype = dtype, .kind = kind, .width = width};
    column_reset(c);
    return c;
}

static void column_free(struct column *c)
{
    free(c->name);
    buf_free(&c->values);
    buf_free(&c->offsets);
}

void rows_remove_column(struct rows *rows, struct column *c)
{
    size_t after = rows->n_columns - 1 - (size_t)(c - rows->columns);
    column_free(c);
    memmove(c, c + 1, after * sizeof *c);
    rows->n_columns--;
}

void rows_reset(struct rows *rows)
{
    for (size_t i = 0; i < rows->n_columns; i++)
        column_reset(&rows->columns[i]);
    rows->n = 0;
}

void rows_free(struct rows *rows)
{
    for (size_t i = 0; i < rows->n_columns; i++)
        column_free(&rows->columns[i]);
    free(rows->columns);
    *rows = (struct rows){0};
}

/* ---- appending ---- */

/* Whether rows that lack this column can be given values that mean "unknown". */
static bool can_fill(const struct column *c)
{
    const struct known_column *k = known_column(c->name);
    return c->kind == COLUMN_LIST ? !k || !k->required : k && k->unknown != UNKNOWN_NONE;
}

/* Appends `rows` rows, of `tokens` tokens in all, whose values are unknown. */
static void fill(struct column *c, size_t rows, size_t tokens)
{
    if (c->kind == COLUMN_LIST) {
        int64_t end = column_offsets(c)[c->offsets.len / sizeof(int64_t) - 1];
        for (size_t i = 0; i < rows; i++)
            buf_add(&c->offsets, &end, sizeof end);
        return;
    }
    enum unknown unknown = known_column(c->name)->unknown;
    size_t n = (c->kind == COLUMN_ROW ? rows : tokens) * c->width;
    if (unknown == UNKNOWN_MINUS_1) {
        const int32_t label = -1;
        const float share = -1;
        buf_reserve(&c->values, n * sizeof(int32_t));
        for (size_t i = 0; i < n; i++)
            buf_add(&c->values, c->dtype == ST_F32 ? (const void *)&share : &label, sizeof label);
    } else {
        buf_reserve(&c->values, n);
        memset(c->values.data + c->values.len, unknown == UNKNOWN_255 ? CUE_ROW_UNMARKED : 0, n);
        c->values.len += n;
    }
}

static void append(struct column *to, const struct column *from, size_t rows)
{
    if (from->values.len)
        buf_add(&to->values, from->values.data, from->values.len);
    if (from->kind != COLUMN_LIST)
        return;
    const int64_t *offsets = column_offsets(from);
    int64_t base = column_offsets(to)[to->offsets.len / sizeof(int64_t) - 1];
    buf_reserve(&to->offsets, rows * sizeof(int64_t));
    for (size_t i = 1; i <= rows; i++) {
        int64_t end = base + offsets[i];
        buf_add(&to->offsets, &end, sizeof end);
    }
}

static int check_append(const struct rows *dst, const struct rows *src, struct error *err)
{
    for (size_t i = 0; i < src->n_columns; i++) {
        const struct column *from = &src->columns[i], *to = rows_find(dst, from->name);
        if (!to && dst->n && !can_fill(from))
            return error_set(err, STATUS_FAILURE, "tensor \"%.80s\" is missing in earlier rows", from->name);
        if (to && (to->dtype != from->dtype || to->kind != from->kind || to->width != from->width))
            return error_set(err, STATUS_FAILURE, "tensor \"%.80s\" has another dtype or shape than in earlier rows",
                             from->name);
    }
    for (size_t i = 0; dst->n && i < dst->n_columns; i++) {
        const struct column *to = &dst->columns[i];
        if (!rows_find(src, to->name) && !can_fill(to))
            return error_set(err, STATUS_FAILURE, "tensor \"%.80s\" is missing, earlier rows have it", to->name);
    }
    return 0;
}

static size_t tokens_of(const struct rows *rows)
{
    const struct column *ids = rows_find(rows, "ids");
    return ids ? ids->values.len / sizeof(int32_t) : 0;
}

int rows_append(struct rows *dst, const struct rows *src, struct error *err)
{
    size_t old_tokens = tokens_of(dst), new_tokens = tokens_of(src);
    if (src->n == 0)
        return 0;
    if (check_append(dst, src, err) < 0)
        return -1;
    for (size_t i = dst->n_columns; i-- > 0;) {
        struct column *to = &dst->columns[i];
        if (rows_find(src, to->name))
            continue;
        if (can_fill(to))
            fill(to, src->n, new_tokens);
        else
            rows_remove_column(dst, to); /* of earlier use, before rows_reset */
    }
    for (size_t i = 0; i < src->n_columns; i++) {
        const struct column *from = &src->columns[i];
        bool is_new = !rows_find(dst, from->name);
        struct column *to = rows_column(dst, from->name, from->dtype, from->kind, from->width);
        if (is_new && dst->n)
            fill(to, dst->n, old_tokens);
        append(to, from, src->n);
    }
    dst->n += src->n;
    return 0;
}
