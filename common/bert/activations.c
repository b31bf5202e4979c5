/* activations.c - see activations.h. */
#include "bert/activations.h"

#include <stdlib.h>

#include "base/memory.h"

/* Hands out parts of the slab; with slab NULL it only counts. */
struct allotter {
    float *slab;
    size_t used;
};

static float *take(struct allotter *a, size_t floats)
{
    float *part = a->slab ? a->slab + a->used : NULL;
    a->used += (floats + 15) / 16 * 16;
    return part;
}

void activations_init(struct activations *a, const struct bert_config *config, bool training)
{
    *a = (struct activations){.training = training};
    a->layers = xcalloc((size_t)config->num_hidden_layers, sizeof *a->layers);
}

static void layout_layer(struct layer_activations *l, struct allotter *from, const struct bert_config *config,
                         const struct batch *b, bool training, bool first_only, const size_t *probability_offsets)
{
    size_t hidden = (size_t)config->hidden_size, intermediate = (size_t)config->intermediate_size;
    size_t queries = first_only ? b->padded_rows : b->padded_tokens, tokens = b->padded_tokens;
    if (first_only) {
        l->input_first = take(from, queries * hidden);
        l->q = take(from, queries * hidden);
        l->k = take(from, tokens * 2 * hidden);
        l->v = l->k ? l->k + hidden : NULL;
        l->ldq = hidden;
        l->ldkv = 2 * hidden;
    } else {
        l->input_first = NULL;
        l->q = take(from, tokens * 3 * hidden);
        l->k = l->q ? l->q + hidden : NULL;
        l->v = l->q ? l->q + 2 * hidden : NULL;
        l->ldq = l->ldkv = 3 * hidden;
    }
    l->context = take(from, queries * hidden);
    l->attention_sum = take(from, queries * hidden);
    l->attention_output = take(from, queries * hidden);
    l->hidden = take(from, queries * intermediate);
    l->output_sum = take(from, queries * hidden);
    if (training) {
        l->output = take(from, queries * hidden);
        l->probabilities = take(from, probability_offsets[b->rows]);
        l->derivative = take(from, queries * intermediate);
        l->attention_mean = take(from, queries);
        l->attention_rstd = take(from, queries);
        l->output_mean = take(from, queries);
        l->output_rstd = take(from, queries);
    }
}

static void layout_layers(struct activations *a, struct allotter *from, const struct bert_config *config,
                          const struct batch *b)
{
    size_t layers = (size_t)config->num_hidden_layers;
    size_t shared = from->used, largest = shared;
    for (size_t i = 0; i < layers; i++) {
        bool first_only = i + 1 == layers && !a->all_tokens;
        if (!a->training)
            from->used = shared;
        layout_layer(&a->layers[i], from, config, b, a->training, first_only,
                     first_only ? a->first_probability_offsets : a->probability_offsets);
        if (!a->training) /* a layer has no use for its input any more when it writes its output */
            a->layers[i].output = a->embedding_output;
        largest = from->used > largest ? from->used : largest;
    }
    from->used = largest;
    a->tokens = a->all_tokens ? a->layers[layers - 1].output : NULL;
    if (!a->all_tokens)
        a->first = a->layers[layers - 1].output;
}

static void layout_way_back(struct activations *a, struct allotter *from, size_t hidden, size_t intermediate,
                            size_t classes, const struct batch *b)
{
    a->embedding_mean = take(from, b->padded_tokens);
    a->embedding_rstd = take(from, b->padded_tokens);
    a->d_output = take(from, b->padded_tokens * hidden);
    a->d_masked = take(from, b->padded_tokens * hidden);
    a->d_context = take(from, b->padded_tokens * hidden);
    a->d_qkv = take(from, b->padded_tokens * 3 * hidden);
    a->d_hidden = take(from, b->padded_tokens * intermediate);
    a->d_first = take(from, b->padded_rows * hidden);
    a->d_dropped = take(from, b->padded_rows * hidden);
    a->d_pooled = take(from, b->padded_rows * hidden);
    a->d_logits = take(from, b->padded_rows * classes);
    a->d_tokens = a->all_tokens ? a->d_output : NULL; /* the last layer's way back goes on from there */
}

static void layout(struct activations *a, struct allotter *from, const struct bert_config *config, size_t classes,
                   const struct batch *b)
{
    size_t hidden = (size_t)config->hidden_size;
    a->embedding_sum = take(from, b->padded_tokens * hidden);
    a->embedding_output = take(from, b->padded_tokens * hidden);
    a->pooled = take(from, b->padded_rows * hidden);
    a->pooled_dropped = take(from, b->padded_rows * hidden);
    a->logits = take(from, b->padded_rows * classes);
    if (a->all_tokens)
        a->first = take(from, b->padded_rows * hidden);
    if (a->training)
        layout_way_back(a, from, hidden, (size_t)config->intermediate_size, classes, b);
    layout_layers(a, from, config, b);
}

static void count_probabilities(struct activations *a, size_t heads, const struct batch *b)
{
    if (b->rows + 1 > a->rows_capacity) {
        a->rows_capacity = b->rows + b->rows / 4 + 1;
        a->probability_offsets = xrealloc_array(a->probability_offsets, a->rows_capacity, sizeof(size_t));
        a->first_probability_offsets = xrealloc_array(a->first_probability_offsets, a->rows_capacity, sizeof(size_t));
    }
    a->probability_offsets[0] = a->first_probability_offsets[0] = 0;
    for (size_t i = 0; i < b->rows; i++) {
        size_t n = (size_t)(b->offsets[i + 1] - b->offsets[i]);
        a->probability_offsets[i + 1] = a->probability_offsets[i] + heads * n * n;
        a->first_probability_offsets[i + 1] = a->first_probability_offsets[i] + heads * n;
    }
}

void activations_layout(struct activations *a, const struct bert_config *config, size_t classes, const struct batch *b)
{
    struct allotter count = {0};
    count_probabilities(a, (size_t)config->num_attention_heads, b);
    layout(a, &count, config, classes, b);
    if (count.used > a->capacity) {
        a->capacity = count.used + count.used / 4;
        free(a->slab);
        a->slab = xaligned(a->capacity * sizeof *a->slab);
    }
    struct allotter real = {.slab = a->slab};
    layout(a, &real, config, classes, b);
    a->layers[0].input = a->embedding_output;
    for (size_t i = 1; i < (size_t)config->num_hidden_layers; i++)
        a->layers[i].input = a->layers[i - 1].output;
}

void activations_free(struct activations *a)
{
    free(a->layers);
    free(a->probability_offsets);
    free(a->first_probability_offsets);
    free(a->slab);
    *a = (struct activations){0};
}
