/* record.h - what is kept of one finished question: the raw answer, or why there is none.
 *
 * A row's `teacher` member is always made from a record, whether the answer has just come or was read from the journal,
 * so both give the same bytes. Nothing that depends on the clock goes into the member; the journal's line has it (ms,
 * attempts, request_id).
 */
#ifndef TEACHER_RECORD_H
#define TEACHER_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "teacher/answer.h"
#include "teacher/completion.h"
#include "wire/json.h"

struct record {
    bool ok;
    /* an answer */
    struct span_of_text content, thinking;
    const char *finish_reason;
    const char *model; /* as the server named it; "" where it did not */
    bool salvaged;     /* the content comes from an error's failed_generation */
    /* a failure; content may hold the last raw answer */
    const char *kind, *code, *message; /* code "": none */
    long http;                         /* 0: there was no response */
    /* both */
    long attempts;
    struct usage usage; /* of all attempts */
    bool batch;         /* bought through the batch API, at its price */
    const char *request_id;
    long ms;
};

/* One journal line without its \n. */
void record_write(struct buf *out, const char *key_hex, const struct record *record);
/* From a parsed journal line, in which the record's texts live. False where members are missing. */
bool record_read(struct record *record, const struct json *doc);

/* Appends what the row's `teacher` member is made of (votes.h): an answer's members without braces and usage, or a
 * failure's whole object. -1 with the fault where the record's answer does not pass the rules (appends nothing then).
 * `answer` is scratch; an answer's label is in it. */
int record_text(struct buf *out, const struct record *record, const struct answer_rules *rules,
                struct span_of_text sentence, struct answer *answer, struct answer_fault *fault);

/* {"status":"error","kind":...,"http":...,"code":...,"message":...,"attempts":n} */
void record_write_error(struct buf *out, const struct record *record);

#endif
