/* checkpoint.h - reads the weights of a Hugging Face folder and writes a whole model folder.
 *
 * Read: model.safetensors, or its shards through model.safetensors.index.json; names with and without `bert.`;
 * LayerNorm.gamma/beta as weight/bias; F32 (mapped), F16 and BF16 (converted). Tensors that the model does not have
 * (cls.seq_relationship.*, position_ids, for a classifier cls.predictions.*) are ignored. auxiliary.safetensors, where
 * it is there, holds the heads of objectives that are no part of the model.
 */
#ifndef BERT_CHECKPOINT_H
#define BERT_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "bert/config.h"
#include "bert/parameters.h"
#include "wire/safetensors.h"

struct checkpoint {
    char *folder;
    char **paths;           /* of the files, for messages */
    struct st_frame *files; /* mapped; stay mapped while parameters point into them */
    size_t n_files;
    size_t auxiliary;  /* which of the files is auxiliary.safetensors; SIZE_MAX: there is none */
    float **converted; /* copies of F16 and BF16 tensors when mapped use needs them */
    size_t n_converted;
    bool has_pooler, has_classifier;
};

/* Opens and maps the files of a folder, and finds out which heads are there. */
int checkpoint_open(struct checkpoint *c, const char *folder, struct error *err);
/* The number of classes of the checkpoint's classifier; 0 where there is none. */
size_t checkpoint_num_labels(const struct checkpoint *c);
/* Attaches every parameter's value. With a slab (p->slab) the values are copied into it; without, F32 tensors are used
 * where they lie. Every parameter has to be there with the right shape, except the heads: where the pooler, the
 * classifier or a parameter of an objective's head is missing, *missing (LIST of parameter ids, caller frees; may be
 * NULL when every parameter is required) tells which, and nothing is attached for them. */
int checkpoint_attach(struct checkpoint *c, struct parameters *p, size_t **missing, size_t *n_missing,
                      struct error *err);
/* The mapped weights are not going to be read for a while: gives their memory back. */
void checkpoint_let_go(const struct checkpoint *c);
void checkpoint_close(struct checkpoint *c);

/* What a written model folder holds beside the weights. */
struct model_folder {
    const struct bert_config *config;
    const struct parameters *parameters;
    const char *tokenizer_source; /* the folder or vocab.txt that the tokenizer's files are copied from */
    bool do_lower_case;           /* for a tokenizer_config.json that has to be made */
    long model_max_length;
    const char *card; /* README.md, text */
    bool bf16;        /* tensors are rounded to BF16, half the size; else F32 */
    /* Writes further files of the caller's own (output_open_part) into the folder, before it takes its place; may be
     * NULL. */
    int (*write_more)(void *context, const char *folder, struct error *err);
    void *context;
};

/* Writes the folder whole: into PATH.tmp-PID, each file fsynced, then renamed to path. An existing path is STATUS_USAGE
 * unless `replace`, and then it is swapped for the new one and removed. */
int model_folder_write(const char *path, const struct model_folder *m, bool replace, struct error *err);
/* Whether model_folder_write would refuse: exists and not replace, or the parent folder is missing or not writable. */
int model_folder_check(const char *path, bool replace, struct error *err);

#endif
