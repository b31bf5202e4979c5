/* cli.c - parses a command line by the tool's option table, on top of getopt_long. Help and completions are written by
 * cli_help.c and cli_complete.c. */
#include "base/cli.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli_table.h"
#include "base/diag.h"
#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"

const struct cli_option cli_shared[] = {
    {'q', "quiet", CLI_FLAG, NULL, .help = "print errors only"},
    {'v', "verbose", CLI_FLAG, NULL, .help = "print more; may be repeated"},
    {'\0', "progress", CLI_FLAG, NULL, .help = "show progress even if stderr is no terminal"},
    {'\0', "no-progress", CLI_FLAG, NULL, .help = "never show progress"},
    {'\0', "completions", CLI_CHOICE, NULL, "SHELL", .choices = "bash|zsh|fish",
     .help = "print a completion script for the shell and exit"},
    {'h', "help", CLI_FLAG, NULL, .help = "print this help and exit"},
    {'V', "version", CLI_FLAG, NULL, .help = "print the version and exit; with -v also the libraries"},
    CLI_END};

const struct cli_option *cli_row(const struct cli *cli, size_t i)
{
    size_t own = 0;
    while (cli->options[own].name)
        own++;
    const struct cli_option *o = i < own ? &cli->options[i] : &cli_shared[i - own];
    return o->name ? o : NULL;
}

bool cli_takes_value(const struct cli_option *o)
{
    return o->type != CLI_FLAG && o->type != CLI_UNFLAG;
}

static _Noreturn void usage_error_ends(void)
{
    diag_set_verbosity(0); /* the hint is shown also after -q */
    diag_line("Try '%s --help'.", diag_tool());
    exit(STATUS_USAGE);
}

void cli_usage_error(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    complain("%s", text);
    usage_error_ends();
}

/* ---- values ---- */

/* too_large: above a bound that the help does not tell, since it is only there to keep the value in its type. */
static _Noreturn void out_of_range(const struct cli_option *o, const char *text, bool too_large)
{
    struct buf range = {0};
    cli_add_range(&range, o);
    if (range.len == 0 || (too_large && o->max >= CLI_HUGE_BOUND))
        cli_usage_error("--%s: %s is too %s", o->name, text, too_large ? "large" : "small");
    cli_usage_error("--%s must be %s, not %s", o->name, range.data, text);
}

/* strtol and the like skip blanks before a number; a value that begins with one is a mistake in a script. */
static bool starts_number(const char *text)
{
    return *text && !isspace((unsigned char)*text);
}

static void take_long(const struct cli_option *o, const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (!starts_number(text) || end == text || *end)
        cli_usage_error("--%s: '%s' is not a whole number", o->name, text);
    bool bounded = o->min != 0 || o->max != 0;
    if (errno == ERANGE || (bounded && ((double)value < o->min || (double)value > o->max)))
        out_of_range(o, text, value > 0 && (errno == ERANGE || (double)value > o->max));
    *(long *)o->field = value;
}

static void take_uint64(const struct cli_option *o, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!starts_number(text) || end == text || *end)
        cli_usage_error("--%s: '%s' is not a whole number", o->name, text);
    if (errno == ERANGE || *text == '-')
        cli_usage_error("--%s must be between 0 and %llu, not %s", o->name, (unsigned long long)UINT64_MAX, text);
    *(uint64_t *)o->field = value;
}

static void take_double(const struct cli_option *o, const char *text)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    /* The smallest numbers may underflow (ERANGE too), which is as near as the type can come. */
    if (!starts_number(text) || end == text || *end || !isfinite(value))
        cli_usage_error("--%s: '%s' is not a number", o->name, text);
    bool bounded = o->min != 0 || o->max != 0;
    if (bounded && (value < o->min || value > o->max))
        out_of_range(o, text, value > o->max);
    *(double *)o->field = value;
}

