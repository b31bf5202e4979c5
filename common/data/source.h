/* source.h - what the readers of text share: lines without a byte order mark, the check for UTF-8, text in messages.
 *
 * Positions in messages count from 1. Every message begins `FILE:LINE: `.
 */
#ifndef DATA_SOURCE_H
#define DATA_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "data/row.h"
#include "wire/lines.h"

/* lines_next without the UTF-8 byte order mark that Windows programs put before the first line. DATA_ROW for a line. */
enum data_step source_line(struct lines *lines, const char **line, size_t *len, struct error *err);

/* len without the \r of a line that ended \r\n. */
size_t source_strip_cr(const char *line, size_t len);

/* -1 where text[0..len), which began on line `number`, is not strict UTF-8; the message names the line and the byte. */
int source_check_utf8(const struct lines *lines, uint64_t number, const char *text, size_t len, struct error *err);

/* Adds 'text', shortened where it is long. */
void source_quote(struct buf *out, const char *text, size_t len);

/* Words as the samplers count them: runs of anything but ASCII white space. Returns the next one in *text..end and
 * moves *text behind it; NULL at the end. */
const char *source_word(const char **text, const char *end, size_t *len);

#endif
