/* journal.h - every finished question in a file of its own line, so that no answer is asked for or paid for twice.
 *
 *     {"journal":"groq-reason","version":1}
 *     {"key":"<sha256>","status":"ok","content":"...","model":"...","usage":{...},"attempts":1,"ms":412}
 *
 * Append-only; a line is one write(2), so a kill loses at most the answers still in flight. What a crash left of a line
 * at the end is cut off when the file is opened next. fsync after 64 lines or a second, whichever is first, but no
 * more than ten times a second, and at the end. The file is locked (flock) while it is open. Raw answers are kept, not
 * rows: a better parser needs no new question. In memory there is a key and a place for each answer, nothing more.
 */
#ifndef TEACHER_JOURNAL_H
#define TEACHER_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/append_file.h"
#include "base/buf.h"
#include "base/error.h"
#include "teacher/record.h"
#include "wire/json.h"

enum { JOURNAL_KEY_SIZE = 32 };

struct journal_entry {
    unsigned char key[JOURNAL_KEY_SIZE];
    uint64_t offset;
    uint32_t len; /* 0: the slot is free */
    bool failed;  /* the question ended with an error */
    bool this_run;
};

struct journal {
    struct append_file file;     /* its fd -1: no journal */
    bool read_only;              /* the file may be replayed but not written */
    bool broken;                 /* a line could not be written, or not made safe */
    struct journal_entry *slots; /* open addressing */
    size_t n_slots, n_entries;
    uint64_t unusable; /* lines that are no entry */
    unsigned unsynced;
    double last_sync;
    bool written; /* something was appended */
    /* scratch of the last journal_find */
    struct buf line;
    struct json doc;
};

/* Opens, makes (with the folders above it, file mode 0600) and locks the file, reads its index, cuts a torn tail.
 * STATUS_USAGE where the file is not a regular one or no journal of ours; STATUS_FAILURE where another run holds it or
 * it cannot be read. A file without write permission is opened for replay alone. */
int journal_open(struct journal *journal, const char *path, struct error *err);
/* The key's latest record, 1, or 0 where there is none. It lives until the next call. this_run: it was appended since
 * the journal was opened. -1: the file cannot be read. */
int journal_find(struct journal *journal, const unsigned char key[JOURNAL_KEY_SIZE], struct record *record,
                 bool *this_run, struct error *err);
/* Appends. On failure the file is cut back to its last whole line. */
int journal_append(struct journal *journal, const unsigned char key[JOURNAL_KEY_SIZE], const struct record *record,
                   struct error *err);
/* fsync if it is due (or anyway, with `now`). */
int journal_sync(struct journal *journal, bool now, struct error *err);
/* Syncs and closes; the entries are gone, the path stays until journal_free. */
int journal_close(struct journal *journal, struct error *err);
void journal_free(struct journal *journal);

/* False where the text is no key in hexadecimal. */
bool journal_key_parse(unsigned char key[JOURNAL_KEY_SIZE], const char *hex, size_t len);
void journal_key_hex(const unsigned char key[JOURNAL_KEY_SIZE], char out[2 * JOURNAL_KEY_SIZE + 1]);

#endif
