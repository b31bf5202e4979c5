/* spool.c - see spool.h. */
#include "bert/spool.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/memory.h"

int spool_check_vocabulary(const struct stream_head *head, const char *vocabulary_sha256, const char *name,
                           struct error *err)
{
    if (vocabulary_sha256 && strcmp(head->vocab_sha256, vocabulary_sha256) != 0)
        return error_set(err, STATUS_FAILURE,
                         "%s was tokenised with another vocabulary (%.12s...) than the model's (%.12s...); run "
                         "wp-tokenize -m with this model",
                         name, head->vocab_sha256, vocabulary_sha256);
    return 0;
}

static bool has_name(char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void add_names(struct buf *out, char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%s%s", i ? "," : "", names[i]);
}

int spool_check_labels(const struct stream_head *head, char *const *names, size_t n, bool renamed, const char *whose,
                       const char *name, struct error *err)
{
    bool equal = n == head->n_labels, permuted = equal;
    struct buf theirs = {0}, wanted = {0};
    for (size_t i = 0; i < n && permuted; i++) {
        equal = equal && strcmp(names[i], head->labels[i]) == 0;
        permuted = has_name(head->labels, n, names[i]);
    }
    if (permuted ? equal : renamed)
        return 0;
    add_names(&theirs, head->labels, head->n_labels);
    add_names(&wanted, names, n);
    error_set(err, STATUS_USAGE, "%s: its classes are %s, those of %s are %s; run wp-tokenize with --labels %s", name,
              theirs.data, whose, wanted.data, wanted.data);
    buf_free(&theirs);
    buf_free(&wanted);
    return -1;
}

int spool_read(struct rows *rows, struct stream_head *head, const char *path, const char *vocabulary_sha256,
               struct error *err)
{
    struct stream_reader reader;
    struct rows part = {0};
    int more = -1;
    if (stream_open(&reader, path, err) < 0)
        return -1;
    if (spool_check_vocabulary(&reader.head, vocabulary_sha256, reader.in.name, err) < 0)
        goto done;
    while ((more = stream_next(&reader, &part, err)) > 0)
        if (rows_append(rows, &part, err) < 0) {
            error_prefix(err, "%s", reader.in.name);
            more = -1;
            break;
        }
    if (more == 0 && head) {
        *head = reader.head;
        reader.head = (struct stream_head){0};
    }
done:
    rows_free(&part);
    stream_close(&reader);
    return more;
}

/* ---- back to a file ---- */

enum { ROWS_A_FRAME = 1024 };

/* Rows begin..begin+n as rows of their own. */
static void copy_rows(struct rows *part, const struct rows *rows, size_t begin, size_t n)
{
    const int64_t *tokens = column_offsets(rows_find(rows, "ids"));
    for (size_t i = 0; i < rows->n_columns; i++) {
        const struct column *c = &rows->columns[i];
        struct column *to = rows_column(part, c->name, c->dtype, c->kind, c->width);
        const int64_t *offsets = c->kind == COLUMN_LIST ? column_offsets(c) : tokens;
        size_t size = c->width * st_dtype_size(c->dtype), first = begin, count = n;
        if (c->kind != COLUMN_ROW) {
            first = (size_t)offsets[begin];
            count = (size_t)(offsets[begin + n] - offsets[begin]);
        }
        if (count > 0)
            buf_add(&to->values, c->values.data + first * size, count * size);
        for (size_t k = begin + 1; c->kind == COLUMN_LIST && k <= begin + n; k++) {
            int64_t end = offsets[k] - offsets[begin];
            buf_add(&to->offsets, &end, sizeof end);
        }
    }
    part->n = n;
}

int spool_write(const char *path, const struct rows *rows, const struct stream_head *head, struct error *err)
{
    struct output out;
    struct stream_writer w;
    struct rows part = {0};
    if (output_open(&out, path, true, err) < 0)
        return -1;
    stream_begin(&w, &out, head);
    for (size_t begin = 0; begin < rows->n; begin += ROWS_A_FRAME) {
        rows_reset(&part);
        copy_rows(&part, rows, begin, rows->n - begin < ROWS_A_FRAME ? rows->n - begin : ROWS_A_FRAME);
        stream_batch(&w, &part);
    }
    stream_end(&w);
    rows_free(&part);
    return output_close(&out) < 0 ? error_set(err, out.error.status, "%s", out.error.text) : 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct column *const *)a)->name, (*(const struct column *const *)b)->name);
}

void spool_digest(const struct rows *rows, char sha256[SHA256_HEX_SIZE])
{
    const struct column **columns = xmalloc_array(rows->n_columns + 1, sizeof *columns);
    struct buf line = {0};
    SHA2_CTX context;
    SHA256Init(&context);
    for (size_t i = 0; i < rows->n_columns; i++)
        columns[i] = &rows->columns[i];
    qsort(columns, rows->n_columns, sizeof *columns, compare_names);
    for (size_t i = 0; i < rows->n_columns; i++) {
        const struct column *c = columns[i];
        buf_reset(&line);
        buf_addf(&line, "%s %s %d %zu %zu\n", c->name, st_dtype_name(c->dtype), (int)c->kind, c->width, c->values.len);
        SHA256Update(&context, (const uint8_t *)line.data, line.len);
        if (c->values.len > 0)
            SHA256Update(&context, (const uint8_t *)c->values.data, c->values.len);
        if (c->offsets.len > 0)
            SHA256Update(&context, (const uint8_t *)c->offsets.data, c->offsets.len);
    }
    sha256_finish_hex(&context, sha256);
    buf_free(&line);
    free(columns);
}
