/* optimiser.h - AdamW over a model's slab, with the gradients' norm clipped. */
#ifndef BERT_OPTIMISER_H
#define BERT_OPTIMISER_H

#include <stdbool.h>
#include <stdint.h>

#include "bert/parameters.h"
#include "nn/nn.h"
#include "wire/safetensors.h"

/* In most steps few rows of the word embeddings have a gradient, so only these are updated (`lazy`): optimiser_touch
 * names the tokens of a batch before its forward pass, and the steps that their rows were left out of are made up for
 * then, in registers, to the same bits. optimiser_settle does that for all rows, before the table is read as a whole.
 */
struct optimiser {
    double beta1, beta2, epsilon, weight_decay, max_grad_norm; /* max_grad_norm 0: no clipping */
    float *gradients, *first,
        *second; /* slabs like the parameters': gradient, moving averages of it and of its square */
    size_t size;
    uint64_t step;           /* updates done */
    double *rates;           /* [number of parameters] factor of the learning rate; 0: frozen. All 1 at first */
    bool lazy;               /* false where every word may have a gradient in every step */
    struct nn_part *cleared; /* what optimiser_clear clears beside the word embeddings */
    size_t n_cleared;
    /* of the rows of the word embeddings */
    uint64_t *updated;   /* [vocabulary] the last step that its row is up to date with */
    uint64_t *noted;     /* [vocabulary] the step that it was last touched for */
    int32_t *touched;    /* [vocabulary] the rows of this step, in the order in which they came */
    double *row_squares; /* [vocabulary] */
    size_t n_touched, vocabulary;
    struct nn_adamw_past *past; /* of the steps past_first .. step */
    uint64_t past_first;
    size_t past_capacity;
};

void optimiser_init(struct optimiser *o, const struct parameters *p);
void optimiser_free(struct optimiser *o);
/* Goes on from an earlier run's step, whose moments have been read back. */
void optimiser_resume(struct optimiser *o, uint64_t step);
/* Sets the gradients to 0, but for those that a step sets (activations.h), and those of words, which are that after
 * each update where only touched ones are updated. */
void optimiser_clear(struct optimiser *o, const struct nn *nn, const struct parameters *p);
/* ids[n]: tokens of a batch that is about to be computed. */
void optimiser_touch(struct optimiser *o, const struct nn *nn, struct parameters *p, const int32_t *ids, size_t n);
/* Every parameter is up to date then. */
void optimiser_settle(struct optimiser *o, const struct nn *nn, struct parameters *p);
/* One update of the parameters. Returns the gradients' norm before clipping: sqrt of the sum of squares over all
 * parameters; the factor is max_grad_norm / (norm + 1e-6) where that is below 1, as torch.nn.utils.clip_grad_norm_.
 * A norm that is not finite changes nothing. A frozen parameter is not updated, and its gradient (which becomes 0) is
 * no part of the norm. */
double optimiser_update(struct optimiser *o, const struct nn *nn, struct parameters *p, double learning_rate);

/* What a checkpoint has to keep of it beside `step`: names, types, one dimension, where the values lie (in the
 * optimiser's own memory, so that reading them back is writing there). Returns how many of out[] there are. */
enum { OPTIMISER_TENSORS = 2 };
size_t optimiser_tensors(const struct optimiser *o, struct st_tensor out[OPTIMISER_TENSORS]);

#endif
