/* trie.c - builds the trie breadth first by splitting sorted ranges of pieces, then links and pops in the same order. */
#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* While building: which pieces pass through a node. */
struct range {
    uint32_t begin, end;
    uint32_t depth;
    uint32_t parent;
    int32_t id; /* of the piece that ends here, or -1 */
};

struct builder {
    struct trie *trie;
    struct trie_piece *pieces, *spare; /* all pieces: word ones, then suffix ones */
    struct range *ranges;              /* [n_nodes] */
    size_t nodes_cap, pops_len, pops_cap;
};

static uint32_t add_node(struct builder *b, uint8_t label, const struct range *range)
{
    struct trie *t = b->trie;

    if (t->n_nodes == b->nodes_cap) {
        b->nodes_cap = b->nodes_cap ? 2 * b->nodes_cap : 4096;
        t->nodes = xrealloc_array(t->nodes, b->nodes_cap, sizeof *t->nodes);
        t->labels = xrealloc_array(t->labels, b->nodes_cap, sizeof *t->labels);
        b->ranges = xrealloc_array(b->ranges, b->nodes_cap, sizeof *b->ranges);
    }
    t->nodes[t->n_nodes] = (struct trie_node){.failure = TRIE_NONE};
    t->labels[t->n_nodes] = label;
    b->ranges[t->n_nodes] = *range;
    return t->n_nodes++;
}

static uint8_t byte_at(const struct trie_piece *piece, uint32_t depth)
{
    return (uint8_t)piece->text[depth];
}

/* Sorts pieces[begin..end) by their byte at depth; all are longer than depth. */
static void sort_by_byte(struct builder *b, uint32_t begin, uint32_t end, uint32_t depth)
{
    struct trie_piece *p = b->pieces;
    uint32_t start[257] = {0};

    if (end - begin < 16) {
        for (uint32_t i = begin + 1; i < end; i++) {
            struct trie_piece piece = p[i];
            uint32_t j = i;
            for (; j > begin && byte_at(&p[j - 1], depth) > byte_at(&piece, depth); j--)
                p[j] = p[j - 1];
            p[j] = piece;
        }
        return;
    }
    for (uint32_t i = begin; i < end; i++)
        start[byte_at(&p[i], depth) + 1]++;
    for (size_t i = 0; i < 256; i++)
        start[i + 1] += start[i];
    for (uint32_t i = begin; i < end; i++)
        b->spare[start[byte_at(&p[i], depth)]++] = p[i];
    memcpy(p + begin, b->spare, (end - begin) * sizeof *p);
}

static inline uint32_t child_of(const struct trie *t, uint32_t node, uint8_t byte)
{
    if (node <= TRIE_SUFFIX_ROOT)
        return t->root_children[node][byte];
    const struct trie_node *n = &t->nodes[node];
    if (n->n_children > TRIE_FEW_CHILDREN) {
        const struct trie_table *table = &t->tables[n->first_child];
        uint8_t child = table->child[byte];
        return child > 0 ? table->first_child + child - 1 : TRIE_NONE;
    }
    for (uint32_t i = 0; i < n->n_children; i++)
        if (t->labels[n->first_child + i] == byte)
            return n->first_child + i;
    return TRIE_NONE;
}

static void make_table(struct trie *t, uint32_t node)
{
    struct trie_node *n = &t->nodes[node];

    if (node <= TRIE_SUFFIX_ROOT || n->n_children <= TRIE_FEW_CHILDREN)
        return;
    if ((t->n_tables & (t->n_tables - 1)) == 0)
        t->tables = xrealloc_array(t->tables, t->n_tables ? 2 * t->n_tables : 1, sizeof *t->tables);
    struct trie_table *table = &t->tables[t->n_tables];
    *table = (struct trie_table){.first_child = n->first_child};
    for (uint32_t i = 0; i < n->n_children; i++)
        table->child[t->labels[n->first_child + i]] = (uint8_t)(i + 1);
    n->first_child = (uint32_t)t->n_tables++;
}

/* Makes the children of a node from the pieces that pass through it. */
static void split_node(struct builder *b, uint32_t node)
{
    struct range r = b->ranges[node];
    uint32_t begin = r.begin;

    if (r.end - r.begin == 1 && b->pieces[r.begin].len > r.depth && node > TRIE_SUFFIX_ROOT) { /* most nodes */
        b->trie->nodes[node].first_child = b->trie->n_nodes;
        b->trie->nodes[node].n_children = 1;
        add_node(b, byte_at(&b->pieces[r.begin], r.depth), &(struct range){r.begin, r.end, r.depth + 1, node, -1});
        return;
    }
    for (uint32_t i = r.begin; i < r.end; i++) {
        struct trie_piece ending = b->pieces[i];
        if (ending.len != r.depth)
            continue;
        b->pieces[i] = b->pieces[begin];
        b->pieces[begin++] = ending;
        if (ending.id > b->ranges[node].id) /* of equal pieces the last counts */
            b->ranges[node].id = ending.id;
    }
    if (begin == r.end)
        return;
    sort_by_byte(b, begin, r.end, r.depth);
    b->trie->nodes[node].first_child = b->trie->n_nodes;
    while (begin < r.end) {
        uint8_t label = byte_at(&b->pieces[begin], r.depth);
        uint32_t end = begin + 1;
        while (end < r.end && byte_at(&b->pieces[end], r.depth) == label)
            end++;
        uint32_t child = add_node(b, label, &(struct range){begin, end, r.depth + 1, node, -1});
        b->trie->nodes[node].n_children++;
        if (node <= TRIE_SUFFIX_ROOT)
            b->trie->root_children[node][label] = child;
        begin = end;
    }
    make_table(b->trie, node);
}

