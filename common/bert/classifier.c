/* classifier.c - see classifier.h. */
#include "bert/classifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bert/objectives/cross_entropy.h"
#include "wire/json.h"

/* Above about 1,000 tokens a pass does not become faster by more, and activations leave the cache. */
enum { TOKENS_AT_ONCE = 1024, ROWS_AT_ONCE = 512, SMALL_BATCH = 256 };

static int open_attribution(struct classifier *c, const struct classifier_options *o, struct error *err)
{
    if (attribution_open(&c->attribution, &c->model, &c->nn, &c->vocabulary, o->attribution, o->attribution_steps,
                         err) < 0)
        return -1;
    if (c->attribution.method == ATTRIBUTION_GRADIENT && o->weights == NN_WEIGHTS_INT8)
        return error_set(err, STATUS_USAGE, "the gradient needs weights f32 or bf16, not int8");
    c->activations.all_tokens = c->attribution.method == ATTRIBUTION_CUES;
    return 0;
}

int classifier_open(struct classifier *c, const char *folder, const struct classifier_options *o, struct error *err)
{
    const struct nn_options options = {
        .threads = o->threads, .gemm = o->gemm, .precision = o->weights == NN_WEIGHTS_BF16 ? NN_BF16 : NN_F32};
    *c = (struct classifier){.weights = o->weights, .temperature = o->temperature > 0 ? o->temperature : 1};
    if (nn_cpu(&c->nn, &options, err) < 0 || vocabulary_load(&c->vocabulary, folder, err) < 0 ||
        model_map_heads(&c->model, folder, o->attribution ? attribution_heads : NULL, err) < 0)
        goto fail;
    if ((long)c->vocabulary.n_tokens > c->model.config.vocab_size) {
        error_set(err, STATUS_USAGE, "%s: the vocabulary has %zu tokens, the model's embeddings only %ld", folder,
                  c->vocabulary.n_tokens, c->model.config.vocab_size);
        goto fail;
    }
    c->tokenizer = tokenizer_new(&c->vocabulary, err);
    if (!c->tokenizer)
        goto fail;
    c->max_len = o->max_len ? o->max_len : c->vocabulary.default_max_len;
    if (c->max_len > c->model.config.max_position_embeddings)
        c->max_len = c->model.config.max_position_embeddings;
    c->scratch = encoder_scratch_new();
    rows_column(&c->rows, "ids", ST_I32, COLUMN_LIST, 1);
    rows_column(&c->rows, "types", ST_U8, COLUMN_TOKEN, 1);
    c->batch.row_multiple = c->nn.row_multiple;
    activations_init(&c->activations, &c->model.config, false);
    if (o->attribution && open_attribution(c, o, err) < 0)
        goto fail;
    c->probabilities = xmalloc_array(c->model.classes, sizeof *c->probabilities);
    return 0;
fail:
    classifier_close(c);
    return -1;
}

void classifier_close(struct classifier *c)
{
    if (c->scratch)
        encoder_scratch_free(c->scratch);
    if (c->tokenizer)
        tokenizer_free(c->tokenizer);
    encoding_free(&c->encoding);
    attribution_close(&c->attribution);
    buf_free(&c->texts);
    buf_free(&c->text_ends);
    buf_free(&c->spans);
    buf_free(&c->words);
    activations_free(&c->activations);
    batch_free(&c->batch);
    rows_free(&c->rows);
    model_free(&c->model);
    nn_free(&c->nn);
    vocabulary_free(&c->vocabulary);
    free(c->which);
    free(c->probabilities);
    *c = (struct classifier){0};
}

static void add_row(struct classifier *c, const int32_t *ids, const uint8_t *types, size_t n)
{
    struct column *column = rows_find(&c->rows, "ids"), *types_column = rows_find(&c->rows, "types");
    int64_t end = column_offsets(column)[c->rows.n] + (int64_t)n;
    buf_add(&column->values, ids, n * sizeof *ids);
    buf_add(&column->offsets, &end, sizeof end);
    if (types) {
        buf_add(&types_column->values, types, n);
    } else {
        buf_reserve(&types_column->values, n);
        memset(types_column->values.data + types_column->values.len, 0, n);
        types_column->values.len += n;
    }
    c->rows.n++;
}

