/* data.c - common/data where the tool's tests cannot look: containment and hold-out against brute force on random
 * texts, labels, words, the names of formats. */
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"
#include "base/buf.h"
#include "base/memory.h"
#include "base/rng.h"
#include "data/containment.h"
#include "data/holdout.h"
#include "data/labels.h"
#include "data/options.h"
#include "data/row.h"
#include "data/source.h"

enum { TEXTS = 120, WORDS_MAX = 7 };

/* Texts of a small vocabulary, so that many are contained in others. Each word is one letter: text i is letters[i]. */
struct corpus {
    char letters[TEXTS][WORDS_MAX + 1];
    struct buf spelt[TEXTS];
    struct text texts[TEXTS];
};

static void make_corpus(struct corpus *c, uint64_t seed, unsigned vocabulary)
{
    static const char *const spaces[] = {" ", "  ", "\t", " \n"};
    struct rng r;
    rng_init(&r, seed, 0);
    *c = (struct corpus){0};
    for (size_t i = 0; i < TEXTS; i++) {
        size_t n = rng_below(&r, WORDS_MAX + 1);
        for (size_t k = 0; k < n; k++) {
            c->letters[i][k] = (char)('a' + rng_below(&r, vocabulary));
            buf_addch(&c->spelt[i], (char)(c->letters[i][k] - (rng_below(&r, 2) ? 32 : 0)));
            buf_addf(&c->spelt[i], "word%s", k + 1 < n || rng_below(&r, 2) ? spaces[rng_below(&r, 4)] : "");
        }
        c->texts[i] = (struct text){c->spelt[i].data ? c->spelt[i].data : "", c->spelt[i].len};
    }
}

static void free_corpus(struct corpus *c)
{
    for (size_t i = 0; i < TEXTS; i++)
        buf_free(&c->spelt[i]);
}

/* Marks what is reached from pattern p over edges to phrases of at least `words` words. */
static void reach(const struct containment *c, uint32_t p, uint32_t words, bool *reached)
{
    for (size_t i = 0; i < c->n_edges; i++) {
        const struct containment_edge *e = &c->edges[i];
        if (e->whole != p || c->words[e->phrase] < words || reached[e->phrase])
            continue;
        reached[e->phrase] = true;
        reach(c, e->phrase, words, reached);
    }
}

static void test_containment(uint64_t seed, unsigned vocabulary)
{
    struct corpus corpus;
    struct containment c;
    make_corpus(&corpus, seed, vocabulary);
    ok(containment_find(&c, corpus.texts, TEXTS, NULL) == 0, "containment, %u words", vocabulary);
    size_t wrong_pattern = 0, wrong_words = 0, wrong_reach = 0;
    for (uint32_t words = 1; words <= 3; words++) {
        for (size_t i = 0; i < TEXTS; i++) {
            bool reached[TEXTS] = {false};
            reach(&c, c.pattern[i], words, reached);
            wrong_words += c.words[c.pattern[i]] != strlen(corpus.letters[i]);
            for (size_t k = 0; k < TEXTS; k++) {
                bool same = strcmp(corpus.letters[i], corpus.letters[k]) == 0;
                bool within =
                    !same && strlen(corpus.letters[k]) >= words && strstr(corpus.letters[i], corpus.letters[k]);
                wrong_pattern += same != (c.pattern[i] == c.pattern[k]);
                wrong_reach += within != reached[c.pattern[k]];
            }
        }
    }
    is_long((long long)wrong_pattern, 0, "equal words are one pattern, %u words", vocabulary);
    is_long((long long)wrong_words, 0, "words are counted, %u words", vocabulary);
    is_long((long long)wrong_reach, 0, "the edges reach exactly the phrases that are contained, %u words", vocabulary);
    containment_free(&c);
    free_corpus(&corpus);
}

/* The promise of holdout.h, checked pair by pair. */
static void test_holdout(uint64_t seed, unsigned vocabulary, double fraction, long words)
{
    struct corpus corpus;
    make_corpus(&corpus, seed, vocabulary);
    struct holdout h = {.fraction = fraction, .phrase_words = words, .seed = seed};
    ok(holdout_split(&h, corpus.texts, TEXTS, NULL) == 0,
       "hold-out of %g, %u words, phrases of %ld: %zu rows in %zu groups", fraction, vocabulary, h.phrase_words,
       h.n_held, h.n_groups);
    size_t broken = 0, held = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        held += h.held[i];
        for (size_t k = 0; k < TEXTS; k++) {
            const char *whole = corpus.letters[i], *phrase = corpus.letters[k];
            bool within = strstr(whole, phrase) && (*phrase || !*whole); /* the empty text is in nothing but itself */
            if (h.held[k] && !h.held[i])
                broken += within;
            if (!h.held[k] && h.held[i])
                broken += within && ((long)strlen(phrase) >= h.phrase_words || strcmp(whole, phrase) == 0);
        }
    }
    is_long((long long)broken, 0, "the promise holds");
    is_long((long long)h.n_held, (long long)held, "held rows are counted");
    ok(words == 0 || h.phrase_words == words, "the number of words that was asked for is kept");
    holdout_free(&h);
    free_corpus(&corpus);
}

