/* predictions.c - from NDJSON lines to arrays of labels and probabilities. Two files are put together in matching.c. */
#include "score/predictions.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/class_names.h"
#include "base/memory.h"
#include "wire/json.h"
#include "wire/lines.h"

struct reader {
    struct predictions *p;
    const struct prediction_options *options;
    struct lines lines;
    struct json doc;
    size_t names_cap;
    bool names_fixed;
    double probs[PREDICTIONS_MAX_CLASSES]; /* of the row at hand */
};

struct row {
    bool has_idx, answered;
    long long idx, gold, pred;
    const struct json_node *probs; /* NULL: none */
};

/* ---- label names ---- */

static void names_grow(struct reader *r, size_t k)
{
    struct predictions *p = r->p;
    if (k > r->names_cap) {
        r->names_cap = k < 8 ? 8 : 2 * k;
        p->names = xrealloc_array(p->names, r->names_cap, sizeof *p->names);
    }
    while (p->k < k)
        p->names[p->k++] = NULL;
}

static int names_fix(struct reader *r, const char *labels, struct error *err)
{
    struct class_names fixed;
    if (class_names_parse(&fixed, labels, err) < 0)
        return -1;
    if (fixed.n > PREDICTIONS_MAX_CLASSES) {
        class_names_free(&fixed);
        return error_set(err, STATUS_USAGE, "--labels: at most %d classes are scored", PREDICTIONS_MAX_CLASSES);
    }
    names_grow(r, fixed.n);
    for (size_t i = 0; i < fixed.n; i++)
        r->p->names[i] = xstrdup(fixed.names[i]);
    class_names_free(&fixed);
    r->names_fixed = true;
    return 0;
}

static int class_check(struct reader *r, const char *member, long long class, struct error *err)
{
    if (r->names_fixed && (size_t) class >= r->p->k)
        return error_set(err, STATUS_USAGE, "%s is %lld, but --labels has %zu names", member, class, r->p->k);
    if (class >= PREDICTIONS_MAX_CLASSES)
        return error_set(err, STATUS_FAILURE, "%s is %lld; at most %d classes are scored", member, class,
                         PREDICTIONS_MAX_CLASSES);
    if (r->p->width && (size_t) class >= r->p->width)
        return error_set(err, STATUS_FAILURE, "%s is %lld, but %s.probs has %zu members", member, class,
                         r->options->member, r->p->width);
    names_grow(r, (size_t) class + 1);
    return 0;
}

/* The name that a row gives to a class: the first is kept, another one for the same class is an error. */
static int class_name(struct reader *r, long long class, const struct json_node *text, struct error *err)
{
    if (!text || text->type != JSON_STRING || text->len == 0)
        return 0;
    char **name = &r->p->names[class];
    if (!*name) {
        *name = xmemdup0(text->text, text->len);
        return 0;
    }
    if (json_is(text, *name))
        return 0;
    if (r->names_fixed)
        return error_set(err, STATUS_USAGE, "label %lld is named '%s' here and '%s' by --labels", class, text->text,
                         *name);
    return error_set(err, STATUS_FAILURE, "label %lld is named '%s' here and '%s' in earlier rows", class, text->text,
                     *name);
}

/* Classes that only a malformed row named are none. */
static void names_shrink(struct reader *r, size_t k)
{
    while (r->p->k > k)
        free(r->p->names[--r->p->k]);
}

static void names_complete(struct reader *r)
{
    names_grow(r, r->p->width > 2 ? r->p->width : 2);
    for (size_t class = 0; class < r->p->k; class ++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", class);
        if (!r->p->names[class])
            r->p->names[class] = xstrdup(number);
    }
}

/* ---- one row ---- */

static int parse_gold(struct reader *r, const struct json_node *root, struct row *row, struct error *err)
{
    const struct json_node *label = json_member(&r->doc, root, "label");
    if (!label || label->type == JSON_NULL)
        return error_set(err, STATUS_FAILURE,
                         "no gold label: add \"label\" to the rows before bert-infer (sst2-dump does)");
    if (!json_get_long(label, &row->gold) || row->gold < -1)
        return error_set(err, STATUS_FAILURE, "label is no class number (0, 1, ..., or -1 where it is unknown)");
    if (row->gold == -1)
        return 0;
    if (class_check(r, "label", row->gold, err) < 0)
        return -1;
    return class_name(r, row->gold, json_member(&r->doc, root, "label_text"), err);
}

