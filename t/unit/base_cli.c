/* base_cli.c - common/base: the option table (parsing, ranges, help, completions), messages and progress. Each case
 * runs in a child, whose stdout, stderr and exit status are compared. */
#include "base/buf.h"
#include "base/cli.h"
#include "base/diag.h"
#include "base/memory.h"
#include "base/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../helper/tap.h"

static struct buf out, err; /* of the last child */

static void read_all(int fd, struct buf *text)
{
    char piece[4096];
    ssize_t n;
    buf_reset(text);
    buf_add(text, "", 0);
    while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))
        buf_add(text, piece, n > 0 ? (size_t)n : 0);
    close(fd);
}

/* Runs body with stdout and stderr caught in `out` and `err` (small enough for a pipe); returns the exit status. */
static int in_child(void (*body)(char **), const char **argv)
{
    int out_pipe[2], err_pipe[2], status = -1;
    fflush(stdout);
    if (pipe(out_pipe) < 0 || pipe(err_pipe) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out_pipe[1], STDOUT_FILENO);
        dup2(err_pipe[1], STDERR_FILENO);
        close(out_pipe[0]);
        close(err_pipe[0]);
        char *copy[16] = {NULL}; /* main's argv is not const */
        for (int i = 0; argv[i]; i++)
            copy[i] = xstrdup(argv[i]);
        body(copy);
        fflush(stdout);
        _exit(0);
    }
    close(out_pipe[1]);
    close(err_pipe[1]);
    read_all(out_pipe[0], &out);
    read_all(err_pipe[0], &err);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void parse(char **argv)
{
    int argc = 0;
    struct {
        const char *split, *file, *dir, *name;
        long limit, count, any;
        uint64_t seed;
        double rate, above, share;
        bool flag, pooler;
    } o = {.split = "train", .limit = -1, .count = 32, .seed = 42, .rate = 5e-5, .above = 1, .pooler = true};
    bool given = false;
    const struct cli_option table[] = {
        {'s', "split", CLI_CHOICE, &o.split, "NAME", .choices = "train|validation|test", .help = "which part to write"},
        {'\0', "limit", CLI_LONG, &o.limit, "N", .min = 0, .max = 1e15, .help = "at most N rows", .no_default = true},
        {'n', "count", CLI_LONG, &o.count, "N", .min = 1, .max = 100, .help = "how many", .given = &given},
        {'\0', "any", CLI_LONG, &o.any, "N", .help = "any number"},
        {'\0', "seed", CLI_UINT64, &o.seed, "N", .help = "of the generator"},
        {'\0', "rate", CLI_DOUBLE, &o.rate, "X", .min = 0, .max = 1, .help = "learning rate"},
        {'\0', "above", CLI_DOUBLE, &o.above, "X", .min = 1e-300, .max = 1e300, .help = "a width"},
        {'\0', "share", CLI_DOUBLE, &o.share, "F", .min = 1e-9, .max = 1 - 1e-9, .help = "a share", .no_default = true},
        {'f', "flag", CLI_FLAG, &o.flag, .help = "it's [a] flag: so"},
        {'\0', "no-pooler", CLI_UNFLAG, &o.pooler, .help = "without the pooler"},
        {'o', "output", CLI_FILE, &o.file, "FILE", .help = "where to write"},
        {'\0', "folder", CLI_FOLDER, &o.dir, "DIR", .help = "a folder"},
        {'\0', "a-rather-long-option-name", CLI_STRING, &o.name, "SOMETHING",
         .help = "a description that has so many words that it must go on in a second line of the help"},
        CLI_END};
    const struct cli cli = {.tool = "my-tool",
                            .summary = "do something",
                            .usage = "[options] [FILE ...]\n--list",
                            .examples = "my-tool -n 3 file",
                            .options = table,
                            .max_operands = 2,
                            .features = "library 1.2"};
    while (argv[argc])
        argc++;
    int n = cli_parse(&cli, argc, argv);
    printf(
        "split %s limit %ld count %ld%s any %ld seed %llu rate %.9g above %.9g flag %d pooler %d output %s folder %s "
        "name %s verbosity %d operands",
        o.split, o.limit, o.count, given ? " given" : "", o.any, (unsigned long long)o.seed, o.rate, o.above, o.flag,
        o.pooler, o.file ? o.file : "-", o.dir ? o.dir : "-", o.name ? o.name : "-", diag_verbosity());
    for (; n < argc; n++)
        printf(" %s", argv[n]);
    putchar('\n');
}

