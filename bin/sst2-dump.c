/* sst2-dump.c - write a sentence data set as NDJSON: one {"idx":...,"sentence":...,"label":...} a line.
 *
 * The tool is a reader (data/dataset.h), a sampler (data/sampler.h) and an output in a row; without a PATH the archive
 * of GLUE's SST-2 is taken from the cache or fetched (data/glue.h). It changes no text: no trimming, no lower-casing.
 */
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <curl/curl.h>

#include "base/cli.h"
#include "base/diag.h"
#include "base/io.h"
#include "base/progress.h"
#include "data/dataset.h"
#include "data/glue.h"
#include "data/sampler.h"

struct options {
    struct data_options data;
    struct sampler_options sampling;
    struct glue glue;
    const char *output;
    bool keep_going;
};

/* What the options owe each other. Values alone are checked by the table. */
static void check_options(struct options *o, bool url_given, bool part_given, bool words_given)
{
    struct error err = {0};
    const char *delimiter = o->data.delimiter;
    if (class_names_parse(&o->data.labels, o->data.label_list, &err) < 0)
        cli_usage_error("%s", err.text);
    if (delimiter && (strcmp(delimiter, "tab") == 0 || strcmp(delimiter, "\\t") == 0))
        o->data.delimiter = delimiter = "\t";
    if (delimiter && (delimiter[1] || delimiter[0] == '"' || delimiter[0] == '\n' || delimiter[0] == '\r'))
        cli_usage_error("--delimiter '%s': one byte that is no quote and no line end, or the word tab", delimiter);
    if (o->data.no_header && !o->data.text_column)
        cli_usage_error("--no-header needs --text-column with the number of the column");
    if (o->sampling.stratify && o->sampling.sample < 0)
        cli_usage_error("--stratify needs --sample N");
    if ((part_given || words_given) && o->sampling.holdout <= 0)
        cli_usage_error("--%s needs --holdout F", part_given ? "part" : "phrase-words");
    if (o->data.path && (url_given || !o->glue.verify))
        cli_usage_error("--%s is for fetching the data, but '%s' is given", url_given ? "url" : "no-verify",
                        o->data.path);
    if (!o->data.path && data_format_of(o->data.format) != FORMAT_AUTO && data_format_of(o->data.format) != FORMAT_GLUE)
        cli_usage_error("--input-format %s needs a PATH (- for standard input)", o->data.format);
}

static void parse_options(struct options *o, int argc, char **argv)
{
    bool url_given = false, part_given = false, words_given = false;
    const char *url = getenv("SST2_DUMP_URL");
    *o = (struct options){
        .data = {.split = "train", .format = "auto", .label_list = "negative,positive", .classes = "2"},
        .sampling = {.part = "train", .sample = -1, .limit = -1, .seed = 42},
        .glue = {.url = url && *url ? url : glue_url, .verify = true}};
    const struct cli_option table[] = {
        {'\0', "split", CLI_CHOICE, &o->data.split, "NAME", .choices = "train|validation|test",
         .help = "which file of a folder or zip archive"},
        {'\0', "input-format", CLI_CHOICE, &o->data.format, "FORMAT", .choices = "auto|glue|trees|csv|tsv|jsonl",
         .help = "what PATH holds; auto looks at its first line and its name"},
        {'\0', "text-column", CLI_STRING, &o->data.text_column, "COLUMN", .given = &o->data.columns_given,
         .help = "name, or number from 1, of the column (JSONL: member) with the text; else 'sentence' or 'text'"},
        {'\0', "label-column", CLI_STRING, &o->data.label_column, "COLUMN", .given = &o->data.columns_given,
         .help = "the same for the label; else 'label'; without one every label is -1"},
        {'\0', "labels", CLI_STRING, &o->data.label_list, "NAMES", .given = &o->data.labels_given,
         .help = "names of the classes 0, 1, ..., separated by commas"},
        {'\0', "delimiter", CLI_STRING, &o->data.delimiter, "BYTE", .given = &o->data.table_given,
         .help = "between the columns of csv and tsv, or the word tab; else as the header has it"},
        {'\0', "no-header", CLI_FLAG, &o->data.no_header, .given = &o->data.table_given,
         .help = "the first line of csv and tsv is data; columns go by number"},
        {'\0', "classes", CLI_CHOICE, &o->data.classes, "N", .choices = "2|5", .given = &o->data.trees_given,
         .help = "of trees: 2 leaves the neutral ones out"},
        {'\0', "phrases", CLI_FLAG, &o->data.phrases, .given = &o->data.trees_given,
         .help = "of trees: a row for every node, not only for sentences"},
        {'\0', "holdout", CLI_DOUBLE, &o->sampling.holdout, "F", .min = 1e-300, .max = 0.99, .no_default = true,
         .help = "split the rows, F of them to a hold-out; equal texts, and a sentence and its phrases, stay together"},
        {'\0', "part", CLI_CHOICE, &o->sampling.part, "PART", .choices = "train|holdout", .given = &part_given,
         .help = "which part of --holdout to write"},
        {'\0', "phrase-words", CLI_LONG, &o->sampling.phrase_words, "N", .min = 1, .max = 1e9, .no_default = true,
         .given = &words_given,
         .help = "shorter phrases do not tie sentences together in --holdout; else the smallest number that works"},
        {'\0', "min-words", CLI_LONG, &o->sampling.min_words, "N", .min = 0, .max = 1e15, .no_default = true,
         .help = "only rows of at least N words"},
        {'\0', "sample", CLI_LONG, &o->sampling.sample, "N", .min = 0, .max = 1e15, .no_default = true,
         .help = "N rows chosen at random, in their order"},
        {'\0', "stratify", CLI_FLAG, &o->sampling.stratify, .help = "--sample keeps the shares of the labels"},
        {'\0', "shuffle", CLI_FLAG, &o->sampling.shuffle, .help = "in random order"},
        {'\0', "limit", CLI_LONG, &o->sampling.limit, "N", .min = 0, .max = 1e15, .no_default = true,
         .help = "at most N rows"},
        {'\0', "seed", CLI_UINT64, &o->sampling.seed, "S", .help = "of all that is random"},
        {'\0', "keep-going", CLI_FLAG, &o->keep_going, .help = "skip malformed rows, and exit 3 at the end"},
        {'\0', "url", CLI_STRING, &o->glue.url, "URL", .given = &url_given, .no_default = true,
         .help = "where to fetch the GLUE archive from, instead of SST2_DUMP_URL or its home"},
        {'\0', "no-verify", CLI_UNFLAG, &o->glue.verify, .help = "take another archive than GLUE's"},
        {'o', "output", CLI_FILE, &o->output, "FILE", .help = "write to FILE, which is complete or not there"},
        CLI_END};
    const struct cli cli = {.tool = "sst2-dump",
                            .summary = "write a sentence data set as NDJSON",
                            .usage = "[options] [PATH]",
                            .examples = "sst2-dump --split validation -o validation.ndjson\n"
                                        "sst2-dump --text-column review --label-column stars --labels 1,2,3 x.csv",
                            .options = table,
                            .max_operands = 1,
                            .features = "libcurl " LIBCURL_VERSION "\nlibarchive " ARCHIVE_VERSION_ONLY_STRING};
    int n = cli_parse(&cli, argc, argv);
    o->data.path = n < argc ? argv[n] : NULL;
    check_options(o, url_given, part_given, words_given);
}

