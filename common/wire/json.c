/* json.c - reading: yajl's callbacks build the flat nodes of json.h.
 *
 * yajl reports tokens but not where they stand. Inside a callback yajl_get_bytes_consumed is the end of the token just
 * read; its beginning is the first byte after the token before it that is neither white space, comma nor colon.
 * What yajl lets pass is refused here: UTF-8 that is not strict, lone surrogate escapes, keys given twice, endless
 * nesting, a string begun behind the value. Looking things up is in json_get.c, writing in json_write.c.
 */
#include "wire/json.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "wire/json_members.h"

enum { MAX_LEVELS = 128, SHOWN_KEY = 60 };
static const size_t no_position = SIZE_MAX;

/* yajl's memory: taken in order, never given back singly, all at once at the next parse. So a parse allocates nothing
 * once the block is large enough, and nothing leaks from a text that ends early. */
struct arena {
    char *block;
    size_t cap, used;
    void **overflow; /* blocks of their own until the next reset, which enlarges `block` by what they needed */
    size_t n_overflow, overflow_size;
};

struct parser {
    struct member_table members; /* first: doc->private_state is read as one by json_member */
    struct json *doc;
    struct error *err;
    yajl_handle yajl;
    struct arena arena;
    struct {
        uint32_t node, last; /* the container and its latest child, 0: none yet */
    } open[MAX_LEVELS];
    size_t levels;
    size_t last_end; /* of the token before */
    bool at_finish;  /* yajl_complete_parse is running: a number that ends the text is reported there */
    bool failed;     /* err is set */
    const char *key; /* of the value that comes next */
    size_t key_len, key_begin;
};

/* ---- memory for yajl ---- */

struct arena_block {
    size_t size; /* realloc needs it */
    _Alignas(16) char data[];
};

static void *arena_malloc(void *context, size_t size)
{
    struct arena *a = context;
    size_t whole = (sizeof(struct arena_block) + size + 15) & ~(size_t)15;
    struct arena_block *b;

    if (whole <= a->cap - a->used) {
        b = (struct arena_block *)(void *)(a->block + a->used);
        a->used += whole;
    } else {
        b = xmalloc(whole);
        a->overflow = xrealloc_array(a->overflow, a->n_overflow + 1, sizeof *a->overflow);
        a->overflow[a->n_overflow++] = b;
        a->overflow_size += whole;
    }
    b->size = size;
    return b->data;
}

static void *arena_realloc(void *context, void *old, size_t size)
{
    void *data = arena_malloc(context, size);
    if (old) {
        size_t old_size = ((struct arena_block *)(void *)((char *)old - offsetof(struct arena_block, data)))->size;
        memcpy(data, old, old_size < size ? old_size : size);
    }
    return data;
}

static void arena_ignore(void *context, void *old)
{
    (void)context;
    (void)old;
}

static void arena_reset(struct arena *a)
{
    for (size_t i = 0; i < a->n_overflow; i++)
        free(a->overflow[i]);
    if (a->n_overflow) {
        a->cap += a->overflow_size;
        free(a->block);
        a->block = xmalloc(a->cap);
    }
    a->n_overflow = a->overflow_size = a->used = 0;
}

static void arena_free(struct arena *a)
{
    arena_reset(a);
    free(a->block);
    free(a->overflow);
}

/* ---- callbacks ---- */

static int fail_at(struct parser *p, size_t offset, const char *what)
{
    p->failed = true;
    error_set(p->err, STATUS_FAILURE, "not valid JSON at byte %zu: %s", offset + 1, what);
    return 0;
}

static size_t white_space(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && (text[n] == ' ' || text[n] == '\t' || text[n] == '\n' || text[n] == '\r'))
        n++;
    return n;
}

/* The next byte that is neither white space, comma nor colon. */
static size_t skip_separators(const char *text, size_t from, size_t len)
{
    for (;;) {
        from += white_space(text + from, len - from);
        if (from == len || (text[from] != ',' && text[from] != ':'))
            return from;
        from++;
    }
}

