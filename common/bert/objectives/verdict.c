/* verdict.c - see verdict.h. */
#include "bert/objectives/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "bert/objectives/reasoning.h"
#include "wire/json.h"

static const char *const fixed[] = {
    "positive",   "negative",    "positively",   "negatively",   "positivity",  "negativity", "sentiment",
    "sentiments", "favourable",  "favorable",    "unfavourable", "unfavorable", "favourably", "favorably",
    "verdict",    "unfavorably", "unfavourably", "label",        "polarity",    "praise",     "criticism",
    "complaint",  "approval",    "disapproval",  "recommends",   "thumbs"};

enum { FEWEST_ROWS = 5 };
static const double fewest_share = 0.005;

static bool is_fixed(const struct verdict *v, const char *word)
{
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(word, fixed[i]) == 0)
            return true;
    for (size_t i = 0; v->labels && i < v->classes; i++)
        if (strcasecmp(word, v->labels[i]) == 0)
            return true;
    return false;
}

/* How many reasonings of each class have a word; [words, classes] grows with the table. */
struct counts {
    struct piece_words words;
    size_t *of, capacity;
    uint64_t *last_row; /* + 1: the row that was counted last */
};

static void count_word(struct counts *c, const int32_t *ids, size_t n, uint64_t row, size_t class, size_t classes)
{
    size_t word = piece_words_add(&c->words, ids, n);
    if (word >= c->capacity) {
        size_t before = c->capacity;
        c->capacity = 2 * word + 1024;
        c->of = xrealloc_array(c->of, c->capacity * classes, sizeof *c->of);
        c->last_row = xrealloc_array(c->last_row, c->capacity, sizeof *c->last_row);
        memset(c->of + before * classes, 0, (c->capacity - before) * classes * sizeof *c->of);
        memset(c->last_row + before, 0, (c->capacity - before) * sizeof *c->last_row);
    }
    c->of[word * classes + class] += c->last_row[word] != row + 1;
    c->last_row[word] = row + 1;
}

static bool sentence_has(const struct token_table *t, const int32_t *sentence, size_t length, const int32_t *ids,
                         size_t n)
{
    for (size_t i = 0, end; i < length; i = end) {
        end = piece_word_end(t, sentence, length, i);
        if (end - i == n && memcmp(sentence + i, ids, n * sizeof *ids) == 0)
            return true;
    }
    return false;
}

/* Whether the word gives the class away: with of[classes] of rows[classes] reasonings. */
static bool gives_away(const size_t *of, const size_t *rows, size_t classes)
{
    size_t all = 0, total = 0;
    for (size_t c = 0; c < classes; c++) {
        all += of[c];
        total += rows[c];
    }
    double share = fewest_share * (double)total, least = share > FEWEST_ROWS ? share : FEWEST_ROWS;
    if ((double)all < least)
        return false;
    for (size_t c = 0; c < classes; c++) {
        double inside = log(((double)of[c] + 0.5) / ((double)(rows[c] - of[c]) + 0.5));
        double outside = log(((double)(all - of[c]) + 0.5) / ((double)(total - rows[c] - (all - of[c])) + 0.5));
        if (fabs(inside - outside) > 2)
            return true;
    }
    return false;
}

void verdict_init(struct verdict *v, const struct objective_setting *setting)
{
    const struct rows *rows = setting->rows;
    struct counts counts = {0};
    size_t classes = setting->classes, *of_class = xcalloc(classes + 1, sizeof *of_class), n, length;
    *v = (struct verdict){.tokens = setting->tokens, .labels = setting->labels, .classes = classes};
    for (uint64_t row = 0; row < rows->n; row++) {
        const int32_t *ids = rows_list(rows, "reason_ids", row, &n), *sentence = rows_list(rows, "ids", row, &length);
        int32_t label = reasoning_label(rows, row);
        if (label < 0 || (size_t)label >= classes || n == 0)
            continue;
        of_class[label]++;
        for (size_t i = 0, end; i < n; i = end) {
            end = piece_word_end(v->tokens, ids, n, i);
            if (piece_word_is_text(v->tokens, ids + i, end - i) &&
                !sentence_has(v->tokens, sentence, length, ids + i, end - i))
                count_word(&counts, ids + i, end - i, row, (size_t)label, classes);
        }
    }
    for (size_t word = 0; word < counts.words.n; word++) {
        const int32_t *ids = piece_words_get(&counts.words, word, &n);
        if (gives_away(counts.of + word * classes, of_class, classes))
            piece_words_add(&v->found, ids, n);
    }
    piece_words_free(&counts.words);
    free(counts.of);
    free(counts.last_row);
    free(of_class);
}

void verdict_mark(struct verdict *v, const int32_t *ids, size_t n, uint8_t *is_verdict)
{
    for (size_t i = 0, end; i < n; i = end) {
        end = piece_word_end(v->tokens, ids, n, i);
        bool is = false;
        if (piece_word_is_text(v->tokens, ids + i, end - i)) {
            piece_word_text(v->tokens, ids + i, end - i, &v->text);
            is = is_fixed(v, v->text.data) || piece_words_find(&v->found, ids + i, end - i) != SIZE_MAX;
        }
        memset(is_verdict + i, is, end - i);
    }
}

void verdict_list(const struct verdict *v, struct buf *json)
{
    struct buf text = {0};
    buf_addstr(json, "[");
    for (size_t word = 0; word < v->found.n; word++) {
        size_t n;
        const int32_t *ids = piece_words_get(&v->found, word, &n);
        piece_word_text(v->tokens, ids, n, &text);
        buf_addstr(json, word ? "," : "");
        json_add_string(json, text.data, text.len);
    }
    buf_addstr(json, "]");
    buf_free(&text);
}

void verdict_free(struct verdict *v)
{
    piece_words_free(&v->found);
    buf_free(&v->text);
    *v = (struct verdict){0};
}
