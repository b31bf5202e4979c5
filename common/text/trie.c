/* trie.c - splits sorted ranges of pieces depth first, then finds links and pops. */
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
    uint8_t label;
};

struct builder {
    struct trie *trie;
    struct trie_piece *pieces, *spare; /* all pieces: word ones, then suffix ones */
    struct range *ranges;              /* [n_nodes] */
    uint32_t *stack;                   /* nodes whose children are not made yet */
    size_t pops_len, pops_cap, stack_len;
    uint32_t deepest;
};

static uint32_t add_node(struct builder *b, const struct range *range)
{
    struct trie *t = b->trie;

    t->nodes[t->n_nodes] = (struct trie_node){.failure = TRIE_NONE};
    b->ranges[t->n_nodes] = *range;
    if (range->depth > b->deepest)
        b->deepest = range->depth;
    return t->n_nodes++;
}

static uint8_t byte_at(const struct trie_piece *piece, uint32_t depth)
{
    return (uint8_t)piece->text[depth];
}

static void insertion_sort(struct trie_piece *p, uint32_t n, uint32_t depth)
{
    for (uint32_t i = 1; i < n; i++) {
        struct trie_piece piece = p[i];
        uint32_t j = i;
        for (; j > 0 && byte_at(&p[j - 1], depth) > byte_at(&piece, depth); j--)
            p[j] = p[j - 1];
        p[j] = piece;
    }
}

static void counting_sort(struct trie_piece *p, struct trie_piece *spare, uint32_t n, uint32_t depth)
{
    uint32_t start[257] = {0};

    for (uint32_t i = 0; i < n; i++)
        start[byte_at(&p[i], depth) + 1]++;
    for (size_t i = 0; i < 256; i++)
        start[i + 1] += start[i];
    for (uint32_t i = 0; i < n; i++)
        spare[start[byte_at(&p[i], depth)]++] = p[i];
    memcpy(p, spare, n * sizeof *p);
}

/* Sorts pieces[begin..end) by their byte at depth; all are longer than depth. */
static void sort_by_byte(struct builder *b, uint32_t begin, uint32_t end, uint32_t depth)
{
    if (end - begin < 24)
        insertion_sort(b->pieces + begin, end - begin, depth);
    else
        counting_sort(b->pieces + begin, b->spare, end - begin, depth);
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
        if (n->labels[i] == byte)
            return n->first_child + i;
    return TRIE_NONE;
}

/* Lets a node find its children, which are nodes first..first + n. */
static void link_children(struct builder *b, uint32_t node, uint32_t first, uint32_t n)
{
    struct trie *t = b->trie;
    struct trie_node *at = &t->nodes[node];

    at->n_children = (uint8_t)n; /* at most 243 bytes begin or continue a character */
    at->first_child = first;
    if (node > TRIE_SUFFIX_ROOT && n > TRIE_FEW_CHILDREN) {
        if ((t->n_tables & (t->n_tables - 1)) == 0)
            t->tables = xrealloc_array(t->tables, t->n_tables ? 2 * t->n_tables : 1, sizeof *t->tables);
        t->tables[t->n_tables] = (struct trie_table){.first_child = first};
        at->first_child = (uint32_t)t->n_tables++;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint8_t label = b->ranges[first + i].label;
        if (node <= TRIE_SUFFIX_ROOT)
            t->root_children[node][label] = first + i;
        else if (n > TRIE_FEW_CHILDREN)
            t->tables[at->first_child].child[label] = (uint8_t)(i + 1);
        else
            at->labels[i] = label;
    }
}

/* Makes the children of a node from the pieces that pass through it. */
static void split_node(struct builder *b, uint32_t node)
{
    struct range r = b->ranges[node];
    uint32_t begin = r.begin, first = b->trie->n_nodes;

    for (uint32_t i = r.begin; i < r.end; i++) {
        struct trie_piece ending = b->pieces[i];
        if (ending.len != r.depth)
            continue;
        b->pieces[i] = b->pieces[begin];
        b->pieces[begin++] = ending;
        if (ending.id > b->ranges[node].id) /* of equal pieces the last counts */
            b->ranges[node].id = ending.id;
    }
    if (r.end - begin > 1)
        sort_by_byte(b, begin, r.end, r.depth);
    while (begin < r.end) {
        uint8_t label = byte_at(&b->pieces[begin], r.depth);
        uint32_t end = begin + 1;
        while (end < r.end && byte_at(&b->pieces[end], r.depth) == label)
            end++;
        add_node(b, &(struct range){begin, end, r.depth + 1, node, -1, label});
        begin = end;
    }
    link_children(b, node, first, b->trie->n_nodes - first);
    for (uint32_t child = b->trie->n_nodes; child-- > first;)
        b->stack[b->stack_len++] = child;
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
    uint32_t at = b->trie->nodes[node].pops;

    for (int32_t i = 1, n = b->trie->pops[at]; i <= n; i++) /* one by one: add_pops may move the array */
        add_pops(b, &(int32_t){b->trie->pops[at + (uint32_t)i]}, 1);
}

