/* text.c - unit tests of common/text: the properties of characters, the trie against plain greedy matching,
 * vocabularies in all their files, encoding with scratches that have seen other things, and replaced bytes. */
#include "text/wordpiece.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../helper/tap.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/memory.h"
#include "base/rng.h"
#include "text/normalizer.h"
#include "text/sentences.h"
#include "text/trie.h"
#include "text/unicode.h"

static uint64_t fnv(uint64_t h, uint32_t value)
{
    return (h ^ value) * UINT64_C(0x100000001B3);
}

/* Every code point's properties are those that tokenizers was observed to have. */
static void test_unicode(void)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);

    for (uint32_t c = 0; c < 0x110000; c++) {
        uint32_t parts[UNICODE_MAX_DECOMPOSITION], lower[UNICODE_MAX_LOWER];
        if (c >= 0xD800 && c < 0xE000)
            continue;
        unsigned n = unicode_decompose(c, parts), n_lower = unicode_lower(c, lower);
        h = fnv(h, unicode_class(c));
        h = fnv(h, n == 1 && parts[0] == c ? unicode_combining_class(c) : 0);
        for (unsigned i = 0; i < n; i++)
            h = fnv(h, parts[i]);
        for (unsigned i = 0; i < n_lower; i++)
            h = fnv(h, lower[i]);
    }
    ok(h == unicode_checksum, "class, combining class, decomposition and lower case of all code points");
    ok(unicode_is_removed(0) && unicode_is_removed(0xFFFD) && unicode_is_removed(0x85) && !unicode_is_removed('\t'),
       "what cleaning removes");
    ok(unicode_is_cjk(0x4E00) && unicode_is_cjk(0x2B81F) && !unicode_is_cjk(0x2B820) && !unicode_is_cjk(0x3042),
       "CJK blocks");
    ok(unicode_is_word_character('_') && unicode_is_word_character(0x301) && unicode_is_word_character(0x24B6) &&
           unicode_is_word_character(0x200D) && !unicode_is_word_character('-') && !unicode_is_word_character(0x2460),
       "characters of words");
}

/* ---- the trie ---- */

struct pieces {
    char text[2][64][16]; /* of words, of suffixes */
    size_t n[2];
};

static int32_t find_piece(const struct pieces *p, int which, const char *text, size_t len)
{
    for (size_t i = 0; i < p->n[which]; i++)
        if (strlen(p->text[which][i]) == len && memcmp(p->text[which][i], text, len) == 0)
            return (int32_t)(which * 64 + (int)i);
    return -1;
}

/* Longest match first, the slow way. */
static size_t match_slowly(const struct pieces *p, const char *word, size_t len, int32_t *ids)
{
    size_t n = 0;

    for (size_t at = 0; at < len;) {
        size_t end = len;
        int32_t id = -1;
        while (end > at && (id = find_piece(p, at > 0, word + at, end - at)) < 0)
            end--;
        if (id < 0)
            return 0;
        ids[n++] = id;
        at = end;
    }
    return n;
}

static void random_word(struct rng *rng, char *text, size_t most, unsigned letters)
{
    size_t len = 1 + rng_below(rng, most);

    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + rng_below(rng, letters));
    text[len] = '\0';
}

static bool trie_agrees(struct rng *rng, unsigned letters, size_t longest)
{
    struct pieces p = {0};
    struct trie_piece list[2][64];
    struct trie t;
    bool agrees = true;

    for (int which = 0; which < 2; which++) {
        size_t want = 1 + rng_below(rng, 60);
        for (size_t i = 0; i < want; i++) {
            char *text = p.text[which][p.n[which]];
            random_word(rng, text, longest, letters);
            if (find_piece(&p, which, text, strlen(text)) >= 0)
                continue;
            list[which][p.n[which]] =
                (struct trie_piece){text, (uint32_t)strlen(text), (int32_t)(which * 64) + (int32_t)p.n[which]};
            p.n[which]++;
        }
    }
    trie_build(&t, list[0], p.n[0], list[1], p.n[1], 128);
    for (int i = 0; i < 300 && agrees; i++) {
        char word[64];
        int32_t got[64], want[64];
        random_word(rng, word, 40, letters);
        size_t len = strlen(word), n = trie_match(&t, (const uint8_t *)word, len, got);
        agrees = n == match_slowly(&p, word, len, want) && memcmp(got, want, n * sizeof *got) == 0;
    }
    trie_free(&t);
    return agrees;
}

