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

/* ---- the rows of a set ---- */

struct lines {
    char *text;
    char **line;
    size_t n;
};

static void read_lines(struct lines *l, const char *folder, const char *name)
{
    struct buf file = {0};
    struct error ignored = {0};
    size_t len;
    char *save = NULL;
    *l = (struct lines){0};
    buf_addf(&file, "data/shared/%s.ndjson", name);
    char *path = path_join(folder, file.data);
    l->text = file_read(path, FILE_CAP, &len, &ignored);
    free(path);
    buf_free(&file);
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

static void write_kinds(struct page *p, const struct experiment *e, const char *group, const struct lines *rows)
{
    page_table(p, "arm|kind of edit|>pairs with both right|>of");
    for (size_t a = 0; a < e->n_arms; a++) {
        struct kind kinds[MOST_KINDS] = {0};
        struct outcomes o;
        size_t n = 0;
        outcomes_of(&o, e, group, e->arms[a].name, SET_CONTRAST);
        if (o.seeds > 0)
            count_kinds(rows, &o, kinds, &n);
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
    page_table_end(p);
}

/* ---- the teacher ---- */

static void write_teacher_file(struct page *p, const struct experiment *e, const char *name)
{
    struct lines rows;
    double bins[3][2] = {{0}}, agree = 0, n = 0, bytes = 0, tokens = 0;
    read_lines(&rows, e->folder, name);
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
    write_teacher_file(p, e, "edits");
    write_teacher_file(p, e, "teacher");
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

/* The words that carried the arm's answer, where its predictions have them: the three with the largest scores. */
static void add_words(struct buf *out, const char *line)
{
    struct json doc = {0};
    struct error ignored = {0};
    double best[3] = {0};
    const struct json_node *top[3] = {NULL};
    if (line && json_parse(&doc, line, strlen(line), &ignored) == 0) {
        const struct json_node *list = json_member(&doc, json_member(&doc, json_root(&doc), "pred"), "attribution");
        for (const struct json_node *w = json_first(&doc, list); w; w = json_next(&doc, w)) {
            const struct json_node *word = json_member(&doc, w, "word");
            double score = 0;
            json_get_double(json_member(&doc, w, "score"), &score);
            for (int k = 0; k < 3; k++)
                if (fabs(score) > fabs(best[k])) {
                    memmove(best + k + 1, best + k, (size_t)(2 - k) * sizeof *best);
                    memmove(top + k + 1, top + k, (size_t)(2 - k) * sizeof *top);
                    best[k] = score;
                    top[k] = word;
                    break;
                }
        }
        for (int k = 0; k < 3 && top[k] && top[k]->text; k++)
            buf_addf(out, "%s%s %+.2f", k ? ", " : "", top[k]->text, best[k]);
    }
    json_free(&doc);
}

static void write_quotes(struct page *p, const struct lines *rows, const struct lines *words, const struct quoted *list,
                         size_t n, bool fixed)
{
    page_table(p, "sentence|>gold|>right seeds, arm less label-only|words that carried it");
    for (size_t i = 0; i < QUOTED && i < n; i++) {
        const struct quoted *q = &list[fixed ? i : n - 1 - i];
        struct buf carried = {0};
        if (fixed ? q->gain <= 0 : q->gain >= 0)
            break;
        char *sentence = member_text(rows->line[q->row], NULL, "sentence"),
             *gold = member_text(rows->line[q->row], NULL, "label");
        buf_addstr(&carried, "");
        if (q->row < words->n)
            add_words(&carried, words->line[q->row]);
        page_cell(p, true, "%s", sentence);
        page_cell(p, false, "%s", gold);
        page_cell(p, false, "%+.2f", q->gain);
        page_cell(p, false, "%s", carried.len ? carried.data : "–");
        page_row_end(p);
        buf_free(&carried);
        free(sentence);
        free(gold);
    }
    page_table_end(p);
}

static void write_sentences(struct page *p, const struct experiment *e, const char *group)
{
    int set = report_main_set(e, group);
    const char *arm = report_best_arm(e, group, set);
    struct outcomes plain, best;
    struct lines rows, words = {0};
    struct buf name = {0};
    if (!arm)
        return;
    outcomes_of(&plain, e, group, baseline, set);
    outcomes_of(&best, e, group, arm, set);
    read_lines(&rows, e->folder, set_names[set]);
    size_t n = plain.seeds && best.n == plain.n && rows.n >= best.n ? best.n : 0;
    struct quoted *list = xcalloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct quoted){i, share_of(&best, i) - share_of(&plain, i)};
    qsort(list, n, sizeof *list, by_gain);
    if (n > 0) {
        buf_addf(&name, "%s, %s: ten sentences that %s fixed", group, set_names[set], arm);
        page_heading(p, 3, name.data);
        page_text(p, "The teacher has seen none of these sentences, so there is no text of its to show beside them.");
        write_quotes(p, &rows, &words, list, n, true);
        name.len = 0;
        buf_addf(&name, "%s, %s: ten that it broke", group, set_names[set]);
        page_heading(p, 3, name.data);
        write_quotes(p, &rows, &words, list, n, false);
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
    (void)err;
    read_lines(&contrast, e->folder, set_names[SET_CONTRAST]);
    if (contrast.n > 0) {
        page_heading(p, 2, "Contrast pairs by kind of edit");
        for (size_t g = 0; g < e->n_groups; g++)
            write_kinds(p, e, e->groups[g], &contrast);
    }
    free_lines(&contrast);
    write_teacher(p, e);
    if (!o->sentences)
        return 0;
    page_heading(p, 2, "Sentences");
    for (size_t g = 0; g < e->n_groups; g++)
        write_sentences(p, e, e->groups[g]);
    return 0;
}
