/* http.c - see http.h. */
#include "teacher/http.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "teacher/span.h"

static const size_t largest_reply = (size_t)16 << 20;
static const uint64_t largest_file = (uint64_t)4 << 30;
static const long connect_seconds = 30;
enum { MOST_WAITED_FOR = 4 };

struct transfer {
    CURL *easy;
    struct buf request, reply;
    size_t request_at; /* how much of the request libcurl has taken */
    struct http_limits limits;
    void *context;
    bool busy, expired;
    struct transfer *next_free;
    bool is_question; /* the handle is set up for questions */
    curl_mime *form;
    const struct http_file *file; /* being sent; NULL: none */
    uint64_t file_at, sent;
    const int *save_to; /* NULL: into reply */
    uint64_t saved;
    struct error not_saved;
    double heard; /* when the server was last heard, or the request was sent */
    char detail[CURL_ERROR_SIZE];
};

struct http {
    CURLM *multi;
    struct http_settings settings;
    const struct key *key;
    struct curl_slist *headers, *resolve;
    struct curl_slist *bare_headers; /* without the type of a body */
    struct transfer *transfers, *free;
    unsigned n_transfers, busy, n_expired;
    double timeout;
    double silence_due; /* until then no transfer can have been silent for too long */
};

static const struct http_limits limits_unknown = {-1, -1, -1, -1, -1, -1, -1};

/* ---- callbacks ---- */

/* The part of a body that goes to a file; errors of the server stay in memory, to be read. */
static size_t save(struct transfer *t, const char *data, size_t n)
{
    if (n > largest_file - t->saved || write_full(*t->save_to, data, n, "the downloaded file", &t->not_saved) < 0)
        return 0;
    t->saved += n;
    return n;
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    struct transfer *t = user;
    long status = 0;
    (void)size; /* always 1 */
    t->heard = monotonic_seconds();
    if (t->save_to)
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return save(t, data, n);
    if (n > largest_reply - t->reply.len)
        return 0; /* ends the transfer with CURLE_WRITE_ERROR */
    buf_add(&t->reply, data, n);
    return n;
}

static size_t on_file_read(char *data, size_t size, size_t n, void *user)
{
    struct transfer *t = user;
    uint64_t left = t->file->size - t->file_at;
    size_t want = n * size < left ? n * size : (size_t)left;
    ssize_t got = want ? pread(t->file->fd, data, want, (off_t)t->file_at) : 0;
    if (got < 0 || (got == 0 && want > 0))
        return CURL_READFUNC_ABORT;
    t->file_at += (uint64_t)got;
    return (size_t)got;
}

/* libcurl begins anew where a connection was closed under it. */
static int on_file_seek(void *user, curl_off_t offset, int origin)
{
    struct transfer *t = user;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->file->size)
        return CURL_SEEKFUNC_FAIL;
    t->file_at = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* A server that takes a large file in is not silent. */
static int on_progress(void *user, curl_off_t to_come, curl_off_t came, curl_off_t to_send, curl_off_t sent)
{
    struct transfer *t = user;
    (void)to_come;
    (void)came;
    (void)to_send;
    if ((uint64_t)sent > t->sent)
        t->heard = monotonic_seconds();
    t->sent = (uint64_t)sent;
    return 0;
}

static double number_or_unknown(const char *text)
{
    char *end;
    double value = strtod(text, &end); /* the tool never sets a locale */
    return end > text && isfinite(value) && value >= 0 ? value : -1;
}

static void read_limit(struct http_limits *limits, const char *name, const char *value)
{
    const struct {
        const char *name;
        double *number, *span;
    } known[] = {{"x-ratelimit-limit-requests", &limits->limit_requests, NULL},
                 {"x-ratelimit-remaining-requests", &limits->remaining_requests, NULL},
                 {"x-ratelimit-reset-requests", NULL, &limits->reset_requests},
                 {"x-ratelimit-limit-tokens", &limits->limit_tokens, NULL},
                 {"x-ratelimit-remaining-tokens", &limits->remaining_tokens, NULL},
                 {"x-ratelimit-reset-tokens", NULL, &limits->reset_tokens}};
    if (strcasecmp(name, "retry-after") == 0)
        limits->retry_after = span_retry_after(value, time(NULL));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcasecmp(name, known[i].name) != 0)
            continue;
        if (known[i].number)
            *known[i].number = number_or_unknown(value);
        else
            *known[i].span = span_parse(value, NULL);
    }
}

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
    struct transfer *t = user;
    char line[512];
    (void)size;
    t->heard = monotonic_seconds();
    if (n >= 5 && strncasecmp(data, "HTTP/", 5) == 0)
        t->limits = limits_unknown; /* another response begins (after a 100) */
    if (n >= sizeof line)
        return n; /* none that matters here is so long */
    memcpy(line, data, n);
    line[n] = '\0';
    char *colon = strchr(line, ':');
    if (colon) {
        *colon = '\0';
        char *value = colon + 1 + strspn(colon + 1, " \t");
        value[strcspn(value, "\r\n")] = '\0';
        read_limit(&t->limits, line, value);
    }
    return n;
}

