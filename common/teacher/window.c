/* window.c - see window.h. */
#include "teacher/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "teacher/plain.h"
#include "teacher/record.h"

static const size_t most_bytes = (size_t)64 << 20;

void window_init(struct window *w, const struct window_settings *settings)
{
    *w = (struct window){.settings = *settings,
                         .rows = xcalloc(settings->cap, sizeof(struct row)),
                         .ballots = xcalloc(settings->samples, sizeof(struct ballot))};
}

static struct row *row_at(const struct window *w, size_t i)
{
    return &w->rows[(w->first + i) % w->settings.cap];
}

bool window_full(const struct window *w)
{
    return w->n == w->settings.cap || w->bytes > most_bytes;
}

const struct json_node *row_sentence(struct json *doc, const char *line, size_t len, uint64_t number, bool *unreadable,
                                     struct error *why)
{
    struct error syntax = {0};
    *unreadable = false;
    if (json_parse(doc, line, len, &syntax) < 0) {
        *unreadable = true;
        error_set(why, STATUS_PARTIAL, "line %llu: %s", (unsigned long long)number, syntax.text);
        return NULL;
    }
    const struct json_node *root = json_root(doc), *sentence = json_member(doc, root, "sentence");
    if (root->type != JSON_OBJECT) {
        *unreadable = true;
        error_set(why, STATUS_PARTIAL, "line %llu: not a JSON object", (unsigned long long)number);
    } else if (len > WINDOW_LONGEST_ROW) {
        error_set(why, STATUS_PARTIAL, "line %llu: longer than 1 MiB", (unsigned long long)number);
    } else if (!sentence) {
        error_set(why, STATUS_PARTIAL, "line %llu: no member \"sentence\"", (unsigned long long)number);
    } else if (sentence->type != JSON_STRING) {
        error_set(why, STATUS_PARTIAL, "line %llu: \"sentence\" is no string", (unsigned long long)number);
    } else if (plain_trim((struct span_of_text){sentence->text, sentence->len}).len == 0) {
        error_set(why, STATUS_PARTIAL, "line %llu: \"sentence\" is blank", (unsigned long long)number);
    } else {
        return sentence;
    }
    return NULL;
}

/* Asks for all samples. A question that fails to be asked leaves those before it to drop_row. */
static int ask_samples(struct window *w, struct asker *a, struct row *row, const struct json_node *sentence,
                       struct error *err)
{
    row->questions = xcalloc(w->settings.samples, sizeof *row->questions);
    for (unsigned k = 0; k < w->settings.samples; k++) {
        if (asker_ask(a, sentence->text, sentence->len, k, &row->questions[k], err) < 0) {
            row->questions[k] = NULL;
            return -1;
        }
    }
    return 1;
}

int window_add(struct window *w, struct asker *a, const char *line, size_t len, uint64_t number, bool ask,
               struct error *why, struct error *err)
{
    assert(w->n < w->settings.cap);
    struct row *row = row_at(w, w->n);
    *row = (struct row){.line = xmemdup0(line, len), .len = len, .number = number};
    w->n++;
    w->bytes += len;
    if (!ask)
        return 0;
    const struct json_node *sentence = row_sentence(&w->doc, row->line, row->len, number, &row->unreadable, why);
    if (sentence)
        return ask_samples(w, a, row, sentence, err);
    if (w->settings.strict) {
        w->n--;
        w->bytes -= len;
        free(row->line);
        return 0;
    }
    record_write_error(&row->error, &(struct record){.kind = "input", .code = "", .message = why->text});
    return 0;
}

static bool is_finished(const struct window *w, const struct row *row)
{
    for (unsigned k = 0; row->questions && k < w->settings.samples; k++)
        if (!row->questions[k]->done)
            return false;
    return true;
}

/* Composes the `teacher` member of a row that was asked; whether it is a failure. */
static bool count_votes(struct window *w, const struct row *row)
{
    for (unsigned k = 0; k < w->settings.samples; k++) {
        const struct question *q = row->questions[k];
        w->ballots[k] = (struct ballot){q->failed, q->label, {q->text.data, q->text.len}, q->usage};
    }
    buf_reset(&w->teacher);
    return !votes_write(&w->teacher, w->ballots, w->settings.samples, w->settings.classes);
}

static void write_row(struct window *w, struct row *row, struct output *out)
{
    bool failed = row->questions ? count_votes(w, row) : row->error.len > 0;
    const struct buf *teacher = row->questions ? &w->teacher : &row->error;
    buf_reset(&w->text);
    if (!row->questions && row->error.len == 0) {
        buf_add(&w->text, row->line, row->len);
        w->passed++;
    } else if (row->unreadable) {
        buf_addf(&w->text, "{\"idx\":null,\"teacher\":%s}", row->error.data);
    } else {
        /* It parsed when it came in. */
        int parsed = json_parse(&w->doc, row->line, row->len, NULL);
        assert(parsed == 0);
        (void)parsed;
        json_replace_member(&w->text, &w->doc, "teacher", teacher->data, teacher->len);
    }
    buf_addch(&w->text, '\n');
    output_write(out, w->text.data, w->text.len);
    w->failed += failed;
    w->written++;
    if (w->settings.report)
        row_report_add(w->settings.report, row->number, failed, row->questions,
                       row->questions ? w->settings.samples : 0);
}

/* The i-th row goes; where it is not the first, the first takes its place. */
static void drop_row(struct window *w, struct asker *a, size_t i)
{
    struct row *row = row_at(w, i);
    for (unsigned k = 0; row->questions && k < w->settings.samples; k++)
        asker_release(a, row->questions[k]);
    free(row->questions);
    w->bytes -= row->len;
    free(row->line);
    buf_free(&row->error);
    *row = *row_at(w, 0);
    w->first = (w->first + 1) % w->settings.cap;
    w->n--;
}

size_t window_write(struct window *w, struct asker *a, struct output *out)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n;) {
        struct row *row = row_at(w, i);
        if (is_finished(w, row)) {
            write_row(w, row, out);
            drop_row(w, a, i);
            n++;
        } else if (w->settings.unordered) {
            i++;
        } else {
            break;
        }
    }
    return n;
}

void window_free(struct window *w, struct asker *a)
{
    while (w->n > 0)
        drop_row(w, a, 0);
    free(w->rows);
    json_free(&w->doc);
    free(w->ballots);
    buf_free(&w->text);
    buf_free(&w->teacher);
    *w = (struct window){0};
}
