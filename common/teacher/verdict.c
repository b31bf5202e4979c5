/* verdict.c - see verdict.h. Statuses, codes and texts as Groq, OpenAI and local servers have them in autumn 2026;
 * where texts matter at all, only because no field says the same. */
#include "teacher/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/utf8.h"
#include "teacher/limit.h"
#include "teacher/plain.h"
#include "teacher/span.h"

static const struct {
    int first, last;
    enum action action;
    enum allowance allowance;
    const char *kind;
    bool configuration;
} statuses[] = {
    {200, 200, ACTION_ANSWER, ALLOW_REPLY, "protocol", false},
    {300, 399, ACTION_GIVE_UP, ALLOW_REPLY, "protocol", true},  /* redirects are not followed: the key stays here */
    {401, 404, ACTION_STOP, ALLOW_REPLY, "bad_request", false}, /* key, payment, permission, URL or model */
    {408, 408, ACTION_RETRY, ALLOW_SERVER, "timeout", false},
    {413, 413, ACTION_GIVE_UP, ALLOW_REPLY, "too_large", true},
    {422, 422, ACTION_RETRY, ALLOW_ONCE, "unprocessable", false},
    {424, 424, ACTION_GIVE_UP, ALLOW_REPLY, "dependency", false},
    {429, 429, ACTION_WAIT, ALLOW_SERVER, "rate_limit", false},
    {498, 498, ACTION_RETRY, ALLOW_SERVER, "capacity", false},
    {500, 599, ACTION_RETRY, ALLOW_SERVER, "server", false},
    {400, 499, ACTION_GIVE_UP, ALLOW_REPLY, "bad_request", true},
    {0, 999, ACTION_RETRY, ALLOW_REPLY, "protocol", true},
};

static void say(struct verdict *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct verdict *v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(v->message, sizeof v->message, format, args);
    va_end(args);
    struct span_of_text cut = {v->message, strlen(v->message)};
    cut.len = utf8_check(cut.at, cut.len); /* vsnprintf may have cut a character in two */
    v->message[cut.len] = '\0';
}

/* The server's own words, or the beginning of a body that is not JSON. */
static void quote_server(struct verdict *v, const struct http_reply *reply, const struct completion *c, bool parsed)
{
    if (parsed && c->is_error) {
        snprintf(v->code, sizeof v->code, "%.63s", *c->error_code ? c->error_code : c->error_type);
        v->code[utf8_check(v->code, strlen(v->code))] = '\0';
        say(v, "%s", c->error_message);
    }
    if (v->message[0] == '\0') {
        struct span_of_text body = plain_trim((struct span_of_text){reply->body, strlen(reply->body)});
        body.len = utf8_check(body.at, body.len);
        body = plain_cut(body, 200);
        say(v, "HTTP status %ld%s%.*s", reply->status, body.len ? ": " : "", (int)body.len, body.at);
    }
}

static void judge_transport(struct verdict *v, const struct http_reply *reply)
{
    static const struct {
        enum http_outcome outcome;
        enum action action;
        enum allowance allowance;
        const char *kind;
        int status;
    } outcomes[] = {{HTTP_NO_NAME, ACTION_OFFLINE, ALLOW_SERVER, "transport", STATUS_USAGE},
                    {HTTP_NO_CONNECT, ACTION_OFFLINE, ALLOW_SERVER, "transport", STATUS_RESUMABLE},
                    {HTTP_CONNECT_TIMEOUT, ACTION_RETRY, ALLOW_SERVER, "timeout", STATUS_RESUMABLE},
                    {HTTP_RESET, ACTION_RETRY, ALLOW_REPLY, "transport", STATUS_RESUMABLE},
                    {HTTP_UNTRUSTED, ACTION_STOP, ALLOW_SERVER, "transport", STATUS_USAGE},
                    {HTTP_TIMEOUT, ACTION_RETRY, ALLOW_REPLY, "timeout", 0},
                    {HTTP_CUT, ACTION_RETRY, ALLOW_REPLY, "transport", 0},
                    {HTTP_TOO_LARGE, ACTION_RETRY, ALLOW_REPLY, "protocol", 0}};
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        if (outcomes[i].outcome == reply->outcome) {
            v->action = outcomes[i].action;
            v->allowance = outcomes[i].allowance;
            v->kind = outcomes[i].kind;
            v->status = outcomes[i].status;
        }
    }
    v->lost_at_start = reply->outcome == HTTP_RESET;
    say(v, "%s", reply->outcome == HTTP_TOO_LARGE ? "the reply is larger than 16 MiB" : reply->detail);
}

