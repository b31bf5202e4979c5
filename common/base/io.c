/* io.c - input and output over descriptors. Paths and folders are in path.c, the removal of unfinished files in
 * temporary.c. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/temporary.h"

enum { PENDING_MAX = 65536 };

/* ---- input ---- */

static bool is_standard(const char *path)
{
    return !path || strcmp(path, "-") == 0;
}

int input_open(struct input *in, const char *path, struct error *err)
{
    *in = (struct input){.fd = -1};
    if (is_standard(path)) {
        int flags = fcntl(STDIN_FILENO, F_GETFL);
        if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY)
            return error_set(err, STATUS_FAILURE, "standard input is closed");
        if (!path && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
            inform(0, "reading from the terminal; Ctrl-D ends the input");
        in->fd = STDIN_FILENO;
        in->name = xstrdup("<stdin>");
        return 0;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_set(err, STATUS_FAILURE, "%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(fd);
        return error_set(err, STATUS_FAILURE, "%s: is a folder, not a file", path);
    }
    in->fd = fd;
    in->name = xstrdup(path);
    in->owned = true;
    return 0;
}

ssize_t input_read(struct input *in, void *data, size_t size, struct error *err)
{
    ssize_t n;
    do
        n = read(in->fd, data, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return error_set(err, STATUS_FAILURE, "%s: cannot read: %s", in->name, strerror(errno));
    return n;
}

ssize_t input_read_full(struct input *in, void *data, size_t size, struct error *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = input_read(in, (char *)data + done, size - done, err);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

void input_close(struct input *in)
{
    if (in->owned)
        close(in->fd);
    free(in->name);
    *in = (struct input){.fd = -1};
}

/* ---- output ---- */

/* The reader of stdout has left: end as SIGPIPE would have ended us, had the parent not told us to ignore it. */
static void end_by_sigpipe(void)
{
    sigset_t set;
    temporary_remove_all();
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGPIPE);
}

int write_full(int fd, const void *data, size_t len, const char *name, struct error *err)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int reason = errno;
            if (reason == EPIPE && fd == STDOUT_FILENO)
                end_by_sigpipe();
            return error_set(err, STATUS_FAILURE, "%s: cannot write: %s", name, strerror(reason));
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The descriptor that a name like /dev/stdout or /dev/fd/3 stands for, or -1. Opening such a name anew would lose the
 * descriptor's place in the file. */
static int descriptor_of(const char *path)
{
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0)
        return STDERR_FILENO;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        size_t len = strlen(folders[i]);
        if (strncmp(path, folders[i], len) != 0)
            continue;
        char *end;
        long fd = strtol(path + len, &end, 10);
        if (end != path + len && *end == '\0' && fd >= 0 && fd < 1 << 20)
            return (int)fd;
    }
    return -1;
}

static int open_descriptor(struct output *out, int fd, const char *name, struct error *err)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
        if (fd == STDOUT_FILENO)
            return error_set(err, STATUS_FAILURE, "standard output is closed");
        return error_set(err, STATUS_FAILURE, "%s: not open for writing", name);
    }
    out->fd = fd;
    out->name = xstrdup(name);
    return 0;
}

/* An existing device, FIFO or terminal. */
static int open_special(struct output *out, const char *path, struct error *err)
{
    out->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (out->fd < 0)
        return error_set(err, STATUS_FAILURE, "%s: %s", path, strerror(errno));
    out->name = xstrdup(path);
    return 0;
}

/* `existing` is NULL or what stands at path now. Its mode is kept, and a symbolic link stays one. */
static int open_temporary(struct output *out, const char *path, const struct stat *existing, struct error *err)
{
    if (existing && access(path, W_OK) < 0)
        return error_set(err, STATUS_FAILURE, "%s: %s", path, strerror(errno));
    char *real = existing ? realpath(path, NULL) : NULL;
    const char *target = real ? real : path;
    int fd = temporary_create(target, &out->temporary);
    if (fd < 0) {
        error_set(err, STATUS_FAILURE, "%s: cannot create: %s", path, strerror(errno));
        free(real);
        return -1;
    }
    if (existing)
        (void)fchmod(fd, existing->st_mode & 0777);
    out->fd = fd;
    out->name = xstrdup(target);
    free(real);
    return 0;
}

