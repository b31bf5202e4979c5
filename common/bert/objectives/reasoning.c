/* reasoning.c - see reasoning.h. */
#include "bert/objectives/reasoning.h"

int32_t reasoning_label(const struct rows *rows, uint64_t row)
{
    const struct column *teacher = rows_find(rows, "teacher_label"), *gold = rows_find(rows, "label");
    int32_t label = teacher ? column_i32(teacher)[row] : -1;
    int32_t known = gold ? column_i32(gold)[row] : -1;
    return known >= 0 && known != label ? -1 : label;
}

const int32_t *rows_list(const struct rows *rows, const char *name, uint64_t row, size_t *n)
{
    const struct column *c = rows_find(rows, name);
    *n = 0;
    if (!c)
        return NULL;
    const int64_t *offsets = column_offsets(c);
    *n = (size_t)(offsets[row + 1] - offsets[row]);
    return column_i32(c) + offsets[row];
}

int32_t reasoning_edit_label(const struct rows *rows, uint64_t row)
{
    const struct column *given = rows_find(rows, "edit_label");
    int32_t label = reasoning_label(rows, row);
    size_t n;
    rows_list(rows, "edit_ids", row, &n);
    if (n == 0)
        return -1;
    if (given)
        return column_i32(given)[row];
    return label < 0 ? -1 : 1 - label;
}

size_t reasoning_row(const struct rows *rows, uint64_t row, size_t most, bool with_sentence, struct buf *out,
                     size_t *begin)
{
    size_t n, length;
    const int32_t *ids = rows_list(rows, "ids", row, &length), *reason = rows_list(rows, "reason_ids", row, &n);
    size_t before = with_sentence ? length : 1;
    out->len = 0;
    if (before > most - 1)
        before = most - 1;
    if (n > most - 1 - before)
        n = most - 1 - before;
    buf_add(out, ids, before * sizeof *ids);
    buf_add(out, reason, n * sizeof *ids);
    buf_add(out, &ids[length - 1], sizeof *ids);
    *begin = before;
    return before + n + 1;
}
