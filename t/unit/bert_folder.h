/* bert_folder.h - what the tests of the model folder share: folders made on the fly. */
#ifndef UNIT_BERT_FOLDER_H
#define UNIT_BERT_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "base/memory.h"

/* A new empty folder, freed by the caller, or the end of the test. */
static inline char *make_trash(void)
{
    const char *base = getenv("TMPDIR");
    struct buf path = {0};
    buf_addf(&path, "%s/bert_folder.XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path.data)) {
        printf("Bail out! no folder for the test's files\n");
        exit(1);
    }
    return path.data;
}

static inline void put_bytes(const char *folder, const char *name, const void *data, size_t len)
{
    struct error err = {0};
    char *path = path_join(folder, name);
    FILE *file = folder_make(folder, &err) < 0 ? NULL : fopen(path, "wb"); /* no fsync: it is done very often */
    if (!file || fwrite(data, 1, len, file) != len || fclose(file) != 0) {
        printf("Bail out! cannot write %s\n", path);
        exit(1);
    }
    free(path);
}

static inline void put(const char *folder, const char *name, const char *text)
{
    put_bytes(folder, name, text, strlen(text));
}

/* The project's testdata/bert/NAME, freed by the caller. */
static inline char *testdata(const char *name)
{
    const char *base = getenv("TESTDATA");
    struct buf path = {0};
    buf_addf(&path, "%s/bert/%s", base ? base : "testdata", name);
    return path.data;
}

#endif