static int open_named(struct output *out, const char *path, struct error *err)
{
    struct stat st;
    int fd = descriptor_of(path);
    if (fd >= 0)
        return open_descriptor(out, fd, path, err);
    if (stat(path, &st) < 0) {
        if (errno != ENOENT)
            return error_set(err, STATUS_FAILURE, "%s: %s", path, strerror(errno));
        return open_temporary(out, path, NULL, err);
    }
    if (S_ISDIR(st.st_mode))
        return error_set(err, STATUS_FAILURE, "%s: is a folder, not a file", path);
    if (!S_ISREG(st.st_mode))
        return open_special(out, path, err);
    return open_temporary(out, path, &st, err);
}

int output_open(struct output *out, const char *path, bool binary, struct error *err)
{
    *out = (struct output){.fd = -1};
    int rc = is_standard(path) ? open_descriptor(out, STDOUT_FILENO, "<stdout>", err) : open_named(out, path, err);
    if (rc == 0 && binary && isatty(out->fd)) {
        error_set(err, STATUS_USAGE, "refusing to write tensors to a terminal; use -o FILE or a pipe");
        rc = -1;
        output_abort(out);
    }
    if (rc < 0) /* writing to an output that did not open fails as well */
        error_set(&out->error, STATUS_FAILURE, "output is not open");
    return rc;
}

/* flags: O_TRUNC or 0. */
static int open_log(struct output *out, const char *path, int flags, struct error *err)
{
    struct stat st;
    if (is_standard(path) || descriptor_of(path) >= 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
        return output_open(out, path, false, err);
    *out = (struct output){.fd = open(path, O_WRONLY | O_CREAT | flags | O_CLOEXEC | O_NOCTTY, 0666)};
    if (out->fd < 0) {
        error_set(&out->error, STATUS_FAILURE, "output is not open");
        return error_set(err, STATUS_FAILURE, "%s: %s", path, strerror(errno));
    }
    out->name = xstrdup(path);
    return 0;
}

int output_open_log(struct output *out, const char *path, struct error *err)
{
    return open_log(out, path, O_TRUNC, err);
}

int output_resume_log(struct output *out, const char *path, uint64_t size, struct error *err)
{
    struct stat st;
    if (open_log(out, path, 0, err) < 0)
        return -1;
    if (fstat(out->fd, &st) < 0 || !S_ISREG(st.st_mode) || is_standard(path) || descriptor_of(path) >= 0)
        return 0;
    bool shorter = (uintmax_t)st.st_size < size;
    if ((!shorter && ftruncate(out->fd, (off_t)size) < 0) || lseek(out->fd, 0, SEEK_END) < 0) {
        error_set(err, STATUS_FAILURE, "%s: cannot write: %s", path, strerror(errno));
        output_abort(out);
        return -1;
    }
    return shorter;
}

int output_open_part(struct output *out, const char *path, struct error *err)
{
    *out = (struct output){.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666)};
    if (out->fd < 0) {
        error_set(&out->error, STATUS_FAILURE, "output is not open");
        return error_set(err, STATUS_FAILURE, "%s: cannot create: %s", path, strerror(errno));
    }
    out->name = xstrdup(path);
    return 0;
}

int output_flush(struct output *out)
{
    if (out->error.status)
        return -1;
    int rc = write_full(out->fd, out->pending.data, out->pending.len, out->name, &out->error);
    buf_reset(&out->pending);
    return rc;
}

