/* download.c - one file through libcurl. */
#include "data/download.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"

enum { MAX_TRIES = 5, MAX_IDLE = 2, MAX_REDIRECTS = 10, CONNECT_SECONDS = 30, STALL_SECONDS = 60, STATE_MAX = 16384 };

/* What one answer said about itself; cleared when the next one (after a redirect) begins. */
struct answer {
    char etag[256], last_modified[128], content_type[128];
    long long range_begin, range_total; /* of Content-Range; -1: none */
};

struct transfer {
    struct download *d;
    CURL *curl;
    int fd;
    long long have;    /* bytes of the file in PART */
    char version[256]; /* of those bytes; "" unknown */
    struct answer answer;
    bool begun; /* the answer was looked at and its bytes are taken */
    bool fatal; /* trying again cannot help */
    struct progress progress;
    struct error *err; /* set by a callback that ends the transfer */
};

/* ---- addresses ---- */

static bool is_loopback(const char *host)
{
    struct in_addr address; /* the whole name must be one: 127.example.org is none */
    if (inet_pton(AF_INET, host, &address) == 1)
        return ntohl(address.s_addr) >> 24 == 127;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

/* https goes anywhere, http only to this machine. */
static int check_url(const char *url, bool *loopback, struct error *err)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *name = NULL;
    int rc = 0;
    if (!parts || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &name, 0) != CURLUE_OK) {
        rc = error_set(err, STATUS_USAGE, "%s: not an address of the kind https://HOST/PATH", url);
    } else {
        *loopback = is_loopback(name);
        if (strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && *loopback))
            rc = error_set(err, STATUS_USAGE, "%s: only https is fetched (http only from this machine)", url);
    }
    curl_free(scheme);
    curl_free(name);
    curl_url_cleanup(parts);
    return rc;
}

/* ---- what belongs to the part ---- */

static char *state_path(const char *part)
{
    struct buf path = {0};
    buf_addf(&path, "%s.from", part);
    return path.data;
}

void download_discard(const char *part)
{
    char *state = state_path(part);
    unlink(part);
    unlink(state);
    free(state);
}

/* The version of the bytes in PART, "" where it is unknown or they came from another URL. */
static void read_version(struct transfer *t)
{
    char *path = state_path(t->d->part);
    size_t len;
    char *text = path_exists(path) ? file_read(path, STATE_MAX, &len, NULL) : NULL;
    char *line = text ? strchr(text, '\n') : NULL;
    t->version[0] = '\0';
    if (line) {
        *line++ = '\0';
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(text, t->d->url) == 0 && strlen(line) < sizeof t->version)
            strcpy(t->version, line);
    }
    free(text);
    free(path);
}

static int write_version(const struct transfer *t, const char *version)
{
    char *path = state_path(t->d->part);
    struct buf text = {0};
    buf_addf(&text, "%s\n%s\n", t->d->url, version);
    int rc = file_write(path, text.data, text.len, t->err);
    buf_free(&text);
    free(path);
    return rc;
}

/* ---- callbacks ---- */

/* Copies a header's value without the white space around it; nothing where it does not fit. */
static void copy_value(char *out, size_t size, const char *value, size_t len)
{
    while (len > 0 && isspace((unsigned char)value[0])) {
        value++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)value[len - 1]))
        len--;
    out[0] = '\0';
    if (len < size && !memchr(value, '\0', len)) {
        memcpy(out, value, len);
        out[len] = '\0';
    }
}

static bool has_name(const char *line, size_t len, const char *name, size_t *value)
{
    *value = strlen(name) + 1;
    return len >= *value && strncasecmp(line, name, *value - 1) == 0 && line[*value - 1] == ':';
}

