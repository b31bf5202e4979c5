/* run_state.c - see run_state.h. */
#include "bert/run_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/memory.h"

static const char prefix[] = "checkpoint-";
static const char *const files[] = {RUN_RECORD, RUN_TRAIN, RUN_VALIDATION};
enum { FILES = sizeof files / sizeof files[0] };

char *run_state_path(const char *model_folder)
{
    struct buf path = {0};
    size_t len = strlen(model_folder);
    while (len > 1 && model_folder[len - 1] == '/')
        len--;
    buf_add(&path, model_folder, len);
    buf_addstr(&path, ".state");
    return path.data;
}

enum run_state run_state_look(const char *state)
{
    size_t n;
    char *record = path_join(state, RUN_RECORD);
    bool there = path_exists(record);
    free(record);
    if (there)
        return RUN_UNFINISHED;
    if (!path_is_folder(state))
        return RUN_NONE;
    free(run_state_list(state, &n));
    return n > 0 ? RUN_FINISHED : RUN_NOT_BEGUN;
}

int run_state_take(const char *state, struct error *err)
{
    if (mkdir(state, 0777) < 0 && errno != EEXIST)
        return error_set(err, STATUS_FAILURE, "%s: cannot make the folder: %s", state, strerror(errno));
    int fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, STATUS_FAILURE, "%s: %s", state, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) { /* a file system without locks is no reason */
        close(fd);
        return error_set(err, STATUS_FAILURE, "%s: another bert-train is at work there; wait for it or end it", state);
    }
    return fd;
}

/* ---- checkpoints ---- */

char *run_state_checkpoint(const char *state, uint64_t step)
{
    struct buf path = {0};
    buf_addf(&path, "%s/%s%llu", state, prefix, (unsigned long long)step);
    return path.data;
}

/* The step of "checkpoint-12"; false for any other name, as that of a folder that is not finished. */
static bool step_of(const char *name, uint64_t *step)
{
    char *end;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *digits = name + sizeof prefix - 1;
    if (*digits < '0' || *digits > '9')
        return false;
    errno = 0;
    *step = strtoull(digits, &end, 10);
    return *end == '\0' && errno == 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t *run_state_list(const char *state, size_t *n)
{
    DIR *dir = opendir(state);
    const struct dirent *entry;
    uint64_t *steps = xmalloc_array(1, sizeof *steps), step;
    *n = 0;
    while (dir && (entry = readdir(dir)))
        if (step_of(entry->d_name, &step)) {
            steps = xrealloc_array(steps, *n + 1, sizeof *steps);
            steps[(*n)++] = step;
        }
    if (dir)
        closedir(dir);
    qsort(steps, *n, sizeof *steps, compare);
    return steps;
}

/* A folder loses its name first: half removed, it must not look like a checkpoint. */
static int remove_checkpoint(const char *state, uint64_t step, struct error *err)
{
    struct buf doomed = {0};
    char *path = run_state_checkpoint(state, step);
    buf_addf(&doomed, "%s.old-%ld", path, (long)getpid());
    const char *now = rename(path, doomed.data) == 0 ? doomed.data : path;
    int result = folder_remove(now, err);
    free(path);
    buf_free(&doomed);
    return result;
}

int run_state_rotate(const char *state, size_t keep, uint64_t spared, struct error *err)
{
    size_t n;
    uint64_t *steps = run_state_list(state, &n);
    int result = 0;
    for (size_t i = 0; i + keep < n && result == 0; i++)
        if (steps[i] != spared)
            result = remove_checkpoint(state, steps[i], err);
    free(steps);
    return result;
}

/* ---- the whole folder ---- */

static bool is_unfinished(const char *name)
{
    return strstr(name, ".tmp-") || strstr(name, ".old-");
}

static bool is_checkpoint(const char *name)
{
    return strncmp(name, prefix, sizeof prefix - 1) == 0;
}

/* One of our files, or what is left of writing it. */
static bool is_file_of_ours(const char *name)
{
    for (size_t i = 0; i < FILES; i++) {
        size_t len = strlen(files[i]);
        if (strncmp(name, files[i], len) == 0 && (name[len] == '\0' || strncmp(name + len, ".tmp-", 5) == 0))
            return true;
    }
    return false;
}

/* Removes what of ours is in the folder, or only what is unfinished. Returns the number of whole checkpoints, or -1. */
static long remove_ours(const char *state, bool unfinished_only, struct error *err)
{
    DIR *dir = opendir(state);
    const struct dirent *entry;
    long removed = 0;
    if (!dir && errno == ENOENT)
        return 0;
    if (!dir)
        return error_set(err, STATUS_FAILURE, "%s: %s", state, strerror(errno));
    while (removed >= 0 && (entry = readdir(dir))) {
        bool folder = is_checkpoint(entry->d_name), unfinished = is_unfinished(entry->d_name);
        if ((!folder && !is_file_of_ours(entry->d_name)) || (unfinished_only && !unfinished))
            continue;
        char *path = path_join(state, entry->d_name);
        if (folder)
            removed = folder_remove(path, err) < 0 ? -1 : removed + !unfinished;
        else if (unlink(path) < 0 && errno != ENOENT)
            removed = error_set(err, STATUS_FAILURE, "%s: cannot remove: %s", path, strerror(errno));
        free(path);
    }
    closedir(dir);
    return removed;
}

void run_state_sweep(const char *state)
{
    (void)remove_ours(state, true, NULL);
}

/* The record goes first: what is left without it is no run. */
static int remove_record(const char *state, struct error *err)
{
    char *record = path_join(state, RUN_RECORD);
    int result = 0;
    if (unlink(record) < 0 && errno != ENOENT && errno != ENOTDIR)
        result = error_set(err, STATUS_FAILURE, "%s: cannot remove: %s", record, strerror(errno));
    free(record);
    return result;
}

long run_state_clear(const char *state, struct error *err)
{
    return remove_record(state, err) < 0 ? -1 : remove_ours(state, false, err);
}

int run_state_remove(const char *state, struct error *err)
{
    if (run_state_clear(state, err) < 0)
        return -1;
    if (rmdir(state) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
        return error_set(err, STATUS_FAILURE, "%s: cannot remove: %s", state, strerror(errno));
    return 0;
}

int run_state_finish(const char *state, struct error *err)
{
    int result = remove_record(state, err);
    for (size_t i = 0; i < FILES && result == 0; i++) {
        char *path = path_join(state, files[i]);
        if (unlink(path) < 0 && errno != ENOENT)
            result = error_set(err, STATUS_FAILURE, "%s: cannot remove: %s", path, strerror(errno));
        free(path);
    }
    return result;
}
