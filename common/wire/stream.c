/* stream.c - writing a token stream, and the head. Reading is in stream_read.c. */
#include "wire/stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "wire/json.h"
#include "wire/stream_kinds.h"

void stream_head_free(struct stream_head *head)
{
    for (size_t i = 0; i < head->n_labels; i++)
        free(head->labels[i]);
    free(head->labels);
    free(head->producer);
    *head = (struct stream_head){0};
}

int stream_begin(struct stream_writer *w, struct output *out, const struct stream_head *head)
{
    struct buf labels = {0};
    char max_len[32];

    *w = (struct stream_writer){.out = out};
    buf_addch(&labels, '[');
    for (size_t i = 0; i < head->n_labels; i++) {
        if (i)
            buf_addch(&labels, ',');
        json_add_string(&labels, head->labels[i], strlen(head->labels[i]));
    }
    buf_addch(&labels, ']');
    snprintf(max_len, sizeof max_len, "%ld", head->max_len);
    const struct st_meta metadata[] = {
        {"kind", "head"},
        {"schema", STREAM_SCHEMA},
        {"vocab_sha256", head->vocab_sha256},
        {"do_lower_case", head->do_lower_case ? "true" : "false"},
        {"max_len", max_len},
        {"labels", labels.data},
        {"producer", head->producer ? head->producer : ""},
    };
    int rc = st_write(out, NULL, 0, metadata, sizeof metadata / sizeof *metadata);
    buf_free(&labels);
    return rc;
}

/* The name of a list column's offsets: ids -> offsets, P_ids -> P_offsets. */
static char *offsets_name(const char *ids)
{
    struct buf name = {0};
    size_t len = strlen(ids);
    assert(len >= 3 && strcmp(ids + len - 3, "ids") == 0 && (len == 3 || ids[len - 4] == '_'));
    buf_add(&name, ids, len - 3);
    buf_addstr(&name, "offsets");
    return name.data;
}

static void describe_column(struct st_tensor *t, const struct column *c, size_t n, size_t tokens)
{
    size_t first = c->kind == COLUMN_ROW ? n : tokens;
    if (c->kind == COLUMN_LIST)
        first = (size_t)column_offsets(c)[n];
    *t = (struct st_tensor){.name = c->name, .dtype = c->dtype, .rank = 1, .shape = {first}, .data = c->values.data};
    if (c->width != 1 || strcmp(c->name, "teacher_probs") == 0) {
        t->rank = 2;
        t->shape[1] = c->width;
    }
    assert(c->values.len == first * c->width * st_dtype_size(c->dtype));
}

/* A list column's offsets as the wire has them. */
static void describe_offsets(struct st_tensor *t, const struct column *c, size_t n)
{
    int32_t *offsets = xmalloc_array(n + 1, sizeof *offsets);
    for (size_t i = 0; i <= n; i++)
        offsets[i] = (int32_t)column_offsets(c)[i];
    *t = (struct st_tensor){
        .name = offsets_name(c->name), .dtype = ST_I32, .rank = 1, .shape = {n + 1}, .data = offsets};
}

/* A batch must be one that every reader takes. */
static int check_size(struct stream_writer *w, const struct rows *rows)
{
    size_t size = 0;
    for (size_t i = 0; i < rows->n_columns; i++)
        size += rows->columns[i].values.len + rows->columns[i].offsets.len / 2;
    if (size <= STREAM_DATA_CAP)
        return 0;
    if (!w->out->error.status)
        error_set(&w->out->error, STATUS_FAILURE, "%s: a frame of %zu bytes, more than %zu; use fewer rows a frame",
                  w->out->name, size, (size_t)STREAM_DATA_CAP);
    return -1;
}

int stream_batch(struct stream_writer *w, const struct rows *rows)
{
    if (rows->n == 0)
        return w->out->error.status ? -1 : 0;
    const struct column *ids = rows_find(rows, "ids");
    assert(ids && rows_find(rows, "idx") && rows_find(rows, "label"));
    if (check_size(w, rows) < 0)
        return -1;

    struct st_tensor *tensors = xmalloc_array(2 * rows->n_columns, sizeof *tensors);
    size_t n_tensors = rows->n_columns, tokens = (size_t)column_offsets(ids)[rows->n];
    for (size_t i = 0; i < rows->n_columns; i++) {
        const struct column *c = &rows->columns[i];
        describe_column(&tensors[i], c, rows->n, tokens);
        if (c->kind == COLUMN_LIST)
            describe_offsets(&tensors[n_tensors++], c, rows->n);
    }
    char seq[32];
    snprintf(seq, sizeof seq, "%llu", (unsigned long long)w->frames);
    const struct st_meta metadata[] = {{"kind", "batch"}, {"seq", seq}};
    int rc = st_write(w->out, tensors, n_tensors, metadata, 2);
    for (size_t i = rows->n_columns; i < n_tensors; i++) {
        free((char *)(uintptr_t)tensors[i].name);
        free((void *)(uintptr_t)tensors[i].data);
    }
    free(tensors);
    w->frames++;
    w->rows += rows->n;
    return rc;
}

int stream_end(struct stream_writer *w)
{
    char frames[32], rows[32];
    snprintf(frames, sizeof frames, "%llu", (unsigned long long)w->frames);
    snprintf(rows, sizeof rows, "%llu", (unsigned long long)w->rows);
    const struct st_meta metadata[] = {{"kind", "end"}, {"frames", frames}, {"rows", rows}};
    return st_write(w->out, NULL, 0, metadata, 3) < 0 ? -1 : output_flush(w->out);
}
