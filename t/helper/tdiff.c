/* tdiff.c - compares two texts in which numbers may differ a little, for shell tests.
 *
 *     tdiff TOLERANCE FILE FILE        - is stdin
 *
 * Numbers a, b are equal where |a - b| <= TOLERANCE x max(1, |a|, |b|); all else must be the same, but for the amount
 * of white space. Exit 0: equal; 1: not, and stderr says where; 2: usage, or a file that cannot be read.
 */
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/io.h"

struct text {
    const char *at, *name;
    unsigned long line;
    bool in_word; /* the byte before belongs to a word, so that a digit here starts no number */
};

static void read_all(struct buf *b, const char *path)
{
    struct input in;
    struct error err;
    ssize_t n;
    if (input_open(&in, path, &err) < 0)
        die(2, "%s", err.text);
    do {
        buf_reserve(b, 65536);
        n = input_read(&in, b->data + b->len, 65536, &err);
        b->len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    if (n < 0)
        die(2, "%s", err.text);
    buf_add(b, "", 0);
    input_close(&in);
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

/* Skips white space; true where there was some. */
static bool skip_white(struct text *t)
{
    const char *from = t->at;
    for (; isspace((unsigned char)*t->at); t->at++)
        t->line += *t->at == '\n';
    t->in_word = t->in_word && t->at == from;
    return t->at != from;
}

/* A decimal number here: its end, else NULL. */
static const char *number_end(const struct text *t)
{
    char *end;
    const char *digits = t->at + (*t->at == '-' || *t->at == '+');
    if (t->in_word || !isdigit((unsigned char)digits[*digits == '.']))
        return NULL;
    strtod(t->at, &end);
    return is_word(*end) ? NULL : end;
}

static bool next_equal(struct text *a, struct text *b, double tolerance)
{
    const char *a_end = number_end(a), *b_end = number_end(b);
    if (a_end && b_end) {
        double x = strtod(a->at, NULL), y = strtod(b->at, NULL);
        a->at = a_end;
        b->at = b_end;
        a->in_word = b->in_word = true;
        return fabs(x - y) <= tolerance * fmax(1, fmax(fabs(x), fabs(y)));
    }
    bool equal = *a->at == *b->at;
    a->in_word = is_word(*a->at++);
    b->in_word = is_word(*b->at++);
    return equal;
}

int main(int argc, char **argv)
{
    struct buf texts[2] = {{0}};
    struct text t[2];
    char *end;
    diag_init("tdiff");
    double tolerance = argc == 4 ? strtod(argv[1], &end) : -1;
    if (!(tolerance >= 0) || *end)
        die(2, "usage: tdiff TOLERANCE FILE FILE");
    for (int i = 0; i < 2; i++) {
        read_all(&texts[i], argv[2 + i]);
        t[i] = (struct text){.at = texts[i].data, .name = argv[2 + i], .line = 1};
        skip_white(&t[i]);
    }
    int rc = 0;
    while (rc == 0 && (*t[0].at || *t[1].at)) {
        struct text before[2] = {t[0], t[1]};
        bool equal = next_equal(&t[0], &t[1], tolerance);
        bool white[2] = {skip_white(&t[0]), skip_white(&t[1])};
        bool at_end = !*t[0].at && !*t[1].at;
        if (!equal || (white[0] != white[1] && !at_end)) {
            complain("%s:%lu: \"%.20s\" differs from %s:%lu: \"%.20s\"", before[0].name, before[0].line, before[0].at,
                     before[1].name, before[1].line, before[1].at);
            rc = 1;
        }
    }
    buf_free(&texts[0]);
    buf_free(&texts[1]);
    return rc;
}
