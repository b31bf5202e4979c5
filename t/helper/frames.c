/* frames.c - looks into safetensors frames and token streams, and makes some, for shell tests and oracles.
 *
 *     frames list [FILE]              each frame as a line of JSON: metadata; dtype, shape and SHA-256 of each tensor
 *     frames copy [FILE]              the same frames, read and written again
 *     frames map FILE                 like list, of a file of one frame, mapped
 *     frames random SEED N            N random frames, some without tensors
 *     frames stream ROWS PER_FRAME    a token stream made of thin air, with every tensor of distil-stream(5)
 *     frames rows [FILE [COLUMN...]]  a token stream's rows as lines of JSON, all columns or the named ones
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/memory.h"
#include "base/rng.h"
#include "wire/json.h"
#include "wire/stream.h"

static struct error err;

static void put_line(struct output *out, struct buf *line)
{
    buf_addch(line, '\n');
    output_write(out, line->data, line->len);
    buf_reset(line);
}

static void list_frame(struct output *out, const struct st_frame *frame)
{
    struct buf b = {0};
    buf_addstr(&b, "{\"metadata\":{");
    for (size_t i = 0; i < frame->n_metadata; i++) {
        if (i)
            buf_addch(&b, ',');
        json_add_string(&b, frame->metadata[i].key, strlen(frame->metadata[i].key));
        buf_addch(&b, ':');
        json_add_string(&b, frame->metadata[i].value, strlen(frame->metadata[i].value));
    }
    buf_addstr(&b, "},\"tensors\":{");
    for (size_t i = 0; i < frame->n_tensors; i++) {
        const struct st_tensor *t = &frame->tensors[i];
        char sum[SHA256_HEX_SIZE];
        if (i)
            buf_addch(&b, ',');
        json_add_string(&b, t->name, strlen(t->name));
        buf_addf(&b, ":{\"dtype\":\"%s\",\"shape\":[", st_dtype_name(t->dtype));
        for (unsigned d = 0; d < t->rank; d++)
            buf_addf(&b, "%s%llu", d ? "," : "", (unsigned long long)t->shape[d]);
        sha256_hex(t->data, t->size, sum);
        buf_addf(&b, "],\"sha256\":\"%s\"}", sum);
    }
    buf_addstr(&b, "}}");
    put_line(out, &b);
    buf_free(&b);
}

static void each_frame(struct output *out, const char *path, bool copy)
{
    struct input in;
    struct st_frame frame = {0};
    int rc;
    if (input_open(&in, path, &err) < 0)
        die_error(&err);
    while ((rc = st_read(&frame, &in, (size_t)1 << 30, &err)) > 0) {
        if (copy)
            st_write(out, frame.tensors, frame.n_tensors, frame.metadata, frame.n_metadata);
        else
            list_frame(out, &frame);
    }
    if (rc < 0)
        die_error(&err);
    st_release(&frame);
    input_close(&in);
}

static void map_frame(struct output *out, const char *path)
{
    struct st_frame frame = {0};
    if (st_map(&frame, path, &err) < 0)
        die_error(&err);
    list_frame(out, &frame);
    st_release(&frame);
}

/* ---- made-up frames ---- */

static void random_frame(struct output *out, struct rng *rng)
{
    enum { MANY = 9 };
    static const char *const odd_names[] = {
        "a",    "model.layer.0/weight", "\xC3\xA9\xE2\x82\xAC", "with \"quotes\"\\", "\t", "", "\xF0\x9F\x98\x80", "b",
        "__x__"};
    struct st_tensor tensors[MANY];
    size_t n = rng_below(rng, 3) ? rng_below(rng, MANY + 1) : 0;
    for (size_t i = 0; i < n; i++) {
        struct st_tensor *t = &tensors[i];
        size_t size;
        *t = (struct st_tensor){.name = odd_names[i], .dtype = (enum st_dtype)rng_below(rng, ST_DTYPES)};
        t->rank = (unsigned)rng_below(rng, 5);
        size = st_dtype_size(t->dtype);
        for (unsigned d = 0; d < t->rank; d++)
            size *= t->shape[d] = rng_below(rng, 7);
        unsigned char *data = xmalloc(size + 1);
        for (size_t k = 0; k < size; k++)
            data[k] = (unsigned char)(t->dtype == ST_BOOL ? rng_below(rng, 2) : rng_u32(rng));
        t->data = data;
    }
    const struct st_meta metadata[] = {{"kind", "random"}, {"\xE2\x82\xAC", "line\nbreak \"\\"}};
    st_write(out, tensors, n, metadata, rng_below(rng, 3));
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)tensors[i].data);
}

