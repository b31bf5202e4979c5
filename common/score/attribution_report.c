/* attribution_report.c - how well words agree, as a table and as one line of JSON. */
#include "score/attribution.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "wire/json.h"

static const char *const names[AGREEMENT_KINDS] = {"decisive", "polarity"};

/* ---- text ---- */

static void add_file(struct buf *out, const char *prefix, const struct agreement *a, const struct marked_sentences *m)
{
    buf_addf(out, "%s%s: %" PRIu64 " rows with a tree of %s", prefix, a->name, a->matched, m->name);
    if (a->unmatched)
        buf_addf(out, ", %" PRIu64 " without", a->unmatched);
    if (a->repeated)
        buf_addf(out, ", %" PRIu64 " repeated", a->repeated);
    if (a->malformed)
        buf_addf(out, ", %" PRIu64 " skipped", a->malformed);
    buf_addf(out, "\n%*sscores: %s", (int)strlen(prefix), "", a->method ? a->method : "of an unknown method");
    if (isfinite(a->completeness_error))
        buf_addf(out, ", mean completeness error %.3g", a->completeness_error);
    buf_addch(out, '\n');
}

static void add_area(struct buf *out, double value, bool is_difference)
{
    if (isfinite(value) && is_difference)
        buf_addf(out, "%+10.4f", value);
    else if (isfinite(value))
        buf_addf(out, "%10.4f", value);
    else
        buf_addf(out, "%10s", "n/a");
}

static void add_range(struct buf *out, const struct interval *interval, bool is_difference)
{
    if (isfinite(interval->low) && is_difference)
        buf_addf(out, "   %+.4f to %+.4f", interval->low, interval->high);
    else if (isfinite(interval->low))
        buf_addf(out, "   %.4f to %.4f", interval->low, interval->high);
}

static void add_legend(struct buf *out)
{
    buf_addstr(out, "\nThe area under the ROC curve of a sentence's words, mean over sentences; 0.5 is\n"
                    "chance. decisive: |score| of the words that people marked against the others;\n"
                    "polarity: score of favourable words against unfavourable ones.\n");
}

void agreement_text(struct buf *out, const struct agreement *a, const struct agreement *b,
                    const struct marked_sentences *m, const struct bootstrap *bootstrap)
{
    char heading[48];
    snprintf(heading, sizeof heading, "%.10g%% interval", 100 * bootstrap->level);
    add_file(out, b ? "A  " : "", a, m);
    if (b)
        add_file(out, "B  ", b, m);
    if (b)
        buf_addf(out, "\n%-10s%10s%10s%10s%10s   %18s\n", "", "sentences", "A", "B", "B - A", heading);
    else
        buf_addf(out, "\n%-10s%10s%10s   %16s\n", "", "sentences", "area", heading);
    for (int i = 0; i < AGREEMENT_KINDS; i++) {
        enum agreement_kind kind = (enum agreement_kind)i;
        struct agreement_score of_a = agreement_score(a, b, m, kind, bootstrap);
        struct agreement_score shown = b ? agreement_difference(a, b, m, kind, bootstrap) : of_a;
        buf_addf(out, "%-10s%10zu", names[kind], shown.sentences);
        add_area(out, of_a.mean, false);
        if (b) {
            add_area(out, agreement_score(b, a, m, kind, bootstrap).mean, false);
            add_area(out, shown.mean, true);
        }
        add_range(out, &shown.interval, b != NULL);
        buf_addch(out, '\n');
    }
    add_legend(out);
}

/* ---- JSON ---- */

static void add_value(struct buf *out, double value)
{
    if (isfinite(value))
        json_add_double(out, value);
    else
        buf_addstr(out, "null");
}

static void add_score(struct buf *out, const char *name, const char *mean, const struct agreement_score *s)
{
    buf_addf(out, ",\"%s\":{\"%s\":", name, mean);
    add_value(out, s->mean);
    buf_addstr(out, ",\"interval\":");
    if (isfinite(s->interval.low)) {
        buf_addch(out, '[');
        add_value(out, s->interval.low);
        buf_addch(out, ',');
        add_value(out, s->interval.high);
        buf_addch(out, ']');
    } else {
        buf_addstr(out, "null");
    }
    buf_addf(out, ",\"sentences\":%zu}", s->sentences);
}

static void add_agreement(struct buf *out, const struct agreement *a, const struct marked_sentences *m,
                          const struct bootstrap *bootstrap)
{
    buf_addstr(out, "\"file\":");
    json_add_string(out, a->name, strlen(a->name));
    buf_addstr(out, ",\"trees\":");
    json_add_string(out, m->name, strlen(m->name));
    buf_addf(out,
             ",\"rows\":%" PRIu64 ",\"matched\":%" PRIu64 ",\"unmatched\":%" PRIu64 ",\"repeated\":%" PRIu64
             ",\"skipped\":%" PRIu64 ",\"method\":",
             a->rows, a->matched, a->unmatched, a->repeated, a->malformed);
    if (a->method)
        json_add_string(out, a->method, strlen(a->method));
    else
        buf_addstr(out, "null");
    buf_addstr(out, ",\"completeness_error\":");
    add_value(out, a->completeness_error);
    for (int kind = 0; kind < AGREEMENT_KINDS; kind++) {
        struct agreement_score s = agreement_score(a, NULL, m, (enum agreement_kind)kind, bootstrap);
        add_score(out, names[kind], "area", &s);
    }
}

void agreement_json(struct buf *out, const struct agreement *a, const struct agreement *b,
                    const struct marked_sentences *m, const struct bootstrap *bootstrap)
{
    buf_addch(out, '{');
    add_agreement(out, a, m, bootstrap);
    buf_addstr(out, ",\"level\":");
    add_value(out, bootstrap->level);
    buf_addf(out, ",\"draws\":%zu,\"seed\":%" PRIu64, bootstrap->draws, bootstrap->seed);
    if (b) {
        buf_addstr(out, ",\"other\":{");
        add_agreement(out, b, m, bootstrap);
        buf_addstr(out, "},\"comparison\":{\"matched_by\":\"sentence\"");
        for (int kind = 0; kind < AGREEMENT_KINDS; kind++) {
            struct agreement_score s = agreement_difference(a, b, m, (enum agreement_kind)kind, bootstrap);
            add_score(out, names[kind], "area_difference", &s);
        }
        buf_addch(out, '}');
    }
    buf_addstr(out, "}\n");
}
