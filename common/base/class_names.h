/* class_names.h - the value of --labels: the names of the classes, in class order, `negative,positive`. */
#ifndef BASE_CLASS_NAMES_H
#define BASE_CLASS_NAMES_H

#include <stddef.h>

#include "base/error.h"

struct class_names {
    char **names; /* NUL-terminated */
    size_t n;
};

/* Takes a comma-separated list apart; blanks around a name are not part of it. Fewer than two names, an empty or a
 * doubled one, or invalid UTF-8 is STATUS_USAGE. */
int class_names_parse(struct class_names *c, const char *list, struct error *err);
void class_names_free(struct class_names *c);
/* The class of a name, -1 where there is none such. */
int class_names_find(const struct class_names *c, const char *name, size_t len);

#endif
