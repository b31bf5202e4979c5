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
/* What the record is called from the moment that the run is over, while the state is put in order or removed. */
static const char finished_name[] = "finished.json", removing_name[] = "removing.json";
static const char *const files[] = {RUN_RECORD,     RUN_READING,   RUN_TRAIN,    RUN_VALIDATION,
                                    RUN_UNLABELLED, removing_name, finished_name};
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

static int remove_file(const char *state, const char *name, struct error *err)
{
    char *path = path_join(state, name);
    int result = 0;
    if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
        result = error_set(err, STATUS_FAILURE, "%s: cannot remove: %s", path, strerror(errno));
    free(path);
    return result;
}

static bool holds(const char *state, const char *name)
{
    char *path = path_join(state, name);
    bool there = path_exists(path);
    free(path);
    return there;
}

enum run_state run_state_look(const char *state)
{
    size_t n;
    if (holds(state, RUN_RECORD))
        return RUN_UNFINISHED;
    if (holds(state, RUN_READING))
        return RUN_NOT_BEGUN;
    if (holds(state, removing_name))
        return RUN_ENDING;
    free(run_state_list(state, &n));
    return n > 0 || holds(state, finished_name) ? RUN_FINISHED : RUN_NONE;
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

int run_state_begin(const char *state, struct error *err)
{
    char *path = path_join(state, RUN_READING);
    int result = file_write(path, "", 0, err);
    free(path);
    return result;
}

int run_state_begun(const char *state, struct error *err)
{
    return remove_file(state, RUN_READING, err);
}

void run_state_abandon(const char *state)
{
    char *path = path_join(state, RUN_READING);
    (void)unlink(path);
    (void)rmdir(state);
    free(path);
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

/* Removes what of ours is in the folder, or only what is unfinished, but for the file `spared` (NULL: none). Returns
 * the number of whole checkpoints, or -1. */
static long remove_ours(const char *state, bool unfinished_only, const char *spared, struct error *err)
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
        if ((!folder && !is_file_of_ours(entry->d_name)) || (unfinished_only && !unfinished) ||
            (spared && strcmp(entry->d_name, spared) == 0))
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
    (void)remove_ours(state, true, NULL, NULL);
}

/* A record under its new name is of a run that is over; without one, nothing is renamed. */
static int rename_record(const char *state, const char *name, struct error *err)
{
    char *record = path_join(state, RUN_RECORD), *renamed = path_join(state, name);
    int result = 0;
    if (rename(record, renamed) < 0 && errno != ENOENT && errno != ENOTDIR)
        result = error_set(err, STATUS_FAILURE, "cannot rename %s to %s: %s", record, renamed, strerror(errno));
    free(record);
    free(renamed);
    return result;
}

/* The record goes first: what is left without it is no run. */
long run_state_clear(const char *state, struct error *err)
{
    return remove_file(state, RUN_RECORD, err) < 0 ? -1 : remove_ours(state, false, RUN_READING, err);
}

/* Killed anywhere in here, the state says that the run is over, or nothing is left. */
int run_state_remove(const char *state, struct error *err)
{
    if (rename_record(state, removing_name, err) < 0 || remove_ours(state, false, removing_name, err) < 0 ||
        remove_file(state, removing_name, err) < 0)
        return -1;
    if (rmdir(state) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
        return error_set(err, STATUS_FAILURE, "%s: cannot remove: %s", state, strerror(errno));
    return 0;
}

int run_state_finish(const char *state, struct error *err)
{
    int result = rename_record(state, finished_name, err);
    for (size_t i = 0; i < FILES && result == 0; i++)
        result = remove_file(state, files[i], err); /* finished_name is the last */
    return result;
}
