/* class_names.c - see class_names.h. */
#include "base/class_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

int class_names_find(const struct class_names *c, const char *name, size_t len)
{
    for (size_t i = 0; i < c->n; i++)
        if (strlen(c->names[i]) == len && memcmp(c->names[i], name, len) == 0)
            return (int)i;
    return -1;
}

static int add_name(struct class_names *c, const char *name, size_t len, const char *list, struct error *err)
{
    while (len > 0 && *name == ' ') {
        name++;
        len--;
    }
    while (len > 0 && name[len - 1] == ' ')
        len--;
    if (len == 0)
        return error_set(err, STATUS_USAGE, "--labels '%s': an empty name; write it as negative,positive", list);
    if (class_names_find(c, name, len) >= 0)
        return error_set(err, STATUS_USAGE, "--labels '%s': the name '%.*s' stands there twice", list, (int)len, name);
    c->names = xrealloc_array(c->names, c->n + 1, sizeof *c->names);
    c->names[c->n++] = xmemdup0(name, len);
    return 0;
}

int class_names_parse(struct class_names *c, const char *list, struct error *err)
{
    *c = (struct class_names){0};
    if (utf8_check(list, strlen(list)) < strlen(list))
        return error_set(err, STATUS_USAGE, "--labels: not UTF-8");
    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ",");
        if (add_name(c, at, len, list, err) < 0)
            goto failed;
        at += len;
        if (*at == '\0')
            break;
    }
    if (c->n >= 2)
        return 0;
    error_set(err, STATUS_USAGE, "--labels '%s': at least two names are needed, separated by commas", list);
failed:
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
