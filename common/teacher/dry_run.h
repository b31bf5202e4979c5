/* dry_run.h - what a run would ask and cost, without asking: --dry-run.
 *
 * Rows are read, questions are looked up in the journal, and the rest is counted. The tokens of prompts are a quarter
 * of the requests' bytes, and those of answers the whole budget; both are corrected by what the journal's answers to
 * other rows of the input took, where there are such.
 */
#ifndef TEACHER_DRY_RUN_H
#define TEACHER_DRY_RUN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "teacher/asker.h"
#include "teacher/key_set.h"
#include "wire/lines.h"

struct dry_run {
    uint64_t rows, unaskable, passed;
    uint64_t questions; /* distinct, all samples */
    uint64_t answered;  /* of these, by the journal */
    uint64_t ordered;   /* in open batches */
    double bytes;       /* of the requests for the others */
    /* of answers that one request gave: */
    uint64_t known;
    double known_bytes, known_prompt, known_completion;
    struct buf request; /* the first that would be sent */
};

/* Reads all rows; ask: as many of them are asked for, below 0: all. ordered: questions that are left to the batches
 * that hold them. complain gets what is wrong with a row, each. */
int dry_run_read(struct dry_run *run, struct asker *asker, struct lines *lines, long ask, unsigned samples,
                 const struct key_set *ordered, void (*complain)(void *user, const char *text), void *user,
                 struct error *err);
/* Appends the result as lines for a person, the first request last. */
void dry_run_write(const struct dry_run *run, const struct asker *asker, struct buf *out);
void dry_run_free(struct dry_run *run);

#endif