/* Sets where the token of this callback begins and ends. */
static void locate(struct parser *p, size_t *begin, size_t *end)
{
    *begin = skip_separators(p->doc->source, p->last_end, p->doc->source_len);
    *end = p->at_finish ? p->doc->source_len : yajl_get_bytes_consumed(p->yajl);
    p->last_end = *end;
}

/* Copies decoded text behind the other strings. json_parse reserved the space, so that nothing moves. */
static const char *keep_text(struct parser *p, const void *text, size_t len)
{
    struct buf *s = &p->doc->strings;
    assert(s->cap - s->len > len + 1);
    char *kept = s->data + s->len;
    if (len)
        memcpy(kept, text, len);
    kept[len] = '\0';
    s->len += len + 1;
    return kept;
}

/* Is this \uXXXX one half of a surrogate pair, the first (D800..DBFF) or the second (DC00..DFFF)? */
static bool is_surrogate(const char *escape, bool second)
{
    return escape[0] == '\\' && escape[1] == 'u' && (escape[2] | 0x20) == 'd' &&
           strchr(second ? "cdefCDEF" : "89abAB", escape[3]) != NULL;
}

/* The offset of an escape in text[begin..end) that is half a pair; no_position where there is none. yajl has checked
 * that escapes are complete, but writes '?' or bytes that are no UTF-8 for these. */
static size_t find_lone_surrogate(const char *text, size_t begin, size_t end)
{
    const char *at = text + begin, *stop = text + end;
    while ((at = memchr(at, '\\', (size_t)(stop - at)))) {
        if (at[1] != 'u') {
            at += 2;
        } else if (is_surrogate(at, false) && stop - at > 12 && is_surrogate(at + 6, true)) {
            at += 12;
        } else if (is_surrogate(at, false) || is_surrogate(at, true)) {
            return (size_t)(at - text);
        } else {
            at += 6;
        }
    }
    return no_position;
}

/* Appends a node, ties it to its parent and to the sibling before. */
static struct json_node *add_node(struct parser *p, enum json_type type)
{
    struct json *doc = p->doc;
    if (doc->n_nodes == doc->nodes_cap) {
        doc->nodes_cap = doc->nodes_cap ? 2 * doc->nodes_cap : 64;
        doc->nodes = xrealloc_array(doc->nodes, doc->nodes_cap, sizeof *doc->nodes);
    }
    uint32_t index = (uint32_t)doc->n_nodes++;
    struct json_node *node = &doc->nodes[index];
    *node = (struct json_node){.type = type, .key = p->key, .key_len = p->key_len, .key_begin = p->key_begin};
    locate(p, &node->begin, &node->end);

    if (p->levels) {
        uint32_t parent = p->open[p->levels - 1].node, before = p->open[p->levels - 1].last;
        doc->nodes[parent].count++;
        if (before)
            doc->nodes[before].next = index;
        p->open[p->levels - 1].last = index;
        if (node->key) {
            if (2 * (p->members.used + 1) > p->members.cap)
                member_table_grow(&p->members, doc->nodes);
            *member_find(&p->members, doc->nodes, parent, node->key, node->key_len) =
                (struct member_slot){p->members.generation, parent, index};
            p->members.used++;
        }
    }
    p->key = NULL;
    p->key_len = p->key_begin = 0;
    return node;
}

static int on_null(void *context)
{
    add_node(context, JSON_NULL);
    return 1;
}

static int on_boolean(void *context, int value)
{
    add_node(context, value ? JSON_TRUE : JSON_FALSE);
    return 1;
}

static int on_number(void *context, const char *text, size_t len)
{
    struct parser *p = context;
    struct json_node *node = add_node(p, JSON_NUMBER);
    node->text = keep_text(p, text, len);
    node->len = len;
    node->end = node->begin + len;
    p->last_end = node->end;
    return 1;
}

