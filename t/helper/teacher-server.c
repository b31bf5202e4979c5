/* teacher-server.c - a local server that answers POST .../chat/completions in Groq's format, faster than a client can
 * ask, and limits its clients as Groq does. One thread, epoll, HTTP/1.1 with keep-alive, 127.0.0.1 only, no TLS.
 *
 *     teacher-server --port-file FILE [--rows FILE] [--rpm N] [--tpm N] [--rpd N] [--tpd N] [--refund]
 *                    [--early-headers] [--time-scale X] [--latency MS[-MS]] [--fault-share P] [--seed N] [--log FILE]
 *
 * --rows           answers are those of these rows' `teacher` members; other sentences get one made of their text
 * --rpm ...        limits, as buckets that refill continuously; a request takes its prompt's tokens and all that its
 *                  answer may have
 * --refund         what it did not use comes back when the reply goes out
 * --early-headers  the headers tell what was left when the request came in, not when the reply goes out
 * --time-scale X   a minute takes 60/X seconds, a day 1440 such minutes, also in all that the server says
 * --latency        an answer takes so long
 * --fault-share P  part of the requests that meet a fault; which do and what it is depends on the seed, the sentence
 *                  and how often it has been asked, on nothing else
 * --log            a line of JSON for each request when it comes in: when (monotonic seconds), sentence, how often it
 *                  was asked, status, fault; and one when its reply has gone out
 *
 * The port of the system's choice goes to the port file once it is ready. At SIGTERM it prints its counts as a line of
 * JSON. It is for tests: it takes requests in the one form in which groq-reason writes them.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "teacher/limit.h"
#include "wire/json.h"
#include "wire/lines.h"

enum { MOST_CONNECTIONS = 4096, EVENTS = 256, MOST_MINUTES = 100000 };
static const double bytes_per_token = 4.3;

/* ---- what it was told ---- */

static struct {
    const char *port_file, *rows, *log;
    double limits[LIMIT_KINDS];
    bool refund, early_headers;
    double minute;     /* seconds */
    double latency[2]; /* seconds, from and to */
    double fault_share;
    uint64_t seed;
} options = {.minute = 60};

/* ---- sentences ---- */

struct sentence {
    char *text;
    size_t len;
    uint64_t hash;
    char *content; /* of its answer, as a JSON string; NULL: not made yet */
    unsigned attempts;
};

static struct {
    struct sentence *slots; /* open addressing; text NULL: free */
    size_t n_slots, n;
} sentences;

