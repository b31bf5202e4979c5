/* vocabulary_json.c - tokenizer.json, tokenizer_config.json, special_tokens_map.json, added_tokens.json, config.json.
 */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "text/vocabulary_parts.h"
#include "wire/json.h"

enum { JSON_CAP = 256 << 20, MAX_TOKENS = 1 << 24, LONGEST_WORD = 10000 };

/* Larger lengths mean "no limit" in Hugging Face's files (1e30). */
static const double unlimited_length = 1e9;

static const char *const special_keys[SPECIAL_NAMES] = {"unk_token", "cls_token", "sep_token", "pad_token",
                                                        "mask_token"};

struct json_file {
    char *path, *text;
    struct json doc;
    const struct json_node *root; /* an object, or NULL where there is no file */
};

static int file_open(struct json_file *f, const char *folder, const char *name, struct error *err)
{
    size_t len;

    *f = (struct json_file){.path = path_join(folder, name)};
    if (!path_exists(f->path))
        return 0;
    f->text = file_read(f->path, JSON_CAP, &len, err);
    if (!f->text)
        return -1;
    if (json_parse(&f->doc, f->text, len, err) < 0)
        return error_prefix(err, "%s", f->path);
    f->root = json_root(&f->doc);
    if (f->root->type != JSON_OBJECT)
        return error_set(err, STATUS_FAILURE, "%s: expected a JSON object", f->path);
    return 0;
}

static void file_close(struct json_file *f)
{
    json_free(&f->doc);
    free(f->text);
    free(f->path);
}

static void take_bool(const struct json_node *node, bool *field)
{
    bool value;

    if (json_get_bool(node, &value))
        *field = value;
}

/* A token is a string, or an object with "content" and the flags of AddedToken. False: neither. */
static bool token_from(const struct json_file *f, const struct json_node *node, struct added_token *token)
{
    const struct json_node *content = node;

    *token = (struct added_token){.id = -1};
    if (node && node->type == JSON_OBJECT) {
        content = json_member(&f->doc, node, "content");
        take_bool(json_member(&f->doc, node, "special"), &token->special);
        token->normalized = !token->special;
        take_bool(json_member(&f->doc, node, "normalized"), &token->normalized);
        take_bool(json_member(&f->doc, node, "single_word"), &token->single_word);
        take_bool(json_member(&f->doc, node, "lstrip"), &token->lstrip);
        take_bool(json_member(&f->doc, node, "rstrip"), &token->rstrip);
    }
    if (!content || content->type != JSON_STRING || memchr(content->text, 0, content->len))
        return false;
    token->text = (char *)content->text;
    token->len = content->len;
    return true;
}

static int bad_id(const struct json_file *f, const char *text, struct error *err)
{
    return error_set(err, STATUS_FAILURE, "%s: token '%s' has no id between 0 and %d", f->path, text, MAX_TOKENS - 1);
}

/* ---- tokenizer.json ---- */

static int require_type(const struct json_file *f, const char *member, const char *type, struct error *err)
{
    const struct json_node *node = json_member(&f->doc, f->root, member);
    const struct json_node *name = json_member(&f->doc, node, "type");

    if (json_is(name, type))
        return 0;
    return error_set(err, STATUS_FAILURE, "%s: %s is %s, but only %s is supported (a WordPiece tokenizer of BERT)",
                     f->path, member, name && name->type == JSON_STRING ? name->text : "missing", type);
}

static int take_vocab(struct vocabulary_parts *p, const struct json_file *f, const struct json_node *vocab,
                      struct error *err)
{
    struct vocabulary *v = p->v;
    size_t *starts = NULL, n = 0;
    int rc = -1;

    if (!vocab || vocab->type != JSON_OBJECT || vocab->count == 0)
        return error_set(err, STATUS_FAILURE, "%s: model.vocab is missing or empty", f->path);
    buf_addch(&v->storage, '\0'); /* at 0: the empty text of ids without a token */
    for (const struct json_node *m = json_first(&f->doc, vocab); m; m = json_next(&f->doc, m)) {
        long long id;
        if (!json_get_long(m, &id) || id < 0 || id >= MAX_TOKENS || memchr(m->key, 0, m->key_len)) {
            bad_id(f, m->key, err);
            goto out;
        }
        if ((size_t)id >= n) {
            starts = xrealloc_array(starts, (size_t)id + 1 + n / 2, sizeof *starts);
            memset(starts + n, 0, ((size_t)id + 1 - n) * sizeof *starts);
            n = (size_t)id + 1;
        }
        if (starts[id] != 0) {
            error_set(err, STATUS_FAILURE, "%s: id %lld is given to two tokens, '%s' and '%s'", f->path, id,
                      v->storage.data + starts[id], m->key);
            goto out;
        }
        starts[id] = v->storage.len;
        buf_add(&v->storage, m->key, m->key_len + 1);
    }
    v->tokens = xmalloc_array(n, sizeof *v->tokens);
    for (v->n_tokens = 0; v->n_tokens < n; v->n_tokens++)
        v->tokens[v->n_tokens] = v->storage.data + starts[v->n_tokens];
    rc = 0;
out:
    free(starts);
    return rc;
}

