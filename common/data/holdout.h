/* holdout.h - splits rows into two parts so that no text of one gives away the label of a text of the other.
 *
 * SST-2's training rows are phrases cut from sentences: a random split would test on what it has trained on. Here texts
 * with the same words, and a sentence and the phrases that it contains (containment.h), form a group, and a group stays
 * on one side. Taken to the letter that ties nearly all of SST-2 together, because "film" is a row and stands in
 * thousands of sentences. So only phrases of at least W words tie sentences together, where W is 1 if no group then is
 * larger than the smaller part (or 100 rows), else the smallest number for which that is so (3 for a tenth of SST-2). A
 * shorter phrase still goes with the only group that contains it. One that several groups contain goes to the hold-out
 * where all of them did, else to the training part.
 *
 * What holds whatever W is: no row of the hold-out equals a row of the training part or is contained in one. Phrases of
 * at least W words of the training part are not contained in rows of the hold-out either.
 */
#ifndef DATA_HOLDOUT_H
#define DATA_HOLDOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "data/containment.h"

struct holdout {
    double fraction;   /* of the rows, in (0, 1) */
    long phrase_words; /* W; 0: chosen as above, and then set to the choice */
    uint64_t seed;
    /* results */
    bool *held; /* of each row */
    size_t n_held;
    size_t n_groups, largest; /* in rows */
};

/* Groups go to the hold-out in random order while that brings it nearer to fraction x n. */
int holdout_split(struct holdout *h, const struct text *texts, size_t n, struct error *err);
void holdout_free(struct holdout *h);

#endif
