/* gate.h - when the next request may go: one gate for all rows.
 *
 * Three things hold a request back.
 * - Four buckets, for requests and tokens, a minute and a day, which refill continuously as Groq's limiter has them. A
 *   request takes its place when it is sent (the tokens of the prompt, estimated, and all that the answer may have),
 *   and gives back what it did not use when the reply is there. How large the buckets are comes from the user, from
 *   headers, or from the text of a refusal; one whose size is unknown holds nothing back. What the server says is left
 *   in its own buckets corrects ours wherever they cannot both be right; so it makes no difference whether the server
 *   gives unused tokens back at once, later or not at all.
 * - How many may be under way: two at first, one more with each success, half as many when the server complains, never
 *   more than --concurrency.
 * - A closed gate, after a refusal or where nobody answers; the first request after that goes alone, as a probe.
 *
 * The gate sends nothing, reads no clock and knows no rows. Times are monotonic seconds, given by the caller; so hours
 * of it can be tried in a moment.
 */
#ifndef TEACHER_GATE_H
#define TEACHER_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "teacher/http.h"
#include "teacher/limit.h"

enum { GATE_ROWS_IN_TROUBLE = 5, GATE_LEAST_BUDGET = 64 };

struct gate_settings {
    unsigned most;              /* --concurrency */
    double limits[LIMIT_KINDS]; /* the user's; 0: learn it */
    bool requests_by_day;       /* what x-ratelimit-limit-requests counts where the figures do not show it: Groq's are
                                 * a day's, others' a minute's */
    double pause;               /* seconds that the gate is closed for when rows fail one after another */
};

struct gate_bucket {
    double limit; /* 0: unknown */
    bool fixed;   /* it is the user's */
    bool named;   /* a refusal has named it */
    double level; /* what may be spent, at the time `at` */
    double at;
    double margin; /* part of the limit that is not touched */
    /* ever since: */
    double taken, returned;
};

/* One request's share in the buckets, kept by the caller while it is under way. */
struct gate_ticket {
    uint64_t number;
    double sent;
    size_t bytes;                                     /* of the request */
    double prompt, budget;                            /* tokens reserved */
    double taken[LIMIT_KINDS], returned[LIMIT_KINDS]; /* the buckets' sums when it was sent, itself included */
};

/* What became of a request, as far as the gate cares. */
enum gate_outcome {
    GATE_SERVED,    /* answered */
    GATE_LIMITED,   /* refused by a limit (429), not counted by it */
    GATE_TOO_LARGE, /* larger than a limit (413), not counted */
    GATE_CAPACITY,  /* no capacity (498): fewer at a time; like GATE_BUSY after some in a row */
    GATE_BUSY,      /* overloaded (503): fewer at a time, and as GATE_TROUBLE */
    GATE_TROUBLE,   /* the server fails (5xx, 408) */
    GATE_UNREACHED, /* never came to the server */
    GATE_OTHER      /* anything else: the server may have counted it */
};

struct gate_news {
    enum gate_outcome outcome;
    uint64_t row;                      /* tells rows apart */
    long long prompt, total;           /* tokens, by the server's count; -1: not told */
    const struct http_limits *headers; /* NULL: none */
    const struct limit_said *said;     /* by the error's text; NULL: there was none */
};

struct gate {
    struct gate_settings settings;
    struct gate_bucket buckets[LIMIT_KINDS];
    unsigned limit; /* how many may be under way now */
    unsigned under_way;
    uint64_t number; /* of the last request */
    uint64_t slowed; /* the last one sent before the last halving */
    double opens_at; /* closed until then */
    bool probing;    /* one at a time, until one has been answered */
    /* learnt */
    bool told;                          /* the server tells how many tokens are left */
    double prompt_tokens, prompt_bytes; /* sums of what was told: tokens a byte */
    double minute;                      /* seconds that the server's minute takes */
    double minute_guess, minute_figure; /* what the last figures say, and by how many tokens */
    unsigned minute_votes;              /* how many in a row say so */
    bool requests_by_day;               /* what the header of requests counts */
    unsigned pauses;                    /* how often rows began to fail one after another */
    /* in a row, until one is served */
    unsigned no_capacity, n_trouble;
    uint64_t trouble[GATE_ROWS_IN_TROUBLE];
};

void gate_init(struct gate *gate, const struct gate_settings *settings);

/* The tokens of a request of so many bytes: a quarter, corrected by what the server counted so far. */
double gate_prompt_tokens(const struct gate *gate, size_t bytes);
/* The budget that such a request may have so that it fits into a minute's tokens: at most `budget`, and not below
 * GATE_LEAST_BUDGET. */
long gate_budget(const struct gate *gate, size_t bytes, long budget);

/* Seconds until a request may be sent: 0 now; below 0: not before another one is back; infinity: a day's limit is used
 * up, see gate_spent. */
double gate_wait(const struct gate *gate, double now, size_t bytes, long budget);
/* The limit that such a request would have to wait for until tomorrow; LIMIT_KINDS: none. */
enum limit_kind gate_spent(const struct gate *gate, double now, size_t bytes, long budget);
/* One goes out. */
void gate_enter(struct gate *gate, struct gate_ticket *ticket, double now, size_t bytes, long budget);
/* One is back. */
void gate_leave(struct gate *gate, const struct gate_ticket *ticket, double now, const struct gate_news *news);
/* Closes for so long, at least. */
void gate_close(struct gate *gate, double now, double seconds);

/* Appends its state for a person, with the limit that is nearest: "8 under way; 5400 of 8000 tokens a minute left". */
void gate_describe(const struct gate *gate, double now, struct buf *out);

#endif
