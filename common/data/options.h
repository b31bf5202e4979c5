/* options.h - what the user said about the data: where it is and how to read it. Filled by bin/, only read here. */
#ifndef DATA_OPTIONS_H
#define DATA_OPTIONS_H

#include <stdbool.h>

#include "base/class_names.h"

enum data_format { FORMAT_AUTO, FORMAT_GLUE, FORMAT_TREES, FORMAT_CSV, FORMAT_TSV, FORMAT_JSONL };

/* "glue" and so on; auto for a name that is none of them. */
enum data_format data_format_of(const char *name);
const char *data_format_name(enum data_format format);

struct data_options {
    const char *path;          /* zip, folder or file; "-": stdin */
    const char *split;         /* train, validation or test: which file of a zip or folder */
    const char *format;        /* auto, glue, trees, csv, tsv, jsonl */
    const char *text_column;   /* name or number from 1; NULL: sentence, else text */
    const char *label_column;  /* name or number from 1; NULL: label, where there is one */
    const char *label_list;    /* as the user wrote it */
    struct class_names labels; /* the same taken apart */
    const char *delimiter;     /* of csv and tsv; NULL: as the file has it */
    const char *classes;       /* of trees: "2" or "5" */
    bool phrases;              /* of trees: a row for every node */
    bool no_header;            /* of csv and tsv: the first line is data */
    /* whether the user gave what only some formats have; then another format is an error */
    bool columns_given, table_given, trees_given, labels_given;
};

#endif
