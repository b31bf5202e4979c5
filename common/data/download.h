/* download.h - fetches a file over https, going on where an earlier try broke off.
 *
 * The bytes gather in PART; PART.from names the URL and the version of the file (a strong ETag, else Last-Modified). A
 * later try, in this process or another, asks for the rest with Range and If-Range. It starts over where the server
 * ignores that, where the file has changed, or where no version is known.
 */
#ifndef DATA_DOWNLOAD_H
#define DATA_DOWNLOAD_H

#include <stdbool.h>

#include "base/error.h"

struct download {
    const char *url;   /* https, or http to a loopback address */
    const char *part;  /* path of the unfinished file */
    const char *magic; /* the first bytes that the file must have; else it is an error page or the like */
    /* results */
    bool resumed; /* some bytes are from an earlier try */
};

/* Returns when PART is whole; the caller checks it and gives it its final name. Transfers that break are tried again as
 * long as they bring bytes. The part stays where a later try may go on. */
int download_run(struct download *d, struct error *err);

/* Removes the part and what belongs to it. */
void download_discard(const char *part);

#endif
