/* profile.h - what differs between the servers that speak OpenAI's chat completions, and where a run sends its
 * questions.
 *
 * A profile is a table row: defaults, the key's variable, names of request fields. It decides nothing that a server can
 * be asked: the format of answers starts at what the model is known to have and is lowered when the server refuses it.
 */
#ifndef TEACHER_PROFILE_H
#define TEACHER_PROFILE_H

#include <stdbool.h>

#include "base/error.h"

/* How an answer is asked for, from the firmest. */
enum answer_format {
    FORMAT_STRICT, /* json_schema, strict: constrained decoding */
    FORMAT_SCHEMA, /* json_schema, best effort */
    FORMAT_OBJECT, /* json_object: any JSON */
    FORMAT_TEXT    /* nothing but the prompt */
};
const char *answer_format_name(enum answer_format format); /* "strict" */

struct profile {
    const char *name;
    const char *base_url;     /* NULL: --base-url must be given */
    const char *model;        /* NULL: --model must be given */
    const char *key_variable; /* NULL: no variable is read */
    bool key_on_loopback;     /* the key is needed also for a server on this machine */
    const char *budget_field; /* the name of max_completion_tokens */
    bool groq_fields;         /* reasoning_format and what else only Groq knows */
};

/* "groq", "openai" or "generic"; NULL for another name. */
const struct profile *profile_find(const char *name);
enum answer_format profile_format(const struct profile *profile, const char *model);
/* The reasoning_effort to send where the user named none; NULL: leave the field out. */
const char *profile_effort(const struct profile *profile, const char *model);
/* The reasoning_format to send; NULL: leave the field out. */
const char *profile_reasoning_format(const struct profile *profile, const char *model);

struct endpoint {
    char *url;      /* the base URL with /chat/completions at its end */
    char *identity; /* what of it belongs to a journal's keys: "https://host[:port]/path", or "loopback/path", because
                     * the port of a local server is an accident */
    char *resolve;  /* for localhost "localhost:PORT:127.0.0.1,::1": no name is looked up for it; else NULL */
    bool tls, loopback;
};

/* Checks a base URL. Refused with STATUS_USAGE: other schemes than https and http, http to anything but localhost,
 * 127.0.0.0/8 and ::1 as written, user names, queries and fragments. */
int endpoint_open(struct endpoint *endpoint, const char *base_url, struct error *err);
/* The URL of another path below the base URL ("/files"), freed by the caller. */
char *endpoint_url(const struct endpoint *endpoint, const char *path);
void endpoint_free(struct endpoint *endpoint);

#endif
