/* experiment.c - see experiment.h. */
#include "report/experiment.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/memory.h"
#include "wire/json.h"

const char *const set_names[SETS] = {"validation", "dev872", "trees1821", "imdb2000", "contrast"};
const char *const set_titles[SETS] = {"validation rows, carved from train", "SST-2 dev, 872 rows",
                                      "labelled test sentences of the trees, 1,821 rows",
                                      "out of domain: 2,000 IMDb test reviews", "contrast set, 150 pairs"};
enum { FILE_CAP = 1 << 28 };

/* ---- folders ---- */

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Names in a folder in order, freed with the list by the caller; none where it is not there. */
static size_t names_in(const char *folder, char ***names)
{
    struct dirent **list;
    int n = scandir(folder, &list, visible, versionsort);
    *names = NULL;
    if (n < 0)
        return 0;
    *names = xmalloc_array((size_t)n + 1, sizeof **names);
    for (int i = 0; i < n; i++) {
        (*names)[i] = xstrdup(list[i]->d_name);
        free(list[i]);
    }
    free(list);
    return (size_t)n;
}

static void free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static char *read_text(const char *folder, const char *name, size_t *len, struct error *err)
{
    char *path = path_join(folder, name), *text = file_read(path, FILE_CAP, len, err);
    free(path);
    return text;
}

/* ---- the arms ---- */

/* The next field of a line, ended by a tab or the end. */
static char *next_field(const char **at)
{
    size_t len = strcspn(*at, "\t");
    char *field = xmalloc(len + 1);
    memcpy(field, *at, len);
    field[len] = '\0';
    *at += len + ((*at)[len] == '\t');
    return field;
}

static int read_arms(struct experiment *e, struct error *err)
{
    size_t len;
    char *text = read_text(e->folder, "arms.tsv", &len, err), *save = NULL;
    if (!text)
        return -1;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *at = line;
        if (*line == '#')
            continue;
        e->arms = xrealloc_array(e->arms, e->n_arms + 1, sizeof *e->arms);
        struct arm *arm = &e->arms[e->n_arms++];
        arm->name = next_field(&at);
        arm->role = next_field(&at);
        arm->of = next_field(&at);
        arm->stages = next_field(&at);
    }
    free(text);
    return 0;
}

/* ---- cells ---- */

static double number_in(const char *text, size_t len, const char *member)
{
    struct json doc = {0};
    struct error ignored = {0};
    double value = NAN;
    if (json_parse(&doc, text, len, &ignored) == 0)
        json_get_double(json_member(&doc, json_root(&doc), member), &value);
    json_free(&doc);
    return value;
}

static int read_set(struct cell_set *s, const char *folder, const char *name, struct error *err)
{
    struct buf file = {0};
    size_t len;
    char *path, *scores;
    const struct prediction_options options = {.member = "pred"};
    buf_addf(&file, "%s.json", name);
    path = path_join(folder, file.data);
    bool there = path_exists(path);
    free(path);
    if (!there) {
        buf_free(&file);
        return 0;
    }
    scores = read_text(folder, file.data, &len, err);
    file.len = 0;
    buf_addf(&file, "%s.ndjson", name);
    path = path_join(folder, file.data);
    int result = scores ? predictions_read(&s->predictions, path, NULL, &options, err) : -1;
    s->there = result == 0;
    if (scores) {
        s->accuracy = number_in(scores, len, "accuracy");
        s->nll = number_in(scores, len, "nll");
        s->ece = number_in(scores, len, "ece");
    }
    free(scores);
    free(path);
    buf_free(&file);
    return result;
}

/* The losses and speed of the last stage: a record `start` begins anew. */
static int read_metrics(struct cell *cell, const char *folder, struct error *err)
{
    struct curve *c = &cell->curve;
    size_t len;
    char *text = read_text(folder, "metrics.ndjson", &len, err), *save = NULL;
    if (!text)
        return -1;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "{\"event\":\"start\"", 16) == 0)
            c->n = 0;
        if (strncmp(line, "{\"event\":\"end\"", 14) == 0)
            cell->rows_per_second = number_in(line, strlen(line), "rows_per_second");
        if (strncmp(line, "{\"event\":\"step\"", 15) != 0)
            continue;
        c->step = xrealloc_array(c->step, c->n + 1, sizeof *c->step);
        c->loss = xrealloc_array(c->loss, c->n + 1, sizeof *c->loss);
        c->step[c->n] = number_in(line, strlen(line), "step");
        c->loss[c->n++] = number_in(line, strlen(line), "loss");
    }
    free(text);
    return 0;
}

