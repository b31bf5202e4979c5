/* safetensors_read.c - a frame from a pipe into memory of its own, or a file mapped where it lies. */
#include "wire/safetensors.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "wire/safetensors_frame.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors are little-endian, and so is all data here");

enum { PREFIX = 8, ALIGNMENT = 64 };
static const size_t stream_header_cap = (size_t)1 << 20, file_header_cap = (size_t)100 << 20;

static uint64_t read_prefix(const void *bytes)
{
    uint64_t n;
    memcpy(&n, bytes, sizeof n);
    return n;
}

/* Memory for `size` bytes of data, the contents of the old being lost. Not xaligned, which would fill it first. */
static int reserve_data(struct st_frame *frame, size_t size, const char *where, struct error *err)
{
    if (frame->data && size <= frame->data_capacity)
        return 0;
    free(frame->data);
    frame->data_capacity = 0;
    size_t capacity = size > SIZE_MAX - ALIGNMENT ? 0 : (size / ALIGNMENT + 1) * ALIGNMENT; /* never none */
    frame->data = capacity ? aligned_alloc(ALIGNMENT, capacity) : NULL;
    if (!frame->data)
        return error_set(err, STATUS_FAILURE, "%s: no memory for %zu bytes of data", where, size);
    frame->data_capacity = capacity;
    return 0;
}

/* Turns offsets into addresses. Where a foreign writer's order or header leaves a tensor at an address that does not
 * suit its dtype, all tensors are copied to places that do, so that callers need not care. */
