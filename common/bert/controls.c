/* controls.c - see controls.h: the table of controls, and those of the reasoning, the edits and the teacher's
 * probabilities; those of the cues are in control_cues.c.
 */
#include "bert/controls.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "bert/control_cues.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/teacher.h"

enum { RNG_CONTROL = 11 }; /* stream of random numbers */

/* ---- a list column that is written anew ---- */

struct list {
    struct buf values, offsets;
};

static void list_add(struct list *l, const int32_t *ids, size_t n)
{
    int64_t end;
    if (l->offsets.len == 0) {
        end = 0;
        buf_add(&l->offsets, &end, sizeof end);
    }
    buf_add(&l->values, ids, n * sizeof *ids);
    end = (int64_t)(l->values.len / sizeof *ids);
    buf_add(&l->offsets, &end, sizeof end);
}

/* The column becomes the list. */
static void list_put(struct list *l, struct rows *rows, const char *name)
{
    struct column *c = rows_find(rows, name);
    buf_free(&c->values);
    buf_free(&c->offsets);
    c->values = l->values;
    c->offsets = l->offsets;
    *l = (struct list){0};
}

static int nothing(const char *what, const char *cure, struct error *err)
{
    return error_set(err, STATUS_FAILURE, "--control: no row has %s, which the control changes; %s", what, cure);
}

static const char ask_teacher[] = "run groq-reason before wp-tokenize";

/* ---- permutations ---- */

/* Those of which[0..n) in a random cycle: from[i] is another one of them wherever there are two. */
static void cycle(uint64_t *which, size_t n, uint64_t *from, struct rng *rng)
{
    rng_shuffle(rng, which, n);
    for (size_t i = 0; i < n; i++)
        from[which[i]] = which[(i + 1) % n];
}

static int32_t teacher_label(const struct rows *rows, uint64_t row)
{
    const struct column *c = rows_find(rows, "teacher_label");
    return c ? column_i32(c)[row] : -1;
}

/* Rows with a list get that of another such row, of the same teacher's label where within_class. */
static int permute_list(struct rows *rows, const char *name, bool within_class, const struct control_setting *s,
                        struct error *err)
{
    uint64_t *which = xmalloc_array(rows->n, sizeof *which), *from = xmalloc_array(rows->n, sizeof *from);
    struct list changed = {0};
    struct rng rng;
    size_t n, found = 0, length;
    rng_init(&rng, s->seed, RNG_CONTROL);
    for (size_t i = 0; i < rows->n; i++)
        from[i] = i;
    for (int32_t class = -1; class < (int32_t)(within_class ? s->classes : 0); class ++) {
        n = 0;
        for (size_t i = 0; i < rows->n; i++) {
            rows_list(rows, name, i, &length);
            if (length > 0 && (!within_class || teacher_label(rows, i) == class))
                which[n++] = i;
        }
        cycle(which, n, from, &rng);
        found += n;
    }
    for (size_t i = 0; found > 0 && i < rows->n; i++) {
        const int32_t *ids = rows_list(rows, name, from[i], &length);
        list_add(&changed, ids, length);
    }
    if (found > 0)
        list_put(&changed, rows, name);
    free(which);
    free(from);
    if (found > 0)
        return 0;
    return nothing(name[0] == 'e' ? "a counterfactual" : "a reasoning", ask_teacher, err);
}

static int shuffle_reasons(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return permute_list(rows, "reason_ids", false, s, err);
}

static int shuffle_reasons_in_class(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return permute_list(rows, "reason_ids", true, s, err);
}

static int shuffle_edits(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return permute_list(rows, "edit_ids", true, s, err);
}

/* ---- reasonings made of something else ---- */

/* What stands between the special tokens at a row's ends. */
static const int32_t *row_words(const struct rows *rows, uint64_t row, size_t *n)
{
    const int32_t *ids = rows_list(rows, "ids", row, n);
    *n = *n > 2 ? *n - 2 : 0;
    return ids + 1;
}

/* Appends what replaces the reasoning ids[0..n) of a row. */
typedef void replacement(const struct rows *rows, uint64_t row, const int32_t *ids, size_t n,
                         const struct control_setting *s, struct rng *rng, struct list *out);

static int replace_reasons(struct rows *rows, replacement *replace, const struct control_setting *s, struct error *err)
{
    struct list changed = {0};
    struct rng rng;
    size_t found = 0, n;
    rng_init(&rng, s->seed, RNG_CONTROL);
    for (size_t i = 0; i < rows->n; i++) {
        const int32_t *ids = rows_list(rows, "reason_ids", i, &n);
        found += n > 0;
        if (n > 0)
            replace(rows, i, ids, n, s, &rng, &changed);
        else
            list_add(&changed, NULL, 0);
    }
    if (found > 0) {
        list_put(&changed, rows, "reason_ids");
        return 0;
    }
    buf_free(&changed.values);
    buf_free(&changed.offsets);
    return nothing("a reasoning", ask_teacher, err);
}

