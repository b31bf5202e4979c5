/* safetensors.c - the header of a frame: parsed, checked, looked up. Reading is in safetensors_read.c, writing in
 * safetensors_write.c. */
#include "wire/safetensors.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "wire/safetensors_frame.h"

enum { SHOWN_NAME = 80 };

static const struct {
    const char *name;
    size_t size;
} dtypes[ST_DTYPES] = {
    [ST_BOOL] = {"BOOL", 1},       [ST_U8] = {"U8", 1},   [ST_I8] = {"I8", 1},   [ST_F8_E4M3] = {"F8_E4M3", 1},
    [ST_F8_E5M2] = {"F8_E5M2", 1}, [ST_U16] = {"U16", 2}, [ST_I16] = {"I16", 2}, [ST_F16] = {"F16", 2},
    [ST_BF16] = {"BF16", 2},       [ST_U32] = {"U32", 4}, [ST_I32] = {"I32", 4}, [ST_F32] = {"F32", 4},
    [ST_U64] = {"U64", 8},         [ST_I64] = {"I64", 8}, [ST_F64] = {"F64", 8},
};

const char *st_dtype_name(enum st_dtype dtype)
{
    return dtypes[dtype].name;
}

size_t st_dtype_size(enum st_dtype dtype)
{
    return dtypes[dtype].size;
}

const struct st_tensor *st_find(const struct st_frame *frame, const char *name)
{
    for (size_t i = 0; i < frame->n_tensors; i++) {
        if (strcmp(frame->tensors[i].name, name) == 0)
            return &frame->tensors[i];
    }
    return NULL;
}

const char *st_metadata(const struct st_frame *frame, const char *key)
{
    for (size_t i = 0; i < frame->n_metadata; i++) {
        if (strcmp(frame->metadata[i].key, key) == 0)
            return frame->metadata[i].value;
    }
    return NULL;
}

struct st_storage *st_storage(struct st_frame *frame)
{
    if (!frame->names)
        frame->names = xcalloc(1, sizeof(struct st_storage));
    return frame->names;
}

void st_let_go(const struct st_frame *frame)
{
    if (frame->mapping)
        madvise(frame->mapping, frame->mapping_size, MADV_DONTNEED);
}

void st_release(struct st_frame *frame)
{
    struct st_storage *s = frame->names;
    if (s) {
        json_free(&s->doc);
        buf_free(&s->text);
        free(s);
    }
    if (frame->mapping)
        munmap(frame->mapping, frame->mapping_size);
    free(frame->data);
    free(frame->tensors);
    free(frame->metadata);
    *frame = (struct st_frame){0};
}

/* ---- the header ---- */

/* How much of a name a message shows, whole characters only. */
static int shown(const char *name)
{
    size_t len = strlen(name);
    if (len > SHOWN_NAME) {
        len = SHOWN_NAME;
        while (len > 0 && ((unsigned char)name[len] & 0xC0) == 0x80)
            len--;
    }
    return (int)len;
}

static int tensor_error(struct error *err, const char *where, const char *name, const char *what)
{
    return error_set(err, STATUS_FAILURE, "%s: tensor \"%.*s\": %s", where, shown(name), name, what);
}

/* Digits only: json_get_long would take 1.0 and 1e3 too, which other readers of the format refuse. */
static bool read_size(const struct json_node *node, uint64_t *value)
{
    if (!node || node->type != JSON_NUMBER)
        return false;
    *value = 0;
    for (size_t i = 0; i < node->len; i++) {
        char c = node->text[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(*value, (uint64_t)10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(c - '0'), value))
            return false;
    }
    return true;
}

static bool read_dtype(const struct json_node *node, enum st_dtype *dtype)
{
    for (int i = 0; i < ST_DTYPES; i++) {
        if (json_is(node, dtypes[i].name)) {
            *dtype = (enum st_dtype)i;
            return true;
        }
    }
    return false;
}

static int read_shape(struct st_tensor *t, const struct json *doc, const struct json_node *shape, const char *where,
                      struct error *err)
{
    if (!shape || shape->type != JSON_ARRAY)
        return tensor_error(err, where, t->name, "shape is not a list");
    if (shape->count > ST_MAX_RANK)
        return tensor_error(err, where, t->name, "shape has more than 8 dimensions");
    t->elements = 1;
    for (const struct json_node *d = json_first(doc, shape); d; d = json_next(doc, d)) {
        uint64_t size;
        if (!read_size(d, &size))
            return tensor_error(err, where, t->name, "shape holds what is no size");
        if (size > SIZE_MAX || !size_multiply(t->elements, (size_t)size, &t->elements))
            return tensor_error(err, where, t->name, "shape is too large");
        t->shape[t->rank++] = size;
    }
    if (!size_multiply(t->elements, st_dtype_size(t->dtype), &t->size))
        return tensor_error(err, where, t->name, "shape is too large");
    return 0;
}

