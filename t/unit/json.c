/* json.c - tests of wire/json.h: reading, refusing, places in the text, numbers, replaced members. */
#include "wire/json.h"

#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "../helper/tap.h"

static struct json doc;

/* Parses a copy of exactly the text's size, so that the address sanitizer sees every byte read beyond it. */
static int parse(const char *text, size_t len, struct error *err)
{
    static char *copy;
    free(copy);
    copy = xmalloc(len ? len : 1);
    memcpy(copy, text, len);
    *err = (struct error){0};
    return json_parse(&doc, copy, len, err);
}

static void refused(const char *text, size_t len, const char *message)
{
    struct error err;
    int rc = parse(text, len, &err);
    ok(rc == -1 && err.status == STATUS_FAILURE && json_root(&doc) == NULL, "refused: %s", message);
    is_string(err.text, message, "its message");
}

static void test_values(void)
{
    static const char text[] =
        " {\"idx\": 17, \"sentence\":\"a \\\"b\\\" \\u00e9\\ud83d\\ude00\\u0000z\",\n\t\"label\" :-1.5e1,"
        "\"deep\":[[], {}, [true,false , null]] , \"\":\"\"} \r\n";
    struct error err;
    ok(parse(text, sizeof text - 1, &err) == 0, "an object with everything");
    const struct json_node *root = json_root(&doc), *n;
    ok(root->type == JSON_OBJECT && root->count == 5 && root->begin == 1, "the root");
    ok(doc.source[root->end - 1] == '}' && root->end == sizeof text - 4, "its end");
    long long number = 0;
    ok(json_get_long(json_member(&doc, root, "idx"), &number) && number == 17, "an integer");
    n = json_member(&doc, root, "sentence");
    static const char decoded[] = "a \"b\" \xC3\xA9\xF0\x9F\x98\x80\0z";
    ok(n && n->len == sizeof decoded - 1 && memcmp(n->text, decoded, sizeof decoded) == 0,
       "a string with escapes and NUL");
    ok(doc.source[n->begin] == '"' && doc.source[n->end - 1] == '"' && doc.source[n->end] == ',', "its place");
    ok(memcmp(doc.source + n->key_begin, "\"sentence\"", 10) == 0, "its key's place");
    n = json_member(&doc, root, "label");
    is_string(n->text, "-1.5e1", "a number as written");
    ok(n->end - n->begin == 6 && memcmp(doc.source + n->begin, "-1.5e1", 6) == 0, "its place");
    double x;
    ok(json_get_double(n, &x) && x == -15 && json_get_long(n, &number) && number == -15, "its value");

    n = json_member(&doc, root, "deep");
    ok(n->count == 3, "a list of lists");
    ok(memcmp(doc.source + n->begin, "[[], {}, [true,false , null]]", n->end - n->begin) == 0, "its place");
    n = json_first(&doc, n);
    ok(n->type == JSON_ARRAY && n->count == 0 && !json_first(&doc, n), "an empty list");
    n = json_next(&doc, n);
    ok(n->type == JSON_OBJECT && n->count == 0 && !json_member(&doc, n, "x"), "an empty object");
    n = json_next(&doc, n);
    ok(n->count == 3 && !json_next(&doc, n), "the last element");
    bool flag = false;
    n = json_first(&doc, n);
    ok(json_get_bool(n, &flag) && flag && json_get_bool(json_next(&doc, n), &flag) && !flag, "true and false");
    ok(json_next(&doc, json_next(&doc, n))->type == JSON_NULL, "null");
    n = json_member(&doc, root, "");
    ok(n && n->key_len == 0 && json_is(n, ""), "an empty key and an empty string");
    ok(!json_member(&doc, root, "none") && !json_member(&doc, NULL, "x"), "members that are not there");
    is_string(json_type_name(JSON_OBJECT), "object", "type names");
}

static void test_roots(void)
{
    static const char *const texts[] = {"1", " 1", "1 ", "\"x\"", "null", "[]", "{}", "-0", "1e5", "\t[ ]\n"};
    struct error err;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ok(parse(texts[i], strlen(texts[i]), &err) == 0, "the whole text: %s", texts[i]);
        const struct json_node *root = json_root(&doc);
        const char *bare = texts[i] + strspn(texts[i], " \t");
        size_t len = strcspn(bare, "\n"), cut = strlen(bare) > 1 && bare[strlen(bare) - 1] == ' ';
        ok(root && root->begin == (size_t)(bare - texts[i]) && root->end == root->begin + len - cut, "its place");
    }
}

