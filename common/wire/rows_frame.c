/* rows_frame.c - a frame of kind batch into columns, everything checked that the tensors owe each other. */
#include "wire/rows.h"

#include <stdio.h>
#include <string.h>

#include "wire/rows_known.h"

static int tensor_error(struct error *err, const char *name, const char *what)
{
    return error_set(err, STATUS_FAILURE, "tensor \"%.80s\": %s", name, what);
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static bool is_offsets(const char *name)
{
    return strcmp(name, "offsets") == 0 || ends_in(name, "_offsets");
}

/* The other tensor of a list column: ids <-> offsets, P_ids <-> P_offsets. NULL where the frame has none. */
static const struct st_tensor *find_partner(const struct st_frame *frame, const char *name, const char *from,
                                            const char *to)
{
    char partner[256];
    size_t stem = strlen(name) - strlen(from);
    if (!ends_in(name, from) || (stem && name[stem - 1] != '_') || stem + strlen(to) >= sizeof partner)
        return NULL;
    snprintf(partner, sizeof partner, "%.*s%s", (int)stem, name, to);
    return st_find(frame, partner);
}

static size_t row_width(const struct st_tensor *t)
{
    size_t width = 1;
    for (unsigned i = 1; i < t->rank; i++)
        width *= (size_t)t->shape[i]; /* no overflow: the reader checked the whole product, unless a 0 hides it */
    return width;
}

/* Offsets as int64_t into the column; they start with 0, ascend, and end where the list does. */
static int read_offsets(struct column *c, const struct st_tensor *t, size_t elements, size_t n, bool empty_allowed,
                        struct error *err)
{
    if (t->dtype != ST_I32 || t->rank != 1)
        return tensor_error(err, t->name, "is not I32 of one dimension");
    if (t->elements != n + 1)
        return error_set(err, STATUS_FAILURE, "tensor \"%.80s\": %zu offsets, %zu expected", t->name, t->elements,
                         n + 1);
    const int32_t *offsets = t->data;
    if (offsets[0] != 0)
        return tensor_error(err, t->name, "does not start with 0");
    buf_reset(&c->offsets);
    buf_reserve(&c->offsets, (n + 1) * sizeof(int64_t));
    for (size_t i = 0; i <= n; i++) {
        if (i && offsets[i] < offsets[i - 1])
            return tensor_error(err, t->name, "descends");
        if (i && !empty_allowed && offsets[i] == offsets[i - 1])
            return tensor_error(err, t->name, "a row has no token");
        int64_t value = offsets[i];
        buf_add(&c->offsets, &value, sizeof value);
    }
    if ((uint64_t)offsets[n] != elements)
        return error_set(err, STATUS_FAILURE, "tensor \"%.80s\": ends at %d, the list at %zu", t->name, offsets[n],
                         elements);
    return 0;
}

/* What a tensor is a value of. An unknown one is told by its first dimension; where rows and tokens are equally many,
 * by what it was before. */
static bool find_kind(const struct rows *rows, const struct st_tensor *t, size_t n, size_t tokens,
                      enum column_kind *kind)
{
    const struct known_column *k = known_column(t->name);
    const struct column *before = rows_find(rows, t->name);
    if (t->rank == 0)
        return false;
    bool by_row = t->shape[0] == n, by_token = t->shape[0] == tokens;
    if (k)
        *kind = k->kind;
    else if (by_row && by_token && before && before->kind != COLUMN_LIST)
        *kind = before->kind;
    else
        *kind = by_row ? COLUMN_ROW : COLUMN_TOKEN;
    return *kind == COLUMN_ROW ? by_row : by_token;
}

/* ---- values ---- */

static int check_i32(const struct st_tensor *t, int32_t least, struct error *err)
{
    const int32_t *values = t->data;
    for (size_t i = 0; i < t->elements; i++) {
        if (values[i] < least)
            return error_set(err, STATUS_FAILURE, "tensor \"%s\": %d at %zu is less than %d", t->name, values[i], i,
                             least);
    }
    return 0;
}

static int check_shares(const struct st_tensor *t, struct error *err)
{
    const float *values = t->data;
    for (size_t i = 0; i < t->elements; i++) {
        if (values[i] != -1 && !(values[i] >= 0 && values[i] <= 1))
            return error_set(err, STATUS_FAILURE, "tensor \"%s\": %g at %zu is neither -1 nor within 0 and 1", t->name,
                             (double)values[i], i);
    }
    return 0;
}

static int check_cues(const struct st_tensor *t, struct error *err)
{
    const uint8_t *values = t->data;
    for (size_t i = 0; i < t->elements; i++) {
        if (values[i] > CUE_MODIFIER && values[i] != CUE_ROW_UNMARKED)
            return error_set(err, STATUS_FAILURE, "tensor \"%s\": %d at %zu is no cue", t->name, values[i], i);
    }
    return 0;
}

static int check_known(const struct known_column *k, const struct st_tensor *t, struct error *err)
{
    size_t width = row_width(t);
    if (t->dtype != k->dtype)
        return error_set(err, STATUS_FAILURE, "tensor \"%s\": dtype %s, %s expected", t->name, st_dtype_name(t->dtype),
                         st_dtype_name(k->dtype));
    if (k->width ? t->rank != 1 : t->rank != 2 || width == 0)
        return error_set(err, STATUS_FAILURE, "tensor \"%s\": %u dimensions, %d expected", t->name, t->rank,
                         k->width ? 1 : 2);
    if (k->dtype == ST_I32)
        return check_i32(t, k->kind == COLUMN_LIST ? 0 : -1, err);
    if (k->dtype == ST_F32)
        return check_shares(t, err);
    return strcmp(k->name, "cues") == 0 ? check_cues(t, err) : 0;
}

/* ---- the frame ---- */

/* Makes the column anew where it was of another type. */
static struct column *fresh_column(struct rows *rows, const struct st_tensor *t, enum column_kind kind)
{
    struct column *c = rows_find(rows, t->name);
    size_t width = row_width(t);
    if (c && (c->dtype != t->dtype || c->kind != kind || c->width != width))
        rows_remove_column(rows, c);
    return rows_column(rows, t->name, t->dtype, kind, width);
}

static int read_column(struct rows *rows, const struct st_frame *frame, const struct st_tensor *t, size_t n,
                       size_t tokens, struct error *err)
{
    const struct st_tensor *offsets = find_partner(frame, t->name, "ids", "offsets");
    const struct known_column *k = known_column(t->name);
    enum column_kind kind = COLUMN_LIST;

    if (is_offsets(t->name))
        return find_partner(frame, t->name, "offsets", "ids") ? 0 : tensor_error(err, t->name, "its ids are missing");
    if (k && check_known(k, t, err) < 0)
        return -1;
    if (offsets ? t->rank == 0 : !find_kind(rows, t, n, tokens, &kind))
        return error_set(err, STATUS_FAILURE,
                         "tensor \"%.80s\": its first dimension is neither the %zu rows nor the %zu tokens", t->name, n,
                         tokens);
    if (k && k->kind == COLUMN_LIST && !offsets)
        return tensor_error(err, t->name, "its offsets are missing");

    struct column *c = fresh_column(rows, t, kind);
    if (t->size)
        buf_add(&c->values, t->data, t->size);
    return kind == COLUMN_LIST ? read_offsets(c, offsets, (size_t)t->shape[0], n, !k || !k->required, err) : 0;
}

static int read_frame(struct rows *rows, const struct st_frame *frame, struct error *err)
{
    for (const struct known_column *k = known_columns; k->name; k++) {
        if (k->required && !st_find(frame, k->name))
            return error_set(err, STATUS_FAILURE, "tensor \"%s\" is missing", k->name);
    }
    const struct st_tensor *offsets = st_find(frame, "offsets"), *ids = st_find(frame, "ids");
    if (!offsets || offsets->elements == 0)
        return error_set(err, STATUS_FAILURE, "tensor \"offsets\" is missing or empty");
    size_t n = offsets->elements - 1;

    for (size_t i = rows->n_columns; i-- > 0;) {
        if (!st_find(frame, rows->columns[i].name))
            rows_remove_column(rows, &rows->columns[i]);
    }
    for (size_t i = 0; i < frame->n_tensors; i++) {
        if (read_column(rows, frame, &frame->tensors[i], n, ids->elements, err) < 0)
            return -1;
    }
    rows->n = n;
    return 0;
}

int rows_from_frame(struct rows *rows, const struct st_frame *frame, struct error *err)
{
    rows_reset(rows);
    if (read_frame(rows, frame, err) < 0) {
        rows_reset(rows);
        return -1;
    }
    return 0;
}