static size_t take_header(char *line, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    struct answer *a = &t->answer;
    size_t len = size * count, value;
    char text[128];
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        *a = (struct answer){.range_begin = -1, .range_total = -1};
    } else if (has_name(line, len, "etag", &value)) {
        copy_value(a->etag, sizeof a->etag, line + value, len - value);
    } else if (has_name(line, len, "last-modified", &value)) {
        copy_value(a->last_modified, sizeof a->last_modified, line + value, len - value);
    } else if (has_name(line, len, "content-type", &value)) {
        copy_value(a->content_type, sizeof a->content_type, line + value, len - value);
    } else if (has_name(line, len, "content-range", &value)) {
        copy_value(text, sizeof text, line + value, len - value);
        if (sscanf(text, "bytes %lld-%*d/%lld", &a->range_begin, &a->range_total) < 1)
            a->range_begin = -1;
    }
    return len;
}

/* What If-Range may name: a weak ETag does not promise the same bytes. */
static const char *version_of(const struct answer *a)
{
    return a->etag[0] == '"' ? a->etag : a->last_modified;
}

/* Looks at the answer when its first bytes arrive, and makes PART ready for them. */
static int begin_body(struct transfer *t, const char *data, size_t len)
{
    long status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    const struct answer *a = &t->answer;
    if (status == 206) {
        if (a->range_begin != t->have ||
            (a->etag[0] == '"' && t->version[0] == '"' && strcmp(a->etag, t->version) != 0)) {
            t->have = 0; /* not what was asked for: the next try starts over */
            return error_set(t->err, STATUS_FAILURE, "%s: the server sent another part of the file than was asked for",
                             t->d->url);
        }
        t->d->resumed = true;
        return 0;
    }
    if (strncasecmp(a->content_type, "text/html", 9) == 0 || len < strlen(t->d->magic) ||
        memcmp(data, t->d->magic, strlen(t->d->magic)) != 0) {
        t->fatal = true;
        return error_set(t->err, STATUS_FAILURE,
                         "%s: the answer is no zip archive but %s; a proxy or login page may be in "
                         "the way",
                         t->d->url, a->content_type[0] ? a->content_type : "something else");
    }
    t->have = 0;
    t->d->resumed = false;
    if (ftruncate(t->fd, 0) < 0 || lseek(t->fd, 0, SEEK_SET) < 0) {
        t->fatal = true;
        return error_set(t->err, STATUS_FAILURE, "%s: %s", t->d->part, strerror(errno));
    }
    strcpy(t->version, version_of(a));
    return write_version(t, t->version);
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t len = size * count;
    long status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 206)
        return len; /* the text of an error or a redirect */
    if (!t->begun) {
        curl_off_t left = -1;
        if (begin_body(t, data, len) < 0)
            return 0;
        curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &left);
        t->progress.total = left > 0 ? (uint64_t)(t->have + left) : 0;
        t->begun = true;
    }
    if (write_full(t->fd, data, len, t->d->part, t->err) < 0) {
        t->fatal = true;
        return 0;
    }
    t->have += (long long)len;
    progress_update(&t->progress, (uint64_t)t->have, NULL);
    return len;
}

/* ---- one try ---- */

static void set_options(struct transfer *t, const char *url, bool loopback, struct curl_slist **headers, char *message)
{
    CURL *c = t->curl;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, message);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "sst2-dump");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    if (loopback)
        curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    if (t->have > 0) {
        struct buf line = {0};
        buf_addf(&line, "Range: bytes=%lld-", t->have);
        *headers = curl_slist_append(*headers, line.data);
        buf_reset(&line);
        buf_addf(&line, "If-Range: %s", t->version);
        *headers = curl_slist_append(*headers, line.data);
        buf_free(&line);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
    }
}

/* 0: whole; 1: *next is where the server points; -1. */
static int judge(struct transfer *t, const char *url, CURLcode code, const char *message, char **next)
{
    long status = 0;
    char *redirect = NULL;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &redirect);
    if (t->err->status)
        return -1; /* a callback said why */
    if (code != CURLE_OK) {
        const char *reason = message[0] ? message : curl_easy_strerror(code);
        t->fatal = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
                   code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR ||
                   code == CURLE_PEER_FAILED_VERIFICATION;
        return error_set(t->err, STATUS_FAILURE, "%s: %s", url, reason);
    }
    if (redirect) {
        *next = xstrdup(redirect);
        return 1;
    }
    if (status == 416) { /* there is no such rest: the part does not fit the file */
        t->have = 0;
        return error_set(t->err, STATUS_FAILURE, "%s: the server does not have the rest of the file", url);
    }
    if (status != 200 && status != 206) {
        t->fatal = status < 500 && status != 408 && status != 429;
        return error_set(t->err, STATUS_FAILURE, "%s: the server answered %ld", url, status);
    }
    if (!t->begun)
        return error_set(t->err, STATUS_FAILURE, "%s: the server sent an empty file", url);
    if (t->answer.range_total >= 0 && t->have != t->answer.range_total)
        return error_set(t->err, STATUS_FAILURE, "%s: only %lld of %lld bytes came", url, t->have,
                         t->answer.range_total);
    return 0;
}