static void add_value(struct column *c, double value)
{
    const int32_t i32 = (int32_t)value;
    const int64_t i64 = (int64_t)value;
    const float f32 = (float)value;
    const uint8_t u8 = (uint8_t)value;
    const void *data = c->dtype == ST_I32   ? (const void *)&i32
                       : c->dtype == ST_I64 ? (const void *)&i64
                       : c->dtype == ST_F32 ? (const void *)&f32
                                            : (const void *)&u8;
    buf_add(&c->values, data, st_dtype_size(c->dtype));
}

static void add_list(struct column *c, size_t n, int base)
{
    for (size_t i = 0; i < n; i++)
        add_value(c, base + (int)(i * i));
    int64_t end = (int64_t)(c->values.len / st_dtype_size(c->dtype));
    buf_add(&c->offsets, &end, sizeof end);
}

static void add_row(struct rows *rows, int i)
{
    size_t tokens = 2 + (size_t)(i * 7) % 11;
    add_list(rows_column(rows, "ids", ST_I32, COLUMN_LIST, 1), tokens, 101 + i);
    add_value(rows_column(rows, "idx", ST_I64, COLUMN_ROW, 1), 1e12 + i);
    add_value(rows_column(rows, "label", ST_I32, COLUMN_ROW, 1), i % 3 - 1);
    add_value(rows_column(rows, "teacher_label", ST_I32, COLUMN_ROW, 1), (i + 1) % 3 - 1);
    add_value(rows_column(rows, "confidence", ST_F32, COLUMN_ROW, 1), i % 5 ? (double)(i % 5) / 4 : -1);
    add_value(rows_column(rows, "teacher_probs", ST_F32, COLUMN_ROW, 2), i % 2 ? 0.25 : -1);
    add_value(rows_column(rows, "teacher_probs", ST_F32, COLUMN_ROW, 2), i % 2 ? 0.75 : -1);
    add_list(rows_column(rows, "reason_ids", ST_I32, COLUMN_LIST, 1), (size_t)i % 4, 2000);
    add_list(rows_column(rows, "edit_ids", ST_I32, COLUMN_LIST, 1), (size_t)(i + 1) % 2 * 3, 3000);
    for (size_t k = 0; k < tokens; k++) {
        add_value(rows_column(rows, "types", ST_U8, COLUMN_TOKEN, 1), k >= tokens / 2);
        add_value(rows_column(rows, "cues", ST_U8, COLUMN_TOKEN, 1), i % 6 == 5 ? CUE_ROW_UNMARKED : (double)(k % 5));
    }
    rows->n++;
}

static void make_stream(struct output *out, int n, int per_frame)
{
    char negative[] = "negative", positive[] = "positive", producer[] = "frames", *names[] = {negative, positive};
    struct stream_head head = {
        .do_lower_case = true, .max_len = 512, .labels = names, .n_labels = 2, .producer = producer};
    struct stream_writer w;
    struct rows rows = {0};
    sha256_hex("", 0, head.vocab_sha256);
    stream_begin(&w, out, &head);
    for (int i = 0; i < n; i++) {
        add_row(&rows, i);
        if (rows.n == (size_t)per_frame || i + 1 == n) {
            stream_batch(&w, &rows);
            rows_reset(&rows);
        }
    }
    stream_end(&w);
    rows_free(&rows);
}

/* ---- rows as JSON ---- */

