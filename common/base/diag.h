/* diag.h - what the person at the terminal reads: one write(2) a line, on stderr, `tool: message`.
 *
 * Control bytes in a message are shown as `?`, because messages quote text that a language model produced.
 * Only bin/ and common/base call the functions that exit.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include "base/error.h"

/* Names the tool for all later messages. The string is kept, not copied. */
void diag_init(const char *tool);
const char *diag_tool(void);

/* -1: quiet (only errors), 0: normal, 1 and more: verbose. */
void diag_set_verbosity(int level);
int diag_verbosity(void);

/* Prints and exits with the status. */
_Noreturn void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void die_error(const struct error *err);

/* "tool: warning: ..."; silent when quiet. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "tool: error text" of a failure that does not end the run; shown also when quiet. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "tool: ..." when verbosity is at least `level` (0: the closing summary and the like). */
void inform(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints one line as it stands, without the tool's name (bert-train's epoch line); silent when quiet. */
void diag_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