/* One request and what it is redirected to. */
static int transfer_once(struct transfer *t)
{
    char *url = xstrdup(t->d->url), *next = NULL;
    int rc = 1;
    t->begun = false;
    *t->err = (struct error){0};
    for (int hops = 0; rc == 1; hops++) {
        char message[CURL_ERROR_SIZE] = "";
        struct curl_slist *headers = NULL;
        bool loopback;
        if (hops > MAX_REDIRECTS)
            error_set(t->err, STATUS_FAILURE, "%s: redirected more than %d times", t->d->url, MAX_REDIRECTS);
        if (hops > MAX_REDIRECTS || check_url(url, &loopback, t->err) < 0) {
            t->fatal = true;
            rc = -1;
            break;
        }
        set_options(t, url, loopback, &headers, message);
        CURLcode code = curl_easy_perform(t->curl);
        rc = judge(t, url, code, message, &next);
        curl_slist_free_all(headers);
        if (rc == 1) {
            free(url);
            url = next;
            next = NULL;
        }
    }
    free(url);
    return rc;
}

/* ---- all tries ---- */

static int open_part(struct transfer *t)
{
    t->fd = open(t->d->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (t->fd < 0)
        return error_set(t->err, STATUS_FAILURE, "%s: cannot create: %s", t->d->part, strerror(errno));
    off_t end = lseek(t->fd, 0, SEEK_END);
    read_version(t);
    t->have = t->version[0] && end > 0 ? (long long)end : 0;
    return 0;
}

static int try_until_done(struct transfer *t)
{
    int idle = 0; /* tries that brought no byte */
    for (int tries = 1;; tries++) {
        int rc = transfer_once(t);
        if (rc == 0 || t->fatal)
            return rc;
        idle += !t->begun;
        if (t->have > 0 && !t->version[0])
            t->have = 0; /* nothing says that the next answer would be the same file */
        if (tries == MAX_TRIES || idle == MAX_IDLE)
            return -1;
        if (!t->begun)
            sleep(1);
        if (lseek(t->fd, (off_t)t->have, SEEK_SET) < 0)
            return error_set(t->err, STATUS_FAILURE, "%s: %s", t->d->part, strerror(errno));
    }
}

int download_run(struct download *d, struct error *err)
{
    struct error local = {0};
    struct transfer t = {.d = d, .fd = -1, .err = &local};
    bool loopback;
    d->resumed = false;
    if (check_url(d->url, &loopback, err) < 0)
        return -1;
    int rc = -1;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(t.curl = curl_easy_init()))
        error_set(&local, STATUS_FAILURE, "libcurl does not start");
    else if (open_part(&t) == 0) {
        progress_start(&t.progress, "bytes", 0);
        rc = try_until_done(&t);
        if (rc == 0 && fsync(t.fd) < 0 && errno != EINVAL)
            rc = error_set(&local, STATUS_FAILURE, "%s: cannot write: %s", d->part, strerror(errno));
        progress_finish(&t.progress);
    }
    if (t.fd >= 0)
        close(t.fd);
    curl_easy_cleanup(t.curl);
    curl_global_cleanup();
    if (rc < 0 && t.have > 0)
        return error_set(err, local.status, "%s (the first %lld bytes are kept; the same command goes on behind them)",
                         local.text, t.have);
    if (rc < 0) {
        download_discard(d->part);
        return error_set(err, local.status, "%s", local.text);
    }
    return 0;
}
