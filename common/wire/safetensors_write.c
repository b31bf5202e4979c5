/* safetensors_write.c - writes one frame, in the order that the reference implementation writes. */
#include "wire/safetensors.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/memory.h"
#include "wire/json.h"

static int compare_wire_order(const void *a, const void *b)
{
    const struct st_tensor *x = *(const struct st_tensor *const *)a, *y = *(const struct st_tensor *const *)b;
    size_t x_size = st_dtype_size(x->dtype), y_size = st_dtype_size(y->dtype);
    if (x_size != y_size)
        return x_size > y_size ? -1 : 1;
    return strcmp(x->name, y->name);
}

static size_t bytes_of(const struct st_tensor *t)
{
    size_t size = st_dtype_size(t->dtype);
    assert(t->rank <= ST_MAX_RANK);
    for (unsigned i = 0; i < t->rank; i++) {
        bool fits = t->shape[i] <= SIZE_MAX && size_multiply(size, (size_t)t->shape[i], &size);
        assert(fits);
        (void)fits;
    }
    return size;
}

static void add_metadata(struct buf *header, const struct st_meta *metadata, size_t n)
{
    buf_addstr(header, "\"__metadata__\":{");
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_addch(header, ',');
        json_add_string(header, metadata[i].key, strlen(metadata[i].key));
        buf_addch(header, ':');
        json_add_string(header, metadata[i].value, strlen(metadata[i].value));
    }
    buf_addch(header, '}');
}

static void add_tensor(struct buf *header, const struct st_tensor *t, size_t begin, size_t end)
{
    json_add_string(header, t->name, strlen(t->name));
    buf_addf(header, ":{\"dtype\":\"%s\",\"shape\":[", st_dtype_name(t->dtype));
    for (unsigned i = 0; i < t->rank; i++)
        buf_addf(header, "%s%llu", i ? "," : "", (unsigned long long)t->shape[i]);
    buf_addf(header, "],\"data_offsets\":[%zu,%zu]}", begin, end);
}

int st_write(struct output *out, const struct st_tensor *tensors, size_t n_tensors, const struct st_meta *metadata,
             size_t n_metadata)
{
    const struct st_tensor **order = xmalloc_array(n_tensors + 1, sizeof *order);
    struct buf header = {0};
    size_t end = 0;
    int rc = -1;

    for (size_t i = 0; i < n_tensors; i++)
        order[i] = &tensors[i];
    qsort(order, n_tensors, sizeof *order, compare_wire_order);

    buf_addch(&header, '{');
    if (n_metadata)
        add_metadata(&header, metadata, n_metadata);
    for (size_t i = 0; i < n_tensors; i++) {
        size_t begin = end;
        end += bytes_of(order[i]);
        if (n_metadata || i)
            buf_addch(&header, ',');
        add_tensor(&header, order[i], begin, end);
    }
    buf_addch(&header, '}');
    while (header.len % 8)
        buf_addch(&header, ' ');

    uint64_t n = header.len;
    if (output_write(out, &n, sizeof n) < 0 || output_write(out, header.data, header.len) < 0)
        goto done;
    for (size_t i = 0; i < n_tensors; i++) {
        size_t size = bytes_of(order[i]);
        if (size && output_write(out, order[i]->data, size) < 0)
            goto done;
    }
    rc = 0;
done:
    buf_free(&header);
    free(order);
    return rc;
}
