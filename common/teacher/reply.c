/* reply.c - see reply.h. The rules are in verdict.c's table; here they are carried out. */
#include "teacher/reply.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/progress.h"
#include "teacher/reading.h"

enum {
    RETRIES_REPLY = 2,
    RETRIES_CONTENT = 2,
    ROWS_TO_BLAME_SETTINGS = 3,
    REPLIES_TO_BLAME_URL = 10,
    TRIES_OFFLINE = 3
};
static const double start_seconds = 10; /* for a server that is not there yet */

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
    struct record record = {.attempts = q->attempts, .usage = q->usage, .ms = lround(1000 * q->seconds)};
    reading_begin(&record, &a->completion);
    return record;
}

static struct reading_rules rules_for(const struct asker *a, const struct question *q)
{
    return (struct reading_rules){
        .answer = &a->settings.prompt.rules, .sentence = {q->sentence, q->len}, .budget = lround(q->ticket.budget)};
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
    bool grows = q->longer < 1 && asker_budget(a, q, q->longer + 1) > lround(q->ticket.budget);
    if (cut ? grows : q->used[ALLOW_CONTENT] < RETRIES_CONTENT) {
        q->longer += cut;
        q->used[ALLOW_CONTENT]++;
        asker_queue(a, q, 0, true);
    } else {
        fail(a, q, reply, fault->kind, fault->code, fault->message, false);
    }
}

static void take_answer(struct asker *a, struct question *q, const struct http_reply *reply)
{
    const struct reading_rules rules = rules_for(a, q);
    struct record record = record_begin(a, q);
    struct answer_fault fault;
    enum reading reading = reading_take(&record, &a->completion, &rules, &q->text, &a->answer, &fault);
    q->label = a->answer.label;
    if (reading == READING_ANSWER)
        finish(a, q, &record);
    else if (reading == READING_REFUSED)
        fail(a, q, reply, fault.kind, fault.code, fault.message, false);
    else
        resample(a, q, reply, reading == READING_CUT, &fault);
}

/* The server found the output off its schema. */
static void take_failed_generation(struct asker *a, struct question *q, const struct http_reply *reply,
                                   const struct verdict *v)
{
    const struct reading_rules rules = rules_for(a, q);
    struct record record = record_begin(a, q);
    struct answer_fault fault = {.kind = v->kind, .code = v->code};
    if (reading_salvage(&record, &a->completion, &rules, &q->text, &a->answer)) {
        q->label = a->answer.label;
        finish(a, q, &record);
        return;
    }
    snprintf(fault.message, sizeof fault.message, "%s", v->message);
    resample(a, q, reply, strcasestr(v->message, "max") && strcasestr(v->message, "token"), &fault);
}

/* Queues it for later; a wait beyond --max-wait ends the run. */
static void wait_and_retry(struct asker *a, struct question *q, double seconds, const struct verdict *v)
{
    if (v->wait > a->settings.max_wait)
        asker_stop(a, STATUS_RESUMABLE, "the server asks to wait for %.0f s, longer than --max-wait: %s", v->wait,
                   v->message);
    asker_queue(a, q, monotonic_seconds() + seconds, true);
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
        return;
    }
    unsigned n = q->used[v->allowance]++;
    wait_and_retry(a, q, backoff_asked(&a->backoff, v->wait, n), v);
}

/* A rate limit is everybody's: the gate closes, and no attempt of the row's is used up. */
static void wait_for_limit(struct asker *a, struct question *q, const struct verdict *v)
{
    double seconds = backoff_limit(&a->backoff, v->wait, q->rate_limited++);
    if (v->wait > a->settings.max_wait)
        asker_stop(a, STATUS_RESUMABLE, "the rate limit asks to wait for %.0f s, longer than --max-wait: %s", v->wait,
                   v->message);
    gate_close(&a->gate, monotonic_seconds(), seconds);
    asker_queue(a, q, 0, true);
}

/* Prompt and budget together are over the limit of tokens a minute: waiting never helps, a smaller budget does, once.
 */
static void shrink(struct asker *a, struct question *q, const struct http_reply *reply, const struct verdict *v)
{
    struct limit_said said;
    long budget = lround(q->ticket.budget), least = budget < GATE_LEAST_BUDGET ? budget : GATE_LEAST_BUDGET;
    limit_read(&said, a->completion.error_message);
    double room = said.limit - (said.requested - (double)budget);
    if (said.limit < 0 || said.requested < 0 || q->most_budget > 0 || room < (double)least || room >= (double)budget) {
        fail(a, q, reply, v->kind, v->code, v->message, v->configuration);
        return;
    }
    q->most_budget = (long)room;
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
                   known ? 0.5 + backoff_wait(&a->backoff, a->offline_tries - 1)
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

static enum gate_outcome outcome_for_gate(const struct http_reply *reply, const struct verdict *v)
{
    if (v->action == ACTION_ANSWER)
        return GATE_SERVED;
    if (v->action == ACTION_SHRINK)
        return GATE_TOO_LARGE;
    if (v->action == ACTION_OFFLINE)
        return GATE_UNREACHED;
    if (reply->outcome != HTTP_REPLY)
        return GATE_OTHER;
    switch (reply->status) {
    case 413:
        return GATE_TOO_LARGE;
    case 429:
        return GATE_LIMITED;
    case 498:
        return GATE_CAPACITY;
    case 503:
        return GATE_BUSY;
    default:
        return v->allowance == ALLOW_SERVER ? GATE_TROUBLE : GATE_OTHER;
    }
}

static void note_pause(struct asker *a)
{
    char text[96];
    snprintf(text, sizeof text, "%d rows one after another met errors of the server; a pause of %.0f s",
             GATE_ROWS_IN_TROUBLE, a->settings.gate.pause);
    a->settings.notice(text);
}

/* What the gate can learn from a reply. */
static void tell_gate(struct asker *a, const struct question *q, const struct http_reply *reply,
                      const struct verdict *v)
{
    const struct completion *c = &a->completion;
    struct limit_said said;
    struct gate_news news = {.outcome = outcome_for_gate(reply, v),
                             .prompt = c->usage.prompt,
                             .total = c->usage.total,
                             .headers = reply->outcome == HTTP_REPLY ? &reply->limits : NULL};
    memcpy(&news.row, q->key, sizeof news.row);
    if (reply->status == 413 || reply->status == 429) {
        limit_read(&said, c->error_message);
        news.said = &said;
    }
    unsigned pauses = a->gate.pauses;
    gate_leave(&a->gate, &q->ticket, monotonic_seconds(), &news);
    if (a->gate.pauses > pauses)
        note_pause(a);
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
    if (reply->outcome == HTTP_REPLY && v->action != ACTION_OFFLINE)
        a->offline_tries = 0;
    tell_gate(a, q, reply, v);
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
    case ACTION_SHRINK:
        shrink(a, q, reply, &v);
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
