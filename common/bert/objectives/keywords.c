/* keywords.c - the term `keywords`: which content words the reasoning uses, told from the sentence vector.
 *
 *     l = - sum_j d_j log softmax(W h + b)_j / log V
 *
 * over the V words of a vocabulary that the training rows' reasonings give: no verdict words (verdict.h), no words of
 * fewer than three letters or in more than a fifth of the reasonings, in at least two of them (five from 1,000
 * reasonings on), the 2,000 with the largest log(N / n) x |log-odds between a class and the others|. d is even over
 * the row's own words; rows without any are not used. Order does not matter: Wadhwa et al. 2024 (arXiv:2406.14511)
 * found that a few key tokens carry what a chain of thought teaches.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/piece_words.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/small_head.h"
#include "bert/objectives/verdict.h"

static const char weight_name[] = "auxiliary.keywords.weight", bias_name[] = "auxiliary.keywords.bias";
enum { MOST_WORDS = 2000, SHORTEST = 3 };

struct keywords_state {
    struct verdict verdict;
    size_t words;      /* of the vocabulary */
    struct buf of_row; /* uint32_t, the rows' words one row after another */
    size_t *begins;    /* [rows + 1] into of_row */
    size_t rows;       /* that have words */
    float *logits, *d; /* [words] */
    double *target;    /* [words] */
};

static void release(struct objective *o)
{
    struct keywords_state *state = o->state;
    if (state) {
        verdict_free(&state->verdict);
        buf_free(&state->of_row);
        free(state->begins);
        free(state->logits);
        free(state->d);
        free(state->target);
    }
    free(state);
    o->state = NULL;
}

/* ---- the vocabulary ---- */

/* All words of the reasonings, before any are chosen. */
struct candidates {
    struct piece_words words;
    struct buf counts;  /* size_t [words, classes] reasonings of each class that have it */
    struct buf of_row;  /* uint32_t, distinct words of each row */
    size_t *begins;     /* [rows + 1] */
    size_t *reasonings; /* [classes] */
    size_t total;
};

static bool is_long_enough(const struct token_table *tokens, const int32_t *ids, size_t n, struct buf *text)
{
    if (!piece_word_is_text(tokens, ids, n))
        return false;
    piece_word_text(tokens, ids, n, text);
    return text->len >= SHORTEST;
}

/* Adds a word of a row, once. */
static void add_candidate(struct candidates *c, const int32_t *ids, size_t n, size_t row_begin, size_t class,
                          size_t classes)
{
    const size_t zero = 0;
    uint32_t word = (uint32_t)piece_words_add(&c->words, ids, n);
    const uint32_t *known = (const uint32_t *)(const void *)c->of_row.data;
    for (size_t i = row_begin; i < c->of_row.len / sizeof word; i++)
        if (known[i] == word)
            return;
    buf_add(&c->of_row, &word, sizeof word);
    while (c->counts.len < c->words.n * classes * sizeof zero)
        buf_add(&c->counts, &zero, sizeof zero);
    ((size_t *)(void *)c->counts.data)[word * classes + class]++;
}

static void collect(struct candidates *c, struct verdict *verdict, const struct objective_setting *s)
{
    struct buf text = {0}, marks = {0};
    c->begins = xcalloc(s->rows->n + 1, sizeof *c->begins);
    c->reasonings = xcalloc(s->classes + 1, sizeof *c->reasonings);
    for (uint64_t row = 0; row < s->rows->n; row++) {
        size_t n, begin = c->of_row.len / sizeof(uint32_t);
        const int32_t *ids = rows_list(s->rows, "reason_ids", row, &n);
        int32_t label = reasoning_label(s->rows, row);
        c->begins[row] = begin;
        if (n == 0 || label < 0 || (size_t)label >= s->classes)
            continue;
        marks.len = 0;
        for (size_t i = 0; i < n; i++)
            buf_add(&marks, "", 1);
        verdict_mark(verdict, ids, n, (uint8_t *)marks.data);
        c->reasonings[label]++;
        c->total++;
        for (size_t i = 0, end; i < n; i = end) {
            end = piece_word_end(s->tokens, ids, n, i);
            if (!marks.data[i] && is_long_enough(s->tokens, ids + i, end - i, &text))
                add_candidate(c, ids + i, end - i, begin, (size_t)label, s->classes);
        }
    }
    c->begins[s->rows->n] = c->of_row.len / sizeof(uint32_t);
    buf_free(&text);
    buf_free(&marks);
}

/* log(N / n) x the largest log-odds between one class and the others; 0: the word is not to be taken. */
static double rank_of(const struct candidates *c, size_t word, size_t classes)
{
    const size_t *of = (const size_t *)(const void *)c->counts.data + word * classes;
    size_t all = 0, least = c->total >= 1000 ? 5 : 2;
    double odds = 0;
    for (size_t i = 0; i < classes; i++)
        all += of[i];
    if (all < least || 5 * all > c->total)
        return 0;
    for (size_t i = 0; i < classes; i++) {
        double inside = ((double)of[i] + 0.5) / ((double)(c->reasonings[i] - of[i]) + 0.5);
        double outside = ((double)(all - of[i]) + 0.5) / ((double)(c->total - c->reasonings[i] - (all - of[i])) + 0.5);
        odds = fmax(odds, fabs(log(inside / outside)));
    }
    return log((double)c->total / (double)all) * odds;
}

