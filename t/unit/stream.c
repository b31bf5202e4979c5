/* stream.c - tests of wire/rows.h and wire/stream.h: a stream reads back whatever its frames' size; what is broken is
 * named; what ended early is known. */
#include "wire/stream.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/memory.h"
#include "../helper/tap.h"

static char *label_names[] = {(char *)(uintptr_t) "negative", (char *)(uintptr_t) "posi\"tive"};
static const struct stream_head sample_head = {.vocab_sha256 =
                                                   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                                               .do_lower_case = true,
                                               .max_len = 128,
                                               .labels = label_names,
                                               .n_labels = 2,
                                               .producer = (char *)(uintptr_t) "wp-tokenize 0.1.0"};

/* ---- rows made by hand ---- */

static void add_list(struct column *c, size_t n, int32_t first)
{
    for (size_t i = 0; i < n; i++) {
        int32_t id = first + (int32_t)i;
        buf_add(&c->values, &id, sizeof id);
    }
    int64_t end = (int64_t)(c->values.len / sizeof(int32_t));
    buf_add(&c->offsets, &end, sizeof end);
}

#define ADD(rows, name, type, dtype, kind, value)                                                                      \
    do {                                                                                                               \
        type value_ = (value);                                                                                         \
        buf_add(&rows_column(rows, name, dtype, kind, 1)->values, &value_, sizeof value_);                             \
    } while (0)

/* Row number i with everything that the man page names, and three tensors that it does not. */
static void add_row(struct rows *rows, int i)
{
    size_t tokens = 2 + (size_t)i % 5;
    add_list(rows_column(rows, "ids", ST_I32, COLUMN_LIST, 1), tokens, 100 * i);
    ADD(rows, "idx", int64_t, ST_I64, COLUMN_ROW, 1000000000000 + i);
    ADD(rows, "label", int32_t, ST_I32, COLUMN_ROW, i % 3 - 1);
    ADD(rows, "teacher_label", int32_t, ST_I32, COLUMN_ROW, i % 2);
    ADD(rows, "confidence", float, ST_F32, COLUMN_ROW, i % 4 ? 0.25f * (float)(i % 4) : -1);
    for (int k = 0; k < 2; k++) {
        float p = k ? 0.75f : 0.25f;
        buf_add(&rows_column(rows, "teacher_probs", ST_F32, COLUMN_ROW, 2)->values, &p, sizeof p);
    }
    add_list(rows_column(rows, "reason_ids", ST_I32, COLUMN_LIST, 1), (size_t)i % 3, 7);
    add_list(rows_column(rows, "edit_ids", ST_I32, COLUMN_LIST, 1), (size_t)(i + 1) % 2, 9);
    add_list(rows_column(rows, "extra_ids", ST_I32, COLUMN_LIST, 1), (size_t)i % 2, -5);
    ADD(rows, "extra_row", double, ST_F64, COLUMN_ROW, i / 8.0);
    for (size_t k = 0; k < tokens; k++) {
        ADD(rows, "types", uint8_t, ST_U8, COLUMN_TOKEN, k > 1);
        ADD(rows, "cues", uint8_t, ST_U8, COLUMN_TOKEN, i % 4 == 3 ? CUE_ROW_UNMARKED : (uint8_t)(k % 5));
        ADD(rows, "extra_token", int16_t, ST_I16, COLUMN_TOKEN, (int16_t)(i - (int)k));
    }
    rows->n++;
}

static bool same_column(const struct column *a, const struct column *b)
{
    return a && b && a->dtype == b->dtype && a->kind == b->kind && a->width == b->width &&
           a->values.len == b->values.len &&
           (a->values.len == 0 || memcmp(a->values.data, b->values.data, a->values.len) == 0) &&
           a->offsets.len == b->offsets.len &&
           (a->offsets.len == 0 || memcmp(a->offsets.data, b->offsets.data, a->offsets.len) == 0);
}

static bool same_rows(const struct rows *a, const struct rows *b)
{
    if (a->n != b->n || a->n_columns != b->n_columns)
        return false;
    for (size_t i = 0; i < a->n_columns; i++) {
        if (!same_column(&a->columns[i], rows_find(b, a->columns[i].name))) {
            note("column %s differs", a->columns[i].name);
            return false;
        }
    }
    return true;
}

/* ---- streams in memory ---- */

