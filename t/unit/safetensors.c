/* safetensors.c - tests of wire/safetensors.h: what is written reads back; what is broken is refused with its reason.
 */
#include "wire/safetensors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/memory.h"
#include "base/rng.h"
#include "../helper/tap.h"

static const size_t cap = (size_t)1 << 30;

/* An input over bytes in memory, and the path of them. */
static struct input open_bytes(const struct buf *bytes, char path[32])
{
    int fd = memfd_create("frame", MFD_CLOEXEC);
    if (fd < 0 || (bytes->len && write(fd, bytes->data, bytes->len) != (ssize_t)bytes->len) ||
        lseek(fd, 0, SEEK_SET) != 0)
        abort();
    snprintf(path, 32, "/dev/fd/%d", fd);
    return (struct input){.fd = fd, .name = xstrdup("bytes"), .owned = true};
}

static void add_frame(struct buf *b, const char *header, size_t data_len)
{
    uint64_t n = strlen(header);
    buf_add(b, &n, sizeof n);
    buf_addstr(b, header);
    for (size_t i = 0; i < data_len; i++)
        buf_addch(b, (char)i);
}

/* Reads and maps bytes of one frame; both must agree. */
static int read_both(const struct buf *bytes, struct error *err)
{
    char path[32];
    struct input in = open_bytes(bytes, path);
    struct st_frame frame = {0}, mapped = {0};
    struct error map_err = {0};
    *err = (struct error){0};
    int rc = st_read(&frame, &in, cap, err);
    int map_rc = st_map(&mapped, path, &map_err);
    if ((rc == 1) != (map_rc == 0) || (rc == 1 && frame.n_tensors != mapped.n_tensors))
        ok(false, "reading (%d: %s) and mapping (%d: %s) agree", rc, err->text, map_rc, map_err.text);
    st_release(&frame);
    st_release(&mapped);
    input_close(&in);
    return rc;
}

static void refused(const char *header, size_t data_len, const char *message)
{
    struct buf b = {0};
    struct error err;
    add_frame(&b, header, data_len);
    ok(read_both(&b, &err) == -1 && err.status == STATUS_FAILURE, "refused: %s", message);
    if (strstr(err.text, message) == NULL)
        is_string(err.text, message, "its message");
    buf_free(&b);
}

static void accepted(const char *header, size_t data_len, const char *name)
{
    struct buf b = {0};
    struct error err;
    add_frame(&b, header, data_len);
    ok(read_both(&b, &err) == 1, "accepted: %s %s", name, err.text);
    buf_free(&b);
}

