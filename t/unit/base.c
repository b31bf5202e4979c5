/* base.c - common/base: memory, buffers, errors, UTF-8, random numbers. Files and Hub names are tested in base_io.c,
 * the command line and the messages in base_cli.c. */
#include "base/buf.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/tap.h"

/* ---- memory, buffers, errors ---- */

static void test_buf(void)
{
    struct buf b = {0};
    buf_add(&b, "", 0);
    is_string(b.data, "", "adding nothing makes an empty text");
    buf_addstr(&b, "abc");
    buf_addch(&b, 'd');
    buf_add(&b, "\0e", 2);
    ok(b.len == 6 && memcmp(b.data, "abcd\0e", 7) == 0, "bytes, NUL among them, and a NUL at the end");
    buf_reset(&b);
    is_string(b.data, "", "reset empties");
    for (int i = 0; i < 300; i++)
        buf_addf(&b, "%d,", i);
    ok(b.len == 1090 && strlen(b.data) == b.len, "formatted text grows the buffer");
    ok(strncmp(b.data, "0,1,2,", 6) == 0 && strcmp(b.data + b.len - 8, "298,299,") == 0, "and is in order");
    buf_reset(&b);
    buf_addf(&b, "%0*d", 100000, 7);
    is_long((long long)b.len, 100000, "a formatted text longer than the buffer");
    buf_free(&b);
    ok(b.data == NULL && b.len == 0 && b.cap == 0, "free leaves an empty buffer");
    buf_free(NULL);
}

static void test_memory(void)
{
    size_t r;
    ok(!size_multiply(SIZE_MAX / 2, 3, &r), "a product that overflows");
    ok(size_multiply(6, 7, &r) && r == 42, "a product that does not");
    ok(!size_add(SIZE_MAX, 1, &r), "a sum that overflows");
    ok(size_add(40, 2, &r) && r == 42, "a sum that does not");
    const size_t sizes[] = {0, 1, 63, 64, 65, 3 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *p = xaligned(sizes[i]);
        unsigned char any = 0;
        for (size_t j = 0; j < sizes[i]; j++)
            any |= p[j];
        ok((uintptr_t)p % 64 == 0 && any == 0, "%zu bytes are aligned and zero", sizes[i]);
        free(p);
    }
    char *copy = xmemdup0("abc", 2);
    is_string(copy, "ab", "xmemdup0 ends the copy");
    free(copy);
}

static void test_error(void)
{
    struct error err = {0};
    is_long(error_set(&err, STATUS_USAGE, "%d rows", 3), -1, "error_set returns -1");
    is_string(err.text, "3 rows", "its text");
    is_long(err.status, STATUS_USAGE, "its status");
    error_prefix(&err, "%s", "file");
    is_string(err.text, "file: 3 rows", "a prefix goes before it");
    error_set(&err, STATUS_FAILURE, "again: %s", err.text);
    is_string(err.text, "again: file: 3 rows", "the old text may be an argument");
    char text[1100];
    memset(text, 'x', sizeof text);
    memcpy(text + 1022, "\xc3\xa9", 3); /* the character's second byte would be byte 1024 */
    error_set(&err, STATUS_FAILURE, "%s", text);
    is_long((long long)strlen(err.text), 1022, "a text that is too long is cut before a character");
    memcpy(text + 1021, "\xc3\xa9", 3);
    error_set(&err, STATUS_FAILURE, "%s", text);
    is_long((long long)strlen(err.text), 1023, "one that just fits is kept");
    error_prefix(&err, "%s", text);
    ok(strlen(err.text) <= 1023 && utf8_check(err.text, strlen(err.text)) == strlen(err.text), "a long prefix too");
    is_long(error_set(NULL, 1, "x"), -1, "no error wanted: -1 all the same");
    is_long(error_prefix(NULL, "x"), -1, "nor a prefix");
}

/* ---- UTF-8 ---- */

static void test_utf8_valid(void)
{
    bool all = true;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        if (c >= 0xd800 && c < 0xe000)
            continue;
        char bytes[4];
        uint32_t back = 0;
        unsigned n = utf8_encode(c, bytes);
        unsigned expected = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        all = all && n == expected && utf8_decode(bytes, n, &back) == n && back == c && utf8_check(bytes, n) == n;
        if (n > 1)
            all = all && utf8_decode(bytes, n - 1, &back) == 0 && utf8_check(bytes, n - 1) == 0;
    }
    ok(all, "each character is encoded, decoded and checked, and is invalid without its last byte");
    is_long((long long)utf8_check("", 0), 0, "no text is valid");
}