static struct output open_memory(char path[32])
{
    struct output out;
    struct error err;
    int fd = memfd_create("stream", MFD_CLOEXEC);
    snprintf(path, 32, "/dev/fd/%d", fd);
    if (fd < 0 || output_open(&out, path, true, &err) < 0)
        abort();
    return out;
}

/* Flushes what was written and takes it out. */
static void take_memory(struct output *out, const char *path, struct buf *bytes)
{
    int fd = atoi(path + strlen("/dev/fd/"));
    if (output_flush(out) < 0)
        abort();
    off_t len = lseek(fd, 0, SEEK_END);
    buf_reset(bytes);
    buf_reserve(bytes, (size_t)len);
    if (pread(fd, bytes->data, (size_t)len, 0) != len)
        abort();
    bytes->len = (size_t)len;
    output_close(out);
    close(fd);
}

static void make_stream(struct buf *bytes, int n, int per_frame)
{
    char path[32];
    struct output out = open_memory(path);
    struct stream_writer w;
    struct rows rows = {0};
    if (stream_begin(&w, &out, &sample_head) < 0)
        abort();
    for (int i = 0; i < n; i++) {
        add_row(&rows, i);
        if ((i + 1) % per_frame == 0 || i + 1 == n) {
            if (stream_batch(&w, &rows) < 0)
                abort();
            rows_reset(&rows);
        }
    }
    if (stream_batch(&w, &rows) < 0 || stream_end(&w) < 0) /* an empty batch writes nothing */
        abort();
    rows_free(&rows);
    take_memory(&out, path, bytes);
}

/* Reads a whole stream into *all (may be NULL). */
static int read_stream(const struct buf *bytes, struct rows *all, bool through_lines, struct error *err)
{
    char path[32];
    int fd = memfd_create("stream", MFD_CLOEXEC);
    if (fd < 0 || (bytes->len && write(fd, bytes->data, bytes->len) != (ssize_t)bytes->len) ||
        lseek(fd, 0, SEEK_SET) != 0)
        abort();
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    struct stream_reader r;
    struct rows rows = {0}, own = {0};
    *err = (struct error){0};
    int rc;
    if (through_lines) {
        struct lines l;
        const char *data;
        size_t len;
        rc = lines_open(&l, path, 0, err);
        if (rc == 0)
            rc = lines_peek(&l, 8, &data, &len, err);
        if (rc == 0)
            rc = stream_open_lines(&r, &l, err);
    } else {
        rc = stream_open(&r, path, err);
    }
    if (rc == 0) {
        while ((rc = stream_next(&r, &rows, err)) > 0 && (rc = rows_append(all ? all : &own, &rows, err)) == 0)
            ;
        stream_close(&r);
    }
    rows_free(&rows);
    rows_free(&own);
    close(fd);
    return rc;
}

static void test_round_trip(void)
{
    struct rows expected = {0}, all = {0};
    struct buf bytes = {0};
    struct error err;
    for (int i = 0; i < 23; i++)
        add_row(&expected, i);
    for (int per_frame = 1; per_frame <= 24; per_frame += per_frame < 4 ? 1 : 5) {
        for (int through_lines = 0; through_lines < 2; through_lines++) {
            make_stream(&bytes, 23, per_frame);
            rows_reset(&all);
            ok(read_stream(&bytes, &all, through_lines, &err) == 0, "a stream of frames of %d rows %s", per_frame,
               err.text);
            ok(same_rows(&expected, &all), "gives the same rows");
        }
    }
    const struct column *c = rows_find(&all, "teacher_probs");
    ok(c->width == 2 && column_f32(c)[3] == 0.75f, "typed access: floats");
    ok(column_i64(rows_find(&all, "idx"))[22] == 1000000000022, "integers");
    ok(column_u8(rows_find(&all, "cues"))[1] == CUE_DECISIVE && column_i32(rows_find(&all, "label"))[0] == -1,
       "cues, labels");
    ok(column_offsets(rows_find(&all, "ids"))[2] == 5 && !rows_find(&all, "none"), "offsets");

    make_stream(&bytes, 0, 1);
    rows_reset(&all);
    ok(read_stream(&bytes, &all, false, &err) == 0 && all.n == 0, "a stream without rows");
    rows_free(&expected);
    rows_free(&all);
    buf_free(&bytes);
}

