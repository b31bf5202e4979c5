/* lines.h - reads lines of any length from a file or a pipe, without copying them.
 *
 * A line ends at \n, which is not part of it; the last one counts with or without \n. NUL bytes are data, \r stays.
 */
#ifndef WIRE_LINES_H
#define WIRE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"

struct lines {
    struct input in; /* in.name is for messages */
    char *data;
    size_t begin, end, cap;
    size_t searched; /* bytes after begin that hold no \n */
    size_t longest;  /* a longer line is an error */
    uint64_t number; /* of the line last returned, from 1 */
    bool at_end;
};

/* path NULL or "-": stdin. longest 0: 1 GiB. */
int lines_open(struct lines *l, const char *path, size_t longest, struct error *err);
/* 1: a line, valid until the next lines_next or lines_peek; 0: the end; -1: failure, the text names file and line. */
int lines_next(struct lines *l, const char **line, size_t *len, struct error *err);
/* True where lines_next would return without waiting for the input: a whole line is there, or the input has ended. A
 * part of a line is taken in as well; the line returned last stays valid. A tool flushes its output before it waits. */
bool lines_ready(struct lines *l);
/* The first bytes of the input without consuming them, at most `want` (less only at the end of the input). Before the
 * first lines_next; for sniffing a format. */
int lines_peek(struct lines *l, size_t want, const char **data, size_t *len, struct error *err);
void lines_close(struct lines *l);

#endif