static void print_value(struct buf *b, const struct column *c, size_t at)
{
    double d;
    uint64_t u = 0;
    size_t size = st_dtype_size(c->dtype);
    const char *from = c->values.data + at * size;
    memcpy(&u, from, size);
    switch (c->dtype) {
    case ST_F32: {
        float f;
        memcpy(&f, from, sizeof f);
        isfinite(f) ? json_add_float(b, f) : buf_addstr(b, "null");
        break;
    }
    case ST_F64:
        memcpy(&d, from, sizeof d);
        isfinite(d) ? json_add_double(b, d) : buf_addstr(b, "null");
        break;
    case ST_I8:
    case ST_I16:
    case ST_I32:
    case ST_I64: /* the sign bit to the top and back */
        json_add_long(b, (long long)(u << (64 - 8 * size)) >> (64 - 8 * size));
        break;
    default: /* F16, BF16 and F8 as their bits */
        buf_addf(b, "%llu", (unsigned long long)u);
    }
}

static void print_column(struct buf *b, const struct rows *rows, const struct column *c, size_t row)
{
    const struct column *list = c->kind == COLUMN_LIST ? c : rows_find(rows, "ids");
    size_t begin = row, end = row + 1;
    if (c->kind != COLUMN_ROW) {
        begin = (size_t)column_offsets(list)[row];
        end = (size_t)column_offsets(list)[row + 1];
    }
    bool bare = c->kind == COLUMN_ROW && c->width == 1;
    if (!bare)
        buf_addch(b, '[');
    for (size_t k = begin * c->width; k < end * c->width; k++) {
        if (k > begin * c->width)
            buf_addch(b, ',');
        print_value(b, c, k);
    }
    if (!bare)
        buf_addch(b, ']');
}

static void print_row(struct output *out, const struct rows *rows, size_t row, char **names)
{
    struct buf b = {0};
    buf_addch(&b, '{');
    for (size_t i = 0; names ? names[i] != NULL : i < rows->n_columns; i++) {
        const struct column *c = names ? rows_find(rows, names[i]) : &rows->columns[i];
        if (!c)
            continue;
        if (b.len > 1)
            buf_addch(&b, ',');
        json_add_string(&b, c->name, strlen(c->name));
        buf_addch(&b, ':');
        print_column(&b, rows, c, row);
    }
    buf_addch(&b, '}');
    put_line(out, &b);
    buf_free(&b);
}

static void print_rows(struct output *out, const char *path, char **names)
{
    struct stream_reader r;
    struct rows rows = {0};
    int rc;
    if (stream_open(&r, path, &err) < 0)
        die_error(&err);
    while ((rc = stream_next(&r, &rows, &err)) > 0) {
        for (size_t i = 0; i < rows.n; i++)
            print_row(out, &rows, i, names);
    }
    if (rc < 0)
        die_error(&err);
    rows_free(&rows);
    stream_close(&r);
}

int main(int argc, char **argv)
{
    struct output out;
    const char *verb = argc > 1 ? argv[1] : "";
    diag_init("frames");
    if (output_open(&out, NULL, false, &err) < 0)
        die_error(&err);
    if (strcmp(verb, "list") == 0 || strcmp(verb, "copy") == 0) {
        each_frame(&out, argv[2], strcmp(verb, "copy") == 0);
    } else if (strcmp(verb, "map") == 0 && argc == 3) {
        map_frame(&out, argv[2]);
    } else if (strcmp(verb, "random") == 0 && argc == 4) {
        struct rng rng;
        rng_init(&rng, strtoull(argv[2], NULL, 10), 1);
        for (long n = strtol(argv[3], NULL, 10); n > 0; n--)
            random_frame(&out, &rng);
    } else if (strcmp(verb, "stream") == 0 && argc == 4) {
        make_stream(&out, atoi(argv[2]), atoi(argv[3]));
    } else if (strcmp(verb, "rows") == 0) {
        print_rows(&out, argc > 2 ? argv[2] : NULL, argc > 3 ? argv + 3 : NULL);
    } else {
        die(STATUS_USAGE, "frames list|copy|map|random|stream|rows; see the head of frames.c");
    }
    if (output_close(&out) < 0)
        die_error(&out.error);
    return 0;
}
