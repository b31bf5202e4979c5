/* wordpiece.c - makes a tokenizer of a vocabulary, and encodes texts and pairs with specials and truncation. */
#include "text/wordpiece.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

static uint64_t fnv(uint64_t h, const void *data, size_t len)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i++)
        h = (h ^ bytes[i]) * UINT64_C(0x100000001B3);
    return h;
}

static uint64_t fingerprint_of(const struct tokenizer *t, const struct vocabulary *v)
{
    uint64_t h = fnv(UINT64_C(0xCBF29CE484222325), v->sha256, sizeof v->sha256);
    const bool flags[] = {t->settings.clean_text, t->settings.tokenize_chinese_chars, t->settings.strip_accents,
                          t->settings.do_lower_case, t->settings.cjk_spaces};

    h = fnv(h, flags, sizeof flags);
    h = fnv(h, &t->unk, sizeof t->unk);
    h = fnv(h, &t->max_word_characters, sizeof t->max_word_characters);
    h = fnv(h, v->prefix, strlen(v->prefix));
    return h ? h : 1;
}

static void build_trie(struct tokenizer *t, const struct vocabulary *v)
{
    size_t prefix = strlen(v->prefix), n_word = 0, n_suffix = 0;
    struct trie_piece *word = xmalloc_array(v->n_tokens + 1, sizeof *word);
    struct trie_piece *suffix = xmalloc_array(v->n_tokens + 1, sizeof *suffix);
    /* Punctuation stands alone, so no word begins with "##"; another prefix could begin one. */
    bool prefix_begins_words = prefix == 0 || unicode_class((unsigned char)v->prefix[0]) != UNICODE_PUNCT;
    size_t added = 0;

    for (size_t id = 0; id < v->n_tokens; id++) {
        const char *text = v->tokens[id];
        size_t len = strlen(text);
        while (added < v->n_added && (size_t)v->added[added].id < id)
            added++;
        if (added < v->n_added && (size_t)v->added[added].id == id && v->added[added].is_new)
            continue;
        bool inside = strncmp(text, v->prefix, prefix) == 0;
        if (len == 0 || len > prefix + 4 * t->max_word_characters) /* no word is as long */
            continue;
        if (inside && len > prefix)
            suffix[n_suffix++] = (struct trie_piece){text + prefix, (uint32_t)(len - prefix), (int32_t)id};
        if (!inside || prefix_begins_words)
            word[n_word++] = (struct trie_piece){text, (uint32_t)len, (int32_t)id};
    }
    trie_build(&t->trie, word, n_word, suffix, n_suffix, v->n_tokens);
    free(word);
    free(suffix);
}

void byte_kinds_fill(uint8_t kinds[256])
{
    for (unsigned c = 0; c < 256; c++) {
        enum unicode_class class = unicode_class(c);
        kinds[c] = BYTE_OTHER;
        if (c >= 0x80)
            continue;
        if (class == UNICODE_PUNCT)
            kinds[c] = BYTE_PUNCT;
        else if (class == UNICODE_WORD)
            kinds[c] = BYTE_WORD;
        else if (class == UNICODE_SPACE && !unicode_is_removed(c))
            kinds[c] = BYTE_SPACE;
    }
}

static void build_tables(struct tokenizer *t)
{
    byte_kinds_fill(t->kinds);
    for (unsigned c = 0; c < 128; c++) {
        uint8_t byte = (uint8_t)c;
        int32_t id;
        t->punct_ids[c] = t->max_word_characters > 0 && trie_match(&t->trie, &byte, 1, &id) == 1 ? id : t->unk;
    }
}

/* The normal form of an added token's text: what it is matched against. */
static void add_normalized(struct tokenizer *t, struct added_pattern pattern)
{
    struct normalized n = {0};

    normalize(&t->settings, &n, pattern.text, 0, (uint32_t)pattern.len);
    pattern.text = n.bytes.data ? n.bytes.data : pattern.text;
    pattern.len = n.bytes.len;
    added_matcher_add(&t->normalized, &pattern);
    normalized_free(&n);
}

static void build_matchers(struct tokenizer *t, const struct vocabulary *v)
{
    for (size_t i = 0; i < v->n_added; i++)
        t->settings.cjk_spaces |= v->added[i].normalized;
    for (size_t i = 0; i < v->n_added; i++) {
        const struct added_token *a = &v->added[i];
        struct added_pattern pattern = {a->text, a->len, a->id, a->single_word, a->lstrip, a->rstrip};
        if (a->normalized)
            add_normalized(t, pattern);
        else
            added_matcher_add(&t->raw, &pattern);
    }
    added_matcher_finish(&t->raw);
    added_matcher_finish(&t->normalized);
}

struct tokenizer *tokenizer_new(const struct vocabulary *v, struct error *err)
{
    struct tokenizer *t;

    if (v->unk < 0 || v->cls < 0 || v->sep < 0) {
        error_set(err, STATUS_USAGE, "the vocabulary lacks %s", v->unk < 0 ? "[UNK]" : v->cls < 0 ? "[CLS]" : "[SEP]");
        return NULL;
    }
    t = xcalloc(1, sizeof *t);
    t->settings = (struct normalizer_settings){.clean_text = v->clean_text,
                                               .tokenize_chinese_chars = v->tokenize_chinese_chars,
                                               .strip_accents = v->strip_accents,
                                               .do_lower_case = v->do_lower_case};
    t->unk = v->unk;
    t->cls = v->cls;
    t->sep = v->sep;
    t->max_word_characters = v->max_word_characters > 0 ? (size_t)v->max_word_characters : 0;
    t->cached_bytes = t->max_word_characters < WORD_CACHE_BYTES ? (uint32_t)t->max_word_characters : WORD_CACHE_BYTES;
    build_trie(t, v);
    build_tables(t);
    build_matchers(t, v);
    t->fingerprint = fingerprint_of(t, v);
    return t;
}

