/* report_text.c - the scores as tables for a person: aligned, at most 80 columns, plain ASCII but for label names. */
#include "score/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Characters of a label name that fit: in the matrix, in the table of classes, in the list of mistakes. */
enum { TEXT_COLUMNS = 80, MATRIX_NAME = 16, CLASS_NAME = 28, MISTAKE_NAME = 34, WORST_LISTED = 10 };

/* ---- cells ---- */

/* A label name cut to `longest` characters, control bytes shown as '?'. */
struct cell {
    char text[4 * MISTAKE_NAME + 1];
    int columns; /* characters, taken as one column each */
};

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static struct cell name_cell(const char *name, int longest)
{
    struct cell cell = {.columns = 0};
    size_t used = 0;
    for (const char *c = name; *c; c++) {
        if (!continues(*c) && cell.columns++ == longest) {
            cell.columns = longest;
            break;
        }
        if (used + 1 == sizeof cell.text)
            break;
        cell.text[used++] = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
    }
    cell.text[used] = '\0';
    return cell;
}

static void add_padded(struct buf *out, const char *text, int columns, int width, bool right)
{
    int gap = width > columns ? width - columns : 0;
    buf_addf(out, "%*s%s%*s", right ? gap : 0, "", text, right ? 0 : gap, "");
}

static void add_name(struct buf *out, const char *name, int longest, int width, bool right)
{
    struct cell cell = name_cell(name, longest);
    add_padded(out, cell.text, cell.columns, width, right);
}

static int widest_name(const struct predictions *p, int longest, int least)
{
    int widest = least;
    for (size_t class = 0; class < p->k; class ++) {
        int columns = name_cell(p->names[class], longest).columns;
        widest = columns > widest ? columns : widest;
    }
    return widest;
}

static void add_number(struct buf *out, int width, double value)
{
    if (isfinite(value))
        buf_addf(out, "%*.4f", width, value);
    else
        buf_addf(out, "%*s", width, "n/a");
}

/* No blanks at the end of a line. */
static void end_line(struct buf *out)
{
    while (out->len && out->data[out->len - 1] == ' ')
        out->len--;
    buf_addch(out, '\n');
}

/* ---- one file ---- */

static void add_rows_line(struct buf *out, const struct predictions *p)
{
    buf_addf(out, "%s: %zu row%s scored", p->name, p->n, p->n == 1 ? "" : "s");
    if (p->unlabelled)
        buf_addf(out, ", %" PRIu64 " without a gold label", p->unlabelled);
    if (p->unanswered)
        buf_addf(out, ", %" PRIu64 " without an answer", p->unanswered);
    if (p->malformed)
        buf_addf(out, ", %" PRIu64 " skipped", p->malformed);
    buf_addch(out, '\n');
}

static void add_metric(struct buf *out, const char *name, double value, const struct interval *interval,
                       const char *note)
{
    buf_addf(out, "%-10s", name);
    add_number(out, 9, value);
    buf_addstr(out, "   ");
    if (interval && isfinite(interval->low))
        buf_addf(out, "%7.4f to %.4f   ", interval->low, interval->high);
    else if (*note)
        buf_addf(out, "%20s", "");
    buf_addstr(out, note);
    end_line(out);
}

static void add_metrics(struct buf *out, const struct score_report *e, double level)
{
    char heading[48];
    snprintf(heading, sizeof heading, "%.10g%% interval", 100 * level);
    buf_addf(out, "\n%19s   %17s\n", "", heading);
    add_metric(out, "accuracy", e->score.accuracy, &e->accuracy, "");
    add_metric(out, "macro-F1", e->score.macro_f1, &e->macro_f1, "");
    add_metric(out, "MCC", e->score.mcc, &e->mcc, "-1 to 1; 0 is chance");
    if (!e->predictions->has_probs) {
        buf_addstr(out, "NLL, Brier, ECE: n/a, because not every row has probabilities\n");
        return;
    }
    add_metric(out, "NLL", e->score.nll, &e->nll, "nats a row; lower is better");
    add_metric(out, "Brier", e->score.brier, NULL, "0 to 2; lower is better");
    add_metric(out, "ECE", e->score.ece, NULL, "0 to 1; 0 is calibrated");
}