static void test_head(void)
{
    struct buf bytes = {0};
    struct stream_reader r;
    struct error err;
    char path[32];
    int fd = memfd_create("stream", MFD_CLOEXEC);
    make_stream(&bytes, 1, 1);
    if (fd < 0 || write_full(fd, bytes.data, bytes.len, "stream", &err) < 0 || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    ok(stream_open(&r, path, &err) == 0, "the head is read");
    is_string(r.head.vocab_sha256, sample_head.vocab_sha256, "vocab_sha256");
    ok(r.head.do_lower_case && r.head.max_len == 128 && r.head.n_labels == 2, "its numbers");
    is_string(r.head.labels[1], "posi\"tive", "label names");
    is_string(r.head.producer, "wp-tokenize 0.1.0", "producer");
    stream_close(&r);
    close(fd);
    buf_free(&bytes);
}

/* ---- broken streams ---- */

static void test_damage(void)
{
    struct buf whole = {0}, b = {0};
    struct error err;
    int wrong = 0, read = 0;
    make_stream(&whole, 3, 2);
    for (size_t len = 0; len < whole.len; len++) {
        buf_reset(&b);
        buf_add(&b, whole.data, len);
        bool named = read_stream(&b, NULL, len % 2, &err) == -1 &&
                     strstr(err.text, "stream ended early; an upstream stage failed");
        if (!named && !wrong++)
            note("prefix of %zu bytes: %s", len, err.text);
    }
    is_long(wrong, 0, "each prefix of %zu bytes ended early", whole.len);
    for (size_t bit = 0; bit < 8 * whole.len; bit++) {
        buf_reset(&b);
        buf_add(&b, whole.data, whole.len);
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ 1 << bit % 8);
        int rc = read_stream(&b, NULL, bit % 2, &err);
        read += rc == 0;
        wrong += rc == -1 && (err.status != STATUS_FAILURE || err.text[0] == '\0');
    }
    is_long(wrong, 0, "each flipped bit is refused with a reason, or reads");
    note("%d of %zu flipped bits read", read, 8 * whole.len);
    buf_free(&whole);
    buf_free(&b);
}

/* Writes frames given as metadata and tensors, and reads them. */
struct frame_spec {
    struct st_meta metadata[8];
    size_t n_metadata;
    const struct st_tensor *tensors;
    size_t n_tensors;
};

static void stream_refused(const struct frame_spec *frames, size_t n, const char *message)
{
    struct buf bytes = {0};
    struct error err;
    char path[32];
    struct output out = open_memory(path);
    for (size_t i = 0; i < n; i++)
        st_write(&out, frames[i].tensors, frames[i].n_tensors, frames[i].metadata, frames[i].n_metadata);
    take_memory(&out, path, &bytes);
    ok(read_stream(&bytes, NULL, false, &err) == -1, "refused: %s", message);
    const char *text = strchr(err.text, ':'); /* without the path */
    is_string(text ? text + 2 : err.text, message, "its message");
    buf_free(&bytes);
}

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD_WITH(schema, sha, lower, length, labels)                                                                  \
    {                                                                                                                  \
        {{"kind", "head"},         {"schema", schema},  {"vocab_sha256", sha},                                         \
         {"do_lower_case", lower}, {"max_len", length}, {"labels", labels}},                                           \
            6, NULL, 0                                                                                                 \
    }
#define HEAD HEAD_WITH("tokens/1", SHA, "true", "128", "[\"a\",\"b\"]")
#define END(frames, rows)                                                                                              \
    {                                                                                                                  \
        {{"kind", "end"}, {"frames", frames}, {"rows", rows}}, 3, NULL, 0                                              \
    }
#define BATCH(seq, tensors)                                                                                            \
    {                                                                                                                  \
        {{"kind", "batch"}, {"seq", seq}}, 2, tensors, sizeof(tensors) / sizeof *(tensors)                             \
    }

static const int32_t ids[] = {5, 6, 7, 8}, offsets[] = {0, 2, 4}, labels[] = {-1, 1}, two[] = {0, 3};
static const int64_t idx[] = {0, 1};
#define TENSOR(name_, dtype_, n, data_)                                                                                \
    {                                                                                                                  \
        .name = name_, .dtype = dtype_, .rank = 1, .shape = {n}, .data = data_                                         \
    }
#define IDS TENSOR("ids", ST_I32, 4, ids)
#define OFFSETS TENSOR("offsets", ST_I32, 3, offsets)
#define IDX TENSOR("idx", ST_I64, 2, idx)
#define LABEL TENSOR("label", ST_I32, 2, labels)
static const struct st_tensor fine[] = {IDS, OFFSETS, IDX, LABEL};