#define ONE(dtype, shape, offsets) "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void test_refused(void)
{
    refused("", 0, "the header does not begin with {");
    refused(" {}", 0, "the header does not begin with {");
    refused("[]", 0, "the header does not begin with {");
    refused("{} {}", 0, "not valid JSON at byte 4");
    refused("{\"a\":1}", 0, "tensor \"a\": is not described by an object");
    refused("{\"a\":{}}", 0, "tensor \"a\": dtype is missing or unknown");
    refused(ONE("\"F31\"", "[1]", "[0,4]"), 4, "dtype is missing or unknown");
    refused(ONE("7", "[1]", "[0,4]"), 4, "dtype is missing or unknown");
    refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape is not a list");
    refused(ONE("\"F32\"", "4", "[0,4]"), 4, "shape is not a list");
    refused(ONE("\"F32\"", "[-1]", "[0,4]"), 4, "shape holds what is no size");
    refused(ONE("\"F32\"", "[1.0]", "[0,4]"), 4, "shape holds what is no size");
    refused(ONE("\"F32\"", "[1e0]", "[0,4]"), 4, "shape holds what is no size");
    refused(ONE("\"F32\"", "[\"1\"]", "[0,4]"), 4, "shape holds what is no size");
    refused(ONE("\"F32\"", "[18446744073709551616]", "[0,4]"), 4, "shape holds what is no size");
    refused(ONE("\"U8\"", "[9223372036854775808,2]", "[0,0]"), 0, "shape is too large");
    refused(ONE("\"U16\"", "[9223372036854775808]", "[0,0]"), 0, "shape is too large");
    refused(ONE("\"F64\"", "[4294967296,4294967296]", "[0,0]"), 0, "shape is too large");
    refused(ONE("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, "shape has more than 8 dimensions");
    refused(ONE("\"F32\"", "[1]", "[0]"), 4, "data_offsets is not [begin, end]");
    refused(ONE("\"F32\"", "[1]", "[0,4,8]"), 4, "data_offsets is not [begin, end]");
    refused(ONE("\"F32\"", "[1]", "[4,0]"), 4, "data_offsets is not [begin, end]");
    refused(ONE("\"F32\"", "[1]", "[-4,0]"), 4, "data_offsets is not [begin, end]");
    refused(ONE("\"F32\"", "[1]", "{\"x\":0}"), 4, "data_offsets is not [begin, end]");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets is not [begin, end]");
    refused(ONE("\"F32\"", "[2]", "[0,4]"), 4, "shape and dtype need 8 bytes, data_offsets give 4");
    refused(ONE("\"F32\"", "[1]", "[4,8]"), 8, "a gap is before its data");
    refused(ONE("\"F32\"", "[1]", "[18446744073709551612,18446744073709551616]"), 8,
            "data_offsets is not [begin, end]");
#define TWO(first, second)                                                                                             \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" first                                                   \
    "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" second "}}"
    refused(TWO("[0,4]", "[3,7]"), 7, "tensor \"b\": its data overlaps another tensor's");
    refused(TWO("[0,4]", "[0,4]"), 4, "tensor \"b\": its data overlaps another tensor's");
    refused(TWO("[5,9]", "[0,4]"), 9, "tensor \"a\": a gap is before its data");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
            2, "tensor \"a\": its data overlaps another tensor's");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
            "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
            0, "the key \"a\" is there twice");
    refused("{\"__metadata__\":[]}", 0, "__metadata__ is not an object");
    refused("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ \"a\" is not a string");
    refused("{\"__metadata__\":{\"a\":\"x\\u0000y\"}}", 0, "__metadata__ \"a\" is not a string without NUL");
    refused("{\"__metadata__\":{\"a\":\"x\",\"a\":\"y\"}}", 0, "the key \"a\" is there twice");
    refused("{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "the name holds a NUL");
    refused(ONE("\"U8\"", "[5]", "[0,5]"), 4, "");
    refused("{\"\xFF\":1}", 0, "invalid UTF-8");

    char long_name[3000];
    struct error err;
    struct buf b = {0};
    snprintf(long_name, sizeof long_name, "{\"%02000d\":1}", 7);
    add_frame(&b, long_name, 0);
    ok(read_both(&b, &err) == -1 && strlen(err.text) < 200, "a long name is cut in the message");
    buf_free(&b);

    accepted("{}", 0, "no tensor");
    accepted("{}      ", 0, "padding");
    accepted("{\"__metadata__\":{}}", 0, "empty metadata");
    accepted(ONE("\"F32\"", "[]", "[0,4]"), 4, "rank 0");
    accepted(ONE("\"F32\"", "[0]", "[0,0]"), 0, "no element");
    accepted(ONE("\"F32\"", "[2,0,3]", "[0,0]"), 0, "no element, rank 3");
    accepted(TWO("[4,8]", "[0,4]"), 8, "another order");
    accepted("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
             "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]},"
             "\"c\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
             2, "empty tensors at both ends");
}

static void test_lengths(void)
{
    struct buf b = {0};
    char path[32];
    struct error err = {0};
    struct st_frame frame = {0};

    struct input in = open_bytes(&b, path);
    ok(st_read(&frame, &in, cap, &err) == 0, "no byte: the end");
    ok(st_map(&frame, path, &err) == -1 && strstr(err.text, "not safetensors: only 0 bytes"),
       "an empty file is no frame");
    input_close(&in);

    uint64_t n = (1 << 20) + 8;
    buf_add(&b, &n, sizeof n);
    buf_addstr(&b, "{}");
    while (b.len < n + 8)
        buf_addch(&b, ' ');
    in = open_bytes(&b, path);
    ok(st_read(&frame, &in, cap, &err) == -1 && strstr(err.text, "a header of 1048584 bytes, more than 1048576"),
       "a stream's header over 1 MiB");
    ok(st_map(&frame, path, &err) == 0 && frame.header_size == n, "but not a file's");
    st_release(&frame);
    input_close(&in);

    buf_reset(&b);
    n = UINT64_MAX;
    buf_add(&b, &n, sizeof n);
    in = open_bytes(&b, path);
    ok(st_read(&frame, &in, cap, &err) == -1 && st_map(&frame, path, &err) == -1, "a header of 2^64-1 bytes");
    input_close(&in);

    static const char *const rows[] = {"{\"idx\":0,\"sentence\":\"x\"}\n", "{}\n", "{"};
    for (size_t i = 0; i < 3; i++) {
        buf_reset(&b);
        buf_addstr(&b, rows[i]);
        in = open_bytes(&b, path);
        ok(st_read(&frame, &in, cap, &err) == -1, "NDJSON");
        is_string(err.text, "bytes: looks like NDJSON; run wp-tokenize first", "its message");
        input_close(&in);
    }

    buf_reset(&b);
    add_frame(&b, ONE("\"U8\"", "[100]", "[0,100]"), 100);
    in = open_bytes(&b, path);
    ok(st_read(&frame, &in, 99, &err) == -1 && strstr(err.text, "100 bytes of data, more than 99"), "the cap of data");
    input_close(&in);
    buf_addch(&b, 'x');
    in = open_bytes(&b, path);
    ok(st_map(&frame, path, &err) == -1 && strstr(err.text, "1 bytes follow the tensors' data"), "trailing bytes");
    input_close(&in);

    buf_reset(&b);
    buf_addstr(&b, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    in = open_bytes(&b, path);
    ok(st_map(&frame, path, &err) == -1 && strstr(err.text, "Git LFS"), "a pointer file");
    input_close(&in);
    ok(st_map(&frame, "/", &err) == -1 && strcmp(err.text, "/: not a regular file") == 0, "a folder");
    ok(st_map(&frame, "/nonexistent", &err) == -1 && strcmp(err.text, "/nonexistent: No such file or directory") == 0,
       "a missing file");
    st_release(&frame);
    buf_free(&b);
}

/* A foreign frame whose header is no multiple of 8 and whose tensors are in no good order: all data is found, and at
 * addresses that suit it. */
static void test_alignment(void)
{
    struct buf b = {0};
    char path[32];
    struct error err = {0};
    add_frame(&b,
              "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
              "\"b\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[3,19]},"
              "\"c\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[19,21]}}",
              21);
    if (!(strlen(b.data + 8) % 8))
        abort();
    struct input in = open_bytes(&b, path);
    for (int mapped = 0; mapped < 2; mapped++) {
        struct st_frame frame = {0};
        int rc = mapped ? st_map(&frame, path, &err) : st_read(&frame, &in, cap, &err) - 1;
        if (!ok(rc == 0 && frame.n_tensors == 3, "%s an unaligned frame", mapped ? "mapping" : "reading"))
            continue;
        const struct st_tensor *a = st_find(&frame, "a"), *i64 = st_find(&frame, "b"), *i16 = st_find(&frame, "c");
        ok((uintptr_t)i64->data % 8 == 0 && (uintptr_t)i16->data % 2 == 0, "its data is aligned");
        ok(memcmp(a->data, "\0\1\2", 3) == 0 && *(const int64_t *)i64->data == 0x0A09080706050403 &&
               *(const int16_t *)i16->data == 0x1413,
           "and right");
        st_release(&frame);
    }
    input_close(&in);
    buf_free(&b);
}

/* ---- writing and reading back ---- */

enum { MANY = 12 };
struct sample {
    struct st_tensor tensors[MANY];
    size_t n;
    char names[MANY][32];
};

static void make_sample(struct sample *s, struct rng *rng)
{
    s->n = rng_below(rng, MANY + 1);
    for (size_t i = 0; i < s->n; i++) {
        struct st_tensor *t = &s->tensors[i];
        *t = (struct st_tensor){.dtype = (enum st_dtype)rng_below(rng, ST_DTYPES), .rank = (unsigned)rng_below(rng, 4)};
        snprintf(s->names[i], sizeof s->names[i], "t\"%llu\xC3\xA9.%zu", (unsigned long long)rng_below(rng, 1000), i);
        t->name = s->names[i];
        t->elements = 1;
        for (unsigned d = 0; d < t->rank; d++)
            t->elements *= t->shape[d] = rng_below(rng, 9);
        t->size = t->elements * st_dtype_size(t->dtype);
        unsigned char *data = xmalloc(t->size + 1);
        for (size_t k = 0; k < t->size; k++)
            data[k] = (unsigned char)rng_u32(rng);
        t->data = data;
    }
}

static bool same(const struct sample *s, const struct st_frame *frame)
{
    bool equal = frame->n_tensors == s->n;
    for (size_t i = 0; equal && i < s->n; i++) {
        const struct st_tensor *t = &s->tensors[i], *got = st_find(frame, t->name);
        equal = got && got->dtype == t->dtype && got->rank == t->rank && got->size == t->size &&
                got->elements == t->elements && memcmp(got->shape, t->shape, sizeof t->shape) == 0 &&
                memcmp(got->data, t->data, t->size) == 0 && (uintptr_t)got->data % st_dtype_size(t->dtype) == 0;
    }
    const char *key = st_metadata(frame, "k\n");
    return equal && key && strcmp(key, "v\"\xE2\x82\xAC") == 0 && !st_metadata(frame, "none");
}

/* 200 frames through a pipe, read by one struct, while the writer sends a byte, then a few, and so on. */
static void test_round_trip(void)
{
    static const struct st_meta metadata[] = {{"k\n", "v\"\xE2\x82\xAC"}, {"empty", ""}};
    struct rng rng;
    int ends[2];
    rng_init(&rng, 4, 1);
    if (pipe(ends) < 0)
        abort();
    fflush(stdout);
    pid_t child = fork();
    struct sample s;
    if (child == 0) {
        struct output out;
        struct error err;
        char path[32];
        int fd = memfd_create("frames", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/dev/fd/%d", fd);
        if (fd < 0 || output_open(&out, path, true, &err) < 0)
            _exit(1);
        for (int i = 0; i < 200; i++) {
            make_sample(&s, &rng);
            if (st_write(&out, s.tensors, s.n, metadata, 2) < 0)
                _exit(1);
        }
        if (output_flush(&out) < 0)
            _exit(1);
        size_t len = (size_t)lseek(fd, 0, SEEK_END);
        char *all = xmalloc(len);
        if (pread(fd, all, len, 0) != (ssize_t)len)
            _exit(1);
        for (size_t done = 0, piece = 1; done < len; done += piece) {
            piece = 1 + (piece * 7 + done) % 4001;
            if (piece > len - done)
                piece = len - done;
            if (write_full(ends[1], all + done, piece, "pipe", &err) < 0)
                _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    struct input in = {.fd = ends[0], .name = xstrdup("pipe"), .owned = true};
    struct st_frame frame = {0};
    struct error err = {0};
    int right = 0, aligned = 0, rc = 0;
    for (int i = 0; i < 200; i++) {
        make_sample(&s, &rng);
        rc = st_read(&frame, &in, cap, &err);
        right += rc == 1 && same(&s, &frame);
        aligned += frame.header_size % 8 == 0 && (frame.n_tensors == 0 || (uintptr_t)frame.tensors[0].data % 64 == 0);
        for (size_t k = 0; k < s.n; k++)
            free((void *)(uintptr_t)s.tensors[k].data);
    }
    is_long(right, 200, "200 frames read back %s", err.text);
    is_long(aligned, 200, "all aligned");
    ok(st_read(&frame, &in, cap, &err) == 0, "then the end");
    st_release(&frame);
    input_close(&in);
    int status = 1;
    waitpid(child, &status, 0);
    ok(status == 0, "the writer is content");
}

static void test_order(void)
{
    static const unsigned char byte = 7;
    static const double number = 0.5;
    static const float single = 2;
    const struct st_tensor tensors[] = {
        {.name = "z", .dtype = ST_U8, .rank = 1, .shape = {1}, .data = &byte},
        {.name = "c", .dtype = ST_F32, .rank = 0, .data = &single},
        {.name = "b", .dtype = ST_F32, .rank = 2, .shape = {1, 1}, .data = &single},
        {.name = "y", .dtype = ST_F64, .rank = 1, .shape = {1}, .data = &number},
    };
    struct output out;
    struct error err;
    int fd = memfd_create("order", MFD_CLOEXEC);
    char path[32], text[512];
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    ok(output_open(&out, path, true, &err) == 0 && st_write(&out, tensors, 4, NULL, 0) == 0 && output_flush(&out) == 0,
       "written");
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    static const char header[] = "{\"y\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                                 "\"b\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[8,12]},"
                                 "\"c\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[12,16]},"
                                 "\"z\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[16,17]}}";
    size_t padded = (sizeof header - 1 + 7) / 8 * 8;
    ok(len == (ssize_t)(8 + padded + 17) && memcmp(text + 8, header, sizeof header - 1) == 0, "by size, then name");
    output_close(&out);
    close(fd);

    ok(output_open(&out, "/dev/full", true, &err) == 0, "a full device");
    ok(st_write(&out, tensors, 4, NULL, 0) + output_close(&out) < 0, "its failure is reported");
    ok(strstr(out.error.text, "No space left on device") != NULL, "with its reason: %s", out.error.text);
}

/* Every prefix fails, every flipped bit of a frame is refused or read; the sanitizers watch. */
static void test_damage(void)
{
    struct buf whole = {0}, b = {0};
    struct error err;
    char path[32];
    add_frame(&whole,
              "{\"__metadata__\":{\"kind\":\"batch\",\"seq\":\"0\"},"
              "\"b\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"
              "\"a\":{\"dtype\":\"U8\",\"shape\":[1,3],\"data_offsets\":[16,19]}}",
              19);
    int wrong = 0;
    for (size_t len = 1; len < whole.len; len++) {
        buf_reset(&b);
        buf_add(&b, whole.data, len);
        wrong += read_both(&b, &err) != -1;
    }
    is_long(wrong, 0, "each prefix fails");
    for (size_t bit = 0; bit < 8 * whole.len; bit++) {
        struct st_frame frame = {0};
        buf_reset(&b);
        buf_add(&b, whole.data, whole.len);
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ 1 << bit % 8);
        struct input in = open_bytes(&b, path);
        int rc = st_read(&frame, &in, cap, &err);
        wrong += rc == 0 || rc < -1 || (rc == 1 && frame.n_tensors == 0);
        st_release(&frame);
        if (st_map(&frame, path, &err) == 0)
            st_release(&frame);
        input_close(&in);
    }
    is_long(wrong, 0, "each flipped bit is refused or read");
    buf_free(&b);
    buf_free(&whole);
}

int main(void)
{
    test_refused();
    test_lengths();
    test_alignment();
    test_round_trip();
    test_order();
    test_damage();
    return done_testing();
}
