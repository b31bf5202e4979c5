/* batch_lines.h - the file that is uploaded for a batch: a line for each question, named by its journal key.
 *
 *     {"custom_id":"<sha256>","method":"POST","url":"/v1/chat/completions","body":{...}}
 *
 * It is written to a file without a name, so that nothing is left behind. No name comes twice in it.
 */
#ifndef TEACHER_BATCH_LINES_H
#define TEACHER_BATCH_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "teacher/key_set.h"

extern const char batch_endpoint[]; /* "/v1/chat/completions" */

struct batch_lines {
    int fd;
    uint64_t bytes;
    struct key_set keys;
    struct buf pending;
};

/* Makes a file without a name in the folder of `beside`. Returns its descriptor, or -1. */
int file_without_name(const char *beside, struct error *err);

int batch_lines_open(struct batch_lines *lines, const char *beside, struct error *err);
/* The bytes that batch_lines_add would add. */
uint64_t batch_lines_size(const struct buf *body);
int batch_lines_add(struct batch_lines *lines, const unsigned char key[JOURNAL_KEY_SIZE], const struct buf *body,
                    struct error *err);
/* Writes what is still held. */
int batch_lines_flush(struct batch_lines *lines, struct error *err);
/* Empties the file for the next part. */
int batch_lines_reset(struct batch_lines *lines, struct error *err);
void batch_lines_close(struct batch_lines *lines);

#endif