static void test_refused(void)
{
#define REFUSED(text, message) refused(text, sizeof(text) - 1, "not valid JSON at byte " message)
    REFUSED("", "1: empty");
    REFUSED("  \n", "1: empty");
    REFUSED("{", "2: the text ends too early");
    REFUSED("[1,", "4: the text ends too early");
    REFUSED("\"abc", "5: the text ends too early");
    REFUSED("{} {}", "4: more text after the value");
    REFUSED("1 2", "3: more text after the value");
    REFUSED("{} \"", "4: more text after the value");
    REFUSED("1\"x", "2: more text after the value");
    REFUSED("{\"a\" 1}", "6: ':' expected after the key");
    REFUSED("{a:1}", "2: unexpected character");
    REFUSED("{1:1}", "2: a key in double quotes expected");
    REFUSED("{\"a\":1 \"b\":2}", "8: ',' or '}' expected");
    REFUSED("[1 2]", "4: ',' or ']' expected");
    REFUSED("[1,]", "4: a value expected");
    REFUSED("{\"a\":1,}", "8: a key in double quotes expected");
    REFUSED("[,1]", "2: a value expected");
    REFUSED("]", "1: a value expected");
    REFUSED("[1}", "3: ',' or ']' expected");
    REFUSED("\"a\\x\"", "4: unknown escape in a string");
    REFUSED("\"\\u12g4\"", "6: \\u needs four hexadecimal digits");
    REFUSED("\"a\tb\"", "3: a control character in a string must be escaped");
    REFUSED("\"a\0b\"", "3: a control character in a string must be escaped");
    REFUSED("[\0]", "2: unexpected character");
    REFUSED("-", "2: incomplete number");
    REFUSED("[1.]", "4: incomplete number");
    REFUSED("[1e]", "4: incomplete number");
    REFUSED("[01]", "3: ',' or ']' expected");
    REFUSED("[+1]", "2: unexpected character");
    REFUSED("[.5]", "2: unexpected character");
    REFUSED("[NaN]", "2: unexpected character");
    REFUSED("[nul]", "5: unexpected character");
    REFUSED("[True]", "2: unexpected character");
    REFUSED("// x\n1", "1: comments are not allowed");
    REFUSED("'a'", "1: unexpected character");
    REFUSED("\xEF\xBB\xBF{}", "1: a byte order mark; remove it");
    REFUSED("\"\xC0\x80\"", "2: invalid UTF-8");
    REFUSED("\"a\xED\xA0\x80\"", "3: invalid UTF-8");
    REFUSED("\"\xF4\x90\x80\x80\"", "2: invalid UTF-8");
    REFUSED("\"\xE2\x82\"", "2: invalid UTF-8");
    REFUSED("[\"\\ud800\"]", "3: half of a surrogate pair");
    REFUSED("[\"ab\\uDC00\"]", "5: half of a surrogate pair");
    REFUSED("\"\\ud83d\\u0041\"", "2: half of a surrogate pair");
    REFUSED("\"\\ude00\\ud83d\"", "2: half of a surrogate pair");
    REFUSED("\"\\\\\\ud83d\"", "4: half of a surrogate pair");
    REFUSED("{\"\\ud83d\":1}", "3: half of a surrogate pair");
    REFUSED("{\"a\":1,\"b\":2,\"a\":3}", "14: the key \"a\" is there twice");
    REFUSED("{\"a\":1,\"\\u0061\":3}", "8: the key \"a\" is there twice");
    REFUSED("[{},{\"x\":{\"y\":1,\"y\":1}}]", "17: the key \"y\" is there twice");
#undef REFUSED
    struct error err;
    static const char fine[] = "{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":\"\\\\ud800 \\ud83d\\ude00\"}}";
    ok(parse(fine, sizeof fine - 1, &err) == 0, "the same key in other objects, a backslash before ud800");
}

static void test_levels(void)
{
    struct error err;
    char text[600];
    for (size_t levels = 127; levels <= 129; levels++) {
        memset(text, '[', levels);
        memset(text + levels, ']', levels);
        ok(parse(text, 2 * levels, &err) == (levels <= 128 ? 0 : -1), "%zu levels", levels);
    }
    is_string(err.text, "not valid JSON at byte 129: nested deeper than 128 levels", "its message");
}

