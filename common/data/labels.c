/* labels.c - class names and class numbers. */
#include "data/labels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/memory.h"
#include "data/row.h"
#include "data/source.h"

/* A whole number, also as programs that keep numbers as doubles write it (1.0). */
static bool parse_number(const char *text, size_t len, long *value)
{
    size_t at = 0;
    bool minus = len > 0 && text[0] == '-';
    if (len > 0 && (text[0] == '-' || text[0] == '+'))
        at++;
    size_t digits = at;
    long n = 0;
    for (; at < len && text[at] >= '0' && text[at] <= '9' && n < 1000000000; at++)
        n = 10 * n + (text[at] - '0');
    if (at == digits)
        return false;
    if (at < len && text[at] == '.')
        for (at++; at < len && text[at] == '0';)
            at++;
    *value = minus ? -n : n;
    return at == len;
}

static int explain(const struct class_names *labels, const char *text, size_t len, bool is_number, struct error *err)
{
    struct buf shown = {0}, names = {0};
    source_quote(&shown, text, len);
    for (size_t i = 0; i < labels->n; i++)
        buf_addf(&names, "%s%s", i ? "," : "", labels->names[i]);
    if (is_number)
        error_set(err, STATUS_USAGE, "%s is outside 0 to %zu, the classes of %s; name every class with --labels",
                  shown.data, labels->n - 1, names.data);
    else
        error_set(err, STATUS_USAGE, "%s is not one of the labels %s; name every class with --labels", shown.data,
                  names.data);
    buf_free(&shown);
    buf_free(&names);
    return -1;
}

int labels_find(const struct class_names *labels, const char *text, size_t len, int *label, const char **name,
                struct error *err)
{
    long number = LABEL_UNKNOWN;
    int named = class_names_find(labels, text, len);
    *label = named >= 0 ? named : LABEL_UNKNOWN;
    *name = named >= 0 ? labels->names[named] : NULL;
    if (*name || len == 0)
        return 0;
    bool is_number = parse_number(text, len, &number);
    if (!is_number || number < LABEL_UNKNOWN || number >= (long)labels->n)
        return explain(labels, text, len, is_number, err);
    *label = (int)number;
    return 0;
}
