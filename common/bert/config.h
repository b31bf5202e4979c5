/* config.h - a BERT encoder's hyper-parameters, as Hugging Face's config.json names them. */
#ifndef BERT_CONFIG_H
#define BERT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "nn/activation.h"

struct bert_config {
    long vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    long max_position_embeddings, type_vocab_size, pad_token_id;
    enum activation hidden_act;
    char hidden_act_name[32]; /* as it was read, so that it is written back the same */
    double hidden_dropout_prob, attention_probs_dropout_prob;
    double classifier_dropout; /* -1: null, hidden_dropout_prob counts */
    double initializer_range, layer_norm_eps;
    char **labels; /* id2label in class order; NULL where the file has none */
    size_t n_labels;
    const char *architecture; /* to be written; NULL: BertForSequenceClassification. Not read. */
};

/* Reads DIR/config.json. Refuses, with STATUS_USAGE and the field's name: another model_type, position embeddings other
 * than absolute, sizes that are not positive or absurd (over 2^24), a hidden_size that num_attention_heads does not
 * divide, an unknown activation. Members that it does not know are ignored. */
int bert_config_read(struct bert_config *config, const char *folder, struct error *err);
/* The published small sizes (Turc et al. 2019, arXiv:1908.08962): tiny 2x128, mini 4x256, small 4x512, medium 8x512,
 * base 12x768; heads hidden/64, intermediate 4 x hidden, 512 positions, two token types, dropout 0.1. False for another
 * name. */
bool bert_config_preset(struct bert_config *config, const char *name, long vocab_size);
/* config.json. Of a sequence classifier: architectures BertForSequenceClassification, id2label, label2id, problem_type
 * single_label_classification; of another architecture without the last three. */
void bert_config_write(const struct bert_config *config, struct buf *out);
void bert_config_set_labels(struct bert_config *config, char *const *labels, size_t n);
void bert_config_free(struct bert_config *config);

#endif
