/* append_file.c - see append_file.h. */
#include "base/append_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"

int append_file_lock(struct append_file *f, bool shared, const char *busy, struct error *err)
{
    if (flock(f->fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return error_set(err, STATUS_FAILURE, "%s: %s", f->path, busy);
    return error_set(err, STATUS_FAILURE, "%s: cannot be locked: %s", f->path, strerror(errno));
}

int append_file_begin(struct append_file *f, const char *header, size_t len, struct error *err)
{
    char *folder = path_folder(f->path);
    int result = append_file_add(f, header, len, err);
    if (result == 0)
        result = folder_sync(folder, err);
    free(folder);
    return result;
}

int append_file_add(struct append_file *f, const char *line, size_t len, struct error *err)
{
    if (write_full(f->fd, line, len, f->path, err) < 0) {
        if (ftruncate(f->fd, (off_t)f->size) < 0) {
            /* The next run cuts the torn line off. */
        }
        return -1;
    }
    f->size += len;
    return 0;
}

int append_file_cut(struct append_file *f, uint64_t end, struct error *err)
{
    if (end < f->size && ftruncate(f->fd, (off_t)end) < 0)
        return error_set(err, STATUS_FAILURE, "%s: cannot cut the torn line at its end: %s", f->path, strerror(errno));
    f->size = end;
    return 0;
}
