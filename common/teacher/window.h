/* window.h - the rows between input and output: read in order, answered in any order, written in order or, if wanted,
 * as they are finished.
 *
 * Memory is bounded by the number of rows and by their bytes, so a million rows need no more than a thousand. A row
 * leaves as it came, byte for byte, with its `teacher` member at the end.
 */
#ifndef TEACHER_WINDOW_H
#define TEACHER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"
#include "teacher/asker.h"
#include "teacher/row_report.h"
#include "teacher/votes.h"
#include "wire/json.h"

enum { WINDOW_LONGEST_ROW = 1 << 20 }; /* bytes; a longer one is not sent */

struct row {
    char *line;
    size_t len;
    uint64_t number;             /* of the line */
    struct question **questions; /* [samples]; NULL: nothing was asked */
    struct buf error;            /* a teacher member of its own: the row cannot be asked */
    bool unreadable;             /* the line is no JSON object: a row of ours stands for it */
};

struct window_settings {
    size_t cap;       /* rows at a time */
    unsigned samples; /* questions a row */
    bool unordered;   /* rows need not wait for those before them */
    bool strict;      /* a row that cannot be asked is not taken in */
    size_t classes;
    struct row_report *report; /* told of every row; NULL: nobody */
};

struct window {
    struct window_settings settings;
    struct row *rows; /* a ring [cap] */
    size_t first, n;
    size_t bytes;
    struct json doc;
    struct buf text, teacher;
    struct ballot *ballots; /* [samples] */
    /* written so far */
    uint64_t written, failed, passed;
};

/* The sentence that a line has, in the doc; NULL where it cannot be asked, and then why. unreadable: it is no JSON
 * object at all. */
const struct json_node *row_sentence(struct json *doc, const char *line, size_t len, uint64_t number, bool *unreadable,
                                     struct error *why);

void window_init(struct window *window, const struct window_settings *settings);
bool window_full(const struct window *window);
/* Takes a line (copied; not blank). ask: find its sentence and ask; otherwise it passes untouched. Returns 1 where it
 * was asked, 0 where it passes or cannot be asked (then `why`, if it says something, is for people), -1 on failure. */
int window_add(struct window *window, struct asker *asker, const char *line, size_t len, uint64_t number, bool ask,
               struct error *why, struct error *err);
/* Writes the rows that are finished, in order those at the front; how many. The caller looks at out->error. */
size_t window_write(struct window *window, struct asker *asker, struct output *out);
/* Lets go of what was not written. */
void window_free(struct window *window, struct asker *asker);

#endif
