/* utf8.c - strict UTF-8. No normalisation and no properties of characters: those are in common/text. */
#include "base/utf8.h"

#include <string.h>

unsigned utf8_decode(const char *text, size_t len, uint32_t *code_point)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char a = s[0];
    if (a < 0x80) {
        *code_point = a;
        return 1;
    }
    if (a < 0xc2) /* a continuation byte, or the overlong forms C0 and C1 */
        return 0;
    if (len < 2 || (s[1] & 0xc0) != 0x80)
        return 0;
    if (a < 0xe0) {
        *code_point = (uint32_t)(a & 0x1f) << 6 | (s[1] & 0x3f);
        return 2;
    }
    if (len < 3 || (s[2] & 0xc0) != 0x80)
        return 0;
    if (a < 0xf0) {
        uint32_t c = (uint32_t)(a & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
        if (c < 0x800 || (c >= 0xd800 && c < 0xe000))
            return 0;
        *code_point = c;
        return 3;
    }
    if (a > 0xf4 || len < 4 || (s[3] & 0xc0) != 0x80)
        return 0;
    uint32_t c =
        (uint32_t)(a & 0x07) << 18 | (uint32_t)(s[1] & 0x3f) << 12 | (uint32_t)(s[2] & 0x3f) << 6 | (s[3] & 0x3f);
    if (c < 0x10000 || c > 0x10ffff)
        return 0;
    *code_point = c;
    return 4;
}

size_t utf8_check(const char *text, size_t len)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    size_t i = 0;
    while (i < len) {
        while (len - i >= 16) { /* sixteen bytes of ASCII at a time */
            uint64_t word[2];
            memcpy(word, text + i, sizeof word);
            if ((word[0] | word[1]) & high_bits)
                break;
            i += 16;
        }
        /* Up to the next piece that may be all ASCII; at most 16 bytes and a character. */
        size_t stop = len - i > 16 ? i + 16 : len;
        while (i < stop) {
            uint32_t c;
            unsigned n = utf8_decode(text + i, len - i, &c);
            if (n == 0)
                return i;
            i += n;
        }
    }
    return len;
}

unsigned utf8_encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}
