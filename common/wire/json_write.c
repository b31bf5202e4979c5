/* json_write.c - writing: strings, numbers, and objects that leave as they came but for one member. */
#include "wire/json.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_add_string(struct buf *out, const char *text, size_t len)
{
    size_t done = 0;
    buf_reserve(out, len + 2);
    buf_addch(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        buf_add(out, text + done, i - done);
        done = i + 1;
        switch (c) {
        case '"':
        case '\\':
            buf_addch(out, '\\');
            buf_addch(out, (char)c);
            break;
        case '\b':
            buf_addstr(out, "\\b");
            break;
        case '\f':
            buf_addstr(out, "\\f");
            break;
        case '\n':
            buf_addstr(out, "\\n");
            break;
        case '\r':
            buf_addstr(out, "\\r");
            break;
        case '\t':
            buf_addstr(out, "\\t");
            break;
        default:
            buf_addf(out, "\\u%04x", c);
        }
    }
    buf_add(out, text + done, len - done);
    buf_addch(out, '"');
}

/* Appends what printf's %g wrote: the decimal point is '.', the exponent without '+' and leading zeros. */
static void add_number(struct buf *out, const char *text)
{
    char number[64];
    size_t len = 0;
    for (const char *c = text; *c; c++) {
        number[len++] = *c == ',' ? '.' : *c;
        if (*c == 'e') {
            if (c[1] == '-')
                number[len++] = '-';
            c += c[1] == '-' || c[1] == '+';
            while (c[1] == '0' && c[2])
                c++;
        }
    }
    buf_add(out, number, len);
}

void json_add_float(struct buf *out, float value)
{
    char text[64];
    assert(isfinite(value));
    /* Every decimal of up to 6 digits survives a float unless it is subnormal, and 9 always suffice. */
    for (int digits = fabsf(value) < FLT_MIN ? 1 : FLT_DIG; digits <= FLT_DECIMAL_DIG; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    add_number(out, text);
}

void json_add_double(struct buf *out, double value)
{
    char text[64];
    assert(isfinite(value));
    for (int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    add_number(out, text);
}

void json_add_long(struct buf *out, long long value)
{
    buf_addf(out, "%lld", value);
}

struct range {
    size_t begin, end;
};

/* The bytes that go when a member goes: with the comma behind it, of the last member the comma before it. */
static struct range member_range(const struct json *doc, const struct json_node *before, const struct json_node *member)
{
    const struct json_node *after = json_next(doc, member);
    return (struct range){before && !after ? before->end : member->key_begin, after ? after->key_begin : member->end};
}

/* Copies source[begin..end) but for what is cut. */
static void add_source(struct buf *out, const struct json *doc, size_t begin, size_t end, struct range cut)
{
    size_t stop = cut.begin < end ? cut.begin : end, resume = cut.end > begin ? cut.end : begin;
    if (begin < stop)
        buf_add(out, doc->source + begin, stop - begin);
    if (resume < end)
        buf_add(out, doc->source + resume, end - resume);
}

void json_replace_member(struct buf *out, const struct json *doc, const char *name, const char *value, size_t value_len)
{
    const struct json_node *root = json_root(doc), *before = NULL, *last = NULL, *member = json_member(doc, root, name);
    assert(root && root->type == JSON_OBJECT);

    for (const struct json_node *n = json_first(doc, root); n; n = json_next(doc, n)) {
        if (n == member)
            before = last;
        else
            last = n;
    }
    struct range cut = {root->end, root->end};
    if (member)
        cut = member_range(doc, before, member);
    /* The new member follows the last one that stays, else it stands where the old one was, else before the brace. */
    size_t place = last ? last->end : member ? cut.begin : root->end - 1;

    buf_reserve(out, root->end - root->begin + strlen(name) + value_len + 8);
    add_source(out, doc, root->begin, place, cut);
    if (value) {
        if (last)
            buf_addch(out, ',');
        json_add_string(out, name, strlen(name));
        buf_addch(out, ':');
        buf_add(out, value, value_len);
    }
    add_source(out, doc, place, root->end, cut);
}
