/* batch_api.c - see batch_api.h. */
#include "teacher/batch_api.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/memory.h"
#include "base/progress.h"
#include "teacher/batch_lines.h"

enum { RETRIES_REPLY = 2, TRIES_OFFLINE = 3, MOST_PAGES = 10000 };
static const double drain_seconds = 10; /* for the call under way when a signal has come */

void batch_api_init(struct batch_api *api)
{
    backoff_init(&api->backoff, api->max_wait);
}

void batch_api_close(struct batch_api *api)
{
    http_close(api->http);
    api->http = NULL;
    json_free(&api->doc);
    completion_free(&api->completion);
}

/* ---- waiting ---- */

static int interrupted(const struct batch_api *api, struct error *err)
{
    int number = *api->signals.number;
    return error_set(err, 128 + number, "%s", strsignal(number));
}

static void drain_pipe(const struct batch_api *api)
{
    char drained[16];
    while (read(api->signals.fd, drained, sizeof drained) > 0) {
    }
}

/* -1: a signal has come. */
static int wait_seconds(struct batch_api *api, double seconds, struct error *err)
{
    double until = monotonic_seconds() + seconds;
    struct pollfd fd = {.fd = api->signals.fd, .events = POLLIN};
    while (*api->signals.count == 0 && seconds > 0) {
        poll(&fd, 1, (int)ceil(fmin(seconds, 3600) * 1000));
        drain_pipe(api);
        seconds = until - monotonic_seconds();
    }
    return *api->signals.count ? interrupted(api, err) : 0;
}

/* Waits for the reply to the one request under way. */
static int wait_reply(struct batch_api *api, struct error *err)
{
    struct pollfd fd = {.fd = api->signals.fd, .events = POLLIN};
    double until = INFINITY;
    while (!http_next(api->http, &api->reply)) {
        double now = monotonic_seconds();
        if (*api->signals.count > 0 && isinf(until))
            until = now + drain_seconds;
        if (*api->signals.count > 1 || now >= until) {
            http_close(api->http);
            api->http = NULL;
            api->unknown = true;
            return interrupted(api, err);
        }
        if (http_wait(api->http, &fd, 1, fmin(until - now, 3600), err) < 0)
            return -1;
        drain_pipe(api);
    }
    return 0;
}

/* ---- what a failure means ---- */

static int give_up(const struct batch_api *api, int status, struct error *err)
{
    if (api->reply.outcome == HTTP_REPLY)
        return error_set(err, status, "the server says (HTTP %ld): %s", api->reply.status, api->verdict.message);
    return error_set(err, status, "%s", api->verdict.message);
}

/* Waits before the next try; -1 where there is to be none. */
static int wait_to_retry(struct batch_api *api, double seconds, struct error *err)
{
    if (seconds > api->max_wait)
        return error_set(err, STATUS_RESUMABLE, "the server asks to wait for %.0f s, longer than --max-wait: %s",
                         seconds, api->verdict.message);
    return wait_seconds(api, seconds, err);
}

static int wait_for_connection(struct batch_api *api, struct error *err)
{
    double now = monotonic_seconds();
    if (api->offline++ == 0)
        api->offline_since = now;
    bool spent = api->served ? now - api->offline_since > api->max_wait : api->offline >= TRIES_OFFLINE;
    if (spent)
        return give_up(api, api->served ? STATUS_RESUMABLE : api->verdict.status, err);
    return wait_seconds(api, 0.5 + backoff_wait(&api->backoff, api->offline - 1), err);
}

static int wait_for_limit(struct batch_api *api, struct error *err)
{
    return wait_to_retry(api, backoff_limit(&api->backoff, api->verdict.wait, api->waits++), err);
}

static int retry(struct batch_api *api, unsigned allowed, int status, struct error *err)
{
    if (api->tries >= allowed)
        return give_up(api, status, err);
    return wait_to_retry(api, backoff_asked(&api->backoff, api->verdict.wait, api->tries++), err);
}

/* After a failure: 0 where the call is to be made again, after the wait that is due. */
static int recover(struct batch_api *api, struct error *err)
{
    const unsigned few = api->retries < RETRIES_REPLY ? api->retries : RETRIES_REPLY;
    const struct verdict *v = &api->verdict;
    switch (v->action) {
    case ACTION_WAIT:
        return wait_for_limit(api, err);
    case ACTION_OFFLINE:
        return wait_for_connection(api, err);
    case ACTION_RETRY:
        if (api->reply.outcome == HTTP_REPLY && api->reply.status < 300) /* no JSON: most likely not the API */
            return retry(api, few, STATUS_USAGE, err);
        return retry(api, v->allowance == ALLOW_SERVER ? api->retries : few, STATUS_RESUMABLE, err);
    case ACTION_STOP:
        return give_up(api, v->status, err);
    default:
        return give_up(api, STATUS_USAGE, err);
    }
}

