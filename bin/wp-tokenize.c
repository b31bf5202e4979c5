/* wp-tokenize.c - turn sentences into WordPiece token streams, with ids identical to those of BERT's tokenizer.
 *
 * The tool is a vocabulary (text/vocabulary.h), a tokenizer (text/wordpiece.h) and a loop (text/tokenize.h) in a row.
 * It changes no text, pads nothing and learns nothing; see wp-tokenize(1) and distil-stream(5).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <omp.h>
#include <utf8proc.h>

#include "base/cli.h"
#include "base/diag.h"
#include "base/hub.h"
#include "base/io.h"
#include "base/progress.h"
#include "text/tokenize.h"
#include "text/vocabulary.h"

struct options {
    const char *model, *output, *output_format, *input, *label_list;
    long max_len, threads;
    bool max_len_given, offsets;
    struct tokenize_options run;
};

static void check_options(struct options *o, struct class_names *labels)
{
    struct error err = {0};
    bool ndjson = strcmp(o->output_format, "ndjson") == 0;

    if (!o->model)
        cli_usage_error("a vocabulary is needed: -m MODEL");
    if (o->offsets && !ndjson)
        cli_usage_error("--offsets needs --output-format ndjson");
    if (class_names_parse(labels, o->label_list, &err) < 0)
        cli_usage_error("%s", err.text);
    if (o->run.format.pair_member && o->max_len_given && o->max_len < 3)
        cli_usage_error("--max-len %ld: a pair has three special tokens", o->max_len);
    o->run.threads = o->threads > 0 ? (int)o->threads : omp_get_max_threads();
    o->run.format.labels = labels;
    o->run.frame.n_labels = labels->n;
    o->run.frame.pair = o->run.format.pair_member != NULL;
    o->run.frame.ndjson = ndjson;
    o->run.frame.offsets = o->offsets;
}

static void parse_options(struct options *o, struct class_names *labels, int argc, char **argv)
{
    *o = (struct options){.output_format = "stream",
                          .label_list = "negative,positive",
                          .output = "-",
                          .run = {.input_format = "auto", .expect_rows = -1, .frame_rows = 1024}};
    const struct cli_option table[] = {
        {'m', "model", CLI_STRING, &o->model, "MODEL",
         .help = "model folder, Hub name in the local cache, or a vocab.txt"},
        {'\0', "max-len", CLI_LONG, &o->max_len, "N", .min = 2, .max = 1e9, .given = &o->max_len_given,
         .no_default = true, .help = "cut rows to N tokens, [CLS] and [SEP] among them; else what the model allows"},
        {'\0', "output-format", CLI_CHOICE, &o->output_format, "FORMAT", .choices = "stream|ndjson",
         .help = "token stream, or the rows with a member input_ids"},
        {'\0', "offsets", CLI_FLAG, &o->offsets,
         .help = "with ndjson: also each token's place, in bytes of the sentence"},
        {'\0', "pair", CLI_STRING, &o->run.format.pair_member, "MEMBER",
         .help = "second text of each row, such as teacher.reasoning"},
        {'\0', "labels", CLI_STRING, &o->label_list, "NAMES",
         .help = "names of the classes 0, 1, ..., separated by commas"},
        {'\0', "input-format", CLI_CHOICE, &o->run.input_format, "FORMAT", .choices = "auto|text|ndjson|tsv",
         .help = "what the input is; auto looks at its first line"},
        {'\0', "replace-invalid", CLI_FLAG, &o->run.replace_invalid,
         .help = "put U+FFFD where the input is not UTF-8 instead of refusing it"},
        {'\0', "expect-rows", CLI_LONG, &o->run.expect_rows, "N", .min = 0, .max = 1e15, .no_default = true,
         .help = "fail, without the end frame, unless exactly N rows are written"},
        {'\0', "frame-rows", CLI_LONG, &o->run.frame_rows, "N", .min = 1, .max = 1e6,
         .help = "at most N rows in a frame of the stream; no result depends on it"},
        {'\0', "keep-going", CLI_FLAG, &o->run.keep_going,
         .help = "skip malformed rows, name them, and exit 3 at the end"},
        {'\0', "threads", CLI_LONG, &o->threads, "N", .min = 1, .max = 1024, .no_default = true,
         .help = "threads to work with; else OMP_NUM_THREADS, else one a core"},
        {'o', "output", CLI_FILE, &o->output, "FILE", .help = "where to write; - is standard output"},
        CLI_END};
    char features[128];
    snprintf(features, sizeof features, "utf8proc %s (Unicode %s)\nOpenMP, %d threads", utf8proc_version(),
             utf8proc_unicode_version(), omp_get_max_threads());
    const struct cli cli = {.tool = "wp-tokenize",
                            .summary = "turn sentences into WordPiece token streams",
                            .usage = "-m MODEL [options] [FILE]",
                            .options = table,
                            .max_operands = 1,
                            .features = features,
                            .examples =
                                "wp-tokenize -m google-bert/bert-base-uncased rows.ndjson > rows.tokens\n"
                                "echo 'a fine film' | wp-tokenize -m vocab.txt --output-format ndjson --offsets"};
    int n = cli_parse(&cli, argc, argv);
    o->input = n < argc ? argv[n] : "-";
    check_options(o, labels);
}

/* The tokenizer of the model, and the head of the stream that it makes. */
static struct tokenizer *load_tokenizer(struct options *o, const struct class_names *labels, struct stream_head *head)
{
    struct vocabulary v = {0};
    struct error err = {0};
    struct tokenizer *t = NULL;
    struct buf producer = {0};
    char *path = hub_resolve(o->model, &err);

