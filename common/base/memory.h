/* memory.h - allocation that ends the process with one line when there is no memory, and sizes that cannot overflow.
 *
 * Sizes that come from outside are checked against a cap by the caller before they reach these functions.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
/* count * size bytes, the product checked. */
void *xmalloc_array(size_t count, size_t size);
void *xrealloc_array(void *old, size_t count, size_t size);
char *xstrdup(const char *text);
/* Copies length bytes and adds a NUL. */
char *xmemdup0(const void *data, size_t length);

/* Zeroed memory aligned to 64 bytes (a cache line, an AVX-512 register); large blocks ask for huge pages.
 * Freed with free(). */
void *xaligned(size_t size);

/* a * b or a + b into *result; false where it overflows. */
bool size_multiply(size_t a, size_t b, size_t *result);
bool size_add(size_t a, size_t b, size_t *result);

#endif