/* FNV-1a, and a finish that spreads what is alike. */
static uint64_t hash_of(const char *text, size_t len, uint64_t seed)
{
    uint64_t h = 14695981039346656037u ^ seed;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

static struct sentence *slot_of(struct sentence *slots, size_t n_slots, const char *text, size_t len, uint64_t hash)
{
    size_t i = hash & (n_slots - 1);
    while (slots[i].text && (slots[i].hash != hash || slots[i].len != len || memcmp(slots[i].text, text, len) != 0))
        i = (i + 1) & (n_slots - 1);
    return &slots[i];
}

static void grow_sentences(void)
{
    size_t n_slots = sentences.n_slots ? 2 * sentences.n_slots : 4096;
    struct sentence *slots = xcalloc(n_slots, sizeof *slots);
    for (size_t i = 0; i < sentences.n_slots; i++) {
        const struct sentence *s = &sentences.slots[i];
        if (s->text)
            *slot_of(slots, n_slots, s->text, s->len, s->hash) = *s;
    }
    free(sentences.slots);
    sentences.slots = slots;
    sentences.n_slots = n_slots;
}

static struct sentence *find_sentence(const char *text, size_t len)
{
    uint64_t hash = hash_of(text, len, 0);
    if (2 * (sentences.n + 1) > sentences.n_slots)
        grow_sentences();
    struct sentence *s = slot_of(sentences.slots, sentences.n_slots, text, len, hash);
    if (!s->text) {
        *s = (struct sentence){.text = xmemdup0(text, len), .len = len, .hash = hash};
        sentences.n++;
    }
    return s;
}

/* ---- answers ---- */

static void add_member(struct buf *out, const char *name, const char *text, size_t len)
{
    buf_addf(out, "\"%s\":", name);
    json_add_string(out, text, len);
}

static void set_content(struct sentence *s, const struct buf *answer)
{
    struct buf literal = {0};
    json_add_string(&literal, answer->data, answer->len);
    free(s->content);
    s->content = literal.data;
}

/* An answer that depends on the text alone. */
static void invent(struct sentence *s)
{
    struct buf b = {0};
    size_t len = strcspn(s->text, " ");
    buf_addf(&b, "{\"reasoning\":\"The word '");
    struct buf word = {0};
    json_add_string(&word, s->text, len);
    buf_add(&b, word.data + 1, word.len - 2);
    buf_addf(&b, "' decides it, number %u of all.\",\"cues\":[{\"text\":%s,\"polarity\":%d}],",
             (unsigned)(s->hash >> 40), word.data, (int)(s->hash >> 8 & 1) * 2 - 1);
    buf_addf(&b, "\"label\":\"%s\",\"confidence\":0.%u,\"counterfactual\":\"not so\"}",
             s->hash >> 8 & 1 ? "positive" : "negative", 50 + (unsigned)(s->hash >> 16) % 50);
    set_content(s, &b);
    buf_free(&word);
    buf_free(&b);
}

/* The answer that a row's teacher member came from. */
static void recall(const struct json *doc, const struct json_node *text, const struct json_node *teacher)
{
    struct buf b = {0};
    static const char *const members[] = {"reasoning", "label_text", "confidence", "counterfactual"};
    static const char *const names[] = {"reasoning", "label", "confidence", "counterfactual"};
    const struct json_node *polarity = json_first(doc, json_member(doc, teacher, "cue_polarity"));
    buf_addstr(&b, "{");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const struct json_node *node = json_member(doc, teacher, members[i]);
        if (node)
            buf_addf(&b, "\"%s\":%.*s,", names[i], (int)(node->end - node->begin), doc->source + node->begin);
    }
    buf_addstr(&b, "\"cues\":[");
    const struct json_node *first = json_first(doc, json_member(doc, teacher, "cues"));
    for (const struct json_node *cue = first; cue; cue = json_next(doc, cue)) {
        buf_addstr(&b, cue == first ? "{" : ",{");
        add_member(&b, "text", cue->text, cue->len);
        buf_addf(&b, ",\"polarity\":%s}", polarity ? polarity->text : "0");
        polarity = polarity ? json_next(doc, polarity) : NULL;
    }
    buf_addstr(&b, "]}");
    set_content(find_sentence(text->text, text->len), &b);
    buf_free(&b);
}

static void read_rows(const char *path)
{
    struct lines lines;
    struct json doc = {0};
    struct error err = {0};
    const char *line;
    size_t len;
    int got;
    if (lines_open(&lines, path, (size_t)1 << 20, &err) < 0)
        die_error(&err);
    while ((got = lines_next(&lines, &line, &len, &err)) > 0) {
        if (json_parse(&doc, line, len, &err) < 0)
            die_error(&err);
        const struct json_node *text = json_member(&doc, json_root(&doc), "sentence");
        const struct json_node *teacher = json_member(&doc, json_root(&doc), "teacher");
        if (text && text->type == JSON_STRING && teacher)
            recall(&doc, text, teacher);
    }
    if (got < 0)
        die_error(&err);
    json_free(&doc);
    lines_close(&lines);
}

/* ---- limits ---- */

static struct {
    double level[LIMIT_KINDS], at;
    double started;
    /* counts */
    double charged[LIMIT_KINDS]; /* after the first minute, what came back taken off */
    double last;
    uint64_t requests, answered, refused, refused_late, too_large, faults;
    unsigned refused_in[MOST_MINUTES];
} limiter;

static bool is_tokens(int k)
{
    return k == LIMIT_TPM || k == LIMIT_TPD;
}

static double period(int k)
{
    return k == LIMIT_RPD || k == LIMIT_TPD ? 1440 * options.minute : options.minute;
}

static void refill(double now)
{
    for (int k = 0; k < LIMIT_KINDS; k++) {
        double flow = options.limits[k] / period(k);
        limiter.level[k] = fmin(options.limits[k], limiter.level[k] + flow * (now - limiter.at));
    }
    limiter.at = now;
}

static void charge(double now, double requests, double tokens)
{
    for (int k = 0; k < LIMIT_KINDS; k++) {
        double amount = is_tokens(k) ? tokens : requests;
        limiter.level[k] = fmin(options.limits[k], limiter.level[k] - amount);
        if (now - limiter.started > options.minute)
            limiter.charged[k] += amount;
    }
}