static int parse_probs(struct reader *r, const struct json_node *probs, struct error *err)
{
    const char *member = r->options->member;
    double sum = 0;
    size_t i = 0;
    for (const struct json_node *node = json_first(&r->doc, probs); node; node = json_next(&r->doc, node), i++) {
        double *value = &r->probs[i];
        if (!json_get_double(node, value))
            return error_set(err, STATUS_FAILURE, "%s.probs[%zu] is not a finite number", member, i);
        if (*value < 0 || *value > 1.001)
            return error_set(err, STATUS_FAILURE, "%s.probs[%zu] is %g, not a probability", member, i, *value);
        sum += *value;
    }
    if (fabs(sum - 1) > 1e-3)
        return error_set(err, STATUS_FAILURE, "%s.probs sum to %g, not to 1", member, sum);
    return 0;
}

static int check_probs(struct reader *r, const struct row *row, struct error *err)
{
    struct predictions *p = r->p;
    const char *member = r->options->member;
    if (row->probs->type != JSON_ARRAY || row->probs->count < 2)
        return error_set(err, STATUS_FAILURE, "%s.probs is no array of at least two numbers", member);
    size_t width = row->probs->count;
    if (width > PREDICTIONS_MAX_CLASSES)
        return error_set(err, STATUS_FAILURE, "%s.probs has %zu members; at most %d classes are scored", member, width,
                         PREDICTIONS_MAX_CLASSES);
    if (p->width && width != p->width)
        return error_set(err, STATUS_FAILURE, "%s.probs has %zu members, and %zu in earlier rows", member, width,
                         p->width);
    if (r->names_fixed && width != p->k)
        return error_set(err, STATUS_USAGE, "%s.probs has %zu members, but --labels has %zu names", member, width,
                         p->k);
    if (p->k > width)
        return error_set(err, STATUS_FAILURE, "%s.probs has %zu members, but there is a label %zu", member, width,
                         p->k - 1);
    if (parse_probs(r, row->probs, err) < 0)
        return -1;
    p->width = width;
    return 0;
}

static int parse_prediction(struct reader *r, const struct json_node *root, struct row *row, struct error *err)
{
    const char *member = r->options->member;
    bool teacher = strcmp(member, "teacher") == 0;
    const struct json_node *pred = json_member(&r->doc, root, member);
    if (teacher && (!pred || pred->type == JSON_NULL))
        return 0;
    if (!pred)
        return error_set(err, STATUS_FAILURE, "no member \"%s\"; %s", member,
                         json_member(&r->doc, root, "teacher")
                             ? "run bert-infer first, or score the teacher with --member teacher"
                             : "run bert-infer first");
    if (pred->type != JSON_OBJECT)
        return error_set(err, STATUS_FAILURE, "%s is %s, not an object", member, json_type_name(pred->type));
    const struct json_node *status = json_member(&r->doc, pred, "status");
    if (teacher && status && !json_is(status, "ok"))
        return 0;
    if (!json_get_long(json_member(&r->doc, pred, "label"), &row->pred) || row->pred < 0)
        return error_set(err, STATUS_FAILURE, "%s.label is no class number (0, 1, ...)", member);
    if (class_check(r, "the predicted label", row->pred, err) < 0 ||
        class_name(r, row->pred, json_member(&r->doc, pred, "label_text"), err) < 0)
        return -1;
    row->answered = true;
    row->probs = json_member(&r->doc, pred, "probs");
    if (row->probs && row->probs->type == JSON_NULL)
        row->probs = NULL;
    return row->probs ? check_probs(r, row, err) : 0;
}

static int parse_row(struct reader *r, const char *line, size_t len, struct row *row, struct error *err)
{
    *row = (struct row){0};
    if (len == 0)
        return error_set(err, STATUS_FAILURE, "an empty line where a JSON object is due");
    if (json_parse(&r->doc, line, len, err) < 0)
        return -1;
    const struct json_node *root = json_root(&r->doc);
    if (root->type != JSON_OBJECT)
        return error_set(err, STATUS_FAILURE, "%s where a JSON object is due", json_type_name(root->type));
    const struct json_node *idx = json_member(&r->doc, root, "idx");
    row->has_idx = idx && idx->type != JSON_NULL;
    if (row->has_idx && !json_get_long(idx, &row->idx))
        return error_set(err, STATUS_FAILURE, "idx is no integer");
    if (parse_gold(r, root, row, err) < 0)
        return -1;
    return parse_prediction(r, root, row, err);
}

/* ---- the arrays ---- */

