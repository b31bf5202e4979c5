/* model_card.h - the README.md of a trained model folder: what it is, how it was made, how good it is. */
#ifndef BERT_MODEL_CARD_H
#define BERT_MODEL_CARD_H

#include "base/buf.h"
#include "bert/trainer.h"

/* origin: what the weights started from. Markdown with the YAML head that the Hugging Face Hub reads. */
void model_card_write(struct buf *out, const struct model *m, const char *origin, const struct train_data *data,
                      const struct train_options *o, const struct train_result *result);

#endif
