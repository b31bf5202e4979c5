/* votes.h - a row's `teacher` member from the answers to its sentence: one, or several samples that vote.
 *
 * The label is the one with the most votes, of equally many the one that was given first; the answer that is shown is
 * the first with that label. With more than one sample, probs holds a probability for each class: the mean of the
 * posterior that Krichevsky and Trofimov's prior (Dirichlet, 1/2 each; IEEE Trans. Inf. Theory 27, 1981) gives,
 * (v + 1/2) / (k + C/2) for v of k votes and C classes, which is (v + 1/2) / (k + 1) for two. Samples that failed do
 * not vote; where no more than half have answered, the row fails with the first failure.
 */
#ifndef TEACHER_VOTES_H
#define TEACHER_VOTES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "teacher/completion.h"
#include "teacher/plain.h"

/* What one sample gave. */
struct ballot {
    bool failed;
    long label;               /* of an answer */
    struct span_of_text text; /* an answer's members without braces and usage; a failure's whole object */
    struct usage usage;
};

/* Appends the value of the member; ballots[n], n from 1 on, label below classes. False: it is a failure. */
bool votes_write(struct buf *out, const struct ballot *ballots, size_t n, size_t classes);

#endif
