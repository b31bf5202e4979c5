/* trees.c - Penn trees with a class at every node. */
#include "data/trees.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/source.h"

enum { CLASSES = 5, NEUTRAL = 2 };

void trees_open(struct trees *t, struct lines *lines, const struct data_options *options)
{
    *t = (struct trees){.lines = lines, .binary = strcmp(options->classes, "2") == 0, .phrases = options->phrases};
}

static int fail_at(const struct trees *t, size_t offset, const char *reason, struct error *err)
{
    return error_set(err, STATUS_FAILURE, "%s:%llu: byte %zu: %s", t->lines->in.name,
                     (unsigned long long)t->lines->number, offset + 1, reason);
}

/* Adds a leaf, with a space before it where it is not the sentence's first. */
static void add_leaf(struct buf *sentence, const char *leaf, size_t len)
{
    static const char *const brackets[][2] = {{"-LRB-", "("}, {"-RRB-", ")"}, {"-LSB-", "["},
                                              {"-RSB-", "]"}, {"-LCB-", "{"}, {"-RCB-", "}"}};
    if (sentence->len > 0)
        buf_addch(sentence, ' ');
    for (size_t i = 0; i < sizeof brackets / sizeof *brackets; i++) {
        if (len == 5 && memcmp(leaf, brackets[i][0], 5) == 0) {
            buf_addstr(sentence, brackets[i][1]);
            return;
        }
    }
    for (size_t i = 0; i < len; i++) {
        if (leaf[i] == '\\' && i + 1 < len && (leaf[i + 1] == '/' || leaf[i + 1] == '*'))
            i++;
        buf_addch(sentence, leaf[i]);
    }
}

static void open_node(struct trees *t, int class)
{
    if (t->n_nodes == t->cap_nodes) {
        t->cap_nodes = t->cap_nodes ? 2 * t->cap_nodes : 128;
        t->nodes = xrealloc_array(t->nodes, t->cap_nodes, sizeof *t->nodes);
    }
    if (t->n_open == t->cap_open) {
        t->cap_open = t->cap_open ? 2 * t->cap_open : 64;
        t->open = xrealloc_array(t->open, t->cap_open, sizeof *t->open);
    }
    size_t begin = t->sentence.len > 0 ? t->sentence.len + 1 : 0; /* behind the space */
    t->open[t->n_open++] = t->n_nodes;
    t->nodes[t->n_nodes++] = (struct tree_node){.class = class, .begin = begin, .end = begin};
}

/* The class and its bracket at text[at]; returns the offset behind them, or 0 after setting *err. */
static size_t parse_opening(struct trees *t, const char *text, size_t len, size_t at, struct error *err)
{
    size_t class = at + 1;
    if (class >= len || text[class] < '0' || text[class] >= '0' + CLASSES ||
        (class + 1 < len && text[class + 1] != ' ' && text[class + 1] != '(')) {
        fail_at(t, class, "a class from 0 to 4 should stand here, followed by a space", err);
        return 0;
    }
    open_node(t, text[class] - '0');
    return class + 1;
}

static int close_node(struct trees *t, size_t at, struct error *err)
{
    if (t->n_open == 0)
        return fail_at(t, at, "a closing bracket without its opening one", err);
    struct tree_node *node = &t->nodes[t->open[--t->n_open]];
    node->end = t->sentence.len;
    if (node->end <= node->begin)
        return fail_at(t, at, "a node without words", err);
    return 0;
}

static int parse_tree(struct trees *t, const char *text, size_t len, struct error *err)
{
    t->n_nodes = t->n_open = t->at = 0;
    buf_reset(&t->sentence);
    for (size_t at = 0; at < len;) {
        if (text[at] == ' ' || text[at] == '\t') {
            at++;
        } else if (t->n_nodes > 0 && t->n_open == 0 && text[at] != ')') {
            return fail_at(t, at, "more text behind the tree; each tree needs a line of its own", err);
        } else if (text[at] == '(') {
            at = parse_opening(t, text, len, at, err);
            if (at == 0)
                return -1;
        } else if (text[at] == ')') {
            if (close_node(t, at++, err) < 0)
                return -1;
        } else {
            size_t leaf = 0;
            while (at + leaf < len && !strchr("() \t", text[at + leaf])) /* a NUL, too, ends it */
                leaf++;
            if (leaf == 0)
                return fail_at(t, at, "a NUL byte", err);
            if (t->n_open == 0)
                return fail_at(t, at, "a tree begins with (; the format is (3 (2 A) (4 film))", err);
            add_leaf(&t->sentence, text + at, leaf);
            at += leaf;
        }
    }
    if (t->n_open > 0)
        return fail_at(t, len, "the line ends inside the tree; each tree needs a line of its own", err);
    return 0;
}

/* Reads the next tree. */
static enum data_step read_tree(struct trees *t, struct error *err)
{
    const char *line, *at;
    size_t len, word;
    do { /* over blank lines */
        enum data_step step = source_line(t->lines, &line, &len, err);
        if (step != DATA_ROW)
            return step;
        len = source_strip_cr(line, len);
        at = line;
    } while (!source_word(&at, line + len, &word));
    t->n_nodes = 0; /* where the tree is malformed, the next call goes on behind it */
    if (source_check_utf8(t->lines, t->lines->number, line, len, err) < 0 || parse_tree(t, line, len, err) < 0) {
        t->n_nodes = 0;
        t->next_idx++; /* a tree that is skipped keeps its place */
        return DATA_BAD_ROW;
    }
    return DATA_ROW;
}

enum data_step trees_next(struct trees *t, struct data_row *row, struct error *err)
{
    for (;;) {
        size_t wanted = t->phrases ? t->n_nodes : t->n_nodes > 0;
        if (t->at >= wanted) {
            enum data_step step = read_tree(t, err);
            if (step != DATA_ROW)
                return step;
        }
        const struct tree_node *node = &t->nodes[t->at++];
        long long idx = t->next_idx++;
        if (t->binary && node->class == NEUTRAL)
            continue;
        *row = (struct data_row){.idx = idx,
                                 .sentence = t->sentence.data + node->begin,
                                 .sentence_len = node->end - node->begin,
                                 .label = t->binary ? node->class > NEUTRAL : node->class};
        return DATA_ROW;
    }
}

void trees_close(struct trees *t)
{
    buf_free(&t->sentence);
    free(t->nodes);
    free(t->open);
    *t = (struct trees){0};
}
