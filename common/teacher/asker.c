/* asker.c - see asker.h. Here: questions, queues, sending. What becomes of replies is in reply.c. */
#include "teacher/asker.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/digest.h"
#include "base/memory.h"
#include "base/progress.h"
#include "teacher/reply.h"

void asker_init(struct asker *a, const struct asker_settings *settings, size_t window)
{
    uint64_t seed = 0;
    *a = (struct asker){
        .settings = *settings, .format = settings->prompt.format, .usage = usage_unknown, .n_buckets = 64};
    while (a->n_buckets < 2 * window)
        a->n_buckets *= 2;
    a->buckets = xcalloc(a->n_buckets, sizeof(struct question *));
    a->ready_end = &a->ready;
    gate_init(&a->gate, settings->http.concurrency);
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
        seed = (uint64_t)(monotonic_seconds() * 1e6);
    rng_init(&a->rng, seed, 0); /* for jitter alone: no result depends on it */
}

void asker_stop(struct asker *a, int status, const char *format, ...)
{
    if (a->stop_status)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(a->stop_text, sizeof a->stop_text, format, args);
    va_end(args);
    key_redact(a->settings.http.key, a->stop_text, strlen(a->stop_text), false);
    a->stop_status = status;
}

/* ---- questions ---- */

void asker_body(struct asker *a, const char *sentence, size_t len, unsigned sample, unsigned tries, bool longer,
                struct buf *body)
{
    const struct prompt_settings *p = &a->settings.prompt;
    const struct prompt_variant variant = {
        .seed = p->seed + sample + tries, .budget = p->budget << longer, .format = p->format};
    prompt_write(body, p, &variant, sentence, len);
}

/* Everything that shapes the answer: where it is asked, and the first request to the byte. */
void asker_key(struct asker *a, const char *sentence, size_t len, unsigned sample, unsigned char key[JOURNAL_KEY_SIZE])
{
    const char *identity = a->settings.http.endpoint->identity;
    SHA2_CTX context;
    buf_reset(&a->body);
    asker_body(a, sentence, len, sample, 0, false, &a->body);
    SHA256Init(&context);
    SHA256Update(&context, (const uint8_t *)identity, strlen(identity) + 1);
    SHA256Update(&context, (const uint8_t *)a->body.data, a->body.len);
    SHA256Final(key, &context);
}

static struct question **bucket_of(const struct asker *a, const unsigned char key[JOURNAL_KEY_SIZE])
{
    uint64_t hash;
    memcpy(&hash, key, sizeof hash);
    return &a->buckets[hash & (a->n_buckets - 1)];
}

int asker_recall(struct asker *a, const unsigned char key[JOURNAL_KEY_SIZE], struct span_of_text sentence,
                 struct buf *teacher, bool *failed, struct error *err)
{
    struct record record;
    struct answer_fault fault;
    int found = journal_find(a->settings.journal, key, a->settings.keep_errors, &record, err);
    if (found <= 0)
        return found;
    if (record_teacher(teacher, &record, &a->settings.prompt.rules, sentence, &a->answer, &fault) < 0)
        return 0;
    *failed = !record.ok;
    return 1;
}

/* Answers from the journal: 1, or 0 where it does not. */
static int replay(struct asker *a, struct question *q, struct error *err)
{
    int found = asker_recall(a, q->key, (struct span_of_text){q->sentence, q->len}, &q->teacher, &q->failed, err);
    if (found > 0) {
        q->done = true;
        a->replayed++;
    }
    return found;
}

int asker_ask(struct asker *a, const char *sentence, size_t len, struct question **question, struct error *err)
{
    unsigned char key[JOURNAL_KEY_SIZE];
    asker_key(a, sentence, len, 0, key);
    struct question **bucket = bucket_of(a, key), *q = *bucket;
    while (q && memcmp(q->key, key, sizeof key) != 0)
        q = q->same_bucket;
    *question = q;
    if (q) {
        q->refs++;
        return 0;
    }
    q = xcalloc(1, sizeof *q);
    q->refs = 1;
    q->sentence = xmemdup0(sentence, len);
    q->len = len;
    q->usage = usage_unknown;
    memcpy(q->key, key, sizeof key);
    *question = q;
    int found = replay(a, q, err);
    if (found < 0) {
        asker_release(a, q);
        return -1;
    }
    if (found == 0) {
        q->same_bucket = *bucket;
        *bucket = q;
        asker_queue(a, q, 0, false);
        a->questions++;
    }
    return 0;
}

