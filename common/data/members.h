/* members.h - the files of a data set's split in a folder or a zip archive, by their usual names.
 *
 * train: train.tsv; validation: dev.tsv, else validation.tsv; test: test.tsv; the same with .csv, .jsonl, .ndjson and
 * with .txt (trees). In an archive they may lie in a folder (SST-2/train.tsv); the one that lies highest is taken. A
 * member is unpacked to an unnamed temporary file, so that archives may be larger than memory.
 */
#ifndef DATA_MEMBERS_H
#define DATA_MEMBERS_H

#include "base/digest.h"
#include "base/error.h"
#include "data/options.h"
#include "wire/lines.h"

/* The path of the split's file in a folder, freed by the caller; NULL where there is none. */
char *members_in_folder(const char *folder, const char *split, enum data_format format, struct error *err);

/* Turns lines over an archive (whose first bytes may have been looked at) into lines over the split's member of it,
 * named ARCHIVE/MEMBER. */
int members_open(struct lines *lines, const char *split, enum data_format format, struct error *err);

/* Unpacks a whole archive without keeping it, which checks its sums, and gives the SHA-256 of the members with these
 * names (without folders); hex[i] is "" where there is none. */
int members_digests(const char *archive, const char *const *names, size_t n, char (*hex)[SHA256_HEX_SIZE],
                    struct error *err);

#endif