/* Library notes hold a line each. */
static void tell_notes(struct buf *notes)
{
    char *rest = NULL;
    for (char *line = notes->data ? strtok_r(notes->data, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
        inform(0, "%s", line);
    buf_free(notes);
}

static void find_data(struct options *o)
{
    struct error err = {0};
    if (o->data.path)
        return;
    int rc = glue_fetch(&o->glue, &err);
    tell_notes(&o->glue.notes);
    if (rc < 0)
        die_error(&err);
    if (o->glue.fetched)
        inform(0, "fetched %s to %s", o->glue.url, o->glue.path);
    o->data.path = o->glue.path;
}

/* Writes what the sampler has ready. */
static void put_rows(struct sampler *sampler, struct output *out)
{
    const char *line;
    size_t len;
    while (sampler_next(sampler, &line, &len))
        if (output_write(out, line, len) < 0)
            die_error(&out->error);
}

/* A row that cannot be read ends the run, unless the user wants to go on and that is possible. */
static void skip_or_die(const struct options *o, enum data_step step, const struct error *err, struct output *out)
{
    if (step == DATA_BAD_ROW && o->keep_going) {
        complain("%s; skipped", err->text);
        return;
    }
    output_flush(out); /* the rows before it */
    die_error(err);
}

int main(int argc, char **argv)
{
    struct options o;
    struct dataset set;
    struct sampler sampler;
    struct output out;
    struct progress progress;
    struct data_row row;
    struct error err = {0};
    enum data_step step;
    uint64_t skipped = 0;

    parse_options(&o, argc, argv);
    find_data(&o);
    if (dataset_open(&set, &o.data, &err) < 0 || output_open(&out, o.output, false, &err) < 0)
        die_error(&err);
    sampler_init(&sampler, &o.sampling);
    progress_start(&progress, "rows", 0);

    while (!sampler_full(&sampler) && (step = dataset_next(&set, &row, &err)) != DATA_END) {
        if (step == DATA_ROW) {
            sampler_add(&sampler, &row);
            put_rows(&sampler, &out);
        } else {
            skip_or_die(&o, step, &err, &out);
            skipped++;
        }
        if (!dataset_ready(&set) && output_flush(&out) < 0)
            die_error(&out.error);
        progress_update(&progress, sampler.added, NULL);
    }
    if (sampler_end(&sampler, &err) < 0)
        die_error(&err);
    tell_notes(&sampler.notes);
    put_rows(&sampler, &out);

    progress_finish(&progress);
    if (output_close(&out) < 0)
        die_error(&out.error);
    inform(1, "%llu rows read, %llu written, %llu skipped", (unsigned long long)sampler.added,
           (unsigned long long)sampler.written, (unsigned long long)skipped);
    if (skipped > 0)
        complain("%llu rows skipped", (unsigned long long)skipped);
    sampler_free(&sampler);
    dataset_close(&set);
    class_names_free(&o.data.labels);
    free(o.glue.path);
    return skipped > 0 ? STATUS_PARTIAL : STATUS_OK;
}