/* Whether one of the choices "a|b|c" is text[0..len). */
static bool is_choice(const char *choices, const char *text, size_t len)
{
    for (const char *at = choices; len > 0 && *at;) {
        size_t n = strcspn(at, "|");
        if (n == len && memcmp(at, text, n) == 0)
            return true;
        at += n + (at[n] == '|');
    }
    return false;
}

/* The text, which must be a choice; or each of its parts between commas must. */
static const char *take_choice(const struct cli_option *o, const char *text)
{
    struct buf list = {0};
    const char *all = text; /* it points into argv, so it lives as long as the process */
    size_t len = strlen(text);
    if (o->type == CLI_CHOICES) {
        while (len = strcspn(text, ","), is_choice(o->choices, text, len) && text[len] == ',')
            text += len + 1;
    }
    if (is_choice(o->choices, text, len))
        return all;
    for (const char *at = o->choices; *at;) {
        size_t n = strcspn(at, "|");
        bool last = at[n] == '\0';
        if (list.len > 0)
            buf_addstr(&list, last ? " or " : ", ");
        buf_add(&list, at, n);
        at += n + !last;
    }
    cli_usage_error("--%s must be %s%s, not '%.*s'", o->name, o->type == CLI_CHOICES ? "some of " : "", list.data,
                    (int)len, text);
}

static void take_value(const struct cli_option *o, const char *text)
{
    if (o->given)
        *o->given = true;
    switch (o->type) {
    case CLI_FLAG:
        *(bool *)o->field = true;
        return;
    case CLI_UNFLAG:
        *(bool *)o->field = false;
        return;
    case CLI_LONG:
        take_long(o, text);
        return;
    case CLI_UINT64:
        take_uint64(o, text);
        return;
    case CLI_DOUBLE:
        take_double(o, text);
        return;
    case CLI_CHOICE:
    case CLI_CHOICES:
        *(const char **)o->field = take_choice(o, text);
        return;
    case CLI_STRING:
    case CLI_FILE:
    case CLI_FOLDER:
        if (!*text)
            cli_usage_error("--%s must not be empty", o->name);
        *(const char **)o->field = text;
        return;
    }
}

/* ---- the shared rows ---- */

static _Noreturn void print_and_exit(const struct buf *text)
{
    struct output out;
    struct error err = {0};
    if (output_open(&out, NULL, false, &err) < 0)
        die_error(&err);
    output_write(&out, text->data, text->len);
    if (output_close(&out) < 0)
        die_error(&out.error);
    exit(STATUS_OK);
}

static _Noreturn void print_version(const struct cli *cli)
{
    struct buf text = {0};
    char found[512];
    const char *features = cli->features;
    buf_addf(&text, "%s (distil) %s\n", cli->tool, distil_version);
    if (diag_verbosity() > 0 && cli->describe) {
        cli->describe(found, sizeof found);
        features = found;
    }
    if (diag_verbosity() > 0 && features && *features) {
        buf_addstr(&text, features);
        if (text.data[text.len - 1] != '\n')
            buf_addch(&text, '\n');
    }
    print_and_exit(&text);
}

static void take_shared(const struct cli *cli, const struct cli_option *o, const char *value, bool *version)
{
    struct buf text = {0};
    if (strcmp(o->name, "quiet") == 0) {
        diag_set_verbosity(-1);
    } else if (strcmp(o->name, "verbose") == 0) {
        diag_set_verbosity(diag_verbosity() < 0 ? 1 : diag_verbosity() + 1);
    } else if (strcmp(o->name, "progress") == 0) {
        progress_set_mode(PROGRESS_ALWAYS);
    } else if (strcmp(o->name, "no-progress") == 0) {
        progress_set_mode(PROGRESS_NEVER);
    } else if (strcmp(o->name, "completions") == 0) {
        cli_completion(cli, take_choice(o, value), &text);
        print_and_exit(&text);
    } else if (strcmp(o->name, "help") == 0) {
        cli_help(cli, &text);
        print_and_exit(&text);
    } else {
        *version = true; /* printed at the end, because a -v may still follow */
    }
}