static void own_tokens_shuffled(const struct rows *rows, uint64_t row, const int32_t *ids, size_t n,
                                const struct control_setting *s, struct rng *rng, struct list *out)
{
    int32_t *shuffled = xmalloc_array(n, sizeof *shuffled);
    (void)rows, (void)row, (void)s;
    memcpy(shuffled, ids, n * sizeof *ids);
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(rng, i);
        int32_t kept = shuffled[i - 1];
        shuffled[i - 1] = shuffled[j];
        shuffled[j] = kept;
    }
    list_add(out, shuffled, n);
    free(shuffled);
}

static void training_text(const struct rows *rows, uint64_t row, const int32_t *ids, size_t n,
                          const struct control_setting *s, struct rng *rng, struct list *out)
{
    int32_t *text = xmalloc_array(n, sizeof *text);
    (void)ids, (void)s;
    for (size_t used = 0, tries = 0; used < n; tries++) {
        uint64_t other = rng_below(rng, rows->n);
        size_t m;
        const int32_t *words = row_words(rows, other, &m);
        if (m == 0 || (other == row && rows->n > 1)) {
            words = rows_list(rows, "ids", row, &m); /* only for rows without words, so that this ends */
            if (tries < 64)
                continue;
        }
        m = m < n - used ? m : n - used;
        memcpy(text + used, words, m * sizeof *words);
        used += m;
    }
    list_add(out, text, n);
    free(text);
}

static void own_sentence(const struct rows *rows, uint64_t row, const int32_t *ids, size_t n,
                         const struct control_setting *s, struct rng *rng, struct list *out)
{
    size_t m;
    const int32_t *words = row_words(rows, row, &m);
    (void)ids, (void)n, (void)s, (void)rng;
    list_add(out, words, m);
}

static int shuffle_reason_tokens(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return replace_reasons(rows, own_tokens_shuffled, s, err);
}

static int reasons_of_training_text(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return replace_reasons(rows, training_text, s, err);
}

static int reasons_of_sentence(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return replace_reasons(rows, own_sentence, s, err);
}

/* The token of a whole word, upper and lower case alike; -1: the vocabulary has none. */
static int32_t token_of(const struct token_table *tokens, const char *word)
{
    for (size_t i = 0; i < tokens->n; i++) {
        const char *a = tokens->text[i], *b = word;
        while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
            a++;
            b++;
        }
        if (!*a && !*b)
            return (int32_t)i;
    }
    return -1;
}

static void label_sentence(const struct rows *rows, uint64_t row, const int32_t *ids, size_t n,
                           const struct control_setting *s, struct rng *rng, struct list *out)
{
    int32_t label = teacher_label(rows, row);
    (void)ids, (void)n, (void)rng;
    const char *words[] = {"the", "sentence", "is", label >= 0 ? s->labels[label] : "unknown"};
    int32_t sentence[4];
    size_t used = 0;
    for (size_t i = 0; i < 4; i++)
        if ((sentence[used] = token_of(s->tokens, words[i])) >= 0)
            used++;
    list_add(out, sentence, used);
}

static int reasons_of_label(struct rows *rows, const struct control_setting *s, struct error *err)
{
    for (size_t i = 0; i < s->classes; i++)
        if (token_of(s->tokens, s->labels[i]) < 0)
            return error_set(err, STATUS_USAGE,
                             "--control reason-label-sentence: the vocabulary has no token '%s', the name of a class; "
                             "name the classes otherwise in wp-tokenize --labels",
                             s->labels[i]);
    return replace_reasons(rows, label_sentence, s, err);
}

/* ---- edits that are other rows ---- */

static int32_t label_of(const struct rows *rows, uint64_t row)
{
    const struct column *c = rows_find(rows, "label");
    int32_t gold = c ? column_i32(c)[row] : -1;
    return gold >= 0 ? gold : teacher_label(rows, row);
}