static int on_string(void *context, const unsigned char *text, size_t len)
{
    struct parser *p = context;
    struct json_node *node = add_node(p, JSON_STRING);
    node->text = keep_text(p, text, len);
    node->len = len;
    size_t lone = find_lone_surrogate(p->doc->source, node->begin, node->end);
    return lone == no_position ? 1 : fail_at(p, lone, "half of a surrogate pair");
}

static int on_key(void *context, const unsigned char *text, size_t len)
{
    struct parser *p = context;
    size_t end;
    locate(p, &p->key_begin, &end);
    p->key = keep_text(p, text, len);
    p->key_len = len;

    size_t lone = find_lone_surrogate(p->doc->source, p->key_begin, end);
    if (lone != no_position)
        return fail_at(p, lone, "half of a surrogate pair");
    const struct member_table *t = &p->members;
    if (t->cap &&
        member_find(t, p->doc->nodes, p->open[p->levels - 1].node, p->key, len)->generation == t->generation) {
        p->failed = true;
        error_set(p->err, STATUS_FAILURE, "not valid JSON at byte %zu: the key \"%.*s\" is there twice",
                  p->key_begin + 1, SHOWN_KEY, p->key);
        return 0;
    }
    return 1;
}

static int open_container(struct parser *p, enum json_type type)
{
    struct json_node *node = add_node(p, type);
    if (p->levels == MAX_LEVELS)
        return fail_at(p, node->begin, "nested deeper than 128 levels");
    p->open[p->levels].node = (uint32_t)(node - p->doc->nodes);
    p->open[p->levels++].last = 0;
    return 1;
}

static int close_container(void *context)
{
    struct parser *p = context;
    struct json_node *node = &p->doc->nodes[p->open[--p->levels].node];
    p->last_end = node->end = yajl_get_bytes_consumed(p->yajl);
    return 1;
}

static int on_object(void *context)
{
    return open_container(context, JSON_OBJECT);
}

static int on_array(void *context)
{
    return open_container(context, JSON_ARRAY);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_map_key = on_key,
    .yajl_start_map = on_object,
    .yajl_end_map = close_container,
    .yajl_start_array = on_array,
    .yajl_end_array = close_container,
};

/* ---- parsing ---- */

/* yajl's reasons (parts of them, from yajl 2.1) and ours, and where the culprit is: the token that was just read, the
 * byte that was just read, or the byte that comes next. */
static const struct {
    const char *yajl, *ours;
    enum { LAST_TOKEN, LAST_BYTE, NEXT_BYTE } place;
} reasons[] = {
    {"premature EOF", "the text ends too early", NEXT_BYTE},
    {"trailing garbage", "more text after the value", LAST_TOKEN},
    {"separated by a colon", "':' expected after the key", LAST_TOKEN},
    {"invalid object key", "a key in double quotes expected", LAST_TOKEN},
    {"inside map", "',' or '}' expected", LAST_TOKEN},
    {"after array element", "',' or ']' expected", LAST_TOKEN},
    {"unallowed token", "a value expected", LAST_TOKEN},
    {"'\\' occurs before", "unknown escape in a string", NEXT_BYTE},
    {"non-hex", "\\u needs four hexadecimal digits", NEXT_BYTE},
    {"inside string", "a control character in a string must be escaped", NEXT_BYTE},
    {"malformed number", "incomplete number", NEXT_BYTE},
    {"invalid char", "unexpected character", LAST_BYTE},
    {"invalid string", "unexpected character", NEXT_BYTE},
    {"comment", "comments are not allowed", LAST_BYTE},
    {"", "not understood", LAST_BYTE},
};

/* Where the token begins that ends at `end`: behind the token reported before it and one comma or colon, which are
 * never reported, unless that is the token itself. */