/* Algorithm 2 of the paper for one node; shorter ones have been done. */
static void link_node(struct builder *b, uint32_t node)
{
    struct trie *t = b->trie;
    const struct range *r = &b->ranges[node];
    size_t start = b->pops_len;

    add_pops(b, &(int32_t){0}, 1);
    if (r->id >= 0) {
        t->nodes[node].failure = TRIE_SUFFIX_ROOT;
        add_pops(b, &r->id, 1);
    } else {
        uint32_t z = t->nodes[r->parent].failure, child = TRIE_NONE;
        if (z == TRIE_NONE) {
            b->pops_len = start;
            return;
        }
        add_pops_of(b, r->parent);
        while (z != TRIE_NONE && (child = child_of(t, z, r->label)) == TRIE_NONE) {
            add_pops_of(b, z);
            z = t->nodes[z].failure;
        }
        if (z == TRIE_NONE) {
            b->pops_len = start;
            return;
        }
        t->nodes[node].failure = child;
    }
    t->nodes[node].pops = (uint32_t)start;
    t->pops[start] = (int32_t)(b->pops_len - start - 1);
}

/* Failure links lead to nodes below the suffix root, from there to shallower ones. So the nodes first_suffix... come
 * first, by depth, then those of words in their order, in which a parent precedes its children. */
static void link_nodes(struct builder *b, uint32_t first_suffix)
{
    const uint32_t n = b->trie->n_nodes;
    uint32_t *start = xcalloc((size_t)b->deepest + 2, sizeof *start), *order = b->stack;

    for (uint32_t node = first_suffix; node < n; node++)
        start[b->ranges[node].depth + 1]++;
    for (uint32_t depth = 0; depth <= b->deepest; depth++)
        start[depth + 1] += start[depth];
    for (uint32_t node = first_suffix; node < n; node++)
        order[start[b->ranges[node].depth]++] = node;
    add_pops(b, &(int32_t){0}, 1); /* at 0: none, for nodes without a link */
    for (uint32_t i = 0; i < n - first_suffix; i++)
        link_node(b, order[i]);
    for (uint32_t node = TRIE_SUFFIX_ROOT + 1; node < first_suffix; node++)
        link_node(b, node);
    free(start);
}

/* Makes all nodes below a root; returns how many nodes there are then. */
static uint32_t split_below(struct builder *b, uint32_t root)
{
    b->stack[b->stack_len++] = root;
    while (b->stack_len > 0)
        split_node(b, b->stack[--b->stack_len]);
    return b->trie->n_nodes;
}

void trie_build(struct trie *t, const struct trie_piece *word, size_t n_word, const struct trie_piece *suffix,
                size_t n_suffix, size_t n_ids)
{
    size_t n = n_word + n_suffix, most_nodes = 2;
    struct builder b = {
        .trie = t, .pieces = xmalloc_array(n + 1, sizeof *b.pieces), .spare = xmalloc_array(n + 1, sizeof *b.spare)};

    *t = (struct trie){.piece_bytes = xcalloc(n_ids + 1, sizeof *t->piece_bytes)};
    memset(t->root_children, 0xFF, sizeof t->root_children); /* TRIE_NONE */
    for (size_t i = 0; i < n; i++)
        b.pieces[i] = i < n_word ? word[i] : suffix[i - n_word];
    for (size_t i = 0; i < n; i++) {
        t->piece_bytes[b.pieces[i].id] = b.pieces[i].len;
        most_nodes += b.pieces[i].len;
    }
    t->nodes = xmalloc_array(most_nodes, sizeof *t->nodes);
    b.ranges = xmalloc_array(most_nodes, sizeof *b.ranges);
    b.stack = xmalloc_array(most_nodes, sizeof *b.stack);
    add_node(&b, &(struct range){0, (uint32_t)n_word, 0, TRIE_NONE, -1, 0});
    add_node(&b, &(struct range){(uint32_t)n_word, (uint32_t)n, 0, TRIE_NONE, -1, 0});
    uint32_t first_suffix = split_below(&b, TRIE_WORD_ROOT);
    split_below(&b, TRIE_SUFFIX_ROOT);
    link_nodes(&b, first_suffix);
    t->nodes = xrealloc_array(t->nodes, t->n_nodes, sizeof *t->nodes);
    free(b.pieces);
    free(b.spare);
    free(b.ranges);
    free(b.stack);
}

void trie_free(struct trie *t)
{
    free(t->nodes);
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
        const int32_t *pops = t->pops + at->pops;
        for (int32_t k = 1; k <= pops[0]; k++)
            ids[n++] = pops[k];
        node = at->failure;
    }
}
