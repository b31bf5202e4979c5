/* spool.h - a whole token stream in memory: what an epoch needs, which a pipe gives only once. */
#ifndef BERT_SPOOL_H
#define BERT_SPOOL_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/error.h"
#include "wire/stream.h"

/* Reads all of a stream (NULL or "-": stdin), checking that it was tokenised with that vocabulary (vocabulary_sha256
 * NULL: any). The head goes to *head where that is not NULL (freed by the caller with stream_head_free). */
int spool_read(struct rows *rows, struct stream_head *head, const char *path, const char *vocabulary_sha256,
               struct error *err);

/* Writes them as a token stream to a file that is complete or absent. */
int spool_write(const char *path, const struct rows *rows, const struct stream_head *head, struct error *err);

/* SHA-256 over what is in the columns, in the order of their names: the same however the rows were cut into frames. */
void spool_digest(const struct rows *rows, char sha256[SHA256_HEX_SIZE]);

/* The stream's vocabulary is the model's; name is the stream's. */
int spool_check_vocabulary(const struct stream_head *head, const char *vocabulary_sha256, const char *name,
                           struct error *err);

/* That the stream's classes are names[0..n) in this order, which are those of `whose`. Where `renamed` is true they may
 * be called otherwise altogether (a model's LABEL_0), but not by the same names in another order. */
int spool_check_labels(const struct stream_head *head, char *const *names, size_t n, bool renamed, const char *whose,
                       const char *name, struct error *err);

#endif
