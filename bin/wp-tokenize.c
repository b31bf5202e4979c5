/* wp-tokenize.c - turn sentences into WordPiece token streams, with ids identical to those of BERT's tokenizer; or
 * learn a vocabulary from them.
 *
 * The tool is a vocabulary (text/vocabulary.h), a tokenizer (text/wordpiece.h) and a loop (text/tokenize.h) in a row;
 * with --train-vocab a counter of words takes the tokenizer's place, and a learner (text/vocabulary_learner.h) follows.
 * It changes no text and pads nothing; see wp-tokenize(1) and distil-stream(5).
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
#include "base/memory.h"
#include "base/progress.h"
#include "text/tokenize.h"
#include "text/vocabulary.h"
#include "text/vocabulary_learner.h"

struct options {
    const char *model, *output, *output_format, *input, *label_list;
    long max_len, threads;
    bool max_len_given, offsets;
    long vocabulary_size, min_frequency, alphabet; /* vocabulary_size 0: tokenise */
    bool cased, learning_option;                   /* learning_option: one that only --train-vocab knows was given */
    struct tokenize_options run;
};

static void check_options(struct options *o, struct class_names *labels)
{
    struct error err = {0};
    bool ndjson = strcmp(o->output_format, "ndjson") == 0;

    if (o->vocabulary_size > 0 && (o->model || o->max_len_given || ndjson || o->offsets))
        cli_usage_error("--train-vocab makes a vocabulary and no tokens: %s cannot be used with it",
                        o->model           ? "-m"
                        : o->max_len_given ? "--max-len"
                        : o->offsets       ? "--offsets"
                                           : "--output-format");
    if (o->vocabulary_size == 0 && (o->cased || o->learning_option))
        cli_usage_error("%s needs --train-vocab", o->cased ? "--cased" : "--min-frequency or --limit-alphabet");
    if (!o->model && o->vocabulary_size == 0)
        cli_usage_error("a vocabulary is needed: -m MODEL, or --train-vocab N to make one");
    if (o->offsets && !ndjson)
        cli_usage_error("--offsets needs --output-format ndjson");
    if (class_names_parse(labels, o->label_list, &err) < 0)
        cli_usage_error("%s", err.text);
    if (o->run.format.pair_member && o->max_len_given && o->max_len < 3)
        cli_usage_error("--max-len %ld: a pair has three special tokens", o->max_len);
    o->run.threads = o->threads > 0 ? (int)o->threads : omp_get_max_threads();
    o->run.format.labels = o->vocabulary_size > 0 ? NULL : labels;
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
                          .min_frequency = 2,
                          .alphabet = 1000,
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
        {'\0', "train-vocab", CLI_LONG, &o->vocabulary_size, "N", .min = 6, .max = 1e7, .no_default = true,
         .help = "learn a vocabulary of N tokens from the text, and write that, a vocab.txt"},
        {'\0', "min-frequency", CLI_LONG, &o->min_frequency, "N", .min = 1, .max = 1e9, .given = &o->learning_option,
         .help = "with --train-vocab: make no token of parts that meet more rarely"},
        {'\0', "limit-alphabet", CLI_LONG, &o->alphabet, "N", .min = 1, .max = 1114112, .given = &o->learning_option,
         .help = "with --train-vocab: keep the N most frequent characters"},
        {'\0', "cased", CLI_FLAG, &o->cased, .help = "with --train-vocab: keep upper case and accents"},
        {'o', "output", CLI_FILE, &o->output, "FILE", .help = "where to write; - is standard output"},
        CLI_END};
    char features[128];
    snprintf(features, sizeof features, "utf8proc %s (Unicode %s)\nOpenMP, %d threads", utf8proc_version(),
             utf8proc_unicode_version(), omp_get_max_threads());
    const struct cli cli = {.tool = "wp-tokenize",
                            .summary = "turn sentences into WordPiece token streams",
                            .usage = "-m MODEL [options] [FILE]\n--train-vocab N [options] [FILE]",
                            .options = table,
                            .max_operands = 1,
                            .features = features,
                            .examples =
                                "wp-tokenize -m google-bert/bert-base-uncased rows.ndjson > rows.tokens\n"
                                "echo 'a fine film' | wp-tokenize -m vocab.txt --output-format ndjson --offsets\n"
                                "wp-tokenize --train-vocab 8192 -o vocab.txt rows.ndjson"};
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
    if (o->vocabulary_size > 0)
        inform(0, "%llu rows, %llu skipped", (unsigned long long)s->rows, (unsigned long long)s->skipped);
    else
        inform(0, "%llu rows, %llu tokens, %llu skipped", (unsigned long long)s->rows, (unsigned long long)s->tokens,
               (unsigned long long)s->skipped);
}

