/* attribution.h - do a classifier's words agree with the words that people marked? bert-infer --attribution against the
 * Stanford Sentiment Treebank, in which people judged every word and every phrase (Socher et al. 2013; data/trees.h).
 *
 * What people say of a word: the sentiment of the word by itself; where that is neutral, the sentiment of the smallest
 * phrase around it, of at most three words, that is not neutral and is not explained by another word in it that has
 * this sign already. So in "not good" (unfavourable), "good" is favourable and "not" unfavourable; in "a lovely film",
 * "lovely" alone is marked.
 *
 * Two numbers a sentence, each the area under the ROC curve, that is the probability that of two words, one of either
 * kind, the score ranks the right one first (ties count one half; Hanley and McNeil 1982); 0.5 is chance:
 *
 *     decisive   |score| of words that people marked, against words that they did not
 *     polarity   score of favourable words, against unfavourable ones; a score above 0 speaks for class 1
 *
 * A sentence without words of both kinds has none. The summary is the mean over sentences with a bootstrap interval
 * over sentences. Row and tree belong together when their texts are the same but for ASCII case and white space.
 */
#ifndef SCORE_ATTRIBUTION_H
#define SCORE_ATTRIBUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "score/intervals.h"

enum { MARK_MAX_WORDS = 3 };

/* Places are counted in bytes of the text without its white space. */
struct marked_word {
    size_t begin, end;
    int sign; /* 1 favourable, -1 unfavourable, 0 not marked */
};

struct marked_sentence {
    char *key; /* the text without white space, ASCII in lower case; owned */
    size_t first, n;
};

struct marked_sentences {
    char *name;                        /* the file */
    struct marked_sentence *sentences; /* [n] by key; of equal ones the first in the file */
    size_t n;
    struct marked_word *words;
    size_t n_words;
    size_t capacity, words_capacity;
};

enum agreement_kind { AGREEMENT_DECISIVE, AGREEMENT_POLARITY, AGREEMENT_KINDS };

/* One file of predictions. */
struct agreement {
    char *name;
    double *areas[AGREEMENT_KINDS]; /* [sentences of the trees] NAN: none */
    uint64_t rows, matched, unmatched, repeated, malformed;
    char *method;              /* as the rows say; "mixed" where they differ */
    double completeness_error; /* the mean over rows; NAN without one */
};

struct agreement_options {
    bool keep_going;
    void (*skipped)(const struct error *why); /* called for each row left out as malformed */
};

/* A mean over sentences. */
struct agreement_score {
    double mean;
    struct interval interval; /* NAN, like the mean, of no sentence */
    size_t sentences;
};

/* Reads trees, each on a line of its own. */
int marked_sentences_read(struct marked_sentences *m, const char *path, struct error *err);
void marked_sentences_free(struct marked_sentences *m);

/* Reads predictions (NULL or "-": stdin). A file without a row that has a tree is an error. agreement_free is due in
 * either case. */
int agreement_read(struct agreement *a, const struct marked_sentences *m, const char *path,
                   const struct agreement_options *options, struct error *err);
void agreement_free(struct agreement *a);

/* Over the sentences that have an area, in `both` too (NULL: in a alone). */
struct agreement_score agreement_score(const struct agreement *a, const struct agreement *both,
                                       const struct marked_sentences *m, enum agreement_kind kind,
                                       const struct bootstrap *bootstrap);
/* B minus A over the sentences that both have. */
struct agreement_score agreement_difference(const struct agreement *a, const struct agreement *b,
                                            const struct marked_sentences *m, enum agreement_kind kind,
                                            const struct bootstrap *bootstrap);

/* The area under the ROC curve; NAN where either kind is missing. */
double area_under_curve(const double *positive, size_t n_positive, const double *negative, size_t n_negative);

/* A table of at most 80 columns, for two files over the sentences that both have; or one line with one object, in which
 * each file's scores are of all its sentences. b NULL: of one file. */
void agreement_text(struct buf *out, const struct agreement *a, const struct agreement *b,
                    const struct marked_sentences *m, const struct bootstrap *bootstrap);
void agreement_json(struct buf *out, const struct agreement *a, const struct agreement *b,
                    const struct marked_sentences *m, const struct bootstrap *bootstrap);

#endif
