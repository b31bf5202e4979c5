/* bert-gradients.c - bert-gradients [options] MODEL STREAM OUT [SPEC]: the loss of an objective (by default label) over
 * all rows of a token stream, dropout off, and its gradient by every parameter, as one safetensors file with Hugging
 * Face's names (the loss as tensor `loss`, the logits, where there is a classifier, as `logits`). What is random is as
 * in the first step of bert-train with default options and --no-shuffle. --batch FILE writes what went through the
 * encoder: `ids`, `types` and `offsets` of all its rows, and with a classifier the gradients of the logits, `d_logits`.
 * For the comparison with other implementations; not installed.
 */
#include <stdlib.h>

#include "base/cli.h"
#include "base/diag.h"
#include "base/memory.h"
#include "bert/label_source.h"
#include "bert/spool.h"
#include "bert/student.h"

struct options {
    const char *unlabelled, *batch, *label_source;
    double temperature, dropout;
};

static struct options parse(int argc, char **argv, int *operands)
{
    struct options o = {.label_source = "gold", .temperature = 1};
    const struct cli_option table[] = {
        {'\0', "unlabelled", CLI_FILE, &o.unlabelled, "FILE", .help = "further text, a token stream"},
        {'\0', "batch", CLI_FILE, &o.batch, "FILE", .help = "where to write what went through the encoder"},
        {'\0', "label-source", CLI_CHOICE, &o.label_source, "SOURCE", .choices = LABEL_SOURCE_CHOICES,
         .help = "as bert-train has it"},
        {'\0', "temperature", CLI_DOUBLE, &o.temperature, "T", .min = 1e-9, .max = 1e9, .help = "of the term soft"},
        {'\0', "dropout", CLI_DOUBLE, &o.dropout, "P", .min = 0, .max = 0.9, .help = "everywhere"},
        CLI_END};
    const struct cli cli = {.tool = "bert-gradients",
                            .summary = "loss and gradients of an objective",
                            .usage = "[options] MODEL STREAM OUT [SPEC]",
                            .options = table,
                            .min_operands = 3,
                            .max_operands = 4};
    *operands = cli_parse(&cli, argc, argv);
    return o;
}

static void write_tensors(const char *path, const struct st_tensor *tensors, size_t n)
{
    struct output out;
    struct error err = {0};
    if (output_open(&out, path, true, &err) < 0)
        die_error(&err);
    if (st_write(&out, tensors, n, NULL, 0) < 0 || output_close(&out) < 0)
        die_error(&out.error);
}

static void write_gradients(const char *path, const struct model *m, const float *gradients, float loss,
                            const float *logits, size_t rows)
{
    struct st_tensor *tensors = xcalloc(m->parameters.n + 2, sizeof *tensors);
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
    write_tensors(path, tensors, n);
    free(tensors);
}

static void write_batch(const char *path, const struct batch *b, const float *d_logits, size_t classes)
{
    uint8_t *types = xcalloc(b->tokens, 1);
    for (size_t i = 0; b->types && i < b->tokens; i++)
        types[i] = b->types[i];
    const struct st_tensor tensors[] = {
        {.name = "ids", .dtype = ST_I32, .rank = 1, .shape = {b->tokens}, .data = b->ids},
        {.name = "types", .dtype = ST_U8, .rank = 1, .shape = {b->tokens}, .data = types},
        {.name = "offsets", .dtype = ST_I64, .rank = 1, .shape = {b->rows + 1}, .data = b->offsets},
        {.name = "d_logits", .dtype = ST_F32, .rank = 2, .shape = {b->rows, classes}, .data = d_logits}};
    write_tensors(path, tensors, sizeof tensors / sizeof *tensors - (classes == 0));
    free(types);
}

int main(int argc, char **argv)
{
    struct nn nn;
    struct vocabulary v = {0};
    struct student_tokens tokens;
    struct model m;
    struct rows rows = {0}, unlabelled = {0};
    struct stream_head head;
    struct objectives objectives;
    struct activations a;
    struct batch b = {0};
    struct error err = {0};
    bool fresh;
    int first;
    const struct options options = parse(argc, argv, &first);
    const char *const *operands = (const char *const *)argv + first;
    if (nn_cpu(&nn, &(struct nn_options){.threads = 0}, &err) < 0 || vocabulary_load(&v, operands[0], &err) < 0 ||
        model_open(&m, operands[0], &err) < 0 || spool_read(&rows, &head, operands[1], v.sha256, &err) < 0 ||
        (options.unlabelled && spool_read(&unlabelled, NULL, options.unlabelled, v.sha256, &err) < 0) ||
        objectives_parse(&objectives, argc - first == 4 ? operands[3] : "label", &err) < 0)
        die_error(&err);
    label_source_apply(&rows, options.label_source);
    student_tokens_init(&tokens, &v);
    const struct train_options o = {.seed = 42, .mlm_probability = 0.15, .temperature = options.temperature};
    const struct train_data data = {.train = &rows, .unlabelled = options.unlabelled ? &unlabelled : NULL};
    if (student_make(&m, &objectives, NULL, &v, &tokens, &data, operands[1], &head, &o, &fresh, &err) < 0)
        die_error(&err);
    uint64_t *which = xmalloc_array(rows.n, sizeof *which);
    for (size_t i = 0; i < rows.n; i++)
        which[i] = i;
    float *gradients = xaligned(m.parameters.slab_size * sizeof *gradients);
    activations_init(&a, &m.config, true);
    a.all_tokens = objectives.reads & OBJECTIVE_TOKENS;
    const struct model_dropout dropout = {options.dropout, options.dropout, options.dropout, o.seed};
    const struct objective_rows step = {&rows, which, rows.n, 0};
    double loss =
        objectives_step(&objectives, &m, &nn, &a, &b, options.dropout > 0 ? &dropout : NULL, &step, rows.n, gradients);
    write_gradients(operands[2], &m, gradients, (float)loss, a.logits, b.rows);
    if (options.batch)
        write_batch(options.batch, &b, a.d_logits, m.classes);
    return 0;
}
