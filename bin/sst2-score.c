/* sst2-score - how good are these predictions, and is one set of them better than another? Do their words agree with
 * those that people marked?
 *
 * Reads rows with a gold label and a prediction (bert-infer's output), prints scores with intervals. It judges only
 * what stands in its input: it runs no model, and an interval says nothing about training with another seed.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/cli.h"
#include "base/diag.h"
#include "base/io.h"
#include "score/attribution.h"
#include "score/report.h"

struct options {
    bool json, keep_going;
    const char *member, *labels, *output, *trees;
    long draws;
    double level;
    uint64_t seed;
};

static int parse(struct options *o, int argc, char **argv)
{
    const struct cli_option table[] = {
        {'\0', "json", CLI_FLAG, &o->json, .help = "write one JSON object instead of tables"},
        {'\0', "member", CLI_CHOICE, &o->member, "NAME", .choices = "pred|teacher",
         .help = "the member of each row that is judged: the model's prediction or the teacher's answer"},
        {'\0', "attribution", CLI_FILE, &o->trees, "TREES", .no_default = true,
         .help = "judge instead how far the words of bert-infer --attribution are those that people marked in TREES"},
        {'\0', "labels", CLI_STRING, &o->labels, "NAMES", .no_default = true,
         .help = "label names in class order, separated by commas; default: as the rows name them"},
        {'\0', "level", CLI_DOUBLE, &o->level, "X", .min = 0.5, .max = 0.9999,
         .help = "confidence level of the intervals"},
        {'\0', "draws", CLI_LONG, &o->draws, "N", .min = 100, .max = 1e7, .help = "bootstrap draws"},
        {'\0', "seed", CLI_UINT64, &o->seed, "N", .help = "seed of the draws"},
        {'\0', "keep-going", CLI_FLAG, &o->keep_going, .help = "skip malformed rows; the exit status is then 3"},
        {'o', "output", CLI_FILE, &o->output, "FILE", .help = "where the scores go; - is stdout"},
        CLI_END};
    const struct cli cli = {.tool = "sst2-score",
                            .summary = "score predictions against gold labels",
                            .usage = "[options] [PREDICTIONS [OTHER]]",
                            .examples = "bert-infer -m student validation.ndjson | sst2-score\n"
                                        "sst2-score plain.ndjson distilled.ndjson\n"
                                        "sst2-score --member teacher answers.ndjson",
                            .options = table,
                            .max_operands = 2};
    int first = cli_parse(&cli, argc, argv);
    if (o->trees && (o->labels || strcmp(o->member, "pred") != 0))
        cli_usage_error("--attribution reads the words of pred: %s cannot be used with it",
                        o->labels ? "--labels" : "--member");
    return first;
}

static void report_skipped(const struct error *why)
{
    complain("%s", why->text);
}

static void read_or_die(struct predictions *p, const char *path, const struct options *o)
{
    const struct prediction_options options = {o->member, o->keep_going, report_skipped};
    struct error err = {0};
    if (predictions_read(p, path, o->labels, &options, &err) < 0)
        die_error(&err);
    if (p->n_probs && !p->has_probs)
        warn("%s: %zu of %zu rows have no probs; NLL, Brier and ECE are not computed", p->name, p->n - p->n_probs,
             p->n);
}

static void evaluate(struct score_report *e, const struct predictions *p, const struct bootstrap *bootstrap)
{
    score_report_compute(e, p, bootstrap);
    long class = score_report_only_class(e);
    if (class >= 0)
        warn("%s: every row is predicted as '%s'", p->name, p->names[class]);
}

static void write_or_die(const struct buf *text, const char *path)
{
    struct output out;
    struct error err = {0};
    if (output_open(&out, path, false, &err) < 0)
        die_error(&err);
    output_write(&out, text->data, text->len);
    if (output_close(&out) < 0)
        die_error(&out.error);
}

static int score_attribution(const struct options *o, const struct bootstrap *bootstrap, const char *path,
                             const char *other)
{
    const struct agreement_options options = {o->keep_going, report_skipped};
    struct marked_sentences trees;
    struct agreement a, b = {0};
    struct buf text = {0};
    struct error err = {0};
    if (marked_sentences_read(&trees, o->trees, &err) < 0 || agreement_read(&a, &trees, path, &options, &err) < 0 ||
        (other && agreement_read(&b, &trees, other, &options, &err) < 0))
        die_error(&err);
    (o->json ? agreement_json : agreement_text)(&text, &a, other ? &b : NULL, &trees, bootstrap);
    write_or_die(&text, o->output);
    int status = a.malformed + b.malformed ? STATUS_PARTIAL : STATUS_OK;
    buf_free(&text);
    agreement_free(&a);
    agreement_free(&b);
    marked_sentences_free(&trees);
    return status;
}

int main(int argc, char **argv)
{
    struct options o = {.member = "pred", .output = "-", .draws = 10000, .level = 0.95};
    int first = parse(&o, argc, argv);
    const char *path = argc > first ? argv[first] : "-", *other = argc > first + 1 ? argv[first + 1] : NULL;
    if (other && strcmp(path, "-") == 0 && strcmp(other, "-") == 0)
        cli_usage_error("only one of the two files can be stdin");

    const struct bootstrap bootstrap = {(size_t)o.draws, o.level, o.seed};
    if (o.trees)
        return score_attribution(&o, &bootstrap, path, other);

    struct predictions a, b = {0};
    struct error err = {0};
    const struct prediction_options options = {o.member, o.keep_going, report_skipped};
    read_or_die(&a, path, &o);
    if (other) {
        read_or_die(&b, other, &o);
        if (predictions_match(&a, &b, &options, &err) < 0)
            die_error(&err);
    }

    struct score_report of_a, of_b = {0};
    struct comparison comparison;
    evaluate(&of_a, &a, &bootstrap);
    if (other) {
        evaluate(&of_b, &b, &bootstrap);
        comparison_compute(&comparison, &a, &b, &bootstrap);
    }

    struct buf text = {0};
    (o.json ? report_json : report_text)(&text, &of_a, &of_b, other ? &comparison : NULL, &bootstrap);
    write_or_die(&text, o.output);

    uint64_t malformed = a.malformed + b.malformed;
    buf_free(&text);
    score_report_free(&of_a);
    score_report_free(&of_b);
    predictions_free(&a);
    predictions_free(&b);
    return malformed ? STATUS_PARTIAL : STATUS_OK;
}
