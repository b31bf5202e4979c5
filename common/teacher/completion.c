/* completion.c - see completion.h. */
#include "teacher/completion.h"

#include <string.h>

#include "base/utf8.h"
#include "teacher/plain.h"

const struct usage usage_unknown = {-1, -1, -1, -1, -1};

/* More tokens than this is a server's slip, and would overflow sums. */
static const long long most_tokens = 1000000000000;

static const struct {
    const char *name;
    size_t offset;
} usage_members[] = {{"prompt_tokens", offsetof(struct usage, prompt)},
                     {"completion_tokens", offsetof(struct usage, completion)},
                     {"total_tokens", offsetof(struct usage, total)},
                     {"cached_tokens", offsetof(struct usage, cached)},
                     {"reasoning_tokens", offsetof(struct usage, reasoning)}};
enum { N_USAGE_MEMBERS = sizeof usage_members / sizeof *usage_members };

static long long *usage_member(struct usage *usage, size_t i)
{
    return (long long *)(void *)((char *)usage + usage_members[i].offset);
}

void usage_add(struct usage *sum, const struct usage *part)
{
    struct usage p = *part;
    for (size_t i = 0; i < N_USAGE_MEMBERS; i++) {
        long long *a = usage_member(sum, i), *b = usage_member(&p, i);
        if (*b >= 0)
            *a = (*a < 0 ? 0 : *a) + *b;
    }
}

void usage_write(struct buf *out, const struct usage *usage)
{
    struct usage u = *usage;
    const char *before = "{";
    for (size_t i = 0; i < N_USAGE_MEMBERS; i++) {
        if (*usage_member(&u, i) >= 0) {
            buf_addf(out, "%s\"%s\":%lld", before, usage_members[i].name, *usage_member(&u, i));
            before = ",";
        }
    }
    buf_addstr(out, *before == '{' ? "null" : "}");
}

void usage_read(struct usage *usage, const struct json *doc, const struct json_node *node)
{
    *usage = usage_unknown;
    for (size_t i = 0; i < N_USAGE_MEMBERS; i++) {
        long long n;
        const struct json_node *member = json_member(doc, node, usage_members[i].name);
        if (!member && strcmp(usage_members[i].name, "cached_tokens") == 0)
            member = json_member(doc, json_member(doc, node, "prompt_tokens_details"), "cached_tokens");
        if (!member && strcmp(usage_members[i].name, "reasoning_tokens") == 0)
            member = json_member(doc, json_member(doc, node, "completion_tokens_details"), "reasoning_tokens");
        if (json_get_long(member, &n) && n >= 0 && n <= most_tokens)
            *usage_member(usage, i) = n;
    }
    if (usage->prompt <= 0 && usage->completion <= 0 && usage->total <= 0)
        *usage = usage_unknown; /* LM Studio reports zeros where it does not know */
}

void completion_split_thinking(const char *content, size_t len, struct buf *thinking, struct buf *rest)
{
    static const char opening[] = "<think>", closing[] = "</think>";
    struct span_of_text all = {content, len}, text = plain_trim(all);
    bool opened = text.len >= strlen(opening) && memcmp(text.at, opening, strlen(opening)) == 0;
    if (!opened && text.len > 0 && strchr("{`", text.at[0])) { /* an answer that may well talk about tags */
        buf_add(rest, text.at, text.len);
        return;
    }
    if (opened) {
        text.at += strlen(opening);
        text.len -= strlen(opening);
    }
    const char *end = text.len ? memmem(text.at, text.len, closing, strlen(closing)) : NULL;
    if (!end && !opened) {
        buf_add(rest, text.at, text.len);
        return;
    }
    struct span_of_text inner = plain_trim((struct span_of_text){text.at, end ? (size_t)(end - text.at) : text.len});
    buf_add(thinking, inner.at, inner.len);
    if (end) {
        end += strlen(closing);
        struct span_of_text after = plain_trim((struct span_of_text){end, (size_t)(text.at + text.len - end)});
        buf_add(rest, after.at, after.len);
    }
}

static const char *string_or(const struct json_node *node, const char *otherwise)
{
    return node && node->type == JSON_STRING ? node->text : otherwise;
}

/* FastAPI's own errors: a text, or a list of what is wrong with the request. */
static const char *detail_of(const struct completion *c, const struct json_node *detail)
{
    if (detail && detail->type == JSON_ARRAY)
        detail = json_member(&c->doc, json_first(&c->doc, detail), "msg");
    return string_or(detail, NULL);
}

