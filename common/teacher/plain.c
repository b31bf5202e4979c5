/* plain.c - see plain.h. */
#include "teacher/plain.h"

#include <ctype.h>
#include <stdint.h>

#include "base/utf8.h"

static bool is_blank(uint32_t c)
{
    return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
           c == 0x3000 || c == 0xfeff;
}

static bool is_punctuation(uint32_t c)
{
    return (c < 0x80 && ispunct((int)c)) || c == 0xab || c == 0xbb || (c >= 0x2010 && c <= 0x2027) || c == 0x2039 ||
           c == 0x203a || (c >= 0x3001 && c <= 0x3002) || (c >= 0x300a && c <= 0x300f);
}

static bool is_letter(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } blocks[] = {{0xc0, 0xd6},     {0xd8, 0xf6},     {0xf8, 0x2c1},    {0x300, 0x37d},   {0x37f, 0x386},
                  {0x388, 0xdff},   {0x10a0, 0x135f}, {0x13a0, 0x13f5}, {0x1c80, 0x1cbf}, {0x1d00, 0x1fbc},
                  {0x1fc2, 0x1fcc}, {0x1fd0, 0x1fdb}, {0x1fe0, 0x1fec}, {0x1ff2, 0x1ffc}, {0x2c00, 0x2dff},
                  {0xa640, 0xa69f}, {0xa722, 0xa7ff}, {0xac00, 0xd7a3}, {0xfb00, 0xfb4f}};
    if (c < 0x80)
        return isalnum((int)c) || c == '_';
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        if (c >= blocks[i].first && c <= blocks[i].last)
            return true;
    }
    return c == 0xaa || c == 0xb5 || c == 0xba;
}

/* The character that ends before `end`; its length is 0 where there is none. */
static unsigned decode_before(struct span_of_text text, size_t end, uint32_t *c)
{
    for (unsigned n = 1; n <= 4 && n <= end; n++) {
        if (((unsigned char)text.at[end - n] & 0xc0) != 0x80)
            return utf8_decode(text.at + end - n, n, c) == n ? n : 0;
    }
    return 0;
}

static struct span_of_text trim(struct span_of_text text, bool punctuation)
{
    uint32_t c;
    unsigned n;
    while (text.len > 0 && (n = utf8_decode(text.at, text.len, &c)) > 0 &&
           (is_blank(c) || (punctuation && is_punctuation(c)))) {
        text.at += n;
        text.len -= n;
    }
    while (text.len > 0 && (n = decode_before(text, text.len, &c)) > 0 &&
           (is_blank(c) || (punctuation && is_punctuation(c))))
        text.len -= n;
    return text;
}

struct span_of_text plain_trim(struct span_of_text text)
{
    return trim(text, false);
}

struct span_of_text plain_trim_punctuation(struct span_of_text text)
{
    return trim(text, true);
}

char plain_fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool plain_equal_fold(struct span_of_text a, struct span_of_text b)
{
    bool equal = a.len == b.len;
    for (size_t i = 0; equal && i < a.len; i++)
        equal = plain_fold(a.at[i]) == plain_fold(b.at[i]);
    return equal;
}

bool plain_letter_before(struct span_of_text text, size_t position)
{
    uint32_t c;
    return decode_before(text, position, &c) > 0 && is_letter(c);
}

bool plain_letter_after(struct span_of_text text, size_t position)
{
    uint32_t c;
    return position < text.len && utf8_decode(text.at + position, text.len - position, &c) > 0 && is_letter(c);
}

struct span_of_text plain_cut(struct span_of_text text, size_t longest)
{
    if (text.len <= longest)
        return text;
    while (longest > 0 && ((unsigned char)text.at[longest] & 0xc0) == 0x80)
        longest--;
    text.len = longest;
    return text;
}
