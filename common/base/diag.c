/* diag.c - messages on stderr, and the ways to end the process with one. It knows nothing about options or files. */
#include "base/diag.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/progress.h"
#include "base/utf8.h"

/* A line of at most PIPE_BUF bytes reaches a shared log in one piece. */
enum { LINE_SIZE = 4096 };

static const char *tool_name = "distil";
static int verbosity;

/* A descriptor that the parent closed would be given to the next file that is opened, and messages or data would land
 * in that file. /dev/null takes its place, opened in the direction that makes every use of it fail with EBADF. */
static void occupy(int fd, int flags)
{
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
        return;
    int got = open("/dev/null", flags);
    if (got >= 0 && got != fd) {
        dup2(got, fd);
        close(got);
    }
}

void diag_init(const char *tool)
{
    tool_name = tool;
    occupy(STDIN_FILENO, O_WRONLY);
    occupy(STDOUT_FILENO, O_RDONLY);
    occupy(STDERR_FILENO, O_RDWR);
}

const char *diag_tool(void)
{
    return tool_name;
}

void diag_set_verbosity(int level)
{
    verbosity = level;
}

int diag_verbosity(void)
{
    return verbosity;
}

/* Control characters (C0, DEL, C1) and bytes that are no UTF-8 become '?', in place; returns the new length. */
static size_t neutralise(char *text, size_t len)
{
    size_t to = 0;
    for (size_t i = 0; i < len;) {
        uint32_t c;
        unsigned n = utf8_decode(text + i, len - i, &c);
        if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            text[to++] = '?';
            i += n ? n : 1;
            continue;
        }
        memmove(text + to, text + i, n);
        to += n;
        i += n;
    }
    return to;
}

/* "tool: KIND message\n" (or the message alone) in one write. */
static void __attribute__((format(printf, 3, 0))) emit(bool named, const char *kind, const char *format, va_list args)
{
    char line[LINE_SIZE];
    size_t len = 0;
    if (named) {
        int n = snprintf(line, sizeof line / 2, "%s: %s", tool_name, kind);
        len = n < 0 ? 0 : (size_t)n < sizeof line / 2 ? (size_t)n : sizeof line / 2 - 1;
    }
    size_t room = sizeof line - len - 1; /* one byte stays for the newline */
    int n = vsnprintf(line + len, room, format, args);
    size_t text = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    len += text;
    if (n >= 0 && (size_t)n >= room) { /* cut: not within a character */
        size_t last = len;
        while (last > 0 && ((unsigned char)line[last - 1] & 0xc0) == 0x80)
            last--;
        if (last > 0 && (unsigned char)line[last - 1] >= 0xc0)
            len = last - 1;
        memcpy(line + len - 3, "...", 3);
    }
    len = neutralise(line, len);
    line[len++] = '\n';
    progress_erase();
    for (size_t done = 0; done < len;) { /* nobody is left to be told when stderr itself fails */
        ssize_t w = write(STDERR_FILENO, line + done, len - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            break;
        done += (size_t)w;
    }
}

void die(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    emit(true, "", format, args);
    va_end(args);
    exit(status);
}

void die_error(const struct error *err)
{
    die(err->status ? err->status : STATUS_FAILURE, "%s", err->text);
}

void warn(const char *format, ...)
{
    if (verbosity < 0)
        return;
    va_list args;
    va_start(args, format);
    emit(true, "warning: ", format, args);
    va_end(args);
}

void complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    emit(true, "", format, args);
    va_end(args);
}

void inform(int level, const char *format, ...)
{
    if (verbosity < level)
        return;
    va_list args;
    va_start(args, format);
    emit(true, "", format, args);
    va_end(args);
}

void diag_line(const char *format, ...)
{
    if (verbosity < 0)
        return;
    va_list args;
    va_start(args, format);
    emit(false, "", format, args);
    va_end(args);
}