static size_t minute_of(double now)
{
    double minute = (now - limiter.started) / options.minute;
    return minute < MOST_MINUTES - 1 ? (size_t)minute : MOST_MINUTES - 1;
}

/* As Go prints a time.Duration. */
static void add_span(struct buf *out, double seconds)
{
    if (seconds < 1) {
        buf_addf(out, "%.6gms", 1000 * seconds);
        return;
    }
    long minutes = (long)(seconds / 60);
    if (minutes >= 60)
        buf_addf(out, "%ldh", minutes / 60);
    if (minutes > 0)
        buf_addf(out, "%ldm", minutes % 60);
    buf_addf(out, "%.9gs", seconds - 60 * (double)minutes);
}

/* ---- connections ---- */

enum fault { NO_FAULT, FAULT_500, FAULT_503, FAULT_429, FAULT_CUT, FAULT_HTML, FAULT_CONTENT, FAULT_DROP, FAULTS };
static const char *const fault_names[FAULTS] = {"", "500", "503", "429", "cut", "html", "content", "drop"};

struct connection {
    bool waiting, writing;
    int fd;
    struct buf in, out;
    size_t taken; /* bytes of in that the request under way takes */
    size_t sent;
    bool close_after;
    /* the request under way */
    struct sentence asked; /* a copy: the table moves when it grows */
    long status;
    enum fault fault;
    double due, prompt, budget;
    struct buf headers; /* of the limits, as of its coming in */
    enum limit_kind limit;
    double used, missing;
    uint64_t number;
};

static struct connection *connections[MOST_CONNECTIONS]; /* by descriptor */
static int most_fd, epoll_fd;
static unsigned n_waiting;
static FILE *log_file;

static void hang_up(struct connection *c)
{
    close(c->fd); /* leaves the epoll set, too */
    n_waiting -= c->waiting;
    buf_free(&c->in);
    buf_free(&c->out);
    buf_free(&c->headers);
    connections[c->fd] = NULL;
    free(c);
}

static void want(const struct connection *c, uint32_t events, int op)
{
    struct epoll_event event = {.events = events, .data.fd = c->fd};
    if (epoll_ctl(epoll_fd, op, c->fd, &event) < 0)
        die(STATUS_FAILURE, "epoll_ctl: %s", strerror(errno));
}