/* One member of the header. t->data becomes the offset of its data. */
static int read_tensor(struct st_tensor *t, const struct json *doc, const struct json_node *node, const char *where,
                       struct error *err)
{
    *t = (struct st_tensor){.name = node->key};
    if (strlen(node->key) != node->key_len)
        return tensor_error(err, where, t->name, "the name holds a NUL");
    if (node->type != JSON_OBJECT)
        return tensor_error(err, where, t->name, "is not described by an object");
    if (!read_dtype(json_member(doc, node, "dtype"), &t->dtype))
        return tensor_error(err, where, t->name, "dtype is missing or unknown");
    if (read_shape(t, doc, json_member(doc, node, "shape"), where, err) < 0)
        return -1;

    const struct json_node *offsets = json_member(doc, node, "data_offsets"), *first = json_first(doc, offsets);
    uint64_t begin, end;
    if (!offsets || offsets->type != JSON_ARRAY || offsets->count != 2 || !read_size(first, &begin) ||
        !read_size(json_next(doc, first), &end) || begin > end || end > SIZE_MAX)
        return tensor_error(err, where, t->name, "data_offsets is not [begin, end]");
    if (end - begin != t->size)
        return error_set(err, STATUS_FAILURE,
                         "%s: tensor \"%.*s\": shape and dtype need %zu bytes, data_offsets give %llu", where,
                         shown(t->name), t->name, t->size, (unsigned long long)(end - begin));
    t->data = (const void *)(uintptr_t)begin;
    return 0;
}

static int read_metadata(struct st_frame *frame, const struct json_node *node, const char *where, struct error *err)
{
    struct st_storage *s = st_storage(frame);
    if (node->type != JSON_OBJECT)
        return error_set(err, STATUS_FAILURE, "%s: __metadata__ is not an object", where);
    if (node->count > s->metadata_cap) {
        s->metadata_cap = node->count;
        frame->metadata = xrealloc_array(frame->metadata, s->metadata_cap, sizeof *frame->metadata);
    }
    for (const struct json_node *m = json_first(&s->doc, node); m; m = json_next(&s->doc, m)) {
        if (m->type != JSON_STRING || strlen(m->text) != m->len || strlen(m->key) != m->key_len)
            return error_set(err, STATUS_FAILURE, "%s: __metadata__ \"%.*s\" is not a string without NUL", where,
                             shown(m->key), m->key);
        frame->metadata[frame->n_metadata++] = (struct st_meta){m->key, m->text};
    }
    return 0;
}

static int compare_places(const void *a, const void *b)
{
    const struct st_tensor *x = a, *y = b;
    uintptr_t x_begin = (uintptr_t)x->data, y_begin = (uintptr_t)y->data;
    if (x_begin != y_begin)
        return x_begin < y_begin ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Sorts by place; the ranges must follow each other from 0 on. */
static int check_places(struct st_frame *frame, const char *where, size_t *data_size, struct error *err)
{
    size_t end = 0;
    if (frame->n_tensors)
        qsort(frame->tensors, frame->n_tensors, sizeof *frame->tensors, compare_places);
    for (size_t i = 0; i < frame->n_tensors; i++) {
        const struct st_tensor *t = &frame->tensors[i];
        uintptr_t begin = (uintptr_t)t->data;
        if (begin != end)
            return tensor_error(err, where, t->name,
                                begin < end ? "its data overlaps another tensor's" : "a gap is before its data");
        if (!size_add(end, t->size, &end))
            return tensor_error(err, where, t->name, "its data ends nowhere");
    }
    *data_size = end;
    return 0;
}

int st_parse_header(struct st_frame *frame, const char *text, size_t len, const char *where, size_t *data_size,
                    struct error *err)
{
    struct st_storage *s = st_storage(frame);
    frame->n_tensors = frame->n_metadata = 0;
    frame->header_size = len;
    if (len == 0 || text[0] != '{')
        return error_set(err, STATUS_FAILURE, "%s: not safetensors: the header does not begin with {", where);
    if (json_parse(&s->doc, text, len, err) < 0)
        return error_prefix(err, "%s: header", where);

    const struct json_node *root = json_root(&s->doc);
    if (root->count > s->tensors_cap) {
        s->tensors_cap = root->count;
        frame->tensors = xrealloc_array(frame->tensors, s->tensors_cap, sizeof *frame->tensors);
    }
    for (const struct json_node *n = json_first(&s->doc, root); n; n = json_next(&s->doc, n)) {
        if (strcmp(n->key, "__metadata__") == 0) {
            if (read_metadata(frame, n, where, err) < 0)
                return -1;
        } else if (read_tensor(&frame->tensors[frame->n_tensors++], &s->doc, n, where, err) < 0) {
            return -1;
        }
    }
    return check_places(frame, where, data_size, err);
}
