/* buf.c - the growing byte buffer. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/memory.h"

void buf_reserve(struct buf *b, size_t extra)
{
    size_t need;
    if (!size_add(b->len, extra, &need) || !size_add(need, 1, &need))
        die(STATUS_FAILURE, "out of memory (%zu bytes asked for)", extra);
    if (need <= b->cap)
        return;
    size_t cap;
    if (!size_add(b->cap, b->cap / 2, &cap) || cap < need)
        cap = need;
    if (cap < 64)
        cap = 64;
    b->data = xrealloc(b->data, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    buf_reserve(b, len);
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_addstr(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_addch(struct buf *b, char c)
{
    buf_reserve(b, 1);
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
}

void buf_addf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    buf_reserve(b, 64);
    size_t room = b->cap - b->len;
    int n = vsnprintf(b->data + b->len, room, format, args);
    if (n >= 0 && (size_t)n >= room) {
        buf_reserve(b, (size_t)n);
        n = vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
    }
    va_end(again);
    va_end(args);
    if (n < 0) /* only a text of more than INT_MAX bytes comes here */
        die(STATUS_FAILURE, "a formatted text is too long");
    b->len += (size_t)n;
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
    if (!b)
        return;
    free(b->data);
    *b = (struct buf){0};
}
