/* stream_read.c - reading a token stream, checking what the frames owe each other. */
#include "wire/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "wire/json.h"
#include "wire/safetensors_frame.h"
#include "wire/stream_kinds.h"

static int ended_early(struct stream_reader *r, struct error *err)
{
    return error_set(err, STATUS_FAILURE, "%s: stream ended early; an upstream stage failed", r->in.name);
}

/* Digits only, and not more than 64 bits hold. */
static bool read_count(const char *text, uint64_t *value)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return !*end && errno == 0;
}

static bool is(const char *text, const char *expected)
{
    return text && strcmp(text, expected) == 0;
}

/* ---- the head ---- */

static int read_labels(struct stream_head *head, const char *text, const char *name, struct error *err)
{
    struct json doc = {0};
    int rc = -1;
    const struct json_node *root = NULL;
    if (text && json_parse(&doc, text, strlen(text), NULL) == 0)
        root = json_root(&doc);
    if (!root || root->type != JSON_ARRAY || root->count == 0)
        goto done;
    head->labels = xcalloc(root->count, sizeof *head->labels);
    for (const struct json_node *n = json_first(&doc, root); n; n = json_next(&doc, n)) {
        if (n->type != JSON_STRING || n->len == 0 || strlen(n->text) != n->len)
            goto done;
        for (size_t i = 0; i < head->n_labels; i++) {
            if (strcmp(head->labels[i], n->text) == 0)
                goto done;
        }
        head->labels[head->n_labels++] = xmemdup0(n->text, n->len);
    }
    rc = 0;
done:
    json_free(&doc);
    if (rc < 0)
        error_set(err, STATUS_FAILURE, "%s: head frame: labels is not a JSON list of different names", name);
    return rc;
}

static int read_head(struct stream_reader *r, struct error *err)
{
    const struct st_frame *f = &r->frame;
    const char *name = r->in.name, *kind = st_metadata(f, "kind"), *schema = st_metadata(f, "schema");
    const char *sha256 = st_metadata(f, "vocab_sha256"), *lower = st_metadata(f, "do_lower_case");
    const char *producer = st_metadata(f, "producer");
    struct stream_head *head = &r->head;
    uint64_t max_len;

    if (!kind)
        return error_set(err, STATUS_FAILURE, "%s: safetensors, but no token stream: the first frame has no kind",
                         name);
    if (!is(kind, "head"))
        return error_set(err, STATUS_FAILURE, "%s: the first frame is of kind %.40s, not head", name, kind);
    if (!is(schema, STREAM_SCHEMA))
        return error_set(err, STATUS_FAILURE, "%s: schema %.40s, this version reads %s", name,
                         schema ? schema : "missing", STREAM_SCHEMA);
    if (f->n_tensors)
        return error_set(err, STATUS_FAILURE, "%s: head frame: it holds tensors", name);
    if (!sha256 || strlen(sha256) != 64 || strspn(sha256, "0123456789abcdef") != 64)
        return error_set(err, STATUS_FAILURE, "%s: head frame: vocab_sha256 is not 64 hexadecimal digits", name);
    if (!is(lower, "true") && !is(lower, "false"))
        return error_set(err, STATUS_FAILURE, "%s: head frame: do_lower_case is neither true nor false", name);
    if (!read_count(st_metadata(f, "max_len"), &max_len) || max_len == 0 || max_len > INT_MAX)
        return error_set(err, STATUS_FAILURE, "%s: head frame: max_len is not a count", name);
    memcpy(head->vocab_sha256, sha256, sizeof head->vocab_sha256);
    head->do_lower_case = is(lower, "true");
    head->max_len = (long)max_len;
    head->producer = xstrdup(producer ? producer : "");
    return read_labels(head, st_metadata(f, "labels"), name, err);
}

