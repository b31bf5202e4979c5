/* reply.c - see reply.h. The rules are in verdict.c's table; here they are carried out. */
#include "teacher/reply.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/progress.h"

enum {
    RETRIES_REPLY = 2,
    RETRIES_CONTENT = 2,
    ROWS_TO_BLAME_SETTINGS = 3,
    REPLIES_TO_BLAME_URL = 10,
    ROWS_TO_PAUSE = 5,
    TRIES_OFFLINE = 3,
    FREE_RATE_WAITS = 3
};
static const double longest_backoff = 60;
static const double pause_seconds = 30; /* for a server that fails row after row */
static const double start_seconds = 10; /* for a server that is not there yet */

/* Full jitter: anything from 0 to 2^n seconds, so that those that failed together do not come back together. */
static double backoff(struct asker *a, unsigned n)
{
    return fmin(longest_backoff, ldexp(1, (int)(n < 16 ? n : 16))) * rng_double(&a->rng);
}

/* What the server asks for, and up to a tenth more. */
static double jittered(struct asker *a, double seconds)
{
    return seconds * (1 + 0.1 * rng_double(&a->rng));
}

static void finish(struct asker *a, struct question *q, const struct record *record)
{
    struct error err = {0};
    q->done = true;
    q->failed = !record->ok;
    asker_forget(a, q);
    if (journal_append(a->settings.journal, q->key, record, &err) < 0)
        asker_stop(a, STATUS_FAILURE, "%s", err.text);
}

/* The record's members that do not depend on how the question ended. */
static struct record record_begin(const struct asker *a, const struct question *q)
{
    const struct completion *c = &a->completion;
    return (struct record){.finish_reason = c->finish_reason,
                           .model = c->model,
                           .request_id = c->request_id,
                           .content = {c->content.data, c->content.len},
                           .thinking = {c->thinking.data, c->thinking.len},
                           .attempts = q->attempts,
                           .usage = q->usage,
                           .ms = lround(1000 * q->seconds)};
}

/* The row fails. Three such rows before anything was served are blamed on the settings. */
static void fail(struct asker *a, struct question *q, const struct http_reply *reply, const char *kind,
                 const char *code, const char *message, bool configuration)
{
    struct record record = record_begin(a, q);
    struct span_of_text cut = plain_cut((struct span_of_text){message, strlen(message)}, 511);
    char safe[512];
    memcpy(safe, cut.at, cut.len);
    safe[cut.len] = '\0';
    key_redact(a->settings.http.key, safe, cut.len, false);
    if (record.content.len == 0) /* what the server held back is an answer too */
        record.content =
            (struct span_of_text){a->completion.failed_generation, strlen(a->completion.failed_generation)};
    record.kind = kind;
    record.code = code;
    record.message = safe;
    record.http = reply->outcome == HTTP_REPLY ? reply->status : 0;
    record_write_error(&q->text, &record);
    finish(a, q, &record);
    if (configuration && !a->served && ++a->misconfigured >= ROWS_TO_BLAME_SETTINGS)
        asker_stop(a, STATUS_USAGE, "the server refuses every request: %s", message);
}

/* Asks again with another seed, and with twice the room where the answer was cut; fails the row when that is spent. */
static void resample(struct asker *a, struct question *q, const struct http_reply *reply, bool cut,
                     const struct answer_fault *fault)
{
    if (cut ? q->longer < 1 : q->used[ALLOW_CONTENT] < RETRIES_CONTENT) {
        q->longer += cut;
        q->used[ALLOW_CONTENT]++;
        asker_queue(a, q, 0, true);
    } else {
        fail(a, q, reply, fault->kind, fault->code, fault->message, false);
    }
}

static void take_answer(struct asker *a, struct question *q, const struct http_reply *reply)
{
    const struct completion *c = &a->completion;
    struct record record = record_begin(a, q);
    struct answer_fault fault;
    struct span_of_text sentence = {q->sentence, q->len};
    if (*c->refusal || strcmp(c->finish_reason, "content_filter") == 0) {
        bool said = *c->refusal != '\0';
        fail(a, q, reply, "refused", said ? "refusal" : "content_filter",
             said ? c->refusal : "the server's filter held the answer back", false);
        return;
    }
    record.ok = true;
    if (record_text(&q->text, &record, &a->settings.prompt.rules, sentence, &a->answer, &fault) == 0) {
        q->label = a->answer.label;
        finish(a, q, &record);
        return;
    }
    bool cut = strcmp(c->finish_reason, "length") == 0 || (c->content.len == 0 && c->thinking.len > 0);
    if (cut) {
        fault.kind = "truncated";
        fault.code = "length";
        snprintf(fault.message, sizeof fault.message,
                 "the answer was cut at %ld tokens (raise --max-completion-tokens)",
                 a->settings.prompt.budget << q->longer);
    }
    resample(a, q, reply, cut, &fault);
}