static int place_tensors(struct st_frame *frame, const char *data, const char *where, struct error *err)
{
    bool suits = true;
    size_t total = 0;
    for (size_t i = 0; i < frame->n_tensors; i++) {
        struct st_tensor *t = &frame->tensors[i];
        t->data = data + (uintptr_t)t->data;
        suits = suits && (uintptr_t)t->data % st_dtype_size(t->dtype) == 0;
        if (!size_add(total, t->size, &total) || !size_add(total, ALIGNMENT, &total))
            return error_set(err, STATUS_FAILURE, "%s: too much data", where);
    }
    if (suits)
        return 0;

    void *old = frame->data; /* NULL where the data is mapped */
    frame->data = NULL;
    frame->data_capacity = 0;
    int rc = reserve_data(frame, total, where, err);
    char *at = frame->data;
    for (size_t i = 0; rc == 0 && i < frame->n_tensors; i++) {
        struct st_tensor *t = &frame->tensors[i];
        if (t->size)
            memcpy(at, t->data, t->size);
        t->data = at;
        at += (t->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    free(old);
    return rc;
}

/* ---- from a pipe ---- */

/* Like input_read_full. */
static ssize_t read_full(struct input *in, struct st_ahead *ahead, void *data, size_t size, struct error *err)
{
    size_t early = 0;
    if (ahead && ahead->begin < ahead->end) {
        early = ahead->end - ahead->begin < size ? ahead->end - ahead->begin : size;
        memcpy(data, ahead->data + ahead->begin, early);
        ahead->begin += early;
    }
    if (early == size)
        return (ssize_t)size;
    ssize_t got = input_read_full(in, (char *)data + early, size - early, err);
    return got < 0 ? -1 : (ssize_t)early + got;
}

static int cut(const char *where, struct error *err)
{
    error_set(err, STATUS_FAILURE, "%s: the input ends inside a frame", where);
    return ST_CUT;
}

static int read_header(struct st_frame *frame, struct input *in, struct st_ahead *ahead, const char *where,
                       size_t *data_size, struct error *err)
{
    char prefix[PREFIX];
    ssize_t got = read_full(in, ahead, prefix, sizeof prefix, err);
    if (got <= 0)
        return (int)got;
    uint64_t n = got == PREFIX ? read_prefix(prefix) : 0;
    if (prefix[0] == '{' && (got < PREFIX || n > stream_header_cap))
        return error_set(err, STATUS_FAILURE, "%s: looks like NDJSON; run wp-tokenize first", where);
    if (got < PREFIX)
        return cut(where, err);
    if (n > stream_header_cap)
        return error_set(err, STATUS_FAILURE, "%s: not safetensors: a header of %llu bytes, more than %zu", where,
                         (unsigned long long)n, stream_header_cap);

    struct buf *text = &st_storage(frame)->text;
    buf_reset(text);
    buf_reserve(text, (size_t)n);
    got = read_full(in, ahead, text->data, (size_t)n, err);
    if (got < 0)
        return -1;
    if ((uint64_t)got < n)
        return cut(where, err);
    text->len = (size_t)n;
    return st_parse_header(frame, text->data, text->len, where, data_size, err) < 0 ? -1 : 1;
}

int st_read_ahead(struct st_frame *frame, struct input *in, struct st_ahead *ahead, const char *where, size_t data_cap,
                  struct error *err)
{
    size_t size;
    assert(!frame->mapping);
    frame->n_tensors = frame->n_metadata = 0;
    int rc = read_header(frame, in, ahead, where, &size, err);
    if (rc <= 0)
        goto done;
    rc = -1;
    if (size > data_cap) {
        error_set(err, STATUS_FAILURE, "%s: %zu bytes of data, more than %zu", where, size, data_cap);
        goto done;
    }
    if (reserve_data(frame, size, where, err) < 0)
        goto done;
    ssize_t got = size ? read_full(in, ahead, frame->data, size, err) : 0;
    if (got < 0)
        goto done;
    if ((size_t)got < size) {
        rc = cut(where, err);
        goto done;
    }
    rc = place_tensors(frame, frame->data, where, err) < 0 ? -1 : 1;
done:
    if (rc <= 0)
        frame->n_tensors = frame->n_metadata = 0;
    return rc;
}

int st_read(struct st_frame *frame, struct input *in, size_t data_cap, struct error *err)
{
    int rc = st_read_ahead(frame, in, NULL, in->name, data_cap, err);
    return rc == ST_CUT ? -1 : rc;
}

/* ---- from a file ---- */

/* Maps the whole of a regular file. */
static int map_file(struct st_frame *frame, const char *path, struct error *err)
{
    struct stat st;
    int rc = -1, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set(err, STATUS_FAILURE, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        error_set(err, STATUS_FAILURE, "%s: not a regular file", path);
    } else if (st.st_size < PREFIX) {
        error_set(err, STATUS_FAILURE, "%s: not safetensors: only %lld bytes", path, (long long)st.st_size);
    } else {
        void *mapping = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (mapping == MAP_FAILED) {
            error_set(err, STATUS_FAILURE, "%s: cannot map it: %s", path, strerror(errno));
        } else {
            frame->mapping = mapping;
            frame->mapping_size = (size_t)st.st_size;
            rc = 0;
        }
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

static int map_frame(struct st_frame *frame, const char *path, struct error *err)
{
    if (map_file(frame, path, err) < 0)
        return -1;
    const char *file = frame->mapping;
    uint64_t n = read_prefix(file);
    size_t rest = frame->mapping_size - PREFIX, size;
    if (memcmp(file, "version ", PREFIX) == 0 && memmem(file, rest < 200 ? rest : 200, "git-lfs", 7))
        return error_set(err, STATUS_FAILURE, "%s: a pointer of Git LFS, not the file itself; run git lfs pull", path);
    if (n > file_header_cap)
        return error_set(err, STATUS_FAILURE, "%s: not safetensors: a header of %llu bytes, more than %zu", path,
                         (unsigned long long)n, file_header_cap);
    if (n > rest)
        return error_set(err, STATUS_FAILURE, "%s: cut short inside its header", path);
    if (st_parse_header(frame, file + PREFIX, (size_t)n, path, &size, err) < 0)
        return -1;
    rest -= (size_t)n;
    if (size > rest)
        return error_set(err, STATUS_FAILURE, "%s: cut short: %zu bytes of data, %zu expected", path, rest, size);
    if (size < rest)
        return error_set(err, STATUS_FAILURE, "%s: %zu bytes follow the tensors' data", path, rest - size);
    return place_tensors(frame, file + PREFIX + n, path, err);
}

int st_map(struct st_frame *frame, const char *path, struct error *err)
{
    st_release(frame);
    if (map_frame(frame, path, err) < 0) {
        st_release(frame);
        return -1;
    }
    return 0;
}
