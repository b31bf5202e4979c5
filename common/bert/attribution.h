/* attribution.h - which words of a sentence carried a classifier's decision.
 *
 * Two methods. `cues`: where the model was trained to tag decisive words (objectives/cues.h), what that head says of
 * each token that has a letter or a digit: P(favourable) - P(unfavourable). A head that never saw the polarity of a cue
 * does not know one from the other. `gradient`: integrated gradients (Sundararajan, Taly, Yan, "Axiomatic attribution
 * for deep networks", ICML 2017, arXiv:1703.01365, equation 1) of a score F of the logits, along the straight line from
 * x', the sentence with the word embedding of [MASK] in the place of every token of its own, to x, the sentence:
 *
 *     a_t = sum over h of (x_th - x'_th) integral from 0 to 1 of dF/dx_th (x' + u (x - x')) du
 *
 * x are the word embeddings; [CLS], [SEP], positions and types stay, and so does the second text of a pair. The
 * integral is a Gauss-Legendre sum. Completeness: the a_t add up to F(x) - F(x') but for the error of that sum, which
 * is told. F is the logit of class 1 minus that of class 0, whatever was predicted, so that a positive score speaks for
 * class 1; with more classes it is the predicted class's logit minus the mean of the others. It is one-sided evidence:
 * what the model's output depends on, which need not be what a person would call a reason.
 *
 * A word is what stands between white space. Of its tokens' scores it gets the sum (gradient) or the one of the largest
 * magnitude (cues). A row is computed by itself, so its scores do not depend on the rows around it.
 */
#ifndef BERT_ATTRIBUTION_H
#define BERT_ATTRIBUTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "bert/model.h"
#include "text/wordpiece.h"

enum attribution_method { ATTRIBUTION_NONE, ATTRIBUTION_CUES, ATTRIBUTION_GRADIENT };

#define ATTRIBUTION_CHOICES "auto|cues|gradient"

struct attribution {
    enum attribution_method method;
    const struct model *model; /* not owned, like nn */
    const struct nn *nn;
    /* gradient */
    int32_t baseline;       /* the token whose embedding the line starts from */
    size_t steps;           /* points of the sum */
    double *places, *parts; /* [steps] where they lie in (0, 1), and their weights, which add up to 1 */
    struct activations activations;
    struct batch batch;
    /* cues */
    const float *head, *head_bias; /* [CUES_CLASSES, hidden], [CUES_CLASSES]; in the model's files */
    /* the row that was last computed */
    double *scores; /* [tokens] 0 for tokens that are not attributed */
    size_t capacity;
    double total;              /* gradient: F(x) - F(x') */
    double completeness_error; /* gradient: |sum of the scores - total| */
};

struct attributed_row {
    const int32_t *ids;
    const uint8_t *types;           /* NULL: all 0; tokens of type 1 are not attributed */
    const struct token_span *spans; /* an empty one: a special token, not attributed */
    size_t n;
    const float *logits; /* [classes] */
    const float *states; /* [n, hidden] of the last layer; only cues reads them */
};

struct attributed_word {
    size_t begin, end; /* bytes of the sentence */
    double score;
};

/* What model_map_heads has to be given, so that the method can be cues. */
model_add_heads attribution_heads;
/* method: one of ATTRIBUTION_CHOICES; auto is cues where the model's folder has that head. Its absence is STATUS_USAGE
 * for cues. v tells which token the line starts from: [MASK], in a vocabulary without it [PAD], else [UNK]. */
int attribution_open(struct attribution *a, const struct model *m, const struct nn *nn, const struct vocabulary *v,
                     const char *method, long steps, struct error *err);
void attribution_close(struct attribution *a);

/* Computes a->scores of the row's tokens. Scores that are not finite are STATUS_FAILURE. */
int attribution_tokens(struct attribution *a, const struct attributed_row *row, struct error *err);

/* Appends a struct attributed_word to out for each word of text that has a token in spans[n] with scores[n]. */
void attribution_words(enum attribution_method method, const char *text, size_t len, const struct token_span *spans,
                       const uint8_t *types, const double *scores, size_t n, struct buf *out);

/* Appends ,"attribution_method":...,"completeness_error":...,"attribution":[{"word":...,"begin":...,"end":...,"score":
 * ...},...] for the words; the error for gradient alone. */
void attribution_add(const struct attribution *a, const char *text, const struct attributed_word *words, size_t n,
                     struct buf *out);

/* The points and weights of the Gauss-Legendre sum of n terms over (0, 1): Abramowitz and Stegun 1964, 25.4.29, roots
 * by Newton's method. Exact for polynomials of degree 2 n - 1. */
void gauss_legendre(size_t n, double *places, double *parts);

#endif