void asker_forget(struct asker *a, struct question *q)
{
    struct question **link = bucket_of(a, q->key);
    while (*link && *link != q)
        link = &(*link)->same_bucket;
    if (*link)
        *link = q->same_bucket;
}

void asker_release(struct asker *a, struct question *q)
{
    if (!q || --q->refs > 0)
        return;
    if (!q->done)
        asker_forget(a, q);
    buf_free(&q->teacher);
    free(q->sentence);
    free(q);
}

/* ---- queues ---- */

void asker_queue(struct asker *a, struct question *q, double due, bool again)
{
    q->due = due;
    if (due > 0) {
        q->next = a->delayed;
        a->delayed = q;
    } else if (again) { /* rows leave in order: the older goes first */
        q->next = a->ready;
        a->ready = q;
        if (!q->next)
            a->ready_end = &q->next;
    } else {
        q->next = NULL;
        *a->ready_end = q;
        a->ready_end = &q->next;
    }
}

/* Moves what is due to the ready ones; returns the seconds until the next will be, infinity where none waits. */
static double wake_delayed(struct asker *a, double now)
{
    double soonest = INFINITY;
    struct question **link = &a->delayed;
    while (*link) {
        struct question *q = *link;
        if (q->due <= now) {
            *link = q->next;
            asker_queue(a, q, 0, true);
        } else {
            soonest = fmin(soonest, q->due - now);
            link = &q->next;
        }
    }
    return soonest;
}

/* ---- sending ---- */

static bool may_send(struct asker *a)
{
    const struct asker_settings *s = &a->settings;
    struct error err = {0};
    if (s->key_missing)
        asker_stop(a, STATUS_USAGE, "%s", s->key_missing);
    else if (s->journal->fd >= 0 && s->journal->read_only)
        asker_stop(a, STATUS_FAILURE, "%s: may only be read, and there are sentences that it does not answer",
                   s->journal->path);
    else if (!a->http && !(a->http = http_open(&s->http, &err)))
        asker_stop(a, err.status, "%s", err.text);
    return a->stop_status == 0;
}

static int send_question(struct asker *a, struct question *q, struct error *err)
{
    const struct prompt_settings *p = &a->settings.prompt;
    const struct prompt_variant variant = {
        .seed = p->seed + q->used[ALLOW_CONTENT], .budget = p->budget << q->longer, .format = a->format};
    buf_reset(&a->body);
    prompt_write(&a->body, p, &variant, q->sentence, q->len);
    q->format = a->format;
    q->reserved = (long)(a->body.len / 4) + variant.budget; /* four bytes a token, about */
    if (http_send(a->http, a->body.data, a->body.len, q, err) < 0)
        return -1;
    gate_enter(&a->gate, q->reserved);
    a->requests++;
    return 0;
}

/* Sends what may go now; returns the seconds until more may, infinity where only a reply or a new question changes
 * that. */
static int send_ready(struct asker *a, double *seconds, struct error *err)
{
    double now = monotonic_seconds();
    *seconds = wake_delayed(a, now);
    while (a->ready && !a->stop_status) {
        double wait = gate_wait(&a->gate, now, a->ready->reserved);
        if (wait != 0) {
            *seconds = wait > 0 ? fmin(*seconds, wait) : *seconds;
            return 0;
        }
        if (!may_send(a)) {
            *seconds = 0; /* the caller must know that the run has ended */
            return 0;
        }
        struct question *q = a->ready;
        a->ready = q->next;
        if (!a->ready)
            a->ready_end = &a->ready;
        if (send_question(a, q, err) < 0)
            return -1;
    }
    return 0;
}

unsigned asker_under_way(const struct asker *a)
{
    return a->http ? http_under_way(a->http) : 0;
}

int asker_work(struct asker *a, struct pollfd *fds, size_t n_fds, double seconds, struct error *err)
{
    double until_next;
    struct http_reply reply;
    if (send_ready(a, &until_next, err) < 0)
        return -1;
    seconds = fmin(seconds, until_next);
    if (a->settings.journal->unsynced)
        seconds = fmin(seconds, 1);
    if (!a->http) {
        poll(fds, n_fds, (int)(fmin(seconds, 3600) * 1000));
    } else {
        if (http_wait(a->http, fds, n_fds, seconds, err) < 0)
            return -1;
        while (http_next(a->http, &reply))
            reply_take(a, reply.context, &reply);
    }
    if (journal_sync(a->settings.journal, false, err) < 0)
        return -1;
    return 0;
}

void asker_close(struct asker *a)
{
    http_close(a->http);
    free(a->buckets);
    buf_free(&a->body);
    answer_free(&a->answer);
    completion_free(&a->completion);
    *a = (struct asker){0};
}
