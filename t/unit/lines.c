/* lines.c - tests of wire/lines.h over pipes and files: any length, any split into reads, sniffing, readiness. */
#include "wire/lines.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/memory.h"
#include "base/rng.h"
#include "../helper/tap.h"

/* A reader at the end of a pipe; the other end goes to *fd. */
static void open_pipe(struct lines *l, int *fd, size_t longest)
{
    int ends[2];
    struct error err;
    if (pipe(ends) < 0)
        abort();
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    ok(lines_open(l, path, longest, &err) == 0, "a pipe is opened");
    close(ends[0]);
    *fd = ends[1];
}

static void put(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
}

static void next_is(struct lines *l, const char *expected, size_t len)
{
    const char *line;
    size_t got;
    struct error err = {0};
    int rc = lines_next(l, &line, &got, &err);
    ok(rc == 1 && got == len && memcmp(line, expected, len) == 0, "line %llu", (unsigned long long)l->number);
}

static void end_is_next(struct lines *l)
{
    const char *line;
    size_t len;
    struct error err = {0};
    ok(lines_next(l, &line, &len, &err) == 0, "the end");
    ok(lines_next(l, &line, &len, &err) == 0 && lines_ready(l), "and again");
    lines_close(l);
}

static void test_lines(void)
{
    struct lines l;
    int fd;
    open_pipe(&l, &fd, 0);
    put(fd, "one\n\ntwo \r\nthr");
    if (write(fd, "e\0e\nlast", 8) != 8)
        abort();
    close(fd);
    next_is(&l, "one", 3);
    next_is(&l, "", 0);
    next_is(&l, "two \r", 5);
    next_is(&l, "thre\0e", 6);
    next_is(&l, "last", 4);
    is_long((long long)l.number, 5, "the number of the last line");
    end_is_next(&l);

    open_pipe(&l, &fd, 0);
    close(fd);
    end_is_next(&l);

    open_pipe(&l, &fd, 0);
    put(fd, "\n");
    close(fd);
    next_is(&l, "", 0);
    end_is_next(&l);
}

static void test_ready(void)
{
    struct lines l;
    int fd;
    open_pipe(&l, &fd, 0);
    ok(!lines_ready(&l), "nothing there: not ready");
    put(fd, "a\nb\nc");
    ok(lines_ready(&l), "lines there: ready");
    next_is(&l, "a", 1);
    ok(lines_ready(&l), "a buffered line: ready");
    const char *line;
    size_t len;
    struct error err;
    ok(lines_next(&l, &line, &len, &err) == 1 && len == 1, "the second line");
    ok(!lines_ready(&l), "half a line: not ready");
    put(fd, "c");
    ok(!lines_ready(&l) && *line == 'b', "still half a line; the line before is still there");
    put(fd, "\n");
    ok(lines_ready(&l), "the whole line: ready");
    next_is(&l, "cc", 2);
    ok(!lines_ready(&l), "nothing there again");
    close(fd);
    ok(lines_ready(&l), "the end: ready");
    end_is_next(&l);
}

static void test_peek(void)
{
    struct lines l;
    int fd;
    const char *data;
    size_t len;
    struct error err;
    open_pipe(&l, &fd, 0);
    put(fd, "abc\ndef");
    close(fd);
    ok(lines_peek(&l, 2, &data, &len, &err) == 0 && len == 2 && memcmp(data, "ab", 2) == 0, "the first two bytes");
    ok(lines_peek(&l, 100, &data, &len, &err) == 0 && len == 7 && memcmp(data, "abc\ndef", 7) == 0, "all there is");
    next_is(&l, "abc", 3);
    next_is(&l, "def", 3);
    end_is_next(&l);
    open_pipe(&l, &fd, 0);
    close(fd);
    ok(lines_peek(&l, 1, &data, &len, &err) == 0 && len == 0, "nothing");
    end_is_next(&l);
}

static void test_longest(void)
{
    struct lines l;
    int fd;
    const char *line;
    size_t len;
    struct error err = {0};
    open_pipe(&l, &fd, 4);
    put(fd, "abcd\nab\nabcde\n");
    close(fd);
    next_is(&l, "abcd", 4);
    next_is(&l, "ab", 2);
    ok(lines_next(&l, &line, &len, &err) == -1 && err.status == STATUS_FAILURE, "a longer line is refused");
    ok(strstr(err.text, ":3: the line is longer than 4 bytes") != NULL && strncmp(err.text, "/dev/fd/", 8) == 0, "%s",
       err.text);
    lines_close(&l);
    open_pipe(&l, &fd, 4);
    put(fd, "abcde");
    close(fd);
    ok(lines_next(&l, &line, &len, &err) == -1, "also the last one without its end");
    lines_close(&l);

    ok(lines_open(&l, "/nonexistent/file", 0, &err) == -1, "a missing file");
    is_string(err.text, "/nonexistent/file: No such file or directory", "its message");
    lines_close(&l);
}

/* Random lines, some of them long, written in random pieces by a child. */
static void test_random(void)
{
    struct rng rng;
    struct buf text = {0};
    rng_init(&rng, 3, 1);
    for (int i = 0; i < 300; i++) {
        uint64_t len = rng_below(&rng, 20) ? rng_below(&rng, 90) : rng_below(&rng, 400000);
        for (uint64_t k = 0; k < len; k++)
            buf_addch(&text, (char)('a' + (k + (uint64_t)i) % 26));
        buf_addch(&text, '\n');
    }
    struct lines l;
    int fd;
    open_pipe(&l, &fd, 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        for (size_t done = 0; done < text.len;) {
            size_t n = 1 + rng_below(&rng, rng_below(&rng, 4) ? 50000 : 9);
            ssize_t wrote = write(fd, text.data + done, n < text.len - done ? n : text.len - done);
            if (wrote < 0)
                _exit(1);
            done += (size_t)wrote;
        }
        _exit(0);
    }
    close(fd);
    struct buf back = {0};
    struct error err;
    const char *line;
    size_t len;
    int rc;
    while ((rc = lines_next(&l, &line, &len, &err)) > 0) {
        buf_add(&back, line, len);
        buf_addch(&back, '\n');
    }
    waitpid(child, NULL, 0);
    ok(rc == 0 && back.len == text.len && memcmp(back.data, text.data, text.len) == 0, "300 lines in random pieces");
    is_long((long long)l.number, 300, "their number");
    lines_close(&l);
    buf_free(&back);
    buf_free(&text);
}

int main(void)
{
    test_lines();
    test_ready();
    test_peek();
    test_longest();
    test_random();
    return done_testing();
}
