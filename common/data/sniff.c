/* sniff.c - formats by content and extension. */
#include "data/sniff.h"

#include <string.h>
#include <strings.h>

enum { LOOK_AT_MOST = 1 << 16 };

static const struct {
    const char *name;
    enum data_format format;
} formats[] = {{"auto", FORMAT_AUTO}, {"glue", FORMAT_GLUE}, {"trees", FORMAT_TREES},
               {"csv", FORMAT_CSV},   {"tsv", FORMAT_TSV},   {"jsonl", FORMAT_JSONL}};

enum data_format data_format_of(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(name, formats[i].name) == 0)
            return formats[i].format;
    return FORMAT_AUTO;
}

const char *data_format_name(enum data_format format)
{
    return formats[format].name; /* the table has the order of the enum */
}

/* The first line with text, as far as it fits; waits for no more input than that. */
static int first_line(struct lines *lines, const char **line, size_t *len, struct error *err)
{
    for (size_t want = 4;; want = *len + 1) {
        if (lines_peek(lines, want, line, len, err) < 0)
            return -1;
        bool ended = *len < want;
        *len = lines->end - lines->begin < LOOK_AT_MOST ? lines->end - lines->begin : LOOK_AT_MOST;
        size_t blank = 0;
        if (*len >= 3 && memcmp(*line, "\xef\xbb\xbf", 3) == 0)
            blank = 3;
        while (blank < *len && memchr(" \t\r\n", (*line)[blank], 4))
            blank++;
        const char *newline = memchr(*line + blank, '\n', *len - blank);
        if (!newline && !ended && *len < LOOK_AT_MOST)
            continue;
        *len = newline ? (size_t)(newline - *line) - blank : *len - blank;
        *line += blank;
        return 0;
    }
}

/* What people hand over that no reader takes. */
static int refuse_foreign(const struct lines *lines, const char *text, size_t len, struct error *err)
{
    static const struct {
        const char *mark;
        size_t len;
        const char *what;
    } foreign[] = {{"\x1f\x8b", 2, "is compressed with gzip; pipe it through zcat, and give - as PATH"},
                   {"\xfd"
                    "7zXZ",
                    5, "is compressed with xz; pipe it through xzcat, and give - as PATH"},
                   {"\x28\xb5\x2f\xfd", 4, "is compressed with zstd; pipe it through zstdcat, and give - as PATH"},
                   {"\xff\xfe", 2, "is UTF-16; convert it with iconv -f UTF-16 -t UTF-8"},
                   {"\xfe\xff", 2, "is UTF-16; convert it with iconv -f UTF-16 -t UTF-8"},
                   {"PAR1", 4, "is Parquet; convert it to CSV or JSONL first"}};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (len >= foreign[i].len && memcmp(text, foreign[i].mark, foreign[i].len) == 0)
            return error_set(err, STATUS_FAILURE, "%s: %s", lines->in.name, foreign[i].what);
    return 0;
}

static bool has_extension(const char *name, const char *extension)
{
    size_t len = strlen(name), wanted = strlen(extension);
    return len > wanted && strcasecmp(name + len - wanted, extension) == 0;
}

static enum data_format guess(const char *name, const char *line, size_t len)
{
    if (len > 0 && line[0] == '{')
        return FORMAT_JSONL;
    if (len > 1 && line[0] == '(' && line[1] >= '0' && line[1] <= '9')
        return FORMAT_TREES;
    if (has_extension(name, ".jsonl") || has_extension(name, ".ndjson") || has_extension(name, ".json"))
        return FORMAT_JSONL;
    if (has_extension(name, ".csv"))
        return FORMAT_CSV;
    if (has_extension(name, ".tsv") || memchr(line, '\t', len))
        return FORMAT_TSV;
    return memchr(line, ',', len) || memchr(line, ';', len) ? FORMAT_CSV : FORMAT_TSV;
}

/* Spreadsheets of countries with a decimal comma separate by semicolons. */
static char guess_delimiter(enum data_format format, const char *line, size_t len)
{
    if (format != FORMAT_CSV)
        return '\t';
    return !memchr(line, ',', len) && memchr(line, ';', len) ? ';' : ',';
}

int sniff(struct lines *lines, enum data_format wanted, struct sniffed *found, struct error *err)
{
    const char *line, *start;
    size_t len, n;
    if (lines_peek(lines, 5, &start, &n, err) < 0)
        return -1;
    *found = (struct sniffed){.is_zip = n >= 4 && memcmp(start, "PK", 2) == 0 &&
                                        (memcmp(start + 2, "\3\4", 2) == 0 || memcmp(start + 2, "\5\6", 2) == 0)};
    if (found->is_zip)
        return 0;
    if (refuse_foreign(lines, start, n, err) < 0 || first_line(lines, &line, &len, err) < 0)
        return -1;
    found->format = wanted != FORMAT_AUTO ? wanted : guess(lines->in.name, line, len);
    found->delimiter = guess_delimiter(found->format, line, len);
    if (found->format == FORMAT_JSONL && len > 0 && line[0] == '[')
        return error_set(err, STATUS_FAILURE,
                         "%s: a JSON array, where one object a line is expected; jq -c '.[]' makes that",
                         lines->in.name);
    return 0;
}
