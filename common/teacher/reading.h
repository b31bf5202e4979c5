/* reading.h - from a completion to the record that is kept: an answer, or the fault for which there is none.
 *
 * A reply of a live run and a line of a batch's result file are read by the same rules, here. What follows from a fault
 * (another try, a failed row) is the caller's business.
 */
#ifndef TEACHER_READING_H
#define TEACHER_READING_H

#include <stdbool.h>

#include "base/buf.h"
#include "teacher/answer.h"
#include "teacher/completion.h"
#include "teacher/record.h"

enum reading {
    READING_ANSWER,
    READING_REFUSED, /* the model or a filter said no: asking again is of no use */
    READING_CUT,     /* the tokens ran out before there was a whole answer */
    READING_FAULTY   /* off schema */
};

/* What the answer is measured by. */
struct reading_rules {
    const struct answer_rules *answer;
    struct span_of_text sentence;
    long budget; /* the request's, for the message of a cut answer */
};

/* The members of a record that a completion tells; the texts live as long as it does. */
void reading_begin(struct record *record, const struct completion *completion);
/* Reads the content that reading_begin has put there. An answer: the record is ok, and what
 * record_text makes of it is appended to `text`. Otherwise the fault says why. */
enum reading reading_take(struct record *record, const struct completion *completion, const struct reading_rules *rules,
                          struct buf *text, struct answer *scratch, struct answer_fault *fault);
/* The same for an error's failed_generation: what the server held back may pass all the same. */
bool reading_salvage(struct record *record, const struct completion *completion, const struct reading_rules *rules,
                     struct buf *text, struct answer *scratch);

#endif
