/* asker.c - see asker.h. Here: questions, queues, sending. What becomes of replies is in reply.c. */
#include "teacher/asker.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"
#include "base/progress.h"
#include "teacher/reply.h"

void asker_init(struct asker *a, const struct asker_settings *settings, size_t window)
{
    *a = (struct asker){
        .settings = *settings, .format = settings->prompt.format, .usage = usage_unknown, .n_buckets = 64};
    while (a->n_buckets < 2 * window)
        a->n_buckets *= 2;
    a->buckets = xcalloc(a->n_buckets, sizeof(struct question *));
    a->ready_end = &a->ready;
    gate_init(&a->gate, &settings->gate);
    spending_init(&a->spending, &settings->price, settings->max_cost, settings->max_tokens);
    backoff_init(&a->backoff, settings->max_wait);
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

/* Samples lie further apart than the seeds of one sample's retries. */
static long long seed_of(const struct asker *a, unsigned sample)
{
    return a->settings.prompt.seed + 1000 * (long long)sample;
}

void asker_body(struct asker *a, const char *sentence, size_t len, unsigned sample, unsigned tries, bool longer,
                struct buf *body)
{
    const struct prompt_settings *p = &a->settings.prompt;
    const struct prompt_variant variant = {
        .seed = seed_of(a, sample) + tries, .budget = p->budget << longer, .format = p->format};
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

/* Whether the failure was the reading of an answer that is there. */
static bool is_unread_answer(const struct record *r)
{
    static const char *const kinds[] = {"bad_json", "bad_label", "truncated"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!r->ok && r->content.len > 0 && strcmp(r->kind, kinds[i]) == 0)
            return true;
    return false;
}

int asker_recall(struct asker *a, const unsigned char key[JOURNAL_KEY_SIZE], struct span_of_text sentence,
                 struct record *record, struct buf *text, struct error *err)
{
    struct answer_fault fault;
    bool this_run;
    int found = journal_find(a->settings.journal, key, record, &this_run, err);
    if (found <= 0)
        return found;
    if (is_unread_answer(record)) {
        record->ok = true;
        if (record_text(text, record, &a->settings.prompt.rules, sentence, &a->answer, &fault) == 0) {
            a->reread++;
            return 1;
        }
        record->ok = false;
    }
    if (!record->ok && !a->settings.keep_errors && !this_run)
        return 0;
    return record_text(text, record, &a->settings.prompt.rules, sentence, &a->answer, &fault) == 0;
}

/* Answers from the journal: 1, or 0 where it does not. */
static int replay(struct asker *a, struct question *q, struct error *err)
{
    struct record record;
    int found = asker_recall(a, q->key, (struct span_of_text){q->sentence, q->len}, &record, &q->text, err);
    if (found <= 0)
        return found;
    q->done = q->replayed = true;
    q->failed = !record.ok;
    q->label = a->answer.label;
    q->usage = record.usage;
    q->batch = record.batch;
    q->attempts = record.attempts;
    q->seconds = (double)record.ms * 1e-3;
    snprintf(q->request_id, sizeof q->request_id, "%.63s", record.request_id);
    a->replayed++;
    return 1;
}

int asker_ask(struct asker *a, const char *sentence, size_t len, unsigned sample, struct question **question,
              struct error *err)
{
    unsigned char key[JOURNAL_KEY_SIZE];
    asker_key(a, sentence, len, sample, key);
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
    q->sample = sample;
    q->bytes = a->body.len;
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
    buf_free(&q->text);
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
    if (s->sends_nothing)
        asker_stop(a, s->sends_nothing_status, "%s", s->sends_nothing);
    else if (s->journal->file.fd >= 0 && s->journal->read_only)
        asker_stop(a, STATUS_FAILURE, "%s: may only be read, and there are sentences that it does not answer",
                   s->journal->file.path);
    else if (!a->http && !(a->http = http_open(&s->http, &err)))
        asker_stop(a, err.status, "%s", err.text);
    return a->stop_status == 0;
}

long asker_budget(const struct asker *a, const struct question *q, unsigned longer)
{
    long budget = a->settings.prompt.budget << longer;
    if (q->most_budget > 0 && q->most_budget < budget)
        budget = q->most_budget;
    return gate_budget(&a->gate, q->bytes, budget);
}

/* Says it once when a budget is cut to what a minute's tokens allow. */
static void note_budget(struct asker *a, long budget)
{
    char text[160];
    if (a->budget_noted || budget >= a->settings.prompt.budget)
        return;
    snprintf(text, sizeof text, "the limit of %.0f %s leaves room for answers of %ld tokens, not %ld",
             a->gate.buckets[LIMIT_TPM].limit, limit_name(LIMIT_TPM), budget, a->settings.prompt.budget);
    a->settings.notice(text);
    a->budget_noted = true;
}

static struct stake stake_of(const struct asker *a, const struct question *q)
{
    return (struct stake){(long)ceil(gate_prompt_tokens(&a->gate, q->bytes)), asker_budget(a, q, q->longer)};
}

/* Whether the caps leave room for the question. Where nothing is under way that may turn out cheaper than it was
 * reserved for, the run ends. */
static bool can_afford(struct asker *a, const struct question *q)
{
    struct stake stake = stake_of(a, q);
    struct buf why = {0};
    if (spending_allows(&a->spending, stake))
        return true;
    if (a->gate.under_way == 0) {
        spending_explain(&a->spending, stake, &why);
        asker_stop(a, STATUS_RESUMABLE, "%s", why.data);
        buf_free(&why);
    }
    return false;
}

static int send_question(struct asker *a, struct question *q, struct error *err)
{
    const struct prompt_settings *p = &a->settings.prompt;
    const struct prompt_variant variant = {.seed = seed_of(a, q->sample) + q->used[ALLOW_CONTENT],
                                           .budget = asker_budget(a, q, q->longer),
                                           .format = a->format};
    note_budget(a, variant.budget);
    buf_reset(&a->body);
    prompt_write(&a->body, p, &variant, q->sentence, q->len);
    q->format = a->format;
    q->stake = stake_of(a, q);
    q->bytes = a->body.len;
    if (http_send(a->http, a->body.data, a->body.len, q, err) < 0)
        return -1;
    gate_enter(&a->gate, &q->ticket, monotonic_seconds(), q->bytes, variant.budget);
    spending_stake(&a->spending, q->stake);
    a->questions += !q->sent;
    q->sent = true;
    a->requests++;
    return 0;
}

/* As gate_wait, for the first that is ready. A day's limit ends the run. */
static double wait_at_gate(struct asker *a, double now)
{
    const struct question *q = a->ready;
    long budget = asker_budget(a, q, q->longer);
    double wait = gate_wait(&a->gate, now, q->bytes, budget);
    if (wait != INFINITY)
        return wait;
    enum limit_kind spent = gate_spent(&a->gate, now, q->bytes, budget);
    asker_stop(a, STATUS_RESUMABLE, "the limit of %.0f %s is used up", a->gate.buckets[spent].limit, limit_name(spent));
    return 0;
}

/* Sends what may go now; returns the seconds until more may, infinity where only a reply or a new question changes
 * that. */
static int send_ready(struct asker *a, double *seconds, struct error *err)
{
    double now = monotonic_seconds();
    *seconds = wake_delayed(a, now);
    while (a->ready && !a->stop_status) {
        double wait = wait_at_gate(a, now);
        if (wait != 0) {
            *seconds = wait > 0 ? fmin(*seconds, wait) : *seconds;
            return 0;
        }
        if (a->stop_status || !may_send(a) || !can_afford(a, a->ready)) {
            *seconds = a->stop_status ? 0 : *seconds; /* the caller must know that the run has ended */
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
