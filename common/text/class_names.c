/* class_names.c - splits a list at its commas. */
#include "text/class_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

int class_names_find(const struct class_names *c, const char *name, size_t len)
{
    for (size_t i = 0; i < c->n; i++)
        if (strlen(c->names[i]) == len && memcmp(c->names[i], name, len) == 0)
            return (int)i;
    return -1;
}

int class_names_parse(struct class_names *c, const char *list, struct error *err)
{
    const char *begin = list;

    *c = (struct class_names){0};
    for (;;) {
        size_t len = strcspn(begin, ",");
        if (len == 0) {
            error_set(err, STATUS_USAGE, "--labels '%s': an empty name", list);
            break;
        }
        if (class_names_find(c, begin, len) >= 0) {
            error_set(err, STATUS_USAGE, "--labels '%s': '%.*s' is named twice", list, (int)len, begin);
            break;
        }
        c->names = xrealloc_array(c->names, c->n + 1, sizeof *c->names);
        c->names[c->n++] = xmemdup0(begin, len);
        begin += len;
        if (*begin++ == ',')
            continue;
        if (c->n >= 2)
            return 0;
        error_set(err, STATUS_USAGE, "--labels '%s': at least two names, separated by commas", list);
        break;
    }
    class_names_free(c);
    return -1;
}

void class_names_free(struct class_names *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->names[i]);
    free(c->names);
    *c = (struct class_names){0};
}
