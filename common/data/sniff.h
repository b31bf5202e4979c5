/* sniff.h - which format the first bytes of a file are in. */
#ifndef DATA_SNIFF_H
#define DATA_SNIFF_H

#include <stdbool.h>

#include "base/error.h"
#include "data/options.h"
#include "wire/lines.h"

struct sniffed {
    bool is_zip;             /* then the format is that of a member of it */
    enum data_format format; /* never FORMAT_AUTO, unless is_zip */
    char delimiter;          /* of tables */
};

/* Looks at the first line without consuming it. `wanted` overrules the guess, but for zip. In order: the zip's mark; {
 * is JSONL; ( and a digit is trees; the file's extension; a tab in the header is TSV; a comma or semicolon is CSV; else
 * a table of one column. What no reader of ours takes (gzip, UTF-16, a JSON array) is named with the cure. */
int sniff(struct lines *lines, enum data_format wanted, struct sniffed *found, struct error *err);

#endif
