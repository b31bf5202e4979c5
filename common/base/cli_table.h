/* cli_table.h - what cli.c, cli_help.c and cli_complete.c share: the tool's own rows and the shared ones in one walk.
 * Used by these three files alone.
 */
#ifndef BASE_CLI_TABLE_H
#define BASE_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/cli.h"

/* The rows that every tool has, in the order of --help; ended by a NULL name. */
extern const struct cli_option cli_shared[];

/* Bounds from here on are only there to keep a value in its type; the help does not tell them. */
#define CLI_HUGE_BOUND 1e15

/* Row i of the tool's table followed by the shared rows; NULL after the last. */
const struct cli_option *cli_row(const struct cli *cli, size_t i);

/* Whether the option takes a value. */
bool cli_takes_value(const struct cli_option *o);

/* "between 0 and 100", "at least 1", ... ; nothing where the option has no bounds. */
void cli_add_range(struct buf *text, const struct cli_option *o);

/* The whole --help text, to be freed with buf_free. */
void cli_help(const struct cli *cli, struct buf *text);

/* The completion script for "bash", "zsh" or "fish". */
void cli_completion(const struct cli *cli, const char *shell, struct buf *text);

#endif
