/* buf.h - a growing byte buffer, always NUL-terminated after buf_add*, so that text can be printed from it.
 *
 *     struct buf line = {0};
 *     buf_addf(&line, "{\"idx\":%lld", idx);
 *     buf_addch(&line, '}');
 *     ...
 *     buf_free(&line);
 *
 * Growth ends the process when there is no memory. data is owned by the buffer and moves when it grows.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>

struct buf {
    char *data; /* NULL until something was added */
    size_t len; /* bytes in use, without the NUL */
    size_t cap; /* bytes allocated */
};

/* Makes room for `extra` further bytes and the NUL. */
void buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_addstr(struct buf *b, const char *text);
void buf_addch(struct buf *b, char c);
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Empties it and keeps the memory. */
void buf_reset(struct buf *b);
/* Frees the memory; the buffer can be used again. NULL is accepted. */
void buf_free(struct buf *b);

#endif