#define ARGV(...)                                                                                                      \
    (const char *[])                                                                                                   \
    {                                                                                                                  \
        "my-tool", __VA_ARGS__, NULL                                                                                   \
    }

static void accepts(const char **argv, const char *part)
{
    int rc = in_child(parse, argv);
    ok(rc == 0 && strstr(out.data, part) && err.len == 0, "%s: %s", argv[1] ? argv[1] : "(nothing)", part);
    if (rc != 0 || !strstr(out.data, part) || err.len)
        note("%d: %s%s", rc, out.data, err.data);
}

static void refuses(const char **argv, const char *message)
{
    struct buf expected = {0};
    buf_addf(&expected, "my-tool: %s\nTry 'my-tool --help'.\n", message);
    int rc = in_child(parse, argv);
    ok(rc == STATUS_USAGE && out.len == 0, "%s is refused with nothing on stdout", argv[1]);
    is_string(err.data, expected.data, "and this message");
    buf_free(&expected);
}

static void test_values(void)
{
    accepts((const char *[]){"my-tool", NULL},
            "split train limit -1 count 32 any 0 seed 42 rate 5e-05 above 1 flag 0 pooler 1 "
            "output - folder - name - verbosity 0 operands\n");
    accepts(ARGV("--split", "test", "--limit=0", "-n5", "--any", "-9223372036854775808"),
            "split test limit 0 count 5 given any -9223372036854775808 ");
    accepts(ARGV("--seed", "18446744073709551615", "--rate", "1e-3", "--above", "2.5"),
            "seed 18446744073709551615 rate 0.001 above 2.5 ");
    accepts(ARGV("-f", "--no-pooler", "-o", "-", "--folder", "/", "--a-rather", "x y"),
            "flag 1 pooler 0 output - folder / name x y ");
    accepts(ARGV("a", "-f", "b"), "flag 1 pooler 1 output - folder - name - verbosity 0 operands a b\n");
    accepts(ARGV("--", "-f", "--limit"), "operands -f --limit\n");
    accepts(ARGV("-", "-f"), "operands -\n");
    accepts(ARGV("-q"), "verbosity -1 ");
    accepts(ARGV("-vv", "--verbose"), "verbosity 3 ");
    accepts(ARGV("--lim", "7"), "limit 7 ");
    accepts(ARGV("--limit", "1", "--limit", "2"), "limit 2 ");
    accepts(ARGV("--progress", "--no-progress"), "verbosity 0 ");
}

static void test_refusals(void)
{
    refuses(ARGV("--limit", "12x"), "--limit: '12x' is not a whole number");
    refuses(ARGV("--limit", ""), "--limit: '' is not a whole number");
    refuses(ARGV("--limit", " 1"), "--limit: ' 1' is not a whole number");
    refuses(ARGV("--limit", "1.5"), "--limit: '1.5' is not a whole number");
    refuses(ARGV("--limit", "-1"), "--limit must be at least 0, not -1");
    refuses(ARGV("--limit", "2000000000000000"), "--limit: 2000000000000000 is too large");
    refuses(ARGV("--limit", "99999999999999999999"), "--limit: 99999999999999999999 is too large");
    refuses(ARGV("--any", "-99999999999999999999"), "--any: -99999999999999999999 is too small");
    refuses(ARGV("-n", "200"), "--count must be between 1 and 100, not 200");
    refuses(ARGV("-n", "0"), "--count must be between 1 and 100, not 0");
    refuses(ARGV("--seed", "-1"), "--seed must be between 0 and 18446744073709551615, not -1");
    refuses(ARGV("--seed", "18446744073709551616"),
            "--seed must be between 0 and 18446744073709551615, not 18446744073709551616");
    refuses(ARGV("--rate", "nan"), "--rate: 'nan' is not a number");
    refuses(ARGV("--rate", "inf"), "--rate: 'inf' is not a number");
    refuses(ARGV("--rate", "1e999"), "--rate: '1e999' is not a number");
    refuses(ARGV("--rate", "0,5"), "--rate: '0,5' is not a number");
    refuses(ARGV("--rate", "1.5"), "--rate must be between 0 and 1, not 1.5");
    refuses(ARGV("--above", "0"), "--above must be above 0, not 0");
    refuses(ARGV("--share", "1"), "--share must be above 0 and below 1, not 1");
    refuses(ARGV("--split", "dev"), "--split must be train, validation or test, not 'dev'");
    refuses(ARGV("--split", "train|validation"), "--split must be train, validation or test, not 'train|validation'");
    refuses(ARGV("--output", ""), "--output must not be empty");
    refuses(ARGV("--nonsense"), "unknown option '--nonsense'");
    refuses(ARGV("--nonsense=3"), "unknown option '--nonsense'");
    refuses(ARGV("-fx"), "unknown option '-x'");
    refuses(ARGV("--a"), "option '--a' is ambiguous: --any, --above, --a-rather-long-option-name");
    refuses(ARGV("--flag=1"), "--flag takes no value");
    refuses(ARGV("--limit"), "--limit needs a value: N");
    refuses(ARGV("-n"), "--count needs a value: N");
    refuses(ARGV("a", "b", "c\n"), "unexpected operand 'c?'");
    refuses(ARGV("-q", "--bad"), "unknown option '--bad'");
    refuses(ARGV("--completions", "csh"), "--completions must be bash, zsh or fish, not 'csh'");
}

