/* io.h - reading and writing descriptors to the last byte; files that are complete or absent.
 *
 * Input: short reads and EINTR are handled here. Output: buffered, every failure is remembered and reported, a named
 * file is written beside its final name (NAME.tmp-PID-N) and renamed by output_close. A reader that has left
 * (EPIPE on stdout) ends the process as SIGPIPE would, so that `tool | head` stays quiet.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

struct input {
    int fd;
    char *name; /* for messages: the path, or <stdin> */
    bool owned; /* close(2) it */
};

/* path NULL or "-": stdin. A folder, a missing file and the like are STATUS_FAILURE. */
int input_open(struct input *in, const char *path, struct error *err);
/* Reads at most `size` bytes; 0 at the end, -1 on failure. Returns as soon as something is there. */
ssize_t input_read(struct input *in, void *data, size_t size, struct error *err);
/* Reads until `size` bytes are there or the input ends; returns how many, or -1. */
ssize_t input_read_full(struct input *in, void *data, size_t size, struct error *err);
void input_close(struct input *in);

struct output {
    int fd;
    char *name;      /* for messages: the path, or <stdout> */
    char *temporary; /* what is renamed to name by output_close; NULL for stdout and for devices and pipes */
    struct buf pending;
    struct error error; /* the first failure; later calls return -1 at once */
};

/* path NULL or "-": stdout. binary refuses a terminal (STATUS_USAGE). An existing device or FIFO is opened as it is. */
int output_open(struct output *out, const char *path, bool binary, struct error *err);
/* The same for a log, which is to be read while it grows and to be left behind by a run that dies: a regular file is
 * written in place. */
int output_open_log(struct output *out, const char *path, struct error *err);
/* The same for a log that goes on: a regular file keeps its first `size` bytes and loses the others. 1: it is shorter.
 */
int output_resume_log(struct output *out, const char *path, uint64_t size, struct error *err);
/* A file of a folder that nobody knows of yet: written in place, and neither synced nor renamed by output_close. The
 * folder takes its place by folder_sync_whole and a rename. */
int output_open_part(struct output *out, const char *path, struct error *err);
/* These return -1 after a failure; the reason stays in out->error. */
int output_write(struct output *out, const void *data, size_t len);
int output_flush(struct output *out);
/* Flushes, syncs and renames a named file, closes. With a failure the file is removed and -1 returned. */
int output_close(struct output *out);
/* Throws away what was written to a named file. */
void output_abort(struct output *out);

/* Writes everything or fails; EINTR and short writes are handled. */
int write_full(int fd, const void *data, size_t len, const char *name, struct error *err);

/* A whole file into memory, NUL added after *len bytes, freed by the caller; NULL on failure. More than `cap` bytes is
 * STATUS_FAILURE. */
char *file_read(const char *path, size_t cap, size_t *len, struct error *err);
/* Writes beside, fsyncs, renames. */
int file_write(const char *path, const void *data, size_t len, struct error *err);
/* The same for a file as of output_open_part. */
int file_write_part(const char *path, const void *data, size_t len, struct error *err);
/* fsync of all files in a folder, and of the folder itself; no folders below it. */
int folder_sync_whole(const char *path, struct error *err);
/* fsync of a folder, so that renames in it survive a power cut. */
int folder_sync(const char *path, struct error *err);
/* Removes a folder and what is in it; it is no failure if it is not there. */
int folder_remove(const char *path, struct error *err);
/* mkdir -p. */
int folder_make(const char *path, struct error *err);

/* DIR/NAME, freed by the caller. */
char *path_join(const char *folder, const char *name);
/* The folder that a file is in, freed by the caller. */
char *path_folder(const char *path);
bool path_exists(const char *path);
bool path_is_folder(const char *path);
/* $XDG_CACHE_HOME/distil or ~/.cache/distil; $XDG_STATE_HOME/distil or ~/.local/state/distil. Freed by the caller, NULL
 * where neither variable nor HOME is set. Nothing is created. */
char *path_cache_home(void);
char *path_state_home(void);

#endif