/* The server found the output off its schema; what it held back may pass all the same. */
static void take_failed_generation(struct asker *a, struct question *q, const struct http_reply *reply,
                                   const struct verdict *v)
{
    const char *text = a->completion.failed_generation;
    struct record record = record_begin(a, q);
    struct answer_fault fault;
    struct span_of_text sentence = {q->sentence, q->len};
    record.ok = record.salvaged = true;
    record.content = (struct span_of_text){text, strlen(text)};
    if (*text && record_text(&q->text, &record, &a->settings.prompt.rules, sentence, &a->answer, &fault) == 0) {
        q->label = a->answer.label;
        finish(a, q, &record);
        return;
    }
    fault.kind = v->kind;
    fault.code = v->code;
    snprintf(fault.message, sizeof fault.message, "%s", v->message);
    resample(a, q, reply, strcasestr(v->message, "max") && strcasestr(v->message, "token"), &fault);
}

/* Queues it for later; a wait beyond --max-wait ends the run. */
static void wait_and_retry(struct asker *a, struct question *q, double seconds, const struct verdict *v)
{
    if (seconds > a->settings.max_wait)
        asker_stop(a, STATUS_RESUMABLE, "the server asks to wait for %.0f s, longer than --max-wait: %s", seconds,
                   v->message);
    asker_queue(a, q, monotonic_seconds() + seconds, true);
}

/* Row after row fails for the server: that is not their fault, and a pause may save the next ones. */
static void pause_if_failing(struct asker *a)
{
    char text[80];
    double seconds = fmin(pause_seconds, a->settings.max_wait);
    if (++a->server_rows < ROWS_TO_PAUSE || a->stop_status)
        return;
    a->server_rows = 0;
    gate_close(&a->gate, monotonic_seconds(), seconds);
    snprintf(text, sizeof text, "%d rows in a row failed for the server; a pause of %.0f s", ROWS_TO_PAUSE, seconds);
    a->settings.notice(text);
}

static void retry(struct asker *a, struct question *q, const struct http_reply *reply, const struct verdict *v)
{
    const unsigned retries = a->settings.retries;
    const unsigned allowed[ALLOWANCES] = {[ALLOW_SERVER] = retries,
                                          [ALLOW_REPLY] = retries < RETRIES_REPLY ? retries : RETRIES_REPLY,
                                          [ALLOW_ONCE] = 1,
                                          [ALLOW_CONTENT] = RETRIES_CONTENT};
    if (q->used[v->allowance] >= allowed[v->allowance]) {
        fail(a, q, reply, v->kind, v->code, v->message, v->configuration);
        if (v->allowance == ALLOW_SERVER)
            pause_if_failing(a);
        return;
    }
    unsigned n = q->used[v->allowance]++;
    wait_and_retry(a, q, v->wait >= 0 ? jittered(a, v->wait) : backoff(a, n), v);
}

/* A rate limit is everybody's: the gate closes, and no attempt of the row's is used up. */
static void wait_for_limit(struct asker *a, struct question *q, const struct verdict *v)
{
    unsigned n = q->rate_limited++;
    double seconds = v->wait >= 0 ? jittered(a, v->wait) : backoff(a, n);
    if (n >= FREE_RATE_WAITS) /* a server that says 0 again and again is not hammered */
        seconds = fmax(seconds, backoff(a, n - FREE_RATE_WAITS));
    if (seconds > a->settings.max_wait)
        asker_stop(a, STATUS_RESUMABLE, "the rate limit asks to wait for %.0f s, longer than --max-wait: %s", seconds,
                   v->message);
    gate_close(&a->gate, monotonic_seconds(), seconds);
    asker_queue(a, q, 0, true);
}

static void lower_format(struct asker *a, struct question *q, const struct verdict *v)
{
    char text[640];
    if (q->format == a->format && (a->settings.format_fixed || a->format == FORMAT_TEXT)) {
        asker_stop(a, STATUS_USAGE, "answer format %s: %s", answer_format_name(a->format), v->message);
    } else if (q->format == a->format) {
        a->format++;
        snprintf(text, sizeof text, "the server does not have answer format %s; going on with %s (%s)",
                 answer_format_name(q->format), answer_format_name(a->format), v->message);
        a->settings.notice(text);
    }
    asker_queue(a, q, 0, true);
}

/* Nobody answers. Before the first success that is most likely a wrong address, and the run ends after a few tries;
 * later, or where a server says that it is about to be ready, it waits as long as --max-wait. No row fails for it. */
