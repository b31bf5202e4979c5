/* lines.c - see lines.h. The buffer holds data[begin..end), grows for a long line and moves only a line's beginning. */
#include "wire/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const size_t read_size = 64 << 10;
static const size_t longest_by_default = (size_t)1 << 30;

int lines_open(struct lines *l, const char *path, size_t longest, struct error *err)
{
    *l = (struct lines){.longest = longest ? longest : longest_by_default};
    return input_open(&l->in, path, err);
}

/* Reads what is there behind the bytes that are held, waiting for at least one. */
static int fill(struct lines *l, struct error *err)
{
    if (l->begin == l->end)
        l->begin = l->end = 0;
    if (l->cap - l->end < read_size && l->begin > 0) {
        memmove(l->data, l->data + l->begin, l->end - l->begin);
        l->end -= l->begin;
        l->begin = 0;
    }
    if (l->cap - l->end < read_size) {
        l->cap = l->cap ? 2 * l->cap : 2 * read_size;
        l->data = xrealloc(l->data, l->cap);
    }
    ssize_t got = input_read(&l->in, l->data + l->end, l->cap - l->end, err);
    if (got < 0)
        return -1;
    l->end += (size_t)got;
    l->at_end = got == 0;
    return 0;
}

/* The next \n in what is held, NULL where there is none; no byte is searched twice. */
static const char *find_end(struct lines *l)
{
    size_t from = l->begin + l->searched;
    const char *newline = from < l->end ? memchr(l->data + from, '\n', l->end - from) : NULL;
    l->searched = (newline ? (size_t)(newline - l->data) : l->end) - l->begin;
    return newline;
}

int lines_next(struct lines *l, const char **line, size_t *len, struct error *err)
{
    const char *newline;
    while (!(newline = find_end(l)) && !l->at_end && l->searched <= l->longest) {
        if (fill(l, err) < 0)
            return -1;
    }
    if (!newline && l->at_end && l->begin == l->end)
        return 0;
    if (l->searched > l->longest)
        return error_set(err, STATUS_FAILURE, "%s:%llu: the line is longer than %zu bytes", l->in.name,
                         (unsigned long long)l->number + 1, l->longest);
    *line = l->data + l->begin;
    *len = l->searched;
    l->begin += l->searched + (newline != NULL);
    l->searched = 0;
    l->number++;
    return 1;
}

bool lines_ready(struct lines *l)
{
    for (;;) {
        if (find_end(l) || l->at_end)
            return true;
        struct pollfd p = {.fd = l->in.fd, .events = POLLIN};
        int n = poll(&p, 1, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            return false;
        /* Part of a line may be all that is there. It is taken in without moving what lines_next returned; where there
         * is no room for that, or reading fails, lines_next has to see to it. */
        if (n < 0 || l->end == l->cap)
            return true;
        ssize_t got = input_read(&l->in, l->data + l->end, l->cap - l->end, NULL);
        if (got < 0)
            return true;
        l->end += (size_t)got;
        l->at_end = got == 0;
    }
}

int lines_peek(struct lines *l, size_t want, const char **data, size_t *len, struct error *err)
{
    while (l->end - l->begin < want && !l->at_end) {
        if (fill(l, err) < 0)
            return -1;
    }
    *data = l->data + l->begin;
    *len = l->end - l->begin < want ? l->end - l->begin : want;
    return 0;
}

void lines_close(struct lines *l)
{
    input_close(&l->in);
    free(l->data);
    *l = (struct lines){0};
}
