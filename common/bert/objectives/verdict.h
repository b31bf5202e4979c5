/* verdict.h - the words of a reasoning that name its verdict, which terms hide: else a student would learn the label
 * from "so the review is positive" rather than from the reasons.
 *
 * They are the names of the classes, a fixed list ("positive", "favourable", "sentiment", "verdict", ... in all common
 * spellings), and words that the training rows' reasonings give away: those that are not in the reasoning's own
 * sentence, stand in at least 0.5 % of the reasonings (at least 5 of them), and whose log-odds between one class and
 * the others exceed 2, log((n_c + .5)/(N_c - n_c + .5)) against the same of the rest.
 *
 * This narrows the leak, it cannot close it: what argues for a label tells of it. Of 2,400 recorded reasonings a naive
 * Bayes classifier of words reads the label off 90.6 % as they are, 87.1 % without these words (89.1 % with a floor of
 * 2 %), and off 76.5 % of the sentences alone (five folds).
 */
#ifndef BERT_OBJECTIVES_VERDICT_H
#define BERT_OBJECTIVES_VERDICT_H

#include <stddef.h>
#include <stdint.h>

#include "bert/objectives/objective.h"
#include "bert/objectives/piece_words.h"

struct verdict {
    const struct token_table *tokens;
    const char *const *labels;
    size_t classes;
    struct piece_words found; /* those that the rows gave away */
    struct buf text;          /* of one word */
};

/* Looks at the training rows' reasonings; the setting's tokens and labels must outlive it. */
void verdict_init(struct verdict *v, const struct objective_setting *setting);
/* is_verdict[n]: 1 for each piece of such a word of ids. */
void verdict_mark(struct verdict *v, const int32_t *ids, size_t n, uint8_t *is_verdict);
/* Appends the words that the rows gave away as a JSON list. */
void verdict_list(const struct verdict *v, struct buf *json);
void verdict_free(struct verdict *v);

#endif