int classifier_add_ids(struct classifier *c, const int32_t *ids, const uint8_t *types, size_t n, struct error *err)
{
    if (model_check_row(&c->model, ids, types, n, err) < 0)
        return -1;
    add_row(c, ids, types, n);
    return 0;
}

/* The row that c->encoding holds. */
static void add_encoded(struct classifier *c, const char *text, size_t len, const uint8_t *types)
{
    const struct encoding *e = &c->encoding;
    c->truncated += e->dropped > 0;
    add_row(c, e->ids, types, e->n);
    if (c->attribution.method == ATTRIBUTION_NONE)
        return;
    buf_add(&c->texts, text, len);
    buf_add(&c->text_ends, &c->texts.len, sizeof c->texts.len);
    buf_add(&c->spans, e->spans, e->n * sizeof *e->spans);
}

void classifier_add_text(struct classifier *c, const char *text, size_t len)
{
    tokenizer_encode(c->tokenizer, c->scratch, text, len, c->max_len, &c->encoding);
    add_encoded(c, text, len, NULL);
}

void classifier_add_pair(struct classifier *c, const char *text, size_t len, const char *pair, size_t pair_len)
{
    tokenizer_encode_pair(c->tokenizer, c->scratch, text, len, pair, pair_len, c->max_len, &c->encoding);
    add_encoded(c, text, len, c->encoding.types);
}

int classifier_check_pairs(const struct classifier *c, struct error *err)
{
    if (c->model.config.type_vocab_size < 2)
        return error_set(err, STATUS_USAGE, "the model knows one token type; it was not made for pairs");
    if (c->max_len < 3)
        return error_set(err, STATUS_USAGE, "%ld tokens a row: a pair has three special ones", c->max_len);
    return 0;
}

size_t classifier_gathered(const struct classifier *c)
{
    return c->rows.n;
}

bool classifier_full(const struct classifier *c)
{
    const struct column *ids = rows_find(&c->rows, "ids");
    return c->rows.n >= ROWS_AT_ONCE || column_offsets(ids)[c->rows.n] >= TOKENS_AT_ONCE;
}

void classifier_reset(struct classifier *c)
{
    rows_reset(&c->rows);
    buf_reset(&c->texts);
    buf_reset(&c->text_ends);
    buf_reset(&c->spans);
}

/* int8 is another arithmetic, so it is there from the first answer. The other forms give the same bits as the weights
 * as they are mapped, which products of few rows have to rearrange each time: where a second such batch comes, it pays
 * to keep the rearranged copy. Large batches do not notice. */
static void prepare_weights(struct classifier *c)
{
    if (c->prepared)
        return;
    c->small_batches += c->batch.tokens < SMALL_BATCH;
    if (c->weights != NN_WEIGHTS_INT8 && c->small_batches < 2)
        return;
    model_prepare(&c->model, &c->nn, c->weights);
    checkpoint_let_go(&c->model.checkpoint); /* the layers' own weights are not read any more, embeddings row by row */
    c->prepared = true;
}

void classifier_run(struct classifier *c)
{
    if (c->rows.n == 0)
        return;
    if (c->rows.n > c->which_capacity) {
        c->which_capacity = c->rows.n * 2;
        c->which = xrealloc_array(c->which, c->which_capacity, sizeof *c->which);
        for (size_t i = 0; i < c->which_capacity; i++)
            c->which[i] = i;
    }
    batch_fill(&c->batch, &c->rows, c->which, c->rows.n, 0);
    prepare_weights(c);
    model_forward(&c->model, &c->nn, &c->activations, &c->batch, NULL);
}

static void add_floats(struct buf *out, const char *name, const double *values, size_t n)
{
    buf_addf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_addch(out, ',');
        json_add_float(out, (float)values[i]);
    }
    buf_addch(out, ']');
}

