/* sampler.h - which rows go out, and in which order. In this order, whatever the order of the options:
 *
 *     holdout   one of the two parts of all rows (holdout.h)
 *     min_words rows of at least so many words
 *     sample    so many of them at random; stratified: each class in its share, by largest remainders
 *     shuffle   in random order; else they keep their order
 *     limit     the first so many
 *
 * All is a function of the rows and the seed. A sample of N is part of the sample of N+1 (where it is not stratified).
 * Rows stream where only min_words and limit are asked for; else they are kept in memory until the input ends.
 *
 *     while (!sampler_full(&s) && dataset_next(...) == DATA_ROW) {
 *         sampler_add(&s, &row);
 *         while (sampler_next(&s, &line, &len)) put(line, len);
 *     }
 *     sampler_end(&s, &err);
 *     while (sampler_next(&s, &line, &len)) put(line, len);
 */
#ifndef DATA_SAMPLER_H
#define DATA_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "data/row.h"

struct sampler_options {
    long min_words;    /* 0: all */
    double holdout;    /* 0: no hold-out */
    const char *part;  /* train or holdout */
    long phrase_words; /* see holdout.h; 0: chosen */
    long sample;       /* -1: all */
    bool stratify, shuffle;
    long limit; /* -1: all */
    uint64_t seed;
};

struct sampled_row {
    size_t sentence, sentence_len; /* in struct sampler's text */
    size_t line, line_len;
    int label;
};

struct sampler {
    struct sampler_options options;
    bool keeps; /* all rows, until the input ends */
    struct buf text;
    struct sampled_row *rows;
    size_t n_rows, cap_rows;
    uint64_t *order; /* rows that go out; NULL while they stream */
    size_t n_order, at;
    uint64_t added, written;
    struct buf notes; /* after sampler_end: what the user should know, a line each */
};

void sampler_init(struct sampler *s, const struct sampler_options *options);
/* Whether nothing that is added can still go out. */
bool sampler_full(const struct sampler *s);
void sampler_add(struct sampler *s, const struct data_row *row);
int sampler_end(struct sampler *s, struct error *err);
/* The next line that is ready, valid until the next call that changes the sampler. */
bool sampler_next(struct sampler *s, const char **line, size_t *len);
void sampler_free(struct sampler *s);

#endif