/* Every prefix of a text is refused or is the whole of a value; nothing is read beyond it. */
static void test_prefixes(void)
{
    static const char text[] = "{\"a\":[1.5e+3,-2,\"\\ud83d\\ude00x\\n\"],\"b\":{\"c\":null,\"d\":[true,false]}}";
    struct error err;
    size_t accepted = 0;
    for (size_t len = 0; len < sizeof text - 1; len++)
        accepted += parse(text, len, &err) == 0;
    is_long((long long)accepted, 0, "no prefix of an object is accepted");

    struct rng rng;
    rng_init(&rng, 1, 1);
    char broken[sizeof text];
    for (int i = 0; i < 20000; i++) {
        memcpy(broken, text, sizeof text);
        for (uint64_t k = 1 + rng_below(&rng, 3); k > 0; k--)
            broken[rng_below(&rng, sizeof text - 1)] = "\"\\[]{},:0ued\xE2\n"[rng_below(&rng, 15)];
        if (parse(broken, sizeof text - 1, &err) == 0) {
            const struct json_node *root = json_root(&doc);
            accepted += root->end > sizeof text - 1;
        }
    }
    is_long((long long)accepted, 0, "20000 damaged texts are refused or read");
}

static void test_many_members(void)
{
    struct buf text = {0};
    struct error err;
    long long sum = 0, value;
    buf_addch(&text, '{');
    for (int i = 0; i < 50000; i++)
        buf_addf(&text, "%s\"key%d\":%d", i ? "," : "", i, i);
    buf_addch(&text, '}');
    for (int round = 0; round < 2; round++) {
        ok(json_parse(&doc, text.data, text.len, &err) == 0, "50000 members");
        for (int i = 0; i < 50000; i++) {
            char key[32];
            snprintf(key, sizeof key, "key%d", i);
            sum += json_get_long(json_member(&doc, json_root(&doc), key), &value) ? value - i : 1;
        }
    }
    is_long(sum, 0, "each is found");
    ok(!json_member(&doc, json_root(&doc), "key50000"), "another is not");
    buf_reset(&text);
    buf_addch(&text, '[');
    for (int i = 0; i < 1000; i++)
        buf_addf(&text, "%s{\"a\":%d}", i ? "," : "", i);
    buf_addch(&text, ']');
    ok(json_parse(&doc, text.data, text.len, &err) == 0 && json_root(&doc)->count == 1000, "1000 objects with one key");
    buf_free(&text);
}

static void test_integers(void)
{
    static const struct {
        const char *text;
        bool integer;
        long long value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"1.0", true, 1},
        {"1e3", true, 1000},
        {"1.5", false, 0},
        {"1.5e1", true, 15},
        {"9223372036854775807", true, LLONG_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, LLONG_MIN},
        {"-9223372036854775809", false, 0},
        {"9007199254740993", true, 9007199254740993},
        {"9007199254740993.0", true, 9007199254740993},
        {"9007199254740993.5", false, 0},
        {"1e18", true, 1000000000000000000},
        {"1e19", false, 0},
        {"100e-2", true, 1},
        {"101e-2", false, 0},
        {"0e999999999999", true, 0},
        {"1e-999999999999", false, 0},
        {"0.000001e6", true, 1},
        {"1200.0500e2", true, 120005},
        {"1e999999999999", false, 0},
        {"-922337203685477580.80e1", true, LLONG_MIN},
    };
    struct error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long long value = -7;
        parse(cases[i].text, strlen(cases[i].text), &err);
        bool integer = json_get_long(json_root(&doc), &value);
        ok(integer == cases[i].integer && (!integer || value == cases[i].value), "integer: %s", cases[i].text);
    }
    double x;
    parse("1e999", 5, &err);
    ok(!json_get_double(json_root(&doc), &x), "1e999 is not finite");
    parse("\"1\"", 3, &err);
    long long value;
    ok(!json_get_double(json_root(&doc), &x) && !json_get_long(json_root(&doc), &value), "a string is no number");
}

/* ---- writing ---- */

static void number_is(double value, bool as_float, const char *expected)
{
    struct buf b = {0};
    if (as_float)
        json_add_float(&b, (float)value);
    else
        json_add_double(&b, value);
    is_string(b.data, expected, "written %s: %s", as_float ? "float" : "double", expected);
    buf_free(&b);
}

