/* glue.h - GLUE's SST-2 archive: fetched once into the cache, known by the sums of its three tables. */
#ifndef DATA_GLUE_H
#define DATA_GLUE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

extern const char glue_url[]; /* where it lies unless the user knows another place */

struct glue {
    const char *url;
    bool verify; /* the three tables must be GLUE's, byte for byte; else any zip archive is taken */
    /* results */
    char *path;       /* of the archive in the cache; freed by the caller */
    bool fetched;     /* just now */
    struct buf notes; /* what the user should know, a line each */
};

/* Takes the archive from the cache (its sums are checked each time) or fetches it there: under another name first,
 * locked against a second run, renamed when it is whole and checked. */
int glue_fetch(struct glue *g, struct error *err);

#endif