void tokenizer_free(struct tokenizer *t)
{
    if (!t)
        return;
    trie_free(&t->trie);
    added_matcher_free(&t->raw);
    added_matcher_free(&t->normalized);
    free(t);
}

struct encoder_scratch *encoder_scratch_new(void)
{
    return xcalloc(1, sizeof(struct encoder_scratch));
}

static void scratch_clear(struct encoder_scratch *s)
{
    normalized_free(&s->normalized);
    free(s->cache.sets);
    free(s->pieces);
    buf_free(&s->lowered);
    *s = (struct encoder_scratch){0};
}

void encoder_scratch_free(struct encoder_scratch *s)
{
    if (!s)
        return;
    scratch_clear(s);
    free(s);
}

/* A scratch that served another tokenizer forgets what it knew. */
static void scratch_prepare(const struct tokenizer *t, struct encoder_scratch *s)
{
    if (s->fingerprint == t->fingerprint)
        return;
    scratch_clear(s);
    s->fingerprint = t->fingerprint;
    s->cache.sets = xaligned(WORD_CACHE_SETS * sizeof *s->cache.sets);
}

void encoding_reserve(struct encoding *e, size_t n)
{
    if (e->n + n <= e->cap)
        return;
    e->cap = e->n + n + e->cap / 2 + 64;
    e->ids = xrealloc_array(e->ids, e->cap, sizeof *e->ids);
    e->spans = xrealloc_array(e->spans, e->cap, sizeof *e->spans);
    e->types = xrealloc_array(e->types, e->cap, sizeof *e->types);
}

void encoding_free(struct encoding *e)
{
    free(e->ids);
    free(e->spans);
    free(e->types);
    *e = (struct encoding){0};
}

static void add_special(struct encoding *out, int32_t id)
{
    encoding_reserve(out, 1);
    out->ids[out->n] = id;
    out->spans[out->n++] = (struct token_span){0, 0};
}

static void add_text(const struct tokenizer *t, struct encoder_scratch *s, const char *text, size_t len,
                     struct encoding *out)
{
    struct added_search search = {.text = text, .len = len};
    struct added_match match;
    size_t done = 0;

    assert(len < UINT32_MAX);
    scratch_prepare(t, s);
    while (added_matcher_next(&t->raw, &search, &match)) {
        encode_raw(t, s, text, (uint32_t)done, (uint32_t)match.begin, len, out);
        encoding_reserve(out, 1);
        out->ids[out->n] = match.id;
        out->spans[out->n++] = (struct token_span){(uint32_t)match.begin, (uint32_t)match.end};
        done = match.end;
    }
    encode_raw(t, s, text, (uint32_t)done, (uint32_t)len, len, out);
}

static void encoding_reset(struct encoding *e)
{
    e->n = 0;
    e->dropped = 0;
}

void tokenizer_encode_plain(const struct tokenizer *t, struct encoder_scratch *s, const char *text, size_t len,
                            struct encoding *out)
{
    encoding_reset(out);
    add_text(t, s, text, len, out);
}

void tokenizer_encode(const struct tokenizer *t, struct encoder_scratch *s, const char *text, size_t len, long max_len,
                      struct encoding *out)
{
    assert(max_len == 0 || max_len >= 2);
    encoding_reset(out);
    add_special(out, t->cls);
    add_text(t, s, text, len, out);
    if (max_len > 0 && out->n > (size_t)max_len - 1) {
        out->dropped = out->n - ((size_t)max_len - 1);
        out->n = (size_t)max_len - 1;
    }
    add_special(out, t->sep);
}

/* How many tokens of each text stay where both have `limit` together: "longest_first", in one step as tokenizers does
 * it. */
static void truncate_pair(size_t *a, size_t *b, size_t limit)
{
    size_t shorter = *a < *b ? *a : *b, longer = *a < *b ? *b : *a;

    if (*a + *b <= limit)
        return;
    if (shorter > limit)
        longer = shorter;
    else
        longer = limit - shorter > shorter ? limit - shorter : shorter;
    if (shorter + longer > limit) {
        shorter = limit / 2;
        longer = shorter + limit % 2;
    }
    if (*a > *b) {
        *a = longer;
        *b = shorter;
    } else {
        *a = shorter;
        *b = longer;
    }
}

void tokenizer_encode_pair(const struct tokenizer *t, struct encoder_scratch *s, const char *a, size_t a_len,
                           const char *b, size_t b_len, long max_len, struct encoding *out)
{
    size_t n_a, n_b, keep_a, keep_b;

    assert(max_len == 0 || max_len >= 3);
    encoding_reset(out);
    add_special(out, t->cls);
    add_text(t, s, a, a_len, out);
    keep_a = n_a = out->n - 1;
    add_special(out, t->sep);
    add_text(t, s, b, b_len, out);
    keep_b = n_b = out->n - n_a - 2;
    if (max_len > 0)
        truncate_pair(&keep_a, &keep_b, (size_t)max_len - 3);
    out->dropped = n_a + n_b - keep_a - keep_b;
    /* The first [SEP] and what stays of b move to the end of what stays of a. */
    memmove(out->ids + 1 + keep_a, out->ids + 1 + n_a, (keep_b + 1) * sizeof *out->ids);
    memmove(out->spans + 1 + keep_a, out->spans + 1 + n_a, (keep_b + 1) * sizeof *out->spans);
    out->n = keep_a + keep_b + 2;
    add_special(out, t->sep);
    memset(out->types, 0, keep_a + 2);
    memset(out->types + keep_a + 2, 1, keep_b + 1);
}