/* Runs the loop over the whole input. With a failure the output is thrown away and the process ends. */
static void run_loop(struct options *o, struct lines *lines, struct output *out, struct tokenize_summary *summary)
{
    struct progress progress = {0};
    struct error err = {0};

    o->run.skipped = report_skipped;
    if (isatty(lines->in.fd))
        inform(0, "reading lines from the terminal; Ctrl-D ends them");
    progress_start(&progress, "rows", o->run.expect_rows > 0 ? (uint64_t)o->run.expect_rows : 0);
    int rc = tokenize_run(&o->run, lines, out, &progress, summary, &err);
    progress_finish(&progress);
    if (rc < 0) {
        output_flush(out);
        output_abort(out);
        die_error(&err);
    }
}

static void tokenize(struct options *o, const struct class_names *labels, struct lines *lines, struct output *out,
                     struct tokenize_summary *summary)
{
    struct stream_head head = {0};
    struct tokenizer *tokenizer = load_tokenizer(o, labels, &head);
    struct error err = {0};

    o->run.head = &head;
    if (lines_open(lines, o->input, 0, &err) < 0 || output_open(out, o->output, !o->run.frame.ndjson, &err) < 0)
        die_error(&err);
    run_loop(o, lines, out, summary);
    tokenizer_free(tokenizer);
    free(head.producer);
}

static void report_vocabulary(const struct options *o, const struct vocabulary_result *v,
                              const struct word_table *words)
{
    if (v->n < (size_t)o->vocabulary_size)
        warn("the text gives %zu tokens, not %ld: no further parts meet %ld times", v->n, o->vocabulary_size,
             o->min_frequency);
    else if (v->n > (size_t)o->vocabulary_size)
        warn("the characters alone make %zu tokens, not %ld; --limit-alphabet keeps fewer of them", v->n,
             o->vocabulary_size);
    if (v->dropped_characters > 0)
        warn("%zu of %zu characters were left out (--limit-alphabet)", v->dropped_characters, v->characters);
    inform(0, "%zu tokens from %lu different words", v->n, (unsigned long)words->n);
}

static void train_vocabulary(struct options *o, struct lines *lines, struct output *out,
                             struct tokenize_summary *summary)
{
    const size_t threads = (size_t)o->run.threads;
    const struct vocabulary_goal goal = {(size_t)o->vocabulary_size, (uint64_t)o->min_frequency, (size_t)o->alphabet};
    struct word_counter *counters = xcalloc(threads, sizeof *counters);
    struct vocabulary_result vocabulary;
    struct error err = {0};

    for (size_t i = 0; i < threads; i++)
        counters[i].settings = (struct normalizer_settings){
            .clean_text = true, .tokenize_chinese_chars = true, .strip_accents = !o->cased, .do_lower_case = !o->cased};
    o->run.counters = counters;
    if (lines_open(lines, o->input, 0, &err) < 0 || output_open(out, o->output, false, &err) < 0)
        die_error(&err);
    run_loop(o, lines, out, summary);
    for (size_t i = 1; i < threads; i++) {
        word_counter_merge(&counters[0], &counters[i]);
        word_counter_free(&counters[i]);
    }
    if (counters[0].words.n == 0) {
        output_abort(out);
        die(STATUS_FAILURE, "%s: no words to learn from", lines->in.name);
    }
    vocabulary_learn(&counters[0].words, &goal, &vocabulary);
    output_write(out, vocabulary.text.data, vocabulary.text.len); /* a failure stays in out */
    report_vocabulary(o, &vocabulary, &counters[0].words);
    buf_free(&vocabulary.text);
    word_counter_free(&counters[0]);
    free(counters);
}

int main(int argc, char **argv)
{
    struct options o;
    struct class_names labels;
    struct lines lines = {0};
    struct output out = {0};
    struct tokenize_summary summary;

    parse_options(&o, &labels, argc, argv);
    if (o.vocabulary_size > 0)
        train_vocabulary(&o, &lines, &out, &summary);
    else
        tokenize(&o, &labels, &lines, &out, &summary);
    if (output_close(&out) < 0)
        die_error(&out.error);
    report_summary(&o, &summary);
    lines_close(&lines);
    class_names_free(&labels);
    return summary.skipped > 0 ? STATUS_PARTIAL : STATUS_OK;
}
