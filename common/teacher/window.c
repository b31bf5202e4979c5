/* window.c - see window.h. */
#include "teacher/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "teacher/plain.h"
#include "teacher/record.h"

static const size_t most_bytes = (size_t)64 << 20;

void window_init(struct window *w, size_t cap)
{
    *w = (struct window){.cap = cap, .rows = xcalloc(cap, sizeof(struct row))};
}

bool window_full(const struct window *w)
{
    return w->n == w->cap || w->bytes > most_bytes;
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

int window_add(struct window *w, struct asker *a, const char *line, size_t len, uint64_t number, bool ask,
               struct error *why, struct error *err)
{
    assert(w->n < w->cap);
    struct row *row = &w->rows[(w->first + w->n) % w->cap];
    *row = (struct row){.line = xmemdup0(line, len), .len = len};
    w->n++;
    w->bytes += len;
    if (!ask)
        return 0;
    const struct json_node *sentence = row_sentence(&w->doc, row->line, row->len, number, &row->unreadable, why);
    if (sentence)
        return asker_ask(a, sentence->text, sentence->len, &row->question, err) < 0 ? -1 : 1;
    record_write_error(&row->error, &(struct record){.kind = "input", .code = "", .message = why->text});
    return 0;
}

static void write_row(struct window *w, struct row *row, struct output *out)
{
    const struct buf *teacher = row->question ? &row->question->teacher : &row->error;
    buf_reset(&w->text);
    if (!row->question && row->error.len == 0) {
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
    w->failed += row->question ? row->question->failed : row->error.len > 0;
    w->written++;
}

/* The first row goes. */
static void drop_first(struct window *w, struct asker *a)
{
    struct row *row = &w->rows[w->first];
    asker_release(a, row->question);
    w->bytes -= row->len;
    free(row->line);
    buf_free(&row->error);
    w->first = (w->first + 1) % w->cap;
    w->n--;
}

size_t window_write(struct window *w, struct asker *a, struct output *out)
{
    size_t n = 0;
    while (w->n > 0) {
        struct row *row = &w->rows[w->first];
        if (row->question && !row->question->done)
            break;
        write_row(w, row, out);
        drop_first(w, a);
        n++;
    }
    return n;
}

void window_free(struct window *w, struct asker *a)
{
    while (w->n > 0)
        drop_first(w, a);
    free(w->rows);
    json_free(&w->doc);
    buf_free(&w->text);
    *w = (struct window){0};
}
