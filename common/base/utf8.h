/* utf8.h - strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. NUL is a character. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The offset of the first byte that does not belong to a valid character; len where all is valid. ASCII runs fast. */
size_t utf8_check(const char *text, size_t len);

/* Decodes the character at text[0..len); len > 0. Returns its length in bytes, or 0 where it is invalid. */
unsigned utf8_decode(const char *text, size_t len, uint32_t *code_point);

/* Writes 1 to 4 bytes; returns how many. */
unsigned utf8_encode(uint32_t code_point, char out[4]);

#endif
