/* attribution.c - what attributions stand on: the sum that stands for the integral, the pass from given embeddings and
 * its way back to them (against finite differences, with mapped weights and with weights in a slab), words from tokens,
 * the area under the curve.
 */
#include "bert/attribution.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"
#include "base/memory.h"
#include "bert_folder.h"
#include "score/attribution.h"

static struct nn nn;

_Noreturn static void bail_out(const char *what, const char *why)
{
    printf("Bail out! %s: %s\n", what, why);
    exit(1);
}

/* ---- the sum ---- */

static void test_gauss_legendre(void)
{
    double places[64], parts[64], worst = 0, three[3] = {0.5 - sqrt(0.15), 0.5, 0.5 + sqrt(0.15)};
    gauss_legendre(3, places, parts);
    for (int i = 0; i < 3; i++)
        near(places[i], three[i], 1e-15, "three points: place %d", i);
    near(parts[0], 5.0 / 18, 1e-14, "three points: an outer weight");
    near(parts[1], 8.0 / 18, 1e-14, "three points: the middle weight");
    for (size_t n = 1; n <= 64; n++) {
        gauss_legendre(n, places, parts);
        for (size_t degree = 0; degree < 2 * n; degree++) {
            double sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += parts[i] * pow(places[i], (double)degree);
            worst = fmax(worst, fabs(sum - 1 / ((double)degree + 1)));
        }
    }
    near(worst, 0, 2e-14, "1 to 64 points integrate all powers that they should");
    gauss_legendre(8, places, parts);
    double sum = 0;
    for (size_t i = 0; i < 8; i++)
        sum += parts[i] * pow(places[i], 16);
    ok(fabs(sum - 1.0 / 17) > 1e-12, "and not the next one");
}

/* ---- the way back to the embeddings ---- */

enum { ROWS = 3, LONGEST = 9 };
static const int32_t ids[ROWS][LONGEST] = {{2, 10, 11, 12, 3}, {2, 20, 21, 22, 23, 24, 25, 26, 3}, {2, 30, 3}};
static const uint8_t types[LONGEST] = {0, 0, 0, 1, 1, 1, 1, 1, 1};
static const size_t lengths[ROWS] = {5, 9, 3};

struct subject {
    struct model m;
    struct activations a;
    struct batch b;
    float *sums; /* what the pass starts from */
    size_t floats;
};

static void subject_init(struct subject *s, const char *folder, bool mapped, bool all_tokens)
{
    struct error err = {0};
    bool fresh;
    *s = (struct subject){.b = {.row_multiple = nn.row_multiple}};
    if (mapped ? model_map(&s->m, folder, &err) < 0
               : model_open(&s->m, folder, &err) < 0 || model_load(&s->m, NULL, 1, &fresh, &err) < 0)
        bail_out(folder, err.text);
    activations_init(&s->a, &s->m.config, true);
    s->a.all_tokens = all_tokens;
    batch_begin(&s->b);
    for (size_t i = 0; i < ROWS; i++)
        batch_add(&s->b, ids[i], types, lengths[i], i);
    batch_end(&s->b);
    model_forward(&s->m, &nn, &s->a, &s->b, NULL);
    s->floats = s->b.padded_tokens * (size_t)s->m.config.hidden_size;
    s->sums = xaligned(s->floats * sizeof *s->sums);
    memcpy(s->sums, s->a.embedding_sum, s->floats * sizeof *s->sums);
}

static void subject_free(struct subject *s)
{
    free(s->sums);
    activations_free(&s->a);
    batch_free(&s->b);
    model_free(&s->m);
}

/* Class 1 minus class 0 of all rows, where the rows count 1, 2, 3. */
static double score_from(struct subject *s, const float *sums)
{
    double score = 0;
    activations_layout(&s->a, &s->m.config, s->m.classes, &s->b);
    memcpy(s->a.embedding_sum, sums, s->floats * sizeof *sums);
    model_forward_embedded(&s->m, &nn, &s->a, &s->b);
    for (size_t i = 0; i < ROWS; i++)
        score += (double)(i + 1) * ((double)s->a.logits[i * 2 + 1] - s->a.logits[i * 2]);
    return score;
}

/* The gradient of that, to be freed. gradients: NULL, or a slab. */
static float *gradient_of(struct subject *s, float *gradients)
{
    float *copy = xaligned(s->floats * sizeof *copy);
    score_from(s, s->sums);
    model_clear_gradients(&s->m, &nn, &s->a, &s->b);
    for (size_t i = 0; i < ROWS; i++) {
        s->a.d_logits[i * 2] = -(float)(i + 1);
        s->a.d_logits[i * 2 + 1] = (float)(i + 1);
    }
    model_backward(&s->m, &nn, &s->a, &s->b, NULL, gradients);
    memcpy(copy, s->a.d_output, s->floats * sizeof *copy);
    return copy;
}

