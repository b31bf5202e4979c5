/* digest.h - SHA-256 through libmd: of memory, and in pieces. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h> /* before sha2.h, which leaves it out */
#include <sha2.h>

enum { SHA256_HEX_SIZE = 65 };

/* Lower-case hexadecimal and a NUL. */
void sha256_hex(const void *data, size_t len, char out[SHA256_HEX_SIZE]);
/* 64 bits in hexadecimal that tell whether data is what it was, at the speed of memory; where SHA-256 would take
 * seconds (weights) and nobody means harm. Of eight lanes of 64-bit words, each folded in by exclusive or,
 * multiplication and rotation. */
enum { FINGERPRINT_HEX_SIZE = 17 };
void fingerprint_hex(const void *data, size_t len, char out[FINGERPRINT_HEX_SIZE]);
/* Ends a libmd context (SHA256Init, SHA256Update) into hexadecimal. */
void sha256_finish_hex(SHA2_CTX *context, char out[SHA256_HEX_SIZE]);

#endif