static void test_trie(void)
{
    static const struct trie_piece twice[] = {{"ab", 2, 3}, {"a", 1, 1}, {"ab", 2, 7}, {"ab", 2, 5}};
    struct rng rng;
    struct trie t;
    int32_t ids[8];
    bool agrees = true;

    rng_init(&rng, 1, 0);
    for (int i = 0; i < 200; i++)
        agrees &= trie_agrees(&rng, 1 + (unsigned)(i % 4), 1 + (size_t)(i % 12));
    ok(agrees, "LinMaxMatch gives what greedy matching gives, for 200 random vocabularies");
    trie_build(&t, twice, 4, NULL, 0, 8);
    ok(trie_match(&t, (const uint8_t *)"ab", 2, ids) == 1 && ids[0] == 7, "of equal pieces the last counts");
    is_long((long long)trie_match(&t, (const uint8_t *)"aba", 3, ids), 0, "no suffix, no pieces");
    trie_free(&t);
    trie_build(&t, NULL, 0, NULL, 0, 0);
    is_long((long long)trie_match(&t, (const uint8_t *)"a", 1, ids), 0, "an empty trie");
    trie_free(&t);
}

/* ---- vocabularies ---- */

static char folder[] = "/tmp/distil-text-XXXXXX";

static void put(const char *name, const char *text)
{
    char *path = path_join(folder, name);
    struct error err = {0};

    if (!text)
        unlink(path);
    else if (file_write(path, text, strlen(text), &err) < 0)
        note("%s", err.text);
    free(path);
}

static const char small_vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##b\n\xC3\xA9\n";

static void test_vocabulary(void)
{
    struct vocabulary v = {0};
    struct error err = {0};

    put("vocab.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\na\r\na");
    ok(vocabulary_load(&v, folder, &err) == 0, "CRLF and no last newline %s", err.text);
    ok(v.n_tokens == 7 && strcmp(v.tokens[5], "a") == 0 && v.unk == 1 && v.cls == 2 && v.sep == 3 && v.mask == 4 &&
           v.pad == 0,
       "its tokens");
    is_long((long long)v.n_added, 5, "its specials are never split");
    is_long(v.default_max_len, 512, "no length known");
    vocabulary_free(&v);

    put("vocab.txt", small_vocabulary);
    put("tokenizer_config.json", "{\"do_lower_case\":false,\"strip_accents\":null,\"unk_token\":\"a\",\"mask_token\":"
                                 "{\"content\":\"b\",\"lstrip\":true,\"normalized\":false}}");
    put("added_tokens.json", "{\"<new>\":9,\"<far>\":12}");
    ok(vocabulary_load(&v, folder, &err) == 0, "other specials and added tokens %s", err.text);
    ok(!v.do_lower_case && !v.strip_accents && v.unk == 5 && v.mask == 6, "named by tokenizer_config.json");
    ok(v.n_tokens == 13 && strcmp(v.tokens[9], "<new>") == 0 && strcmp(v.tokens[10], "") == 0 &&
           strcmp(v.tokens[12], "<far>") == 0,
       "added tokens have their ids");
    bool lstrip = false, normalized = false;
    for (size_t i = 0; i < v.n_added; i++) {
        lstrip |= v.added[i].id == 6 && v.added[i].lstrip && v.added[i].special && !v.added[i].normalized;
        normalized |= v.added[i].id == 9 && v.added[i].normalized && v.added[i].is_new;
    }
    ok(lstrip && normalized, "and their flags");
    vocabulary_free(&v);
    put("added_tokens.json", "{\"<new>\":6}");
    ok(vocabulary_load(&v, folder, &err) < 0 && err.status == STATUS_FAILURE && strstr(err.text, "which is 'b'"),
       "an added token on another's id is refused");
    put("added_tokens.json", NULL);
    put("tokenizer_config.json", NULL);
}