/* Judges the reply: true where the call has worked. */
static bool has_worked(struct batch_api *api, bool saved)
{
    const struct http_reply *r = &api->reply;
    bool good_status = r->outcome == HTTP_REPLY && r->status >= 200 && r->status < 300;
    struct error ignored = {0};
    api->unknown = api->refused = api->gone = false;
    if (r->outcome == HTTP_REPLY) {
        api->served = true;
        api->offline = 0;
    }
    if (good_status && (saved || json_parse(&api->doc, r->body, r->len, NULL) == 0))
        return true;
    bool parsed = completion_parse(&api->completion, r->body, r->len, &ignored) == 0;
    verdict_reach(&api->verdict, r, &api->completion, parsed);
    if (r->outcome == HTTP_NOT_SAVED || r->outcome == HTTP_TOO_LARGE)
        snprintf(api->verdict.message, sizeof api->verdict.message, "%s",
                 r->outcome == HTTP_NOT_SAVED ? r->detail : "the reply is larger than anything that belongs here");
    if (r->outcome == HTTP_NOT_SAVED)
        api->verdict.action = ACTION_GIVE_UP;
    if (good_status && api->verdict.action == ACTION_ANSWER)
        api->verdict.action = ACTION_RETRY;
    api->unknown = good_status || r->outcome == HTTP_TIMEOUT || r->outcome == HTTP_CUT ||
                   r->outcome == HTTP_TOO_LARGE || (r->outcome == HTTP_REPLY && (r->status == 408 || r->status >= 500));
    api->refused = r->outcome == HTTP_REPLY && r->status >= 400 && r->status < 500;
    api->gone = api->refused && r->status == 404;
    return false;
}

/* Sends once and waits. 1: it has worked; 0: it has not, and api->verdict says why; -1: it could not be done. */
static int call_once(struct batch_api *api, const struct http_request *request, struct error *err)
{
    if (*api->signals.count)
        return interrupted(api, err);
    if (api->sends_nothing)
        return error_set(err, STATUS_USAGE, "%s", api->sends_nothing);
    if (!api->http && !(api->http = http_open(&api->http_settings, err)))
        return -1;
    if (request->save_to && (ftruncate(*request->save_to, 0) < 0 || lseek(*request->save_to, 0, SEEK_SET) < 0))
        return error_set(err, STATUS_FAILURE, "the downloaded file: %s", strerror(errno));
    if (http_ask(api->http, request, NULL, err) < 0 || wait_reply(api, err) < 0)
        return -1;
    return has_worked(api, request->save_to != NULL);
}

static void begin_call(struct batch_api *api)
{
    api->tries = api->waits = 0;
    api->unknown = api->refused = api->gone = false;
}

/* Calls until it works; -1 with the reason when it will not. */
static int call(struct batch_api *api, const struct http_request *request, struct error *err)
{
    begin_call(api);
    for (;;) {
        int worked = call_once(api, request, err);
        if (worked != 0)
            return worked < 0 ? -1 : 0;
        if (recover(api, err) < 0)
            return -1;
    }
}

/* ---- replies ---- */

static const char *text_of(const struct json *doc, const struct json_node *node, const char *name)
{
    const struct json_node *member = json_member(doc, node, name);
    return member && member->type == JSON_STRING && member->len > 0 && strlen(member->text) == member->len
               ? member->text
               : NULL;
}

static long long number_of(const struct json *doc, const struct json_node *node, const char *name)
{
    long long value;
    return json_get_long(json_member(doc, node, name), &value) && value >= 0 ? value : -1;
}

