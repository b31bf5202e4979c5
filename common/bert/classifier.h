/* classifier.h - a trained model folder as a function from sentences or token rows to predictions, in batches.
 *
 * Rows are gathered until enough tokens are there for efficient matrix products (or the caller wants the answers), then
 * classified at once. What a row is answered does not depend on what it is batched with, up to the rounding of the
 * products.
 */
#ifndef BERT_CLASSIFIER_H
#define BERT_CLASSIFIER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "bert/attribution.h"
#include "bert/model.h"
#include "text/vocabulary.h"
#include "text/wordpiece.h"

struct classifier {
    struct nn nn;
    struct model model;
    struct vocabulary vocabulary;
    struct tokenizer *tokenizer;
    struct encoder_scratch *scratch;
    struct encoding encoding;
    struct activations activations;
    struct batch batch;
    struct rows rows; /* gathered */
    uint64_t *which;
    size_t which_capacity;
    struct attribution attribution;
    struct buf texts, text_ends; /* of the gathered rows, where attribution needs them: size_t where each ends */
    struct buf spans;            /* of their tokens */
    struct buf words;            /* of the row that was last asked for */
    double temperature;
    double *probabilities; /* [classes] of the row that was last asked for */
    uint64_t truncated;    /* sentences that were cut to the model's length */
    long max_len;
    enum nn_weights weights;
    bool prepared;        /* the weights are kept in their fastest form */
    size_t small_batches; /* that came before they were */
};

struct classifier_options {
    long threads;            /* 0: as OpenMP gives */
    const char *gemm;        /* nn.h */
    enum nn_weights weights; /* how the layers' weights are kept; bf16 rounds the inputs of their products too */
    long max_len;            /* 0: the tokenizer's own limit */
    double temperature;      /* logits are divided by it before the softmax; 0: 1 */
    const char *attribution; /* attribution.h: auto, cues or gradient; NULL: none. gradient does not go with int8 */
    long attribution_steps;
};

/* folder: as hub_resolve gives it. */
int classifier_open(struct classifier *c, const char *folder, const struct classifier_options *o, struct error *err);
void classifier_close(struct classifier *c);

/* Gathers one more row: a sentence (valid UTF-8), two texts for a model that reads pairs (classifier_check_pairs), or
 * token ids with their types (types NULL: all 0), which may not fit the model and have no attribution. */
void classifier_add_text(struct classifier *c, const char *text, size_t len);
void classifier_add_pair(struct classifier *c, const char *text, size_t len, const char *pair, size_t pair_len);
int classifier_add_ids(struct classifier *c, const int32_t *ids, const uint8_t *types, size_t n, struct error *err);
/* That the model tells a second text from the first; STATUS_USAGE. */
int classifier_check_pairs(const struct classifier *c, struct error *err);
/* Rows gathered; whether there is enough work for one pass. */
size_t classifier_gathered(const struct classifier *c);
bool classifier_full(const struct classifier *c);
/* Forgets the gathered rows. */
void classifier_reset(struct classifier *c);
/* Computes the gathered rows. */
void classifier_run(struct classifier *c);
/* Appends {"label":1,"label_text":"positive","score":0.998,"probs":[0.002,0.998]} of gathered row i, with "logits" (as
 * they are, whatever the temperature) where wanted, and what attribution says. Logits that are not finite are a
 * failure.
 */
int classifier_prediction(struct classifier *c, size_t i, bool logits, struct buf *out, struct error *err);
/* The same as a teacher's answer without reasoning: {"status":"ok","reasoning":"","label":1,"label_text":"positive",
 * "confidence":0.998,"probs":[0.002,0.998],"model":name}. */
int classifier_teacher(struct classifier *c, size_t i, const char *name, struct buf *out, struct error *err);

#endif