/* Each edit becomes a row of `others`, which[0..n) in turn, with that row's label. */
static int replace_edits(struct rows *rows, const struct rows *others, const uint64_t *which, size_t n,
                         struct error *err)
{
    struct list changed = {0};
    struct column *labels = rows_column(rows, "edit_label", ST_I32, COLUMN_ROW, 1);
    size_t used = 0, length;
    for (size_t i = 0; i < rows->n; i++) {
        int32_t label = -1;
        rows_list(rows, "edit_ids", i, &length);
        if (length > 0 && n > 0) {
            uint64_t other = which[used++ % n];
            if (others == rows && other == i)
                other = which[used++ % n];
            const int32_t *ids = rows_list(others, "ids", other, &length);
            list_add(&changed, ids, length);
            label = label_of(others, other);
        } else {
            list_add(&changed, NULL, 0);
        }
        buf_add(&labels->values, &label, sizeof label);
    }
    if (used > 0) {
        list_put(&changed, rows, "edit_ids");
        return 0;
    }
    buf_free(&changed.values);
    buf_free(&changed.offsets);
    return nothing("a counterfactual", ask_teacher, err);
}

/* The rows with a label, in random order. */
static uint64_t *labelled(const struct rows *rows, uint64_t seed, size_t *n)
{
    uint64_t *which = xmalloc_array(rows->n, sizeof *which);
    struct rng rng;
    *n = 0;
    for (size_t i = 0; i < rows->n; i++)
        if (label_of(rows, i) >= 0)
            which[(*n)++] = i;
    rng_init(&rng, seed, RNG_CONTROL);
    rng_shuffle(&rng, which, *n);
    return which;
}

static int edits_of_other_rows(struct rows *rows, const struct rows *others, const struct control_setting *s,
                               struct error *err)
{
    size_t n;
    uint64_t *which = labelled(others, s->seed, &n);
    int result = n > 0 ? replace_edits(rows, others, which, n, err)
                       : nothing("a label, neither gold nor a teacher's", "give the rows labels", err);
    free(which);
    return result;
}

static int edits_of_more_rows(struct rows *rows, const struct control_setting *s, struct error *err)
{
    if (!s->unlabelled)
        return error_set(err, STATUS_USAGE,
                         "--control edits-more-rows takes its rows from --unlabelled FILE, where the teacher must have "
                         "labelled some");
    return edits_of_other_rows(rows, s->unlabelled, s, err);
}

static int edits_of_same_rows(struct rows *rows, const struct control_setting *s, struct error *err)
{
    return edits_of_other_rows(rows, rows, s, err);
}

/* ---- the teacher's probabilities ---- */

/* Each label is smoothed alike, by the mean of what the teacher's calibrated answers leave to the other classes. */
static int smooth_probabilities(struct rows *rows, const struct control_setting *s, struct error *err)
{
    struct teacher teacher = {0};
    size_t k = s->classes, used = 0;
    double left = 0;
    if (teacher_estimate(&teacher, rows, k, err) < 0)
        return -1;
    for (size_t i = 0; i < rows->n; i++)
        if (teacher.probabilities[i * k] >= 0 && label_of(rows, i) >= 0) {
            left += 1 - teacher.probabilities[i * k + (size_t)label_of(rows, i)];
            used++;
        }
    struct column *c = rows_column(rows, "teacher_probs", ST_F32, COLUMN_ROW, k);
    c->values.len = 0;
    for (size_t i = 0; i < rows->n; i++)
        for (size_t j = 0; j < k; j++) {
            bool known = teacher.probabilities[i * k] >= 0 && label_of(rows, i) >= 0;
            double e = used ? left / (double)used : 0;
            float p = known ? (float)((int32_t)j == label_of(rows, i) ? 1 - e : e / (double)(k - 1)) : -1;
            buf_add(&c->values, &p, sizeof p);
        }
    teacher_free(&teacher);
    return used > 0 ? 0 : nothing("a teacher's answer", ask_teacher, err);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    int (*apply)(struct rows *rows, const struct control_setting *s, struct error *err);
} controls[] = {{"reason-shuffled", shuffle_reasons},
                {"reason-shuffled-class", shuffle_reasons_in_class},
                {"reason-tokens-shuffled", shuffle_reason_tokens},
                {"reason-training-text", reasons_of_training_text},
                {"reason-label-sentence", reasons_of_label},
                {"reason-sentence", reasons_of_sentence},
                {"edits-shuffled", shuffle_edits},
                {"edits-more-rows", edits_of_more_rows},
                {"edits-repeat", edits_of_same_rows},
                {"cues-random", control_cues_random},
                {"cues-shuffled-polarity", control_cues_shuffled_polarity},
                {"cues-all-words", control_cues_all_words},
                {"soft-smoothing", smooth_probabilities}};

int controls_apply(const char *name, struct rows *rows, const struct control_setting *setting, struct error *err)
{
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
        if (strcmp(controls[i].name, name) == 0)
            return controls[i].apply(rows, setting, err);
    return error_set(err, STATUS_USAGE, "--control: there is no '%s'; there are " CONTROL_CHOICES, name);
}