static void accept_all(int listening)
{
    int on = 1;
    for (int fd; (fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        if (fd >= MOST_CONNECTIONS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections[fd] = xcalloc(1, sizeof **connections);
        connections[fd]->fd = fd;
        most_fd = fd > most_fd ? fd : most_fd;
        want(connections[fd], EPOLLIN, EPOLL_CTL_ADD);
    }
}

/* ---- requests ---- */

/* The text of the user's message, decoded into doc; NULL where there is none. */
static const struct json_node *user_message(struct json *doc, const char *body, size_t len)
{
    static const char mark[] = "\"role\":\"user\",\"content\":";
    const char *at = memmem(body, len, mark, sizeof mark - 1), *end = body + len;
    if (!at)
        return NULL;
    at += sizeof mark - 1;
    const char *quote = at + 1;
    while (quote < end && *quote != '"')
        quote += *quote == '\\' ? 2 : 1;
    if (quote >= end || json_parse(doc, at, (size_t)(quote + 1 - at), NULL) < 0)
        return NULL;
    return json_root(doc);
}

static double number_after(const char *body, size_t len, const char *mark)
{
    const char *at = memmem(body, len, mark, strlen(mark));
    return at ? strtod(at + strlen(mark), NULL) : 0;
}

static double part_of(uint64_t hash)
{
    return (double)(hash >> 11) * 0x1p-53;
}

static enum fault fault_of(const struct sentence *s)
{
    uint64_t hash = hash_of(s->text, s->len, options.seed * 1000003 + s->attempts);
    if (part_of(hash) >= options.fault_share)
        return NO_FAULT;
    return 1 + hash_of((const char *)&hash, sizeof hash, 1) % (FAULTS - 1);
}

static void add_limit_headers(struct buf *out)
{
    static const enum limit_kind kinds[] = {LIMIT_RPD, LIMIT_TPM};
    static const char *const names[] = {"requests", "tokens"};
    for (size_t i = 0; i < 2; i++) {
        enum limit_kind k = kinds[i];
        double limit = options.limits[k];
        if (limit <= 0)
            continue;
        buf_addf(out,
                 "x-ratelimit-limit-%s: %.0f\r\nx-ratelimit-remaining-%s: %.0f\r\nx-ratelimit-reset-%s: ", names[i],
                 limit, names[i], fmax(floor(limiter.level[k]), 0), names[i]);
        add_span(out, (limit - limiter.level[k]) / limit * period((int)k));
        buf_addstr(out, "\r\n");
    }
}

/* Lets the request through the limits, or not: sets its status. */
static void admit(struct connection *c, double now)
{
    double tokens = c->prompt + c->budget;
    c->status = 200;
    refill(now);
    if (options.limits[LIMIT_TPM] > 0 && tokens > options.limits[LIMIT_TPM]) {
        c->status = 413;
        limiter.too_large++;
        return;
    }
    for (int k = 0; k < LIMIT_KINDS; k++) {
        double missing = (is_tokens(k) ? tokens : 1) - limiter.level[k];
        if (options.limits[k] <= 0 || missing <= 0)
            continue;
        c->status = 429;
        c->limit = (enum limit_kind)k;
        c->used = ceil(options.limits[k] - limiter.level[k]);
        c->missing = missing;
        limiter.refused++;
        limiter.refused_late += now - limiter.started > options.minute;
        limiter.refused_in[minute_of(now)]++;
        return;
    }
    charge(now, 1, tokens);
}

/* A request that meets a fault before the model has seen it costs nothing. */
static void apply_fault(struct connection *c, const struct sentence *s, double now)
{
    c->fault = c->status == 200 && options.fault_share > 0 ? fault_of(s) : NO_FAULT;
    limiter.faults += c->fault != NO_FAULT;
    if (c->fault == FAULT_500 || c->fault == FAULT_503 || c->fault == FAULT_429) {
        c->status = c->fault == FAULT_500 ? 500 : c->fault == FAULT_503 ? 503 : 429;
        charge(now, -1, -(c->prompt + c->budget));
    }
}

static void write_log(const struct connection *c, const struct sentence *s)
{
    struct buf line = {0};
    if (!log_file)
        return;
    buf_addf(&line, "{\"n\":%llu,\"at\":%.6f,", (unsigned long long)c->number, limiter.last);
    add_member(&line, "sentence", s->text, s->len);
    buf_addf(&line, ",\"attempt\":%u,\"status\":%ld,\"fault\":\"%s\"}\n", s->attempts, c->status,
             fault_names[c->fault]);
    fwrite(line.data, 1, line.len, log_file);
    buf_free(&line);
}

static void take_request(struct connection *c, const char *path, const char *body, size_t len)
{
    static struct json doc;
    static const char mark[] = "Sentence: ";
    double now = monotonic_seconds();
    if (limiter.requests == 0)
        limiter.started = limiter.at = now;
    c->number = ++limiter.requests;
    limiter.last = now;
    c->fault = NO_FAULT;
    c->due = now;
    c->close_after = false;
    const struct json_node *message = user_message(&doc, body, len);
    if (!strstr(path, "/chat/completions") || !message) {
        c->status = 404;
        return;
    }
    const char *text = message->text;
    for (const char *p = text; (p = strstr(p, mark));)
        text = p += sizeof mark - 1;
    struct sentence *s = find_sentence(text, message->len - (size_t)(text - message->text));
    s->attempts++;
    if (!s->content)
        invent(s);
    uint64_t hash = hash_of(s->text, s->len, s->attempts);
    c->prompt = floor((double)len / bytes_per_token * (0.95 + 0.1 * part_of(s->hash)));
    c->budget = number_after(body, len, "\"max_completion_tokens\":") + number_after(body, len, "\"max_tokens\":");
    admit(c, now);
    apply_fault(c, s, now);
    c->asked = *s;
    buf_reset(&c->headers);
    add_limit_headers(&c->headers);
    write_log(c, s);
    if (c->status == 200)
        c->due +=
            options.latency[0] + (options.latency[1] - options.latency[0]) * part_of(hash_of((char *)&hash, 8, 2));
}

/* ---- replies ---- */

static void add_error(struct buf *out, const char *message, const char *type, const char *code)
{
    buf_addstr(out, "{\"error\":{");
    add_member(out, "message", message, strlen(message));
    buf_addf(out, ",\"type\":\"%s\",\"code\":\"%s\"}}\n", type, code);
}

static void add_limit_error(struct buf *out, const struct connection *c)
{
    static const char *const marks[LIMIT_KINDS] = {"requests per minute (RPM)", "tokens per minute (TPM)",
                                                   "requests per day (RPD)", "tokens per day (TPD)"};
    struct buf text = {0};
    double limit = options.limits[c->limit];
    const char *type = is_tokens((int)c->limit) ? "tokens" : "requests";
    buf_addf(
        &text,
        "Rate limit reached for model `recorded` in organization `org_0` service tier `on_demand` on %s: Limit %.0f, "
        "Used %.0f, Requested %.0f. Please try again in ",
        marks[c->limit], limit, c->used, is_tokens((int)c->limit) ? c->prompt + c->budget : 1);
    add_span(&text, c->missing / limit * period((int)c->limit));
    buf_addstr(&text, ".");
    add_error(out, text.data, type, "rate_limit_exceeded");
    buf_free(&text);
}

static void add_too_large(struct buf *out, const struct connection *c)
{
    char text[256];
    snprintf(
        text, sizeof text,
        "Request too large for model `recorded` in organization `org_0` service tier `on_demand` on tokens per minute "
        "(TPM): Limit %.0f, Requested %.0f, please reduce your message size and try again.",
        options.limits[LIMIT_TPM], c->prompt + c->budget);
    add_error(out, text, "tokens", "rate_limit_exceeded");
}

/* Answers, and settles what they have cost. */
static void add_completion(struct buf *out, struct connection *c, double now)
{
    const char *content = c->fault == FAULT_CONTENT ? "\"I would say it is rather good.\"" : c->asked.content;
    double output = fmin(floor((double)strlen(content) / bytes_per_token), c->budget);
    buf_addf(
        out,
        "{\"id\":\"chatcmpl-%llu\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"recorded\","
        "\"system_fingerprint\":\"fp_0\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":%s},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],",
        (unsigned long long)c->number, content);
    buf_addf(out,
             "\"usage\":{\"queue_time\":0.001,\"prompt_tokens\":%.0f,\"prompt_time\":0.001,\"completion_tokens\":%.0f,"
             "\"completion_time\":0.1,\"total_tokens\":%.0f,\"total_time\":0.101},\"x_groq\":{\"id\":\"req_%llu\"}}\n",
             c->prompt, output, c->prompt + output, (unsigned long long)c->number);
    refill(now);
    if (options.refund)
        charge(now, 0, output - c->budget);
    limiter.answered += c->fault == NO_FAULT;
}

