/* attribution.c - see attribution.h; the tables are in attribution_report.c, the trees in marked_sentences.c. */
#include "score/attribution.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "score/marked_sentences.h"
#include "wire/json.h"
#include "wire/lines.h"

/* A word of a prediction, its place counted without white space. */
struct scored_word {
    size_t begin, end;
    double score;
};

struct reader {
    struct agreement *a;
    const struct marked_sentences *m;
    struct lines lines;
    struct json doc;
    struct buf key, places; /* places: size_t [length + 1], bytes that are no white space before each */
    struct buf words;       /* struct scored_word */
    struct buf sides[2];    /* double: the scores of either kind of words */
    double error_sum;
    uint64_t errors;
};

double area_under_curve(const double *positive, size_t n_positive, const double *negative, size_t n_negative)
{
    double first = 0;
    for (size_t i = 0; i < n_positive; i++)
        for (size_t j = 0; j < n_negative; j++)
            first += positive[i] > negative[j] ? 1 : positive[i] == negative[j] ? 0.5 : 0;
    return n_positive && n_negative ? first / ((double)n_positive * (double)n_negative) : (double)NAN;
}

/* ---- one row ---- */

static int parse_words(struct reader *r, const struct json_node *list, size_t length, struct error *err)
{
    const size_t *places = (const size_t *)(const void *)r->places.data;
    long long last = 0;
    size_t i = 0;
    buf_reset(&r->words);
    for (const struct json_node *node = json_first(&r->doc, list); node; node = json_next(&r->doc, node), i++) {
        long long begin, end;
        double score;
        if (!json_get_long(json_member(&r->doc, node, "begin"), &begin) ||
            !json_get_long(json_member(&r->doc, node, "end"), &end) ||
            !json_get_double(json_member(&r->doc, node, "score"), &score))
            return error_set(err, STATUS_FAILURE, "pred.attribution[%zu] has no numbers begin, end and score", i);
        if (begin < last || end <= begin || (unsigned long long)end > length)
            return error_set(
                err, STATUS_FAILURE,
                "pred.attribution[%zu] is at %lld to %lld: words must follow each other inside the sentence", i, begin,
                end);
        last = end;
        const struct scored_word word = {places[begin], places[end], score};
        buf_add(&r->words, &word, sizeof word);
    }
    return 0;
}

static int parse_row(struct reader *r, const char *line, size_t len, struct error *err)
{
    if (json_parse(&r->doc, line, len, err) < 0)
        return -1;
    const struct json_node *root = json_root(&r->doc), *sentence = json_member(&r->doc, root, "sentence");
    const struct json_node *pred = json_member(&r->doc, root, "pred");
    const struct json_node *list = json_member(&r->doc, pred, "attribution");
    if (!sentence || sentence->type != JSON_STRING)
        return error_set(err, STATUS_FAILURE, "no string \"sentence\"; give bert-infer NDJSON or text, not a stream");
    if (!list || list->type != JSON_ARRAY)
        return error_set(err, STATUS_FAILURE, "no list pred.attribution; run bert-infer --attribution first");
    marked_key(sentence->text, sentence->len, &r->key, &r->places);
    return parse_words(r, list, sentence->len, err);
}

static void note_method(struct reader *r)
{
    const struct json_node *pred = json_member(&r->doc, json_root(&r->doc), "pred");
    const struct json_node *method = json_member(&r->doc, pred, "attribution_method");
    double value;
    if (json_get_double(json_member(&r->doc, pred, "completeness_error"), &value)) {
        r->error_sum += value;
        r->errors++;
    }
    if (!method || method->type != JSON_STRING)
        return;
    if (!r->a->method) {
        r->a->method = xmemdup0(method->text, method->len);
    } else if (!json_is(method, r->a->method)) {
        free(r->a->method);
        r->a->method = xstrdup("mixed");
    }
}

/* The score of a tree's word: of the prediction's words that share a byte with it the one of the largest magnitude;
 * *next goes on over those that lie before it. False where there is none: it was cut off. */
static bool score_of(const struct scored_word *words, size_t n, const struct marked_word *of, size_t *next,
                     double *score)
{
    bool found = false;
    while (*next < n && words[*next].end <= of->begin)
        (*next)++;
    for (size_t i = *next; i < n && words[i].begin < of->end; i++) {
        if (!found || fabs(words[i].score) > fabs(*score))
            *score = words[i].score;
        found = true;
    }
    return found;
}

static double area(struct reader *r, const struct marked_sentence *sentence, enum agreement_kind kind)
{
    const struct scored_word *words = (const struct scored_word *)(const void *)r->words.data;
    size_t n = r->words.len / sizeof *words, next = 0;
    buf_reset(&r->sides[0]);
    buf_reset(&r->sides[1]);
    for (size_t i = 0; i < sentence->n; i++) {
        const struct marked_word *word = &r->m->words[sentence->first + i];
        double score;
        if (!score_of(words, n, word, &next, &score) || (kind == AGREEMENT_POLARITY && word->sign == 0))
            continue;
        score = kind == AGREEMENT_DECISIVE ? fabs(score) : score;
        buf_add(&r->sides[kind == AGREEMENT_DECISIVE ? word->sign != 0 : word->sign > 0], &score, sizeof score);
    }
    return area_under_curve((const double *)(const void *)r->sides[1].data, r->sides[1].len / sizeof(double),
                            (const double *)(const void *)r->sides[0].data, r->sides[0].len / sizeof(double));
}

