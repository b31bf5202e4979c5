/* http.h - many POST requests to one URL at a time, and now and then another request to the same server, through one
 * libcurl multi handle and no thread; over TLS with HTTP/2 where the server has it, and then all of them in one
 * connection.
 *
 *     struct http *http = http_open(&settings, &err);
 *     http_send(http, body, len, question);
 *     http_wait(http, fds, n, 1.5, &err);
 *     struct http_reply reply;
 *     while (http_next(http, &reply))
 *         ...
 *
 * Redirects are not followed, no proxy is used for plain http, nothing is decompressed, a reply over 16 MiB is refused.
 * Silence for `timeout` seconds ends a transfer, and so does ten times that in all. It judges no reply; verdict.h does.
 */
#ifndef TEACHER_HTTP_H
#define TEACHER_HTTP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "teacher/key.h"
#include "teacher/profile.h"

struct http_settings {
    const struct endpoint *endpoint;
    const struct key *key; /* text NULL: no Authorization header */
    const char *ca_file;   /* NULL: the system's */
    long timeout;          /* seconds without a byte */
    unsigned concurrency;  /* the most transfers at a time */
};

enum http_outcome {
    HTTP_REPLY,           /* status and body are there */
    HTTP_NO_NAME,         /* the host's name could not be resolved */
    HTTP_NO_CONNECT,      /* refused, unreachable, no TLS */
    HTTP_CONNECT_TIMEOUT, /* not connected in time: nothing was sent */
    HTTP_UNTRUSTED,       /* the certificate, or the CA file */
    HTTP_TIMEOUT,         /* sent, but no whole reply in time */
    HTTP_RESET,           /* the connection broke before a byte of a reply came */
    HTTP_CUT,             /* the connection broke later, was closed without a word, or the reply ended early */
    HTTP_TOO_LARGE,
    HTTP_NOT_SAVED /* the file that takes the body cannot be written */
};

/* What the headers say; -1 where they do not. Seconds, tokens, requests. */
struct http_limits {
    double retry_after;
    double limit_requests, remaining_requests, reset_requests; /* Groq: a day */
    double limit_tokens, remaining_tokens, reset_tokens;       /* Groq: a minute */
};

struct http_reply {
    void *context; /* of http_send */
    enum http_outcome outcome;
    long status;
    const char *body; /* NUL added, the key in it overwritten; until the next call of http_next or http_send */
    size_t len;
    struct http_limits limits;
    char detail[256]; /* for outcomes other than HTTP_REPLY: libcurl's words */
    double seconds;
};

/* A file that is sent as a form, as the files of batches are. */
struct http_file {
    const char *purpose, *name; /* the form's field `purpose`; the file's name for the server */
    int fd;                     /* read from its beginning, by offset */
    uint64_t size;
};

/* A request other than a question. */
struct http_request {
    enum http_method { HTTP_GET, HTTP_POST, HTTP_DELETE } method;
    const char *path;             /* below the base URL, with its query: "/batches?limit=100" */
    const char *body;             /* POST without a file: JSON, or ""; copied */
    const struct http_file *file; /* POST: instead of a body; NULL: none */
    const int *save_to;           /* a descriptor that takes the body of a 200; NULL: the reply has it */
};

struct http;
struct http *http_open(const struct http_settings *settings, struct error *err);
/* Starts a request; the body is copied. There must be fewer than `concurrency` under way. */
int http_send(struct http *http, const char *body, size_t len, void *context, struct error *err);
/* Starts another request; file and descriptor must live until its reply is taken. What is sent or saved may be of any
 * size and take any time, as long as the connection is not silent. A POST is sent once, whatever happens to it. */
int http_ask(struct http *http, const struct http_request *request, void *context, struct error *err);
unsigned http_under_way(const struct http *http);
/* Waits until a transfer moves, one of the descriptors is readable (revents are set), or `seconds` have passed; then
 * works on the transfers. */
int http_wait(struct http *http, struct pollfd *fds, size_t n_fds, double seconds, struct error *err);
/* Takes the next finished request. */
bool http_next(struct http *http, struct http_reply *reply);
/* Breaks off what is under way. NULL is accepted. */
void http_close(struct http *http);

#endif
