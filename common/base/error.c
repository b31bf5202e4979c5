/* error.c - fills struct error. It prints nothing and ends nothing: that is diag.c's business. */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Copies text, cut so that no UTF-8 character is torn where it is too long. */
static void set_text(struct error *err, const char *text)
{
    size_t len = strlen(text);
    if (len >= sizeof err->text) {
        len = sizeof err->text - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(err->text, text, len);
    err->text[len] = '\0';
}

int error_set(struct error *err, int status, const char *format, ...)
{
    /* One byte more than fits, so that set_text sees whether a character was cut. The arguments may point into
     * err->text, therefore not formatted in place. */
    char text[sizeof err->text + 1];
    if (!err)
        return -1;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err->status = status;
    set_text(err, text);
    return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
    char text[2 * sizeof err->text + 4];
    if (!err)
        return -1;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof err->text, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof err->text ? (size_t)n : sizeof err->text - 1;
    snprintf(text + len, sizeof text - len, ": %s", err->text);
    set_text(err, text);
    return -1;
}
