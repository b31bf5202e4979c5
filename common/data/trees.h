/* trees.h - the Stanford Sentiment Treebank: binarised Penn trees whose every node carries a class from 0 to 4.
 *
 *     (3 (2 It) (4 (4 (2 's) (4 (3 (2 a) (4 (3 lovely) (2 film))))) (2 .)))
 *
 * A sentence is its leaves joined by single spaces. The Treebank's escapes are undone: \/ and \* lose the backslash,
 * the leaves -LRB- -RRB- -LSB- -RSB- -LCB- -RCB- become ( ) [ ] { }. With that, and lower-cased, the sentences of dev
 * and test are GLUE's. Two classes: 0 and 1 are negative, 3 and 4 positive, 2 gives no row. A row's idx is the place of
 * its tree (its node) in the file, so it is the same with two classes and with five. Nodes come in the order of their
 * opening brackets: the sentence, then its phrases. Each tree stands on a line of its own; a blank line is no tree.
 *
 * Source of the format: Socher et al. 2013, "Recursive Deep Models for Semantic Compositionality Over a Sentiment
 * Treebank".
 */
#ifndef DATA_TREES_H
#define DATA_TREES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "data/options.h"
#include "data/row.h"
#include "wire/lines.h"

struct tree_node {
    int class;         /* 0 to 4 */
    size_t begin, end; /* its words in the sentence */
};

struct trees {
    struct lines *lines; /* not owned */
    bool binary, phrases;
    struct buf sentence;
    struct tree_node *nodes; /* by opening bracket */
    size_t n_nodes, cap_nodes, at;
    size_t *open; /* the nodes that are not closed yet */
    size_t n_open, cap_open;
    long long next_idx;
};

void trees_open(struct trees *t, struct lines *lines, const struct data_options *options);
enum data_step trees_next(struct trees *t, struct data_row *row, struct error *err);
void trees_close(struct trees *t);

#endif
