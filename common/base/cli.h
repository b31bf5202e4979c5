/* cli.h - one option table a tool: it parses, checks ranges, prints --help and writes the shell completions.
 *
 *     struct options { const char *split; long limit; bool shuffle; } o = {.split = "train", .limit = -1};
 *     const struct cli_option table[] = {
 *         {'\0', "split", CLI_CHOICE, &o.split, "NAME", .choices = "train|validation|test", .help = "which part to
 * write"},
 *         {'\0', "limit", CLI_LONG, &o.limit, "N", .min = 0, .max = 1e15, .help = "at most N rows", .no_default =
 * true},
 *         {'\0', "shuffle", CLI_FLAG, &o.shuffle, .help = "in random order"},
 *         CLI_END};
 *     const struct cli cli = {.tool = "sst2-dump", .summary = "write a sentence data set as NDJSON",
 *                             .usage = "[options] [PATH]", .options = table, .max_operands = 1};
 *     int n = cli_parse(&cli, argc, argv);     // operands are argv[n...]
 *
 * Added to every table: -h/--help, -V/--version, -q/--quiet, -v/--verbose, --progress/--no-progress, --completions
 * SHELL. -o/--output and others are the tool's own rows. A usage error prints one line and "Try 'tool --help'." and
 * exits 2. The help's defaults are read from the fields before parsing, so they cannot drift.
 */
#ifndef BASE_CLI_H
#define BASE_CLI_H

#include <stdbool.h>
#include <stddef.h>

enum cli_type {
    CLI_FLAG,    /* bool: set true */
    CLI_UNFLAG,  /* bool: set false (write the option as "no-...") */
    CLI_LONG,    /* long within min..max */
    CLI_UINT64,  /* uint64_t, all values */
    CLI_DOUBLE,  /* double within min..max, finite */
    CLI_STRING,  /* const char *, not empty */
    CLI_CHOICE,  /* const char *, one of choices */
    CLI_CHOICES, /* const char *, some of choices, separated by commas */
    CLI_FILE,    /* const char *; completions offer files */
    CLI_FOLDER   /* const char *; completions offer folders */
};

struct cli_option {
    char letter;      /* '\0': none */
    const char *name; /* the long name; NULL ends the table */
    enum cli_type type;
    void *field;          /* where the value goes */
    const char *argument; /* its name in the help, NULL for flags */
    const char *choices;  /* "a|b|c" for CLI_CHOICE and CLI_CHOICES */
    const char *help;     /* lower case, no full stop; wrapped to 80 columns by --help */
    double min, max;      /* both allowed; both 0: no bounds; 1e-9 and 1 - 1e-9 read "above 0", "below 1" */
    bool no_default;      /* the field's first value is not shown as a default */
    bool *given;          /* set true where the user gave the option; may be NULL */
};
#define CLI_END                                                                                                        \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

struct cli {
    const char *tool;
    const char *summary;  /* the NAME line of the man page after the dash */
    const char *usage;    /* after the tool's name in the synopsis; several lines are separated by \n */
    const char *examples; /* two or three command lines for --help, \n-separated; may be NULL */
    const struct cli_option *options;
    int min_operands, max_operands;
    const char *features;                     /* what -V -v adds: libraries and versions, \n-separated; may be NULL */
    void (*describe)(char *out, size_t size); /* the same, where it has to be found out; may be NULL */
};

/* Parses; sets diag's name and verbosity and the progress setting. Handles help, version and completions itself
 * (exit 0). Returns the index of the first operand in argv, which is permuted as getopt_long does. Exits 2 on a usage
 * error, also for a wrong number of operands. */
int cli_parse(const struct cli *cli, int argc, char **argv);

/* A usage error found after parsing: prints it with the pointer to --help and exits 2. */
_Noreturn void cli_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

extern const char distil_version[]; /* "0.1.0" */

#endif
