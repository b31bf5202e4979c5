/* marked_sentences.c - what the people of the Treebank say of each word; the rule is in attribution.h. */
#include "score/marked_sentences.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/trees.h"
#include "wire/lines.h"

enum { NEUTRAL = 2 };

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void marked_key(const char *text, size_t len, struct buf *key, struct buf *places)
{
    buf_reset(key);
    buf_reset(places);
    buf_reserve(key, len);
    for (size_t i = 0; i < len; i++) {
        buf_add(places, &key->len, sizeof key->len);
        if (!is_space(text[i]))
            buf_addch(key, (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]));
    }
    buf_add(places, &key->len, sizeof key->len);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct marked_sentence *)a)->key, ((const struct marked_sentence *)b)->key);
}

const struct marked_sentence *marked_find(const struct marked_sentences *m, const char *key, size_t len)
{
    struct marked_sentence wanted = {.key = xmemdup0(key ? key : "", len)};
    const struct marked_sentence *found = NULL;
    if (m->n && strlen(wanted.key) == len) /* no tree holds a NUL */
        found = bsearch(&wanted, m->sentences, m->n, sizeof wanted, by_key);
    free(wanted.key);
    return found;
}

/* ---- reading ---- */

struct reader {
    struct marked_sentences *m;
    struct trees trees;
    struct buf key, places;
};

static void *grown(void *list, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return list;
    *capacity = *capacity ? 2 * *capacity : 1024;
    return xrealloc_array(list, *capacity, size);
}

static void add_words(struct reader *r, const char *text, size_t len)
{
    struct marked_sentences *m = r->m;
    const size_t *places = (const size_t *)(const void *)r->places.data;
    for (size_t begin = 0, end; begin < len; begin = end + 1) {
        const char *space = memchr(text + begin, ' ', len - begin);
        end = space ? (size_t)(space - text) : len;
        m->words = grown(m->words, m->n_words, &m->words_capacity, sizeof *m->words);
        m->words[m->n_words++] = (struct marked_word){.begin = places[begin], .end = places[end]};
    }
}

/* A phrase that is not neutral marks its words that nothing has marked, unless one of them explains it. */
static void mark_phrase(struct marked_word *words, size_t n, int sign)
{
    for (size_t i = 0; i < n; i++)
        if (words[i].sign == sign)
            return;
    for (size_t i = 0; i < n; i++)
        words[i].sign = words[i].sign ? words[i].sign : sign;
}

static void mark_words(struct reader *r, const struct marked_sentence *s)
{
    const size_t *places = (const size_t *)(const void *)r->places.data;
    struct marked_word *words = r->m->words + s->first;
    for (size_t length = 1; length <= MARK_MAX_WORDS; length++)
        for (size_t i = 0; i < r->trees.n_nodes; i++) {
            const struct tree_node *node = &r->trees.nodes[i];
            size_t first = 0, n = 0;
            while (first < s->n && words[first].begin < places[node->begin])
                first++;
            while (n <= length && first + n < s->n && words[first + n].end <= places[node->end])
                n++;
            if (n == length && node->class != NEUTRAL)
                mark_phrase(words + first, n, node->class > NEUTRAL ? 1 : -1);
        }
}

static void add_sentence(struct reader *r, const struct data_row *row)
{
    struct marked_sentences *m = r->m;
    struct marked_sentence s = {.first = m->n_words};
    marked_key(row->sentence, row->sentence_len, &r->key, &r->places);
    s.key = xmemdup0(r->key.data, r->key.len);
    add_words(r, row->sentence, row->sentence_len);
    s.n = m->n_words - s.first;
    mark_words(r, &s);
    m->sentences = grown(m->sentences, m->n, &m->capacity, sizeof *m->sentences);
    m->sentences[m->n++] = s;
}

static int by_key_and_place(const void *a, const void *b)
{
    const struct marked_sentence *x = a, *y = b;
    int order = by_key(a, b);
    return order ? order : x->first < y->first ? -1 : x->first > y->first;
}

/* Sorted by key, each key once. */
static void sort_sentences(struct marked_sentences *m)
{
    size_t kept = 0;
    if (m->n)
        qsort(m->sentences, m->n, sizeof *m->sentences, by_key_and_place);
    for (size_t i = 0; i < m->n; i++) {
        if (kept && by_key(&m->sentences[kept - 1], &m->sentences[i]) == 0)
            free(m->sentences[i].key);
        else
            m->sentences[kept++] = m->sentences[i];
    }
    m->n = kept;
}

int marked_sentences_read(struct marked_sentences *m, const char *path, struct error *err)
{
    static const struct data_options options = {.classes = "5"};
    struct reader r = {.m = m};
    struct lines lines;
    struct data_row row;
    enum data_step step;
    *m = (struct marked_sentences){0};
    if (lines_open(&lines, path, 0, err) < 0)
        return -1;
    m->name = xstrdup(lines.in.name);
    trees_open(&r.trees, &lines, &options);
    while ((step = trees_next(&r.trees, &row, err)) == DATA_ROW)
        add_sentence(&r, &row);
    trees_close(&r.trees);
    lines_close(&lines);
    buf_free(&r.key);
    buf_free(&r.places);
    sort_sentences(m);
    if (step == DATA_END && m->n == 0)
        return error_set(err, STATUS_FAILURE, "%s: no trees", m->name);
    return step == DATA_END ? 0 : -1;
}

void marked_sentences_free(struct marked_sentences *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->sentences[i].key);
    free(m->sentences);
    free(m->words);
    free(m->name);
    *m = (struct marked_sentences){0};
}
