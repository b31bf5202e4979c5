/* digest.c - SHA-256 in hexadecimal, over libmd. */
#include "base/digest.h"

#include "base/io.h"

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

int sha256_file_hex(const char *path, char out[SHA256_HEX_SIZE], struct error *err)
{
    struct input in;
    if (input_open(&in, path, err) < 0)
        return -1;
    SHA2_CTX context;
    SHA256Init(&context);
    uint8_t block[65536];
    ssize_t n;
    while ((n = input_read(&in, block, sizeof block, err)) > 0)
        SHA256Update(&context, block, (size_t)n);
    input_close(&in);
    if (n < 0)
        return -1;
    sha256_finish_hex(&context, out);
    return 0;
}