static int take_model(struct vocabulary_parts *p, const struct json_file *f, bool take_vocabulary, struct error *err)
{
    const struct json_node *model = json_member(&f->doc, f->root, "model"), *node;
    long long value;

    /* Files of the first versions have no type; a vocabulary without merges is WordPiece's. */
    if (json_member(&f->doc, model, "type") || json_member(&f->doc, model, "merges"))
        if (require_type(f, "model", "WordPiece", err) < 0)
            return -1;
    node = json_member(&f->doc, model, "unk_token");
    if (node && node->type == JSON_STRING)
        parts_set_special(p, SPECIAL_UNK, node->text, node->len);
    node = json_member(&f->doc, model, "continuing_subword_prefix");
    if (node && node->type == JSON_STRING) {
        free(p->v->prefix);
        p->v->prefix = xmemdup0(node->text, node->len);
    }
    node = json_member(&f->doc, model, "max_input_chars_per_word");
    if (node && node->type != JSON_NULL) {
        if (!json_get_long(node, &value) || value < 0 || value > LONGEST_WORD)
            return error_set(err, STATUS_FAILURE, "%s: model.max_input_chars_per_word is no number from 0 to %d",
                             f->path, LONGEST_WORD);
        p->v->max_word_characters = (long)value;
    }
    return take_vocabulary ? take_vocab(p, f, json_member(&f->doc, model, "vocab"), err) : 0;
}

static void take_normalizer(struct vocabulary_parts *p, const struct json_file *f)
{
    const struct json_node *n = json_member(&f->doc, f->root, "normalizer");
    bool strip;

    take_bool(json_member(&f->doc, n, "clean_text"), &p->v->clean_text);
    take_bool(json_member(&f->doc, n, "handle_chinese_chars"), &p->v->tokenize_chinese_chars);
    take_bool(json_member(&f->doc, n, "lowercase"), &p->v->do_lower_case);
    if (json_get_bool(json_member(&f->doc, n, "strip_accents"), &strip))
        p->strip_accents = strip;
}

static int take_added(struct vocabulary_parts *p, const struct json_file *f, struct error *err)
{
    const struct json_node *list = json_member(&f->doc, f->root, "added_tokens");

    for (const struct json_node *m = json_first(&f->doc, list); m; m = json_next(&f->doc, m)) {
        struct added_token token;
        long long id;
        if (!token_from(f, m, &token))
            return error_set(err, STATUS_FAILURE, "%s: an element of added_tokens has no content", f->path);
        if (!json_get_long(json_member(&f->doc, m, "id"), &id) || id < 0 || id >= MAX_TOKENS)
            return bad_id(f, token.text, err);
        token.id = (int32_t)id;
        parts_add_token(p, &token);
    }
    return 0;
}

/* The name of the special token at a place of a template: {"SpecialToken":{"id":NAME,...}}. */
static const struct json_node *special_at(const struct json_file *f, const struct json_node *piece)
{
    return json_member(&f->doc, json_member(&f->doc, piece, "SpecialToken"), "id");
}

/* [CLS] text [SEP], as a template or as BertProcessing; nothing else is understood. */
static int take_post_processor(struct vocabulary_parts *p, const struct json_file *f, struct error *err)
{
    const struct json_node *post = json_member(&f->doc, f->root, "post_processor");
    const struct json_node *type = json_member(&f->doc, post, "type"), *cls = NULL, *sep = NULL;

    if (!post || post->type == JSON_NULL)
        return 0;
    if (json_is(type, "TemplateProcessing")) {
        const struct json_node *single = json_member(&f->doc, post, "single");
        const struct json_node *a = json_first(&f->doc, single), *b = a ? json_next(&f->doc, a) : NULL;
        const struct json_node *c = b ? json_next(&f->doc, b) : NULL;
        if (c && !json_next(&f->doc, c) && json_member(&f->doc, b, "Sequence")) {
            cls = special_at(f, a);
            sep = special_at(f, c);
        }
    } else if (json_is(type, "BertProcessing")) {
        cls = json_first(&f->doc, json_member(&f->doc, post, "cls"));
        sep = json_first(&f->doc, json_member(&f->doc, post, "sep"));
    }
    if (!cls || !sep || cls->type != JSON_STRING || sep->type != JSON_STRING)
        return error_set(err, STATUS_FAILURE, "%s: post_processor is not [CLS] text [SEP], the only one supported",
                         f->path);
    parts_set_special(p, SPECIAL_CLS, cls->text, cls->len);
    parts_set_special(p, SPECIAL_SEP, sep->text, sep->len);
    return 0;
}

int parts_read_tokenizer_json(struct vocabulary_parts *p, const char *folder, bool take_vocabulary, bool *found,
                              struct error *err)
{
    struct json_file f;
    int rc = file_open(&f, folder, "tokenizer.json", err);