static const char *reason_of(long status)
{
    return status == 200 ? "OK" : status == 429 ? "Too Many Requests" : "Error";
}

static void write_body(struct buf *body, struct connection *c, double now)
{
    buf_reset(body);
    if (c->status == 429 && c->fault == NO_FAULT)
        add_limit_error(body, c);
    else if (c->status == 429)
        add_error(body, "Rate limit reached for reasons of its own.", "requests", "rate_limit_exceeded");
    else if (c->status == 413)
        add_too_large(body, c);
    else if (c->status == 404)
        add_error(body, "Unknown request URL.", "invalid_request_error", "unknown_url");
    else if (c->status >= 500)
        add_error(body, "The server is currently over capacity. Please back off exponentially.",
                  "internal_server_error", "");
    else
        add_completion(body, c, now);
    if (c->fault == FAULT_HTML) {
        buf_reset(body);
        buf_addstr(body, "<html><body>One moment, please.</body></html>\n");
    }
}

static void add_retry_after(struct buf *out, const struct connection *c)
{
    double seconds = c->fault == NO_FAULT ? c->missing / options.limits[c->limit] * period((int)c->limit) : 1;
    if (options.minute == 60)
        buf_addf(out, "retry-after: %.0f\r\n", ceil(seconds));
    else
        buf_addf(out, "retry-after: %.4f\r\n", seconds * (c->fault == NO_FAULT ? 1 : options.minute / 60));
}

