/* trie.h - greedy longest-match-first WordPiece of one word in one walk: LinMaxMatch (Song, Salcianu, Song, Dopson,
 * Zhou, "Fast WordPiece Tokenization", EMNLP 2021, arXiv:2012.15524, sections 3 and 4).
 *
 * Plain greedy matching goes back to where the last piece began; here each node knows, where no child fits, which
 * pieces are certain by then (failure pops F) and at which node what is left stands (failure link f). So each byte is
 * read once, whatever the vocabulary and the word are.
 *
 * The trie is over bytes: pieces are whole UTF-8 strings, so matches end at character boundaries by themselves. It has
 * two roots, for pieces that begin a word and for those inside one (without their "##"). Children of a node are
 * neighbours; a node holds the bytes of a few children itself, of more in a table, and the roots have a direct one.
 * Nodes lie depth first, so that the later part of a long piece is in few cache lines.
 */
#ifndef TEXT_TRIE_H
#define TEXT_TRIE_H

#include <stddef.h>
#include <stdint.h>

enum { TRIE_WORD_ROOT = 0, TRIE_SUFFIX_ROOT = 1, TRIE_FEW_CHILDREN = 3 };
#define TRIE_NONE UINT32_MAX

struct trie_node {
    uint32_t first_child; /* or with more than TRIE_FEW_CHILDREN children, which table */
    uint32_t failure;     /* f: a node, or TRIE_NONE: the word cannot be pieced */
    uint32_t pops;        /* F: how many, then the ids, from pops[pops] of the trie on */
    uint8_t n_children;
    uint8_t labels[TRIE_FEW_CHILDREN]; /* the byte of each child */
};

/* By byte: which child, counted from 1; 0: none. */
struct trie_table {
    uint32_t first_child;
    uint8_t child[256];
};

struct trie {
    struct trie_node *nodes; /* the roots at 0 and 1 */
    int32_t *pops;
    uint32_t *piece_bytes; /* [n_ids]: length of a piece in the word */
    uint32_t n_nodes;
    struct trie_table *tables;
    size_t n_tables;
    uint32_t root_children[2][256];
};

/* One piece of the vocabulary; the text is not kept. */
struct trie_piece {
    const char *text; /* without "##" */
    uint32_t len;
    int32_t id;
};

/* Builds it from pieces that are not empty (of equal ones the highest id counts), n_word that begin words and n_suffix
 * that go on. Time: linear in the bytes of the pieces (a radix sort), times the length of a failure chain. */
void trie_build(struct trie *t, const struct trie_piece *word, size_t n_word, const struct trie_piece *suffix,
                size_t n_suffix, size_t n_ids);
void trie_free(struct trie *t);

/* Pieces a word of len > 0 bytes into ids (room for len of them); returns how many, 0 where it cannot be pieced. */
size_t trie_match(const struct trie *t, const uint8_t *word, size_t len, int32_t *ids);

#endif
