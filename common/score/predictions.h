/* predictions.h - reads rows with a gold label and a prediction, and puts two such files side by side.
 *
 * A row is one NDJSON object as bert-infer writes it: {"idx":0,"label":1,"pred":{"label":1,"probs":[0.1,0.9]}}. `idx`,
 * `label_text` and `probs` may be missing. Every other member is ignored. Instead of "pred" another member of the same
 * shape can be read ("teacher": how good are the teacher's labels?). Rows whose gold label is unknown (-1), and a
 * teacher's rows without an answer, are counted and left out. What is malformed is an error that names file, line,
 * member and cure, or with `keep_going` is handed to `skipped` and left out.
 */
#ifndef SCORE_PREDICTIONS_H
#define SCORE_PREDICTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { PREDICTIONS_MAX_CLASSES = 1000 };

struct prediction_options {
    const char *member; /* "pred" or "teacher" */
    bool keep_going;
    void (*skipped)(const struct error *why); /* called for each row left out as malformed */
};

struct predictions {
    char *name; /* the file, for messages and tables */
    size_t n, cap;
    int64_t *idx;   /* of each row; meaningless unless has_idx */
    uint64_t *line; /* where it stood */
    int32_t *gold, *pred;
    double *probs;         /* [n][width]; NULL unless has_probs */
    size_t width;          /* classes in each row's probs; 0 without probs */
    size_t n_probs, n_idx; /* rows that had probs, rows that had an idx */
    bool has_idx;          /* every row has an idx */
    bool has_probs;        /* every row has probs */
    size_t k;              /* classes: the widest of probs, and 1 + the largest label; at least 2 */
    char **names;          /* [k] label names; a number in text where no row told it */
    uint64_t unlabelled, unanswered, malformed; /* rows left out */
};

/* Reads all of path (NULL or "-": stdin). `labels` (may be NULL) are "a,b,c" and fix names and number of classes. A
 * file without a row that can be scored is an error. Returns -1 after filling err; predictions_free is due in both
 * cases. */
int predictions_read(struct predictions *p, const char *path, const char *labels,
                     const struct prediction_options *options, struct error *err);
void predictions_free(struct predictions *p);

/* Reorders and cuts a and b so that row i of both is the same sentence: by idx where both have it, else by order. Both
 * get the same k and names. A row that the other file lacks, an idx that occurs twice, a gold label that differs, and
 * in order matching a different number of rows are errors; with keep_going such rows are left out and counted as
 * malformed (of rows with one idx the first stays), except that files of different length are not matched by order. */
int predictions_match(struct predictions *a, struct predictions *b, const struct prediction_options *options,
                      struct error *err);

#endif
