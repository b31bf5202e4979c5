/* student.h - the model that a run trains: its objectives prepared, and the heads that they need made or loaded. */
#ifndef BERT_STUDENT_H
#define BERT_STUDENT_H

#include <stdbool.h>

#include "bert/objectives/objective.h"
#include "bert/trainer.h"
#include "text/vocabulary.h"
#include "wire/stream.h"

/* The vocabulary as objectives see it: a table that points into the vocabulary, with a list of its own of the special
 * tokens, which are [UNK], [CLS], [SEP], [PAD], [MASK] and those that the tokenizer's files call special. */
struct student_tokens {
    struct token_table table;
    uint8_t *special;
};
void student_tokens_init(struct student_tokens *t, const struct vocabulary *v);
void student_tokens_free(struct student_tokens *t);

/* m is open (model_open) where init is NULL; else it becomes a random one of that size. Checks that the training rows
 * fit, prepares the terms with them, and makes the model with the heads that the terms need: a classifier of the head's
 * classes only where one of them reads it. *fresh: the classifier is a new one. An error about the rows names them. */
int student_make(struct model *m, struct objectives *objectives, const char *init, const struct vocabulary *v,
                 const struct student_tokens *tokens, const struct train_data *data, const char *rows_name,
                 const struct stream_head *head, const struct train_options *o, bool *fresh, struct error *err);

#endif