static void test_labels(void)
{
    struct class_names labels;
    struct error err = {0};
    static const struct {
        const char *text;
        int label, rc;
        const char *name;
    } cases[] = {{"negative", 0, 0, "negative"},
                 {"positive", 1, 0, "positive"},
                 {"0", 0, 0, NULL},
                 {"1", 1, 0, NULL},
                 {"+1", 1, 0, NULL},
                 {"1.0", 1, 0, NULL},
                 {"1.", 1, 0, NULL},
                 {"01", 1, 0, NULL},
                 {"", -1, 0, NULL},
                 {"-1", -1, 0, NULL},
                 {"-1.00", -1, 0, NULL},
                 {"2", -1, -1, NULL},
                 {"-2", -1, -1, NULL},
                 {"1.5", -1, -1, NULL},
                 {"1e0", -1, -1, NULL},
                 {"0x1", -1, -1, NULL},
                 {" 1", -1, -1, NULL},
                 {"-", -1, -1, NULL},
                 {"Positive", -1, -1, NULL},
                 {"99999999999999999999", -1, -1, NULL}};
    ok(class_names_parse(&labels, "negative,positive", &err) == 0, "labels");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int label = 7;
        const char *name = "?";
        int rc = labels_find(&labels, cases[i].text, strlen(cases[i].text), &label, &name, &err);
        ok(rc == cases[i].rc && label == cases[i].label && (!name == !cases[i].name) &&
               (!name || strcmp(name, cases[i].name) == 0),
           "label '%s'", cases[i].text);
    }
    is_long(err.status, STATUS_USAGE, "an unknown label is a matter of options");
    class_names_free(&labels);
    static const char *const bad[] = {"", "one", "a,", ",a", "a,,b", "a,b,a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(class_names_parse(&labels, bad[i], &err) == -1 && labels.n == 0, "labels '%s' are refused", bad[i]);
}

static void test_words(void)
{
    static const char text[] = " a\0b  \tcc\xc2\xa0"
                               "c\r\n"; /* a no-break space and a NUL are no white space here */
    const char *at = text, *end = text + sizeof text - 1, *word;
    size_t len;
    word = source_word(&at, end, &len);
    ok(word == text + 1 && len == 3, "the first word");
    word = source_word(&at, end, &len);
    ok(word && len == 5 &&
           memcmp(word,
                  "cc\xc2\xa0"
                  "c",
                  5) == 0,
       "the second word");
    ok(!source_word(&at, end, &len) && len == 0, "and no third");
}

static void test_quote(void)
{
    struct buf out = {0};
    source_quote(&out, "short", 5);
    is_string(out.data, "'short'", "a short text is shown whole");
    buf_reset(&out);
    source_quote(&out, "123456789 123456789 123456789 123456789\xc3\xa9 and more", 51);
    is_string(out.data, "'123456789 123456789 123456789 123456789...'", "a long one is cut between characters");
    buf_free(&out);
}

static void test_row(void)
{
    struct buf out = {0};
    const struct data_row plain = {.idx = 3, .sentence = "a \"b\"\n", .sentence_len = 6, .label = LABEL_UNKNOWN};
    data_row_write(&plain, &out);
    is_string(out.data, "{\"idx\":3,\"sentence\":\"a \\\"b\\\"\\n\",\"label\":-1}\n", "a row");
    buf_reset(&out);
    const struct data_row full = {.idx = 4,
                                  .sentence = "b",
                                  .sentence_len = 1,
                                  .sentence_json = "\"\\u0062\"",
                                  .sentence_json_len = 8,
                                  .label = 1,
                                  .label_text = "yes",
                                  .members = ",\"x\" : [1]",
                                  .members_len = 10};
    data_row_write(&full, &out);
    is_string(out.data, "{\"idx\":4,\"sentence\":\"\\u0062\",\"label\":1,\"label_text\":\"yes\",\"x\" : [1]}\n",
              "a row with members");
    buf_free(&out);
}

int main(void)
{
    for (unsigned vocabulary = 1; vocabulary <= 4; vocabulary++)
        test_containment(vocabulary, vocabulary);
    test_containment(9, 20);
    for (uint64_t seed = 0; seed < 6; seed++) {
        test_holdout(seed, 3, 0.1, 0);
        test_holdout(seed, 20, 0.3, 0);
        test_holdout(seed, 6, 0.5, (long)seed % 4 + 1);
    }
    test_holdout(1, 20, 0.2, 1000000000000);
    test_labels();
    test_words();
    test_quote();
    test_row();
    for (enum data_format f = FORMAT_AUTO; f <= FORMAT_JSONL; f++)
        ok(data_format_of(data_format_name(f)) == f, "format %s", data_format_name(f));
    return done_testing();
}
