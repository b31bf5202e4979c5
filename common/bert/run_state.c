/* run_state.c - see run_state.h. */
#include "bert/run_state.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"

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

long run_state_clear(const char *state, struct error *err)
{
    static const char prefix[] = "checkpoint-";
    DIR *dir = opendir(state);
    const struct dirent *entry;
    long removed = 0;
    if (!dir && errno == ENOENT)
        return 0;
    if (!dir)
        return error_set(err, STATUS_FAILURE, "%s: %s", state, strerror(errno));
    while (removed >= 0 && (entry = readdir(dir))) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        char *path = path_join(state, entry->d_name);
        removed = folder_remove(path, err) < 0 ? -1 : removed + 1;
        free(path);
    }
    closedir(dir);
    return removed;
}

int run_state_remove(const char *state, struct error *err)
{
    if (run_state_clear(state, err) < 0)
        return -1;
    if (rmdir(state) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
        return error_set(err, STATUS_FAILURE, "%s: cannot remove: %s", state, strerror(errno));
    return 0;
}