static void test_frames(void)
{
#define REFUSED(message, ...)                                                                                          \
    do {                                                                                                               \
        const struct frame_spec frames_[] = {__VA_ARGS__};                                                             \
        stream_refused(frames_, sizeof frames_ / sizeof *frames_, message);                                            \
    } while (0)
    static const char early[] = "stream ended early; an upstream stage failed";
    static const struct frame_spec batch = BATCH("0", fine), model = {{{"format", "pt"}}, 1, fine, 4};
    REFUSED(early, HEAD);
    REFUSED(early, HEAD, BATCH("0", fine));
    REFUSED(early, HEAD, END("1", "2"));
    REFUSED(early, HEAD, BATCH("0", fine), END("1", "3"));
    REFUSED(early, HEAD, BATCH("0", fine), END("2", "2"));
    REFUSED(early, HEAD, BATCH("1", fine), END("1", "2"));
    REFUSED(early, HEAD, BATCH("0", fine), BATCH("0", fine), END("2", "4"));
    REFUSED(early, HEAD, BATCH("0", fine), BATCH("2", fine), END("2", "4"));
    REFUSED("more data after the end frame", HEAD, END("0", "0"), HEAD);
    REFUSED("frame 3: kind head, neither batch nor end", HEAD, BATCH("0", fine), HEAD);
    REFUSED("frame 2: kind missing, neither batch nor end", HEAD, model);
    REFUSED("frame 2: seq is missing or no count", HEAD, BATCH("x", fine));
    REFUSED("frame 2: seq is missing or no count", HEAD, BATCH("-0", fine));
    REFUSED("frame 2: frames or rows of the end frame is missing or no count", HEAD, END("0", "18446744073709551616"));
    REFUSED("the first frame is of kind batch, not head", batch);
    REFUSED("safetensors, but no token stream: the first frame has no kind", model);
    REFUSED("schema tokens/2, this version reads tokens/1", HEAD_WITH("tokens/2", SHA, "true", "1", "[\"a\"]"));
    REFUSED("head frame: vocab_sha256 is not 64 hexadecimal digits",
            HEAD_WITH("tokens/1", "12", "true", "1", "[\"a\"]"));
    REFUSED("head frame: do_lower_case is neither true nor false", HEAD_WITH("tokens/1", SHA, "1", "1", "[\"a\"]"));
    REFUSED("head frame: max_len is not a count", HEAD_WITH("tokens/1", SHA, "true", "0", "[\"a\"]"));
    static const char no_labels[] = "head frame: labels is not a JSON list of different names";
    REFUSED(no_labels, HEAD_WITH("tokens/1", SHA, "true", "1", "[]"));
    REFUSED(no_labels, HEAD_WITH("tokens/1", SHA, "true", "1", "[1]"));
    REFUSED(no_labels, HEAD_WITH("tokens/1", SHA, "true", "1", "[\"a\",\"a\"]"));
    REFUSED(no_labels, HEAD_WITH("tokens/1", SHA, "true", "1", "a,b"));

    struct buf b = {0};
    struct error err;
    ok(read_stream(&b, NULL, false, &err) == -1 && strstr(err.text, "empty input: stream ended early"), "empty input");
    buf_addstr(&b, "{\"idx\":0,\"sentence\":\"x\",\"label\":0}\n");
    for (int through_lines = 0; through_lines < 2; through_lines++)
        ok(read_stream(&b, NULL, through_lines, &err) == -1 &&
               strstr(err.text, ": looks like NDJSON; run wp-tokenize first"),
           "NDJSON");
    buf_free(&b);
}

