/* labels.c - class names and class numbers. */
#include "data/labels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/memory.h"
#include "data/row.h"
#include "data/source.h"

static const char *find_name(const struct labels *labels, const char *text, size_t len, int *label)
{
    for (size_t i = 0; i < labels->n; i++) {
        if (strlen(labels->names[i]) != len || memcmp(labels->names[i], text, len) != 0)
            continue;
        *label = (int)i;
        return labels->names[i];
    }
    return NULL;
}

int labels_parse(struct labels *labels, const char *list, struct error *err)
{
    *labels = (struct labels){0};
    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ",");
        int same;
        if (len == 0) {
            error_set(err, STATUS_USAGE, "--labels '%s': an empty name; write it as negative,positive", list);
            goto failed;
        }
        if (find_name(labels, at, len, &same)) {
            error_set(err, STATUS_USAGE, "--labels '%s': the name '%.*s' stands there twice", list, (int)len, at);
            goto failed;
        }
        labels->names = xrealloc_array(labels->names, labels->n + 1, sizeof *labels->names);
        labels->names[labels->n++] = xmemdup0(at, len);
        at += len;
        if (*at == '\0')
            break;
    }
    if (labels->n >= 2)
        return 0;
    error_set(err, STATUS_USAGE, "--labels '%s': at least two names are needed, separated by commas", list);
failed:
    labels_free(labels);
    return -1;
}

void labels_free(struct labels *labels)
{
    for (size_t i = 0; i < labels->n; i++)
        free(labels->names[i]);
    free(labels->names);
    *labels = (struct labels){0};
}

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

static int explain(const struct labels *labels, const char *text, size_t len, bool is_number, struct error *err)
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

int labels_find(const struct labels *labels, const char *text, size_t len, int *label, const char **name,
                struct error *err)
{
    long number = LABEL_UNKNOWN;
    *label = LABEL_UNKNOWN;
    *name = find_name(labels, text, len, label);
    if (*name || len == 0)
        return 0;
    bool is_number = parse_number(text, len, &number);
    if (!is_number || number < LABEL_UNKNOWN || number >= (long)labels->n)
        return explain(labels, text, len, is_number, err);
    *label = (int)number;
    return 0;
}
