/* report_json.c - the scores as one NDJSON line. */
#include "score/report.h"

#include <math.h>
#include <string.h>

#include "wire/json.h"

static void add_key(struct buf *out, const char *key)
{
    char last = out->len ? out->data[out->len - 1] : '\0';
    if (last != '{')
        buf_addch(out, ',');
    json_add_string(out, key, strlen(key));
    buf_addch(out, ':');
}

static void add_text(struct buf *out, const char *key, const char *text)
{
    add_key(out, key);
    json_add_string(out, text, strlen(text));
}

static void add_count(struct buf *out, const char *key, uint64_t count)
{
    add_key(out, key);
    json_add_long(out, (long long)count);
}

static void add_value(struct buf *out, double value)
{
    if (isfinite(value))
        json_add_double(out, value);
    else
        buf_addstr(out, "null");
}

static void add_number(struct buf *out, const char *key, double value)
{
    add_key(out, key);
    add_value(out, value);
}

static void add_interval(struct buf *out, const char *key, const struct interval *interval)
{
    add_key(out, key);
    if (!isfinite(interval->low)) {
        buf_addstr(out, "null");
        return;
    }
    buf_addch(out, '[');
    add_value(out, interval->low);
    buf_addch(out, ',');
    add_value(out, interval->high);
    buf_addch(out, ']');
}

static void add_classes(struct buf *out, const struct score_report *e)
{
    add_key(out, "classes");
    buf_addch(out, '[');
    for (size_t class = 0; class < e->predictions->k; class ++) {
        const struct class_score *score = &e->classes[class];
        buf_addstr(out, class ? ",{" : "{");
        add_count(out, "label", class);
        add_text(out, "label_text", e->predictions->names[class]);
        add_number(out, "precision", score->precision);
        add_number(out, "recall", score->recall);
        add_number(out, "f1", score->f1);
        add_count(out, "support", score->support);
        add_count(out, "predicted", score->predicted);
        buf_addch(out, '}');
    }
    buf_addch(out, ']');
}

static void add_confusion(struct buf *out, const struct score_report *e)
{
    size_t k = e->predictions->k;
    add_key(out, "confusion");
    buf_addch(out, '[');
    for (size_t i = 0; i < k * k; i++) {
        buf_addstr(out, i % k ? "," : i ? "],[" : "[");
        json_add_long(out, (long long)e->counts[i]);
    }
    buf_addstr(out, "]]");
}

static void add_evaluation(struct buf *out, const struct score_report *e)
{
    const struct predictions *p = e->predictions;
    add_text(out, "file", p->name);
    add_count(out, "rows", p->n);
    add_count(out, "unlabelled", p->unlabelled);
    add_count(out, "unanswered", p->unanswered);
    add_count(out, "skipped", p->malformed);
    add_number(out, "accuracy", e->score.accuracy);
    add_interval(out, "accuracy_interval", &e->accuracy);
    add_number(out, "macro_f1", e->score.macro_f1);
    add_interval(out, "macro_f1_interval", &e->macro_f1);
    add_number(out, "mcc", e->score.mcc);
    add_interval(out, "mcc_interval", &e->mcc);
    add_number(out, "nll", e->score.nll);
    add_interval(out, "nll_interval", &e->nll);
    add_number(out, "brier", e->score.brier);
    add_number(out, "ece", e->score.ece);
    add_classes(out, e);
    add_confusion(out, e);
}

static void add_comparison(struct buf *out, const struct comparison *c, const char *matched_by)
{
    add_text(out, "matched_by", matched_by);
    add_number(out, "accuracy_difference", c->accuracy);
    add_interval(out, "accuracy_difference_interval", &c->accuracy_interval);
    add_number(out, "nll_difference", c->nll);
    add_interval(out, "nll_difference_interval", &c->nll_interval);
    add_key(out, "mcnemar");
    buf_addch(out, '{');
    add_count(out, "both_right", c->pairs.both_right);
    add_count(out, "b", c->pairs.only_a);
    add_count(out, "c", c->pairs.only_b);
    add_count(out, "both_wrong", c->pairs.both_wrong);
    add_number(out, "p", c->mcnemar.exact);
    add_number(out, "mid_p", c->mcnemar.mid_p);
    buf_addch(out, '}');
}

void report_json(struct buf *out, const struct score_report *a, const struct score_report *b,
                 const struct comparison *c, const struct bootstrap *options)
{
    buf_addch(out, '{');
    add_evaluation(out, a);
    add_number(out, "level", options->level);
    add_count(out, "draws", options->draws);
    add_key(out, "seed");
    buf_addf(out, "%llu", (unsigned long long)options->seed);
    if (c) {
        add_key(out, "other");
        buf_addch(out, '{');
        add_evaluation(out, b);
        buf_addch(out, '}');
        add_key(out, "comparison");
        buf_addch(out, '{');
        add_comparison(out, c, a->predictions->has_idx && b->predictions->has_idx ? "idx" : "order");
        buf_addch(out, '}');
    }
    buf_addstr(out, "}\n");
}
