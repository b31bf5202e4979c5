/* run_record.h - run.json in DIR.state: what a run does and with what, so that another process can do the rest of it.
 *
 * Options are kept by their names in the tool's option table, so that a new option is kept without further ado.
 */
#ifndef BERT_RUN_RECORD_H
#define BERT_RUN_RECORD_H

#include "base/buf.h"
#include "base/cli.h"
#include "base/digest.h"
#include "base/error.h"
#include "nn/nn.h"
#include "wire/json.h"

struct run_record {
    const char *device, *library, *kernels;         /* struct nn's */
    char train_sha256[SHA256_HEX_SIZE];             /* spool_digest */
    char validation_sha256[SHA256_HEX_SIZE];        /* empty: no validation rows */
    char unlabelled_sha256[SHA256_HEX_SIZE];        /* empty: no unlabelled rows */
    char weights_fingerprint[FINGERPRINT_HEX_SIZE]; /* of what it started from */
    const char *source;                             /* where the vocabulary and the weights are: an absolute path */
    const char *metrics;                            /* an absolute path, "-", or NULL */
    const char *file;                               /* the operand; NULL: none */
    int argc;
    char **argv;
    /* of a record that was read: what the strings above lie in */
    struct json doc;
    char *text;
};

/* The options as a JSON object; table is the tool's, its fields hold the run's values. */
void run_record_options(struct buf *out, const struct cli_option *table);
/* Writes DIR.state/run.json; options as run_record_options gives them. */
int run_record_write(const char *state, const struct run_record *r, const char *options, struct error *err);
int run_record_read(struct run_record *r, const char *state, struct error *err);
void run_record_free(struct run_record *r);

/* Sets the fields of all options that were not given (cli_option.given must be set in every row that matters) to what
 * the run has. One that was given and differs is STATUS_USAGE with both values, except those that change no result:
 * threads, keep, keep-state, force. `file`: the operand that was given, or NULL. The values live as long as r. */
int run_record_apply(const struct run_record *r, const char *state, const struct cli_option *table, const char *file,
                     struct error *err);
/* That this process computes as the run did: version, device, matrix library, kernels. STATUS_USAGE says what differs.
 */
int run_record_check(const struct run_record *r, const char *state, const struct nn *nn, struct error *err);

#endif
