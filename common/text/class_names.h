/* class_names.h - the value of --labels: the names of the classes, in class order. */
#ifndef TEXT_CLASS_NAMES_H
#define TEXT_CLASS_NAMES_H

#include <stddef.h>

#include "base/error.h"

struct class_names {
    char **names;
    size_t n;
};

/* "negative,positive": at least two names, none empty, none twice; else STATUS_USAGE. */
int class_names_parse(struct class_names *c, const char *list, struct error *err);
void class_names_free(struct class_names *c);
/* The class of a name, -1 where there is none such. */
int class_names_find(const struct class_names *c, const char *name, size_t len);

#endif