static void test_help(void)
{
    is_long(in_child(parse, ARGV("--help")), 0, "--help");
    is_string(out.data,
              "my-tool - do something\n"
              "\n"
              "Usage: my-tool [options] [FILE ...]\n"
              "       my-tool --list\n"
              "\n"
              "Options:\n"
              "  -s, --split NAME         which part to write (train, validation or test;\n"
              "                           default train)\n"
              "      --limit N            at most N rows (at least 0)\n"
              "  -n, --count N            how many (between 1 and 100; default 32)\n"
              "      --any N              any number (default 0)\n"
              "      --seed N             of the generator (default 42)\n"
              "      --rate X             learning rate (between 0 and 1; default 5e-5)\n"
              "      --above X            a width (above 0; default 1)\n"
              "      --share F            a share (above 0 and below 1)\n"
              "  -f, --flag               it's [a] flag: so\n"
              "      --no-pooler          without the pooler\n"
              "  -o, --output FILE        where to write\n"
              "      --folder DIR         a folder\n"
              "      --a-rather-long-option-name SOMETHING\n"
              "                           a description that has so many words that it must go\n"
              "                           on in a second line of the help\n"
              "  -q, --quiet              print errors only\n"
              "  -v, --verbose            print more; may be repeated\n"
              "      --progress           show progress even if stderr is no terminal\n"
              "      --no-progress        never show progress\n"
              "      --completions SHELL  print a completion script for the shell and exit\n"
              "                           (bash, zsh or fish)\n"
              "  -h, --help               print this help and exit\n"
              "  -V, --version            print the version and exit; with -v also the\n"
              "                           libraries\n"
              "\n"
              "Examples:\n"
              "  my-tool -n 3 file\n"
              "\n"
              "See man my-tool.\n",
              "the whole help");
    is_long(in_child(parse, ARGV("--version")), 0, "--version");
    is_string(out.data, "my-tool (distil) 0.1.0\n", "one line");
    is_long(in_child(parse, ARGV("-V", "-v")), 0, "-V -v");
    is_string(out.data, "my-tool (distil) 0.1.0\nlibrary 1.2\n", "adds the libraries");
    const char *shells[] = {"bash", "zsh", "fish"};
    for (int i = 0; i < 3; i++) {
        is_long(in_child(parse, ARGV("--completions", shells[i])), 0, "--completions %s", shells[i]);
        ok(strstr(out.data, "train validation test") && strstr(out.data, "a-rather-long-option-name") &&
               strstr(out.data, "no-progress"),
           "has choices, own and shared options");
    }
}

static void usage_error(char **argv)
{
    diag_init(argv[0]);
    diag_set_verbosity(-1);
    cli_usage_error("%s and %s exclude each other", argv[1], argv[2]);
}

static void messages(char **argv)
{
    diag_init("tool");
    diag_set_verbosity(atoi(argv[1]));
    inform(0, "summary");
    inform(1, "detail");
    warn("odd");
    complain("bad: %s", "a\tb\n\x1b[2Jc\x7f");
    diag_line("Epoch 1");
    die(STATUS_PARTIAL, "caf\xc3\xa9 \xc2\x9b raw \x9b end \xe2\x82");
}

