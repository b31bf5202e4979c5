/* digest.c - SHA-256 in hexadecimal, over libmd. */
#include "base/digest.h"

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