static void add_pops(struct builder *b, const int32_t *ids, size_t n)
{
    if (b->pops_len + n > b->pops_cap) {
        b->pops_cap = 2 * (b->pops_cap + n) + 1024;
        b->trie->pops = xrealloc_array(b->trie->pops, b->pops_cap, sizeof *b->trie->pops);
    }
    memcpy(b->trie->pops + b->pops_len, ids, n * sizeof *ids);
    b->pops_len += n;
}

static void add_pops_of(struct builder *b, uint32_t node)
{
    const struct trie_node n = b->trie->nodes[node];

    for (uint32_t i = 0; i < n.n_pops; i++) /* one by one: add_pops may move the array */
        add_pops(b, &(int32_t){b->trie->pops[n.pops + i]}, 1);
}

/* Algorithm 2 of the paper for one node; its parent has been done. */
static void link_node(struct builder *b, uint32_t node)
{
    struct trie *t = b->trie;
    const struct range *r = &b->ranges[node];
    size_t start = b->pops_len;

    if (r->id >= 0) {
        t->nodes[node].failure = TRIE_SUFFIX_ROOT;
        add_pops(b, &r->id, 1);
    } else {
        uint32_t z = t->nodes[r->parent].failure, child = TRIE_NONE;
        add_pops_of(b, r->parent);
        while (z != TRIE_NONE && (child = child_of(t, z, t->labels[node])) == TRIE_NONE) {
            add_pops_of(b, z);
            z = t->nodes[z].failure;
        }
        if (z == TRIE_NONE)
            b->pops_len = start;
        else
            t->nodes[node].failure = child;
    }
    t->nodes[node].pops = (uint32_t)start;
    t->nodes[node].n_pops = (uint16_t)(b->pops_len - start);
}

void trie_build(struct trie *t, const struct trie_piece *word, size_t n_word, const struct trie_piece *suffix,
                size_t n_suffix, size_t n_ids)
{
    size_t n = n_word + n_suffix;
    struct builder b = {.trie = t,
                        .pieces = xmalloc_array(n + 1, sizeof *b.pieces),
                        .spare = xmalloc_array(n + 1, sizeof *b.spare)};

    *t = (struct trie){.piece_bytes = xcalloc(n_ids + 1, sizeof *t->piece_bytes)};
    memset(t->root_children, 0xFF, sizeof t->root_children); /* TRIE_NONE */
    memcpy(b.pieces, word, n_word * sizeof *word);
    memcpy(b.pieces + n_word, suffix, n_suffix * sizeof *suffix);
    for (size_t i = 0; i < n; i++)
        t->piece_bytes[b.pieces[i].id] = b.pieces[i].len;
    add_node(&b, 0, &(struct range){0, (uint32_t)n_word, 0, TRIE_NONE, -1});
    add_node(&b, 0, &(struct range){(uint32_t)n_word, (uint32_t)n, 0, TRIE_NONE, -1});
    for (uint32_t node = 0; node < t->n_nodes; node++)
        split_node(&b, node);
    for (uint32_t node = TRIE_SUFFIX_ROOT + 1; node < t->n_nodes; node++)
        link_node(&b, node);
    free(b.pieces);
    free(b.spare);
    free(b.ranges);
}

void trie_free(struct trie *t)
{
    free(t->nodes);
    free(t->labels);
    free(t->pops);
    free(t->piece_bytes);
    free(t->tables);
    *t = (struct trie){0};
}

size_t trie_match(const struct trie *t, const uint8_t *word, size_t len, int32_t *ids)
{
    uint32_t node = TRIE_WORD_ROOT;
    size_t n = 0, i = 0;

    for (;;) {
        uint32_t child = i < len ? child_of(t, node, word[i]) : TRIE_NONE;
        if (child != TRIE_NONE) {
            node = child;
            i++;
            continue;
        }
        if (i == len && node == TRIE_SUFFIX_ROOT)
            return n;
        const struct trie_node *at = &t->nodes[node];
        if (at->failure == TRIE_NONE)
            return 0;
        for (uint32_t k = 0; k < at->n_pops; k++)
            ids[n++] = t->pops[at->pops + k];
        node = at->failure;
    }
}