static void test_numbers(void)
{
    number_is(0.1f, true, "0.1");
    number_is(0.97f, true, "0.97");
    number_is(1.0f, true, "1");
    number_is(-0.0, true, "-0");
    number_is(16777216.0f, true, "16777216");
    number_is(FLT_MAX, true, "3.4028235e38");
    number_is(FLT_TRUE_MIN, true, "1e-45");
    number_is(1e-7f, true, "1e-7");
    number_is(1e6f, true, "1e6");
    number_is(1.0f / 3, true, "0.33333334");
    number_is(0.1, false, "0.1");
    number_is(1.0 / 3, false, "0.3333333333333333");
    number_is(5e-324, false, "5e-324");
    number_is(DBL_MAX, false, "1.7976931348623157e308");
    number_is(1e100, false, "1e100");
    number_is(0.1 + 0.2, false, "0.30000000000000004");
    number_is(123456789.0, false, "123456789");

    struct rng rng;
    struct buf b = {0};
    struct error err;
    int wrong = 0;
    rng_init(&rng, 2, 1);
    for (int i = 0; i < 30000; i++) {
        uint32_t bits = rng_u32(&rng);
        uint64_t bits64 = rng_u64(&rng);
        float f;
        double d, back;
        memcpy(&f, &bits, sizeof f);
        memcpy(&d, &bits64, sizeof d);
        if (!isfinite(f) || !isfinite(d))
            continue;
        buf_reset(&b);
        json_add_float(&b, f);
        wrong += strtof(b.data, NULL) != f || parse(b.data, b.len, &err) < 0;
        buf_reset(&b);
        json_add_double(&b, d);
        wrong += parse(b.data, b.len, &err) < 0 || !json_get_double(json_root(&doc), &back) || back != d;
    }
    is_long(wrong, 0, "random numbers read back to themselves");
    buf_reset(&b);
    json_add_long(&b, LLONG_MIN);
    is_string(b.data, "-9223372036854775808", "the least integer");
    buf_free(&b);

    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
        number_is(0.5, true, "0.5");
    else
        skip("a locale with decimal comma", "not installed");
    setlocale(LC_NUMERIC, "C");
}

static void test_strings(void)
{
    static const char text[] = "a\"\\/\b\f\n\r\t\0\x1f\x7f\xC3\xA9\xF0\x9F\x98\x80";
    struct buf b = {0};
    struct error err;
    json_add_string(&b, text, sizeof text - 1);
    is_string(b.data, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\xC3\xA9\xF0\x9F\x98\x80\"", "a string written");
    ok(parse(b.data, b.len, &err) == 0 && json_root(&doc)->len == sizeof text - 1 &&
           memcmp(json_root(&doc)->text, text, sizeof text) == 0,
       "and read back");
    buf_reset(&b);
    json_add_string(&b, "", 0);
    is_string(b.data, "\"\"", "an empty string");
    buf_free(&b);
}

static void replaced(const char *text, const char *value, const char *expected)
{
    struct error err;
    struct buf b = {0}, again = {0};
    if (!ok(parse(text, strlen(text), &err) == 0, "parsed: %s", text))
        return;
    json_replace_member(&b, &doc, "p", value, value ? strlen(value) : 0);
    is_string(b.data, expected, "replaced");
    if (parse(b.data, b.len, &err) < 0)
        ok(false, "is JSON: %s", b.data);
    json_replace_member(&again, &doc, "p", value, value ? strlen(value) : 0);
    is_string(again.data, expected, "twice is once");
    buf_free(&b);
    buf_free(&again);
}

static void test_replace(void)
{
    replaced("{}", "1", "{\"p\":1}");
    replaced("{ }", "1", "{ \"p\":1}");
    replaced("{ \"a\" : 1 }", "[2]", "{ \"a\" : 1,\"p\":[2] }");
    replaced("{\"a\":1,\n\"b\":\"x\"\n}", "2", "{\"a\":1,\n\"b\":\"x\",\"p\":2\n}");
    replaced("{\"p\":0}", "1", "{\"p\":1}");
    replaced("{ \"p\" : 0 }", "1", "{ \"p\":1 }");
    replaced("{\"a\":1,\"p\":{\"x\":[1,2]},\"b\":2}", "1", "{\"a\":1,\"b\":2,\"p\":1}");
    replaced("{\"p\":0, \"a\":1, \"b\":2 }", "1", "{\"a\":1, \"b\":2,\"p\":1 }");
    replaced("{\"a\":1 , \"p\":0}", "1", "{\"a\":1,\"p\":1}");
    replaced("{\"a\":1,\"\\u0070\":0,\"c\":{\"p\":3}}", "1", "{\"a\":1,\"c\":{\"p\":3},\"p\":1}");
    replaced("  {\"a\":1.50,\"s\":\"\\u00e9\\/\"}  ", "\"x\"", "{\"a\":1.50,\"s\":\"\\u00e9\\/\",\"p\":\"x\"}");
    replaced("{}", NULL, "{}");
    replaced("{\"p\":1}", NULL, "{}");
    replaced("{\"p\":1,\"a\":2}", NULL, "{\"a\":2}");
    replaced("{\"a\":2, \"p\":1}", NULL, "{\"a\":2}");
    replaced("{\"a\":2, \"p\":1, \"b\":3}", NULL, "{\"a\":2, \"b\":3}");
    replaced("{\"a\":2 }", NULL, "{\"a\":2 }");
}

int main(void)
{
    test_values();
    test_roots();
    test_refused();
    test_levels();
    test_prefixes();
    test_many_members();
    test_integers();
    test_numbers();
    test_strings();
    test_replace();
    json_free(&doc);
    return done_testing();
}