/* ---- getopt ---- */

enum { ROW_BASE = 256, MAX_ROWS = 128 }; /* getopt's val of row i is ROW_BASE + i, apart from all letters */

/* Fills getopt's two tables; returns the number of rows. */
static int fill_tables(const struct cli *cli, struct option *rows, char *letters)
{
    int n = 0;
    const struct cli_option *o;
    *letters++ = ':'; /* a missing value is reported as ':' */
    for (; (o = cli_row(cli, (size_t)n)) != NULL; n++) {
        assert(n < MAX_ROWS - 1);
        bool value = cli_takes_value(o);
        rows[n] = (struct option){o->name, value ? required_argument : no_argument, NULL, ROW_BASE + n};
        if (o->letter) {
            *letters++ = o->letter;
            if (value)
                *letters++ = ':';
        }
    }
    *letters = '\0';
    rows[n] = (struct option){0};
    return n;
}

static const struct cli_option *row_of(const struct cli *cli, int val)
{
    if (val >= ROW_BASE)
        return cli_row(cli, (size_t)(val - ROW_BASE));
    const struct cli_option *o;
    for (size_t i = 0; (o = cli_row(cli, i)) != NULL; i++)
        if (o->letter == val)
            return o;
    return NULL;
}

/* getopt said '?': an unknown letter, a flag with a value, or a long name that is unknown or fits several. */
static _Noreturn void reject_option(const struct cli *cli, char **argv)
{
    const struct cli_option *o = optopt ? row_of(cli, optopt) : NULL;
    if (o)
        cli_usage_error("--%s takes no value", o->name);
    if (optopt)
        cli_usage_error("unknown option '-%c'", optopt);
    const char *word = argv[optind - 1];
    const char *name = word + strspn(word, "-");
    size_t len = strcspn(name, "=");
    struct buf fits = {0};
    int count = 0;
    for (size_t i = 0; (o = cli_row(cli, i)) != NULL; i++) {
        if (strncmp(o->name, name, len) != 0)
            continue;
        buf_addf(&fits, "%s--%s", count++ ? ", " : "", o->name);
    }
    if (count > 1 && len > 0)
        cli_usage_error("option '--%.*s' is ambiguous: %s", (int)len, name, fits.data);
    cli_usage_error("unknown option '%.*s'", (int)(len + (size_t)(name - word)), word);
}

static void check_operands(const struct cli *cli, int argc, char **argv)
{
    int count = argc - optind;
    if (count < cli->min_operands)
        cli_usage_error("missing operand; the usage is: %s %.*s", cli->tool, (int)strcspn(cli->usage, "\n"),
                        cli->usage);
    if (cli->max_operands >= 0 && count > cli->max_operands)
        cli_usage_error("unexpected operand '%s'", argv[optind + cli->max_operands]);
}

int cli_parse(const struct cli *cli, int argc, char **argv)
{
    struct option rows[MAX_ROWS];
    char letters[2 * MAX_ROWS + 2];
    bool version = false;
    diag_init(cli->tool);
    int own = fill_tables(cli, rows, letters) - (int)(sizeof cli_shared / sizeof *cli_shared - 1);
    opterr = 0;
    optind = 0; /* glibc: start afresh, also after another parse in this process */
    for (;;) {
        optopt = 0;
        int val = getopt_long(argc, argv, letters, rows, NULL);
        if (val < 0)
            break;
        if (val == '?')
            reject_option(cli, argv);
        const struct cli_option *o = row_of(cli, val == ':' ? optopt : val);
        if (val == ':')
            cli_usage_error("--%s needs a value: %s", o->name, o->argument ? o->argument : "VALUE");
        if (o >= cli->options && o < cli->options + own)
            take_value(o, optarg);
        else
            take_shared(cli, o, optarg, &version);
    }
    if (version)
        print_version(cli);
    check_operands(cli, argc, argv);
    return optind;
}