/* A member `error` that is an object or, on some servers, a bare string; also {"object":"error","message":...} and
 * {"detail":...}. */
static bool read_error(struct completion *c, const struct json_node *root)
{
    const struct json_node *error = json_member(&c->doc, root, "error");
    c->error_code = c->error_type = c->error_message = c->failed_generation = "";
    if (error && error->type == JSON_STRING) {
        c->error_message = error->text;
        return true;
    }
    const char *detail = error ? NULL : detail_of(c, json_member(&c->doc, root, "detail"));
    if (detail) {
        c->error_message = detail;
        return true;
    }
    if (json_is(json_member(&c->doc, root, "object"), "error"))
        error = root;
    if (!error || error->type != JSON_OBJECT)
        return false;
    c->error_code = string_or(json_member(&c->doc, error, "code"), "");
    c->error_type = string_or(json_member(&c->doc, error, "type"), "");
    c->error_message = string_or(json_member(&c->doc, error, "message"), "");
    c->failed_generation = string_or(json_member(&c->doc, error, "failed_generation"), "");
    return true;
}

static void read_message(struct completion *c, const struct json_node *message)
{
    static const char *const spellings[] = {"reasoning", "reasoning_content"};
    const struct json_node *content = json_member(&c->doc, message, "content");
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings && c->thinking.len == 0; i++) {
        const struct json_node *node = json_member(&c->doc, message, spellings[i]);
        if (node && node->type == JSON_STRING)
            buf_add(&c->thinking, node->text, node->len);
    }
    if (content && content->type == JSON_STRING) {
        struct buf dropped = {0}; /* two spellings at once: the first one stands */
        completion_split_thinking(content->text, content->len, c->thinking.len ? &dropped : &c->thinking, &c->content);
        buf_free(&dropped);
    }
    c->refusal = string_or(json_member(&c->doc, message, "refusal"), "");
}

/* Whether the body, which is no JSON, is the beginning of an object: cut between two bytes of a character, too. */
static bool is_torn(struct completion *c, const char *body, size_t len)
{
    struct error why = {0};
    struct span_of_text text = plain_trim((struct span_of_text){body, len});
    size_t whole = utf8_check(text.at, text.len);
    if (text.len == 0 || text.at[0] != '{' || text.len - whole > 3)
        return false;
    return json_parse(&c->doc, text.at, whole, &why) < 0 && strstr(why.text, "ends too early");
}

int completion_parse(struct completion *c, const char *body, size_t len, struct error *err)
{
    c->body = body;
    c->torn = false;
    c->usage = usage_unknown;
    c->finish_reason = c->model = c->request_id = c->refusal = "";
    buf_reset(&c->content);
    buf_reset(&c->thinking);
    buf_addstr(&c->content, "");
    buf_addstr(&c->thinking, "");
    if (json_parse(&c->doc, body, len, err) < 0) {
        c->is_error = false;
        c->error_code = c->error_type = c->error_message = c->failed_generation = "";
        c->torn = is_torn(c, body, len);
        return -1;
    }
    const struct json_node *root = json_root(&c->doc);
    c->is_error = read_error(c, root);
    const struct json_node *groq = json_member(&c->doc, root, "x_groq");
    c->request_id = string_or(json_member(&c->doc, groq, "id"), string_or(json_member(&c->doc, root, "id"), ""));
    c->model = string_or(json_member(&c->doc, root, "model"), "");
    usage_read(&c->usage, &c->doc, json_member(&c->doc, root, "usage"));
    if (c->is_error)
        return 0;
    const struct json_node *choice = json_first(&c->doc, json_member(&c->doc, root, "choices"));
    const struct json_node *message = json_member(&c->doc, choice, "message");
    if (!message || message->type != JSON_OBJECT)
        return error_set(err, STATUS_FAILURE, "the reply holds no choices[0].message");
    c->finish_reason = string_or(json_member(&c->doc, choice, "finish_reason"), "");
    read_message(c, message);
    return 0;
}

void completion_redact(struct completion *c, const struct key *key, bool is_answer)
{
    struct buf *texts[] = {&c->doc.strings, &c->content, &c->thinking};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        key_redact(key, texts[i]->data, texts[i]->len, is_answer);
}

void completion_free(struct completion *c)
{
    json_free(&c->doc);
    buf_free(&c->content);
    buf_free(&c->thinking);
    *c = (struct completion){0};
}