static void test_utf8_invalid(void)
{
    static const struct {
        const char *bytes, *what;
    } cases[] = {
        {"\x80", "a continuation byte alone"},
        {"\xbf", "the last continuation byte alone"},
        {"\xc0\x80", "overlong NUL"},
        {"\xc1\xbf", "overlong U+007F"},
        {"\xe0\x80\x80", "overlong of three bytes"},
        {"\xe0\x9f\xbf", "overlong U+07FF"},
        {"\xf0\x80\x80\x80", "overlong of four bytes"},
        {"\xf0\x8f\xbf\xbf", "overlong U+FFFF"},
        {"\xed\xa0\x80", "the first surrogate"},
        {"\xed\xbf\xbf", "the last surrogate"},
        {"\xf4\x90\x80\x80", "U+110000"},
        {"\xf5\x80\x80\x80", "lead byte F5"},
        {"\xf8\x88\x80\x80\x80", "a form of five bytes"},
        {"\xfe", "byte FE"},
        {"\xff", "byte FF"},
        {"\xc3", "two bytes, cut"},
        {"\xe2\x82", "three bytes, cut"},
        {"\xf0\x9f\x98", "four bytes, cut"},
        {"\xc3(", "a second byte that is none"},
        {"\xe2(\x82", "three bytes with a wrong second"},
        {"\xe2\x82(", "three bytes with a wrong third"},
        {"\xf0\x9f(\x80", "four bytes with a wrong third"},
        {"\xf0\x9f\x98(", "four bytes with a wrong fourth"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool all = true;
        size_t len = strlen(cases[i].bytes);
        for (size_t before = 0; before < 40; before++) { /* every place in the pieces that are checked at once */
            char text[128];
            memset(text, 'a', sizeof text);
            for (size_t j = 0; j + 1 < before; j += 5)
                memcpy(text + j, "\xc3\xa9", 2);
            size_t start = before;
            memcpy(text + start, cases[i].bytes, len);
            all = all && utf8_check(text, start + len) == start && utf8_check(text, sizeof text) == start;
        }
        uint32_t c;
        ok(all && utf8_decode(cases[i].bytes, len, &c) == 0, "%s is found where it is", cases[i].what);
    }
}

/* ---- random numbers ---- */

static void test_philox(void)
{
    /* The known answers that come with Random123 (kat_vectors, philox4x32 10). */
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        philox4x32(known[i].counter, known[i].key, out);
        ok(memcmp(out, known[i].out, sizeof out) == 0, "Philox4x32-10, known answer %zu", i + 1);
    }
    struct rng r;
    rng_init(&r, 0, 0);
    bool same = true;
    for (int i = 0; i < 4; i++)
        same = same && rng_u32(&r) == known[0].out[i];
    ok(same, "the sequence begins with block 0");
    rng_init(&r, (uint64_t)known[2].key[1] << 32 | known[2].key[0],
             (uint64_t)known[2].counter[3] << 32 | known[2].counter[2]);
    r.block = (uint64_t)known[2].counter[1] << 32 | known[2].counter[0];
    same = true;
    for (int i = 0; i < 4; i++)
        same = same && rng_u32(&r) == known[2].out[i];
    ok(same && r.block == (((uint64_t)known[2].counter[1] << 32 | known[2].counter[0]) + 1),
       "seed, stream and block are the key and the halves of the counter");
}

static void test_distributions(void)
{
    struct rng r;
    enum { DRAWS = 60000, SIDES = 6 };
    rng_init(&r, 42, 7);
    int seen[SIDES] = {0};
    for (int i = 0; i < DRAWS; i++)
        seen[rng_below(&r, SIDES)]++;
    double chi2 = 0;
    for (int i = 0; i < SIDES; i++)
        chi2 += pow(seen[i] - DRAWS / SIDES, 2) / (DRAWS / SIDES);
    ok(chi2 < 20.5, "six sides come equally often (chi-squared %.2f of 5 degrees; 20.5 is its 99.9 %% point)", chi2);
    ok(rng_below(&r, 1) == 0, "below 1 there is 0 alone");
    /* With a bound of 3 * 2^62 a quarter of the products is rejected; a plain remainder would give the lowest third
     * half of all draws instead of a third. */
    const uint64_t bound = UINT64_C(3) << 62;
    int low = 0;
    bool within = true;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t x = rng_below(&r, bound);
        low += x < bound / 3;
        within = within && x < bound;
    }
    ok(within, "results stay below a bound of 3 * 2^62");
    near((double)low / DRAWS, 1.0 / 3, 0.008, "and are not biased there");
    double sum = 0, squares = 0, cubes = 0, least = 1, most = 0;
    for (int i = 0; i < DRAWS; i++) {
        double u = rng_double(&r), z = rng_normal(&r);
        least = fmin(least, u);
        most = fmax(most, u);
        sum += z;
        squares += z * z;
        cubes += z * z * z;
    }
    ok(least >= 0 && least < 1e-3 && most < 1 && most > 0.999, "uniform numbers fill [0, 1)");
    near(sum / DRAWS, 0, 0.015, "normal: mean");
    near(squares / DRAWS, 1, 0.02, "normal: variance");
    near(cubes / DRAWS, 0, 0.06, "normal: skewness");
}

static void test_shuffle(void)
{
    struct rng r, again;
    uint64_t items[100], other[100];
    bool seen[100] = {false}, moved = false, all = true;
    for (uint64_t i = 0; i < 100; i++)
        items[i] = other[i] = i;
    rng_init(&r, 1, 2);
    rng_init(&again, 1, 2);
    rng_shuffle(&r, items, 100);
    rng_shuffle(&again, other, 100);
    for (uint64_t i = 0; i < 100; i++) {
        moved = moved || items[i] != i;
        seen[items[i]] = true;
    }
    for (int i = 0; i < 100; i++)
        all = all && seen[i];
    ok(all && moved, "a shuffle is a permutation");
    ok(memcmp(items, other, sizeof items) == 0, "the same seed gives the same one");
    rng_init(&again, 1, 3);
    rng_shuffle(&again, other, 100);
    ok(memcmp(items, other, sizeof items) != 0, "another stream another one");
    rng_shuffle(&r, items, 0);
    int first[3] = {0};
    for (int i = 0; i < 30000; i++) {
        uint64_t three[] = {0, 1, 2};
        rng_shuffle(&r, three, 3);
        first[three[0]]++;
    }
    ok(abs(first[0] - 10000) < 300 && abs(first[1] - 10000) < 300, "each item comes first equally often");
}

int main(void)
{
    test_buf();
    test_memory();
    test_error();
    test_utf8_valid();
    test_utf8_invalid();
    test_philox();
    test_distributions();
    test_shuffle();
    return done_testing();
}