static void long_message(char **argv)
{
    char text[6000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    diag_init(argv[0]);
    complain("%s", text);
    for (int i = 0; i + 3 < (int)sizeof text; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    complain("%s", text);
}

static void progress_log(char **argv)
{
    struct progress p;
    diag_init(argv[0]);
    progress_set_mode(strcmp(argv[1], "always") == 0 ? PROGRESS_ALWAYS : PROGRESS_AUTO);
    progress_start(&p, "rows", 19000);
    progress_update(&p, 1, NULL); /* too early to be shown */
    p.started -= 1000;            /* so long ago that this process's own pace does not show */
    p.shown = p.started;
    progress_update(&p, 10000, "loss\n0.5");
    progress_update(&p, 10001, NULL); /* within the same second */
    progress_finish(&p);
}

static void test_messages(void)
{
    is_long(in_child(usage_error, ARGV("--a", "--b")), 2, "a usage error after parsing");
    is_string(err.data, "my-tool: --a and --b exclude each other\nTry 'my-tool --help'.\n",
              "has the hint even if quiet");
    is_long(in_child(messages, ARGV("0")), 3, "die ends with its status");
    is_string(err.data,
              "tool: summary\ntool: warning: odd\ntool: bad: a?b??[2Jc?\nEpoch 1\ntool: caf\xc3\xa9 ? raw ? end ??\n",
              "messages, with control bytes and broken UTF-8 as '?'");
    in_child(messages, ARGV("-1"));
    is_string(err.data, "tool: bad: a?b??[2Jc?\ntool: caf\xc3\xa9 ? raw ? end ??\n", "quiet: errors only");
    in_child(messages, ARGV("1"));
    ok(strstr(err.data, "tool: detail\n"), "verbose: details too");
    in_child(long_message, ARGV("x"));
    char *second = strchr(err.data, '\n');
    ok(second && second - err.data < 4096 && strncmp(second - 4, "x...", 4) == 0, "a long message is cut to one write");
    ok(second && strncmp(second + err.len - (size_t)(second - err.data) - 4, "...\n", 4) == 0 && !strchr(second, '?'),
       "at a character");
    in_child(progress_log, ARGV("always"));
    is_string(err.data, "my-tool: 10000 of 19000 rows, 10 rows/s, 15:00 left, loss?0.5\n", "--progress into a log");
    in_child(progress_log, ARGV("auto"));
    is_string(err.data, "", "no progress where stderr is no terminal");
}

/* On a terminal: stderr is its slave side; the parent reads what would be seen. */
static void test_terminal_progress(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    const char *name = master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 ? ptsname(master) : NULL;
    if (!name) {
        skip("progress on a terminal", "there is no pseudo-terminal");
        return;
    }
    int slave = open(name, O_RDWR | O_NOCTTY);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct progress p;
        dup2(slave, STDERR_FILENO);
        diag_init("tool");
        progress_set_mode(PROGRESS_AUTO);
        progress_start(&p, "rows", 0);
        p.started -= 10000; /* so long that this process's own pace does not show */
        p.shown = p.started;
        progress_update(&p, 5000000, NULL);
        warn("odd");
        p.shown -= 5;
        progress_update(&p, 6000000, NULL);
        progress_finish(&p);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    char text[512] = "";
    size_t len = 0;
    struct pollfd ready = {.fd = master, .events = POLLIN}; /* what was written may arrive in pieces */
    while (len < sizeof text - 1 && poll(&ready, 1, 500) > 0) {
        ssize_t n = read(master, text + len, sizeof text - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    ok(len > 0, "progress is shown on a terminal");
    is_string(text,
              "\r\033[Ktool: 5000000 rows, 500 rows/s\r\033[Ktool: warning: odd\r\n"
              "\r\033[Ktool: 6000000 rows, 600 rows/s\r\033[K",
              "a message takes its place, and nothing is left at the end");
    close(slave);
    close(master);
}

int main(void)
{
    test_values();
    test_refusals();
    test_help();
    test_messages();
    test_terminal_progress();
    buf_free(&out);
    buf_free(&err);
    return done_testing();
}