    if (!path || vocabulary_load(&v, path, &err) < 0 || !(t = tokenizer_new(&v, &err)))
        die_error(&err);
    o->run.frame.tokenizer = t;
    o->run.frame.max_len = o->max_len_given ? o->max_len : v.default_max_len;
    if (o->run.frame.max_len < (o->run.frame.pair ? 3 : 2))
        die(STATUS_USAGE, "%s: the model allows %ld tokens a row, too few for the special ones", path,
            o->run.frame.max_len);
    buf_addf(&producer, "wp-tokenize %s", distil_version);
    memcpy(head->vocab_sha256, v.sha256, sizeof v.sha256);
    head->do_lower_case = v.do_lower_case;
    head->max_len = o->run.frame.max_len;
    head->labels = labels->names;
    head->n_labels = labels->n;
    head->producer = producer.data;
    vocabulary_free(&v);
    free(path);
    return t;
}

static void report_skipped(const struct error *err)
{
    complain("%s; skipped", err->text);
}

static void report_summary(const struct options *o, const struct tokenize_summary *s)
{
    if (s->truncated > 0)
        warn("%llu of %llu rows were cut to %ld tokens (--max-len)", (unsigned long long)s->truncated,
             (unsigned long long)s->rows, o->run.frame.max_len);
    if (s->odd_idx > 0)
        warn("%llu rows have an idx that is no integer; their running number stands in its place",
             (unsigned long long)s->odd_idx);
    if (s->unpaired > 0)
        warn("%llu rows have no '%s'; they are written as single texts", (unsigned long long)s->unpaired,
             o->run.format.pair_member);
    if (s->replaced > 0)
        warn("%llu rows held bytes that are not UTF-8", (unsigned long long)s->replaced);
    inform(0, "%llu rows, %llu tokens, %llu skipped", (unsigned long long)s->rows, (unsigned long long)s->tokens,
           (unsigned long long)s->skipped);
}

int main(int argc, char **argv)
{
    struct options o;
    struct class_names labels;
    struct stream_head head = {0};
    struct lines lines = {0};
    struct output out = {0};
    struct progress progress = {0};
    struct tokenize_summary summary;
    struct error err = {0};

    parse_options(&o, &labels, argc, argv);
    struct tokenizer *tokenizer = load_tokenizer(&o, &labels, &head);
    o.run.head = &head;
    o.run.skipped = report_skipped;
    if (lines_open(&lines, o.input, 0, &err) < 0 || output_open(&out, o.output, !o.run.frame.ndjson, &err) < 0)
        die_error(&err);
    if (isatty(lines.in.fd))
        inform(0, "reading lines from the terminal; Ctrl-D ends them");
    progress_start(&progress, "rows", o.run.expect_rows > 0 ? (uint64_t)o.run.expect_rows : 0);
    int rc = tokenize_run(&o.run, &lines, &out, &progress, &summary, &err);
    progress_finish(&progress);
    if (rc < 0) {
        output_flush(&out);
        output_abort(&out);
        die_error(&err);
    }
    if (output_close(&out) < 0)
        die_error(&out.error);
    report_summary(&o, &summary);
    lines_close(&lines);
    tokenizer_free(tokenizer);
    class_names_free(&labels);
    free(head.producer);
    return summary.skipped > 0 ? STATUS_PARTIAL : STATUS_OK;
}