static int read_cell(struct experiment *e, const char *group, const char *arm, const char *seed, const char *folder,
                     struct error *err)
{
    char *done = path_join(folder, "done");
    bool there = path_exists(done);
    size_t len;
    free(done);
    if (!there)
        return 0;
    e->cells = xrealloc_array(e->cells, e->n_cells + 1, sizeof *e->cells);
    struct cell *cell = &e->cells[e->n_cells++];
    *cell = (struct cell){
        .group = xstrdup(group), .arm = xstrdup(arm), .seed = strtol(seed, NULL, 10), .rows_per_second = NAN};
    for (size_t i = 0; i < SETS; i++)
        if (read_set(&cell->sets[i], folder, set_names[i], err) < 0)
            return -1;
    char *time = read_text(folder, "time.json", &len, err);
    cell->train_seconds = time ? number_in(time, len, "train_seconds") : NAN;
    free(time);
    cell->options = read_text(folder, "options", &len, err);
    return time && cell->options ? read_metrics(cell, folder, err) : -1;
}

static int read_seeds(struct experiment *e, const char *group, const char *arm, const char *folder, struct error *err)
{
    char **seeds;
    size_t n = names_in(folder, &seeds);
    int result = 0;
    for (size_t i = 0; i < n && result == 0; i++) {
        char *cell = path_join(folder, seeds[i]);
        result = read_cell(e, group, arm, seeds[i], cell, err);
        free(cell);
    }
    free_names(seeds, n);
    return result;
}

static int read_group(struct experiment *e, const char *group, const char *folder, struct error *err)
{
    int result = 0;
    for (size_t i = 0; i < e->n_arms && result == 0; i++) {
        char *of_arm = path_join(folder, e->arms[i].name);
        result = read_seeds(e, group, e->arms[i].name, of_arm, err);
        free(of_arm);
    }
    return result;
}

int experiment_read(struct experiment *e, const char *folder, struct error *err)
{
    size_t len;
    *e = (struct experiment){.folder = xstrdup(folder)};
    e->about = read_text(folder, "experiment.json", &len, err);
    if (!e->about || read_arms(e, err) < 0)
        return -1;
    char *cells = path_join(folder, "cells");
    int result = 0;
    e->n_groups = names_in(cells, &e->groups);
    for (size_t i = 0; i < e->n_groups && result == 0; i++) {
        char *group = path_join(cells, e->groups[i]);
        result = read_group(e, e->groups[i], group, err);
        free(group);
    }
    free(cells);
    if (result == 0 && e->n_cells == 0)
        return error_set(err, STATUS_FAILURE, "%s: there is no finished cell; run make experiment", folder);
    return result;
}

const struct cell *experiment_cell(const struct experiment *e, const char *group, const char *arm, long seed)
{
    for (size_t i = 0; i < e->n_cells; i++)
        if (e->cells[i].seed == seed && strcmp(e->cells[i].group, group) == 0 && strcmp(e->cells[i].arm, arm) == 0)
            return &e->cells[i];
    return NULL;
}

static void free_cell(struct cell *cell)
{
    for (size_t i = 0; i < SETS; i++)
        predictions_free(&cell->sets[i].predictions);
    free(cell->group);
    free(cell->arm);
    free(cell->options);
    free(cell->curve.step);
    free(cell->curve.loss);
}

void experiment_free(struct experiment *e)
{
    for (size_t i = 0; i < e->n_cells; i++)
        free_cell(&e->cells[i]);
    for (size_t i = 0; i < e->n_arms; i++) {
        free(e->arms[i].name);
        free(e->arms[i].role);
        free(e->arms[i].of);
        free(e->arms[i].stages);
    }
    free_names(e->groups, e->n_groups);
    free(e->cells);
    free(e->arms);
    free(e->about);
    free(e->folder);
    *e = (struct experiment){0};
}
