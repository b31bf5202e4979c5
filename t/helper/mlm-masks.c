/* mlm-masks.c - mlm-masks MODEL STREAM OUT ROWS PROBABILITY WHOLE SEED [validation|rationale]: what the term `mlm` of
 * bert-train masks in the first ROWS rows of a run with --no-shuffle over a token stream, which starts over at its end,
 * or in rows of --validation, or what the term `rationale` masks where the rows are what follows the sentence in its
 * own: one safetensors file with ids (as the model sees them) and labels (-100: not masked), I32 [T], and offsets, I64
 * [ROWS + 1]. WHOLE 1: whole words. For the comparison with other implementations; not installed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/memory.h"
#include "bert/objectives/masking.h"
#include "bert/spool.h"
#include "bert/student.h"

static void mask_rows(const struct masking *m, const struct objective_kind *kind, const struct rows *rows, size_t n,
                      uint64_t first, struct buf *ids, struct buf *labels, int64_t *offsets)
{
    const struct column *column = rows_find(rows, "ids");
    const struct objective term = {.kind = kind};
    offsets[0] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t row = i % rows->n, begin = (size_t)column_offsets(column)[row];
        size_t length = (size_t)column_offsets(column)[row + 1] - begin;
        int32_t *shown = xmalloc_array(length, sizeof *shown), *label = xmalloc_array(length, sizeof *label);
        int32_t *wanted = xmalloc_array(length, sizeof *wanted);
        uint32_t *places = xmalloc_array(length, sizeof *places);
        memcpy(shown, column_i32(column) + begin, length * sizeof *shown);
        size_t masked = masking_apply(m, column_i32(column) + begin, length, objective_number(&term, first + i, 0),
                                      places, label, shown);
        for (size_t t = 0; t < length; t++)
            wanted[t] = -100;
        for (size_t j = 0; j < masked; j++)
            wanted[places[j]] = label[j];
        buf_add(ids, shown, length * sizeof *shown);
        buf_add(labels, wanted, length * sizeof *wanted);
        offsets[i + 1] = offsets[i] + (int64_t)length;
        free(shown);
        free(label);
        free(wanted);
        free(places);
    }
}

int main(int argc, char **argv)
{
    struct vocabulary v = {0};
    struct student_tokens tokens;
    struct bert_config config = {0};
    struct masking masking;
    struct rows rows = {0};
    struct buf ids = {0}, labels = {0};
    struct output out;
    struct error err = {0};
    diag_init("mlm-masks");
    if (argc != 8 && argc != 9)
        die(STATUS_USAGE, "usage: mlm-masks MODEL STREAM OUT ROWS PROBABILITY WHOLE SEED [validation|rationale]");
    size_t n = strtoul(argv[4], NULL, 10);
    if (vocabulary_load(&v, argv[1], &err) < 0 || spool_read(&rows, NULL, argv[2], v.sha256, &err) < 0)
        die_error(&err);
    student_tokens_init(&tokens, &v);
    config.vocab_size = (long)v.n_tokens;
    const struct objective_setting setting = {.rows = &rows,
                                              .config = &config,
                                              .tokens = &tokens.table,
                                              .seed = strtoull(argv[7], NULL, 10),
                                              .mlm_probability = strtod(argv[5], NULL),
                                              .whole_word_masking = strcmp(argv[6], "1") == 0};
    int64_t *offsets = xmalloc_array(n + 1, sizeof *offsets);
    if (masking_init(&masking, &setting, &err) < 0)
        die_error(&err);
    const char *where = argc == 9 ? argv[8] : "";
    mask_rows(&masking, strcmp(where, "rationale") == 0 ? &objective_rationale : &objective_mlm, &rows, n,
              strcmp(where, "validation") == 0 ? OBJECTIVE_VALIDATION : 0, &ids, &labels, offsets);
    size_t total = (size_t)offsets[n];
    const struct st_tensor tensors[] = {
        {.name = "ids", .dtype = ST_I32, .rank = 1, .shape = {total}, .data = ids.data},
        {.name = "labels", .dtype = ST_I32, .rank = 1, .shape = {total}, .data = labels.data},
        {.name = "offsets", .dtype = ST_I64, .rank = 1, .shape = {n + 1}, .data = offsets}};
    if (output_open(&out, argv[3], true, &err) < 0)
        die_error(&err);
    if (st_write(&out, tensors, sizeof tensors / sizeof *tensors, NULL, 0) < 0 || output_close(&out) < 0)
        die_error(&out.error);
    return 0;
}
