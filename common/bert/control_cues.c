/* control_cues.c - see control_cues.h. */
#include "bert/control_cues.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "bert/controls.h"
#include "bert/objectives/piece_words.h"
#include "bert/objectives/reasoning.h"

enum { RNG_CONTROL_CUES = 12 };

/* A row's tokens and their marks. */
struct marked {
    const int32_t *ids;
    uint8_t *marks;
    size_t n;
    bool has_cues;
};

static struct marked row_of(struct rows *rows, uint64_t row)
{
    struct marked r;
    const int64_t *offsets = column_offsets(rows_find(rows, "ids"));
    struct column *cues = rows_find(rows, "cues");
    r.ids = rows_list(rows, "ids", row, &r.n);
    r.marks = cues ? (uint8_t *)cues->values.data + offsets[row] : NULL;
    r.has_cues = r.marks && r.n > 0 && r.marks[0] != CUE_ROW_UNMARKED;
    return r;
}

static int no_cues(struct error *err)
{
    return error_set(err, STATUS_FAILURE,
                     "no row has cues of its teacher, which the control changes; run groq-reason before "
                     "wp-tokenize");
}

/* The end of the run of equal marks that begins there. */
static size_t span_end(const struct marked *r, size_t begin)
{
    size_t end = begin + 1;
    while (end < r->n && r->marks[end] == r->marks[begin])
        end++;
    return end;
}

/* ---- random places ---- */

struct word {
    size_t begin, end; /* tokens */
};

/* A span that has to find a place. */
struct span {
    uint8_t mark;
    size_t words;
};

/* The row's words, punctuation and special tokens left out. */
static size_t find_words(const struct marked *r, const struct token_table *t, struct word *words)
{
    size_t n = 0;
    for (size_t i = 0, end; i < r->n; i = end) {
        end = piece_word_end(t, r->ids, r->n, i);
        if (piece_word_is_text(t, r->ids + i, end - i))
            words[n++] = (struct word){i, end};
    }
    return n;
}

/* The row's spans; one of punctuation alone counts as a word. */
static size_t find_spans(const struct marked *r, const struct word *words, size_t n_words, struct span *spans,
                         size_t *marked_words)
{
    size_t n = 0;
    *marked_words = 0;
    for (size_t begin = 0, end; begin < r->n; begin = end) {
        end = span_end(r, begin);
        if (r->marks[begin] == CUE_NONE)
            continue;
        spans[n] = (struct span){r->marks[begin], 0};
        for (size_t w = 0; w < n_words; w++)
            spans[n].words += words[w].begin < end && words[w].end > begin;
        spans[n].words += spans[n].words == 0;
        *marked_words += spans[n++].words;
    }
    return n;
}

/* The spans in random order; cuts[0..n) ascending, each in 0..most. */
static void deal(struct span *spans, size_t *cuts, size_t n, size_t most, struct rng *rng)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(rng, i);
        struct span kept = spans[i - 1];
        spans[i - 1] = spans[j];
        spans[j] = kept;
    }
    for (size_t i = 0; i < n; i++) {
        size_t cut = rng_below(rng, most + 1), j = i;
        for (; j > 0 && cuts[j - 1] > cut; j--)
            cuts[j] = cuts[j - 1];
        cuts[j] = cut;
    }
}

/* The words that no span takes are spread at random over the places before, between and after the spans, of which those
 * between get at least one where there are enough. A row that is too short for its spans stays. */
static void move_spans(const struct marked *r, const struct token_table *t, struct rng *rng)
{
    struct word *words = xmalloc_array(r->n, sizeof *words);
    struct span *spans = xmalloc_array(r->n, sizeof *spans);
    size_t *cuts = xmalloc_array(r->n, sizeof *cuts), marked_words;
    size_t n_words = find_words(r, t, words), n = find_spans(r, words, n_words, spans, &marked_words);
    if (n > 0 && marked_words <= n_words) {
        size_t left = n_words - marked_words, apart = left >= n - 1, before = 0;
        deal(spans, cuts, n, left - apart * (n - 1), rng);
        memset(r->marks, CUE_NONE, r->n);
        for (size_t i = 0; i < n; i++) {
            size_t first = cuts[i] + before, begin = words[first].begin;
            memset(r->marks + begin, spans[i].mark, words[first + spans[i].words - 1].end - begin);
            before += spans[i].words + apart;
        }
    }
    free(words);
    free(spans);
    free(cuts);
}