/* A name that the server gives to a file or a batch; NULL where there is none that could stand in a URL. */
static const char *name_of(const struct json *doc, const struct json_node *node, const char *member)
{
    const char *name = text_of(doc, node, member);
    if (!name || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:")])
        return NULL;
    return name;
}

/* The name of what was made. */
static char *copy_id(struct batch_api *api, const char *what, struct error *err)
{
    const char *id = name_of(&api->doc, json_root(&api->doc), "id");
    if (id)
        return xstrdup(id);
    api->unknown = true;
    error_set(err, STATUS_FAILURE, "the server does not name the %s", what);
    return NULL;
}

/* ---- files ---- */

char *api_upload(struct batch_api *api, const struct http_file *file, struct error *err)
{
    const struct http_request request = {.method = HTTP_POST, .path = "/files", .file = file};
    if (call(api, &request, err) < 0)
        return NULL;
    long long bytes = number_of(&api->doc, json_root(&api->doc), "bytes");
    if (bytes > 0 && (uint64_t)bytes != file->size) {
        error_set(err, STATUS_RESUMABLE, "the server has %lld of the file's %llu bytes", bytes,
                  (unsigned long long)file->size);
        return NULL;
    }
    return copy_id(api, "file", err);
}

int api_delete(struct batch_api *api, const char *file, struct error *err)
{
    struct buf path = {0};
    buf_addf(&path, "/files/%s", file);
    const struct http_request request = {.method = HTTP_DELETE, .path = path.data};
    int result = call(api, &request, err);
    buf_free(&path);
    return result;
}

/* How many bytes the server says that a file has; -1 where it does not. Not every server can be asked. */
static long long size_of_file(struct batch_api *api, const char *file)
{
    struct buf path = {0};
    struct error ignored = {0};
    buf_addf(&path, "/files/%s", file);
    const struct http_request request = {.method = HTTP_GET, .path = path.data};
    begin_call(api);
    long long size = call_once(api, &request, &ignored) > 0 ? number_of(&api->doc, json_root(&api->doc), "bytes") : -1;
    buf_free(&path);
    return size;
}

/* What the file lacks; NULL where it looks whole: its size is the one that the server tells, its last line ended. */
static const char *find_lack(int fd, long long size)
{
    struct stat st;
    char last = '\n';
    if (fstat(fd, &st) < 0 || (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1))
        return strerror(errno);
    if (size > 0 && st.st_size < size)
        return "it is shorter than the server says";
    if (last != '\n' && last != '}')
        return "its last line is cut";
    return NULL;
}

int api_download(struct batch_api *api, const char *file, int fd, struct error *err)
{
    struct buf path = {0};
    const char *lack = NULL;
    long long size = size_of_file(api, file);
    int result = 0;
    buf_addf(&path, "/files/%s/content", file);
    const struct http_request request = {.method = HTTP_GET, .path = path.data, .save_to = &fd};
    for (unsigned tries = 0; result == 0 && tries <= RETRIES_REPLY; tries++) {
        result = call(api, &request, err);
        lack = result == 0 ? find_lack(fd, size) : NULL;
        if (!lack)
            break;
    }
    if (lack)
        result = error_set(err, STATUS_RESUMABLE, "file %s was not downloaded whole: %s", file, lack);
    buf_free(&path);
    return result;
}

/* ---- batches ---- */

/* A page of the account's batches is in api->doc: 1 where it has one of the file. */
static int find_in_page(const struct batch_api *api, const char *file, char **batch)
{
    const struct json_node *data = json_member(&api->doc, json_root(&api->doc), "data");
    for (const struct json_node *b = json_first(&api->doc, data); b; b = json_next(&api->doc, b)) {
        const char *id = name_of(&api->doc, b, "id");
        if (id && json_is(json_member(&api->doc, b, "input_file_id"), file)) {
            *batch = xstrdup(id);
            return 1;
        }
    }
    return 0;
}

/* Where the next page is: Groq has paging.next_cursor, OpenAI has_more and the last one's name. False: there is none.
 */
static bool next_page(const struct batch_api *api, struct buf *path)
{
    const struct json *doc = &api->doc;
    const struct json_node *root = json_root(doc), *last = NULL;
    const char *cursor = text_of(doc, json_member(doc, root, "paging"), "next_cursor"), *name = "cursor";
    bool more = false;
    if (!cursor && json_get_bool(json_member(doc, root, "has_more"), &more) && more) {
        for (const struct json_node *b = json_first(doc, json_member(doc, root, "data")); b; b = json_next(doc, b))
            last = b;
        cursor = text_of(doc, last, "id");
        name = "after";
    }
    if (!cursor)
        return false;
    buf_reset(path);
    buf_addf(path, "/batches?%s=", name);
    for (const char *c = cursor; *c; c++) {
        bool plain = (*c >= '0' && *c <= '9') || ((*c | 32) >= 'a' && (*c | 32) <= 'z') || strchr("-_.~", *c);
        buf_addf(path, plain ? "%c" : "%%%02X", (unsigned char)*c);
    }
    return true;
}

int api_find(struct batch_api *api, const char *file, char **batch, struct error *err)
{
    struct buf path = {0};
    int found = 0;
    buf_addstr(&path, "/batches");
    for (int page = 0; page < MOST_PAGES && found == 0; page++) {
        const struct http_request request = {.method = HTTP_GET, .path = path.data};
        if (call(api, &request, err) < 0)
            found = -1;
        else if (!(found = find_in_page(api, file, batch)) && !next_page(api, &path))
            break;
    }
    buf_free(&path);
    return found;
}

/* The order's reply did not come, or says that the server is in trouble: was it carried out? 1 with the batch's name,
 * 0 to order again, -1. */
static int look_after_order(struct batch_api *api, const char *file, char **batch, struct error *err)
{
    bool replied = api->reply.outcome == HTTP_REPLY;
    unsigned tries = api->tries;
    if (recover(api, err) < 0)
        return -1;
    int found = api_find(api, file, batch, err);
    api->tries = tries + 1;
    if (found == 0 && !replied) { /* the server may still be at it */
        api->unknown = true;
        return error_set(err, STATUS_RESUMABLE, "no word from the server whether it has made the batch");
    }
    if (found < 0)
        api->unknown = true;
    return found;
}

char *api_order(struct batch_api *api, const char *file, const char *window, struct error *err)
{
    struct buf body = {0};
    char *batch = NULL;
    int worked = 0;
    buf_addstr(&body, "{\"input_file_id\":");
    json_add_string(&body, file, strlen(file));
    buf_addf(&body, ",\"endpoint\":\"%s\",\"completion_window\":", batch_endpoint);
    json_add_string(&body, window, strlen(window));
    buf_addch(&body, '}');
    const struct http_request request = {.method = HTTP_POST, .path = "/batches", .body = body.data};
    begin_call(api);
    while (worked == 0) {
        worked = call_once(api, &request, err);
        if (worked > 0)
            batch = copy_id(api, "batch", err);
        else if (worked == 0 && api->unknown)
            worked = look_after_order(api, file, &batch, err);
        else if (worked == 0)
            worked = recover(api, err);
    }
    buf_free(&body);
    return batch;
}

/* `errors` is an array, or an object with the array in `data`, or null; or a text. */
static void read_errors(struct batch_info *info, const struct json *doc, const struct json_node *errors)
{
    struct buf text = {0};
    if (errors && errors->type == JSON_OBJECT)
        errors = json_member(doc, errors, "data") ? json_member(doc, errors, "data") : errors;
    if (errors && errors->type == JSON_STRING)
        buf_addstr(&text, errors->text);
    const struct json_node *one = errors && errors->type == JSON_ARRAY ? json_first(doc, errors) : errors;
    for (; one && one->type == JSON_OBJECT && text.len < sizeof info->errors; one = json_next(doc, one)) {
        const char *message = text_of(doc, one, "message"), *code = text_of(doc, one, "code");
        long long line = number_of(doc, one, "line");
        buf_addf(&text, "%s%s", text.len ? "; " : "", message ? message : code ? code : "an error without a text");
        if (line >= 0)
            buf_addf(&text, " (line %lld)", line);
        if (errors->type == JSON_OBJECT)
            break;
    }
    struct span_of_text cut = plain_cut((struct span_of_text){text.data ? text.data : "", text.len}, 511);
    memcpy(info->errors, cut.at, cut.len);
    info->errors[cut.len] = '\0';
    buf_free(&text);
}

int api_batch(struct batch_api *api, const char *batch, struct batch_info *info, struct error *err)
{
    static const char *const ends[] = {"completed", "failed", "expired", "cancelled"};
    struct buf path = {0};
    *info = (struct batch_info){0};
    buf_addf(&path, "/batches/%s", batch);
    const struct http_request request = {.method = HTTP_GET, .path = path.data};
    int result = call(api, &request, err);
    buf_free(&path);
    if (result < 0)
        return -1;
    const struct json *doc = &api->doc;
    const struct json_node *root = json_root(doc), *counts = json_member(doc, root, "request_counts");
    const char *state = text_of(doc, root, "status");
    const char *output = name_of(doc, root, "output_file_id"), *errors = name_of(doc, root, "error_file_id");
    if (!state)
        return error_set(err, STATUS_USAGE, "the server tells no status of batch %s", batch);
    snprintf(info->state, sizeof info->state, "%.31s", state);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        info->ended = info->ended || strcmp(state, ends[i]) == 0;
    info->total = number_of(doc, counts, "total");
    info->completed = number_of(doc, counts, "completed");
    info->failed = number_of(doc, counts, "failed");
    info->expires_at = number_of(doc, root, "expires_at");
    info->output_file = output ? xstrdup(output) : NULL;
    info->error_file = errors ? xstrdup(errors) : NULL;
    read_errors(info, doc, json_member(doc, root, "errors"));
    return 0;
}

void batch_info_free(struct batch_info *info)
{
    free(info->output_file);
    free(info->error_file);
    *info = (struct batch_info){0};
}

int api_cancel(struct batch_api *api, const char *batch, struct error *err)
{
    struct buf path = {0};
    buf_addf(&path, "/batches/%s/cancel", batch);
    const struct http_request request = {.method = HTTP_POST, .path = path.data, .body = ""};
    int result = call(api, &request, err);
    buf_free(&path);
    return result;
}
