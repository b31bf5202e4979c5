/* model.h - a BERT encoder with a sequence classifier: forward, and backward through everything.
 *
 * The network is that of Devlin et al. 2019 as Hugging Face's BertForSequenceClassification computes it: embeddings,
 * LayerNorm after each residual sum, pooler (tanh of a dense layer over the first token), classifier. Pooler and
 * classifier may be absent. It knows nothing of losses: those are objectives, which read logits, sentence vectors or
 * the last layer's token states and add to their gradients; what objectives have of heads of their own is in the table
 * of parameters, but computed by them.
 */
#ifndef BERT_MODEL_H
#define BERT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "bert/activations.h"
#include "bert/batch.h"
#include "bert/checkpoint.h"
#include "bert/config.h"
#include "bert/parameters.h"
#include "nn/nn.h"

struct model {
    struct bert_config config;
    struct parameters parameters;
    struct checkpoint checkpoint; /* open while parameters are mapped */
    size_t classes;               /* 0: no classifier */
};

/* Dropout of one pass; probabilities 0 or seed unused for inference. */
struct model_dropout {
    double hidden, attention, classifier;
    uint64_t seed;
};

/* For inference: maps the folder's weights. A folder without a classifier is STATUS_USAGE. */
int model_map(struct model *m, const char *folder, struct error *err);
/* The same with those parameters of objectives' heads that add_heads (NULL: none) adds and auxiliary.safetensors has.
 */
typedef void model_add_heads(struct model_heads *heads, const struct bert_config *config);
int model_map_heads(struct model *m, const char *folder, model_add_heads *add_heads, struct error *err);
/* For training, in two steps, so that a broken folder is refused before the rows are read that tell the number of
 * classes. Opens: reads the config, maps the files; classes is what the folder's classifier has, 0 without one. */
int model_open(struct model *m, const char *folder, struct error *err);
/* Copies the weights of an open folder into a slab. heads NULL: a classifier as the folder has. A missing pooler or
 * classifier (or one of another number of classes) is initialised from the seed, and so is what the folder lacks of the
 * objectives' heads; *fresh tells whether that happened to the classifier. */
int model_load(struct model *m, const struct model_heads *heads, uint64_t seed, bool *fresh, struct error *err);
/* A random encoder of that config with those heads. */
void model_random(struct model *m, const struct bert_config *config, const struct model_heads *heads, uint64_t seed);
void model_free(struct model *m);
/* The name of Hugging Face's class for what is written: NULL for a classifier, BertForMaskedLM or BertModel. */
const char *model_architecture(const struct model *m);

/* Sets a->logits [rows, classes] where there is a classifier, a->pooled [rows, hidden] where there is a pooler, and
 * a->tokens [tokens, hidden] where a->all_tokens asks for them. Every id and type must be within the tables, every row
 * within max_position_embeddings (model_check_rows). dropout NULL: none. */
void model_forward(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b,
                   const struct model_dropout *dropout);
/* The same without dropout from embeddings of the caller's: after activations_layout for this model and batch it has
 * set a->embedding_sum [padded tokens, hidden], the sum of word, position and type embeddings, 0 behind the last token.
 */
void model_forward_embedded(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b);
/* After a forward pass for training: sets a->d_logits, a->d_pooled and a->d_tokens, what there is of them, to 0. */
void model_clear_gradients(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b);
/* gradients (a slab like the parameters') += from a->d_logits, a->d_pooled and a->d_tokens, which are used up; a is
 * what the forward pass left, with training set, and the same dropout. gradients NULL: those of the parameters are not
 * wanted and not computed. In either case a->d_output is then the gradient of a->embedding_sum. */
void model_backward(const struct model *m, const struct nn *nn, struct activations *a, const struct batch *b,
                    const struct model_dropout *dropout, float *gradients);

/* Where a step came to no pass at all, and a->overwrite is still set: clears what a pass would have overwritten. */
void model_clear_overwritten(const struct model *m, const struct nn *nn, struct activations *a, float *gradients);

/* Keeps the weights of all layers in the form in which their products read them fastest (nn.h: prepare_weight). */
void model_prepare(const struct model *m, const struct nn *nn, enum nn_weights form);

/* That a row of n tokens fits the model: its ids, its types (NULL: all 0), its length. */
int model_check_row(const struct model *m, const int32_t *ids, const uint8_t *types, size_t n, struct error *err);
/* The same of all rows; the text names the row, counted from 1. */
int model_check_rows(const struct model *m, const struct rows *rows, struct error *err);

#endif
