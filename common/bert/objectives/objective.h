/* objective.h - what the student is trained to do: a sum of terms with weights, each term one file of this folder.
 *
 *     L = sum over terms of weight x (sum over its items of l) / (number of its items in the step)
 *
 * where the weight may fall to 0 in the last part of the run.
 *
 * A term's items are the rows that have what it needs (a gold label, a teacher's answer), or parts of them (masked
 * tokens); a step is everything between two updates, also when it is computed in several batches.
 * `--objective label=1,soft=0.3` names terms and weights; a new term is one file and one line in the table of
 * objectives.c.
 *
 * A batch goes through the encoder once for all terms. It holds the rows of the spool as they are, where a term reads
 * them, and after them the rows that terms make for themselves (masked, or of other text). A term reads what the model
 * computed for a row (logits, sentence vector) or for its tokens (states of the last layer) and adds to the gradient of
 * that; it may have a head with parameters of its own, which lie in the model's table.
 */
#ifndef BERT_OBJECTIVES_OBJECTIVE_H
#define BERT_OBJECTIVES_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "bert/model.h"
#include "wire/rows.h"

struct objective;

/* Some rows of the spool, as a run meets them. */
struct objective_rows {
    const struct rows *rows;
    const uint64_t *which; /* [n] */
    size_t n;
    uint64_t first_number; /* of which[0], counted over the whole run; random numbers of a row follow from its number */
};

/* Row numbers of evaluation start here, so that they share no random numbers with training. */
#define OBJECTIVE_VALIDATION ((uint64_t)1 << 63)

/* What the tokens are, as far as terms want to know. */
struct token_table {
    const char *const *text; /* [n] in id order */
    size_t n;
    const char *prefix;     /* of a piece inside a word: "##" */
    const uint8_t *special; /* [n] 1: [CLS], [SEP] and their like */
    int32_t mask;           /* id of [MASK]; -1: there is none */
};

/* What a run tells its terms before it starts. */
struct objective_setting {
    const struct rows *rows; /* all training rows */
    size_t classes;          /* 0: there is no classifier */
    const struct bert_config *config;
    const struct token_table *tokens; /* NULL: unknown; must outlive the terms */
    uint64_t seed;
    double mlm_probability;
    bool whole_word_masking;
    const char *class_weights; /* of the term label, as label.h has them; NULL: none */
    double label_smoothing;
    const char *const *labels;     /* [classes] their names */
    const struct rows *unlabelled; /* further text, without labels or with a teacher's; NULL: none */
    double temperature;            /* of the term soft; 1: none */
};

/* One batch as a term sees it. Gradients are added to; they are NULL where the loss alone is wanted. */
struct objective_pass {
    struct objective_rows part; /* what the batch was made from; where a term reads the rows as they are, they come
                                   first in the batch */
    size_t first_row, n_rows;   /* the rows in the batch that this term made */
    const struct batch *batch;
    const struct model *model;
    const struct nn *nn;
    size_t classes;
    const float *logits;  /* [batch rows, classes] */
    const float *vectors; /* [batch rows, hidden] the pooler's output */
    const float *tokens;  /* [batch tokens, hidden] */
    float *d_logits, *d_vectors, *d_tokens;
    float *gradients; /* the slab, for the term's own parameters */
    size_t right;     /* += items whose prediction was right, by terms that predict */
};

/* What a term reads. */
enum {
    OBJECTIVE_ROWS = 1,    /* the spool's rows as they are */
    OBJECTIVE_LOGITS = 2,  /* so there is a classifier */
    OBJECTIVE_VECTORS = 4, /* so there is a pooler */
    OBJECTIVE_TOKENS = 8   /* so the last layer is computed for all tokens */
};

