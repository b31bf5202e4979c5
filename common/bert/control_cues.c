/* control_cues.c - see control_cues.h. */
#include "bert/control_cues.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "bert/controls.h"
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
                     "--control: no row has cues of its teacher, which the control changes; run groq-reason before "
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

static bool continues_word(const struct token_table *t, int32_t id)
{
    return strncmp(t->text[id], t->prefix, strlen(t->prefix)) == 0;
}

/* ---- random places ---- */

/* Where the row's words begin; starts[words] is the end of the last. Special tokens are no words. */
static size_t find_words(const struct marked *r, const struct token_table *t, size_t *starts)
{
    size_t words = 0, end = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (t->special[r->ids[i]])
            continue;
        if (words == 0 || !continues_word(t, r->ids[i]))
            starts[words++] = i;
        end = i + 1;
    }
    starts[words] = end;
    return words;
}

static size_t words_between(const size_t *starts, size_t words, size_t begin, size_t end)
{
    size_t n = 0;
    for (size_t w = 0; w < words; w++)
        n += starts[w] < end && starts[w + 1] > begin;
    return n;
}

static void move_spans(const struct marked *r, const struct token_table *t, struct rng *rng)
{
    size_t *starts = xmalloc_array(r->n + 1, sizeof *starts);
    uint8_t *moved = xcalloc(r->n, 1);
    size_t words = find_words(r, t, starts);
    for (size_t begin = 0, end; begin < r->n; begin = end) {
        end = span_end(r, begin);
        size_t length = words_between(starts, words, begin, end);
        if (r->marks[begin] == CUE_NONE || length == 0)
            continue;
        size_t first = rng_below(rng, words - length + 1);
        memset(moved + starts[first], r->marks[begin], starts[first + length] - starts[first]);
    }
    memcpy(r->marks, moved, r->n);
    free(moved);
    free(starts);
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
    return mark == CUE_DECISIVE && label >= 0 ? (label ? CUE_FAVOURABLE : CUE_UNFAVOURABLE) : CUE_NONE;
}

/* Visits all spans with a polarity in order: takes theirs into polarity, or gives them what stands there. */
static size_t each_polarity(struct rows *rows, uint64_t *polarity, bool give)
{
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        struct marked r = row_of(rows, i);
        int32_t label = reasoning_label(rows, i);
        for (size_t begin = 0, end; r.has_cues && begin < r.n; begin = end) {
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

/* A piece that has a letter, a digit or a byte beyond ASCII. */
static bool is_word(const struct token_table *t, int32_t id)
{
    const char *text = t->text[id];
    if (t->special[id])
        return false;
    for (text += continues_word(t, id) ? strlen(t->prefix) : 0; *text; text++)
        if (isalnum((unsigned char)*text) || (unsigned char)*text >= 0x80)
            return true;
    return false;
}

int control_cues_all_words(struct rows *rows, const struct control_setting *s, struct error *err)
{
    size_t found = 0;
    for (size_t i = 0; i < rows->n; i++) {
        struct marked r = row_of(rows, i);
        const struct column *teacher = rows_find(rows, "teacher_label");
        if (!r.marks || !teacher || column_i32(teacher)[i] < 0)
            continue;
        for (size_t j = 0; j < r.n; j++)
            r.marks[j] = is_word(s->tokens, r.ids[j]) ? CUE_DECISIVE : CUE_NONE;
        found++;
    }
    return found > 0 ? 0 : no_cues(err);
}
