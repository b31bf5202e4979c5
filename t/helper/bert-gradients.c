/* bert-gradients.c - bert-gradients MODEL STREAM OUT: the mean label loss over all rows of a token stream, dropout off,
 * and its gradient by every parameter, as one safetensors file with Hugging Face's names (the loss as tensor `loss`,
 * the logits as `logits`). For the comparison with other implementations; not installed.
 */
#include <stdlib.h>

#include "base/diag.h"
#include "base/memory.h"
#include "bert/model.h"
#include "bert/objectives/objective.h"
#include "bert/optimiser.h"
#include "wire/stream.h"

static void write_gradients(const char *path, const struct model *m, const float *gradients, float loss,
                            const float *logits, size_t rows)
{
    struct st_tensor *tensors = xcalloc(m->parameters.n + 2, sizeof *tensors);
    struct output out;
    struct error err = {0};
    for (size_t i = 0; i < m->parameters.n; i++) {
        const struct parameter *p = &m->parameters.list[i];
        tensors[i] = (struct st_tensor){.name = p->name,
                                        .dtype = ST_F32,
                                        .rank = p->cols > 1 ? 2 : 1,
                                        .shape = {p->rows, p->cols},
                                        .data = gradients + p->offset};
    }
    tensors[m->parameters.n] =
        (struct st_tensor){.name = "loss", .dtype = ST_F32, .rank = 1, .shape = {1}, .data = &loss};
    tensors[m->parameters.n + 1] =
        (struct st_tensor){.name = "logits", .dtype = ST_F32, .rank = 2, .shape = {rows, m->classes}, .data = logits};
    if (output_open(&out, path, true, &err) < 0)
        die_error(&err);
    if (st_write(&out, tensors, m->parameters.n + 2, NULL, 0) < 0 || output_close(&out) < 0)
        die_error(&out.error);
    free(tensors);
}

static void read_rows(struct rows *all, const char *path)
{
    struct stream_reader reader;
    struct rows part = {0};
    struct error err = {0};
    int more;
    if (stream_open(&reader, path, &err) < 0)
        die_error(&err);
    while ((more = stream_next(&reader, &part, &err)) > 0)
        if (rows_append(all, &part, &err) < 0)
            die_error(&err);
    if (more < 0)
        die_error(&err);
    rows_free(&part);
    stream_close(&reader);
}

int main(int argc, char **argv)
{
    struct nn nn;
    struct model m;
    struct rows rows = {0};
    struct objectives objectives;
    struct activations a;
    struct batch b = {0};
    struct error err = {0};
    bool fresh;
    diag_init("bert-gradients");
    if (argc != 4)
        die(STATUS_USAGE, "usage: bert-gradients MODEL STREAM OUT");
    if (nn_cpu(&nn, &(struct nn_options){.threads = 0}, &err) < 0 || model_open(&m, argv[1], &err) < 0 || model_load(&m, NULL, 0, &fresh, &err) < 0)
        die_error(&err);
    read_rows(&rows, argv[2]);
    const struct objective_setting setting = {.rows = &rows, .classes = m.classes, .config = &m.config};
    if (model_check_rows(&m, &rows, &err) < 0 || objectives_parse(&objectives, "label", &err) < 0 ||
        objectives_prepare(&objectives, &setting, &err) < 0)
        die_error(&err);
    uint64_t *which = xmalloc_array(rows.n, sizeof *which);
    for (size_t i = 0; i < rows.n; i++)
        which[i] = i;
    float *gradients = xaligned(m.parameters.slab_size * sizeof *gradients);
    activations_init(&a, &m.config, true);
    const struct objective_rows step = {&rows, which, rows.n, 0};
    double loss = objectives_step(&objectives, &m, &nn, &a, &b, NULL, &step, rows.n, gradients);
    write_gradients(argv[3], &m, gradients, (float)loss, a.logits, rows.n);
    return 0;
}
