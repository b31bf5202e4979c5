/* matching.c - puts two files of predictions side by side: row i of both is then the same sentence. */
#include "score/predictions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct key {
    int64_t idx;
    size_t row;
};

static int by_idx(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    if (x->idx != y->idx)
        return x->idx < y->idx ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

/* An error that keep_going turns into rows left out. */
static int leave_out(struct predictions *p, uint64_t rows, const struct prediction_options *options, struct error *err)
{
    if (!options->keep_going)
        return -1;
    options->skipped(err);
    *err = (struct error){0};
    p->malformed += rows;
    return 0;
}

/* Sorted by idx and without repetitions into keys[*n]; freed by the caller, NULL on an error. */
static struct key *unique_keys(struct predictions *p, size_t *n, const struct prediction_options *options,
                               struct error *err)
{
    struct key *keys = xmalloc_array(p->n, sizeof *keys);
    for (size_t i = 0; i < p->n; i++)
        keys[i] = (struct key){p->idx[i], i};
    qsort(keys, p->n, sizeof *keys, by_idx);
    *n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (*n == 0 || keys[*n - 1].idx != keys[i].idx) {
            keys[(*n)++] = keys[i];
            continue;
        }
        error_set(err, STATUS_FAILURE, "%s:%" PRIu64 ": idx %" PRId64 " stands in line %" PRIu64 " already", p->name,
                  p->line[keys[i].row], keys[i].idx, p->line[keys[*n - 1].row]);
        if (leave_out(p, 1, options, err) < 0) {
            free(keys);
            return NULL;
        }
    }
    return keys;
}

struct pairing {
    size_t *rows_a, *rows_b, n;
    size_t only_a, only_b;             /* rows that the other file lacks */
    size_t first_only_a, first_only_b; /* the first of them */
};

static void pair_by_idx(struct pairing *pairing, const struct key *a, size_t n_a, const struct key *b, size_t n_b)
{
    size_t i = 0, j = 0;
    while (i < n_a || j < n_b) {
        if (j == n_b || (i < n_a && a[i].idx < b[j].idx)) {
            if (pairing->only_a++ == 0)
                pairing->first_only_a = a[i].row;
            i++;
        } else if (i == n_a || b[j].idx < a[i].idx) {
            if (pairing->only_b++ == 0)
                pairing->first_only_b = b[j].row;
            j++;
        } else {
            pairing->rows_a[pairing->n] = a[i++].row;
            pairing->rows_b[pairing->n++] = b[j++].row;
        }
    }
}

static int report_lacking(struct predictions *has, struct predictions *lacks, size_t rows, size_t first,
                          const struct prediction_options *options, struct error *err)
{
    if (rows == 0)
        return 0;
    error_set(err, STATUS_FAILURE, "%s: no labelled row with idx %" PRId64 ", which %s:%" PRIu64 " has", lacks->name,
              has->idx[first], has->name, has->line[first]);
    if (rows > 1) {
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof err->text - used, "; %zu rows are missing", rows);
    }
    return leave_out(has, rows, options, err);
}

static int match_by_idx(struct predictions *a, struct predictions *b, struct pairing *pairing,
                        const struct prediction_options *options, struct error *err)
{
    size_t n_a, n_b = 0;
    struct key *keys_a = unique_keys(a, &n_a, options, err);
    struct key *keys_b = keys_a ? unique_keys(b, &n_b, options, err) : NULL;
    int rc = -1;
    if (keys_b) {
        pair_by_idx(pairing, keys_a, n_a, keys_b, n_b);
        rc = report_lacking(a, b, pairing->only_a, pairing->first_only_a, options, err) < 0 ||
                     report_lacking(b, a, pairing->only_b, pairing->first_only_b, options, err) < 0
                 ? -1
                 : 0;
    }
    free(keys_a);
    free(keys_b);
    return rc;
}

static int match_by_order(struct predictions *a, struct predictions *b, struct pairing *pairing, struct error *err)
{
    if (a->n != b->n)
        return error_set(err, STATUS_FAILURE,
                         "%s has %zu labelled rows and %s has %zu; rows without idx are matched by order", a->name,
                         a->n, b->name, b->n);
    for (size_t i = 0; i < a->n; i++)
        pairing->rows_a[i] = pairing->rows_b[i] = i;
    pairing->n = a->n;
    return 0;
}

