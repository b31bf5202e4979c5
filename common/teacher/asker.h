/* asker.h - asks questions: the engine between rows, journal and server.
 *
 *     struct question *q;
 *     asker_ask(&asker, sentence, len, 0, &q, &err);  // from the journal, or joined to one under way, or queued
 *     while (!q->done && !asker.stop_status)
 *         asker_work(&asker, fds, n_fds, seconds, &err);
 *     ... q->text ...                                 // to votes_write, with the sentence's other samples
 *     asker_release(&asker, q);
 *
 * A question is one sample of one distinct sentence; rows with the same sentence share it. Samples differ in their seed
 * and are kept apart in the journal, so that more of them can be asked for later. Answers go to the journal before
 * anybody sees them. Failures of a row end its question; failures of the run set stop_status, and then nothing more is
 * sent, while what is under way can still be waited for.
 */
#ifndef TEACHER_ASKER_H
#define TEACHER_ASKER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "teacher/backoff.h"
#include "teacher/cost.h"
#include "teacher/gate.h"
#include "teacher/http.h"
#include "teacher/journal.h"
#include "teacher/prompt.h"
#include "teacher/verdict.h"

struct question {
    bool done, failed;
    bool sent;
    bool batch;          /* answered by one */
    bool replayed;       /* from the journal */
    struct buf text;     /* once done: what a ballot holds (votes.h) */
    long label;          /* of an answer */
    unsigned refs;       /* rows that wait for it */
    char request_id[64]; /* of the last reply, "" where there was none */
    /* the asker's own */
    unsigned char key[JOURNAL_KEY_SIZE];
    struct question *same_bucket, *next;
    char *sentence;
    size_t len;
    unsigned sample;
    double due;
    unsigned used[ALLOWANCES];     /* retries, by allowance */
    unsigned rate_limited, longer; /* times; doublings of the budget */
    enum answer_format format;     /* of the request under way */
    struct gate_ticket ticket;     /* of the request under way, or the last one */
    size_t bytes;                  /* of such a request */
    long most_budget;              /* what a refusal (413) has left of the budget; 0: none has */
    struct stake stake;            /* of it */
    long attempts;
    double seconds;
    struct usage usage;
};

struct asker_settings {
    struct prompt_settings prompt;
    struct http_settings http;
    struct gate_settings gate;
    struct journal *journal; /* fd -1: none */
    bool keep_errors;        /* failures in the journal count as answers */
    bool format_fixed;       /* the answer format is the user's choice */
    unsigned retries;        /* of ALLOW_SERVER */
    double max_wait;         /* seconds; a longer wait ends the run */
    struct price price;
    double max_cost;                  /* dollars; below 0: no cap */
    long long max_tokens;             /* below 0: no cap */
    const char *sends_nothing;        /* why nothing can be sent; NULL: all is well */
    int sends_nothing_status;         /* and the exit status where something would have to be */
    void (*notice)(const char *text); /* something that a person should know once */
};

struct asker {
    struct asker_settings settings;
    struct http *http; /* opened with the first request */
    struct gate gate;
    enum answer_format format;
    struct question **buckets; /* not done, by key */
    size_t n_buckets;
    struct question *ready, **ready_end, *delayed;
    struct backoff backoff;
    bool served;       /* the server has answered once */
    bool budget_noted; /* the user knows that budgets are cut to fit a limit */
    unsigned misconfigured, offline_tries;
    unsigned unreadable; /* replies in a row that are none, as long as nothing was served */
    double offline_since;
    /* results */
    int stop_status; /* 0: goes on; else the exit status, and why: */
    char stop_text[640];
    uint64_t requests, questions, replayed;
    uint64_t reread;    /* of those replayed: failures of an earlier run whose raw answer could be read now */
    struct usage usage; /* of this run */
    struct spending spending;
    /* scratch */
    struct buf body;
    struct answer answer;
    struct completion completion;
};

/* The settings must live as long as what they point to. `window` is how many questions may be open at a time, about. */
void asker_init(struct asker *asker, const struct asker_settings *settings, size_t window);
/* A reference to the question, given back with asker_release. -1: the journal cannot be read. */
int asker_ask(struct asker *asker, const char *sentence, size_t len, unsigned sample, struct question **question,
              struct error *err);
void asker_release(struct asker *asker, struct question *question);
/* What a batch and a dry run need of a question without asking it: the journal's key of a sentence's sample (0, 1,
 * ...), and its request (appended), as it is first sent or after so many bad answers, with twice the room where the
 * last was cut. */
void asker_key(struct asker *asker, const char *sentence, size_t len, unsigned sample,
               unsigned char key[JOURNAL_KEY_SIZE]);
void asker_body(struct asker *asker, const char *sentence, size_t len, unsigned sample, unsigned tries, bool longer,
                struct buf *body);
/* The journal's record, which lives until the journal is asked again: 1 with what record_text makes of it appended to
 * `text`; 0 where it has none that passes today's rules; -1. An answer that an earlier version could not read is tried
 * again, because it has been paid for. */
int asker_recall(struct asker *asker, const unsigned char key[JOURNAL_KEY_SIZE], struct span_of_text sentence,
                 struct record *record, struct buf *text, struct error *err);
/* Sends what may be sent, waits at most `seconds` for replies or for one of the descriptors, takes the replies in. */
int asker_work(struct asker *asker, struct pollfd *fds, size_t n_fds, double seconds, struct error *err);
/* Requests under way. */
unsigned asker_under_way(const struct asker *asker);
/* Ends the run: nothing more is sent. The first reason stands. */
void asker_stop(struct asker *asker, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Breaks off what is under way. All questions must have been released. */
void asker_close(struct asker *asker);

#endif