/* ---- opening ---- */

static CURL *make_easy(struct http *h, struct transfer *t, const struct http_settings *s)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_URL, s->endpoint->url);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L); /* the tool ignores SIGPIPE itself */
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->detail);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, s->timeout < connect_seconds ? s->timeout : connect_seconds);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 10 * s->timeout);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)s->endpoint->tls); /* the first connection may be enough for all */
    if (!s->endpoint->tls)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (h->resolve)
        curl_easy_setopt(easy, CURLOPT_RESOLVE, h->resolve);
    if (s->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file);
    return easy;
}

/* The headers that every request has, after those that are given. */
static struct curl_slist *make_headers(struct curl_slist *headers, const struct http_settings *s)
{
    struct buf line = {0};
    headers = curl_slist_append(headers, "Accept: application/json");
    headers = curl_slist_append(headers, "Expect:");               /* no waiting for 100 Continue */
    buf_addf(&line, "User-Agent: groq-reason/%s", distil_version); /* gateways refuse requests without one */
    headers = curl_slist_append(headers, line.data);
    if (s->key->text) {
        buf_reset(&line);
        buf_addf(&line, "Authorization: Bearer %s", s->key->text);
        headers = curl_slist_append(headers, line.data);
        explicit_bzero(line.data, line.len);
    }
    buf_free(&line);
    return headers;
}

static void make_lists(struct http *h, const struct http_settings *s)
{
    h->headers = make_headers(curl_slist_append(NULL, "Content-Type: application/json"), s);
    h->bare_headers = make_headers(NULL, s);
    if (s->endpoint->resolve)
        h->resolve = curl_slist_append(NULL, s->endpoint->resolve);
}

struct http *http_open(const struct http_settings *s, struct error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        error_set(err, STATUS_FAILURE, "libcurl cannot start");
        return NULL;
    }
    struct http *h = xcalloc(1, sizeof *h);
    h->settings = *s;
    h->key = s->key;
    h->timeout = (double)s->timeout;
    h->n_transfers = s->concurrency;
    h->transfers = xcalloc(s->concurrency, sizeof *h->transfers);
    h->multi = curl_multi_init();
    make_lists(h, s);
    bool complete = h->multi != NULL;
    for (unsigned i = 0; i < h->n_transfers && complete; i++) {
        h->transfers[i].easy = make_easy(h, &h->transfers[i], s);
        h->transfers[i].is_question = true;
        complete = h->transfers[i].easy != NULL;
        h->transfers[i].next_free = h->free;
        h->free = &h->transfers[i];
    }
    if (!complete) {
        http_close(h);
        error_set(err, STATUS_FAILURE, "libcurl cannot make %u transfers", s->concurrency);
        return NULL;
    }
    curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(h->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)s->concurrency);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)s->concurrency);
    curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)s->concurrency);
    return h;
}

static void free_headers(struct curl_slist *headers)
{
    for (struct curl_slist *line = headers; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data)); /* the key is in one of them */
    curl_slist_free_all(headers);
}

void http_close(struct http *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < h->n_transfers; i++) {
        struct transfer *t = &h->transfers[i];
        if (t->busy && !t->expired)
            curl_multi_remove_handle(h->multi, t->easy);
        curl_easy_cleanup(t->easy);
        curl_mime_free(t->form);
        buf_free(&t->request);
        buf_free(&t->reply);
    }
    curl_multi_cleanup(h->multi);
    free_headers(h->headers);
    free_headers(h->bare_headers);
    curl_slist_free_all(h->resolve);
    free(h->transfers);
    free(h);
    curl_global_cleanup();
}

/* ---- working ---- */

static int multi_error(CURLMcode rc, struct error *err)
{
    return error_set(err, STATUS_FAILURE, "libcurl: %s", curl_multi_strerror(rc));
}

