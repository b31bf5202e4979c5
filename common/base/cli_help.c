/* cli_help.c - --help out of the option table: argument, default, range and choices, wrapped to 80 columns. */
#include "base/cli_table.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 80, MAX_COLUMN = 30 };

/* The shortest of %.{1..17}g that reads back, with a plain exponent: 5e-5. */
static void add_double(struct buf *text, double value)
{
    char number[40];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(number, sizeof number, "%.*g", precision, value);
        double back;
        if (sscanf(number, "%lf", &back) == 1 && back == value)
            break;
    }
    if (fabs(value) >= 10 && fabs(value) < CLI_HUGE_BOUND && value == floor(value))
        snprintf(number, sizeof number, "%.0f", value);
    char *e = strchr(number, 'e');
    if (e) {
        char *digits = e + 2;
        size_t zeros = strspn(digits, "0");
        memmove(digits, digits + zeros, strlen(digits + zeros) + 1);
        if (e[1] == '+')
            memmove(e + 1, e + 2, strlen(e + 2) + 1);
    }
    buf_addstr(text, number);
}

/* Tables give both ends of a range as allowed values; an open end at 0 or 1 is written as the value next to it. */
static void add_end(struct buf *text, const char *closed, const char *open, double value)
{
    const double next = 1e-9;
    bool above = value > 0 && value <= next, below = value < 1 && 1 - value <= next;
    buf_addf(text, "%s ", above || below ? open : closed);
    add_double(text, above ? 0 : below ? 1 : value);
}

void cli_add_range(struct buf *text, const struct cli_option *o)
{
    if ((o->type != CLI_LONG && o->type != CLI_DOUBLE) || (o->min == 0 && o->max == 0))
        return;
    bool low = o->min > -CLI_HUGE_BOUND, high = o->max < CLI_HUGE_BOUND;
    struct buf first = {0}, second = {0};
    if (low)
        add_end(&first, "at least", "above", o->min);
    if (high)
        add_end(&second, "at most", "below", o->max);
    if (low && high && strncmp(first.data, "at ", 3) == 0 && strncmp(second.data, "at ", 3) == 0)
        buf_addf(text, "between %s and %s", first.data + strlen("at least "), second.data + strlen("at most "));
    else
        buf_addf(text, "%s%s%s", low ? first.data : "", low && high ? " and " : "", high ? second.data : "");
    buf_free(&first);
    buf_free(&second);
}

static void add_default(struct buf *text, const struct cli_option *o)
{
    if (!o->field || o->no_default)
        return;
    struct buf value = {0};
    switch (o->type) {
    case CLI_FLAG:
    case CLI_UNFLAG:
        break;
    case CLI_LONG:
        buf_addf(&value, "%ld", *(const long *)o->field);
        break;
    case CLI_UINT64:
        buf_addf(&value, "%llu", (unsigned long long)*(const uint64_t *)o->field);
        break;
    case CLI_DOUBLE:
        add_double(&value, *(const double *)o->field);
        break;
    case CLI_STRING:
    case CLI_CHOICE:
    case CLI_CHOICES:
    case CLI_FILE:
    case CLI_FOLDER:
        if (*(const char *const *)o->field)
            buf_addstr(&value, *(const char *const *)o->field);
        break;
    }
    if (value.len > 0)
        buf_addf(text, "%sdefault %s", text->len ? "; " : "", value.data);
    buf_free(&value);
}

/* "at most N rows (at least 0; default 5)" */
static void add_description(struct buf *text, const struct cli_option *o)
{
    struct buf notes = {0};
    if (o->choices) {
        for (const char *at = o->choices; *at;) {
            size_t n = strcspn(at, "|");
            buf_addstr(&notes, at == o->choices ? "" : at[n] ? ", " : " or ");
            buf_add(&notes, at, n);
            at += n + (at[n] == '|');
        }
    }
    cli_add_range(&notes, o);
    add_default(&notes, o);
    buf_addstr(text, o->help);
    if (notes.len > 0)
        buf_addf(text, " (%s)", notes.data);
    buf_free(&notes);
}

static void add_left(struct buf *text, const struct cli_option *o)
{
    if (o->letter)
        buf_addf(text, "  -%c, --%s", o->letter, o->name);
    else
        buf_addf(text, "      --%s", o->name);
    if (cli_takes_value(o))
        buf_addf(text, " %s", o->argument ? o->argument : "VALUE");
}

static size_t columns(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* Adds the words of `words` from column `at` on, wrapped at WIDTH and continued at column `indent`. */
static void add_wrapped(struct buf *text, const char *words, size_t at, size_t indent)
{
    bool first = true;
    while (*words) {
        size_t len = strcspn(words, " ");
        size_t wide = columns(words, len);
        if (!first && at + 1 + wide > WIDTH) {
            buf_addf(text, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            buf_addch(text, ' ');
            at++;
        }
        buf_add(text, words, len);
        at += wide;
        first = false;
        words += len;
        words += strspn(words, " ");
    }
    buf_addch(text, '\n');
}

/* Where the descriptions begin: after the longest left part that is not over MAX_COLUMN. */
static size_t description_column(const struct cli *cli)
{
    size_t widest = 0;
    const struct cli_option *o;
    for (size_t i = 0; (o = cli_row(cli, i)) != NULL; i++) {
        struct buf left = {0};
        add_left(&left, o);
        if (left.len + 2 > widest && left.len + 2 <= MAX_COLUMN)
            widest = left.len + 2;
        buf_free(&left);
    }
    return widest;
}

static void add_row(struct buf *text, const struct cli_option *o, size_t column)
{
    struct buf left = {0}, description = {0};
    add_left(&left, o);
    add_description(&description, o);
    buf_add(text, left.data, left.len);
    if (left.len + 2 > column)
        buf_addf(text, "\n%*s", (int)column, "");
    else
        buf_addf(text, "%*s", (int)(column - left.len), "");
    add_wrapped(text, description.data, column, column);
    buf_free(&left);
    buf_free(&description);
}

/* Calls for each \n-separated line of `lines`: PREFIX line. */
static void add_lines(struct buf *text, const char *first, const char *later, const char *lines)
{
    const char *prefix = first;
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        buf_addstr(text, prefix);
        buf_add(text, lines, len);
        buf_addch(text, '\n');
        prefix = later;
        lines += len + (lines[len] == '\n');
    }
}

void cli_help(const struct cli *cli, struct buf *text)
{
    struct buf first = {0}, later = {0};
    buf_addf(text, "%s - %s\n\n", cli->tool, cli->summary);
    buf_addf(&first, "Usage: %s ", cli->tool);
    buf_addf(&later, "       %s ", cli->tool);
    add_lines(text, first.data, later.data, cli->usage);
    buf_addstr(text, "\nOptions:\n");
    size_t column = description_column(cli);
    const struct cli_option *o;
    for (size_t i = 0; (o = cli_row(cli, i)) != NULL; i++)
        add_row(text, o, column);
    if (cli->examples && *cli->examples) {
        buf_addstr(text, "\nExamples:\n");
        add_lines(text, "  ", "  ", cli->examples);
    }
    buf_addf(text, "\nSee man %s.\n", cli->tool);
    buf_free(&first);
    buf_free(&later);
}
