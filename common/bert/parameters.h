/* parameters.h - the table of a model's parameters: name, shape, where the values lie.
 *
 * Names are Hugging Face's for BertForSequenceClassification ("bert.encoder.layer.0.attention.self.query.weight").
 * After the encoder come pooler and classifier, where the model has them, and then the heads of objectives.
 * Linear weights are [out, in], row-major, as in the checkpoint; no transposed copies. The values lie either in one
 * slab (training; query, key and value of a layer side by side, so that they are one [3 hidden, hidden] matrix) or
 * wherever the checkpoint is mapped (inference). Gradients and moments are slabs of the same layout.
 */
#ifndef BERT_PARAMETERS_H
#define BERT_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "bert/config.h"

/* Order within a layer. */
enum layer_parameter {
    QUERY_WEIGHT,
    KEY_WEIGHT,
    VALUE_WEIGHT, /* [hidden, hidden] each */
    QUERY_BIAS,
    KEY_BIAS,
    VALUE_BIAS, /* [hidden] */
    ATTENTION_OUTPUT_WEIGHT,
    ATTENTION_OUTPUT_BIAS, /* [hidden, hidden], [hidden] */
    ATTENTION_NORM_WEIGHT,
    ATTENTION_NORM_BIAS, /* [hidden] */
    INTERMEDIATE_WEIGHT,
    INTERMEDIATE_BIAS, /* [intermediate, hidden], [intermediate] */
    OUTPUT_WEIGHT,
    OUTPUT_BIAS, /* [hidden, intermediate], [hidden] */
    OUTPUT_NORM_WEIGHT,
    OUTPUT_NORM_BIAS, /* [hidden] */
    LAYER_PARAMETERS
};
/* Order before the layers. */
enum {
    WORD_EMBEDDINGS,
    POSITION_EMBEDDINGS,
    TOKEN_TYPE_EMBEDDINGS,
    EMBEDDING_NORM_WEIGHT,
    EMBEDDING_NORM_BIAS,
    EMBEDDING_PARAMETERS
};
/* Order after the layers; a model without classifier may lack all four, or the last two. */
enum { POOLER_WEIGHT, POOLER_BIAS, CLASSIFIER_WEIGHT, CLASSIFIER_BIAS, HEAD_PARAMETERS };

struct parameter {
    char name[96];
    size_t rows, cols; /* cols 1: a vector of `rows` values */
    size_t size;       /* rows x cols */
    size_t offset;     /* in the slab, in floats; multiple of 16 where the preceding one is not its q/k/v twin */
    bool decay;        /* weight decay applies: neither a bias nor of a LayerNorm */
    bool auxiliary;    /* of an objective's head that is no part of the model: it goes to auxiliary.safetensors */
    bool idle;         /* nothing computes with it and nothing trains it; it is only handed on */
    const float *value;
};

/* A parameter of an objective's head. cols 1 and a name that ends in ".bias" or ".LayerNorm.weight": a vector. */
struct head_parameter {
    char name[96];
    size_t rows, cols;
    bool idle;
};

/* What a model has beyond its encoder. */
struct model_heads {
    size_t classes; /* of the classifier; 0: no classifier */
    bool pooler;    /* the sentence vector; always there with a classifier */
    bool auxiliary; /* the objectives' heads are no part of the model */
    struct head_parameter *of_objectives;
    size_t n_of_objectives;
};

struct parameters {
    struct parameter *list;
    size_t n;
    size_t n_layers;
    size_t n_heads;   /* of pooler and classifier: HEAD_PARAMETERS, or fewer */
    size_t slab_size; /* floats */
    float *slab;      /* NULL where the values are mapped */
};

/* Makes the table for a config with num_labels classes; values NULL until a slab or a mapping is attached. */
void parameters_init(struct parameters *p, const struct bert_config *config, size_t num_labels);
/* The same with those heads. */
void parameters_init_heads(struct parameters *p, const struct bert_config *config, const struct model_heads *heads);
/* Adds a parameter to the heads of objectives, once for each name: terms may share a head. */
void model_heads_add(struct model_heads *heads, const char *name, size_t rows, size_t cols);
/* Adds the pooler of the checkpoint that a model without one starts from, so that it is not lost: it is handed on in
 * auxiliary.safetensors, where a later run finds it. */
void model_heads_keep_pooler(struct model_heads *heads, const struct bert_config *config);
void model_heads_free(struct model_heads *heads);
/* Allocates the zeroed slab and points the values into it. */
void parameters_allocate(struct parameters *p);
void parameters_free(struct parameters *p);

/* Ids into list; a head's is that of a parameter only where the model has the head. */
size_t parameter_of_layer(size_t layer, enum layer_parameter which);
size_t parameter_of_head(const struct parameters *p, int which);
bool parameters_have_head(const struct parameters *p, int which);
/* Finds by full name; NULL where there is none. */
struct parameter *parameters_find(const struct parameters *p, const char *name);

/* Fills one parameter of the slab as BertModel's initialisation does: normal(0, initializer_range) for weights and
 * embeddings (row pad_token_id of the word embeddings zero), 0 for biases, 1 for LayerNorm weights. The values depend
 * on seed and the parameter's name alone. */
void parameter_initialise(struct parameters *p, struct parameter *which, const struct bert_config *config,
                          unsigned long long seed);

#endif
