/* model_folder_swap.c - see model_folder_swap.h. Knows folders and renames, nothing of models. */
#include "bert/model_folder_swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/memory.h"

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int rename_error(const char *from, const char *to, struct error *err)
{
    return error_set(err, STATUS_FAILURE, "cannot rename %s to %s: %s", from, to, strerror(errno));
}

/* Whether renameat2 failed because this kernel or file system does not have the flag. */
static bool flag_unknown(void)
{
    return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP;
}

static int publish_new(const char *temporary, const char *path, struct error *err)
{
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return 0;
    if (flag_unknown() && !path_exists(path) && rename(temporary, path) == 0)
        return 0;
    if (errno == EEXIST || path_exists(path))
        return error_set(err, STATUS_USAGE, "%s exists now; another run may have made it", path);
    return rename_error(temporary, path, err);
}

/* The old folder steps aside, for the moment between two renames nothing is at path; a crash in it is mended by
 * folder_clean_leftovers. */
static int publish_by_renames(const char *temporary, const char *path, char *aside, struct error *err)
{
    if (rename(path, aside) < 0)
        return rename_error(path, aside, err);
    if (rename(temporary, path) < 0) {
        rename_error(temporary, path, err);
        if (rename(aside, path) < 0)
            error_prefix(err, "the former folder lies at %s", aside);
        return -1;
    }
    return 0;
}

int folder_publish(const char *temporary, const char *path, bool replace, bool exchange, struct error *err)
{
    struct buf aside = {0};
    char *parent = path_folder(path);
    const char *former = NULL; /* where the old folder lies after the swap */
    int result = -1;
    buf_addf(&aside, "%s.old-%ld", path, (long)getpid());
    if (!replace || !path_exists(path)) {
        result = publish_new(temporary, path, err);
    } else if (exchange && renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_EXCHANGE) == 0) {
        former = temporary;
        result = 0;
    } else if (exchange && !flag_unknown()) {
        rename_error(temporary, path, err);
    } else {
        former = aside.data;
        result = publish_by_renames(temporary, path, aside.data, err);
    }
    if (result == 0)
        result = folder_sync(parent, err);
    if (result == 0 && former)
        folder_remove(former, NULL); /* the new one stands; what cannot be removed now, the next write removes */
    buf_free(&aside);
    free(parent);
    return result;
}

/* The process id at the end of "BASE.tmp-123"; 0 where the name is not of that form. */
static long owner_of(const char *name, const char *base, const char *infix)
{
    size_t n = strlen(base), m = strlen(infix);
    if (strncmp(name, base, n) != 0 || strncmp(name + n, infix, m) != 0)
        return 0;
    const char *digits = name + n + m;
    if (*digits < '1' || *digits > '9')
        return 0;
    char *end;
    errno = 0;
    long pid = strtol(digits, &end, 10);
    return *end == '\0' && errno == 0 ? pid : 0;
}

/* Nobody works on it: the process is gone, or it is this one (which has not begun yet), and no process of another
 * machine or container that shares the folder holds the lock. */
static bool is_abandoned(const char *path, long pid)
{
    if (pid != (long)getpid() && (kill((pid_t)pid, 0) == 0 || errno != ESRCH))
        return false;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool free_to_take = flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    close(fd);
    return free_to_take;
}

static void clean_one(const char *parent, const char *name, const char *path)
{
    const char *base = base_of(path);
    long temporary_of = owner_of(name, base, ".tmp-");
    long old_of = owner_of(name, base, ".old-");
    if (!temporary_of && !old_of)
        return;
    char *leftover = path_join(parent, name);
    if (is_abandoned(leftover, temporary_of ? temporary_of : old_of)) {
        if (old_of && !path_exists(path))
            (void)!rename(leftover, path);
        else
            folder_remove(leftover, NULL);
    }
    free(leftover);
}

void folder_clean_leftovers(const char *path)
{
    char *parent = path_folder(path);
    DIR *dir = opendir(parent);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        clean_one(parent, entry->d_name, path);
    if (dir)
        closedir(dir);
    free(parent);
}