/* A free transfer whose handle is set up for a question, or as new. */
static struct transfer *take_transfer(struct http *h, bool is_question, void *context, struct error *err)
{
    struct transfer *t = h->free;
    assert(t);
    if (!is_question || !t->is_question) { /* connections belong to the multi handle and stay open */
        curl_easy_cleanup(t->easy);
        curl_mime_free(t->form);
        t->form = NULL;
        t->file = NULL;
        t->save_to = NULL;
        t->easy = make_easy(h, t, &h->settings);
        t->is_question = is_question;
    }
    if (!t->easy) {
        error_set(err, STATUS_FAILURE, "libcurl cannot make a transfer");
        return NULL;
    }
    buf_reset(&t->request);
    buf_reset(&t->reply);
    buf_addstr(&t->reply, "");
    t->limits = limits_unknown;
    t->context = context;
    t->detail[0] = '\0';
    return t;
}

static size_t on_request(char *data, size_t size, size_t n, void *user)
{
    struct transfer *t = user;
    size_t left = t->request.len - t->request_at, taken = size * n < left ? size * n : left;
    memcpy(data, t->request.data + t->request_at, taken);
    t->request_at += taken;
    return taken;
}

/* libcurl would send a request again, without a word, where a connection that was kept open dies before any of the
 * reply is there. It may have been answered and billed; whether to ask again is the caller's business. */
static int on_rewind(void *user, curl_off_t offset, int origin)
{
    const struct transfer *t = user;
    bool untouched = t->request_at == 0 && offset == 0 && origin == SEEK_SET;
    return untouched ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static void set_body(struct transfer *t, const char *body, size_t len)
{
    buf_add(&t->request, body, len);
    t->request_at = 0;
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_request);
    curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
}

static int start(struct http *h, struct transfer *t, struct error *err)
{
    CURLMcode rc = curl_multi_add_handle(h->multi, t->easy);
    if (rc)
        return multi_error(rc, err);
    h->free = t->next_free;
    t->busy = true;
    t->expired = false;
    t->heard = monotonic_seconds();
    h->busy++;
    return 0;
}

int http_send(struct http *h, const char *body, size_t len, void *context, struct error *err)
{
    struct transfer *t = take_transfer(h, true, context, err);
    if (!t)
        return -1;
    set_body(t, body, len);
    return start(h, t, err);
}

static bool set_form(struct transfer *t, const struct http_file *file)
{
    t->file = file;
    t->file_at = t->sent = 0;
    t->form = curl_mime_init(t->easy);
    curl_mimepart *purpose = t->form ? curl_mime_addpart(t->form) : NULL;
    curl_mimepart *part = purpose ? curl_mime_addpart(t->form) : NULL;
    curl_easy_setopt(t->easy, CURLOPT_MIMEPOST, t->form);
    curl_easy_setopt(t->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(t->easy, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(t->easy, CURLOPT_NOPROGRESS, 0L);
    return part && !curl_mime_name(purpose, "purpose") &&
           !curl_mime_data(purpose, file->purpose, CURL_ZERO_TERMINATED) && !curl_mime_name(part, "file") &&
           !curl_mime_filename(part, file->name) && !curl_mime_type(part, "application/jsonl") &&
           !curl_mime_data_cb(part, (curl_off_t)file->size, on_file_read, on_file_seek, NULL, t);
}

int http_ask(struct http *h, const struct http_request *request, void *context, struct error *err)
{
    struct transfer *t = take_transfer(h, false, context, err);
    if (!t)
        return -1;
    char *url = endpoint_url(h->settings.endpoint, request->path);
    curl_easy_setopt(t->easy, CURLOPT_URL, url);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT, 0L);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, request->body ? h->headers : h->bare_headers);
    if (request->method == HTTP_POST) /* libcurl repeats what fails on a connection that was kept open */
        curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
    t->save_to = request->save_to;
    t->saved = 0;
    t->not_saved = (struct error){0};
    free(url);
    if (request->file && !set_form(t, request->file))
        return error_set(err, STATUS_FAILURE, "libcurl cannot make a form");
    if (request->method != HTTP_POST)
        curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
    else if (!request->file)
        set_body(t, request->body, strlen(request->body));
    if (request->method == HTTP_DELETE)
        curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
    return start(h, t, err);
}

unsigned http_under_way(const struct http *h)
{
    return h->busy;
}

/* Breaks off transfers whose server is silent; returns the seconds until the next would be. (libcurl's own low-speed
 * limit averages over five seconds, so it would see a silence of one second after six.) */
