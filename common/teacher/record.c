/* record.c - see record.h. */
#include "teacher/record.h"

#include <string.h>

static void add_member(struct buf *out, const char *name, struct span_of_text text)
{
    buf_addf(out, ",\"%s\":", name);
    json_add_string(out, text.at, text.len);
}

static void add_text(struct buf *out, const char *name, const char *text)
{
    add_member(out, name, (struct span_of_text){text, strlen(text)});
}

/* The members that tell of a failure, in the row and in the journal alike. */
static void add_failure(struct buf *out, const struct record *r)
{
    add_text(out, "kind", r->kind);
    if (r->http > 0)
        buf_addf(out, ",\"http\":%ld", r->http);
    else
        buf_addstr(out, ",\"http\":null");
    if (*r->code)
        add_text(out, "code", r->code);
    else
        buf_addstr(out, ",\"code\":null");
    add_text(out, "message", r->message);
}

void record_write(struct buf *out, const char *key_hex, const struct record *r)
{
    buf_addf(out, "{\"key\":\"%s\",\"status\":\"%s\"", key_hex, r->ok ? "ok" : "error");
    if (!r->ok)
        add_failure(out, r);
    if (r->ok || r->content.len > 0)
        add_member(out, "content", r->content);
    if (r->thinking.len > 0)
        add_member(out, "thinking", r->thinking);
    if (*r->finish_reason)
        add_text(out, "finish_reason", r->finish_reason);
    if (*r->model)
        add_text(out, "model", r->model);
    buf_addstr(out, ",\"usage\":");
    usage_write(out, &r->usage);
    if (r->salvaged)
        buf_addstr(out, ",\"salvaged\":true");
    if (r->batch)
        buf_addstr(out, ",\"batch\":true");
    if (*r->request_id)
        add_text(out, "request_id", r->request_id);
    buf_addf(out, ",\"attempts\":%ld,\"ms\":%ld}", r->attempts, r->ms);
}

static const char *text_of(const struct json *doc, const char *name)
{
    const struct json_node *node = json_member(doc, json_root(doc), name);
    return node && node->type == JSON_STRING ? node->text : "";
}

static struct span_of_text span_of(const struct json *doc, const char *name)
{
    const struct json_node *node = json_member(doc, json_root(doc), name);
    return node && node->type == JSON_STRING ? (struct span_of_text){node->text, node->len}
                                             : (struct span_of_text){"", 0};
}

bool record_read(struct record *r, const struct json *doc)
{
    const struct json_node *root = json_root(doc), *status = json_member(doc, root, "status");
    long long attempts = 0, http = 0;
    *r = (struct record){.ok = json_is(status, "ok"),
                         .content = span_of(doc, "content"),
                         .thinking = span_of(doc, "thinking"),
                         .finish_reason = text_of(doc, "finish_reason"),
                         .model = text_of(doc, "model"),
                         .kind = text_of(doc, "kind"),
                         .code = text_of(doc, "code"),
                         .message = text_of(doc, "message"),
                         .request_id = text_of(doc, "request_id")};
    json_get_long(json_member(doc, root, "http"), &http);
    json_get_long(json_member(doc, root, "attempts"), &attempts);
    r->http = (long)http;
    r->attempts = (long)attempts;
    json_get_bool(json_member(doc, root, "batch"), &r->batch);
    usage_read(&r->usage, doc, json_member(doc, root, "usage"));
    return r->ok || (json_is(status, "error") && *r->kind);
}

void record_write_error(struct buf *out, const struct record *r)
{
    buf_addstr(out, "{\"status\":\"error\"");
    add_failure(out, r);
    buf_addf(out, ",\"attempts\":%ld}", r->attempts);
}

int record_text(struct buf *out, const struct record *r, const struct answer_rules *rules, struct span_of_text sentence,
                struct answer *answer, struct answer_fault *fault)
{
    if (!r->ok) {
        record_write_error(out, r);
        return 0;
    }
    if (answer_read(answer, rules, sentence, r->content, r->thinking, fault) < 0)
        return -1;
    answer_write(out, answer, rules);
    if (*r->model)
        add_text(out, "model", r->model);
    return 0;
}
