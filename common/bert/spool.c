/* spool.c - see spool.h. */
#include "bert/spool.h"

#include <string.h>

#include "base/buf.h"

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
