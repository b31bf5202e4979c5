/* members.c - folders and zip archives (through libarchive). */
#include "data/members.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/memory.h"

enum { BLOCK = 1 << 16 };
/* A member that unpacks to more is taken for a zip bomb. */
static const unsigned long long largest_member = 16ull << 30;

/* ---- names ---- */

/* The i-th name to look for, in order of preference; NULL behind the last. The name lives until the next call. */
static const char *candidate(struct buf *name, const char *split, enum data_format format, size_t i)
{
    static const struct {
        const char *extension;
        enum data_format format;
    } kinds[] = {{".tsv", FORMAT_GLUE},    {".tsv", FORMAT_TSV},      {".csv", FORMAT_CSV},
                 {".jsonl", FORMAT_JSONL}, {".ndjson", FORMAT_JSONL}, {".txt", FORMAT_TREES}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (format == FORMAT_AUTO ? kinds[k].format == FORMAT_TSV : kinds[k].format != format)
            continue;
        const char *stems[] = {strcmp(split, "validation") == 0 ? "dev" : split, "validation"};
        size_t n = strcmp(split, "validation") == 0 ? 2 : 1;
        if (i < n) {
            buf_reset(name);
            buf_addf(name, "%s%s", stems[i], kinds[k].extension);
            return name->data;
        }
        i -= n;
    }
    return NULL;
}

static int none_found(const char *where, const char *split, enum data_format format, struct error *err)
{
    struct buf name = {0}, names = {0};
    for (size_t i = 0; candidate(&name, split, format, i); i++)
        buf_addf(&names, "%s%s", i ? ", " : "", name.data);
    error_set(err, STATUS_FAILURE, "%s: no file for --split %s in it (%s); give the file itself", where, split,
              names.data);
    buf_free(&name);
    buf_free(&names);
    return -1;
}

char *members_in_folder(const char *folder, const char *split, enum data_format format, struct error *err)
{
    struct buf name = {0};
    char *path = NULL;
    for (size_t i = 0; !path && candidate(&name, split, format, i); i++) {
        path = path_join(folder, name.data);
        if (!path_exists(path)) {
            free(path);
            path = NULL;
        }
    }
    buf_free(&name);
    if (!path)
        none_found(folder, split, format, err);
    return path;
}

/* ---- archives ---- */

static int archive_error(const char *name, struct archive *a, struct error *err)
{
    const char *text = archive_error_string(a);
    return error_set(err, STATUS_FAILURE, "%s: cannot read the zip archive: %s", name, text ? text : "it is damaged");
}

static struct archive *open_archive(int fd, const char *name, struct error *err)
{
    struct archive *a = archive_read_new();
    if (!a || lseek(fd, 0, SEEK_SET) < 0) {
        error_set(err, STATUS_FAILURE, "%s: %s", name, strerror(a ? errno : ENOMEM));
        archive_read_free(a);
        return NULL;
    }
    archive_read_support_format_zip(a);
    if (archive_read_open_fd(a, fd, BLOCK) != ARCHIVE_OK) {
        archive_error(name, a, err);
        archive_read_free(a);
        return NULL;
    }
    return a;
}

