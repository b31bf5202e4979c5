/* sampler.c - see sampler.h. */
#include "data/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "data/holdout.h"
#include "data/source.h"

enum { SAMPLE_STREAM = 2, SHUFFLE_STREAM = 3 }; /* the hold-out has 1 */

void sampler_init(struct sampler *s, const struct sampler_options *options)
{
    *s = (struct sampler){.options = *options};
    s->keeps = options->holdout > 0 || options->sample >= 0 || options->shuffle;
}

bool sampler_full(const struct sampler *s)
{
    long limit = s->options.limit;
    return limit == 0 || (!s->keeps && limit > 0 && s->written + (s->n_rows - s->at) >= (uint64_t)limit);
}

static bool has_words(const char *text, size_t len, long wanted)
{
    const char *end = text + len;
    size_t word;
    while (wanted > 0 && source_word(&text, end, &word))
        wanted--;
    return wanted <= 0;
}

void sampler_add(struct sampler *s, const struct data_row *row)
{
    s->added++;
    if (!s->keeps && !has_words(row->sentence, row->sentence_len, s->options.min_words))
        return;
    if (!s->keeps && s->at == s->n_rows) { /* all that came before is out */
        buf_reset(&s->text);
        s->n_rows = s->at = 0;
    }
    if (s->n_rows == s->cap_rows) {
        s->cap_rows = s->cap_rows ? 2 * s->cap_rows : 64;
        s->rows = xrealloc_array(s->rows, s->cap_rows, sizeof *s->rows);
    }
    struct sampled_row *kept = &s->rows[s->n_rows++];
    *kept = (struct sampled_row){.sentence = s->text.len, .label = row->label};
    if (s->keeps) {
        kept->sentence_len = row->sentence_len;
        buf_add(&s->text, row->sentence, row->sentence_len);
    }
    kept->line = s->text.len;
    data_row_write(row, &s->text);
    kept->line_len = s->text.len - kept->line;
}

bool sampler_next(struct sampler *s, const char **line, size_t *len)
{
    if (s->at >= (s->order ? s->n_order : s->keeps ? 0 : s->n_rows))
        return false;
    const struct sampled_row *row = &s->rows[s->order ? s->order[s->at] : s->at];
    s->at++;
    s->written++;
    *line = s->text.data + row->line;
    *len = row->line_len;
    return true;
}

/* ---- what needs all rows ---- */

static int apply_holdout(struct sampler *s, struct error *err)
{
    const struct sampler_options *o = &s->options;
    if (o->holdout <= 0)
        return 0;
    struct holdout h = {.fraction = o->holdout, .phrase_words = o->phrase_words, .seed = o->seed};
    struct text *texts = xmalloc_array(s->n_rows ? s->n_rows : 1, sizeof *texts);
    for (size_t i = 0; i < s->n_rows; i++)
        texts[i] = (struct text){s->text.data + s->rows[i].sentence, s->rows[i].sentence_len};
    int rc = holdout_split(&h, texts, s->n_rows, err);
    free(texts);
    if (rc < 0)
        return -1;
    bool wanted = strcmp(o->part, "holdout") == 0;
    s->n_order = 0;
    for (size_t i = 0; i < s->n_rows; i++)
        if (h.held[i] == wanted)
            s->order[s->n_order++] = i;
    double target = o->holdout * (double)s->n_rows;
    if (s->n_rows > 0 && ((double)h.n_held < 0.8 * target || (double)h.n_held > 1.2 * target))
        buf_addf(&s->notes,
                 "the hold-out has %zu of %zu rows, not a share of %g: the groups (the largest of %zu rows) "
                 "cannot be divided\n",
                 h.n_held, s->n_rows, o->holdout, h.largest);
    if (h.phrase_words > 1 && o->phrase_words == 0)
        buf_addf(&s->notes,
                 "only phrases of at least %ld words tie sentences together in the hold-out; shorter ones would "
                 "make a group larger than a part\n",
                 h.phrase_words);
    holdout_free(&h);
    return 0;
}