int control_cues_random(struct rows *rows, const struct control_setting *s, struct error *err)
{
    struct rng rng;
    size_t found = 0;
    rng_init(&rng, s->seed, RNG_CONTROL_CUES);
    for (size_t i = 0; i < rows->n; i++) {
        struct marked r = row_of(rows, i);
        if (!r.has_cues)
            continue;
        move_spans(&r, s->tokens, &rng);
        found++;
    }
    return found > 0 ? 0 : no_cues(err);
}

/* ---- polarity that is dealt out anew ---- */

static uint8_t polarity_of(uint8_t mark, int32_t label)
{
    if (mark == CUE_FAVOURABLE || mark == CUE_UNFAVOURABLE)
        return mark;
    return mark == CUE_DECISIVE ? (label ? CUE_FAVOURABLE : CUE_UNFAVOURABLE) : CUE_NONE;
}

/* Visits all spans with a polarity in order: takes theirs into polarity, or gives them what stands there. */
static size_t each_polarity(struct rows *rows, uint64_t *polarity, bool give)
{
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        struct marked r = row_of(rows, i);
        int32_t label = reasoning_label(rows, i); /* -1: no term uses the row's cues */
        for (size_t begin = 0, end; r.has_cues && label >= 0 && begin < r.n; begin = end) {
            end = span_end(&r, begin); /* what follows has its old mark still */
            uint8_t own = polarity_of(r.marks[begin], label);
            if (own == CUE_NONE)
                continue;
            if (give)
                memset(r.marks + begin, (int)polarity[n], end - begin);
            else if (polarity)
                polarity[n] = own;
            n++;
        }
    }
    return n;
}

int control_cues_shuffled_polarity(struct rows *rows, const struct control_setting *s, struct error *err)
{
    struct rng rng;
    if (s->classes != 2)
        return error_set(err, STATUS_FAILURE, "a polarity is one of two classes, but there are %zu", s->classes);
    size_t n = each_polarity(rows, NULL, false);
    if (n == 0)
        return no_cues(err);
    uint64_t *polarity = xmalloc_array(n, sizeof *polarity);
    each_polarity(rows, polarity, false);
    rng_init(&rng, s->seed, RNG_CONTROL_CUES);
    rng_shuffle(&rng, polarity, n);
    each_polarity(rows, polarity, true);
    free(polarity);
    return 0;
}

/* ---- every word ---- */

int control_cues_all_words(struct rows *rows, const struct control_setting *s, struct error *err)
{
    size_t found = 0, tokens = rows_find(rows, "ids")->values.len / sizeof(int32_t);
    struct column *cues = rows_column(rows, "cues", ST_U8, COLUMN_TOKEN, 1);
    const struct column *teacher = rows_find(rows, "teacher_label");
    if (cues->values.len == 0) { /* the column is new */
        buf_reserve(&cues->values, tokens);
        memset(cues->values.data, CUE_ROW_UNMARKED, tokens);
        cues->values.len = tokens;
    }
    for (size_t i = 0; teacher && i < rows->n; i++) {
        struct marked r = row_of(rows, i);
        if (column_i32(teacher)[i] < 0)
            continue;
        for (size_t j = 0, end; j < r.n; j = end) {
            end = piece_word_end(s->tokens, r.ids, r.n, j);
            bool is_text = piece_word_is_text(s->tokens, r.ids + j, end - j);
            memset(r.marks + j, is_text ? CUE_DECISIVE : CUE_NONE, end - j);
        }
        found++;
    }
    if (found > 0)
        return 0;
    return error_set(err, STATUS_FAILURE,
                     "no row has a label of its teacher, which the control gives to its words; run groq-reason before "
                     "wp-tokenize");
}