static void test_tensors(void)
{
#define BROKEN(message, ...)                                                                                           \
    do {                                                                                                               \
        const struct st_tensor tensors_[] = {__VA_ARGS__};                                                             \
        const struct frame_spec frames_[] = {HEAD, BATCH("0", tensors_)};                                              \
        stream_refused(frames_, 2, "frame 2: " message);                                                               \
    } while (0)
    static const int32_t descending[] = {0, 4, 2}, from_1[] = {1, 2, 4}, empty_row[] = {0, 0, 4}, beyond[] = {0, 2, 5};
    static const int32_t negative[] = {5, -6, 7, 8}, low[] = {-2, 0};
    static const float nan_values[] = {0.5f, NAN}, large[] = {1.5f, 0};
    static const uint8_t bytes[] = {0, 1, 5, 255, 0, 0, 0, 0};
    BROKEN("tensor \"ids\" is missing", OFFSETS, IDX, LABEL);
    BROKEN("tensor \"label\" is missing", IDS, OFFSETS, IDX);
    BROKEN("tensor \"offsets\" is missing or empty", IDS, IDX, LABEL);
    BROKEN("tensor \"ids\": dtype I64, I32 expected", TENSOR("ids", ST_I64, 2, idx), OFFSETS, IDX, LABEL);
    BROKEN("tensor \"ids\": 2 dimensions, 1 expected",
           {.name = "ids", .dtype = ST_I32, .rank = 2, .shape = {2, 2}, .data = ids}, OFFSETS, IDX, LABEL);
    BROKEN("tensor \"ids\": -6 at 1 is less than 0", TENSOR("ids", ST_I32, 4, negative), OFFSETS, IDX, LABEL);
    BROKEN("tensor \"offsets\": is not I32 of one dimension", IDS, TENSOR("offsets", ST_I64, 2, idx),
           TENSOR("idx", ST_I64, 1, idx), TENSOR("label", ST_I32, 1, labels));
    BROKEN("tensor \"offsets\": descends", IDS, TENSOR("offsets", ST_I32, 3, descending), IDX, LABEL);
    BROKEN("tensor \"offsets\": does not start with 0", IDS, TENSOR("offsets", ST_I32, 3, from_1), IDX, LABEL);
    BROKEN("tensor \"offsets\": a row has no token", IDS, TENSOR("offsets", ST_I32, 3, empty_row), IDX, LABEL);
    BROKEN("tensor \"offsets\": ends at 5, the list at 4", IDS, TENSOR("offsets", ST_I32, 3, beyond), IDX, LABEL);
    BROKEN("tensor \"label\": its first dimension is neither the 2 rows nor the 4 tokens", IDS, OFFSETS, IDX,
           TENSOR("label", ST_I32, 1, labels));
    BROKEN("tensor \"label\": -2 at 0 is less than -1", IDS, OFFSETS, IDX, TENSOR("label", ST_I32, 2, low));
    BROKEN("tensor \"label\": dtype F32, I32 expected", IDS, OFFSETS, IDX, TENSOR("label", ST_F32, 2, labels));
    BROKEN("tensor \"confidence\": nan at 1 is neither -1 nor within 0 and 1", IDS, OFFSETS, IDX, LABEL,
           TENSOR("confidence", ST_F32, 2, nan_values));
    BROKEN("tensor \"confidence\": 1.5 at 0 is neither -1 nor within 0 and 1", IDS, OFFSETS, IDX, LABEL,
           TENSOR("confidence", ST_F32, 2, large));
    BROKEN("tensor \"teacher_probs\": 1 dimensions, 2 expected", IDS, OFFSETS, IDX, LABEL,
           TENSOR("teacher_probs", ST_F32, 2, large));
    BROKEN("tensor \"cues\": 5 at 2 is no cue", IDS, OFFSETS, IDX, LABEL, TENSOR("cues", ST_U8, 4, bytes));
    BROKEN("tensor \"cues\": its first dimension is neither the 2 rows nor the 4 tokens", IDS, OFFSETS, IDX, LABEL,
           TENSOR("cues", ST_U8, 2, bytes));
    BROKEN("tensor \"reason_ids\": its offsets are missing", IDS, OFFSETS, IDX, LABEL,
           TENSOR("reason_ids", ST_I32, 4, ids));
    BROKEN("tensor \"reason_offsets\": its ids are missing", IDS, OFFSETS, IDX, LABEL,
           TENSOR("reason_offsets", ST_I32, 3, offsets));
    BROKEN("tensor \"reason_offsets\": 2 offsets, 3 expected", IDS, OFFSETS, IDX, LABEL,
           TENSOR("reason_ids", ST_I32, 3, ids), TENSOR("reason_offsets", ST_I32, 2, two));
    BROKEN("tensor \"strange\": its first dimension is neither the 2 rows nor the 4 tokens", IDS, OFFSETS, IDX, LABEL,
           TENSOR("strange", ST_U8, 3, bytes));
    BROKEN("tensor \"strange\": its first dimension is neither the 2 rows nor the 4 tokens", IDS, OFFSETS, IDX, LABEL,
           {.name = "strange", .dtype = ST_U8, .rank = 0, .data = bytes});
}

/* ---- columns that one side lacks ---- */