static double expire_silent(struct http *h)
{
    double now = monotonic_seconds(), soonest = h->timeout;
    if (now < h->silence_due)
        return h->silence_due - now;
    for (unsigned i = 0; i < h->n_transfers; i++) {
        struct transfer *t = &h->transfers[i];
        if (!t->busy || t->expired)
            continue;
        double left = t->heard + h->timeout - now;
        if (left <= 0) {
            curl_multi_remove_handle(h->multi, t->easy);
            t->expired = true;
            h->n_expired++;
            left = 0;
        }
        soonest = fmin(soonest, left);
    }
    h->silence_due = now + soonest; /* those that begin or are heard meanwhile come later */
    return soonest;
}

int http_wait(struct http *h, struct pollfd *fds, size_t n_fds, double seconds, struct error *err)
{
    struct curl_waitfd extra[MOST_WAITED_FOR];
    int running;
    assert(n_fds <= MOST_WAITED_FOR);
    for (size_t i = 0; i < n_fds; i++)
        extra[i] = (struct curl_waitfd){.fd = fds[i].fd, .events = CURL_WAIT_POLLIN};
    CURLMcode rc = curl_multi_perform(h->multi, &running); /* starts what was just added */
    if (!rc && (unsigned)running < h->busy)
        seconds = 0; /* something has finished */
    if (h->busy > 0)
        seconds = fmin(seconds, expire_silent(h));
    if (!rc)
        rc = curl_multi_poll(h->multi, extra, (unsigned)n_fds, (int)ceil(fmin(seconds, 3600) * 1000), NULL);
    if (!rc)
        rc = curl_multi_perform(h->multi, &running);
    for (size_t i = 0; i < n_fds; i++)
        fds[i].revents = (short)(extra[i].revents ? POLLIN : 0);
    return rc ? multi_error(rc, err) : 0;
}

static enum http_outcome outcome_of_timeout(const struct transfer *t)
{
    curl_off_t sent = 0;
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    return sent > 0 ? HTTP_TIMEOUT : HTTP_CONNECT_TIMEOUT;
}

static enum http_outcome outcome_of(const struct transfer *t, CURLcode rc)
{
    long status = 0;
    switch (rc) {
    case CURLE_OK:
        return HTTP_REPLY;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_NO_NAME;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR: /* nothing was sent yet */
        return HTTP_NO_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return outcome_of_timeout(t);
    case CURLE_SEND_FAIL_REWIND: /* on_rewind */
        return HTTP_CUT;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        return status ? HTTP_CUT : HTTP_RESET;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_UNTRUSTED;
    case CURLE_WRITE_ERROR:
        return t->save_to && t->not_saved.status ? HTTP_NOT_SAVED : HTTP_TOO_LARGE;
    default:
        return HTTP_CUT;
    }
}

/* The next transfer that has ended, and how. */
static struct transfer *next_ended(struct http *h, CURLcode *rc)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));) {
        struct transfer *t = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        *rc = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        curl_multi_remove_handle(h->multi, t->easy);
        return t;
    }
    for (unsigned i = 0; i < h->n_transfers && h->n_expired > 0; i++) {
        struct transfer *t = &h->transfers[i];
        if (t->expired) {
            t->expired = false;
            h->n_expired--;
            *rc = CURLE_OPERATION_TIMEDOUT;
            snprintf(t->detail, sizeof t->detail, "no word from the server for %.0f s", h->timeout);
            return t;
        }
    }
    return NULL;
}

bool http_next(struct http *h, struct http_reply *reply)
{
    CURLcode rc = CURLE_OK;
    struct transfer *t = next_ended(h, &rc);
    curl_off_t microseconds = 0;
    if (!t)
        return false;
    *reply = (struct http_reply){.context = t->context, .outcome = outcome_of(t, rc), .limits = t->limits};
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &microseconds);
    reply->seconds = (double)microseconds * 1e-6;
    key_redact(h->key, t->detail, strlen(t->detail), false); /* before it is cut, perhaps through the key */
    if (reply->outcome == HTTP_NOT_SAVED)
        snprintf(reply->detail, sizeof reply->detail, "%.200s", t->not_saved.text);
    else if (rc)
        snprintf(reply->detail, sizeof reply->detail, "%.200s", t->detail[0] ? t->detail : curl_easy_strerror(rc));
    key_redact(h->key, t->reply.data, t->reply.len, reply->status == 200);
    reply->body = t->reply.data;
    reply->len = t->reply.len;
    t->busy = false;
    t->next_free = h->free;
    h->free = t;
    h->busy--;
    return true;
}
