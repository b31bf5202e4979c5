/* optimiser.h - AdamW over a model's slab, with the gradients' norm clipped. */
#ifndef BERT_OPTIMISER_H
#define BERT_OPTIMISER_H

#include <stdint.h>

#include "bert/parameters.h"
#include "nn/nn.h"
#include "wire/safetensors.h"

struct optimiser {
    double beta1, beta2, epsilon, weight_decay, max_grad_norm; /* max_grad_norm 0: no clipping */
    float *gradients, *first,
        *second; /* slabs like the parameters': gradient, moving averages of it and of its square */
    size_t size;
    uint64_t step; /* updates done */
    double *rates; /* [number of parameters] factor of the learning rate; 0: frozen. All 1 at first */
};

void optimiser_init(struct optimiser *o, const struct parameters *p);
void optimiser_free(struct optimiser *o);
/* Sets the gradients to 0. */
void optimiser_clear(struct optimiser *o, const struct nn *nn);
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
