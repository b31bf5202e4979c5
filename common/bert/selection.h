/* selection.h - which evaluation of a run is the best one, by a metric that the user names. */
#ifndef BERT_SELECTION_H
#define BERT_SELECTION_H

#include <stdbool.h>

#include "base/error.h"
#include "bert/train_state.h"

/* The metrics are those of the record `eval`: loss, accuracy, macro_f1, mcc, brier, ece; also with eval_ before it, as
 * Hugging Face writes them. Another name is STATUS_USAGE with the list. */
int selection_check(const char *metric, struct error *err);
/* The metric's value among the scores; NAN where it is not defined. */
double selection_value(const char *metric, const struct train_scores *scores);
/* Whether `now` is strictly better than `best` (NULL: there is none yet). A value that is not defined never is. */
bool selection_improves(const char *metric, const struct train_scores *now, const struct train_scores *best);

#endif