static void wait_for_connection(struct asker *a, struct question *q, const struct http_reply *reply,
                                const struct verdict *v)
{
    double now = monotonic_seconds();
    bool known = a->served || reply->outcome == HTTP_REPLY;
    if (a->gate.opens_at <= now) { /* those that failed together count as one */
        if (a->offline_tries++ == 0)
            a->offline_since = now;
        bool spent = known ? now - a->offline_since > a->settings.max_wait : a->offline_tries >= TRIES_OFFLINE;
        double tries = a->offline_tries, start = fmin(start_seconds, a->settings.max_wait);
        if (spent)
            asker_stop(a, known ? STATUS_RESUMABLE : v->status, "%s", v->message);
        /* At the start the waits grow evenly and sum up to `start`. */
        gate_close(&a->gate, now,
                   known ? 0.5 + backoff(a, a->offline_tries - 1)
                         : start * 2 * tries / (TRIES_OFFLINE * (TRIES_OFFLINE - 1)));
    }
    asker_queue(a, q, 0, true);
}

/* As long as nothing was served, replies that are none, one after the other, mean that this is no API. */
static bool is_wrong_address(struct asker *a, const struct http_reply *reply, bool parsed, const struct verdict *v)
{
    bool unreadable = reply->outcome == HTTP_REPLY && reply->status == 200 && !parsed;
    a->unreadable = unreadable && !a->served ? a->unreadable + 1 : 0;
    if (a->unreadable < REPLIES_TO_BLAME_URL)
        return false;
    asker_stop(a, STATUS_USAGE, "none of the first %d replies can be read; is --base-url right? %s",
               REPLIES_TO_BLAME_URL, v->message);
    return true;
}

/* Whether the tokens may have been paid for though the reply does not tell them: the server answered with what cannot
 * be used, or was cut off while it did. */
static bool may_be_billed(const struct verdict *v)
{
    return v->action == ACTION_ANSWER || v->action == ACTION_RESAMPLE ||
           (v->action == ACTION_RETRY && v->allowance == ALLOW_REPLY);
}

/* Accounts for the reply before it is judged. */
static void take_note(struct asker *a, struct question *q, const struct http_reply *reply, bool parsed,
                      const struct verdict *v)
{
    const struct completion *c = &a->completion;
    bool served = v->action == ACTION_ANSWER, told = parsed && (c->usage.prompt >= 0 || c->usage.total >= 0);
    q->seconds += reply->seconds;
    q->attempts += v->action != ACTION_WAIT && v->action != ACTION_LOWER && v->action != ACTION_OFFLINE;
    if (parsed) {
        usage_add(&q->usage, &c->usage);
        usage_add(&a->usage, &c->usage);
    }
    spending_settle(&a->spending, q->stake, told ? &c->usage : &usage_unknown, may_be_billed(v));
    snprintf(q->request_id, sizeof q->request_id, "%.63s", parsed ? c->request_id : "");
    a->served = a->served || served;
    if (served)
        a->server_rows = 0;
    if (reply->outcome == HTTP_REPLY && v->action != ACTION_OFFLINE)
        a->offline_tries = 0;
    gate_leave(&a->gate, q->stake.prompt + q->stake.completion, told ? (long)c->usage.total : -1, served);
}

void reply_take(struct asker *a, struct question *q, const struct http_reply *reply)
{
    struct error err = {0};
    struct verdict v;
    bool parsed = completion_parse(&a->completion, reply->body, reply->len, &err) == 0;
    completion_redact(&a->completion, a->settings.http.key, reply->status == 200);
    verdict_reach(&v, reply, &a->completion, parsed);
    take_note(a, q, reply, parsed, &v);
    if (is_wrong_address(a, reply, parsed, &v)) {
        asker_queue(a, q, 0, true);
        return;
    }
    switch (v.action) {
    case ACTION_ANSWER:
        take_answer(a, q, reply);
        break;
    case ACTION_RESAMPLE:
        take_failed_generation(a, q, reply, &v);
        break;
    case ACTION_WAIT:
        wait_for_limit(a, q, &v);
        break;
    case ACTION_RETRY:
        if (v.lost_at_start && !a->served)
            wait_for_connection(a, q, reply, &v);
        else
            retry(a, q, reply, &v);
        break;
    case ACTION_LOWER:
        lower_format(a, q, &v);
        break;
    case ACTION_GIVE_UP:
        fail(a, q, reply, v.kind, v.code, v.message, v.configuration);
        break;
    case ACTION_OFFLINE:
        wait_for_connection(a, q, reply, &v);
        break;
    case ACTION_STOP:
        if (reply->outcome == HTTP_REPLY)
            asker_stop(a, v.status, "the server says (HTTP %ld): %s", reply->status, v.message);
        else
            asker_stop(a, v.status, "%s", v.message);
        asker_queue(a, q, 0, true);
        break;
    }
}
