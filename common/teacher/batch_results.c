/* batch_results.c - see batch_results.h. */
#include "teacher/batch_results.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "teacher/reading.h"
#include "teacher/verdict.h"
#include "wire/lines.h"

static const size_t longest_line = (size_t)64 << 20;
enum { SEEN_FAILED = 1, SEEN_ANSWERED = 2 };

int results_init(struct batch_results *r, const struct asker *asker, const struct batch_part *part, struct error *err)
{
    *r = (struct batch_results){
        .usage = usage_unknown, .journal = asker->settings.journal, .key = asker->settings.http.key, .part = part};
    spending_init(&r->spending, &asker->spending.price, -1, -1);
    if (answer_rules_labels(&r->rules, part->labels, err) < 0)
        return -1;
    r->rules.counterfactual = part->counterfactual;
    r->seen = xcalloc(part->keys.n, 1);
    return 0;
}

void results_free(struct batch_results *r)
{
    answer_rules_free(&r->rules);
    free(r->seen);
    json_free(&r->doc);
    buf_free(&r->line);
    buf_free(&r->body);
    buf_free(&r->text);
    completion_free(&r->completion);
    answer_free(&r->answer);
}

/* What the journal has of the question: *attempts of failures before this one; *known: this very reply (a fetch that
 * was killed has read it), or an answer. -1: the journal cannot be read. */
static int look_back(struct batch_results *r, const unsigned char *key, const char *request_id, long *attempts,
                     bool *known, struct error *err)
{
    struct record before;
    bool this_run;
    int found = journal_find(r->journal, key, &before, &this_run, err);
    *attempts = found > 0 && !before.ok ? before.attempts : 0;
    *known = found > 0 && (before.ok || (*before.request_id && strcmp(before.request_id, request_id) == 0));
    return found < 0 ? -1 : 0;
}

static int keep(struct batch_results *r, const unsigned char *key, struct record *record, struct error *err)
{
    long attempts;
    bool known;
    unsigned char *seen = &r->seen[key_set_find(&r->part->keys, key)];
    if (*seen == SEEN_FAILED && !record->ok)
        return 0;
    if (!*record->request_id)
        record->request_id = r->request_id;
    if (look_back(r, key, record->request_id, &attempts, &known, err) < 0)
        return -1;
    record->batch = true;
    record->attempts = attempts + 1;
    record->usage = r->completion.usage;
    r->failed -= *seen == SEEN_FAILED; /* a second line for it, which has an answer */
    *seen = record->ok ? SEEN_ANSWERED : SEEN_FAILED;
    r->answered += record->ok;
    r->failed += !record->ok;
    return known ? 0 : journal_append(r->journal, key, record, err);
}

static int keep_failure(struct batch_results *r, const unsigned char *key, const struct answer_fault *fault,
                        long status, struct error *err)
{
    struct record record = {.kind = fault->kind, .code = fault->code, .message = fault->message, .http = status};
    reading_begin(&record, &r->completion);
    return keep(r, key, &record, err);
}

static void note_words(struct batch_results *r, const char *code, const char *message)
{
    if (*r->first_words)
        return;
    snprintf(r->first_words, sizeof r->first_words, "%s%s%s", code, *code && *message ? ": " : "", message);
    r->first_words[utf8_check(r->first_words, strlen(r->first_words))] = '\0';
}

