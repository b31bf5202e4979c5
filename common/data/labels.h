/* labels.h - which class a label of a user's data means. */
#ifndef DATA_LABELS_H
#define DATA_LABELS_H

#include <stddef.h>

#include "base/class_names.h"
#include "base/error.h"

/* The class that text[0..len) stands for: a name of the list (then *name is set to it), or a class number (then *name
 * is NULL), where "" and -1 are LABEL_UNKNOWN. Names win over numbers, so `--labels 1,2,3,4,5` reads star ratings.
 * Anything else is STATUS_USAGE, because it is the list that does not fit the data; the text says what to do, not
 * where. */
int labels_find(const struct class_names *labels, const char *text, size_t len, int *label, const char **name,
                struct error *err);

#endif