static void grow(struct predictions *p)
{
    if (p->n < p->cap)
        return;
    p->cap = p->cap ? 2 * p->cap : 1024;
    p->idx = xrealloc_array(p->idx, p->cap, sizeof *p->idx);
    p->line = xrealloc_array(p->line, p->cap, sizeof *p->line);
    p->gold = xrealloc_array(p->gold, p->cap, sizeof *p->gold);
    p->pred = xrealloc_array(p->pred, p->cap, sizeof *p->pred);
    if (p->n_probs)
        p->probs = xrealloc_array(p->probs, p->cap, p->width * sizeof *p->probs);
}

static void add_probs(struct reader *r)
{
    struct predictions *p = r->p;
    if (p->n_probs++ == 0)
        p->probs = xmalloc_array(p->cap, p->width * sizeof *p->probs);
    memcpy(p->probs + p->n * p->width, r->probs, p->width * sizeof *p->probs);
}

static void add_row(struct reader *r, const struct row *row)
{
    struct predictions *p = r->p;
    if (row->gold == -1) {
        p->unlabelled++;
        return;
    }
    if (!row->answered) {
        p->unanswered++;
        return;
    }
    grow(p);
    if (row->probs)
        add_probs(r);
    p->idx[p->n] = row->idx;
    p->line[p->n] = r->lines.number;
    p->gold[p->n] = (int32_t)row->gold;
    p->pred[p->n] = (int32_t)row->pred;
    p->n_idx += row->has_idx;
    p->n++;
}

/* Names the other formats that could have come here by mistake. */
static int check_format(struct reader *r, struct error *err)
{
    const char *data;
    size_t len;
    if (lines_peek(&r->lines, 8, &data, &len, err) < 0)
        return -1;
    const char *name = r->lines.in.name;
    if (len == 8 && memcmp(data + 4, "\0\0\0\0", 4) == 0)
        return error_set(err, STATUS_FAILURE, "%s: looks like a token stream or a model; run bert-infer first", name);
    if (len > 0 && !strchr("{ \t\r\n[", data[0]))
        return error_set(err, STATUS_FAILURE, "%s: no NDJSON; predictions are what bert-infer writes for NDJSON rows",
                         name);
    return 0;
}

static int read_rows(struct reader *r, struct error *err)
{
    struct predictions *p = r->p;
    const char *line;
    size_t len;
    int more;
    while ((more = lines_next(&r->lines, &line, &len, err)) > 0) {
        struct row row;
        size_t k = p->k;
        if (parse_row(r, line, len, &row, err) == 0) {
            add_row(r, &row);
            continue;
        }
        error_prefix(err, "%s:%" PRIu64, p->name, r->lines.number);
        if (!r->options->keep_going || err->status != STATUS_FAILURE)
            return -1;
        names_shrink(r, k);
        p->malformed++;
        r->options->skipped(err);
        *err = (struct error){0};
    }
    return more;
}

static int check_not_empty(const struct predictions *p, struct error *err)
{
    if (p->n)
        return 0;
    if (p->unlabelled)
        return error_set(err, STATUS_FAILURE, "%s: no row has a gold label; nothing to score", p->name);
    if (p->unanswered)
        return error_set(err, STATUS_FAILURE, "%s: no row has a teacher's answer; nothing to score", p->name);
    return error_set(err, STATUS_FAILURE, "%s: no rows; an upstream stage may have failed", p->name);
}

int predictions_read(struct predictions *p, const char *path, const char *labels,
                     const struct prediction_options *options, struct error *err)
{
    struct reader r = {.p = p, .options = options};
    *p = (struct predictions){0};
    int rc = -1;
    if (lines_open(&r.lines, path, 0, err) < 0)
        return -1;
    p->name = xstrdup(r.lines.in.name);
    if ((labels && names_fix(&r, labels, err) < 0) || check_format(&r, err) < 0 || read_rows(&r, err) < 0 ||
        check_not_empty(p, err) < 0)
        goto out;
    names_complete(&r);
    p->has_probs = p->n_probs == p->n;
    p->has_idx = p->n_idx == p->n;
    rc = 0;
out:
    json_free(&r.doc);
    lines_close(&r.lines);
    return rc;
}

void predictions_free(struct predictions *p)
{
    for (size_t class = 0; class < p->k; class ++)
        free(p->names[class]);
    free(p->names);
    free(p->name);
    free(p->idx);
    free(p->line);
    free(p->gold);
    free(p->pred);
    free(p->probs);
    *p = (struct predictions){0};
}
