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

/* What more than half of the seeds got right. */
static int32_t *majority(const struct outcomes *o)
{
    int32_t *right = xmalloc_array(o->n, sizeof *right);
    for (size_t i = 0; i < o->n; i++) {
        double sum = 0;
        for (size_t s = 0; s < o->seeds; s++)
            sum += o->right[s * o->n + i];
        right[i] = 2 * sum > (double)o->seeds;
    }
    return right;
}

static double majority_mcnemar(const struct outcomes *a, const struct outcomes *b)
{
    int32_t *x = majority(a), *y = majority(b), *ones = xmalloc_array(a->n, sizeof *ones);
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
    float *difference = xmalloc_array(b->seeds * b->n, sizeof *difference);
    for (size_t t = 0; t < b->seeds; t++)
        for (size_t s = 0; s < a->seeds; s++) {
            if (a->seed[s] != b->seed[t])
                continue;
            for (size_t i = 0; i < b->n; i++)
                difference[c.seeds * b->n + i] = b->right[t * b->n + i] - a->right[s * a->n + i];
            c.seeds++;
            break;
        }
    c.there = c.seeds > 0;
    if (c.there) {
        c.difference = seeds_compare(&bootstrap, &(struct seed_differences){difference, c.seeds, b->n});
        c.mcnemar = majority_mcnemar(a, b);
    }
    free(difference);
    return c;
}
