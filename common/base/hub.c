/* hub.c - from MODEL to a path: a path as it is, or a name in the local Hugging Face cache. It fetches nothing. */
#include "base/hub.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/memory.h"

/* Old names without an organisation that the Hub has moved to one. */
static const struct {
    const char *prefix, *organisation;
} moved[] = {
    {"bert-", "google-bert"}, {"distilbert-", "distilbert"}, {"roberta-", "FacebookAI"}, {"albert-", "albert"}};

static char *cache_folder(void)
{
    const char *value = getenv("HF_HUB_CACHE");
    if (value && *value)
        return xstrdup(value);
    value = getenv("HF_HOME");
    if (value && *value)
        return path_join(value, "hub");
    value = getenv("XDG_CACHE_HOME");
    if (value && *value)
        return path_join(value, "huggingface/hub");
    value = getenv("HOME");
    return value && *value ? path_join(value, ".cache/huggingface/hub") : NULL;
}

/* NAME or ORG/NAME with @REVISION allowed: letters, digits, '-', '_', '.', at most one slash in the middle. */
static bool is_hub_name(const char *model)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t first = strspn(model, allowed);
    if (first == 0 || model[0] == '.')
        return false;
    const char *rest = model + first;
    if (*rest == '/') {
        size_t second = strspn(rest + 1, allowed);
        if (second == 0 || rest[1] == '.')
            return false;
        rest += 1 + second;
    }
    return *rest == '\0' || (*rest == '@' && rest[1] != '\0' && rest[1] != '.' && !strstr(rest, ".."));
}

/* The only folder in `snapshots`, or NULL. */
static char *only_snapshot(const char *snapshots)
{
    DIR *dir = opendir(snapshots);
    char *found = NULL;
    int count = 0;
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        free(found);
        found = path_join(snapshots, entry->d_name);
        count++;
    }
    if (dir)
        closedir(dir);
    if (count == 1 && path_is_folder(found))
        return found;
    free(found);
    return NULL;
}

/* The snapshot that refs/REVISION names; else snapshots/REVISION; without a revision also the only one there is. */
static char *find_snapshot(const char *repository, const char *revision)
{
    char *refs = path_join(repository, "refs");
    char *ref = path_join(refs, revision ? revision : "main");
    char *snapshots = path_join(repository, "snapshots");
    char *path = NULL;
    size_t len;
    char *commit = path_exists(ref) ? file_read(ref, 256, &len, NULL) : NULL;
    if (commit) {
        commit[strcspn(commit, " \r\n")] = '\0';
        if (*commit && *commit != '.' && !strchr(commit, '/'))
            path = path_join(snapshots, commit);
    } else if (revision) {
        path = path_join(snapshots, revision);
    } else {
        path = only_snapshot(snapshots);
    }
    if (path && !path_is_folder(path)) {
        free(path);
        path = NULL;
    }
    free(commit);
    free(snapshots);
    free(ref);
    free(refs);
    return path;
}

/* models--ORG--NAME under the cache; NULL where it or its snapshot is not there. */
static char *look_up(const char *cache, const char *organisation, const char *name, const char *revision)
{
    struct buf folder = {0};
    buf_addstr(&folder, "models--");
    if (organisation)
        buf_addf(&folder, "%s--", organisation);
    buf_addstr(&folder, name);
    char *repository = path_join(cache, folder.data);
    char *path = find_snapshot(repository, revision);
    free(repository);
    buf_free(&folder);
    return path;
}

static char *find_in_cache(const char *cache, const char *model)
{
    char *copy = xstrdup(model);
    char *revision = strchr(copy, '@');
    if (revision)
        *revision++ = '\0';
    char *slash = strchr(copy, '/');
    if (slash)
        *slash = '\0';
    const char *organisation = slash ? copy : NULL;
    const char *name = slash ? slash + 1 : copy;
    char *path = look_up(cache, organisation, name, revision);
    for (size_t i = 0; !path && i < sizeof moved / sizeof *moved; i++) {
        if (strncmp(name, moved[i].prefix, strlen(moved[i].prefix)) != 0)
            continue;
        if (!organisation) /* the short name of what the cache has under its full one, and the other way round */
            path = look_up(cache, moved[i].organisation, name, revision);
        else if (strcmp(organisation, moved[i].organisation) == 0)
            path = look_up(cache, NULL, name, revision);
    }
    free(copy);
    return path;
}

char *hub_resolve(const char *model, struct error *err)
{
    if (path_exists(model))
        return xstrdup(model);
    if (!is_hub_name(model)) {
        error_set(err, STATUS_USAGE, "%s: no such file or folder", model);
        return NULL;
    }
    char *cache = cache_folder();
    char *path = cache ? find_in_cache(cache, model) : NULL;
    if (!path) {
        struct buf command = {0};
        const char *at = strchr(model, '@');
        if (at)
            buf_addf(&command, "--revision %s %.*s", at + 1, (int)(at - model), model);
        else
            buf_addstr(&command, model);
        error_set(err, STATUS_USAGE,
                  "%s: no such file or folder, nor in the Hugging Face cache (%s); fetch it with: "
                  "pipelines/fetch-model %s",
                  model, cache ? cache : "HOME is not set", command.data);
        buf_free(&command);
    }
    free(cache);
    return path;
}
