/* table.c - records of delimited text: splitting, the header, rows. */
#include "data/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/labels.h"
#include "data/source.h"

/* A record longer than this is a quote that was never closed. */
static const size_t longest_record = (size_t)64 << 20;
static const size_t no_column = SIZE_MAX;

/* ---- records ---- */

static void add_field(struct table *t, const char *text, size_t len)
{
    if (t->n_fields == t->cap_fields) {
        t->cap_fields = t->cap_fields ? 2 * t->cap_fields : 16;
        t->fields = xrealloc_array(t->fields, t->cap_fields, sizeof *t->fields);
    }
    t->fields[t->n_fields++] = (struct field){text, len};
}

static void split_plain(struct table *t, const char *line, size_t len)
{
    const char *end = line + len, *at = line, *stop;
    while ((stop = memchr(at, t->delimiter, (size_t)(end - at))) != NULL) {
        add_field(t, at, (size_t)(stop - at));
        at = stop + 1;
    }
    add_field(t, at, (size_t)(end - at));
}

static enum data_step bad_record(const struct table *t, const char *reason, struct error *err)
{
    error_set(err, STATUS_FAILURE, "%s:%llu: column %zu: %s", t->lines->in.name, (unsigned long long)t->number,
              t->n_fields + 1, reason);
    return DATA_BAD_ROW;
}

/* Splits t->record. The fields point into t->values, which is made large enough first so that it does not move. */
static enum data_step split_quoted(struct table *t, struct error *err)
{
    const char *at = t->record.data, *end = at + t->record.len;
    buf_reset(&t->values);
    buf_reserve(&t->values, t->record.len + 1);
    for (;;) {
        size_t begin = t->values.len;
        if (at < end && *at == '"') {
            for (at++; at < end; at++) {
                if (*at == '"' && (at + 1 == end || at[1] != '"'))
                    break;
                at += *at == '"';
                buf_addch(&t->values, *at);
            }
            at++; /* the closing quote: read_record has seen to it that there is one */
            if (at < end && *at != t->delimiter)
                return bad_record(t, "text after the closing quote; a quote inside a quoted field is written twice",
                                  err);
        } else {
            const char *stop = memchr(at, t->delimiter, (size_t)(end - at));
            size_t len = (size_t)((stop ? stop : end) - at);
            buf_add(&t->values, at, len);
            at += len;
        }
        add_field(t, t->values.data + begin, t->values.len - begin);
        if (at >= end)
            return DATA_ROW;
        at++;
    }
}

/* Whether a quoted field is still open behind this line, given whether one was open before it. */
static bool stays_open(const char *line, size_t len, char delimiter, bool open)
{
    bool field_begins = !open;
    for (size_t i = 0; i < len; i++) {
        if (open && line[i] == '"' && i + 1 < len && line[i + 1] == '"')
            i++;
        else if (line[i] == '"' && (open || field_begins))
            open = !open;
        field_begins = !open && line[i] == delimiter;
    }
    return open;
}

/* Collects the lines of a record into t->record, the first of which is given. */
static enum data_step join_lines(struct table *t, const char *line, size_t len, struct error *err)
{
    bool open = stays_open(line, len, t->delimiter, false);
    buf_reset(&t->record);
    buf_add(&t->record, line, len);
    while (open) {
        enum data_step step = source_line(t->lines, &line, &len, err);
        if (step == DATA_FAILED)
            return step;
        if (step == DATA_END || len > longest_record - t->record.len) {
            error_set(err, STATUS_FAILURE, "%s:%llu: a quoted field that begins in this row is never closed",
                      t->lines->in.name, (unsigned long long)t->number);
            return step == DATA_END ? DATA_BAD_ROW : DATA_FAILED;
        }
        open = stays_open(line, len, t->delimiter, true);
        buf_addch(&t->record, '\n');
        buf_add(&t->record, line, len);
    }
    t->record.len = source_strip_cr(t->record.data, t->record.len);
    return DATA_ROW;
}

static enum data_step read_record(struct table *t, struct error *err)
{
    const char *line;
    size_t len;
    t->n_fields = 0;
    do {
        enum data_step step = source_line(t->lines, &line, &len, err);
        if (step != DATA_ROW)
            return step;
    } while (source_strip_cr(line, len) == 0);
    t->number = t->lines->number;

    if (!t->quoted || !memchr(line, '"', len)) {
        len = source_strip_cr(line, len);
        if (source_check_utf8(t->lines, t->number, line, len, err) < 0)
            return DATA_BAD_ROW;
        split_plain(t, line, len);
        return DATA_ROW;
    }
    enum data_step step = join_lines(t, line, len, err);
    if (step != DATA_ROW)
        return step;
    if (source_check_utf8(t->lines, t->number, t->record.data, t->record.len, err) < 0)
        return DATA_BAD_ROW;
    return split_quoted(t, err);
}

/* ---- the header ---- */

static bool is_name(const struct buf *name, const char *text)
{
    return name->len == strlen(text) && memcmp(name->data, text, name->len) == 0;
}

/* no_column where there is none; *twice tells whether the name stands there more than once. */
static size_t find_name(const struct table *t, const char *name, bool *twice)
{
    size_t found = no_column;
    *twice = false;
    for (size_t i = 0; t->names && i < t->n_columns; i++) {
        if (!is_name(&t->names[i], name))
            continue;
        *twice = found != no_column;
        found = found == no_column ? i : found;
    }
    return found;
}

