/* vocabulary.c - vocab.txt, and putting together what the files of a folder say. The JSON files are in
 * vocabulary_json.c. */
#include "text/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/vocabulary_parts.h"

enum { VOCABULARY_CAP = 256 << 20, DEFAULT_MAX_LEN = 512, MAX_WORD_CHARACTERS = 100 };

static const char *const default_specials[SPECIAL_NAMES] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};

/* ---- vocab.txt ---- */

static int check_text(const char *path, const char *data, size_t len, struct error *err)
{
    size_t bad = utf8_check(data, len), line = 1;
    const char *nul = memchr(data, 0, len);

    if (nul && (size_t)(nul - data) < bad)
        bad = (size_t)(nul - data);
    if (bad == len)
        return 0;
    for (size_t i = 0; i < bad; i++)
        line += data[i] == '\n';
    return error_set(err, STATUS_FAILURE, "%s:%zu: not a vocabulary: %s", path, line,
                     data[bad] == 0 ? "a NUL byte" : "invalid UTF-8");
}

/* One token a line; \r\n is taken as \n, the last line counts with or without its end. */
static int read_vocab_txt(struct vocabulary *v, const char *path, struct error *err)
{
    size_t len, lines = 0;
    char *data = file_read(path, VOCABULARY_CAP, &len, err), *end;

    if (!data)
        return -1;
    v->storage = (struct buf){data, len, len + 1};
    if (check_text(path, data, len, err) < 0)
        return -1;
    if (len == 0)
        return error_set(err, STATUS_FAILURE, "%s: an empty vocabulary", path);
    for (const char *p = data; p < data + len; p = (const char *)memchr(p, '\n', (size_t)(data + len - p)) + 1) {
        lines++;
        if (!memchr(p, '\n', (size_t)(data + len - p)))
            break;
    }
    v->tokens = xmalloc_array(lines, sizeof *v->tokens);
    for (char *p = data; v->n_tokens < lines; p = end + 1) {
        end = memchr(p, '\n', (size_t)(data + len - p));
        end = end ? end : data + len;
        *end = '\0';
        if (end > p && end[-1] == '\r')
            end[-1] = '\0';
        v->tokens[v->n_tokens++] = p;
    }
    return 0;
}

/* ---- parts ---- */

static int32_t find_token(const struct vocabulary *v, const char *text)
{
    for (size_t id = v->n_tokens; id-- > 0;) /* of two equal lines the later one counts */
        if (v->tokens[id][0] == text[0] && strcmp(v->tokens[id], text) == 0)
            return (int32_t)id;
    return -1;
}

void parts_set_special(struct vocabulary_parts *p, enum special_name which, const char *text, size_t len)
{
    free(p->specials[which]);
    p->specials[which] = xmemdup0(text, len);
}

void parts_add_token(struct vocabulary_parts *p, const struct added_token *token)
{
    struct vocabulary *v = p->v;
    struct added_token *slot = NULL;

    if (token->len == 0)
        return;
    for (size_t i = 0; i < v->n_added; i++)
        if (v->added[i].len == token->len && memcmp(v->added[i].text, token->text, token->len) == 0)
            slot = &v->added[i];
    if (!slot) {
        v->added = xrealloc_array(v->added, v->n_added + 1, sizeof *v->added);
        slot = &v->added[v->n_added++];
        *slot = *token;
        slot->text = xmemdup0(token->text, token->len);
        return;
    }
    char *text = slot->text;
    int32_t id = token->id >= 0 ? token->id : slot->id;
    *slot = *token;
    slot->text = text;
    slot->id = id;
}

/* Gives added tokens their ids: their own, the vocabulary's, or the next free ones; the vocabulary grows by those that
 * are new. */