/* ---- encoding ---- */

static struct tokenizer *small_tokenizer(bool lower)
{
    struct vocabulary v = {0};
    struct error err = {0};
    struct tokenizer *t = NULL;

    put("vocab.txt", small_vocabulary);
    put("tokenizer_config.json", lower ? NULL : "{\"do_lower_case\":false}");
    if (vocabulary_load(&v, folder, &err) == 0)
        t = tokenizer_new(&v, &err);
    vocabulary_free(&v);
    return t;
}

static bool encodes(const struct tokenizer *t, struct encoder_scratch *s, const char *text, const int32_t *ids,
                    size_t n)
{
    struct encoding e = {0};

    tokenizer_encode_plain(t, s, text, strlen(text), &e);
    bool same = e.n == n && (n == 0 || memcmp(e.ids, ids, n * sizeof *ids) == 0);
    encoding_free(&e);
    return same;
}

static void test_scratch(void)
{
    struct tokenizer *uncased = small_tokenizer(true), *cased = small_tokenizer(false);
    struct encoder_scratch *s = encoder_scratch_new();
    bool right = true;

    for (int i = 0; i < 3; i++) { /* what one tokenizer has left in the scratch is nothing to the other */
        right &= encodes(uncased, s, "AB \xC3\x89", (const int32_t[]){5, 7, 1}, 3);
        right &= encodes(cased, s, "AB \xC3\x89", (const int32_t[]){1, 1}, 2);
        right &= encodes(cased, s, "ab \xC3\xA9", (const int32_t[]){5, 7, 8}, 3);
    }
    ok(right, "one scratch for two tokenizers");
    ok(encodes(uncased, s, "", NULL, 0), "an empty text");
    encoder_scratch_free(s);
    tokenizer_free(uncased);
    tokenizer_free(cased);
    encoder_scratch_free(NULL);
    tokenizer_free(NULL);
}

static void test_encode(void)
{
    struct tokenizer *t = small_tokenizer(true);
    struct encoder_scratch *s = encoder_scratch_new();
    struct encoding e = {0};

    tokenizer_encode(t, s, "a [SEP] x", 9, 0, &e);
    ok(e.n == 5 && e.ids[0] == 2 && e.ids[2] == 3 && e.ids[3] == 1 && e.ids[4] == 3 && e.spans[2].begin == 2 &&
           e.spans[2].end == 7 && e.spans[4].end == 0,
       "specials around and in the text");
    tokenizer_encode(t, s, "a b a", 5, 4, &e);
    ok(e.n == 4 && e.dropped == 1 && e.ids[3] == 3, "truncation counts what is lost");
    tokenizer_encode(t, s, "a b a", 5, 2, &e);
    ok(e.n == 2 && e.dropped == 3, "down to [CLS] [SEP]");
    tokenizer_encode_pair(t, s, "a", 1, "b b b", 5, 6, &e);
    ok(e.n == 6 && e.dropped == 1 && e.types[2] == 0 && e.types[3] == 1 && e.types[5] == 1 && e.spans[4].begin == 2,
       "a pair is cut at the end of the longer text");
    encoding_free(&e);
    encoder_scratch_free(s);
    tokenizer_free(t);
}

static void *encode_often(void *shared)
{
    const struct tokenizer *t = shared;
    struct encoder_scratch *s = encoder_scratch_new();
    uintptr_t wrong = 0;

    for (int i = 0; i < 2000; i++)
        wrong += !encodes(t, s, "AB a\xCC\x81 \xE4\xB8\xAD b", (const int32_t[]){5, 7, 5, 1, 6}, 5);
    encoder_scratch_free(s);
    return (void *)wrong; /* NULL: none */
}

