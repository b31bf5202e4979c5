/* compare.c - see compare.h. */
#include "report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct bootstrap bootstrap = {.draws = 10000, .level = 0.95, .seed = 0};

/* Appends one cell's outcomes; cells of other numbers of rows are left out. */
static void add_cell(struct outcomes *o, const struct cell *cell, int set)
{
    const struct predictions *p = &cell->sets[set].predictions;
    bool pairs = set == SET_CONTRAST;
    size_t n = pairs ? p->n / 2 : p->n;
    if (o->seeds > 0 && n != o->n)
        return;
    o->n = n;
    o->right = xrealloc_array(o->right, (o->seeds + 1) * n, sizeof *o->right);
    o->seed = xrealloc_array(o->seed, o->seeds + 1, sizeof *o->seed);
    float *right = o->right + o->seeds * n;
    for (size_t i = 0; i < n; i++)
        right[i] = pairs ? p->pred[2 * i] == p->gold[2 * i] && p->pred[2 * i + 1] == p->gold[2 * i + 1]
                         : p->pred[i] == p->gold[i];
    o->seed[o->seeds++] = cell->seed;
    o->nll += cell->sets[set].nll;
    o->ece += cell->sets[set].ece;
}

static double share(const float *right, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += right[i];
    return sum / (double)n;
}

void outcomes_of(struct outcomes *o, const struct experiment *e, const char *group, const char *arm, int set)
{
    double squares = 0;
    *o = (struct outcomes){0};
    for (size_t i = 0; i < e->n_cells; i++) {
        const struct cell *cell = &e->cells[i];
        if (strcmp(cell->group, group) == 0 && strcmp(cell->arm, arm) == 0 && cell->sets[set].there)
            add_cell(o, cell, set);
    }
    if (o->seeds == 0)
        return;
    double seeds = (double)o->seeds;
    o->nll /= seeds;
    o->ece /= seeds;
    o->mean = share(o->right, o->seeds * o->n);
    for (size_t s = 0; s < o->seeds; s++)
        squares += pow(share(o->right + s * o->n, o->n) - o->mean, 2);
    o->sd = o->seeds > 1 ? sqrt(squares / (seeds - 1)) : NAN;
}

void outcomes_free(struct outcomes *o)
{
    free(o->right);
    free(o->seed);
    *o = (struct outcomes){0};
}

/* The seeds that both have: where they stand in a and in b. Returns how many; the lists are of b->seeds. */
static size_t common_seeds(const struct outcomes *a, const struct outcomes *b, size_t *in_a, size_t *in_b)
{
    size_t n = 0;
    for (size_t t = 0; t < b->seeds; t++)
        for (size_t s = 0; s < a->seeds; s++)
            if (a->seed[s] == b->seed[t]) {
                in_a[n] = s;
                in_b[n++] = t;
                break;
            }
    return n;
}

/* What most of these seeds got right; an odd number of them, so that there always is a majority. */
static int32_t *majority(const struct outcomes *o, const size_t *seeds, size_t n)
{
    int32_t *right = xmalloc_array(o->n, sizeof *right);
    for (size_t i = 0; i < o->n; i++) {
        size_t votes = 0;
        for (size_t s = 0; s < n; s++)
            votes += o->right[seeds[s] * o->n + i] > 0;
        right[i] = 2 * votes > n;
    }
    return right;
}

/* Of an even number of seeds the last is left out. */
static double majority_mcnemar(const struct outcomes *a, const struct outcomes *b, const size_t *in_a,
                               const size_t *in_b, size_t n)
{
    n -= n % 2 == 0;
    int32_t *x = majority(a, in_a, n), *y = majority(b, in_b, n), *ones = xmalloc_array(a->n, sizeof *ones);
    for (size_t i = 0; i < a->n; i++)
        ones[i] = 1;
    struct paired_counts counts = paired_count(ones, x, y, a->n);
    free(x);
    free(y);
    free(ones);
    return mcnemar_test(&counts).exact;
}

struct comparison compare_outcomes(const struct outcomes *a, const struct outcomes *b)
{
    struct comparison c = {0};
    if (a->seeds == 0 || b->seeds == 0 || a->n != b->n)
        return c;
    size_t *in_a = xmalloc_array(b->seeds, sizeof *in_a), *in_b = xmalloc_array(b->seeds, sizeof *in_b);
    float *difference = xmalloc_array(b->seeds * b->n, sizeof *difference);
    c.seeds = common_seeds(a, b, in_a, in_b);
    c.there = c.seeds > 0;
    for (size_t s = 0; s < c.seeds; s++)
        for (size_t i = 0; i < b->n; i++)
            difference[s * b->n + i] = b->right[in_b[s] * b->n + i] - a->right[in_a[s] * a->n + i];
    if (c.there) {
        c.difference = seeds_compare(&bootstrap, &(struct seed_differences){difference, c.seeds, b->n});
        c.mcnemar = majority_mcnemar(a, b, in_a, in_b, c.seeds);
    }
    free(difference);
    free(in_b);
    free(in_a);
    return c;
}
