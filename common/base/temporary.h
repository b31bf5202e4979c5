/* temporary.h - unfinished files beside their final names, removed whichever way the process ends (exit, die, SIGINT,
 * SIGTERM, SIGHUP, SIGPIPE; only SIGKILL leaves one behind). Used by io.c alone.
 *
 * Handlers are installed only where the signal has its default action, so a tool's own handlers stay.
 */
#ifndef BASE_TEMPORARY_H
#define BASE_TEMPORARY_H

/* Creates TARGET.tmp-PID-N and registers it. Returns its descriptor and its name (ended by temporary_forget or
 * temporary_remove, which free it), or -1 with errno. */
int temporary_create(const char *target, char **name);
/* It was renamed: nothing to remove any more. */
void temporary_forget(char *name);
/* Removes the file. */
void temporary_remove(char *name);
/* Removes all; safe in a signal handler. */
void temporary_remove_all(void);

#endif