    if (rc == 0 && f.root) {
        *found = true;
        rc = take_model(p, &f, take_vocabulary, err);
        rc = rc < 0 ? rc : require_type(&f, "normalizer", "BertNormalizer", err);
        rc = rc < 0 ? rc : require_type(&f, "pre_tokenizer", "BertPreTokenizer", err);
        rc = rc < 0 ? rc : take_post_processor(p, &f, err);
        rc = rc < 0 ? rc : take_added(p, &f, err);
        if (rc == 0)
            take_normalizer(p, &f);
    }
    file_close(&f);
    return rc;
}

/* ---- the smaller files ---- */

/* unk_token ... mask_token and further special tokens, in tokenizer_config.json and special_tokens_map.json alike. */
static void take_specials(struct vocabulary_parts *p, const struct json_file *f)
{
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    struct added_token token;

    for (int i = 0; i < SPECIAL_NAMES; i++) {
        const struct json_node *node = json_member(&f->doc, f->root, special_keys[i]);
        if (!token_from(f, node, &token))
            continue;
        parts_set_special(p, i, token.text, token.len);
        if (node->type == JSON_OBJECT) {
            token.normalized &= json_member(&f->doc, node, "normalized") != NULL;
            p->flags[i] = token;
            p->given[i] = true;
        }
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const struct json_node *list = json_member(&f->doc, f->root, lists[i]);
        for (const struct json_node *m = json_first(&f->doc, list); m; m = json_next(&f->doc, m)) {
            if (!token_from(f, m, &token))
                continue;
            token.special = true;
            if (m->type != JSON_OBJECT || !json_member(&f->doc, m, "normalized"))
                token.normalized = false;
            parts_add_token(p, &token);
        }
    }
}

int parts_read_special_tokens_map(struct vocabulary_parts *p, const char *folder, struct error *err)
{
    struct json_file f;
    int rc = file_open(&f, folder, "special_tokens_map.json", err);

    if (rc == 0 && f.root)
        take_specials(p, &f);
    file_close(&f);
    return rc;
}

/* {"token": id, ...}: how older transformers kept a user's tokens. */
int parts_read_added_tokens(struct vocabulary_parts *p, const char *folder, struct error *err)
{
    struct json_file f;
    int rc = file_open(&f, folder, "added_tokens.json", err);

    for (const struct json_node *m = rc == 0 && f.root ? json_first(&f.doc, f.root) : NULL; m && rc == 0;
         m = json_next(&f.doc, m)) {
        long long id;
        if (!json_get_long(m, &id) || id < 0 || id >= MAX_TOKENS || memchr(m->key, 0, m->key_len))
            rc = bad_id(&f, m->key, err);
        else
            parts_add_token(p, &(struct added_token){
                                   .text = (char *)m->key, .len = m->key_len, .id = (int32_t)id, .normalized = true});
    }
    file_close(&f);
    return rc;
}

/* {"added_tokens_decoder": {"100": {"content": "[UNK]", ...}}} */
static int take_decoder(struct vocabulary_parts *p, const struct json_file *f, struct error *err)
{
    const struct json_node *decoder = json_member(&f->doc, f->root, "added_tokens_decoder");

    for (const struct json_node *m = json_first(&f->doc, decoder); m; m = json_next(&f->doc, m)) {
        struct added_token token;
        char *end;
        long id = strtol(m->key, &end, 10);
        if (!token_from(f, m, &token))
            return error_set(err, STATUS_FAILURE, "%s: added_tokens_decoder.%s has no content", f->path, m->key);
        if (end == m->key || *end || id < 0 || id >= MAX_TOKENS)
            return bad_id(f, token.text, err);
        token.id = (int32_t)id;
        parts_add_token(p, &token);
    }
    return 0;
}

static void take_length(const struct json_file *f, const char *member, long *field)
{
    double value;

    if (json_get_double(json_member(&f->doc, f->root, member), &value) && value >= 1 && value < unlimited_length)
        *field = (long)value;
}

int parts_read_tokenizer_config(struct vocabulary_parts *p, const char *folder, struct error *err)
{
    struct json_file f;
    int rc = file_open(&f, folder, "tokenizer_config.json", err);

    if (rc == 0 && f.root) {
        const struct json_node *strip = json_member(&f.doc, f.root, "strip_accents");
        bool value;
        p->case_is_known = json_get_bool(json_member(&f.doc, f.root, "do_lower_case"), &p->v->do_lower_case);
        take_bool(json_member(&f.doc, f.root, "tokenize_chinese_chars"), &p->v->tokenize_chinese_chars);
        if (strip)
            p->strip_accents = json_get_bool(strip, &value) ? value : -1;
        take_length(&f, "model_max_length", &p->v->model_max_length);
        take_specials(p, &f);
        rc = take_decoder(p, &f, err);
    }
    file_close(&f);
    return rc;
}

int parts_read_config(struct vocabulary_parts *p, const char *folder, struct error *err)
{
    struct json_file f;
    int rc = file_open(&f, folder, "config.json", err);

    if (rc == 0 && f.root)
        take_length(&f, "max_position_embeddings", &p->v->max_position_embeddings);
    file_close(&f);
    return rc;
}