/* Writes the reply to c->out. */
static void compose(struct connection *c, double now)
{
    static struct buf body;
    write_body(&body, c, now);
    if (!options.early_headers) {
        refill(now);
        buf_reset(&c->headers);
        add_limit_headers(&c->headers);
    }
    buf_reset(&c->out);
    c->sent = 0;
    if (c->fault == FAULT_DROP)
        return;
    buf_addf(&c->out, "HTTP/1.1 %ld %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", c->status, reason_of(c->status),
             c->fault == FAULT_HTML ? "text/html" : "application/json", body.len);
    if (c->headers.len > 0)
        buf_add(&c->out, c->headers.data, c->headers.len);
    if (c->status == 429)
        add_retry_after(&c->out, c);
    buf_addstr(&c->out, "\r\n");
    buf_add(&c->out, body.data, c->fault == FAULT_CUT ? body.len / 2 : body.len);
}

/* ---- the loop ---- */

/* Sends what is left of the reply. False: the connection is gone. */
static bool send_reply(struct connection *c)
{
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            if (!c->writing)
                want(c, EPOLLOUT, EPOLL_CTL_MOD);
            c->writing = true;
            return true;
        }
        if (n < 0) {
            hang_up(c);
            return false;
        }
        c->sent += (size_t)n;
    }
    if (c->writing)
        want(c, EPOLLIN, EPOLL_CTL_MOD);
    c->writing = false;
    if (log_file && c->fault != FAULT_DROP)
        fprintf(log_file, "{\"n\":%llu,\"replied\":%.6f}\n", (unsigned long long)c->number, monotonic_seconds());
    if (c->fault == FAULT_CUT || c->fault == FAULT_DROP || c->close_after) {
        hang_up(c);
        return false;
    }
    return true;
}

/* The request's body, once all of it is there; NULL before. */
static const char *whole_request(struct connection *c, size_t *len)
{
    char *head_end = c->in.len ? memmem(c->in.data, c->in.len, "\r\n\r\n", 4) : NULL;
    if (!head_end)
        return NULL;
    *head_end = '\0';
    const char *length = strcasestr(c->in.data, "\r\ncontent-length:");
    *len = length ? strtoul(length + 17, NULL, 10) : 0;
    c->taken = (size_t)(head_end - c->in.data) + 4 + *len;
    if (c->in.len < c->taken) {
        *head_end = '\r';
        return NULL;
    }
    return head_end + 4;
}

static void drop_request(struct connection *c)
{
    memmove(c->in.data, c->in.data + c->taken, c->in.len - c->taken);
    c->in.len -= c->taken;
    c->taken = 0;
}

static void answer(struct connection *c)
{
    n_waiting -= c->waiting;
    c->waiting = false;
    compose(c, monotonic_seconds());
    drop_request(c);
    send_reply(c);
}

static void read_requests(struct connection *c)
{
    size_t len;
    for (;;) {
        buf_reserve(&c->in, 16384);
        ssize_t n = recv(c->fd, c->in.data + c->in.len, 16384, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            hang_up(c);
            return;
        }
        if (n < 0)
            break;
        c->in.len += (size_t)n;
        c->in.data[c->in.len] = '\0';
        if (n < 16384)
            break;
    }
    const char *body = c->waiting ? NULL : whole_request(c, &len);
    if (!body)
        return;
    take_request(c, c->in.data, body, len);
    if (c->due <= limiter.last) {
        answer(c);
    } else {
        c->waiting = true;
        n_waiting++;
    }
}

/* Answers what is due; returns the milliseconds until the next is, -1: none waits. */
static int answer_due(void)
{
    double now = monotonic_seconds(), soonest = INFINITY;
    if (n_waiting == 0)
        return -1;
    for (int fd = 0; fd <= most_fd; fd++) {
        struct connection *c = connections[fd];
        if (!c || !c->waiting)
            continue;
        if (c->due <= now)
            answer(c);
        else
            soonest = fmin(soonest, c->due - now);
    }
    return soonest < INFINITY ? (int)ceil(1000 * soonest) : -1;
}