static void add_plain_row(struct rows *rows, size_t tokens)
{
    add_list(rows_column(rows, "ids", ST_I32, COLUMN_LIST, 1), tokens, 50);
    ADD(rows, "idx", int64_t, ST_I64, COLUMN_ROW, 3);
    ADD(rows, "label", int32_t, ST_I32, COLUMN_ROW, 1);
    rows->n++;
}

static void drop(struct rows *rows, const char *name)
{
    struct column *c = rows_find(rows, name);
    free(c->name);
    buf_free(&c->values);
    buf_free(&c->offsets);
    *c = rows->columns[--rows->n_columns];
}

static void test_append(void)
{
    struct rows full = {0}, plain = {0}, all = {0};
    struct error err = {0};
    add_row(&full, 2); /* 4 tokens */
    add_plain_row(&plain, 3);
    ok(rows_append(&all, &plain, &err) == 0 && all.n == 1, "a plain row");
    ok(rows_append(&all, &full, &err) == -1 && strstr(err.text, "\"extra_row\" is missing in earlier rows") != NULL,
       "a tensor without a value that means unknown cannot be filled: %s", err.text);
    ok(all.n == 1 && all.n_columns == 3, "nothing was changed");
    drop(&full, "extra_row");
    drop(&full, "extra_token");
    ok(rows_append(&all, &full, &err) == 0 && rows_append(&all, &plain, &err) == 0 && all.n == 3, "plain, full, plain");

    const int32_t *teacher = column_i32(rows_find(&all, "teacher_label"));
    ok(teacher[0] == -1 && teacher[1] == 0 && teacher[2] == -1, "teacher_label is -1 where unknown");
    const float *confidence = column_f32(rows_find(&all, "confidence")),
                *probs = column_f32(rows_find(&all, "teacher_probs"));
    ok(confidence[0] == -1 && confidence[1] == 0.5f && confidence[2] == -1, "confidence");
    ok(probs[0] == -1 && probs[1] == -1 && probs[2] == 0.25f && probs[5] == -1, "teacher_probs");
    const uint8_t *types = column_u8(rows_find(&all, "types")), *cues = column_u8(rows_find(&all, "cues"));
    ok(types[0] == 0 && types[2] == 0 && types[5] == 1 && types[7] == 0 && types[9] == 0, "types");
    ok(cues[0] == 255 && cues[2] == 255 && cues[3] == 0 && cues[4] == 1 && cues[7] == 255 && cues[9] == 255, "cues");
    const int64_t *reasons = column_offsets(rows_find(&all, "reason_ids"));
    ok(reasons[0] == 0 && reasons[1] == 0 && reasons[2] == 2 && reasons[3] == 2, "lists are empty");
    ok(column_offsets(rows_find(&all, "extra_ids"))[3] == 0, "also unknown ones");
    is_long((long long)rows_find(&all, "cues")->values.len, 10, "a value for each token");

    struct rows other = {0};
    add_plain_row(&other, 2);
    ADD(&other, "confidence", double, ST_F64, COLUMN_ROW, 1);
    ok(rows_append(&all, &other, &err) == -1 && strstr(err.text, "\"confidence\" has another dtype or shape"),
       "another dtype");
    drop(&other, "confidence");
    drop(&other, "label");
    ok(rows_append(&all, &other, &err) == 0 && column_i32(rows_find(&all, "label"))[3] == -1, "a row without label");
    drop(&other, "idx");
    ok(rows_append(&all, &other, &err) == -1 && strstr(err.text, "\"idx\" is missing, earlier rows have it"),
       "without idx");
    rows_reset(&all);
    ok(all.n == 0 && rows_append(&all, &full, &err) == 0 && all.n == 1, "used again");
    ok(same_rows(&all, &full), "as if new");
    rows_free(&full);
    rows_free(&plain);
    rows_free(&all);
    rows_free(&other);
}

static void test_full_device(void)
{
    struct output out;
    struct stream_writer w;
    struct error err;
    struct rows rows = {0};
    add_row(&rows, 1);
    ok(output_open(&out, "/dev/full", true, &err) == 0, "a full device");
    ok(stream_begin(&w, &out, &sample_head) + stream_batch(&w, &rows) + stream_end(&w) < 0, "its failure is reported");
    ok(strstr(out.error.text, "No space left on device") != NULL, "with its reason: %s", out.error.text);
    ok(stream_batch(&w, &rows) == -1, "and stays");
    output_close(&out);
    rows_free(&rows);
}

int main(void)
{
    test_round_trip();
    test_head();
    test_damage();
    test_frames();
    test_tensors();
    test_append();
    test_full_device();
    return done_testing();
}