struct ranked {
    double rank;
    uint32_t word;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    return x->word < y->word ? -1 : 1;
}

/* number[word] = its place in the vocabulary + 1, 0 where it has none; returns the vocabulary's size. */
static size_t choose(const struct candidates *c, size_t classes, uint32_t *number)
{
    struct ranked *ranked = xmalloc_array(c->words.n + 1, sizeof *ranked);
    size_t n = 0;
    for (size_t word = 0; word < c->words.n; word++) {
        ranked[n] = (struct ranked){rank_of(c, word, classes), (uint32_t)word};
        n += ranked[n].rank > 0;
    }
    qsort(ranked, n, sizeof *ranked, by_rank);
    n = n < MOST_WORDS ? n : MOST_WORDS;
    for (size_t i = 0; i < n; i++)
        number[ranked[i].word] = (uint32_t)i + 1;
    free(ranked);
    return n;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct keywords_state *state = o->state = xcalloc(1, sizeof *state);
    struct candidates c = {0};
    size_t rows = setting->rows->n;
    verdict_init(&state->verdict, setting);
    collect(&c, &state->verdict, setting);
    uint32_t *number = xcalloc(c.words.n + 1, sizeof *number);
    state->words = choose(&c, setting->classes, number);
    state->begins = xcalloc(rows + 1, sizeof *state->begins);
    for (size_t row = 0; row < rows; row++) {
        size_t before = state->of_row.len;
        state->begins[row] = before / sizeof(uint32_t);
        for (size_t i = c.begins[row]; i < c.begins[row + 1]; i++) {
            uint32_t word = number[((const uint32_t *)(const void *)c.of_row.data)[i]];
            if (word--)
                buf_add(&state->of_row, &word, sizeof word);
        }
        state->rows += state->of_row.len > before;
    }
    state->begins[rows] = state->of_row.len / sizeof(uint32_t);
    piece_words_free(&c.words);
    buf_free(&c.counts);
    buf_free(&c.of_row);
    free(c.begins);
    free(c.reasonings);
    free(number);
    if (state->words < 2)
        return error_set(err, STATUS_FAILURE,
                         "the reasonings of the rows share no content words, which the objective term 'keywords' "
                         "needs; run groq-reason on more rows, or leave the term out of --objective");
    state->logits = xmalloc_array(state->words, sizeof *state->logits);
    state->d = xmalloc_array(state->words, sizeof *state->d);
    state->target = xmalloc_array(state->words, sizeof *state->target);
    return 0;
}

/* ---- the term ---- */

static void add_heads(const struct objective *o, const struct bert_config *config, struct model_heads *heads)
{
    const struct keywords_state *state = o->state;
    model_heads_add(heads, weight_name, state->words, (size_t)config->hidden_size);
    model_heads_add(heads, bias_name, state->words, 1);
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    const struct keywords_state *state = o->state;
    size_t used = 0;
    for (size_t i = 0; i < rows->n; i++)
        used += state->begins[rows->which[i] + 1] > state->begins[rows->which[i]];
    return (double)used;
}

static double row_loss(const struct keywords_state *state, const struct small_head *head, struct objective_pass *p,
                       size_t i, double scale)
{
    uint64_t row = p->part.which[i];
    const uint32_t *words = (const uint32_t *)(const void *)state->of_row.data + state->begins[row];
    size_t n = state->begins[row + 1] - state->begins[row], hidden = head->weight->cols;
    double unit = 1 / log((double)state->words);
    if (n == 0)
        return 0;
    small_head_forward(head, p->vectors + i * hidden, state->logits);
    memset(state->target, 0, state->words * sizeof *state->target);
    memset(state->d, 0, state->words * sizeof *state->d);
    for (size_t j = 0; j < n; j++)
        state->target[words[j]] = 1 / (double)n;
    double loss = unit * cross_entropy(state->logits, state->target, 0, state->words, scale * unit, state->d);
    if (p->gradients)
        small_head_backward(head, p->gradients, p->vectors + i * hidden, state->d, p->d_vectors + i * hidden);
    return loss;
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct small_head head = small_head_find(p->model, weight_name, bias_name);
    double loss = 0;
    for (size_t i = 0; i < p->part.n; i++)
        loss += row_loss(o->state, &head, p, i, scale);
    return loss;
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct keywords_state *state = o->state;
    buf_addf(json, ",\"keywords_rows\":%zu,\"keywords_words\":%zu,\"keywords_verdict_words\":", state->rows,
             state->words);
    verdict_list(&state->verdict, json);
}

const struct objective_kind objective_keywords = {.name = "keywords",
                                                  .reads = OBJECTIVE_ROWS | OBJECTIVE_VECTORS,
                                                  .prepare = prepare,
                                                  .add_heads = add_heads,
                                                  .count = count,
                                                  .add = add,
                                                  .describe = describe,
                                                  .release = release};