static void report(void)
{
    double after = limiter.last - limiter.started - options.minute;
    printf("{\"requests\":%llu,\"answered\":%llu,\"faults\":%llu,\"too_large\":%llu,\"refused\":%llu,"
           "\"refused_after_first_minute\":%llu,\"minutes\":%.2f,\"refused_by_minute\":[",
           (unsigned long long)limiter.requests, (unsigned long long)limiter.answered,
           (unsigned long long)limiter.faults, (unsigned long long)limiter.too_large,
           (unsigned long long)limiter.refused, (unsigned long long)limiter.refused_late,
           (limiter.last - limiter.started) / options.minute);
    for (size_t i = 0; i <= minute_of(limiter.last); i++)
        printf("%s%u", i ? "," : "", limiter.refused_in[i]);
    printf("],\"share\":{");
    bool comma = false;
    for (int k = LIMIT_RPM; k <= LIMIT_TPM && after > 0; k++) {
        if (options.limits[k] > 0) {
            printf("%s\"%s\":%.4f", comma ? "," : "", limit_name((enum limit_kind)k),
                   limiter.charged[k] / (options.limits[k] * after / period(k)));
            comma = true;
        }
    }
    printf("}}\n");
}

static int listen_here(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        die(STATUS_FAILURE, "cannot listen: %s", strerror(errno));
    struct buf port = {0};
    struct error err = {0};
    buf_addf(&port, "%d\n", ntohs(address.sin_port));
    if (file_write(options.port_file, port.data, port.len, &err) < 0)
        die_error(&err);
    buf_free(&port);
    return fd;
}

static void add_to_epoll(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die(STATUS_FAILURE, "epoll_ctl: %s", strerror(errno));
}

static void serve(int listening, int signals)
{
    struct epoll_event events[EVENTS];
    int timeout = -1;
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, timeout);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == signals)
                return;
            if (fd == listening)
                accept_all(fd);
            else if (connections[fd] && connections[fd]->writing)
                send_reply(connections[fd]);
            else if (connections[fd])
                read_requests(connections[fd]);
        }
        timeout = answer_due();
    }
}

/* ---- options ---- */

static void parse_latency(const char *text)
{
    char *end;
    options.latency[0] = options.latency[1] = strtod(text, &end) / 1000;
    if (*end == '-')
        options.latency[1] = strtod(end + 1, NULL) / 1000;
}

static void parse_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"port-file", required_argument, NULL, 'p'}, {"rows", required_argument, NULL, 'r'},
        {"log", required_argument, NULL, 'l'},       {"rpm", required_argument, NULL, LIMIT_RPM},
        {"tpm", required_argument, NULL, LIMIT_TPM}, {"rpd", required_argument, NULL, LIMIT_RPD},
        {"tpd", required_argument, NULL, LIMIT_TPD}, {"refund", no_argument, NULL, 'f'},
        {"early-headers", no_argument, NULL, 'e'},   {"time-scale", required_argument, NULL, 't'},
        {"latency", required_argument, NULL, 'L'},   {"fault-share", required_argument, NULL, 'F'},
        {"seed", required_argument, NULL, 's'},      {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (c < LIMIT_KINDS)
            options.limits[c] = strtod(optarg, NULL);
        else if (c == 'p' || c == 'r' || c == 'l')
            *(c == 'p' ? &options.port_file : c == 'r' ? &options.rows : &options.log) = optarg;
        else if (c == 'f')
            options.refund = true;
        else if (c == 'e')
            options.early_headers = true;
        else if (c == 't')
            options.minute = 60 / strtod(optarg, NULL);
        else if (c == 'L')
            parse_latency(optarg);
        else if (c == 'F')
            options.fault_share = strtod(optarg, NULL);
        else if (c == 's')
            options.seed = strtoull(optarg, NULL, 10);
        else
            exit(STATUS_USAGE);
    }
    if (!options.port_file || optind < argc)
        die(STATUS_USAGE, "usage: teacher-server --port-file FILE [OPTION...]");
}

int main(int argc, char **argv)
{
    sigset_t set;
    diag_init("teacher-server");
    parse_options(argc, argv);
    if (options.rows)
        read_rows(options.rows);
    if (options.log && !(log_file = fopen(options.log, "a")))
        die(STATUS_FAILURE, "%s: %s", options.log, strerror(errno));
    if (log_file)
        setvbuf(log_file, NULL, _IOLBF, 0); /* a request is in it before its reply is out */
    memcpy(limiter.level, options.limits, sizeof limiter.level);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (signals < 0 || epoll_fd < 0)
        die(STATUS_FAILURE, "%s", strerror(errno));
    int listening = listen_here();
    add_to_epoll(signals);
    add_to_epoll(listening);
    serve(listening, signals);
    report();
    if (log_file && fclose(log_file) != 0)
        die(STATUS_FAILURE, "%s: %s", options.log, strerror(errno));
    return 0;
}
