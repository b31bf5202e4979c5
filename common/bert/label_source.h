/* label_source.h - whose labels the terms take for gold: the rows' own, the teacher's, or the teacher's where a row has
 * none.
 *
 * Without people's labels a student can only learn from its teacher's; a run that is to show what such a student is
 * worth must not see the gold labels of its rows either.
 */
#ifndef BERT_LABEL_SOURCE_H
#define BERT_LABEL_SOURCE_H

#include "wire/rows.h"

#define LABEL_SOURCE_CHOICES "gold|teacher|gold-or-teacher"

/* Rewrites the column `label`; source is one of the choices. */
void label_source_apply(struct rows *rows, const char *source);

#endif
