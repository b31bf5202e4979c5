/* parameter_groups.h - which parameters learn how fast: frozen parts, and rates that fall towards the embeddings. */
#ifndef BERT_PARAMETER_GROUPS_H
#define BERT_PARAMETER_GROUPS_H

#include <stddef.h>

#include "base/error.h"
#include "bert/parameters.h"

/* freeze: a list of parts, as "embeddings,layers:0-3": embeddings, layers (all), layers:N, layers:N-M (from 0), encoder
 * (embeddings and layers), pooler; NULL: none. That it is such a list; else STATUS_USAGE with the parts. */
int parameter_groups_check(const char *freeze, struct error *err);

/* Sets rates[p->n], the factor of the learning rate for each parameter; 0: frozen. With a decay X, that of layer l of L
 * is X^(L - l), that of the embeddings X^(L + 1), that of everything above the encoder 1, as in Clark et al. 2020
 * (ELECTRA, arXiv:2003.10555). A layer that the model does not have is STATUS_USAGE. *trained: values (numbers) that
 * are not frozen. */
int parameter_groups_rates(const struct parameters *p, const char *freeze, double decay, double *rates, size_t *trained,
                           struct error *err);

#endif
