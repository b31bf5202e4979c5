/* report_rows.c - what the report tells of single rows: contrast pairs by kind of edit, the teacher's own answers on
 * the training rows and what they cost, the sentences that an arm got right where label-only did not, and the other
 * way.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "report/compare.h"
#include "report/report.h"
#include "wire/json.h"

static const char baseline[] = "label";
enum { FILE_CAP = 1 << 28, MOST_KINDS = 16, QUOTED = 10 };

/* ---- rows ---- */

struct lines {
    char *text;
    char **line;
    size_t n;
};

/* The lines of a file of the experiment; none where it is not there. */
static void read_lines(struct lines *l, const char *folder, const char *name)
{
    struct error ignored = {0};
    size_t len;
    char *path = path_join(folder, name), *save = NULL;
    *l = (struct lines){0};
    l->text = file_read(path, FILE_CAP, &len, &ignored);
    free(path);
    for (char *line = l->text ? strtok_r(l->text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        l->line = xrealloc_array(l->line, l->n + 1, sizeof *l->line);
        l->line[l->n++] = line;
    }
}

static void free_lines(struct lines *l)
{
    free(l->text);
    free(l->line);
}

/* A member's text, freed by the caller; "" where there is none. */
static char *member_text(const char *line, const char *outer, const char *name)
{
    struct json doc = {0};
    struct error ignored = {0};
    char *text = NULL;
    if (json_parse(&doc, line, strlen(line), &ignored) == 0) {
        const struct json_node *node = json_root(&doc);
        node = json_member(&doc, outer ? json_member(&doc, node, outer) : node, name);
        text = node && node->text ? xstrdup(node->text) : NULL;
    }
    json_free(&doc);
    return text ? text : xstrdup("");
}

/* ---- contrast pairs by kind ---- */

struct kind {
    char *name;
    double right, pairs;
};

static void count_kinds(const struct lines *rows, const struct outcomes *o, struct kind *kinds, size_t *n)
{
    for (size_t pair = 0; pair < o->n && 2 * pair < rows->n; pair++) {
        char *name = member_text(rows->line[2 * pair], NULL, "kind");
        size_t k = 0;
        while (k < *n && strcmp(kinds[k].name, name) != 0)
            k++;
        if (k == *n && *n < MOST_KINDS)
            kinds[(*n)++] = (struct kind){.name = xstrdup(name)};
        for (size_t s = 0; k < *n && s < o->seeds; s++) {
            kinds[k].right += o->right[s * o->n + pair];
            kinds[k].pairs++;
        }
        free(name);
    }
}

/* Pairs are counted as rows 2k and 2k + 1, so they have to stand so. */
static int check_pairs(const struct lines *rows, const char *folder, struct error *err)
{
    int result = 0;
    for (size_t i = 0; i < rows->n && result == 0; i += 2) {
        char *pair = member_text(rows->line[i], NULL, "pair"),
             *other = member_text(i + 1 < rows->n ? rows->line[i + 1] : "", NULL, "pair");
        if (!*pair || strcmp(pair, other) != 0)
            result = error_set(err, STATUS_FAILURE,
                               "%s/data/shared/contrast.ndjson: line %zu: the two rows of a pair, with the same number "
                               "as member \"pair\", have to follow each other",
                               folder, i + 1);
        free(pair);
        free(other);
    }
    return result;
}

static void write_kinds(struct page *p, const struct experiment *e, const char *group, const struct lines *rows)
{
    bool begun = false;
    for (size_t a = 0; a < e->n_arms; a++) {
        struct kind kinds[MOST_KINDS] = {0};
        struct outcomes o;
        size_t n = 0;
        outcomes_of(&o, e, group, e->arms[a].name, SET_CONTRAST);
        if (o.seeds > 0)
            count_kinds(rows, &o, kinds, &n);
        if (n > 0 && !begun) {
            page_heading(p, 3, group);
            page_table(p, "arm|kind of edit|>both right|>pairs");
            begun = true;
        }
        for (size_t k = 0; k < n; k++) {
            page_cell(p, true, "%s", e->arms[a].name);
            page_cell(p, false, "%s", kinds[k].name);
            page_cell(p, false, "%.4f", kinds[k].right / kinds[k].pairs);
            page_cell(p, false, "%.0f", kinds[k].pairs / (double)o.seeds);
            page_row_end(p);
            free(kinds[k].name);
        }
        outcomes_free(&o);
    }
    if (begun)
        page_table_end(p);
}

/* ---- the teacher ---- */

static void write_teacher_file(struct page *p, const struct experiment *e, const char *name, const char *file)
{
    struct lines rows;
    double bins[3][2] = {{0}}, agree = 0, n = 0, bytes = 0, tokens = 0;
    read_lines(&rows, e->folder, file);
    for (size_t i = 0; i < rows.n; i++) {
        char *gold = member_text(rows.line[i], NULL, "label"), *said = member_text(rows.line[i], "teacher", "label"),
             *sure = member_text(rows.line[i], "teacher", "confidence"),
             *reasoning = member_text(rows.line[i], "teacher", "reasoning"),
             *edit = member_text(rows.line[i], "teacher", "counterfactual");
        bytes += (double)(strlen(reasoning) + strlen(edit));
        if (*said && *gold && *gold != '-') {
            double confidence = strtod(sure, NULL);
            int bin = confidence >= 0.95 ? 2 : confidence >= 0.85;
            bins[bin][0] += strcmp(gold, said) == 0;
            bins[bin][1]++;
            agree += strcmp(gold, said) == 0;
            n++;
        }
        free(gold);
        free(said);
        free(sure);
        free(reasoning);
        free(edit);
    }
    tokens = bytes / 4;
    page_cell(p, true, "%s", name);
    page_cell(p, false, "%.0f", n);
    page_cell(p, false, "%.4f", n > 0 ? agree / n : 0);
    for (int b = 0; b < 3; b++)
        page_cell(p, false, "%.4f (%.0f)", bins[b][1] > 0 ? bins[b][0] / bins[b][1] : 0, bins[b][1]);
    page_cell(p, false, "%.0f", n > 0 ? tokens / n : 0);
    page_row_end(p);
    free_lines(&rows);
}

static void write_teacher(struct page *p, const struct experiment *e)
{
    page_heading(p, 2, "The teacher itself");
    page_text(
        p, "On the pool of training rows, where people's labels are known (the students of track T never see "
           "them): how often it agrees with these, by its own confidence, and about how many tokens of reasoning and "
           "edit a row cost (four bytes counted as one token; the recorded answers do not tell their usage).");
    page_table(p, "rows|>number|>agrees|>below 0.85|>0.85 to 0.95|>0.95 and above|>tokens a row");
    write_teacher_file(p, e, "edits", "data/shared/edits.ndjson");
    write_teacher_file(p, e, "teacher", "data/shared/teacher.ndjson");
    page_table_end(p);
}

/* ---- sentences ---- */

struct quoted {
    size_t row;
    double gain; /* share of seeds right with the arm, less with label-only */
};

static int by_gain(const void *a, const void *b)
{
    const struct quoted *x = a, *y = b;
    if (x->gain != y->gain)
        return x->gain > y->gain ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

static double share_of(const struct outcomes *o, size_t row)
{
    double sum = 0;
    for (size_t s = 0; s < o->seeds; s++)
        sum += o->right[s * o->n + row];
    return sum / (double)o->seeds;
}

enum { MARKED = 3 };

static int by_begin(const void *a, const void *b)
{
    const struct page_mark *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* The words with the largest scores of a row's pred.attribution, in order of the sentence; returns how many. */
static size_t carrying_words(const char *line, struct page_mark *marks)
{
    struct json doc = {0};
    struct error ignored = {0};
    double best[MARKED + 1] = {0};
    struct page_mark top[MARKED + 1];
    size_t n = 0;
    if (json_parse(&doc, line, strlen(line), &ignored) == 0) {
        const struct json_node *list = json_member(&doc, json_member(&doc, json_root(&doc), "pred"), "attribution");
        for (const struct json_node *w = json_first(&doc, list); w; w = json_next(&doc, w)) {
            long long begin, end;
            double score;
            size_t at = n;
            if (!json_get_double(json_member(&doc, w, "score"), &score) ||
                !json_get_long(json_member(&doc, w, "begin"), &begin) ||
                !json_get_long(json_member(&doc, w, "end"), &end) || begin < 0)
                continue;
            for (; at > 0 && fabs(score) > best[at - 1]; at--) {
                best[at] = best[at - 1];
                top[at] = top[at - 1];
            }
            best[at] = fabs(score);
            top[at] = (struct page_mark){(size_t)begin, (size_t)end};
            n += n < MARKED;
        }
    }
    memcpy(marks, top, n * sizeof *marks);
    qsort(marks, n, sizeof *marks, by_begin);
    json_free(&doc);
    return n;
}

/* A student's predictions as they stand in its folder; rows in the order of the set's. */
static void read_answers(struct lines *l, const struct experiment *e, const char *group, const char *arm, int set)
{
    for (size_t i = 0; i < e->n_cells; i++) {
        const struct cell *c = &e->cells[i];
        struct buf file = {0};
        if (strcmp(c->group, group) != 0 || strcmp(c->arm, arm) != 0 || !c->sets[set].there)
            continue;
        buf_addf(&file, "cells/%s/%s/%ld/%s.ndjson", group, arm, c->seed, set_names[set]);
        read_lines(l, e->folder, file.data);
        buf_free(&file);
        return;
    }
}

static bool has_teacher(const struct lines *rows)
{
    bool any = false;
    for (size_t i = 0; i < rows->n && !any; i++) {
        char *reasoning = member_text(rows->line[i], "teacher", "reasoning");
        any = *reasoning != '\0';
        free(reasoning);
    }
    return any;
}

static void write_quotes(struct page *p, const struct lines *rows, const struct quoted *list, size_t n, bool fixed,
                         bool teacher)
{
    page_table(p, teacher ? "sentence|>gold|>gain|the teacher's text" : "sentence|>gold|>gain");
    for (size_t i = 0; i < QUOTED && i < n; i++) {
        const struct quoted *q = &list[fixed ? i : n - 1 - i];
        const char *line = rows->line[q->row];
        struct page_mark marks[MARKED];
        if (fixed ? q->gain <= 0 : q->gain >= 0)
            break;
        char *sentence = member_text(line, NULL, "sentence"), *gold = member_text(line, NULL, "label"),
             *reasoning = member_text(line, "teacher", "reasoning");
        size_t marked = carrying_words(line, marks);
        page_cell_marked(p, true, sentence, marks, marked);
        page_cell(p, false, "%s", gold);
        page_cell(p, false, "%+.2f", q->gain);
        if (teacher)
            page_cell(p, false, "%s", *reasoning ? reasoning : "–");
        page_row_end(p);
        free(sentence);
        free(gold);
        free(reasoning);
    }
    page_table_end(p);
}

static void write_sentences(struct page *p, const struct experiment *e, const char *group)
{
    int set = report_main_set(e, group);
    const char *arm = report_best_arm(e, group, set);
    struct outcomes plain, best;
    struct lines rows = {0};
    struct page_mark marks[MARKED];
    struct buf name = {0};
    if (!arm)
        return;
    outcomes_of(&plain, e, group, baseline, set);
    outcomes_of(&best, e, group, arm, set);
    read_answers(&rows, e, group, arm, set);
    size_t n = plain.seeds && best.n == plain.n && rows.n == best.n ? best.n : 0;
    struct quoted *list = xcalloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct quoted){i, share_of(&best, i) - share_of(&plain, i)};
    qsort(list, n, sizeof *list, by_gain);
    if (n > 0) {
        bool teacher = has_teacher(&rows);
        buf_addf(&name, "%s, %s: ten sentences that %s fixed", group, set_names[set], arm);
        page_heading(p, 3, name.data);
        page_text(p, "Gain: the share of seeds that are right with %s, less the share with label-only. %s%s", arm,
                  carrying_words(rows.line[0], marks) > 0
                      ? "The three words that carried the answer of the first seed most stand out. "
                      : "The predictions were made without attribution, so no words stand out. ",
                  teacher ? "" : "The teacher has seen none of these sentences: there is no text of its own to show.");
        write_quotes(p, &rows, list, n, true, teacher);
        buf_reset(&name);
        buf_addf(&name, "%s, %s: ten that it broke", group, set_names[set]);
        page_heading(p, 3, name.data);
        write_quotes(p, &rows, list, n, false, teacher);
    }
    free(list);
    free_lines(&rows);
    outcomes_free(&plain);
    outcomes_free(&best);
    buf_free(&name);
}

int report_rows(struct page *p, const struct experiment *e, const struct report_options *o, struct error *err)
{
    struct lines contrast;
    read_lines(&contrast, e->folder, "data/shared/contrast.ndjson");
    int result = check_pairs(&contrast, e->folder, err);
    if (contrast.n > 0 && result == 0) {
        page_heading(p, 2, "Contrast pairs by kind of edit");
        for (size_t g = 0; g < e->n_groups; g++)
            write_kinds(p, e, e->groups[g], &contrast);
    }
    free_lines(&contrast);
    if (result < 0)
        return -1;
    write_teacher(p, e);
    if (!o->sentences)
        return 0;
    page_heading(p, 2, "Sentences");
    for (size_t g = 0; g < e->n_groups; g++)
        write_sentences(p, e, e->groups[g]);
    return 0;
}
