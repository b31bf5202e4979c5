/* append_file.h - a file of lines that only grows, and that survives what ends its writer.
 *
 * A line is one write(2); one that fails is cut off again, and what a crash left of a line at the end is for the reader
 * to find and append_file_cut to remove. The lock is flock's: it goes with the file's descriptor, so none is left
 * behind. What the lines mean, and when they are synced, is the owner's.
 */
#ifndef BASE_APPEND_FILE_H
#define BASE_APPEND_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct append_file {
    int fd; /* opened by the owner, O_APPEND where it writes; -1: none */
    char *path;
    uint64_t size; /* of the whole lines */
};

/* STATUS_FAILURE, with `busy` after the path, where another process holds it. shared: readers beside each other. */
int append_file_lock(struct append_file *f, bool shared, const char *busy, struct error *err);
/* A new file: its first line, and its name safe on the disk. */
int append_file_begin(struct append_file *f, const char *header, size_t len, struct error *err);
/* Appends a line, its newline included. On failure the file is cut back to its last whole line. */
int append_file_add(struct append_file *f, const char *line, size_t len, struct error *err);
/* Cuts what is behind the first `end` bytes, where there is something. */
int append_file_cut(struct append_file *f, uint64_t end, struct error *err);

#endif
