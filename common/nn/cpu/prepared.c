/* prepared.c - see prepared.h. */
#include "nn/cpu/prepared.h"

#include <stdlib.h>

#include "base/memory.h"
#include "nn/cpu/state.h"

/* A model has a few dozen weights, so looking at each is as good as anything. */
const struct prepared *prepared_find(const struct cpu *cpu, const float *weight, size_t out, size_t in)
{
    for (size_t i = 0; i < cpu->n_prepared; i++) {
        const struct prepared *p = &cpu->prepared[i];
        if (p->weight == weight && p->out == out && p->in == in)
            return p;
    }
    return NULL;
}

void prepared_add(struct cpu *cpu, const float *weight, size_t out, size_t in, enum nn_weights form)
{
    if (prepared_find(cpu, weight, out, in))
        return;
#pragma omp barrier
    struct prepared *new;
#pragma omp single copyprivate(new)
    {
        cpu->prepared = xrealloc_array(cpu->prepared, cpu->n_prepared + 1, sizeof *cpu->prepared);
        new = &cpu->prepared[cpu->n_prepared++];
        *new = (struct prepared){.weight = weight, .out = out, .in = in, .form = form};
        if (form == NN_WEIGHTS_INT8)
            int8_allocate(&new->int8, out, in);
        else if (cpu->library.pack)
            new->packed = xaligned(cpu->library.packed_size(cpu, out, in) * sizeof *new->packed);
    }
    if (form == NN_WEIGHTS_INT8)
        int8_quantise(&new->int8, weight);
    else if (new->packed)
        cpu->library.pack(cpu, new->packed, weight, in, out, in, form == NN_WEIGHTS_BF16);
}

void prepared_run(struct cpu *cpu, const struct prepared *prepared, struct gemm *g)
{
    if (prepared->form == NN_WEIGHTS_INT8) {
        int8_run(cpu, &prepared->int8, g);
        return;
    }
    g->packed = prepared->packed;
    g->bf16 |= prepared->form == NN_WEIGHTS_BF16;
    cpu->library.run(cpu, g);
}

void prepared_free(struct cpu *cpu)
{
    for (size_t i = 0; i < cpu->n_prepared; i++) {
        free(cpu->prepared[i].packed);
        int8_free(&cpu->prepared[i].int8);
    }
    free(cpu->prepared);
    cpu->prepared = NULL;
    cpu->n_prepared = 0;
}