static int place_added(struct vocabulary *v, const char *path, struct error *err)
{
    for (size_t i = 0; i < v->n_added; i++) {
        struct added_token *a = &v->added[i];
        int32_t known = a->id >= 0 && (size_t)a->id < v->n_tokens ? -1 : find_token(v, a->text);
        if (known >= 0)
            a->id = known;
        if (a->id < 0)
            a->id = (int32_t)v->n_tokens;
        if ((size_t)a->id < v->n_tokens && v->tokens[a->id][0] != '\0' && strcmp(v->tokens[a->id], a->text) != 0)
            return error_set(err, STATUS_FAILURE, "%s: added token '%s' has id %d, which is '%s' in the vocabulary",
                             path, a->text, (int)a->id, v->tokens[a->id]);
        if ((size_t)a->id >= v->n_tokens + 65536)
            return error_set(err, STATUS_FAILURE,
                             "%s: added token '%s' has id %d, far beyond the vocabulary's %zu tokens", path, a->text,
                             (int)a->id, v->n_tokens);
        a->is_new = (size_t)a->id >= v->n_tokens || v->tokens[a->id][0] == '\0';
        if ((size_t)a->id >= v->n_tokens) {
            v->tokens = xrealloc_array(v->tokens, (size_t)a->id + 1, sizeof *v->tokens);
            while (v->n_tokens <= (size_t)a->id)
                v->tokens[v->n_tokens++] = "";
        }
        v->tokens[a->id] = a->text;
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct added_token *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* The five specials are added tokens too, those that the vocabulary has. */
static void add_specials(struct vocabulary_parts *p)
{
    struct vocabulary *v = p->v;
    int32_t *ids[SPECIAL_NAMES] = {&v->unk, &v->cls, &v->sep, &v->pad, &v->mask};

    for (int i = 0; i < SPECIAL_NAMES; i++) {
        const char *text = p->specials[i] ? p->specials[i] : default_specials[i];
        bool known = false;
        *ids[i] = find_token(v, text);
        for (size_t k = 0; k < v->n_added; k++) {
            if (strcmp(v->added[k].text, text) == 0) {
                known = true;
                v->added[k].special = true;
            }
        }
        if (*ids[i] < 0 || (known && !p->given[i]))
            continue;
        struct added_token token = p->flags[i];
        token.text = (char *)text;
        token.len = strlen(text);
        token.id = *ids[i];
        token.special = true;
        parts_add_token(p, &token);
    }
}

static void hash_tokens(struct vocabulary *v)
{
    SHA2_CTX context;
    struct buf all = {0};

    SHA256Init(&context);
    for (size_t id = 0; id < v->n_tokens; id++) {
        buf_addstr(&all, v->tokens[id]);
        buf_addch(&all, '\n');
        if (all.len > 32768 || id + 1 == v->n_tokens) {
            SHA256Update(&context, (const uint8_t *)all.data, all.len);
            buf_reset(&all);
        }
    }
    sha256_finish_hex(&context, v->sha256);
    buf_free(&all);
}

static int finish(struct vocabulary_parts *p, const char *path, struct error *err)
{
    static const char *const names[] = {"unk_token", "cls_token", "sep_token"};
    struct vocabulary *v = p->v;

    if (place_added(v, path, err) < 0)
        return -1;
    add_specials(p);
    const int32_t ids[] = {v->unk, v->cls, v->sep};
    for (int i = 0; i < 3; i++)
        if (ids[i] < 0)
            return error_set(err, STATUS_FAILURE, "%s: no '%s' in the vocabulary (%s); is this a BERT vocabulary?",
                             path, p->specials[i] ? p->specials[i] : default_specials[i], names[i]);
    qsort(v->added, v->n_added, sizeof *v->added, by_id);
    v->strip_accents = p->strip_accents >= 0 ? p->strip_accents != 0 : v->do_lower_case;
    v->default_max_len = v->model_max_length;
    if (v->default_max_len < 0 || (v->max_position_embeddings > 0 && v->max_position_embeddings < v->default_max_len))
        v->default_max_len = v->max_position_embeddings;
    if (v->default_max_len < 0)
        v->default_max_len = DEFAULT_MAX_LEN;
    hash_tokens(v);
    return 0;
}

static int read_folder(struct vocabulary_parts *p, const char *path, struct error *err)
{
    char *vocab = path_join(path, "vocab.txt");
    bool have_text = path_exists(vocab), have_json = false;
    int rc = -1;

    if (have_text && read_vocab_txt(p->v, vocab, err) < 0)
        goto out;
    /* tokenizer.json is large. Where vocab.txt is there and tokenizer_config.json gives the settings, it adds nothing;
     * else it comes first, so that tokenizer_config.json, read once more, overrides it. */
    if (have_text && parts_read_tokenizer_config(p, path, err) < 0)
        goto out;
    if (!p->case_is_known && parts_read_tokenizer_json(p, path, !have_text, &have_json, err) < 0)
        goto out;
    if (!have_text && !have_json) {
        error_set(err, STATUS_USAGE, "%s: neither vocab.txt nor tokenizer.json in this folder", path);
        goto out;
    }
    if (parts_read_added_tokens(p, path, err) == 0 && parts_read_special_tokens_map(p, path, err) == 0 &&
        parts_read_tokenizer_config(p, path, err) == 0 && parts_read_config(p, path, err) == 0)
        rc = finish(p, path, err);
out:
    free(vocab);
    return rc;
}

int vocabulary_load(struct vocabulary *v, const char *path, struct error *err)
{
    struct vocabulary_parts parts = {.v = v, .strip_accents = -1};
    int rc;

    *v = (struct vocabulary){.unk = -1,
                             .cls = -1,
                             .sep = -1,
                             .pad = -1,
                             .mask = -1,
                             .clean_text = true,
                             .tokenize_chinese_chars = true,
                             .do_lower_case = true,
                             .prefix = xstrdup("##"),
                             .max_word_characters = MAX_WORD_CHARACTERS,
                             .model_max_length = -1,
                             .max_position_embeddings = -1};
    if (path_is_folder(path))
        rc = read_folder(&parts, path, err);
    else if (!path_exists(path))
        rc = error_set(err, STATUS_USAGE, "%s: no such vocabulary", path);
    else
        rc = read_vocab_txt(v, path, err) < 0 ? -1 : finish(&parts, path, err);
    for (int i = 0; i < SPECIAL_NAMES; i++)
        free(parts.specials[i]);
    if (rc < 0)
        vocabulary_free(v);
    return rc;
}

void vocabulary_free(struct vocabulary *v)
{
    for (size_t i = 0; i < v->n_added; i++)
        free(v->added[i].text);
    free(v->added);
    free(v->tokens);
    free(v->prefix);
    buf_free(&v->storage);
    *v = (struct vocabulary){0};
}
