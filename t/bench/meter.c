/* meter.c - runs a command and measures it from outside: when its lines come out, what memory it took.
 *
 *   meter run REPORT -- CMD...          stdin and stdout are the command's; the report goes to the file REPORT
 *   meter flow EVERY INPUT COPY -- CMD...
 *                                       stdin from INPUT; its stdout is read, counted and copied to the file COPY;
 *                                       "first" is the time to the first whole line, "marks" are pairs of lines and
 *                                       seconds, one for each EVERY lines
 *   meter serve LINES -- CMD...         keeps the command and asks it. Orders on stdin, an answer line for each:
 *                                         block BEGIN COUNT   writes COUNT lines of the file LINES (starting over at
 *                                                             its end) at once: seconds until as many came out
 *                                         rows BEGIN COUNT    one after another, waiting for each: seconds of each
 *                                       Each answer also has the peak resident memory so far.
 *                                       At the end of stdin the command's stdin is closed and the report printed.
 *
 * A report is one JSON object: status (128 + signal where one ended it), wall and cpu seconds, peak resident KiB (what
 * wait4 says; mapped files count). This is C because a Python parent takes tenths of a millisecond for a round trip,
 * and its own memory would pass for the child's. Exit status: 0 where the command could be started, whatever came of
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct child {
    pid_t pid;
    int in, out; /* ends of pipes, -1: none */
    double started;
};

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "meter: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void nothing(int signal)
{
    (void)signal;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One pipe; the end that stays here is closed on exec. The buffer is as large as the system allows. */
static void make_pipe(int ends[2], int mine)
{
    if (pipe2(ends, 0) < 0 || fcntl(ends[mine], F_SETFD, FD_CLOEXEC) < 0)
        fail("pipe");
    (void)fcntl(ends[mine], F_SETPIPE_SZ, 1 << 20);
}

/* input: a path for the child's stdin, or NULL for a pipe. want_output: a pipe from its stdout. */
static void start(struct child *c, char **command, const char *input, bool want_input, bool want_output)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (input && posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0) != 0)
        fail(input);
    if (want_input) {
        make_pipe(in, 1);
        posix_spawn_file_actions_adddup2(&actions, in[0], 0);
        posix_spawn_file_actions_addclose(&actions, in[0]);
    }
    if (want_output) {
        make_pipe(out, 0);
        posix_spawn_file_actions_adddup2(&actions, out[1], 1);
        posix_spawn_file_actions_addclose(&actions, out[1]);
    }
    c->in = in[1];
    c->out = out[0];
    c->started = now();
    errno = posix_spawnp(&c->pid, command[0], &actions, NULL, command, environ);
    if (errno)
        fail(command[0]);
    posix_spawn_file_actions_destroy(&actions);
    if (want_input)
        close(in[0]);
    if (want_output)
        close(out[1]);
}

/* Waits for the child; the report's members, without braces. */
static void finish(struct child *c, FILE *report)
{
    int status;
    struct rusage usage;
    while (wait4(c->pid, &status, 0, &usage) < 0)
        if (errno != EINTR)
            fail("wait4");
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    fprintf(report, "\"status\":%d,\"wall\":%.6f,\"cpu\":%.6f,\"rss_kib\":%ld",
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), now() - c->started, cpu, usage.ru_maxrss);
}

static int run(const char *report_path, char **command)
{
    struct child c;
    FILE *report = fopen(report_path, "we");
    if (!report)
        fail(report_path);
    start(&c, command, NULL, false, false);
    close(0); /* what the command reads and writes must end with it, not with us */
    close(1);
    fputc('{', report);
    finish(&c, report);
    fputs("}\n", report);
    return fclose(report) == 0 ? 0 : 1;
}