static void add_row(struct reader *r, bool *seen)
{
    const struct marked_sentence *sentence = marked_find(r->m, r->key.data, r->key.len);
    r->a->rows++;
    if (!sentence) {
        r->a->unmatched++;
        return;
    }
    size_t i = (size_t)(sentence - r->m->sentences);
    if (seen[i]) {
        r->a->repeated++;
        return;
    }
    seen[i] = true;
    r->a->matched++;
    note_method(r);
    for (int kind = 0; kind < AGREEMENT_KINDS; kind++)
        r->a->areas[kind][i] = area(r, sentence, (enum agreement_kind)kind);
}

/* ---- a file ---- */

static int read_rows(struct reader *r, bool *seen, const struct agreement_options *options, struct error *err)
{
    const char *line;
    size_t len;
    int more;
    while ((more = lines_next(&r->lines, &line, &len, err)) > 0) {
        if (parse_row(r, line, len, err) == 0) {
            add_row(r, seen);
            continue;
        }
        error_prefix(err, "%s:%" PRIu64, r->a->name, r->lines.number);
        if (!options->keep_going)
            return -1;
        r->a->malformed++;
        options->skipped(err);
        *err = (struct error){0};
    }
    return more;
}

static int check_matched(const struct agreement *a, const struct marked_sentences *m, struct error *err)
{
    if (a->matched)
        return 0;
    if (a->rows)
        return error_set(err, STATUS_FAILURE, "%s: none of its %" PRIu64 " sentences stands in %s", a->name, a->rows,
                         m->name);
    return error_set(err, STATUS_FAILURE, "%s: no rows; an upstream stage may have failed", a->name);
}

int agreement_read(struct agreement *a, const struct marked_sentences *m, const char *path,
                   const struct agreement_options *options, struct error *err)
{
    struct reader r = {.a = a, .m = m};
    *a = (struct agreement){.completeness_error = (double)NAN};
    if (lines_open(&r.lines, path, 0, err) < 0)
        return -1;
    a->name = xstrdup(r.lines.in.name);
    for (int kind = 0; kind < AGREEMENT_KINDS; kind++) {
        a->areas[kind] = xmalloc_array(m->n, sizeof *a->areas[kind]);
        for (size_t i = 0; i < m->n; i++)
            a->areas[kind][i] = (double)NAN;
    }
    bool *seen = xcalloc(m->n, sizeof *seen);
    int rc = read_rows(&r, seen, options, err);
    if (rc == 0)
        rc = check_matched(a, m, err);
    if (r.errors)
        a->completeness_error = r.error_sum / (double)r.errors;
    free(seen);
    buf_free(&r.key);
    buf_free(&r.places);
    buf_free(&r.words);
    buf_free(&r.sides[0]);
    buf_free(&r.sides[1]);
    json_free(&r.doc);
    lines_close(&r.lines);
    return rc;
}

void agreement_free(struct agreement *a)
{
    for (int kind = 0; kind < AGREEMENT_KINDS; kind++)
        free(a->areas[kind]);
    free(a->name);
    free(a->method);
    *a = (struct agreement){0};
}

/* ---- the means ---- */

/* Of areas less those of `from` (NULL: 0), over the sentences where these are and `both` (NULL: any) is. */
static struct agreement_score mean_of(const double *areas, const double *from, const double *both, size_t n,
                                      const struct bootstrap *bootstrap)
{
    struct agreement_score s = {(double)NAN, {(double)NAN, (double)NAN}, 0};
    double *values = xmalloc_array(n, sizeof *values), sum = 0;
    for (size_t i = 0; i < n; i++) {
        double value = from ? areas[i] - from[i] : areas[i];
        if (isnan(value) || (both && isnan(both[i])))
            continue;
        values[s.sentences++] = value;
        sum += value;
    }
    if (s.sentences) {
        s.mean = sum / (double)s.sentences;
        s.interval = bootstrap_mean(bootstrap, values, s.sentences);
    }
    free(values);
    return s;
}

struct agreement_score agreement_score(const struct agreement *a, const struct agreement *both,
                                       const struct marked_sentences *m, enum agreement_kind kind,
                                       const struct bootstrap *bootstrap)
{
    return mean_of(a->areas[kind], NULL, both ? both->areas[kind] : NULL, m->n, bootstrap);
}

struct agreement_score agreement_difference(const struct agreement *a, const struct agreement *b,
                                            const struct marked_sentences *m, enum agreement_kind kind,
                                            const struct bootstrap *bootstrap)
{
    return mean_of(b->areas[kind], a->areas[kind], NULL, m->n, bootstrap);
}