/* A reply as a live one: an answer, a failure of the question, or nothing that counts. */
static int take_reply(struct batch_results *r, const unsigned char *key, long status, struct error *err)
{
    const struct reading_rules rules = {
        .answer = &r->rules, .sentence = {"", 0}, .budget = (long)r->part->budget}; /* faults are not the sentence's */
    const struct http_reply reply = {.outcome = HTTP_REPLY,
                                     .status = status,
                                     .body = r->body.data,
                                     .len = r->body.len,
                                     .limits = {-1, -1, -1, -1, -1, -1, -1}};
    struct record record = {0};
    struct answer_fault fault;
    struct verdict v;
    struct error ignored = {0};
    bool parsed = completion_parse(&r->completion, r->body.data, r->body.len, &ignored) == 0;
    verdict_reach(&v, &reply, &r->completion, parsed);
    buf_reset(&r->text);
    if (parsed)
        usage_add(&r->usage, &r->completion.usage);
    spending_settle(&r->spending, (struct stake){0, 0}, &r->completion.usage, v.action == ACTION_ANSWER);
    reading_begin(&record, &r->completion);
    if (v.action == ACTION_ANSWER) {
        if (reading_take(&record, &r->completion, &rules, &r->text, &r->answer, &fault) == READING_ANSWER)
            return keep(r, key, &record, err);
        return keep_failure(r, key, &fault, status, err);
    }
    if (v.action == ACTION_RESAMPLE && reading_salvage(&record, &r->completion, &rules, &r->text, &r->answer))
        return keep(r, key, &record, err);
    if (v.action == ACTION_RESAMPLE || v.action == ACTION_GIVE_UP) {
        fault.kind = v.kind;
        fault.code = v.code;
        snprintf(fault.message, sizeof fault.message, "%s", v.message);
        return keep_failure(r, key, &fault, status, err);
    }
    note_words(r, v.code, v.message); /* limits, the server's trouble, the key, the model: nothing of this question */
    return 0;
}

/* The response's body, an object or (a text that holds) one, goes to r->body; false where there is none. */
static bool find_body(struct batch_results *r, const struct json_node *response)
{
    const struct json_node *body = json_member(&r->doc, response, "body");
    buf_reset(&r->body);
    if (body && body->type == JSON_STRING)
        buf_add(&r->body, body->text, body->len);
    else if (body && body->type == JSON_OBJECT)
        buf_add(&r->body, r->line.data + body->begin, body->end - body->begin);
    else
        return false;
    return true;
}

static int take_line(struct batch_results *r, struct error *err)
{
    unsigned char key[JOURNAL_KEY_SIZE];
    long long status = 200;
    if (json_parse(&r->doc, r->line.data, r->line.len, NULL) < 0) {
        r->unreadable++;
        return 0;
    }
    const struct json_node *root = json_root(&r->doc), *id = json_member(&r->doc, root, "custom_id");
    bool is_key = id && id->type == JSON_STRING && journal_key_parse(key, id->text, id->len);
    long i = is_key ? key_set_find(&r->part->keys, key) : -1;
    if (i < 0) {
        r->unknown++;
        return 0;
    }
    r->doubled += r->seen[i] != 0;
    if (r->seen[i] == SEEN_ANSWERED)
        return 0;
    const struct json_node *response = json_member(&r->doc, root, "response");
    if (!find_body(r, response)) {
        const struct json_node *error = json_member(&r->doc, root, "error");
        const struct json_node *code = json_member(&r->doc, error, "code"),
                               *message = json_member(&r->doc, error, "message");
        note_words(r, code && code->type == JSON_STRING ? code->text : "",
                   message && message->type == JSON_STRING ? message->text : "");
        return 0;
    }
    const struct json_node *request_id = json_member(&r->doc, response, "request_id");
    r->request_id = request_id && request_id->type == JSON_STRING ? request_id->text : "";
    json_get_long(json_member(&r->doc, response, "status_code"), &status);
    return take_reply(r, key, status >= 100 && status <= 999 ? (long)status : 0, err);
}

int results_read(struct batch_results *r, int fd, struct error *err)
{
    struct lines lines = {.in = {.fd = fd, .name = xstrdup("the batch's results")}, .longest = longest_line};
    const char *line;
    size_t len;
    int got = 0;
    if (lseek(fd, 0, SEEK_SET) < 0)
        got = error_set(err, STATUS_FAILURE, "the batch's results: %s", strerror(errno));
    while (got == 0 && (got = lines_next(&lines, &line, &len, err)) > 0) {
        buf_reset(&r->line);
        buf_add(&r->line, line, len);
        key_redact(r->key, r->line.data, r->line.len, true);
        r->lines += len > 0;
        got = len > 0 ? take_line(r, err) : 0;
    }
    lines_close(&lines);
    return got;
}

int results_end(struct batch_results *r, struct error *err)
{
    r->unanswered = 0;
    for (size_t i = 0; i < r->part->keys.n; i++)
        r->unanswered += r->seen[i] == 0;
    return journal_sync(r->journal, true, err);
}
