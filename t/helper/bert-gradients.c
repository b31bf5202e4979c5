/* bert-gradients.c - bert-gradients MODEL STREAM OUT [SPEC]: the loss of an objective (by default label) over all rows
 * of a token stream, dropout off, and its gradient by every parameter, as one safetensors file with Hugging Face's
 * names (the loss as tensor `loss`, the logits, where there is a classifier, as `logits`). What is random is as in the
 * first step of bert-train with default options. For the comparison with other implementations; not installed.
 */
#include <stdlib.h>

#include "base/diag.h"
#include "base/memory.h"
#include "bert/spool.h"
#include "bert/student.h"

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
                                        .rank = p->decay ? 2 : 1, /* a vector has no decay */
                                        .shape = {p->rows, p->cols},
                                        .data = gradients + p->offset};
    }
    tensors[m->parameters.n] =
        (struct st_tensor){.name = "loss", .dtype = ST_F32, .rank = 1, .shape = {1}, .data = &loss};
    size_t n = m->parameters.n + 1 + (m->classes > 0);
    tensors[m->parameters.n + 1] =
        (struct st_tensor){.name = "logits", .dtype = ST_F32, .rank = 2, .shape = {rows, m->classes}, .data = logits};
    if (output_open(&out, path, true, &err) < 0)
        die_error(&err);
    if (st_write(&out, tensors, n, NULL, 0) < 0 || output_close(&out) < 0)
        die_error(&out.error);
    free(tensors);
}

int main(int argc, char **argv)
{
    struct nn nn;
    struct vocabulary v = {0};
    struct student_tokens tokens;
    struct model m;
    struct rows rows = {0};
    struct stream_head head;
    struct objectives objectives;
    struct activations a;
    struct batch b = {0};
    struct error err = {0};
    bool fresh;
    diag_init("bert-gradients");
    if (argc != 4 && argc != 5)
        die(STATUS_USAGE, "usage: bert-gradients MODEL STREAM OUT [SPEC]");
    if (nn_cpu(&nn, &(struct nn_options){.threads = 0}, &err) < 0 || vocabulary_load(&v, argv[1], &err) < 0 ||
        model_open(&m, argv[1], &err) < 0 || spool_read(&rows, &head, argv[2], v.sha256, &err) < 0 ||
        objectives_parse(&objectives, argc == 5 ? argv[4] : "label", &err) < 0)
        die_error(&err);
    student_tokens_init(&tokens, &v);
    const struct train_options o = {.seed = 42, .mlm_probability = 0.15, .label_source = "gold", .temperature = 1};
    const struct train_data data = {.train = &rows};
    if (student_make(&m, &objectives, NULL, &v, &tokens, &data, argv[2], &head, &o, &fresh, &err) < 0)
        die_error(&err);
    uint64_t *which = xmalloc_array(rows.n, sizeof *which);
    for (size_t i = 0; i < rows.n; i++)
        which[i] = i;
    float *gradients = xaligned(m.parameters.slab_size * sizeof *gradients);
    activations_init(&a, &m.config, true);
    a.all_tokens = objectives.reads & OBJECTIVE_TOKENS;
    const struct objective_rows step = {&rows, which, rows.n, 0};
    double loss = objectives_step(&objectives, &m, &nn, &a, &b, NULL, &step, rows.n, gradients);
    write_gradients(argv[3], &m, gradients, (float)loss, a.logits, rows.n);
    return 0;
}