struct objective_kind {
    const char *name;
    unsigned reads;
    uint8_t stream;           /* 1..127, its own: keeps the random numbers of its rows apart from those of others */
    bool dense_word_gradient; /* of every row of the word embeddings, not only those of the batch's tokens */
    bool evaluates;           /* it can be computed for rows other than those it was prepared with */
    /* Looks at all training rows once (calibration, vocabularies); sets o->state. No usable row is STATUS_FAILURE. */
    int (*prepare)(struct objective *o, const struct objective_setting *setting, struct error *err);
    /* Adds the parameters of its head by name; NULL: it has none. */
    void (*add_heads)(const struct objective *o, const struct bert_config *config, struct model_heads *heads);
    /* How many items it has in these rows. */
    double (*count)(const struct objective *o, const struct objective_rows *rows);
    /* Appends rows of its own to the batch, numbered by objective_number; NULL: none. */
    void (*add_rows)(struct objective *o, const struct objective_rows *rows, struct batch *b);
    /* Gradients += scale x dl/d... of each of its items; returns the sum of l. */
    double (*add)(const struct objective *o, struct objective_pass *p, double scale);
    /* Appends members `,"NAME_...":value` about what prepare found out to a JSON object; NULL: nothing. */
    void (*describe)(const struct objective *o, struct buf *json);
    void (*release)(struct objective *o);
};

struct objective {
    const struct objective_kind *kind;
    double weight;
    double steady; /* share of the steps in which the weight stays; after it, it falls in a straight line to 0 */
    double factor; /* what the schedule makes of the weight now */
    void *state;
    double count;             /* of the step */
    size_t first_row, n_rows; /* of its own in the batch */
};

struct objectives {
    struct objective *terms;
    size_t n;
    unsigned reads; /* of all terms together */
    bool dense_word_gradient, evaluates;
    /* Told of each batch that gradients are about to be computed for; NULL: nobody is. */
    void (*before_pass)(void *context, const struct batch *b);
    void *before_pass_context;
};

extern const struct objective_kind objective_label, objective_soft, objective_counterfactual, objective_pair,
    objective_cue_text, objective_cue_swap, objective_rationale_text, objective_polarity, objective_keywords,
    objective_cues, objective_rationale, objective_align, objective_rdrop, objective_mlm;

/* "label", "label=1,soft=0.3@0.7" (weight 0.3 in 70 % of the steps, then falling to 0). STATUS_USAGE names what is
 * wrong and lists the terms. */
int objectives_parse(struct objectives *o, const char *spec, struct error *err);
int objectives_prepare(struct objectives *o, const struct objective_setting *setting, struct error *err);
/* The heads that the model needs; classes as the rows have them, taken where a term reads logits. To be freed. */
void objectives_heads(const struct objectives *o, const struct bert_config *config, size_t classes,
                      struct model_heads *heads);
/* Whether one of the terms is of that kind. */
bool objectives_have(const struct objectives *o, const struct objective_kind *kind);
/* What the terms found out about the training rows, as members of a JSON object. */
void objectives_describe(const struct objectives *o, struct buf *json);
void objectives_free(struct objectives *o);

/* The weights as of the share `progress` of the steps, 0 at the first; from parsing on they are those of the first. */
void objectives_schedule(struct objectives *o, double progress);

/* The step's loss in parts. First, once, with all rows of the step: */
void objectives_count(struct objectives *o, const struct objective_rows *step);
/* Then for each part of it: the batch, */
void objectives_fill(struct objectives *o, const struct objective_rows *part, struct batch *b);
/* and after the forward pass its part of L; the rest of p must be set. */
double objectives_add(struct objectives *o, struct objective_pass *p);

/* The two with the passes through the model: returns the part of L; gradients (a slab) += unless NULL, and then a must
 * be for training. *right += the right predictions (NULL: not wanted). */
double objectives_pass(struct objectives *o, const struct model *m, const struct nn *nn, struct activations *a,
                       struct batch *b, const struct model_dropout *dropout, const struct objective_rows *part,
                       float *gradients, size_t *right);
/* All of it: L of these rows, computed from at most batch_size of them at once. Where a->overwrite is set, the
 * gradients of the layers' matrices are set, all others += . */
double objectives_step(struct objectives *o, const struct model *m, const struct nn *nn, struct activations *a,
                       struct batch *b, const struct model_dropout *dropout, const struct objective_rows *step,
                       size_t batch_size, float *gradients);

/* The number of the sub-th (below 256) row that a term makes of row `number` of the run. */
uint64_t objective_number(const struct objective *o, uint64_t number, unsigned sub);

#endif
