/* sentences.c - sniffing, text lines and TSV. NDJSON rows are in sentences_json.c. */
#include "text/sentences.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "text/sentences_json.h"

static size_t without_cr(const char *line, size_t len)
{
    return len > 0 && line[len - 1] == '\r' ? len - 1 : len;
}

/* Some editors begin a file with U+FEFF. */
static size_t byte_order_mark(const char *line, size_t len)
{
    return len >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

/* ---- the format ---- */

static bool column_is(const char *column, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(column, name, len) == 0;
}

static void read_header(struct sentence_format *f, const char *line, size_t len)
{
    const char *end = line + len;

    f->columns = 0;
    f->sentence = f->label = f->idx = f->pair = -1;
    for (const char *p = line;; p++) {
        const char *tab = memchr(p, '\t', (size_t)(end - p));
        size_t n = (size_t)((tab ? tab : end) - p);
        if (column_is(p, n, "sentence"))
            f->sentence = (long)f->columns;
        else if (column_is(p, n, "label"))
            f->label = (long)f->columns;
        else if (column_is(p, n, "idx") || column_is(p, n, "index"))
            f->idx = (long)f->columns;
        if (f->pair_member && column_is(p, n, f->pair_member))
            f->pair = (long)f->columns;
        f->columns++;
        if (!tab)
            return;
        p = tab;
    }
}

/* A safetensors frame: a small little-endian length, then a JSON header. */
static bool is_frame(const char *line, size_t len)
{
    return len >= 9 && memcmp(line + 4, "\0\0\0\0{", 5) == 0;
}

int sentence_format_sniff(struct sentence_format *f, const char *name, const char *line, size_t len, struct error *err)
{
    bool automatic = strcmp(name, "auto") == 0;
    size_t skip = byte_order_mark(line, len), first = skip;

    f->has_header = false;
    if (is_frame(line, len))
        return error_set(err, STATUS_FAILURE, "this is a token stream already; bert-train and bert-infer read it");
    len = without_cr(line, len);
    while (first < len && (line[first] == ' ' || line[first] == '\t'))
        first++;
    f->kind = SENTENCES_TEXT;
    if (strcmp(name, "ndjson") == 0 || (automatic && first < len && line[first] == '{'))
        f->kind = SENTENCES_NDJSON;
    if (strcmp(name, "tsv") == 0 || (automatic && f->kind == SENTENCES_TEXT && memchr(line, '\t', len))) {
        read_header(f, line + skip, len - skip);
        if (f->sentence >= 0)
            f->kind = SENTENCES_TSV;
        else if (!automatic)
            return error_set(err, STATUS_FAILURE, "the header has no column 'sentence'");
    }
    f->has_header = f->kind == SENTENCES_TSV;
    if (f->pair_member && f->kind == SENTENCES_TEXT)
        return error_set(err, STATUS_USAGE, "--pair '%s': text lines have no members; NDJSON or TSV is needed",
                         f->pair_member);
    if (f->pair_member && f->kind == SENTENCES_TSV && f->pair < 0)
        return error_set(err, STATUS_USAGE, "--pair '%s': the header has no such column", f->pair_member);
    return 0;
}

/* ---- rows ---- */

static int parse_label(const struct sentence_format *f, const char *text, size_t len, int *label, struct error *err)
{
    char *end, number[24] = {0};
    long value;

    *label = -1;
    if (!f->labels || len == 0)
        return 0;
    *label = class_names_find(f->labels, text, len);
    if (*label >= 0)
        return 0;
    if (len >= sizeof number)
        return sentence_label_error(text, len, err);
    memcpy(number, text, len);
    errno = 0;
    value = strtol(number, &end, 10);
    if (*end || errno || strlen(number) != len || value < -1 || value >= (long)f->labels->n)
        return sentence_label_error(text, len, err);
    *label = (int)value;
    return 0;
}

static void parse_idx(struct sentence *s, const char *text, size_t len)
{
    char *end, number[24] = {0};
    long long value;

    s->idx_is_odd = len > 0;
    if (len == 0 || len >= sizeof number)
        return;
    memcpy(number, text, len);
    errno = 0;
    value = strtoll(number, &end, 10);
    if (*end || errno || strlen(number) != len)
        return;
    s->idx = value;
    s->idx_is_number = true;
    s->idx_is_odd = false;
}

static int parse_tsv(const struct sentence_format *f, const char *line, size_t len, struct sentence *s,
                     struct error *err)
{
    const char *end = line + len;
    size_t column = 0;

    for (const char *p = line;; p++, column++) {
        const char *tab = memchr(p, '\t', (size_t)(end - p));
        size_t n = (size_t)((tab ? tab : end) - p);
        if ((long)column == f->sentence) {
            s->text = p;
            s->len = n;
        } else if ((long)column == f->label && parse_label(f, p, n, &s->label, err) < 0) {
            return -1;
        } else if ((long)column == f->idx) {
            parse_idx(s, p, n);
        }
        if ((long)column == f->pair) {
            s->pair = p;
            s->pair_len = n;
        }
        if (!tab)
            break;
        p = tab;
    }
    if (column + 1 != f->columns)
        return error_set(err, STATUS_FAILURE, "%zu columns, but the header has %zu", column + 1, f->columns);
    return 0;
}

int sentence_parse(const struct sentence_format *f, struct sentence_parser *parser, const char *line, size_t len,
                   uint64_t number, struct sentence *s, struct error *err)
{
    size_t valid = utf8_check(line, len);

    *s = (struct sentence){.idx = (long long)number, .label = -1, .teacher_label = -1, .confidence = -1};
    if (valid < len)
        return error_set(err, STATUS_FAILURE, "byte %zu is not UTF-8 (0x%02x); --replace-invalid puts U+FFFD there",
                         valid + 1, (unsigned)(unsigned char)line[valid]);
    if (f->kind == SENTENCES_NDJSON) {
        size_t skip = number == 0 ? byte_order_mark(line, len) : 0;
        return sentence_parse_json(f, parser, line + skip, len - skip, s, err);
    }
    len = without_cr(line, len);
    if (f->kind == SENTENCES_TSV)
        return parse_tsv(f, line, len, s, err);
    s->text = line;
    s->len = len;
    return 0;
}

void sentence_parser_free(struct sentence_parser *parser)
{
    json_free(&parser->doc);
    free(parser->cues);
    free(parser->probs);
    *parser = (struct sentence_parser){0};
}

/* ---- invalid UTF-8 ---- */

/* Length of the maximal part at text[0..len) that begins a character and is not one; at least 1. */
static size_t invalid_part(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char low = 0x80, high = 0xBF;
    size_t want = s[0] >= 0xF0 && s[0] <= 0xF4  ? 4
                  : s[0] >= 0xE0 && s[0] < 0xF0 ? 3
                  : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
                                                : 1;
    size_t n = 1;

    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;
    while (n < want && n < len && s[n] >= low && s[n] <= high) {
        low = 0x80;
        high = 0xBF;
        n++;
    }
    return n;
}

void sentence_replace_invalid(struct buf *out, const char *text, size_t len)
{
    while (len > 0) {
        size_t valid = utf8_check(text, len);
        buf_add(out, text, valid);
        text += valid;
        len -= valid;
        if (len > 0) {
            size_t n = invalid_part(text, len);
            buf_add(out, "\xEF\xBF\xBD", 3);
            text += n;
            len -= n;
        }
    }
}
