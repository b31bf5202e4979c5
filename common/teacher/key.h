/* key.h - the API key: from the profile's environment variable or from a file that only its owner can read.
 *
 * It never comes from the command line, where `ps` would show it, and goes nowhere but into the Authorization header.
 * What a server sends back is searched for it before anything is printed or kept (key_redact). The process leaves no
 * core file once it holds a key.
 */
#ifndef TEACHER_KEY_H
#define TEACHER_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct key {
    char *text; /* NULL: none */
    size_t len;
};

/* From `file` if it is not NULL, else from the environment variable `variable` if that is not NULL. Neither there: 0
 * with text NULL. STATUS_USAGE, without ever quoting it, for a file that others can read or a key that is no single
 * line of printable ASCII. */
int key_load(struct key *key, const char *file, const char *variable, struct error *err);
/* Overwrites every occurrence in data with asterisks. In an answer only a key of 16 bytes or more: what is shorter is
 * the dummy of a local server ("none", "ollama") and may be a word of the answer. */
void key_redact(const struct key *key, char *data, size_t len, bool is_answer);
/* Wipes and frees. */
void key_free(struct key *key);

#endif