static void add_classes(struct buf *out, const struct score_report *e)
{
    const struct predictions *p = e->predictions;
    int width = widest_name(p, CLASS_NAME, 10);
    buf_addch(out, '\n');
    add_padded(out, "class", 5, width, false);
    buf_addf(out, "%11s%9s%9s%10s%11s\n", "precision", "recall", "F1", "support", "predicted");
    for (size_t class = 0; class < p->k; class ++) {
        const struct class_score *score = &e->classes[class];
        add_name(out, p->names[class], CLASS_NAME, width, false);
        add_number(out, 11, score->precision);
        add_number(out, 9, score->recall);
        add_number(out, 9, score->f1);
        buf_addf(out, "%10" PRIu64 "%11" PRIu64 "\n", score->support, score->predicted);
    }
}

static int digits(uint64_t number)
{
    return snprintf(NULL, 0, "%" PRIu64, number);
}

static void add_confusion_matrix(struct buf *out, const struct score_report *e, int name_width, int cell_width)
{
    const struct predictions *p = e->predictions;
    add_padded(out, "gold \\ predicted", 16, name_width, false);
    for (size_t pred = 0; pred < p->k; pred++)
        add_name(out, p->names[pred], MATRIX_NAME, cell_width, true);
    buf_addch(out, '\n');
    for (size_t gold = 0; gold < p->k; gold++) {
        add_name(out, p->names[gold], MATRIX_NAME, name_width, false);
        for (size_t pred = 0; pred < p->k; pred++)
            buf_addf(out, "%*" PRIu64, cell_width, e->counts[gold * p->k + pred]);
        buf_addch(out, '\n');
    }
}

struct mistake {
    size_t gold, pred;
    uint64_t rows;
};

static int by_rows(const void *a, const void *b)
{
    const struct mistake *x = a, *y = b;
    if (x->rows != y->rows)
        return x->rows > y->rows ? -1 : 1;
    if (x->gold != y->gold)
        return x->gold < y->gold ? -1 : 1;
    return (x->pred > y->pred) - (x->pred < y->pred);
}

/* Where the matrix is wider than a page: its largest cells beside the diagonal. */
static void add_worst_mistakes(struct buf *out, const struct score_report *e)
{
    const struct predictions *p = e->predictions;
    struct mistake *mistakes = xmalloc_array(p->k * p->k, sizeof *mistakes);
    size_t n = 0;
    for (size_t i = 0; i < p->k * p->k; i++) {
        if (e->counts[i] && i / p->k != i % p->k)
            mistakes[n++] = (struct mistake){i / p->k, i % p->k, e->counts[i]};
    }
    qsort(mistakes, n, sizeof *mistakes, by_rows);
    int width = widest_name(p, MISTAKE_NAME, 10);
    buf_addf(out, "the most frequent mistakes (--json has the whole %zu x %zu matrix)\n", p->k, p->k);
    add_padded(out, "gold", 4, width + 2, false);
    add_padded(out, "predicted", 9, width, false);
    buf_addf(out, "%8s\n", "rows");
    for (size_t i = 0; i < n && i < WORST_LISTED; i++) {
        add_name(out, p->names[mistakes[i].gold], MISTAKE_NAME, width + 2, false);
        add_name(out, p->names[mistakes[i].pred], MISTAKE_NAME, width, false);
        buf_addf(out, "%8" PRIu64 "\n", mistakes[i].rows);
    }
    free(mistakes);
}

