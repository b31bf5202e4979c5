/* error.h - how a library function says what went wrong.
 *
 * A function that can fail takes a `struct error *` as its last argument and returns -1 (or NULL) after filling it.
 * Libraries never print and never exit; bin/ does, through diag.h. Not for programming mistakes: those are assert().
 *
 *     struct error err = {0};
 *     if (config_read(&config, dir, &err) < 0)
 *         die_error(&err);
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

/* Exit statuses shared by all tools. */
enum {
    STATUS_OK = 0,
    STATUS_FAILURE = 1, /* failure at run time: input, output, data, network */
    STATUS_USAGE = 2,   /* usage or configuration */
    STATUS_PARTIAL = 3  /* finished, but records were skipped or failed, and that was said */
};

struct error {
    int status;      /* the exit status that the error deserves; 0: no error is set */
    char text[1024]; /* one line without the tool's name and without a final newline, cut at a character boundary */
};

/* Sets the error and returns -1, so that a caller can write `return error_set(...)`. err may be NULL. */
int error_set(struct error *err, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "PREFIX: " before a text that is already there (a path, a row). Returns -1. err may be NULL. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