static size_t count_lines(const char *data, size_t len)
{
    size_t n = 0;
    for (const char *p = data, *end = data + len; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        n++;
    return n;
}

static int flow(uint64_t every, const char *input, const char *copy_path, char **command)
{
    static char data[1 << 16];
    struct child c;
    FILE *copy = fopen(copy_path, "we");
    uint64_t lines = 0, marks = 0;
    double first = -1;
    ssize_t n;
    if (!copy)
        fail(copy_path);
    start(&c, command, input, false, true);
    printf("{\"marks\":[");
    while ((n = read(c.out, data, sizeof data)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            fail("read");
        double time = now() - c.started;
        lines += count_lines(data, (size_t)n);
        fwrite(data, 1, (size_t)n, copy);
        if (first < 0 && lines > 0)
            first = time;
        if (lines / every > marks) {
            printf("%s[%llu,%.6f]", marks ? "," : "", (unsigned long long)lines, time);
            marks = lines / every;
        }
    }
    printf("],\"lines\":%llu,\"first\":%.6f,", (unsigned long long)lines, first);
    finish(&c, stdout);
    printf("}\n");
    return fclose(copy) == 0 && fflush(stdout) == 0 ? 0 : 1;
}

/* ---- serve ---- */

/* A file in memory, cut into lines. */
struct lines {
    char *text;
    size_t *ends; /* one past each line's newline */
    size_t n;
};

static void read_lines(struct lines *l, const char *path)
{
    FILE *file = fopen(path, "re");
    struct stat st;
    if (!file || fstat(fileno(file), &st) < 0)
        fail(path);
    size_t size = (size_t)st.st_size;
    l->text = malloc(size + 1);
    if (!l->text || fread(l->text, 1, size, file) != size)
        fail(path);
    fclose(file);
    if (size == 0 || l->text[size - 1] != '\n')
        l->text[size++] = '\n';
    l->ends = malloc(count_lines(l->text, size) * sizeof *l->ends);
    if (!l->ends)
        fail(path);
    l->n = 0;
    for (size_t i = 0; i < size; i++)
        if (l->text[i] == '\n')
            l->ends[l->n++] = i + 1;
}

static void line_at(const struct lines *l, size_t i, const char **text, size_t *len)
{
    i %= l->n;
    size_t begin = i ? l->ends[i - 1] : 0;
    *text = l->text + begin;
    *len = l->ends[i] - begin;
}

/* Writes data and reads until `expected` lines came; false where the child has left. */
static bool exchange(const struct child *c, const char *data, size_t len, size_t expected)
{
    static char answer[1 << 16];
    size_t seen = 0;
    while (seen < expected) {
        struct pollfd fds[2] = {{c->out, POLLIN, 0}, {len ? c->in : -1, POLLOUT, 0}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            fail("poll");
        if (fds[1].revents) {
            ssize_t n = write(c->in, data, len);
            if (n < 0 && errno != EAGAIN && errno != EINTR)
                return false;
            data += n > 0 ? n : 0;
            len -= n > 0 ? (size_t)n : 0;
        }
        if (fds[0].revents) {
            ssize_t n = read(c->out, answer, sizeof answer);
            if (n == 0 || (n < 0 && errno != EINTR))
                return false;
            seen += n > 0 ? count_lines(answer, (size_t)n) : 0;
        }
    }
    return true;
}

/* The child's peak resident memory so far, in KiB; 0 where /proc does not say. */
static long peak_of(const struct child *c)
{
    char path[64], line[128];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)c->pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "VmHWM: %ld", &kib) != 1)
        ;
    if (file)
        fclose(file);
    return kib;
}

static bool ask_block(const struct child *c, const struct lines *l, size_t begin, size_t count)
{
    char *data = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&data, &size);
    if (!memory)
        fail("open_memstream");
    for (size_t i = 0; i < count; i++) {
        const char *text;
        size_t len;
        line_at(l, begin + i, &text, &len);
        fwrite(text, 1, len, memory);
    }
    fclose(memory);
    double started = now();
    bool good = exchange(c, data, size, count);
    double seconds = now() - started;
    if (good)
        printf("{\"seconds\":%.9f,\"rss_kib\":%ld}\n", seconds, peak_of(c));
    free(data);
    return good;
}

static bool ask_rows(const struct child *c, const struct lines *l, size_t begin, size_t count)
{
    double *seconds = calloc(count, sizeof *seconds);
    bool good = true;
    if (!seconds)
        fail("calloc");
    for (size_t i = 0; good && i < count; i++) {
        const char *text;
        size_t len;
        line_at(l, begin + i, &text, &len);
        double started = now();
        good = exchange(c, text, len, 1);
        seconds[i] = now() - started;
    }
    if (good) {
        printf("{\"seconds\":[");
        for (size_t i = 0; i < count; i++)
            printf("%s%.9f", i ? "," : "", seconds[i]);
        printf("],\"rss_kib\":%ld}\n", peak_of(c));
    }
    free(seconds);
    return good;
}

static int serve(const char *path, char **command)
{
    struct lines lines;
    struct child c;
    char order[128], word[16];
    unsigned long long begin, count;
    read_lines(&lines, path);
    start(&c, command, NULL, true, true);
    if (fcntl(c.in, F_SETFL, O_NONBLOCK) < 0)
        fail("fcntl");
    while (fgets(order, sizeof order, stdin)) {
        if (sscanf(order, "%15s %llu %llu", word, &begin, &count) != 3) {
            fprintf(stderr, "meter: what is \"%s\"?\n", order);
            return 2;
        }
        bool rows = strcmp(word, "rows") == 0;
        if (!(rows ? ask_rows : ask_block)(&c, &lines, (size_t)begin, (size_t)count))
            break;
        fflush(stdout);
    }
    close(c.in);
    close(c.out);
    putchar('{');
    finish(&c, stdout);
    puts("}");
    free(lines.text);
    free(lines.ends);
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, nothing); /* not SIG_IGN, which the child would inherit */
    if (argc >= 5 && strcmp(argv[1], "run") == 0 && strcmp(argv[3], "--") == 0)
        return run(argv[2], argv + 4);
    if (argc >= 7 && strcmp(argv[1], "flow") == 0 && strcmp(argv[5], "--") == 0)
        return flow(strtoull(argv[2], NULL, 10), argv[3], argv[4], argv + 6);
    if (argc >= 5 && strcmp(argv[1], "serve") == 0 && strcmp(argv[3], "--") == 0)
        return serve(argv[2], argv + 4);
    fprintf(stderr, "meter: usage is in the head of meter.c\n");
    return 2;
}