static void add_confusion(struct buf *out, const struct score_report *e)
{
    const struct predictions *p = e->predictions;
    int name_width = widest_name(p, MATRIX_NAME, 16), cell = widest_name(p, MATRIX_NAME, 0);
    for (size_t i = 0; i < p->k * p->k; i++)
        cell = digits(e->counts[i]) > cell ? digits(e->counts[i]) : cell;
    buf_addch(out, '\n');
    if ((size_t)name_width + p->k * ((size_t)cell + 2) <= TEXT_COLUMNS)
        add_confusion_matrix(out, e, name_width, cell + 2);
    else
        add_worst_mistakes(out, e);
}

/* ---- two files ---- */

static void add_compared(struct buf *out, const char *name, double a, double b, const struct interval *interval)
{
    buf_addf(out, "%-10s", name);
    add_number(out, 9, a);
    add_number(out, 10, b);
    if (isfinite(b - a))
        buf_addf(out, "%+11.4f", b - a);
    else
        buf_addf(out, "%11s", "n/a");
    if (interval && isfinite(interval->low))
        buf_addf(out, "   %+.4f to %+.4f", interval->low, interval->high);
    buf_addch(out, '\n');
}

static void add_p(struct buf *out, const char *name, double p)
{
    if (p < 0.0001)
        buf_addf(out, "%s < 0.0001", name);
    else
        buf_addf(out, "%s = %.4f", name, p);
}

static void add_mcnemar(struct buf *out, const struct comparison *c, double level)
{
    buf_addf(out, "\n%-10s%9s%10s\n", "", "B right", "B wrong");
    buf_addf(out, "%-10s%9" PRIu64 "%10" PRIu64 "\n", "A right", c->pairs.both_right, c->pairs.only_a);
    buf_addf(out, "%-10s%9" PRIu64 "%10" PRIu64 "\n\n", "A wrong", c->pairs.only_b, c->pairs.both_wrong);
    buf_addstr(out, "McNemar's test: ");
    add_p(out, "exact p", c->mcnemar.exact);
    add_p(out, ", mid-p", c->mcnemar.mid_p);
    buf_addf(out, ".\nAt the %.10g%% level the difference in accuracy %s.\n", 100 * level,
             c->mcnemar.exact < 1 - level ? "is unlikely to be chance" : "may be chance");
}

static void add_comparison(struct buf *out, const struct score_report *a, const struct score_report *b,
                           const struct comparison *c, double level)
{
    const struct predictions *p = a->predictions, *q = b->predictions;
    char heading[48];
    snprintf(heading, sizeof heading, "%.10g%% interval", 100 * level);
    buf_addstr(out, "A  ");
    add_rows_line(out, p);
    buf_addstr(out, "B  ");
    add_rows_line(out, q);
    buf_addf(out, "matched by %s\n\n", p->has_idx && q->has_idx ? "idx" : "order");
    buf_addf(out, "%-10s%9s%10s%11s   %18s\n", "", "A", "B", "B - A", heading);
    add_compared(out, "accuracy", a->score.accuracy, b->score.accuracy, &c->accuracy_interval);
    add_compared(out, "macro-F1", a->score.macro_f1, b->score.macro_f1, NULL);
    add_compared(out, "MCC", a->score.mcc, b->score.mcc, NULL);
    add_compared(out, "NLL", a->score.nll, b->score.nll, &c->nll_interval);
    add_compared(out, "Brier", a->score.brier, b->score.brier, NULL);
    add_compared(out, "ECE", a->score.ece, b->score.ece, NULL);
    add_mcnemar(out, c, level);
}

void report_text(struct buf *out, const struct score_report *a, const struct score_report *b,
                 const struct comparison *c, const struct bootstrap *options)
{
    if (c) {
        add_comparison(out, a, b, c, options->level);
        return;
    }
    add_rows_line(out, a->predictions);
    add_metrics(out, a, options->level);
    add_classes(out, a);
    add_confusion(out, a);
}
