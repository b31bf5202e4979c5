/* operand.c - see operand.h. */
#include "nn/cpu/operand.h"

#include <string.h>

void operand_convert(const struct cpu *cpu, void *out, enum operand_form form, const float *x, size_t n)
{
    switch (form) {
    case OPERAND_FLOAT:
        memcpy(out, x, n * sizeof *x);
        break;
    case OPERAND_ROUNDED:
        cpu->kernels->round_bf16(out, x, n);
        break;
    case OPERAND_BF16:
        cpu->kernels->to_bf16(out, x, n);
    }
}

void operand_copy(const struct cpu *cpu, void *out, enum operand_form form, const float *x, size_t ldx, size_t rows,
                  size_t columns, size_t width)
{
    size_t size = operand_size(form);
#pragma omp for schedule(static)
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j += width) {
            size_t n = columns - j < width ? columns - j : width;
            operand_convert(cpu, (char *)out + (rows * j + i * n) * size, form, x + i * ldx + j, n);
        }
}
