/* containment.h - which texts are contained in which others, as runs of whole words.
 *
 * Words are runs of anything but ASCII white space; ASCII letters compare without case. The texts' words go into a trie
 * with the links of Aho and Corasick (1975, "Efficient string matching"), so time and memory are linear in the words.
 *
 * Texts with the same words are one pattern. For a pattern and each of its words, only the longest other pattern that
 * ends there is an edge: a shorter one ends at the same place in that longest one, so it is found over a chain of edges
 * that never gets shorter than the phrase looked for. For the same reason, the phrases with at least W words that a
 * text contains are those that are reached over edges of at least W words.
 */
#ifndef DATA_CONTAINMENT_H
#define DATA_CONTAINMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct text {
    const char *data;
    size_t len;
};

struct containment_edge {
    uint32_t whole, phrase; /* patterns; the phrase has fewer words */
};

struct containment {
    size_t n_patterns;
    uint32_t *pattern; /* of each text */
    uint32_t *words;   /* of each pattern: how many */
    struct containment_edge *edges;
    size_t n_edges;
};

/* More than 4 billion words are STATUS_FAILURE. */
int containment_find(struct containment *c, const struct text *texts, size_t n, struct error *err);
void containment_free(struct containment *c);

#endif
