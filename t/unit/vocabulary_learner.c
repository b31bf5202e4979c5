/* vocabulary_learner.c - unit tests of what learns a vocabulary: the table of words, the queue of pairs, and the
 * learner on words made at random. That the result is the library's is compared in t/oracle/vocabulary.py. */
#include "text/vocabulary_learner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"
#include "base/memory.h"
#include "base/rng.h"
#include "text/pair_queue.h"

static void test_word_table(void)
{
    enum { N = 200000 };
    struct word_table t = {0};
    char word[32];
    bool in_order = true, again = true, same_text = true;

    is_long(word_table_find(&t, "a", 1), WORD_TABLE_NONE, "an empty table has no word");
    for (uint32_t i = 0; i < N; i++)
        in_order &= word_table_add(&t, word, (size_t)snprintf(word, sizeof word, "%x-%u", i * 2654435761u, i)) == i;
    ok(in_order, "words are numbered as they come");
    for (uint32_t i = 0; i < N; i++) {
        size_t len = (size_t)snprintf(word, sizeof word, "%x-%u", i * 2654435761u, i);
        again &= word_table_add(&t, word, len) == i && word_table_find(&t, word, len) == i;
        same_text &= t.entries[i].len == len && memcmp(word_table_text(&t, i), word, len) == 0;
    }
    ok(again && t.n == N, "and found again");
    ok(same_text, "with their text");
    is_long(word_table_find(&t, "no such", 7), WORD_TABLE_NONE, "another word is not there");
    is_long(word_table_add(&t, "a\0b", 3), N, "a word with NUL is a word");
    is_long(word_table_add(&t, "a\0c", 3), N + 1, "and counts whole");
    word_table_free(&t);
}

/* "left-right:count@word,word" of the next entry; "" at the end. */
static const char *next_entry(struct pair_queue *q)
{
    static char text[128];
    struct pair_entry e;
    int n;

    if (!pair_queue_next(q, &e))
        return "";
    n = snprintf(text, sizeof text, "%u-%u:%lld@", (unsigned)(e.key >> 32), (unsigned)e.key, (long long)e.count);
    for (size_t i = 0; i < e.places.n; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%u", i > 0 ? "," : "", (unsigned)e.places.words[i]);
    free(e.places.words);
    return text;
}

static void test_pair_queue(void)
{
    struct pair_queue q = {0};

    is_string(next_entry(&q), "", "an empty queue");
    pair_queue_count(&q, 1, 2, 5, 0);
    pair_queue_count(&q, 1, 2, 5, 0);
    pair_queue_count(&q, 2, 1, 7, 0);
    pair_queue_count(&q, 1, 2, 2, 3);
    pair_queue_count(&q, 1, 3, 7, 3);
    pair_queue_count(&q, 0, 9, 7, 4);
    pair_queue_count(&q, 5, 5, 1, 4);
    pair_queue_count(&q, 5, 5, -1, 4);
    pair_queue_end_round(&q);
    is_string(next_entry(&q), "1-2:12@0,3", "the most frequent first, its words once");
    is_string(next_entry(&q), "0-9:7@4", "equally frequent: the lower left first");
    pair_queue_count(&q, 2, 1, -4, 0);
    pair_queue_count(&q, 4, 4, 6, 1);
    pair_queue_end_round(&q);
    is_string(next_entry(&q), "1-3:7@3", "then the lower right");
    is_string(next_entry(&q), "4-4:6@1", "a pair of a later round, before one that has become rarer");
    pair_queue_count(&q, 2, 1, 8, 6);
    pair_queue_end_round(&q);
    is_string(next_entry(&q), "2-1:11@6", "a pair that turns up again: what is new has its own entry");
    is_string(next_entry(&q), "2-1:11@0", "and what is old comes with the count of now");
    is_string(next_entry(&q), "", "what was made and unmade in a round is not there");
    pair_queue_count(&q, 8, 8, 1, 1);
    pair_queue_end_round(&q);
    pair_queue_free(&q);
    ok(q.heap == NULL, "freed with an entry in it");
}

static void add(struct word_table *t, const char *word, uint64_t count)
{
    uint32_t number = word_table_add(t, word, strlen(word));

    t->entries[number].count += count;
}

static void test_order(void)
{
    enum { N = 3000 };
    const struct vocabulary_goal goal = {900, 2, 1000};
    struct word_table forward = {0}, backward = {0};
    struct vocabulary_result a, b;
    struct rng rng;
    char(*words)[12] = xcalloc(N, sizeof *words);

    rng_init(&rng, 7, 0);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < 3 + i % 8; k++)
            words[i][k] = (char)('a' + rng_below(&rng, 5));
    for (size_t i = 0; i < N; i++) {
        add(&forward, words[i], 1 + i % 3);
        add(&backward, words[N - 1 - i], 1 + (N - 1 - i) % 3);
    }
    vocabulary_learn(&forward, &goal, &a);
    vocabulary_learn(&backward, &goal, &b);
    is_long((long long)a.n, 900, "as many tokens as asked for");
    ok(a.text.len == b.text.len && memcmp(a.text.data, b.text.data, a.text.len) == 0,
       "the order of the words does not matter");
    buf_free(&a.text);
    buf_free(&b.text);
    word_table_free(&forward);
    word_table_free(&backward);
    free(words);
}

static void test_small(void)
{
    const struct vocabulary_goal goal = {100, 2, 1000}, few = {100, 1, 2};
    struct word_table words = {0};
    struct vocabulary_result v;

    vocabulary_learn(&words, &goal, &v);
    is_string(v.text.data, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", "no words");
    buf_free(&v.text);
    add(&words, "aaaa", 3);
    vocabulary_learn(&words, &goal, &v);
    is_string(v.text.data, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n##aa\naaa\naaaa\n",
              "a pair that overlaps itself");
    buf_free(&v.text);
    add(&words, "xb", 1);
    vocabulary_learn(&words, &few, &v);
    is_string(v.text.data, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##a\n##b\n##aa\naaa\naaaa\n",
              "a word whose first character is left out");
    is_long((long long)v.dropped_characters, 1, "which is counted");
    buf_free(&v.text);
    word_table_free(&words);
}

int main(void)
{
    test_word_table();
    test_pair_queue();
    test_order();
    test_small();
    return done_testing();
}
