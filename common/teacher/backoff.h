/* backoff.h - how long to wait before a request is sent again: after a failure, and after a limit.
 *
 * Full jitter: anything from 0 to 2^n seconds, so that those that failed together do not come back together. What a
 * server asks for is waited out, and up to a tenth more. No result depends on these random numbers.
 */
#ifndef TEACHER_BACKOFF_H
#define TEACHER_BACKOFF_H

#include "base/rng.h"

struct backoff {
    struct rng rng;
    double longest; /* seconds */
};

/* Seeded from the system. No wait of its own is longer than max_wait seconds, which is for what others ask. */
void backoff_init(struct backoff *backoff, double max_wait);
/* Seconds to wait for the n-th time (0, 1, ...). */
double backoff_wait(struct backoff *backoff, unsigned n);
/* The same where the server asks for so many seconds; below 0: it does not. */
double backoff_asked(struct backoff *backoff, double asked, unsigned n);
/* The same for a limit: a server that says 0 again and again is not hammered. */
double backoff_limit(struct backoff *backoff, double asked, unsigned n);

#endif
