/* gate.h - when the next request may go: one gate for all rows.
 *
 * Today it knows two things. It lets at most `limit` requests be under way, a number that halves when the server
 * complains and grows by one with each success, up to the user's --concurrency. And it can be closed for a while, for
 * everybody; the first request after that goes alone, as a probe. Tokens are passed in although nothing counts them
 * yet: buckets for requests and tokens belong behind this interface.
 *
 * Times are monotonic seconds, given by the caller.
 */
#ifndef TEACHER_GATE_H
#define TEACHER_GATE_H

#include <stdbool.h>

#include "base/buf.h"

struct gate {
    unsigned most;  /* --concurrency */
    unsigned limit; /* how many may be under way now */
    unsigned under_way;
    double opens_at; /* closed until then */
    bool probing;    /* one at a time, until one has been answered */
};

void gate_init(struct gate *gate, unsigned most);
/* Seconds until a request of about so many tokens may be sent: 0 now; below 0: not before another one is back. */
double gate_wait(const struct gate *gate, double now, long tokens);
/* One goes out. */
void gate_enter(struct gate *gate, long tokens);
/* One is back: `used` tokens (-1: unknown) of those reserved. ok: it was served, so the way is free. */
void gate_leave(struct gate *gate, long reserved, long used, bool ok);
/* Its state for people: "3 of 8 under way", or "the limit opens in 12 s". */
void gate_describe(const struct gate *gate, double now, struct buf *out);
/* Closes for so long, at least; fewer at a time afterwards. */
void gate_close(struct gate *gate, double now, double seconds);

#endif
