/* experiment.h - the folder that `make experiment` fills, read into memory: which students there are and how they did.
 *
 *     experiment.json, arms.tsv                       what was run
 *     data/shared/SET.ndjson                          the rows of a set
 *     cells/TRACK-SIZE/ARM/SEED/SET.ndjson, SET.json  a student's predictions and scores
 *     cells/.../metrics.ndjson, options, time.json    how it was trained
 *
 * A cell without its file `done` is not there.
 */
#ifndef REPORT_EXPERIMENT_H
#define REPORT_EXPERIMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "score/predictions.h"

enum { SETS = 5 };
/* validation, dev872, trees1821, imdb2000, contrast */
extern const char *const set_names[SETS], *const set_titles[SETS];
enum { SET_VALIDATION, SET_DEV, SET_TREES, SET_IMDB, SET_CONTRAST };

struct cell_set {
    bool there;
    struct predictions predictions;
    double accuracy, nll, ece; /* nll, ece NAN where they are not known */
};

struct curve {
    double *step, *loss;
    size_t n;
};

struct cell {
    char *group, *arm; /* "T-240", "counterfactual" */
    long seed;
    struct cell_set sets[SETS];
    struct curve curve;     /* of the last stage */
    double train_seconds;   /* of all stages */
    double rows_per_second; /* of the last stage; NAN where it is not told */
    char *options;
};

struct arm {
    char *name, *role, *of, *stages;
};

struct experiment {
    char *folder, *about; /* about: experiment.json's text */
    struct arm *arms;
    size_t n_arms;
    char **groups;
    size_t n_groups;
    struct cell *cells; /* by group, by arm as arms.tsv has them, by seed */
    size_t n_cells;
};

int experiment_read(struct experiment *e, const char *folder, struct error *err);
void experiment_free(struct experiment *e);
/* NULL where there is none. */
const struct cell *experiment_cell(const struct experiment *e, const char *group, const char *arm, long seed);

#endif