/* 1: a file, 0: the end, -1. The path is NULL where the name cannot be shown in this locale. */
static int next_member(struct archive *a, const char *name, const char **path, struct error *err)
{
    struct archive_entry *entry;
    for (;;) {
        int rc = archive_read_next_header(a, &entry);
        if (rc == ARCHIVE_EOF)
            return 0;
        if (rc == ARCHIVE_RETRY)
            continue;
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
            return archive_error(name, a, err);
        if (archive_entry_filetype(entry) != AE_IFREG && archive_entry_filetype(entry) != 0)
            continue;
        *path = archive_entry_pathname(entry);
        if (!*path)
            *path = archive_entry_pathname_utf8(entry);
        return 1;
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The path of the wanted member: by preference of the names, then by depth. Freed by the caller. */
static char *choose_member(int fd, const char *name, const char *split, enum data_format format, struct error *err)
{
    struct archive *a = open_archive(fd, name, err);
    if (!a)
        return NULL;
    char *best = NULL;
    size_t best_rank = SIZE_MAX, best_depth = SIZE_MAX;
    const char *path, *wanted;
    struct buf text = {0};
    int rc;
    while ((rc = next_member(a, name, &path, err)) == 1) {
        size_t depth = 0;
        for (const char *c = path ? path : ""; *c; c++)
            depth += *c == '/';
        for (size_t i = 0; path && (wanted = candidate(&text, split, format, i)) != NULL; i++) {
            if (strcmp(wanted, base_name(path)) != 0 || i > best_rank || (i == best_rank && depth >= best_depth))
                continue;
            free(best);
            best = xstrdup(path);
            best_rank = i;
            best_depth = depth;
        }
    }
    if (rc == 0 && !best)
        none_found(name, split, format, err);
    if (rc < 0) {
        free(best);
        best = NULL;
    }
    buf_free(&text);
    archive_read_free(a);
    return best;
}

/* ---- temporary files ---- */

/* A file without a name under TMPDIR. */
static int temporary_file(struct error *err)
{
    const char *folder = getenv("TMPDIR");
    char *path = path_join(folder && *folder ? folder : "/tmp", "sst2-dump-XXXXXX");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        error_set(err, STATUS_FAILURE, "%s: cannot create a temporary file: %s; set TMPDIR", path, strerror(errno));
    else
        unlink(path);
    free(path);
    return fd;
}

/* All of the input behind lines, which may be a pipe, as something that can be sought in. */
static int seekable(struct lines *lines, struct error *err)
{
    if (lseek(lines->in.fd, 0, SEEK_CUR) >= 0)
        return 0;
    int fd = temporary_file(err);
    char *block = xmalloc(BLOCK);
    ssize_t n = fd < 0 ? -1 : 0;
    if (n == 0)
        n = write_full(fd, lines->data + lines->begin, lines->end - lines->begin, "temporary file", err);
    while (n >= 0 && (n = input_read(&lines->in, block, BLOCK, err)) > 0)
        n = write_full(fd, block, (size_t)n, "temporary file", err);
    free(block);
    if (n < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (lines->in.owned)
        close(lines->in.fd);
    lines->in.fd = fd;
    lines->in.owned = true;
    return 0;
}

/* Unpacks the current member to fd (unless -1) and into the digest (unless NULL). */
static int unpack(struct archive *a, const char *name, int fd, SHA2_CTX *digest, struct error *err)
{
    char *block = xmalloc(BLOCK);
    unsigned long long total = 0;
    la_ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = archive_read_data(a, block, BLOCK)) != 0) {
        total += n > 0 ? (unsigned long long)n : 0;
        if (n < 0)
            rc = archive_error(name, a, err);
        else if (total > largest_member)
            rc = error_set(err, STATUS_FAILURE,
                           "%s: a file in it is larger than %llu bytes; unpack it and give the file", name,
                           largest_member);
        else if (fd >= 0)
            rc = write_full(fd, block, (size_t)n, "temporary file", err);
        if (rc == 0 && digest)
            SHA256Update(digest, (const uint8_t *)block, (size_t)n);
    }
    free(block);
    return rc;
}

/* Unpacks the member to fd and goes back to its beginning. */
static int unpack_member(const struct input *in, const char *wanted, int fd, struct error *err)
{
    struct archive *a = open_archive(in->fd, in->name, err);
    const char *path = NULL;
    int rc = a ? 1 : -1;
    while (rc == 1 && (rc = next_member(a, in->name, &path, err)) == 1) {
        if (path && strcmp(path, wanted) == 0)
            break;
    }
    if (rc == 1)
        rc = unpack(a, in->name, fd, NULL, err);
    else if (rc == 0)
        rc = error_set(err, STATUS_FAILURE, "%s: changed while it was read", in->name);
    if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
        rc = error_set(err, STATUS_FAILURE, "temporary file: %s", strerror(errno));
    archive_read_free(a);
    return rc;
}

int members_open(struct lines *lines, const char *split, enum data_format format, struct error *err)
{
    if (seekable(lines, err) < 0)
        return -1;
    char *wanted = choose_member(lines->in.fd, lines->in.name, split, format, err);
    int fd = wanted ? temporary_file(err) : -1;
    int rc = fd < 0 ? -1 : unpack_member(&lines->in, wanted, fd, err);
    if (rc == 0) {
        size_t longest = lines->longest;
        char *name = path_join(lines->in.name, wanted);
        lines_close(lines);
        *lines = (struct lines){.in = {.fd = fd, .name = name, .owned = true}, .longest = longest};
    } else if (fd >= 0) {
        close(fd);
    }
    free(wanted);
    return rc;
}

int members_digests(const char *path, const char *const *names, size_t n, char (*hex)[SHA256_HEX_SIZE],
                    struct error *err)
{
    struct input in;
    if (input_open(&in, path, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        hex[i][0] = '\0';
    struct archive *a = open_archive(in.fd, in.name, err);
    const char *member = NULL;
    int rc = a ? 1 : -1;
    while (rc == 1 && (rc = next_member(a, in.name, &member, err)) == 1) {
        SHA2_CTX digest;
        SHA256Init(&digest);
        rc = unpack(a, in.name, -1, &digest, err) < 0 ? -1 : 1;
        for (size_t i = 0; rc == 1 && i < n; i++) {
            if (member && !hex[i][0] && strcmp(base_name(member), names[i]) == 0)
                sha256_finish_hex(&digest, hex[i]);
        }
    }
    archive_read_free(a);
    input_close(&in);
    return rc;
}
