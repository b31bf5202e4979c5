/* cues.c - see cues.h. */
#include "teacher/cues.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* How many bytes of the sentence from `at` the quoted span covers; 0 where it does not stand there. */
static size_t match_at(struct span_of_text sentence, size_t at, struct span_of_text quoted)
{
    size_t s = at, q = 0;
    while (q < quoted.len) {
        if (s >= sentence.len)
            return 0;
        if (is_space(quoted.at[q]) && is_space(sentence.at[s])) {
            while (q < quoted.len && is_space(quoted.at[q]))
                q++;
            while (s < sentence.len && is_space(sentence.at[s]))
                s++;
        } else if (plain_fold(quoted.at[q]) == plain_fold(sentence.at[s])) {
            q++;
            s++;
        } else {
            return 0;
        }
    }
    return s - at;
}

/* Where the word that goes on at `end` ends. */
static size_t word_end(struct span_of_text sentence, size_t end)
{
    while (plain_letter_after(sentence, end)) {
        end++;
        while (end < sentence.len && ((unsigned char)sentence.at[end] & 0xc0) == 0x80)
            end++;
    }
    return end;
}

/* Words from `from` on. No letter may go on before the span; behind it none if `whole`, and otherwise the word to its
 * end is taken in. */
static bool find_words(struct span_of_text sentence, size_t from, struct span_of_text quoted, bool whole,
                       struct span_of_text *found)
{
    if (quoted.len == 0 || quoted.len > CUE_LONGEST || quoted.len > sentence.len + CUE_LONGEST)
        return false;
    bool letter_first = plain_letter_after(quoted, 0), letter_last = plain_letter_before(quoted, quoted.len);
    for (size_t at = from; at < sentence.len; at++) {
        size_t n = plain_fold(sentence.at[at]) == plain_fold(quoted.at[0]) ? match_at(sentence, at, quoted) : 0;
        if (n == 0 || (letter_first && plain_letter_before(sentence, at)))
            continue;
        size_t end = letter_last ? word_end(sentence, at + n) : at + n;
        if (!whole || end == at + n) {
            *found = (struct span_of_text){sentence.at + at, end - at};
            return true;
        }
    }
    return false;
}

bool cue_locate(struct span_of_text sentence, size_t from, struct span_of_text quoted, struct span_of_text *found)
{
    struct span_of_text trimmed = plain_trim(quoted), bare = plain_trim_punctuation(quoted);
    return find_words(sentence, from, trimmed, true, found) ||
           (bare.len < trimmed.len && find_words(sentence, from, bare, true, found)) ||
           find_words(sentence, from, bare, false, found);
}

static bool is_held(const struct cues *cues, struct span_of_text found)
{
    for (size_t i = 0; i < cues->n; i++) {
        if (cues->list[i].span.at == found.at && cues->list[i].span.len == found.len)
            return true;
    }
    return false;
}

void cues_add(struct cues *cues, struct span_of_text sentence, struct span_of_text quoted, int polarity)
{
    struct span_of_text found;
    size_t from = 0;
    while (cues->n < CUES_MOST && cue_locate(sentence, from, quoted, &found)) {
        if (!is_held(cues, found)) {
            cues->list[cues->n++] = (struct cue){found, polarity};
            return;
        }
        from = (size_t)(found.at - sentence.at) + found.len;
    }
}

/* The marks that open a quotation and those that end it. A single straight mark and the curly apostrophe are letters of
 * a word as well. */
static const struct {
    const char *open, *close;
    bool apostrophe;
} marks[] = {{"'", "'", true},
             {"\"", "\"", false},
             {"`", "`", false},
             {"\xe2\x80\x98", "\xe2\x80\x99", true},   /* U+2018, U+2019 */
             {"\xe2\x80\x9c", "\xe2\x80\x9d", false}}; /* U+201C, U+201D */
enum { N_MARKS = sizeof marks / sizeof *marks };

static bool starts_with(struct span_of_text text, size_t at, const char *mark)
{
    size_t n = strlen(mark);
    return text.len - at >= n && memcmp(text.at + at, mark, n) == 0;
}

/* Looks for the ends of the quotation whose inside begins at `begin`; the position behind the last end that gives a
 * span of the sentence, `begin` where none does. */
static size_t close_quotation(struct span_of_text text, size_t begin, size_t m, struct span_of_text sentence,
                              struct span_of_text *found)
{
    size_t behind = begin;
    struct span_of_text place;
    for (size_t at = begin; at < text.len && at - begin <= CUE_LONGEST; at++) {
        if (!starts_with(text, at, marks[m].close))
            continue;
        size_t next = at + strlen(marks[m].close);
        if (marks[m].apostrophe && plain_letter_after(text, next))
            continue;
        if (cue_locate(sentence, 0, (struct span_of_text){text.at + begin, at - begin}, &place)) {
            *found = place;
            behind = next;
        }
        if (!marks[m].apostrophe)
            break;
    }
    return behind;
}

void cues_from_quotes(struct cues *cues, struct span_of_text sentence, struct span_of_text reasoning)
{
    size_t at = 0;
    while (at < reasoning.len) {
        size_t m = 0;
        while (m < N_MARKS && !starts_with(reasoning, at, marks[m].open))
            m++;
        if (m == N_MARKS || (marks[m].apostrophe && plain_letter_before(reasoning, at))) {
            at++;
            continue;
        }
        struct span_of_text found = {0};
        size_t begin = at + strlen(marks[m].open), behind = close_quotation(reasoning, begin, m, sentence, &found);
        if (behind > begin && !is_held(cues, found) && cues->n < CUES_MOST)
            cues->list[cues->n++] = (struct cue){found, CUE_POLARITY_UNKNOWN};
        at = behind;
    }
}