static void add_label_text(struct buf *out, const struct bert_config *config, size_t label)
{
    char generic[32];
    const char *text = generic;
    snprintf(generic, sizeof generic, "LABEL_%zu", label);
    if (label < config->n_labels)
        text = config->labels[label];
    json_add_string(out, text, strlen(text));
}

/* Sets c->probabilities of row i and *best; logits that are not finite are refused. */
static int compute_probabilities(struct classifier *c, size_t i, size_t *best, struct error *err)
{
    size_t k = c->model.classes;
    const float *row = c->activations.logits + i * k;
    *best = 0;
    for (size_t j = 0; j < k; j++) {
        if (!isfinite(row[j]))
            return error_set(err, STATUS_FAILURE,
                             "the model's logits are not finite; its weights are damaged, train or fetch it again");
        *best = row[j] > row[*best] ? j : *best;
    }
    if (c->temperature == 1) {
        softmax_of_logits(row, k, c->probabilities);
        return 0;
    }
    double sum = 0;
    for (size_t j = 0; j < k; j++)
        sum += c->probabilities[j] = exp(((double)row[j] - row[*best]) / c->temperature);
    for (size_t j = 0; j < k; j++)
        c->probabilities[j] /= sum;
    return 0;
}

static int add_attribution(struct classifier *c, size_t i, struct buf *out, struct error *err)
{
    const struct column *ids = rows_find(&c->rows, "ids"), *types = rows_find(&c->rows, "types");
    const size_t *ends = (const size_t *)(const void *)c->text_ends.data;
    size_t begin = (size_t)column_offsets(ids)[i], text = i ? ends[i - 1] : 0,
           hidden = c->activations.all_tokens ? (size_t)c->model.config.hidden_size : 0;
    const struct attributed_row row = {.ids = column_i32(ids) + begin,
                                       .types = column_u8(types) + begin,
                                       .spans = (const struct token_span *)(const void *)c->spans.data + begin,
                                       .n = (size_t)column_offsets(ids)[i + 1] - begin,
                                       .logits = c->activations.logits + i * c->model.classes,
                                       .states = hidden ? c->activations.tokens + begin * hidden : NULL};
    if (attribution_tokens(&c->attribution, &row, err) < 0)
        return -1;
    buf_reset(&c->words);
    attribution_words(c->attribution.method, c->texts.data + text, ends[i] - text, row.spans, row.types,
                      c->attribution.scores, row.n, &c->words);
    attribution_add(&c->attribution, c->texts.data + text, (const struct attributed_word *)(const void *)c->words.data,
                    c->words.len / sizeof(struct attributed_word), out);
    return 0;
}

int classifier_prediction(struct classifier *c, size_t i, bool logits, struct buf *out, struct error *err)
{
    size_t k = c->model.classes, best;
    if (compute_probabilities(c, i, &best, err) < 0)
        return -1;
    buf_addf(out, "{\"label\":%zu,\"label_text\":", best);
    add_label_text(out, &c->model.config, best);
    buf_addstr(out, ",\"score\":");
    json_add_float(out, (float)c->probabilities[best]);
    add_floats(out, "probs", c->probabilities, k);
    if (logits) {
        for (size_t j = 0; j < k; j++)
            c->probabilities[j] = c->activations.logits[i * k + j];
        add_floats(out, "logits", c->probabilities, k);
    }
    if (c->attribution.method != ATTRIBUTION_NONE && add_attribution(c, i, out, err) < 0)
        return -1;
    buf_addch(out, '}');
    return 0;
}

int classifier_teacher(struct classifier *c, size_t i, const char *name, struct buf *out, struct error *err)
{
    size_t best;
    if (compute_probabilities(c, i, &best, err) < 0)
        return -1;
    buf_addf(out, "{\"status\":\"ok\",\"reasoning\":\"\",\"label\":%zu,\"label_text\":", best);
    add_label_text(out, &c->model.config, best);
    buf_addstr(out, ",\"confidence\":");
    json_add_float(out, (float)c->probabilities[best]);
    add_floats(out, "probs", c->probabilities, c->model.classes);
    buf_addstr(out, ",\"model\":");
    json_add_string(out, name, strlen(name));
    buf_addch(out, '}');
    return 0;
}
