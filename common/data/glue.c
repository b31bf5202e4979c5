/* glue.c - the cached archive. */
#include "data/glue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "base/memory.h"
#include "data/download.h"
#include "data/members.h"

const char glue_url[] = "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip";

enum { TABLES = 3 };
static const char *const table_names[TABLES] = {"train.tsv", "dev.tsv", "test.tsv"};
static const char *const table_sums[TABLES] = {"48eac26399f8456935f81dd9e3a745c1430adb6c62e233ccfe22db4a0d15d1d1",
                                               "54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0",
                                               "69a938605609b3e6663b4487918fe1565eb293734e6e520d0366d1d412fd2a13"};

/* SST-2.zip; of another address its sum is part of the name, so that two archives never meet in one file. */
static char *cache_path(const char *folder, const char *url)
{
    char hex[SHA256_HEX_SIZE];
    struct buf name = {0};
    if (strcmp(url, glue_url) == 0)
        return path_join(folder, "SST-2.zip");
    sha256_hex(url, strlen(url), hex);
    buf_addf(&name, "SST-2-%.16s.zip", hex);
    char *path = path_join(folder, name.data);
    buf_free(&name);
    return path;
}

/* Without verify: a whole zip archive, whatever is in it. */
static int check(const struct glue *g, const char *path, struct error *err)
{
    char hex[TABLES][SHA256_HEX_SIZE];
    if (members_digests(path, table_names, TABLES, hex, err) < 0)
        return -1;
    for (int i = 0; g->verify && i < TABLES; i++) {
        if (hex[i][0] == '\0')
            return error_set(err, STATUS_FAILURE, "%s: has no %s; --no-verify takes another archive than GLUE's", path,
                             table_names[i]);
        if (strcmp(hex[i], table_sums[i]) != 0)
            return error_set(err, STATUS_FAILURE,
                             "%s: its %s is not GLUE's (sha256 %.12s..., not %.12s...); --no-verify "
                             "takes another archive",
                             path, table_names[i], hex[i], table_sums[i]);
    }
    return 0;
}

/* Holds the lock until the descriptor is closed. */
static int lock(const char *path, struct error *err)
{
    struct buf name = {0};
    buf_addf(&name, "%s.lock", path);
    int fd = open(name.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666), rc = -1;
    while (fd >= 0 && (rc = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
        continue;
    if (rc < 0) {
        error_set(err, STATUS_FAILURE, "%s: cannot lock: %s", name.data, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    buf_free(&name);
    return fd;
}

static int fetch(struct glue *g, const char *part, struct error *err)
{
    struct download d = {.url = g->url, .part = part, .magic = "PK"};
    for (;;) {
        struct error reason = {0};
        int rc = download_run(&d, &reason);
        if (rc < 0 && reason.status == STATUS_USAGE)
            return error_set(err, reason.status, "%s", reason.text);
        if (rc < 0)
            return error_set(err, reason.status,
                             "cannot fetch GLUE's SST-2: %s; without network give its zip archive, its "
                             "folder or a file as PATH",
                             reason.text);
        if (check(g, part, err) == 0)
            return 0;
        bool again = d.resumed; /* the two pieces may not have been of one file */
        download_discard(part);
        if (!again)
            return error_prefix(err, "%s", g->url);
    }
}

static int fetch_locked(struct glue *g, struct error *err)
{
    struct buf part = {0};
    struct error damage = {0};
    int rc = 0;
    if (path_exists(g->path)) {
        if (check(g, g->path, &damage) == 0)
            return 0;
        buf_addf(&g->notes, "%s; fetching it again\n", damage.text);
    }
    buf_addf(&part, "%s.part", g->path);
    rc = fetch(g, part.data, err);
    if (rc == 0 && rename(part.data, g->path) < 0)
        rc = error_set(err, STATUS_FAILURE, "%s: cannot rename to it: %s", g->path, strerror(errno));
    if (rc == 0)
        download_discard(part.data); /* what belonged to the part */
    g->fetched = rc == 0;
    buf_free(&part);
    return rc;
}

int glue_fetch(struct glue *g, struct error *err)
{
    char *folder = path_cache_home();
    if (!folder)
        return error_set(err, STATUS_USAGE,
                         "neither XDG_CACHE_HOME nor HOME is set, so there is no cache to fetch GLUE's "
                         "SST-2 into; give its zip archive, its folder or a file as PATH");
    g->path = cache_path(folder, g->url);
    int held = folder_make(folder, err) < 0 ? -1 : lock(g->path, err);
    int rc = held < 0 ? -1 : fetch_locked(g, err);
    if (held >= 0)
        close(held);
    free(folder);
    if (rc < 0) {
        free(g->path);
        g->path = NULL;
    }
    return rc;
}