int output_write(struct output *out, const void *data, size_t len)
{
    if (out->error.status)
        return -1;
    if (len > PENDING_MAX - out->pending.len && output_flush(out) < 0)
        return -1;
    if (len >= PENDING_MAX)
        return write_full(out->fd, data, len, out->name, &out->error);
    buf_add(&out->pending, data, len);
    return 0;
}

/* Descriptors that were open before us are left open: only a copy is closed, which reports a late failure (NFS). */
static int close_descriptor(struct output *out)
{
    bool inherited = !out->temporary && (out->fd <= STDERR_FILENO || descriptor_of(out->name) >= 0);
    int fd = inherited ? fcntl(out->fd, F_DUPFD_CLOEXEC, 3) : out->fd;
    int rc = fd >= 0 ? close(fd) : -1;
    out->fd = -1;
    return rc;
}

static void finish_named(struct output *out)
{
    /* Some file systems cannot sync; that is no reason to throw the file away. */
    bool failed = fsync(out->fd) < 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP;
    int reason = errno;
    if (close_descriptor(out) < 0 && !failed) {
        failed = true;
        reason = errno;
    }
    if (!failed && rename(out->temporary, out->name) < 0) {
        failed = true;
        reason = errno;
    }
    if (failed) {
        error_set(&out->error, STATUS_FAILURE, "%s: cannot write: %s", out->name, strerror(reason));
        return;
    }
    temporary_forget(out->temporary);
    out->temporary = NULL;
    char *folder = path_folder(out->name);
    (void)folder_sync(folder, NULL);
    free(folder);
}

int output_close(struct output *out)
{
    if (out->fd >= 0 && output_flush(out) == 0) {
        if (out->temporary)
            finish_named(out);
        else if (close_descriptor(out) < 0)
            error_set(&out->error, STATUS_FAILURE, "%s: cannot write: %s", out->name, strerror(errno));
    }
    int rc = out->error.status ? -1 : 0;
    output_abort(out); /* with a failure there is still something to throw away; else only memory */
    return rc;
}

void output_abort(struct output *out)
{
    if (out->fd >= 0)
        (void)close_descriptor(out);
    if (out->temporary)
        temporary_remove(out->temporary);
    out->temporary = NULL;
    free(out->name);
    out->name = NULL;
    out->fd = -1;
    buf_free(&out->pending);
}

/* ---- whole files ---- */

char *file_read(const char *path, size_t cap, size_t *len, struct error *err)
{
    struct input in;
    struct buf text = {0};
    struct stat st;
    if (input_open(&in, path, err) < 0)
        return NULL;
    if (fstat(in.fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0) {
        if ((uintmax_t)st.st_size > cap)
            goto too_large;
        buf_reserve(&text, (size_t)st.st_size + 1);
    }
    for (;;) {
        buf_reserve(&text, 4096);
        ssize_t n = input_read(&in, text.data + text.len, text.cap - text.len - 1, err);
        if (n < 0)
            goto failed;
        if (n == 0)
            break;
        text.len += (size_t)n;
        if (text.len > cap)
            goto too_large;
    }
    text.data[text.len] = '\0';
    if (len)
        *len = text.len;
    input_close(&in);
    return text.data;
too_large:
    error_set(err, STATUS_FAILURE, "%s: larger than the %zu bytes allowed", in.name, cap);
failed:
    input_close(&in);
    buf_free(&text);
    return NULL;
}

static int write_and_close(struct output *out, const void *data, size_t len, struct error *err)
{
    output_write(out, data, len);
    if (output_close(out) == 0)
        return 0;
    return error_set(err, out->error.status, "%s", out->error.text);
}

int file_write(const char *path, const void *data, size_t len, struct error *err)
{
    struct output out;
    return output_open(&out, path, false, err) < 0 ? -1 : write_and_close(&out, data, len, err);
}

int file_write_part(const char *path, const void *data, size_t len, struct error *err)
{
    struct output out;
    return output_open_part(&out, path, err) < 0 ? -1 : write_and_close(&out, data, len, err);
}
