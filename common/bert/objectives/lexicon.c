/* lexicon.c - see lexicon.h. */
#include "bert/objectives/lexicon.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bert/objectives/reasoning.h"

/* Places of each word: [words, 2], unfavourable and favourable. */
struct places {
    size_t *of, capacity;
};

static void count_place(struct lexicon *l, struct places *p, const int32_t *ids, size_t n, int favourable)
{
    size_t word = piece_words_add(&l->words, ids, n);
    if (word >= p->capacity) {
        size_t before = p->capacity;
        p->capacity = 2 * word + 1024;
        p->of = xrealloc_array(p->of, 2 * p->capacity, sizeof *p->of);
        memset(p->of + 2 * before, 0, 2 * (p->capacity - before) * sizeof *p->of);
    }
    p->of[2 * word + (size_t)favourable]++;
}

/* 1 favourable, 0 unfavourable, -1 neither. */
static int polarity_of(uint8_t mark, int32_t label)
{
    if (mark == CUE_FAVOURABLE || mark == CUE_UNFAVOURABLE)
        return mark == CUE_FAVOURABLE;
    return mark == CUE_DECISIVE ? label : -1;
}

static void count_row(struct lexicon *l, struct places *p, const struct rows *rows, uint64_t row,
                      const struct token_table *tokens)
{
    const struct column *cues = rows_find(rows, "cues");
    const int64_t *offsets = column_offsets(rows_find(rows, "ids"));
    int32_t label = reasoning_label(rows, row);
    size_t n;
    const int32_t *ids = rows_list(rows, "ids", row, &n);
    if (!cues || label < 0)
        return;
    const uint8_t *marks = column_u8(cues) + offsets[row];
    for (size_t i = 0, end; i < n; i = end) {
        end = piece_word_end(tokens, ids, n, i);
        int favourable = polarity_of(marks[i], label);
        if (favourable >= 0 && piece_word_is_text(tokens, ids + i, end - i))
            count_place(l, p, ids + i, end - i, favourable);
    }
}

void lexicon_make(struct lexicon *l, const struct rows *rows, const struct token_table *tokens)
{
    struct places places = {0};
    *l = (struct lexicon){0};
    for (uint64_t row = 0; row < rows->n; row++)
        count_row(l, &places, rows, row, tokens);
    l->value = xcalloc(l->words.n + 1, sizeof *l->value);
    for (size_t word = 0; word < l->words.n; word++) {
        size_t against = places.of[2 * word], favour = places.of[2 * word + 1];
        double v = log(((double)favour + 0.5) / ((double)against + 0.5));
        if (against + favour < 2 || fabs(v) <= 0.9)
            continue;
        l->value[word] = v;
        l->kept++;
    }
    free(places.of);
}

double lexicon_value(const struct lexicon *l, const int32_t *ids, size_t n)
{
    size_t word = piece_words_find(&l->words, ids, n);
    return word == SIZE_MAX ? 0 : l->value[word];
}

void lexicon_free(struct lexicon *l)
{
    piece_words_free(&l->words);
    free(l->value);
    *l = (struct lexicon){0};
}
