/* source.c - see source.h. */
#include "data/source.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

enum { SHOWN_MAX = 40 }; /* bytes of a foreign text in a message */

enum data_step source_line(struct lines *lines, const char **line, size_t *len, struct error *err)
{
    static const char mark[] = "\xef\xbb\xbf";
    int got = lines_next(lines, line, len, err);
    if (got <= 0)
        return got < 0 ? DATA_FAILED : DATA_END;
    if (lines->number == 1 && *len >= 3 && memcmp(*line, mark, 3) == 0) {
        *line += 3;
        *len -= 3;
    }
    return DATA_ROW;
}

size_t source_strip_cr(const char *line, size_t len)
{
    return len > 0 && line[len - 1] == '\r' ? len - 1 : len;
}

int source_check_utf8(const struct lines *lines, uint64_t number, const char *text, size_t len, struct error *err)
{
    size_t bad = utf8_check(text, len);
    if (bad == len)
        return 0;
    size_t column = bad;
    for (size_t i = 0; i < bad; i++) { /* a quoted field may run over several lines */
        if (text[i] == '\n') {
            number++;
            column = bad - i - 1;
        }
    }
    return error_set(err, STATUS_FAILURE,
                     "%s:%llu: byte %zu: invalid UTF-8 (0x%02x); convert the file with iconv -t UTF-8", lines->in.name,
                     (unsigned long long)number, column + 1, (unsigned char)text[bad]);
}

void source_quote(struct buf *out, const char *text, size_t len)
{
    size_t shown = len;
    if (len > SHOWN_MAX)
        for (shown = SHOWN_MAX; shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80;)
            shown--;
    buf_addch(out, '\'');
    for (size_t i = 0; i < shown; i++) /* the text goes through %s */
        buf_addch(out, text[i] ? text[i] : '?');
    buf_addstr(out, shown < len ? "...'" : "'");
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

const char *source_word(const char **text, const char *end, size_t *len)
{
    const char *at = *text;
    while (at < end && is_space(*at))
        at++;
    const char *word = at;
    while (at < end && !is_space(*at))
        at++;
    *text = at;
    *len = (size_t)(at - word);
    return *len > 0 ? word : NULL;
}
