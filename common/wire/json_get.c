/* json_get.c - what a parsed text holds: members, elements, numbers. The decimal point of strtod is that of the C
 * locale: no tool calls setlocale. */
#include "wire/json.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json_members.h"

enum { FEW_MEMBERS = 8 };

const struct json_node *json_root(const struct json *doc)
{
    return doc->n_nodes ? &doc->nodes[0] : NULL;
}

const struct json_node *json_first(const struct json *doc, const struct json_node *node)
{
    (void)doc;
    return node && node->count ? node + 1 : NULL;
}

const struct json_node *json_next(const struct json *doc, const struct json_node *node)
{
    return node && node->next ? &doc->nodes[node->next] : NULL;
}

const struct json_node *json_member(const struct json *doc, const struct json_node *node, const char *key)
{
    if (!node || node->type != JSON_OBJECT || !node->count)
        return NULL;
    size_t len = strlen(key);
    if (node->count > FEW_MEMBERS) {
        const struct member_table *t = doc->private_state;
        const struct member_slot *s = member_find(t, doc->nodes, (uint32_t)(node - doc->nodes), key, len);
        return s->generation == t->generation ? &doc->nodes[s->node] : NULL;
    }
    for (const struct json_node *n = json_first(doc, node); n; n = json_next(doc, n)) {
        if (n->key_len == len && memcmp(n->key, key, len) == 0)
            return n;
    }
    return NULL;
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = {"null", "false", "true", "number", "string", "array", "object"};
    return names[type];
}

bool json_is(const struct json_node *node, const char *text)
{
    return node && node->type == JSON_STRING && node->len == strlen(text) && memcmp(node->text, text, node->len) == 0;
}

bool json_get_bool(const struct json_node *node, bool *value)
{
    if (!node || (node->type != JSON_TRUE && node->type != JSON_FALSE))
        return false;
    *value = node->type == JSON_TRUE;
    return true;
}

bool json_get_double(const struct json_node *node, double *value)
{
    if (!node || node->type != JSON_NUMBER)
        return false;
    char *end;
    double x = strtod(node->text, &end);
    if (end != node->text + node->len || !isfinite(x))
        return false;
    *value = x;
    return true;
}

/* The exponent after e, held within +-100000000: no text is long enough to need more. */
static long read_exponent(const char *digits)
{
    long limit = 100000000, exponent = strtol(digits, NULL, 10);
    return exponent > limit ? limit : exponent < -limit ? -limit : exponent;
}

/* Exact, without going through a double: the digits without the point, times ten to the power of `scale`. */
bool json_get_long(const struct json_node *node, long long *value)
{
    if (!node || node->type != JSON_NUMBER)
        return false;
    const char *c = node->text;
    bool negative = *c == '-', fraction = false;
    long long sum = 0; /* kept negative: its range is larger by one */
    long scale = 0;
    long zeros = 0; /* digits 0 that were read but not yet multiplied in: they may be the end of a fraction */

    for (c += negative; *c && *c != 'e' && *c != 'E'; c++) {
        if (*c == '.') {
            fraction = true;
            continue;
        }
        scale -= fraction;
        if (*c == '0') {
            zeros++;
            continue;
        }
        for (; zeros >= 0; zeros--) {
            if (sum && __builtin_mul_overflow(sum, 10, &sum))
                return false;
        }
        if (__builtin_sub_overflow(sum, *c - '0', &sum))
            return false;
        zeros = 0;
    }
    scale += zeros;
    if (*c)
        scale += read_exponent(c + 1);
    if (sum == 0) {
        *value = 0;
        return true;
    }
    if (scale < 0)
        return false;
    for (; scale > 0; scale--) {
        if (__builtin_mul_overflow(sum, 10, &sum))
            return false;
    }
    if (!negative && sum == LLONG_MIN)
        return false;
    *value = negative ? sum : -sum;
    return true;
}
