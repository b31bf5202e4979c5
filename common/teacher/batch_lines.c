/* batch_lines.c - see batch_lines.h. */
#include "teacher/batch_lines.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"

const char batch_endpoint[] = "/v1/chat/completions";

static const char before_name[] = "{\"custom_id\":\"";
static const char before_body[] = "\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":";
static const char after_body[] = "}\n";
static const size_t write_size = (size_t)256 << 10;

int file_without_name(const char *beside, struct error *err)
{
    char *folder = path_folder(beside);
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) { /* not every file system has it */
        struct buf name = {0};
        buf_addf(&name, "%s/batch.XXXXXX", folder);
        fd = mkostemp(name.data, O_CLOEXEC);
        if (fd >= 0)
            unlink(name.data);
        buf_free(&name);
    }
    if (fd < 0)
        error_set(err, STATUS_FAILURE, "%s: cannot make a temporary file: %s", folder, strerror(errno));
    free(folder);
    return fd;
}

int batch_lines_open(struct batch_lines *l, const char *beside, struct error *err)
{
    *l = (struct batch_lines){.fd = file_without_name(beside, err)};
    return l->fd < 0 ? -1 : 0;
}

uint64_t batch_lines_size(const struct buf *body)
{
    return sizeof before_name + sizeof before_body + sizeof after_body - 3 + (uint64_t)2 * JOURNAL_KEY_SIZE + body->len;
}

int batch_lines_add(struct batch_lines *l, const unsigned char key[JOURNAL_KEY_SIZE], const struct buf *body,
                    struct error *err)
{
    char hex[2 * JOURNAL_KEY_SIZE + 1];
    bool is_new = key_set_add(&l->keys, key);
    assert(is_new);
    (void)is_new;
    journal_key_hex(key, hex);
    buf_addstr(&l->pending, before_name);
    buf_addstr(&l->pending, hex);
    buf_addstr(&l->pending, before_body);
    buf_add(&l->pending, body->data, body->len);
    buf_addstr(&l->pending, after_body);
    l->bytes += batch_lines_size(body);
    return l->pending.len < write_size ? 0 : batch_lines_flush(l, err);
}

int batch_lines_flush(struct batch_lines *l, struct error *err)
{
    int result = l->pending.len ? write_full(l->fd, l->pending.data, l->pending.len, "the batch's file", err) : 0;
    buf_reset(&l->pending);
    return result;
}

int batch_lines_reset(struct batch_lines *l, struct error *err)
{
    buf_reset(&l->pending);
    key_set_reset(&l->keys);
    l->bytes = 0;
    if (ftruncate(l->fd, 0) < 0 || lseek(l->fd, 0, SEEK_SET) < 0)
        return error_set(err, STATUS_FAILURE, "the batch's file: %s", strerror(errno));
    return 0;
}

void batch_lines_close(struct batch_lines *l)
{
    if (l->fd >= 0)
        close(l->fd);
    key_set_free(&l->keys);
    buf_free(&l->pending);
    *l = (struct batch_lines){.fd = -1};
}
