/* memory.c - allocation that cannot return NULL, and checked sizes. No pools, no counting. */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/diag.h"

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20 };

static _Noreturn void out_of_memory(size_t size)
{
    die(STATUS_FAILURE, "out of memory (%zu bytes asked for)", size);
}

static size_t product(size_t count, size_t size)
{
    size_t bytes;
    if (!size_multiply(count, size, &bytes))
        die(STATUS_FAILURE, "out of memory (%zu times %zu bytes asked for)", count, size);
    return bytes;
}

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    size_t bytes = product(count, size);
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p)
        out_of_memory(bytes);
    return p;
}

void *xrealloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *xmalloc_array(size_t count, size_t size)
{
    return xmalloc(product(count, size));
}

void *xrealloc_array(void *old, size_t count, size_t size)
{
    return xrealloc(old, product(count, size));
}

char *xstrdup(const char *text)
{
    return xmemdup0(text, strlen(text));
}

char *xmemdup0(const void *data, size_t length)
{
    size_t bytes;
    if (!size_add(length, 1, &bytes))
        out_of_memory(length);
    char *copy = xmalloc(bytes);
    if (length > 0)
        memcpy(copy, data, length);
    copy[length] = '\0';
    return copy;
}

void *xaligned(size_t size)
{
    void *p = NULL;
    size_t bytes;
    size_t alignment = size >= HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
    if (!size_add(size, ALIGNMENT, &bytes) || posix_memalign(&p, alignment, bytes) != 0)
        out_of_memory(size);
    /* Advice only: where the kernel has no huge pages, everything works as well, a little slower. */
    if (size >= HUGE_PAGE)
        (void)madvise(p, bytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
    memset(p, 0, bytes);
    return p;
}

bool size_multiply(size_t a, size_t b, size_t *result)
{
    return !__builtin_mul_overflow(a, b, result);
}

bool size_add(size_t a, size_t b, size_t *result)
{
    return !__builtin_add_overflow(a, b, result);
}