/* The first frame. */
static int begin(struct stream_reader *r, struct error *err)
{
    int rc = st_read_ahead(&r->frame, &r->in, &r->ahead, r->in.name, STREAM_DATA_CAP, err);
    if (rc == 0)
        rc =
            error_set(err, STATUS_FAILURE, "%s: empty input: stream ended early; an upstream stage failed", r->in.name);
    else if (rc == ST_CUT)
        rc = ended_early(r, err);
    if (rc < 0 || read_head(r, err) < 0) {
        stream_close(r);
        return -1;
    }
    return 0;
}

int stream_open(struct stream_reader *r, const char *path, struct error *err)
{
    *r = (struct stream_reader){0};
    if (input_open(&r->in, path, err) < 0)
        return -1;
    return begin(r, err);
}

int stream_open_lines(struct stream_reader *r, struct lines *l, struct error *err)
{
    *r = (struct stream_reader){.in = l->in, .ahead = {l->data, l->begin, l->end}};
    *l = (struct lines){.in.fd = -1};
    return begin(r, err);
}

bool stream_ready(const struct stream_reader *r)
{
    struct pollfd p = {.fd = r->in.fd, .events = POLLIN};
    int n;
    if (r->ahead.begin < r->ahead.end)
        return true;
    do
        n = poll(&p, 1, 0);
    while (n < 0 && errno == EINTR);
    return n != 0; /* a failure is stream_next's to tell */
}

void stream_close(struct stream_reader *r)
{
    free(r->ahead.data);
    r->ahead = (struct st_ahead){0};
    stream_head_free(&r->head);
    st_release(&r->frame);
    input_close(&r->in);
}

/* ---- batches and the end ---- */

static int read_batch(struct stream_reader *r, struct rows *rows, const char *where, struct error *err)
{
    uint64_t seq;
    if (!read_count(st_metadata(&r->frame, "seq"), &seq))
        return error_set(err, STATUS_FAILURE, "%s: seq is missing or no count", where);
    if (seq != r->frames)
        return ended_early(r, err);
    if (rows_from_frame(rows, &r->frame, err) < 0)
        return error_prefix(err, "%s", where);
    r->frames++;
    r->rows += rows->n;
    return 1;
}

static int read_end(struct stream_reader *r, const char *where, struct error *err)
{
    uint64_t frames, rows;
    if (r->frame.n_tensors)
        return error_set(err, STATUS_FAILURE, "%s: the end frame holds tensors", where);
    if (!read_count(st_metadata(&r->frame, "frames"), &frames) || !read_count(st_metadata(&r->frame, "rows"), &rows))
        return error_set(err, STATUS_FAILURE, "%s: frames or rows of the end frame is missing or no count", where);
    if (frames != r->frames || rows != r->rows)
        return ended_early(r, err);
    char byte;
    ssize_t more = r->ahead.begin < r->ahead.end ? 1 : input_read(&r->in, &byte, 1, err);
    if (more > 0)
        return error_set(err, STATUS_FAILURE, "%s: more data after the end frame", r->in.name);
    return more < 0 ? -1 : 0;
}

int stream_next(struct stream_reader *r, struct rows *rows, struct error *err)
{
    struct buf where = {0};
    buf_addf(&where, "%s: frame %llu", r->in.name, (unsigned long long)r->frames + 2); /* the head is frame 1 */
    int rc = st_read_ahead(&r->frame, &r->in, &r->ahead, where.data, STREAM_DATA_CAP, err);
    const char *kind = rc > 0 ? st_metadata(&r->frame, "kind") : NULL;

    if (rc == 0 || rc == ST_CUT)
        rc = ended_early(r, err);
    else if (rc > 0 && is(kind, "batch"))
        rc = read_batch(r, rows, where.data, err);
    else if (rc > 0 && is(kind, "end"))
        rc = read_end(r, where.data, err);
    else if (rc > 0)
        rc = error_set(err, STATUS_FAILURE, "%s: kind %.40s, neither batch nor end", where.data,
                       kind ? kind : "missing");
    if (rc <= 0)
        rows_reset(rows);
    buf_free(&where);
    return rc;
}
