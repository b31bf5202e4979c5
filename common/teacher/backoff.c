/* backoff.c - see backoff.h. */
#include "teacher/backoff.h"

#include <math.h>
#include <sys/random.h>

#include "base/progress.h"

static const double longest = 60, shortest = 0.1; /* seconds: what max_wait makes of the longest wait lies between */
enum { FREE_LIMIT_WAITS = 3, MOST_DOUBLINGS = 16 };

void backoff_init(struct backoff *b, double max_wait)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
        seed = (uint64_t)(monotonic_seconds() * 1e6);
    rng_init(&b->rng, seed, 0);
    b->longest = fmax(shortest, fmin(longest, max_wait));
}

double backoff_wait(struct backoff *b, unsigned n)
{
    return fmin(b->longest, ldexp(1, (int)(n < MOST_DOUBLINGS ? n : MOST_DOUBLINGS))) * rng_double(&b->rng);
}

double backoff_asked(struct backoff *b, double asked, unsigned n)
{
    return asked >= 0 ? asked * (1 + 0.1 * rng_double(&b->rng)) : backoff_wait(b, n);
}

double backoff_limit(struct backoff *b, double asked, unsigned n)
{
    double seconds = backoff_asked(b, asked, n);
    return n >= FREE_LIMIT_WAITS ? fmax(seconds, backoff_wait(b, n - FREE_LIMIT_WAITS)) : seconds;
}
