/* precision.h - what people are told of a run's precision. */
#ifndef BERT_PRECISION_H
#define BERT_PRECISION_H

#include "base/diag.h"
#include "nn/nn.h"

/* One line where bf16 was asked for and is not faster than f32 here. */
static inline void inform_of_slow_bf16(const struct nn *nn)
{
    if (nn->precision == NN_BF16 && !nn->fast_bf16)
        inform(0, "no bf16 products here (%s): float32 products of rounded numbers instead, which are not faster",
               nn->library);
}

#endif
