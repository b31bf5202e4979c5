/* dataset.c - from a path to a reader. */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "data/members.h"
#include "data/sniff.h"

static int refuse(const struct dataset *set, enum data_format format, const char *option, const char *whose,
                  struct error *err)
{
    return error_set(err, STATUS_USAGE, "%s: read as %s, but %s is for %s; --input-format overrules the guess",
                     set->lines.in.name, data_format_name(format), option, whose);
}

/* An option that would have no effect is a mistake: of the user, or of the guess at the format. */
static int check_options(const struct dataset *set, const struct data_options *o, enum data_format format,
                         struct error *err)
{
    bool table = format == FORMAT_CSV || format == FORMAT_TSV;
    if (o->columns_given && !table && format != FORMAT_JSONL)
        return refuse(set, format, "--text-column or --label-column", "csv, tsv and jsonl", err);
    if (o->table_given && !table)
        return refuse(set, format, "--delimiter or --no-header", "csv and tsv", err);
    if (o->trees_given && format != FORMAT_TREES)
        return refuse(set, format, "--classes or --phrases", "trees", err);
    if (o->labels_given && format == FORMAT_TREES)
        return refuse(set, format, "--labels", "csv, tsv and jsonl", err);
    return 0;
}

/* The file that the path stands for; freed by the caller. */
static char *resolve(const struct data_options *o, enum data_format format, struct error *err)
{
    if (strcmp(o->path, "-") != 0 && path_is_folder(o->path))
        return members_in_folder(o->path, o->split, format, err);
    return xstrdup(o->path);
}

static int open_reader(struct dataset *set, const struct data_options *o, struct sniffed found, struct error *err)
{
    char delimiter = o->delimiter ? o->delimiter[0] : found.delimiter;
    switch (found.format) {
    case FORMAT_JSONL:
        jsonl_open(&set->reader.jsonl, &set->lines, o);
        return 0;
    case FORMAT_TREES:
        trees_open(&set->reader.trees, &set->lines, o);
        return 0;
    case FORMAT_CSV:
        return table_open(&set->reader.table, &set->lines, o, delimiter, true, err);
    default:
        return table_open(&set->reader.table, &set->lines, o, delimiter, false, err);
    }
}

int dataset_open(struct dataset *set, const struct data_options *o, struct error *err)
{
    enum data_format wanted = data_format_of(o->format);
    struct sniffed found = {0};
    *set = (struct dataset){.lines.in.fd = -1};
    char *path = resolve(o, wanted, err);
    int rc = path ? lines_open(&set->lines, path, 0, err) : -1;
    free(path);
    if (rc < 0)
        return -1;
    rc = sniff(&set->lines, wanted, &found, err);
    if (rc == 0 && found.is_zip)
        rc = members_open(&set->lines, o->split, wanted, err) < 0 ? -1 : sniff(&set->lines, wanted, &found, err);
    if (rc == 0 && found.is_zip)
        rc = error_set(err, STATUS_FAILURE, "%s: an archive inside an archive", set->lines.in.name);
    if (rc == 0)
        rc = check_options(set, o, found.format, err);
    set->format = found.format == FORMAT_GLUE ? FORMAT_TSV : found.format;
    if (rc == 0)
        rc = open_reader(set, o, found, err);
    if (rc < 0)
        lines_close(&set->lines);
    return rc;
}

enum data_step dataset_next(struct dataset *set, struct data_row *row, struct error *err)
{
    switch (set->format) {
    case FORMAT_JSONL:
        return jsonl_next(&set->reader.jsonl, row, err);
    case FORMAT_TREES:
        return trees_next(&set->reader.trees, row, err);
    default:
        return table_next(&set->reader.table, row, err);
    }
}

bool dataset_ready(struct dataset *set)
{
    return lines_ready(&set->lines);
}

void dataset_close(struct dataset *set)
{
    switch (set->format) {
    case FORMAT_JSONL:
        jsonl_close(&set->reader.jsonl);
        break;
    case FORMAT_TREES:
        trees_close(&set->reader.trees);
        break;
    default:
        table_close(&set->reader.table);
    }
    lines_close(&set->lines);
}
