/* reasoning.h - a row's reasoning as terms see it: which label it argues for, and the lists of the spool by row.
 *
 * A reasoning that argues against a known gold label teaches nothing that is wanted, so no term uses it (the row keeps
 * its gold label in `label`, and the teacher's doubt in `soft`).
 */
#ifndef BERT_OBJECTIVES_REASONING_H
#define BERT_OBJECTIVES_REASONING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/rows.h"

/* The teacher's label; -1 where there is no teacher, or where a known gold label contradicts it. */
int32_t reasoning_label(const struct rows *rows, uint64_t row);
/* The label of the row's edit (column edit_ids): the one that the reasoning does not argue for, of two classes, unless
 * a control of the rows names another (column edit_label); -1 where there is no edit, or its label is not known. */
int32_t reasoning_edit_label(const struct rows *rows, uint64_t row);
/* Row's part of the list column `name` (reason_ids, edit_ids), *n of them; 0 where the column is not there. */
const int32_t *rows_list(const struct rows *rows, const char *name, uint64_t row, size_t *n);

/* Sets out to `[CLS] reasoning [SEP]`, or with_sentence to `[CLS] sentence [SEP] reasoning [SEP]`, cut to `most` tokens
 * at the reasoning's end (then, where not even the sentence fits, at the sentence's); the special tokens are those at
 * the ends of the row's own ids. *begin is where the reasoning begins. Returns the number of tokens. */
size_t reasoning_row(const struct rows *rows, uint64_t row, size_t most, bool with_sentence, struct buf *out,
                     size_t *begin);

#endif
