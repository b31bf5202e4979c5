/* progress.h - one line on stderr that tells how far a run is: `tool: 1200 of 67349 rows, 850 rows/s, 1:17 left`.
 *
 * Shown only if stderr is a terminal (or with --progress), first after two seconds, at most once a second, and erased
 * at the end. Never part of the data, never in a log unless asked for.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };
void progress_set_mode(enum progress_mode mode); /* cli_parse calls it */

struct progress {
    const char *unit; /* "rows" */
    uint64_t total;   /* 0: unknown */
    double started, shown;
    bool visible;
};

void progress_start(struct progress *p, const char *unit, uint64_t total);
/* Whether progress_update would show the line now: for a note that takes work. */
bool progress_due(const struct progress *p);
/* Cheap; may be called for every record. `note` (may be NULL) is added at the end of the line. */
void progress_update(struct progress *p, uint64_t done, const char *note);
void progress_finish(struct progress *p);
/* Takes the line off the terminal, so that a message can be printed; the next update shows it again. diag.c calls it.
 */
void progress_erase(void);

/* Seconds on a monotonic clock. */
double monotonic_seconds(void);

#endif