/* Drops the pairs whose gold labels differ, which are errors. */
static int check_gold(struct predictions *a, struct predictions *b, struct pairing *pairing,
                      const struct prediction_options *options, struct error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < pairing->n; i++) {
        size_t row_a = pairing->rows_a[i], row_b = pairing->rows_b[i];
        if (a->gold[row_a] == b->gold[row_b]) {
            pairing->rows_a[kept] = row_a;
            pairing->rows_b[kept++] = row_b;
            continue;
        }
        error_set(err, STATUS_FAILURE,
                  "%s:%" PRIu64 ": gold label %d, but %d in %s:%" PRIu64 "; are these predictions of the same rows?",
                  a->name, a->line[row_a], a->gold[row_a], b->gold[row_b], b->name, b->line[row_b]);
        if (leave_out(a, 1, options, err) < 0)
            return -1;
    }
    pairing->n = kept;
    if (kept == 0)
        return error_set(err, STATUS_FAILURE, "%s and %s have no row in common", a->name, b->name);
    return 0;
}

/* The rows named, in that order. */
static void select_rows(struct predictions *p, const size_t *rows, size_t n)
{
    struct predictions old = *p;
    size_t probs_size = old.width * sizeof *p->probs;
    p->n = p->cap = n;
    p->idx = xmalloc_array(n, sizeof *p->idx);
    p->line = xmalloc_array(n, sizeof *p->line);
    p->gold = xmalloc_array(n, sizeof *p->gold);
    p->pred = xmalloc_array(n, sizeof *p->pred);
    p->probs = old.has_probs ? xmalloc_array(n, probs_size) : NULL;
    for (size_t i = 0; i < n; i++) {
        p->idx[i] = old.idx[rows[i]];
        p->line[i] = old.line[rows[i]];
        p->gold[i] = old.gold[rows[i]];
        p->pred[i] = old.pred[rows[i]];
        if (old.has_probs)
            memcpy(p->probs + i * old.width, old.probs + rows[i] * old.width, probs_size);
    }
    free(old.idx);
    free(old.line);
    free(old.gold);
    free(old.pred);
    free(old.probs);
}

static bool is_number(const char *name, size_t class)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", class);
    return strcmp(name, number) == 0;
}

/* A name that only one side knows is told to the other. */
static int share_names(struct predictions *a, struct predictions *b, struct error *err)
{
    size_t k = a->k > b->k ? a->k : b->k;
    struct predictions *narrow = a->k < k ? a : b, *wide = narrow == a ? b : a;
    if (narrow->k < k && narrow->width)
        return error_set(err, STATUS_FAILURE, "%s has %zu classes and %s has %zu", narrow->name, narrow->k, wide->name,
                         k);
    narrow->names = xrealloc_array(narrow->names, k, sizeof *narrow->names);
    for (; narrow->k < k; narrow->k++)
        narrow->names[narrow->k] = xstrdup(wide->names[narrow->k]);
    for (size_t class = 0; class < k; class ++) {
        char **name_a = &a->names[class], **name_b = &b->names[class];
        if (strcmp(*name_a, *name_b) == 0)
            continue;
        char **unknown = is_number(*name_a, class) ? name_a : is_number(*name_b, class) ? name_b : NULL;
        if (!unknown)
            return error_set(err, STATUS_FAILURE, "label %zu is named '%s' in %s and '%s' in %s", class, *name_a,
                             a->name, *name_b, b->name);
        free(*unknown);
        *unknown = xstrdup(unknown == name_a ? *name_b : *name_a);
    }
    return 0;
}

static int check_idx(const struct predictions *p, struct error *err)
{
    if (p->has_idx || p->n_idx == 0)
        return 0;
    return error_set(err, STATUS_FAILURE, "%s: some rows have an idx and some have none; they cannot be matched",
                     p->name);
}

int predictions_match(struct predictions *a, struct predictions *b, const struct prediction_options *options,
                      struct error *err)
{
    if (check_idx(a, err) < 0 || check_idx(b, err) < 0 || share_names(a, b, err) < 0)
        return -1;
    size_t most = a->n > b->n ? a->n : b->n;
    struct pairing pairing = {.rows_a = xmalloc_array(most, sizeof *pairing.rows_a),
                              .rows_b = xmalloc_array(most, sizeof *pairing.rows_b)};
    int rc =
        a->has_idx && b->has_idx ? match_by_idx(a, b, &pairing, options, err) : match_by_order(a, b, &pairing, err);
    if (rc == 0)
        rc = check_gold(a, b, &pairing, options, err);
    if (rc == 0) {
        select_rows(a, pairing.rows_a, pairing.n);
        select_rows(b, pairing.rows_b, pairing.n);
    }
    free(pairing.rows_a);
    free(pairing.rows_b);
    return rc;
}
