/* verdict.h - what a reply means for its question and for the run: one table for all failures.
 *
 * It looks at transport, status and error body; whether an answer's content is any good is answer.h's business.
 */
#ifndef TEACHER_VERDICT_H
#define TEACHER_VERDICT_H

#include <stdbool.h>

#include "teacher/completion.h"
#include "teacher/http.h"

/* Exit status of a run that ended early and can be resumed: quota, network. */
enum { STATUS_RESUMABLE = 4 };

enum action {
    ACTION_ANSWER,   /* the completion holds an answer, or what is left of one */
    ACTION_WAIT,     /* a rate limit: close the gate, ask again; no attempt is used */
    ACTION_RETRY,    /* ask again after a while */
    ACTION_RESAMPLE, /* the model's output was refused by the server: ask again with another seed */
    ACTION_LOWER,    /* the server does not have this answer format: take the next, ask again; no attempt is used */
    ACTION_GIVE_UP,  /* the row fails */
    ACTION_OFFLINE,  /* no connection: the run waits or ends, no row fails for it */
    ACTION_STOP      /* the run ends with `status` */
};

/* Which allowance a retry draws on. */
enum allowance {
    ALLOW_SERVER, /* the server's trouble, nothing was bought */
    ALLOW_REPLY,  /* perhaps bought already: time-outs, cut or unreadable replies */
    ALLOW_ONCE,
    ALLOW_CONTENT,
    ALLOWANCES
};

struct verdict {
    enum action action;
    enum allowance allowance;
    const char *kind;   /* "server", "timeout", "transport", "protocol", "bad_request", ... */
    int status;         /* exit status, for ACTION_STOP and ACTION_OFFLINE (before any success) */
    double wait;        /* seconds that the server asks for; -1: it does not */
    bool configuration; /* if the first rows all fail so, it is the settings' fault */
    bool lost_at_start; /* before any success it means that nobody is there, as ACTION_OFFLINE does */
    char code[64];      /* the error's own; "" */
    char message[512];  /* one line for people: the server's text, or what happened */
};

/* Judges. completion must be parsed from reply->body, or `parsed` false. */
void verdict_reach(struct verdict *verdict, const struct http_reply *reply, const struct completion *completion,
                   bool parsed);

#endif
