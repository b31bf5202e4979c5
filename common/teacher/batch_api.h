/* batch_api.h - the server's side of batches: files and batches, one call at a time, waited for and tried again.
 *
 * Limits and errors of the server and the connection are waited out by the rules of live requests (verdict.h). Errors
 * have the exit status that they deserve: 2 where the server refuses key, address or request, STATUS_RESUMABLE where
 * it cannot be reached or asks for patience, 128 + n after a signal. An order (api_order) is never sent twice without
 * having looked whether the first one went through.
 */
#ifndef TEACHER_BATCH_API_H
#define TEACHER_BATCH_API_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "teacher/backoff.h"
#include "teacher/completion.h"
#include "teacher/http.h"
#include "teacher/verdict.h"
#include "wire/json.h"

/* How a signal reaches a call: the first lets it finish, the second breaks it off. */
struct api_signals {
    int fd; /* readable once one has come */
    const volatile sig_atomic_t *number, *count;
};

struct batch_api {
    struct http_settings http_settings; /* concurrency 1 */
    unsigned retries;
    double max_wait;
    const char *sends_nothing; /* why nothing can be sent: no key; NULL: all is well */
    struct api_signals signals;
    /* its own */
    struct http *http;
    struct http_reply reply; /* the last */
    struct json doc;         /* of its body */
    struct verdict verdict;  /* of the last failure */
    bool unknown;            /* the last call failed in such a way that it may have worked */
    bool refused;            /* the last call failed because the server would not have it */
    bool gone;               /* and that because it knows no such thing */
    bool served;
    double offline_since;
    unsigned tries, waits, offline;
    struct completion completion;
    struct backoff backoff;
};

struct batch_info {
    char state[32];                     /* "in_progress", "completed", ...; cut */
    bool ended;                         /* completed, failed, expired or cancelled */
    long long total, completed, failed; /* questions; -1: not told */
    long long expires_at;               /* seconds since 1970; -1: not told */
    char *output_file, *error_file;     /* NULL: none */
    char errors[512];                   /* what the server says of the batch itself; "" */
};

void batch_api_init(struct batch_api *api);
void batch_api_close(struct batch_api *api);

/* Sends a file; its name at the server, freed by the caller; NULL on failure. */
char *api_upload(struct batch_api *api, const struct http_file *file, struct error *err);
/* Orders a batch of a file; the batch's name, freed by the caller; NULL on failure. api->unknown: perhaps ordered. */
char *api_order(struct batch_api *api, const char *file, const char *window, struct error *err);
/* Looks for a batch of this file among all of the account's. 1 with its name, 0 where there is none, -1 on failure. */
int api_find(struct batch_api *api, const char *file, char **batch, struct error *err);
/* Fills info, freed with batch_info_free. */
int api_batch(struct batch_api *api, const char *batch, struct batch_info *info, struct error *err);
void batch_info_free(struct batch_info *info);
int api_cancel(struct batch_api *api, const char *batch, struct error *err);
/* Saves a file's content from the descriptor's beginning. A download that lacks something is repeated; where it still
 * does after that: -1. */
int api_download(struct batch_api *api, const char *file, int fd, struct error *err);
int api_delete(struct batch_api *api, const char *file, struct error *err);

#endif