/* "per day" ends the run, however short the wait that comes with it. */
static bool is_daily(const struct completion *c)
{
    return strcasestr(c->error_message, "per day") || strstr(c->error_message, "(RPD)") ||
           strstr(c->error_message, "(TPD)") || strcmp(c->error_code, "insufficient_quota") == 0;
}

/* Prompt and budget are more than the limit itself, so no waiting helps. Groq says so with 413, OpenAI with 429. */
static bool is_too_large(const struct http_reply *reply, const struct completion *c)
{
    struct limit_said said;
    limit_read(&said, c->error_message);
    return (said.limit > 0 && said.requested > said.limit && (said.kind == LIMIT_TPM || said.kind == LIMIT_KINDS)) ||
           (reply->status == 413 && strcmp(c->error_type, "tokens") == 0);
}

static void judge_too_large(struct verdict *v)
{
    v->action = ACTION_SHRINK;
    v->kind = "too_large";
    v->allowance = ALLOW_REPLY;
    v->configuration = true;
    strncat(v->message, " (lower --max-completion-tokens)", sizeof v->message - strlen(v->message) - 1);
}

static void judge_rate_limit(struct verdict *v, const struct http_reply *reply, const struct completion *c)
{
    if (is_daily(c)) {
        v->action = ACTION_STOP;
        v->status = STATUS_RESUMABLE;
        return;
    }
    if (v->wait < 0)
        v->wait = span_try_again(c->error_message);
    if (v->wait < 0)
        v->wait = reply->limits.reset_tokens;
}

/* A server's own check of requests failed on the format, and it calls that its own error: llama-cpp-python does. */
static bool refuses_format(const char *message)
{
    return strcasestr(message, "response_format") && (strcasestr(message, "validat") || strcasestr(message, "support"));
}

/* Does the error speak of the answer format? Servers have no code for it. */
static bool names_format(const char *message)
{
    static const char *const names[] = {"response_format", "response format", "json_schema", "json schema"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasestr(message, names[i]))
            return true;
    }
    return false;
}

static void judge_bad_request(struct verdict *v, const struct completion *c)
{
    if (strcmp(c->error_code, "json_validate_failed") == 0) {
        v->action = ACTION_RESAMPLE;
        v->allowance = ALLOW_CONTENT;
        v->kind = "bad_json";
        v->configuration = false;
    } else if (strcmp(c->error_code, "model_decommissioned") == 0 || strcmp(c->error_code, "model_not_found") == 0) {
        v->action = ACTION_STOP;
        v->status = STATUS_USAGE;
    } else if (strcmp(c->error_code, "context_length_exceeded") == 0 ||
               strcmp(c->error_type, "exceed_context_size_error") == 0) {
        v->kind = "too_large";
    } else if (names_format(c->error_message)) {
        v->action = ACTION_LOWER;
    }
}

/* A server that is there but not yet ready, as llama.cpp's while it reads its model: no row fails for that. */
static void judge_unavailable(struct verdict *v, const struct completion *c)
{
    if (strcasestr(c->error_message, "loading model")) {
        v->action = ACTION_OFFLINE;
        v->status = STATUS_RESUMABLE;
    }
}

/* A 200 without an answer in it. */
static void judge_unreadable(struct verdict *v, const struct completion *c, bool parsed)
{
    v->action = ACTION_RETRY;
    if (!parsed && c->torn)
        v->kind = "transport";
}

void verdict_reach(struct verdict *v, const struct http_reply *reply, const struct completion *c, bool parsed)
{
    *v = (struct verdict){.wait = -1, .status = STATUS_USAGE};
    if (reply->outcome != HTTP_REPLY) {
        judge_transport(v, reply);
        return;
    }
    size_t i = 0;
    while (reply->status < statuses[i].first || reply->status > statuses[i].last)
        i++; /* libcurl accepts three digits, and the last row holds them all */
    v->action = statuses[i].action;
    v->allowance = statuses[i].allowance;
    v->kind = statuses[i].kind;
    v->configuration = statuses[i].configuration;
    v->wait = reply->limits.retry_after;
    if (v->action == ACTION_ANSWER && parsed && !c->is_error)
        return;
    if (v->action == ACTION_ANSWER)
        judge_unreadable(v, c, parsed);
    quote_server(v, reply, c, parsed);
    if ((reply->status == 413 || reply->status == 429) && is_too_large(reply, c))
        judge_too_large(v);
    else if (reply->status == 429)
        judge_rate_limit(v, reply, c);
    else if (reply->status == 400)
        judge_bad_request(v, c);
    else if (reply->status == 422 && names_format(c->error_message))
        v->action = ACTION_LOWER;
    else if (reply->status == 500 && refuses_format(c->error_message))
        v->action = ACTION_LOWER;
    else if (reply->status == 503)
        judge_unavailable(v, c);
}