/* "its columns are 'id', 'review', 'stars'" */
static void add_columns(struct buf *out, const struct table *t)
{
    if (!t->names) {
        buf_addf(out, "the rows have %zu column%s", t->n_columns, t->n_columns == 1 ? "" : "s");
        return;
    }
    buf_addstr(out, t->n_columns == 1 ? "its one column is " : "its columns are ");
    for (size_t i = 0; i < t->n_columns; i++) {
        buf_addstr(out, i ? ", " : "");
        source_quote(out, t->names[i].data, t->names[i].len);
    }
}

/* A column that the user named: by name, else by its number. */
static int find_column(const struct table *t, const char *option, const char *name, size_t *column, struct error *err)
{
    bool twice;
    *column = find_name(t, name, &twice);
    if (twice)
        return error_set(err, STATUS_USAGE, "%s:%llu: two columns are called '%s'; give the number of one with %s",
                         t->lines->in.name, (unsigned long long)t->number, name, option);
    if (*column != no_column)
        return 0;
    char *end = NULL;
    unsigned long number = name[0] >= '0' && name[0] <= '9' ? strtoul(name, &end, 10) : 0;
    if (number >= 1 && number <= t->n_columns && *end == '\0') {
        *column = number - 1;
        return 0;
    }
    struct buf columns = {0};
    add_columns(&columns, t);
    error_set(err, STATUS_USAGE, "%s:%llu: no column '%s' for %s; %s", t->lines->in.name, (unsigned long long)t->number,
              name, option, columns.data);
    buf_free(&columns);
    return -1;
}

/* The usual names, where the user gave none. */
static int choose_usual_columns(struct table *t, struct error *err)
{
    bool twice;
    if (!t->label_name && find_name(t, "label", &twice) != no_column)
        t->label_name = "label";
    if (!t->text_name && find_name(t, "sentence", &twice) != no_column)
        t->text_name = "sentence";
    if (!t->text_name && find_name(t, "text", &twice) != no_column)
        t->text_name = "text";
    if (t->text_name)
        return 0;
    struct buf columns = {0};
    add_columns(&columns, t);
    error_set(err, STATUS_FAILURE,
              "%s:%llu: the header names no column 'sentence' or 'text'; give --text-column, and "
              "--no-header where the first line is data; %s",
              t->lines->in.name, (unsigned long long)t->number, columns.data);
    buf_free(&columns);
    return -1;
}

static void keep_names(struct table *t)
{
    t->names = xcalloc(t->n_fields, sizeof *t->names);
    for (size_t i = 0; i < t->n_fields; i++)
        buf_add(&t->names[i], t->fields[i].text, t->fields[i].len);
}

int table_open(struct table *t, struct lines *lines, const struct data_options *options, char delimiter, bool quoted,
               struct error *err)
{
    *t = (struct table){.lines = lines,
                        .labels = &options->labels,
                        .delimiter = delimiter,
                        .quoted = quoted,
                        .text_column = no_column,
                        .label_column = no_column,
                        .text_name = options->text_column,
                        .label_name = options->label_column};
    enum data_step step = read_record(t, err);
    if (step == DATA_END)
        return error_set(err, STATUS_FAILURE, "%s: empty: a table needs a header line", lines->in.name);
    if (step != DATA_ROW)
        goto failed;
    t->n_columns = t->n_fields;
    if (!options->no_header)
        keep_names(t);
    t->pending = options->no_header;
    if (choose_usual_columns(t, err) < 0 || find_column(t, "--text-column", t->text_name, &t->text_column, err) < 0 ||
        (t->label_name && find_column(t, "--label-column", t->label_name, &t->label_column, err) < 0))
        goto failed;
    return 0;
failed:
    table_close(t);
    return -1;
}

/* ---- rows ---- */

/* Puts the place of a column before the text of *err. */
static enum data_step blame_column(const struct table *t, size_t column, struct error *err)
{
    struct buf name = {0};
    if (t->names)
        source_quote(&name, t->names[column].data, t->names[column].len);
    else
        buf_addf(&name, "%zu", column + 1);
    error_prefix(err, "%s:%llu: column %s", t->lines->in.name, (unsigned long long)t->number, name.data);
    buf_free(&name);
    return DATA_BAD_ROW;
}

enum data_step table_next(struct table *t, struct data_row *row, struct error *err)
{
    enum data_step step = t->pending ? DATA_ROW : read_record(t, err);
    t->pending = false;
    *row = (struct data_row){.idx = t->next_idx, .label = LABEL_UNKNOWN};
    if (step == DATA_END || step == DATA_FAILED)
        return step;
    t->next_idx++; /* a row that is skipped keeps its place */
    if (step != DATA_ROW)
        return step;
    if (t->n_fields != t->n_columns) {
        error_set(err, STATUS_FAILURE, "%s:%llu: column %zu: the row has %zu column%s where the %s has %zu",
                  t->lines->in.name, (unsigned long long)t->number,
                  (t->n_fields < t->n_columns ? t->n_fields : t->n_columns) + 1, t->n_fields,
                  t->n_fields == 1 ? "" : "s", t->names ? "header" : "first row", t->n_columns);
        return DATA_BAD_ROW;
    }
    row->sentence = t->fields[t->text_column].text;
    row->sentence_len = t->fields[t->text_column].len;
    if (t->label_column == no_column)
        return DATA_ROW;
    const struct field *label = &t->fields[t->label_column];
    if (labels_find(t->labels, label->text, label->len, &row->label, &row->label_text, err) < 0)
        return blame_column(t, t->label_column, err);
    return DATA_ROW;
}

void table_close(struct table *t)
{
    buf_free(&t->record);
    buf_free(&t->values);
    for (size_t i = 0; t->names && i < t->n_columns; i++)
        buf_free(&t->names[i]);
    free(t->names);
    free(t->fields);
    *t = (struct table){0};
}
