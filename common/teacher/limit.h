/* limit.h - what an error's text says of the limit that was met.
 *
 * "... on tokens per minute (TPM): Limit 6000, Used 5034, Requested 1443. Please try again in 4.77s." No header says
 * which limit it was, and two of the four are in no header at all.
 */
#ifndef TEACHER_LIMIT_H
#define TEACHER_LIMIT_H

enum limit_kind { LIMIT_RPM, LIMIT_TPM, LIMIT_RPD, LIMIT_TPD, LIMIT_KINDS };

struct limit_said {
    enum limit_kind kind;          /* LIMIT_KINDS: the text names none that is known here */
    double limit, used, requested; /* -1: not said */
};

/* Reads an error's message. */
void limit_read(struct limit_said *said, const char *message);
/* "tokens a minute" */
const char *limit_name(enum limit_kind kind);

#endif