static void test_threads(void)
{
    struct tokenizer *t = small_tokenizer(true);
    pthread_t threads[4];
    bool right = true;

    for (int i = 0; i < 4; i++)
        right &= pthread_create(&threads[i], NULL, encode_often, t) == 0;
    for (int i = 0; right && i < 4; i++) {
        void *wrong;
        right &= pthread_join(threads[i], &wrong) == 0 && !wrong;
    }
    ok(right, "four threads share a tokenizer");
    tokenizer_free(t);
}

/* Text that would take quadratic time if each mark were moved on its own, and a whole row in one word. */
static void test_long_runs(void)
{
    struct tokenizer *t = small_tokenizer(true);
    struct encoder_scratch *s = encoder_scratch_new();
    struct encoding e = {0};
    struct buf text = {0};

    buf_addch(&text, 'a');
    for (int i = 0; i < 200000; i++)
        buf_addstr(&text, i % 2 ? "\xE3\x80\xAE" : "\xCC\x96"); /* U+302E survives, class 224; U+0316 has class 220 */
    tokenizer_encode_plain(t, s, text.data, text.len, &e);
    ok(e.n == 1 && e.ids[0] == 1 && e.spans[0].begin == 0 && e.spans[0].end == text.len, "200,000 marks to reorder");
    buf_reset(&text);
    for (int i = 0; i < 200000; i++)
        buf_addstr(&text, "ab");
    tokenizer_encode_plain(t, s, text.data, text.len, &e);
    ok(e.n == 1 && e.ids[0] == 1 && e.spans[0].end == 400000, "a word of 400,000 letters");
    buf_free(&text);
    encoding_free(&e);
    encoder_scratch_free(s);
    tokenizer_free(t);
}

static void test_normalizer(void)
{
    const struct normalizer_settings settings = {.clean_text = true,
                                                 .tokenize_chinese_chars = true,
                                                 .strip_accents = true,
                                                 .do_lower_case = true,
                                                 .cjk_spaces = true};
    static const char text[] = "\xC3\x89\xE4\xB8\xAD\x01"
                               "A\xC7\x86";
    struct normalized n = {0};

    normalize(&settings, &n, text, 0, sizeof text - 1);
    is_string(n.bytes.data, "e \xE4\xB8\xAD a\xC7\x86", "the normal form");
    ok(n.n == 6 && n.chars[0].end == 2 && n.chars[2].begin == 2 && n.chars[4].begin == 6 &&
           n.chars[5].end == sizeof text - 1,
       "and where it comes from");
    normalized_free(&n);
}

static void test_replace(void)
{
    static const struct {
        const char *bytes, *replaced;
    } cases[] = {
        {"a\xFF"
         "b",
         "a\xEF\xBF\xBD"
         "b"},
        {"\xE2\x82", "\xEF\xBF\xBD"},
        {"\xE2\x82"
         "a",
         "\xEF\xBF\xBD"
         "a"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xF0\x9F\x98\xF0\x9F\x98\x80", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
        {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"ok \xC3\xA9", "ok \xC3\xA9"},
    };
    struct buf out = {0};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_reset(&out);
        sentence_replace_invalid(&out, cases[i].bytes, strlen(cases[i].bytes));
        is_string(out.data, cases[i].replaced, "invalid bytes, case %zu", i);
    }
    buf_free(&out);
}

int main(void)
{
    struct error err = {0};

    if (!mkdtemp(folder))
        return 1;
    test_unicode();
    test_trie();
    test_vocabulary();
    test_scratch();
    test_encode();
    test_threads();
    test_long_runs();
    test_normalizer();
    test_replace();
    folder_remove(folder, &err);
    return done_testing();
}
