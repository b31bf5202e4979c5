/* digest.c - SHA-256 in hexadecimal, over libmd; and a fast fingerprint. */
#include "base/digest.h"

#include <stdio.h>
#include <string.h>

void sha256_finish_hex(SHA2_CTX *context, char out[SHA256_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256Final(digest, context);
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[SHA256_HEX_SIZE - 1] = '\0';
}

void sha256_hex(const void *data, size_t len, char out[SHA256_HEX_SIZE])
{
    SHA2_CTX context;
    SHA256Init(&context);
    if (len > 0)
        SHA256Update(&context, data, len);
    sha256_finish_hex(&context, out);
}

static uint64_t fold(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio: odd, and its bits are mixed well */
    return hash << 29 | hash >> 35;
}

void fingerprint_hex(const void *data, size_t len, char out[FINGERPRINT_HEX_SIZE])
{
    enum { LANES = 8 };
    uint64_t lanes[LANES] = {1, 2, 3, 4, 5, 6, 7, 8}, words[LANES], hash = len;
    const char *at = data;
    for (; len >= sizeof words; at += sizeof words, len -= sizeof words) {
        memcpy(words, at, sizeof words);
        for (int i = 0; i < LANES; i++)
            lanes[i] = fold(lanes[i], words[i]);
    }
    memset(words, 0, sizeof words);
    if (len > 0)
        memcpy(words, at, len);
    for (int i = 0; i < LANES; i++)
        hash = fold(fold(hash, lanes[i]), words[i]);
    snprintf(out, FINGERPRINT_HEX_SIZE, "%016llx", (unsigned long long)(hash ^ hash >> 32));
}
