/* path.c - paths and folders: joining, making, syncing, removing. The functions are declared in io.h. */
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

char *path_join(const char *folder, const char *name)
{
    struct buf path = {0};
    buf_addstr(&path, folder);
    if (path.len > 0 && path.data[path.len - 1] != '/')
        buf_addch(&path, '/');
    buf_addstr(&path, name);
    return path.data;
}

char *path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? xmemdup0(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
}

bool path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool path_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* $VARIABLE/distil, else $HOME/FALLBACK/distil. The XDG specification says that relative values do not count. */
static char *xdg_home(const char *variable, const char *fallback)
{
    const char *base = getenv(variable);
    if (base && base[0] == '/')
        return path_join(base, "distil");
    const char *home = getenv("HOME");
    if (!home || !*home)
        return NULL;
    char *folder = path_join(home, fallback);
    char *path = path_join(folder, "distil");
    free(folder);
    return path;
}

char *path_cache_home(void)
{
    return xdg_home("XDG_CACHE_HOME", ".cache");
}

char *path_state_home(void)
{
    return xdg_home("XDG_STATE_HOME", ".local/state");
}

int folder_sync(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, STATUS_FAILURE, "%s: %s", path, strerror(errno));
    int rc = fsync(fd);
    int reason = errno;
    close(fd);
    if (rc < 0 && reason != EINVAL && reason != EROFS && reason != ENOTSUP)
        return error_set(err, STATUS_FAILURE, "%s: cannot sync: %s", path, strerror(reason));
    return 0;
}

/* fsync of an entry of the folder, or (only `start`) a word to the kernel that it will come, so that the writes of many
 * files go together. */
static int sync_entry(int folder, const char *name, bool start)
{
    struct stat st;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int rc = fd < 0 ? -1 : 0;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if (start)
            (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        else if (fsync(fd) < 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
            rc = -1;
    }
    int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    return rc;
}

int folder_sync_whole(const char *path, struct error *err)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    int rc = dir ? 0 : -1;
    for (int start = 1; start >= 0 && rc == 0; start--) {
        rewinddir(dir);
        while (rc == 0 && (entry = readdir(dir)))
            rc = sync_entry(dirfd(dir), entry->d_name, start);
    }
    int reason = errno;
    if (dir)
        closedir(dir);
    if (rc < 0)
        return error_set(err, STATUS_FAILURE, "%s: cannot sync: %s", path, strerror(reason));
    return folder_sync(path, err);
}

int folder_make(const char *path, struct error *err)
{
    char *partial = xstrdup(path);
    int rc = 0;
    for (char *at = partial + (*partial == '/'); rc == 0; at++) {
        char c = *at;
        if (c != '/' && c != '\0')
            continue;
        *at = '\0';
        if (*partial && mkdir(partial, 0777) < 0 && !(errno == EEXIST && path_is_folder(partial)))
            rc = error_set(err, STATUS_FAILURE, "%s: cannot make the folder: %s", partial, strerror(errno));
        *at = c;
        if (c == '\0')
            break;
    }
    free(partial);
    return rc;
}

/* Removes what is in the folder behind fd and closes fd. Symbolic links are removed, never followed. */
static int remove_contents(int fd)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -1;
    }
    int rc = 0;
    const struct dirent *entry;
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
            continue;
        int child = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0 || remove_contents(child) < 0 || unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) < 0)
            rc = -1;
    }
    if (errno != 0 && !entry)
        rc = -1;
    int reason = errno;
    closedir(dir);
    errno = reason;
    return rc;
}

int folder_remove(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || remove_contents(fd) < 0 || rmdir(path) < 0)
        return error_set(err, STATUS_FAILURE, "%s: cannot remove: %s", path, strerror(errno));
    return 0;
}