static void apply_min_words(struct sampler *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n_order; i++) {
        const struct sampled_row *row = &s->rows[s->order[i]];
        if (has_words(s->text.data + row->sentence, row->sentence_len, s->options.min_words))
            s->order[kept++] = s->order[i];
    }
    s->n_order = kept;
}

static int compare_orders(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

struct class_share {
    int label;
    size_t rows, taken, quota;
    double remainder;
};

static struct class_share *find_class(struct class_share *classes, size_t n, int label)
{
    for (size_t i = 0; i < n; i++)
        if (classes[i].label == label)
            return &classes[i];
    return NULL;
}

/* Each class's part of `wanted` rows: its share rounded down, then one more for the largest remainders; of equal ones
 * the class met first. Returns the classes, freed by the caller. */
static struct class_share *share_out(const struct sampler *s, size_t wanted, size_t *n_classes)
{
    struct class_share *classes = NULL;
    size_t n = 0, given = 0;
    for (size_t i = 0; i < s->n_order; i++) {
        int label = s->rows[s->order[i]].label;
        struct class_share *c = find_class(classes, n, label);
        if (!c) {
            classes = xrealloc_array(classes, n + 1, sizeof *classes);
            c = &classes[n++];
            *c = (struct class_share){.label = label};
        }
        c->rows++;
    }
    for (size_t i = 0; i < n; i++) {
        double share = (double)wanted * (double)classes[i].rows / (double)s->n_order;
        classes[i].quota = (size_t)share;
        classes[i].remainder = share - (double)classes[i].quota;
        given += classes[i].quota;
    }
    for (; given < wanted; given++) {
        struct class_share *most = &classes[0];
        for (size_t i = 1; i < n; i++)
            if (classes[i].remainder > most->remainder)
                most = &classes[i];
        most->quota++;
        most->remainder = -1;
    }
    *n_classes = n;
    return classes;
}

static void apply_sample(struct sampler *s)
{
    if (s->options.sample < 0)
        return;
    size_t wanted = (size_t)s->options.sample, taken = 0, n_classes = 0;
    if (wanted > s->n_order) {
        buf_addf(&s->notes, "--sample %zu: there are only %zu rows\n", wanted, s->n_order);
        wanted = s->n_order;
    }
    struct rng rng;
    rng_init(&rng, s->options.seed, SAMPLE_STREAM);
    struct class_share *classes = s->options.stratify && wanted > 0 ? share_out(s, wanted, &n_classes) : NULL;
    rng_shuffle(&rng, s->order, s->n_order);
    for (size_t i = 0; i < s->n_order && taken < wanted; i++) {
        struct class_share *c = find_class(classes, n_classes, s->rows[s->order[i]].label);
        if (c && c->taken == c->quota)
            continue;
        if (c)
            c->taken++;
        s->order[taken++] = s->order[i];
    }
    s->n_order = taken;
    free(classes);
    if (!s->options.shuffle && taken > 0)
        qsort(s->order, taken, sizeof *s->order, compare_orders);
}

int sampler_end(struct sampler *s, struct error *err)
{
    if (!s->keeps)
        return 0;
    s->order = xmalloc_array(s->n_rows ? s->n_rows : 1, sizeof *s->order);
    s->n_order = s->n_rows;
    for (size_t i = 0; i < s->n_rows; i++)
        s->order[i] = i;
    if (apply_holdout(s, err) < 0)
        return -1;
    apply_min_words(s);
    apply_sample(s);
    if (s->options.shuffle) {
        struct rng rng;
        rng_init(&rng, s->options.seed, SHUFFLE_STREAM);
        rng_shuffle(&rng, s->order, s->n_order);
    }
    if (s->options.limit >= 0 && s->n_order > (size_t)s->options.limit)
        s->n_order = (size_t)s->options.limit;
    return 0;
}

void sampler_free(struct sampler *s)
{
    free(s->rows);
    free(s->order);
    buf_free(&s->text);
    buf_free(&s->notes);
    *s = (struct sampler){0};
}
