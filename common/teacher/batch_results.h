/* batch_results.h - from a batch's result files into the journal.
 *
 * A line is read as a live reply is (verdict.h, reading.h) and becomes a journal record with "batch":true. Lines whose
 * name is none of the part's are counted and otherwise ignored; nothing is ever taken for another question's answer.
 * Questions that no line answers, or whose line only says that the server did not get to them, have no record
 * afterwards: they are asked anew by the next submit or a live run. Reading the same files again changes nothing.
 */
#ifndef TEACHER_BATCH_RESULTS_H
#define TEACHER_BATCH_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "teacher/asker.h"
#include "teacher/batch_state.h"
#include "teacher/completion.h"
#include "teacher/cost.h"
#include "teacher/journal.h"
#include "teacher/key.h"

struct batch_results {
    /* what was read */
    uint64_t lines;
    uint64_t answered, failed;             /* questions: with an answer, with a failure that is their own */
    uint64_t unanswered;                   /* questions that are to be asked anew; known after results_end */
    uint64_t unknown, doubled, unreadable; /* lines: of no question of the part, of one that was answered, no JSON */
    struct usage usage;
    struct spending spending; /* at the asker's price */
    char first_words[512];    /* what the server says of the first question that it did not answer; "" */
    /* its own */
    struct journal *journal;
    const struct key *key;
    const struct batch_part *part;
    struct answer_rules rules;
    unsigned char *seen;    /* by the key's number in the part */
    const char *request_id; /* of the line; "" */
    struct json doc;
    struct buf line, body, text;
    struct completion completion;
    struct answer answer;
};

/* All pointers must live until results_free. -1: the part's labels cannot be read. */
int results_init(struct batch_results *results, const struct asker *asker, const struct batch_part *part,
                 struct error *err);
/* Reads one of the files, from its beginning. -1: the file or the journal failed. */
int results_read(struct batch_results *results, int fd, struct error *err);
/* Makes the journal safe on the disk and counts what is left. */
int results_end(struct batch_results *results, struct error *err);
void results_free(struct batch_results *results);

#endif
