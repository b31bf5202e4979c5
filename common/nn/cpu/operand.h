/* operand.h - operands of matrix products copied into another form, by all threads: rounded to bfloat16, or cut into
 * dense slices for libraries that want those. */
#ifndef NN_CPU_OPERAND_H
#define NN_CPU_OPERAND_H

#include <stddef.h>

#include "nn/cpu/state.h"

enum operand_form {
    OPERAND_FLOAT,
    OPERAND_ROUNDED, /* floats that bfloat16 can hold */
    OPERAND_BF16     /* two bytes a number */
};

static inline size_t operand_size(enum operand_form form)
{
    return form == OPERAND_BF16 ? 2 : sizeof(float);
}

/* x[rows, columns], row by row in slices of `width` columns (the last may be narrower), each slice dense and one behind
 * the other; so the element of row r and column j = s width + i lies at rows s width + r w + i, w being that slice's
 * width. Collective; `out` must not overlap x. */
void operand_copy(const struct cpu *cpu, void *out, enum operand_form form, const float *x, size_t ldx, size_t rows,
                  size_t columns, size_t width);
/* The same of one row or piece of it, by the calling thread. */
void operand_convert(const struct cpu *cpu, void *out, enum operand_form form, const float *x, size_t n);

#endif