static size_t token_begin(const struct parser *p, size_t end)
{
    const char *text = p->doc->source;
    size_t at = p->last_end + white_space(text + p->last_end, end - p->last_end);
    if (at + 1 < end && (text[at] == ',' || text[at] == ':'))
        at += 1 + white_space(text + at + 1, end - at - 1);
    return at;
}

static void fail_as_yajl(struct parser *p)
{
    size_t i = 0, at = p->at_finish ? p->doc->source_len : yajl_get_bytes_consumed(p->yajl);
    unsigned char *text = yajl_get_error(p->yajl, 0, NULL, 0);
    while (!strstr((const char *)text, reasons[i].yajl))
        i++;
    yajl_free_error(p->yajl, text);
    if (reasons[i].place == LAST_TOKEN)
        at = token_begin(p, at);
    else if (reasons[i].place == LAST_BYTE && at > 0)
        at--;
    fail_at(p, at, reasons[i].ours);
}

static struct parser *parser_of(struct json *doc)
{
    struct parser *p = doc->private_state;
    if (!p) {
        p = doc->private_state = xcalloc(1, sizeof *p);
        /* An address differs from run to run, so that nobody can prepare a text whose keys all collide. */
        p->members.seed = (uint64_t)(uintptr_t)p * 0xD1342543DE82EF95u;
    }
    return p;
}

static int parse_with_yajl(struct parser *p, const char *text, size_t len)
{
    yajl_alloc_funcs memory = {arena_malloc, arena_realloc, arena_ignore, &p->arena};
    p->yajl = yajl_alloc(&callbacks, &memory, p);
    yajl_config(p->yajl, yajl_dont_validate_strings, 1);
    yajl_status status = yajl_parse(p->yajl, (const unsigned char *)text, len);
    if (status == yajl_status_ok) {
        p->at_finish = true;
        status = yajl_complete_parse(p->yajl);
    }
    if (status != yajl_status_ok && !p->failed)
        fail_as_yajl(p);
    yajl_free(p->yajl);
    p->yajl = NULL;
    return p->failed ? -1 : 0;
}

/* yajl takes the beginning of a string behind the value, as in {}", for nothing. */
static void check_rest(struct parser *p)
{
    const struct json *doc = p->doc;
    size_t end = doc->nodes[0].end;
    end += white_space(doc->source + end, doc->source_len - end);
    if (end < doc->source_len)
        fail_at(p, end, "more text after the value");
}

int json_parse(struct json *doc, const char *text, size_t len, struct error *err)
{
    struct parser *p = parser_of(doc);
    doc->source = text;
    doc->source_len = len;
    doc->n_nodes = 0;
    buf_reset(&doc->strings);
    arena_reset(&p->arena);
    member_table_reset(&p->members);
    p->doc = doc;
    p->err = err;
    p->levels = p->last_end = 0;
    p->key = NULL;
    p->key_len = p->key_begin = 0;
    p->at_finish = p->failed = false;

    if (len >= UINT32_MAX)
        return error_set(err, STATUS_FAILURE, "JSON text of %zu bytes is too long", len);
    if (white_space(text, len) == len) {
        fail_at(p, 0, "empty");
    } else if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        fail_at(p, 0, "a byte order mark; remove it");
    } else {
        size_t valid = utf8_check(text, len);
        if (valid < len)
            fail_at(p, valid, "invalid UTF-8");
    }
    if (!p->failed) {
        /* Strings lose two quotes and gain a NUL; a number gains a NUL and has a separator, or the end, behind it. */
        buf_reserve(&doc->strings, len + 2);
        if (parse_with_yajl(p, text, len) == 0)
            check_rest(p);
    }
    if (p->failed)
        doc->n_nodes = 0;
    return p->failed ? -1 : 0;
}

void json_free(struct json *doc)
{
    struct parser *p = doc->private_state;
    if (p) {
        arena_free(&p->arena);
        free(p->members.slots);
        free(p);
    }
    free(doc->nodes);
    buf_free(&doc->strings);
    *doc = (struct json){0};
}
