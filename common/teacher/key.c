/* key.c - see key.h. */
#include "teacher/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"

enum { LONGEST = 4096, SHORTEST_SECRET = 16, SHORTEST_REDACTED = 4 };

/* Takes the text without the line's end around it. */
static int key_set(struct key *key, const char *text, size_t len, const char *where, struct error *err)
{
    while (len > 0 && strchr("\r\n", text[len - 1]))
        len--;
    if (len == 0)
        return error_set(err, STATUS_USAGE, "%s: the key is empty", where);
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return error_set(err, STATUS_USAGE, "%s: the key must be one line of printable ASCII without spaces",
                             where);
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    key->text = xmemdup0(text, len);
    key->len = len;
    return 0;
}

static int key_from_file(struct key *key, const char *file, struct error *err)
{
    char text[LONGEST + 1];
    struct stat st;
    struct input in = {.name = (char *)file};
    int result = -1;
    in.fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in.fd < 0 || fstat(in.fd, &st) < 0) {
        error_set(err, STATUS_USAGE, "--key-file %s: %s", file, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        error_set(err, STATUS_USAGE, "--key-file %s: not a regular file", file);
    } else if (st.st_mode & 077) {
        error_set(err, STATUS_USAGE, "--key-file %s: others can use it (mode %04o); run: chmod 600 %s", file,
                  (unsigned)st.st_mode & 07777u, file);
    } else {
        ssize_t got = input_read_full(&in, text, sizeof text, err);
        if (got > LONGEST)
            error_set(err, STATUS_USAGE, "--key-file %s: longer than %d bytes", file, LONGEST);
        else if (got >= 0)
            result = key_set(key, text, (size_t)got, file, err);
    }
    explicit_bzero(text, sizeof text);
    if (in.fd >= 0)
        close(in.fd);
    return result;
}

int key_load(struct key *key, const char *file, const char *variable, struct error *err)
{
    *key = (struct key){0};
    if (file)
        return key_from_file(key, file, err);
    const char *text = variable ? getenv(variable) : NULL;
    return text && *text ? key_set(key, text, strlen(text), variable, err) : 0;
}

void key_redact(const struct key *key, char *data, size_t len, bool is_answer)
{
    if (!key->text || key->len < (is_answer ? SHORTEST_SECRET : SHORTEST_REDACTED))
        return;
    char *end = data + len, *found = data;
    while (found < end && (found = memmem(found, (size_t)(end - found), key->text, key->len))) {
        memset(found, '*', key->len);
        found += key->len;
    }
}

void key_free(struct key *key)
{
    if (key->text)
        explicit_bzero(key->text, key->len);
    free(key->text);
    *key = (struct key){0};
}