/* Along the gradient of each token the score changes as the gradient says. */
static void check_slopes(struct subject *s, const float *gradient, const char *name)
{
    size_t hidden = (size_t)s->m.config.hidden_size;
    float *moved = xaligned(s->floats * sizeof *moved);
    double worst = 0;
    for (size_t t = 0; t < s->b.tokens; t++) {
        const float *g = gradient + t * hidden;
        double norm = 0, values[2];
        for (size_t h = 0; h < hidden; h++)
            norm += (double)g[h] * g[h];
        norm = sqrt(norm);
        for (int side = 0; side < 2; side++) {
            memcpy(moved, s->sums, s->floats * sizeof *moved);
            for (size_t h = 0; h < hidden; h++)
                moved[t * hidden + h] += (float)((side ? 2e-3 : -2e-3) * g[h] / norm);
            values[side] = score_from(s, moved);
        }
        double distance = fabs((values[1] - values[0]) / 4e-3 / norm - 1);
        worst = distance <= worst ? worst : isnan(distance) ? (double)INFINITY : distance;
    }
    near(worst, 0, 0.01, "%s: the gradient of each token's embedding is the slope", name);
    free(moved);
}

static double apart(const float *a, const float *b, size_t n)
{
    double square = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        square += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += (double)b[i] * b[i];
    }
    return sqrt(square / norm);
}

static void test_way_back(const char *folder, bool all_tokens, const char *name)
{
    struct subject mapped, copied;
    subject_init(&mapped, folder, true, all_tokens);
    subject_init(&copied, folder, false, all_tokens);
    float *logits = xmalloc_array(ROWS * 2, sizeof *logits);
    memcpy(logits, mapped.a.logits, ROWS * 2 * sizeof *logits);
    score_from(&mapped, mapped.sums);
    ok(memcmp(logits, mapped.a.logits, ROWS * 2 * sizeof *logits) == 0,
       "%s: from its own embeddings the pass gives the same bits", name);
    float *slab = xaligned(copied.m.parameters.slab_size * sizeof *slab);
    float *with = gradient_of(&copied, slab), *without = gradient_of(&copied, NULL),
          *of_mapped = gradient_of(&mapped, NULL);
    ok(memcmp(with, without, copied.b.tokens * (size_t)copied.m.config.hidden_size * sizeof *with) == 0,
       "%s: without the parameters' gradients that of the embeddings has the same bits", name);
    near(apart(of_mapped, without, mapped.b.tokens * (size_t)mapped.m.config.hidden_size), 0, 1e-5,
         "%s: with mapped weights it is the same but for rounding", name);
    check_slopes(&mapped, of_mapped, name);
    free(with);
    free(without);
    free(of_mapped);
    free(slab);
    free(logits);
    subject_free(&mapped);
    subject_free(&copied);
}

/* ---- words ---- */

static void test_words(void)
{
    static const char text[] = "un\xC2\xA0"
                               "film good,  \xE2\x80\x83gone";
    static const struct token_span spans[] = {{0, 0}, {0, 1}, {1, 2}, {4, 8}, {9, 13}, {13, 14}, {0, 0}, {0, 3}};
    static const uint8_t pair[] = {0, 0, 0, 0, 0, 0, 0, 1};
    static const double scores[] = {9, 1, -3, 2, 0.5, 0.25, 9, 9};
    static const size_t places[3][2] = {{0, 2}, {4, 8}, {9, 14}};
    static const double sums[3] = {-2, 2, 0.75}, largest[3] = {-3, 2, 0.5};
    for (int method = ATTRIBUTION_CUES; method <= ATTRIBUTION_GRADIENT; method++) {
        bool gradient = method == ATTRIBUTION_GRADIENT;
        struct buf out = {0};
        attribution_words((enum attribution_method)method, text, sizeof text - 1, spans, pair, scores, 8, &out);
        const struct attributed_word *words = (const struct attributed_word *)(const void *)out.data;
        size_t n = out.len / sizeof *words;
        is_long((long long)n, 3, "words that have tokens");
        for (size_t i = 0; i < n && i < 3; i++) {
            ok(words[i].begin == places[i][0] && words[i].end == places[i][1], "word %zu: its place", i);
            near(words[i].score, gradient ? sums[i] : largest[i], 0, "word %zu: %s", i,
                 gradient ? "the sum of its pieces" : "its piece of the largest magnitude");
        }
        buf_free(&out);
    }
}

/* ---- areas ---- */

static void test_area(void)
{
    const double high[] = {3, 2, 2}, low[] = {1, 2};
    near(area_under_curve(high, 3, low, 2), 5.0 / 6, 1e-15, "the area: four pairs in order, two ties");
    near(area_under_curve(low, 2, high, 3), 1.0 / 6, 1e-15, "the other way round the rest");
    ok(isnan(area_under_curve(high, 0, low, 2)) && isnan(area_under_curve(high, 3, low, 0)), "one kind has no area");
}

int main(void)
{
    struct error err = {0};
    char *classifier = testdata("classifier");
    if (nn_cpu(&nn, &(struct nn_options){.threads = 2}, &err) < 0)
        bail_out("nn_cpu", err.text);
    test_gauss_legendre();
    test_way_back(classifier, false, "first tokens");
    test_way_back(classifier, true, "all tokens");
    test_words();
    test_area();
    free(classifier);
    nn_free(&nn);
    return done_testing();
}
