/* json.h - reading JSON through yajl into flat nodes that know where they stand in the text, and writing JSON.
 *
 * A row's unknown members have to leave as they came, byte for byte, so a node keeps the range of its value in the
 * source. The parser checks strict UTF-8, refuses duplicate keys in any object and more than 128 levels, and reuses its
 * memory from one text to the next.
 *
 *     struct json doc = {0};
 *     if (json_parse(&doc, line, len, &err) < 0) ...
 *     const struct json_node *label = json_member(&doc, json_root(&doc), "label");
 *     json_free(&doc);
 *
 * Nodes and their strings belong to the doc and live until the next json_parse or json_free.
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_node {
    enum json_type type;
    const char *key; /* decoded, NUL added; NULL where the node is no member of an object */
    size_t key_len;
    const char *text; /* string: decoded, NUL added (it may hold NULs); number: as written; else NULL */
    size_t len;
    size_t key_begin;  /* of a member: offset of its key's opening quote in the source */
    size_t begin, end; /* the value in the source */
    uint32_t count;    /* members or elements */
    uint32_t next;     /* index of the next sibling; 0: none */
};

struct json {
    const char *source; /* what was parsed; not owned */
    size_t source_len;
    struct json_node *nodes;
    size_t n_nodes, nodes_cap;
    struct buf strings;
    void *private_state;
};

/* One JSON value, with white space around it allowed. Errors are STATUS_FAILURE: "not valid JSON at byte 17: what is
 * wrong there", where the first byte is byte 1. After an error the doc has no root. */
int json_parse(struct json *doc, const char *text, size_t len, struct error *err);
void json_free(struct json *doc);

const struct json_node *json_root(const struct json *doc);
/* NULL where node is NULL, no object, or has no such member. */
const struct json_node *json_member(const struct json *doc, const struct json_node *node, const char *key);
/* The first member or element, and the one after it; NULL at the end. */
const struct json_node *json_first(const struct json *doc, const struct json_node *node);
const struct json_node *json_next(const struct json *doc, const struct json_node *node);
const char *json_type_name(enum json_type type);
/* true where node is a string equal to text. */
bool json_is(const struct json_node *node, const char *text);
/* False where node is NULL, no number, no integer in range, or not finite. "1.0" and "1e3" are integers. */
bool json_get_long(const struct json_node *node, long long *value);
bool json_get_double(const struct json_node *node, double *value);
bool json_get_bool(const struct json_node *node, bool *value);

/* Appends the source object without its member `name` (if it has one) and with "name":value as its last member, all
 * other bytes from brace to brace untouched. The root must be an object. value NULL: only removes. */
void json_replace_member(struct buf *out, const struct json *doc, const char *name, const char *value,
                         size_t value_len);

/* Writing. Strings: quotes, backslashes and control bytes are escaped, all else stays UTF-8. Numbers: the shortest text
 * that reads back to the same value; not finite is a programming mistake (assert). */
void json_add_string(struct buf *out, const char *text, size_t len);
void json_add_float(struct buf *out, float value);
void json_add_double(struct buf *out, double value);
void json_add_long(struct buf *out, long long value);

#endif
