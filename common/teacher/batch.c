/* batch.c - see batch.h. Here: what the commands share, status, cancel. */
#include "teacher/batch.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "teacher/batch_internal.h"

enum { MOST_COMPLAINTS = 10 };

int batch_command_find(const char *name)
{
    static const char *const names[] = {"submit", "status", "fetch", "cancel"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0)
            return (int)i;
    }
    return -1;
}

/* ---- words ---- */

static void put(const struct batch *b, void (*where)(const char *), const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void put(const struct batch *b, void (*where)(const char *), const char *format, va_list args)
{
    char text[1200];
    vsnprintf(text, sizeof text, format, args);
    key_redact(b->api.http_settings.key, text, strlen(text), false);
    where(text);
}

void batch_say(const struct batch *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put(b, b->settings->say, format, args);
    va_end(args);
}

void batch_complain(const struct batch *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put(b, b->settings->complain, format, args);
    va_end(args);
}

/* ---- rows ---- */

/* Waits until lines_next need not. -1: a signal has come. */
static int wait_for_line(const struct batch *b, struct lines *lines, struct error *err)
{
    const struct api_signals *signals = &b->settings->signals;
    while (*signals->count == 0 && !lines_ready(lines)) {
        struct pollfd fds[2] = {{.fd = signals->fd, .events = POLLIN}, {.fd = lines->in.fd, .events = POLLIN}};
        poll(fds, 2, -1);
    }
    if (*signals->count == 0)
        return 0;
    return error_set(err, 128 + *signals->number, "%s", strsignal(*signals->number));
}

static struct span_of_text find_sentence(struct batch *b, const char *line, size_t len, uint64_t number)
{
    struct error why = {0};
    bool unreadable;
    const struct json_node *sentence = row_sentence(&b->doc, line, len, number, &unreadable, &why);
    if (sentence)
        return (struct span_of_text){sentence->text, sentence->len};
    if (b->complaints++ < MOST_COMPLAINTS)
        batch_complain(b, "%s: %s", b->settings->rows->in.name, why.text);
    return (struct span_of_text){NULL, 0};
}

int batch_each_row(struct batch *b, int (*take)(void *user, const struct batch_row *row, struct error *err), void *user,
                   struct error *err)
{
    struct lines *lines = b->settings->rows;
    struct batch_row row = {0};
    long asked = 0;
    int got;
    for (;;) {
        if (wait_for_line(b, lines, err) < 0)
            return -1;
        if ((got = lines_next(lines, &row.line, &row.len, err)) <= 0)
            return got;
        if (plain_trim((struct span_of_text){row.line, row.len}).len == 0)
            continue;
        row.number = lines->number;
        row.ask = b->settings->ask < 0 || asked < b->settings->ask;
        row.sentence = (struct span_of_text){NULL, 0};
        if (row.ask)
            row.sentence = find_sentence(b, row.line, row.len, row.number);
        asked += row.sentence.at != NULL;
        if (take(user, &row, err) < 0)
            return -1;
    }
}

/* ---- parts ---- */

bool batch_is_here(const struct batch *b, const struct batch_part *part)
{
    return strcmp(part->server, b->api.http_settings.endpoint->identity) == 0;
}

void batch_open_keys(const struct batch_state *state, struct key_set *keys)
{
    for (size_t i = 0; i < state->n; i++) {
        const struct batch_part *part = &state->parts[i];
        for (size_t k = 0; batch_part_is_open(part) && k < part->keys.n; k++)
            key_set_add(keys, part->keys.keys[k]);
    }
}

/* An earlier run ended while the batch of this part was being ordered, or before. */
static int settle_part(struct batch *b, struct batch_part *part, struct error *err)
{
    char *batch = NULL;
    struct error ignored = {0};
    int found = part->state == PART_ORDERING ? api_find(&b->api, part->file, &batch, err) : 0;
    if (found < 0)
        return error_prefix(err, "an earlier run may have ordered a batch of %lld questions", part->questions);
    if (found > 0) {
        int result = batch_state_note(&b->state, part, PART_ORDERED, batch, err);
        if (result == 0)
            batch_say(b, "batch %s: ordered by an earlier run that was cut short, %lld questions", batch,
                      part->questions);
        free(batch);
        return result;
    }
    if (part->file && api_delete(&b->api, part->file, &ignored) < 0 && ignored.status > 128) {
        *err = ignored;
        return -1;
    }
    return batch_state_note(&b->state, part, PART_DROPPED, NULL, err);
}

/* Brings what earlier runs left unfinished to an end: ordered, or dropped. */
static int settle(struct batch *b, struct error *err)
{
    for (size_t i = 0; i < b->state.n; i++) {
        struct batch_part *part = &b->state.parts[i];
        if (part->state <= PART_ORDERING && batch_is_here(b, part) && settle_part(b, part, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- status ---- */

static void add_time(struct buf *out, long long at)
{
    char text[32];
    time_t seconds = (time_t)at;
    struct tm tm;
    if (at > 0 && localtime_r(&seconds, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm) > 0)
        buf_addf(out, "  expires %s", text);
}

static void add_counts(struct buf *out, const struct batch_info *info, long long questions)
{
    long long total = info->total > 0 ? info->total : questions;
    if (info->completed >= 0)
        buf_addf(out, "  %lld of %lld answered, %lld failed", info->completed, total,
                 info->failed < 0 ? 0 : info->failed);
    else
        buf_addf(out, "  %lld questions", total);
}

/* One line; *open is set where it is not over. */
static int show_part(struct batch *b, const struct batch_part *part, struct buf *out, bool *open, struct error *err)
{
    struct batch_info info = {0};
    if (part->state == PART_FETCHED) {
        buf_addf(out, "%s  %s  %lld questions  fetched\n", part->batch, part->ended, part->questions);
    } else if (part->state <= PART_ORDERING) {
        buf_addf(out, "-  unfinished  %lld questions  submit or fetch will see to it\n", part->questions);
        *open = true;
    } else if (api_batch(&b->api, part->batch, &info, err) == 0) {
        buf_addf(out, "%s  %s", part->batch, info.state);
        add_counts(out, &info, part->questions);
        if (!info.ended)
            add_time(out, info.expires_at);
        buf_addf(out, "%s%s%s\n", info.ended ? "  to be fetched" : "", *info.errors ? "  " : "", info.errors);
        *open = !info.ended;
    } else {
        return -1;
    }
    batch_info_free(&info);
    return 0;
}

/* The line quotes the server, and goes to a terminal as like as not. */
static void neutralise(struct buf *line)
{
    for (size_t i = 0; i + 1 < line->len; i++) {
        if ((unsigned char)line->data[i] < ' ' || line->data[i] == 0x7f)
            line->data[i] = '?';
    }
}

static int status(struct batch *b, struct error *err)
{
    struct buf line = {0};
    size_t n_open = 0, elsewhere = 0;
    int result = 0;
    for (size_t i = 0; i < b->state.n && result == 0; i++) {
        const struct batch_part *part = &b->state.parts[i];
        bool open = false;
        elsewhere += part->state < PART_FETCHED && !batch_is_here(b, part);
        if (part->state == PART_DROPPED || !batch_is_here(b, part))
            continue;
        buf_reset(&line);
        result = show_part(b, part, &line, &open, err);
        n_open += open;
        neutralise(&line);
        if (result == 0 && output_write(b->settings->output, line.data, line.len) < 0)
            break; /* the caller looks at output->error */
    }
    buf_free(&line);
    if (elsewhere)
        batch_say(b, "%zu batches at other servers are not shown: name theirs with --profile or --base-url", elsewhere);
    if (result == 0 && n_open)
        result = error_set(err, STATUS_RESUMABLE, "%zu %s not ended yet", n_open,
                           n_open == 1 ? "batch has" : "batches have");
    return result < 0 ? err->status : STATUS_OK;
}

/* ---- cancel ---- */

/* Where it could not be told to end: 0 if there is nothing left to end. */
static int look_why_not(struct batch *b, struct batch_part *part, struct error *err)
{
    struct batch_info info = {0};
    struct error ignored = {0};
    int result = -1;
    if (b->api.gone) {
        batch_complain(b, "batch %s: the server does not know it (any more); its %lld questions count as never asked",
                       part->batch, part->questions);
        result = batch_state_note(&b->state, part, PART_DROPPED, NULL, err);
    } else if (b->api.refused && api_batch(&b->api, part->batch, &info, &ignored) == 0 && info.ended) {
        batch_say(b, "batch %s: %s already; to be fetched", part->batch, info.state);
        result = 0;
    }
    if (result == 0)
        *err = (struct error){0};
    batch_info_free(&info);
    return result;
}

static int cancel_part(struct batch *b, struct batch_part *part, bool *told, struct error *err)
{
    *told = api_cancel(&b->api, part->batch, err) == 0;
    if (!*told)
        return look_why_not(b, part, err);
    batch_say(b, "batch %s: cancelling", part->batch);
    return batch_state_note(&b->state, part, PART_CANCELLING, NULL, err);
}

static int cancel(struct batch *b, struct error *err)
{
    size_t n = 0, n_open = 0;
    for (size_t i = 0; i < b->state.n; i++) {
        struct batch_part *part = &b->state.parts[i];
        bool told;
        if (!batch_part_is_open(part) || !batch_is_here(b, part))
            continue;
        if (cancel_part(b, part, &told, err) < 0)
            return err->status;
        n += told;
        n_open++;
    }
    if (n)
        batch_say(b, "that may take ten minutes; what was answered by then is paid for: get it with --batch fetch");
    else if (!n_open)
        batch_say(b, "no batch was open");
    return STATUS_OK;
}

/* ---- all ---- */

int batch_open_questions(const char *journal_path, struct key_set *keys, struct error *err)
{
    struct batch_state state;
    if (batch_state_open(&state, journal_path, false, err) < 0)
        return -1;
    batch_open_keys(&state, keys);
    batch_state_close(&state);
    return 0;
}

int batch_run(enum batch_command command, const struct batch_settings *s, struct error *err)
{
    const struct asker_settings *a = &s->asker->settings;
    struct batch b = {.settings = s,
                      .api = {.http_settings = a->http,
                              .retries = a->retries,
                              .max_wait = a->max_wait,
                              .sends_nothing = a->sends_nothing,
                              .signals = s->signals}};
    int result = STATUS_OK;
    if (command == BATCH_FETCH && a->journal->read_only) {
        error_set(err, STATUS_FAILURE, "%s: may only be read, but answers would have to be kept in it",
                  s->journal_path);
        return err->status;
    }
    b.api.http_settings.concurrency = 1;
    batch_api_init(&b.api);
    if (batch_state_open(&b.state, s->journal_path, command != BATCH_STATUS, err) < 0 ||
        (command != BATCH_STATUS && settle(&b, err) < 0))
        result = err->status;
    else if (command == BATCH_SUBMIT)
        result = batch_submit(&b, err);
    else if (command == BATCH_STATUS)
        result = status(&b, err);
    else if (command == BATCH_FETCH)
        result = batch_fetch(&b, err);
    else
        result = cancel(&b, err);
    batch_state_close(&b.state);
    batch_api_close(&b.api);
    json_free(&b.doc);
    return result;
}
