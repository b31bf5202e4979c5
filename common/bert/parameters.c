/* parameters.c - see parameters.h. Names, shapes and the layout of the slab; no arithmetic beyond the initialisation.
 */
#include "bert/parameters.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"
#include "base/rng.h"

enum { ALIGNMENT = 16 }; /* floats: a cache line, an AVX-512 register */

/* What a dimension of a parameter is; resolved against a config. */
enum dimension { ONE, HIDDEN, INTERMEDIATE, VOCABULARY, POSITIONS, TOKEN_TYPES, CLASSES };

struct shape {
    const char *name;
    enum dimension rows, cols;
};

static const struct shape embedding_shapes[EMBEDDING_PARAMETERS] = {
    [WORD_EMBEDDINGS] = {"bert.embeddings.word_embeddings.weight", VOCABULARY, HIDDEN},
    [POSITION_EMBEDDINGS] = {"bert.embeddings.position_embeddings.weight", POSITIONS, HIDDEN},
    [TOKEN_TYPE_EMBEDDINGS] = {"bert.embeddings.token_type_embeddings.weight", TOKEN_TYPES, HIDDEN},
    [EMBEDDING_NORM_WEIGHT] = {"bert.embeddings.LayerNorm.weight", HIDDEN, ONE},
    [EMBEDDING_NORM_BIAS] = {"bert.embeddings.LayerNorm.bias", HIDDEN, ONE},
};

static const struct shape layer_shapes[LAYER_PARAMETERS] = {
    [QUERY_WEIGHT] = {"attention.self.query.weight", HIDDEN, HIDDEN},
    [KEY_WEIGHT] = {"attention.self.key.weight", HIDDEN, HIDDEN},
    [VALUE_WEIGHT] = {"attention.self.value.weight", HIDDEN, HIDDEN},
    [QUERY_BIAS] = {"attention.self.query.bias", HIDDEN, ONE},
    [KEY_BIAS] = {"attention.self.key.bias", HIDDEN, ONE},
    [VALUE_BIAS] = {"attention.self.value.bias", HIDDEN, ONE},
    [ATTENTION_OUTPUT_WEIGHT] = {"attention.output.dense.weight", HIDDEN, HIDDEN},
    [ATTENTION_OUTPUT_BIAS] = {"attention.output.dense.bias", HIDDEN, ONE},
    [ATTENTION_NORM_WEIGHT] = {"attention.output.LayerNorm.weight", HIDDEN, ONE},
    [ATTENTION_NORM_BIAS] = {"attention.output.LayerNorm.bias", HIDDEN, ONE},
    [INTERMEDIATE_WEIGHT] = {"intermediate.dense.weight", INTERMEDIATE, HIDDEN},
    [INTERMEDIATE_BIAS] = {"intermediate.dense.bias", INTERMEDIATE, ONE},
    [OUTPUT_WEIGHT] = {"output.dense.weight", HIDDEN, INTERMEDIATE},
    [OUTPUT_BIAS] = {"output.dense.bias", HIDDEN, ONE},
    [OUTPUT_NORM_WEIGHT] = {"output.LayerNorm.weight", HIDDEN, ONE},
    [OUTPUT_NORM_BIAS] = {"output.LayerNorm.bias", HIDDEN, ONE},
};

static const struct shape head_shapes[HEAD_PARAMETERS] = {
    [POOLER_WEIGHT] = {"bert.pooler.dense.weight", HIDDEN, HIDDEN},
    [POOLER_BIAS] = {"bert.pooler.dense.bias", HIDDEN, ONE},
    [CLASSIFIER_WEIGHT] = {"classifier.weight", CLASSES, HIDDEN},
    [CLASSIFIER_BIAS] = {"classifier.bias", CLASSES, ONE},
};

static size_t resolve(enum dimension dimension, const struct bert_config *config, size_t num_labels)
{
    switch (dimension) {
    case ONE:
        return 1;
    case HIDDEN:
        return (size_t)config->hidden_size;
    case INTERMEDIATE:
        return (size_t)config->intermediate_size;
    case VOCABULARY:
        return (size_t)config->vocab_size;
    case POSITIONS:
        return (size_t)config->max_position_embeddings;
    case TOKEN_TYPES:
        return (size_t)config->type_vocab_size;
    case CLASSES:
        return num_labels;
    }
    return 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* `joined`: it starts where the one before it ends (query, key and value are one matrix). */
static void add(struct parameters *p, const char *name, size_t rows, size_t cols, bool joined)
{
    struct parameter *new = &p->list[p->n++];
    snprintf(new->name, sizeof new->name, "%s", name);
    new->rows = rows;
    new->cols = cols;
    new->size = rows *cols;
    new->decay = !ends_with(name, ".bias") && !ends_with(name, ".LayerNorm.weight");
    if (!joined)
        p->slab_size = (p->slab_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    new->offset = p->slab_size;
    p->slab_size += new->size;
}

static void add_shape(struct parameters *p, const struct shape *shape, const struct bert_config *config,
                      size_t num_labels)
{
    add(p, shape->name, resolve(shape->rows, config, num_labels), resolve(shape->cols, config, num_labels), false);
}

static void add_layer(struct parameters *p, size_t layer, const struct bert_config *config)
{
    for (int i = 0; i < LAYER_PARAMETERS; i++) {
        const struct shape *shape = &layer_shapes[i];
        bool joined = i == KEY_WEIGHT || i == VALUE_WEIGHT || i == KEY_BIAS || i == VALUE_BIAS;
        char name[sizeof p->list->name];
        snprintf(name, sizeof name, "bert.encoder.layer.%zu.%s", layer, shape->name);
        add(p, name, resolve(shape->rows, config, 0), resolve(shape->cols, config, 0), joined);
    }
}

void parameters_init_heads(struct parameters *p, const struct bert_config *config, const struct model_heads *heads)
{
    *p = (struct parameters){.n_layers = (size_t)config->num_hidden_layers};
    p->n_heads = heads->classes ? HEAD_PARAMETERS : heads->pooler ? CLASSIFIER_WEIGHT : 0;
    size_t n = EMBEDDING_PARAMETERS + p->n_layers * LAYER_PARAMETERS + p->n_heads + heads->n_of_objectives;
    p->list = xcalloc(n, sizeof *p->list);
    for (int i = 0; i < EMBEDDING_PARAMETERS; i++)
        add_shape(p, &embedding_shapes[i], config, 0);
    for (size_t layer = 0; layer < p->n_layers; layer++)
        add_layer(p, layer, config);
    for (size_t i = 0; i < p->n_heads; i++)
        add_shape(p, &head_shapes[i], config, heads->classes);
    for (size_t i = 0; i < heads->n_of_objectives; i++) {
        const struct head_parameter *head = &heads->of_objectives[i];
        add(p, head->name, head->rows, head->cols, false);
        p->list[p->n - 1].auxiliary = heads->auxiliary || head->idle;
        p->list[p->n - 1].idle = head->idle;
    }
    p->slab_size = (p->slab_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void parameters_init(struct parameters *p, const struct bert_config *config, size_t num_labels)
{
    parameters_init_heads(p, config, &(struct model_heads){.classes = num_labels});
}

void model_heads_add(struct model_heads *heads, const char *name, size_t rows, size_t cols)
{
    for (size_t i = 0; i < heads->n_of_objectives; i++)
        if (strcmp(heads->of_objectives[i].name, name) == 0)
            return;
    heads->of_objectives =
        xrealloc_array(heads->of_objectives, heads->n_of_objectives + 1, sizeof *heads->of_objectives);
    struct head_parameter *new = &heads->of_objectives[heads->n_of_objectives++];
    *new = (struct head_parameter){.rows = rows, .cols = cols};
    snprintf(new->name, sizeof new->name, "%s", name);
}

void model_heads_keep_pooler(struct model_heads *heads, const struct bert_config *config)
{
    for (int i = POOLER_WEIGHT; i <= POOLER_BIAS; i++) {
        const struct shape *shape = &head_shapes[i];
        model_heads_add(heads, shape->name, resolve(shape->rows, config, 0), resolve(shape->cols, config, 0));
        heads->of_objectives[heads->n_of_objectives - 1].idle = true;
    }
}

void model_heads_free(struct model_heads *heads)
{
    free(heads->of_objectives);
    *heads = (struct model_heads){0};
}

void parameters_allocate(struct parameters *p)
{
    free(p->slab);
    p->slab = xaligned(p->slab_size * sizeof *p->slab);
    for (size_t i = 0; i < p->n; i++)
        p->list[i].value = p->slab + p->list[i].offset;
}

void parameters_free(struct parameters *p)
{
    if (!p)
        return;
    free(p->list);
    free(p->slab);
    *p = (struct parameters){0};
}

size_t parameter_of_layer(size_t layer, enum layer_parameter which)
{
    return EMBEDDING_PARAMETERS + layer * LAYER_PARAMETERS + (size_t)which;
}

size_t parameter_of_head(const struct parameters *p, int which)
{
    return EMBEDDING_PARAMETERS + p->n_layers * LAYER_PARAMETERS + (size_t)which;
}

bool parameters_have_head(const struct parameters *p, int which)
{
    return (size_t)which < p->n_heads;
}

struct parameter *parameters_find(const struct parameters *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++) {
        if (strcmp(p->list[i].name, name) == 0)
            return &p->list[i];
    }
    return NULL;
}

/* The first eight bytes of the name's SHA-256, so that no two parameters share a stream. */
static uint64_t stream_of(const char *name)
{
    char hex[SHA256_HEX_SIZE];
    sha256_hex(name, strlen(name), hex);
    hex[16] = '\0';
    return strtoull(hex, NULL, 16);
}

void parameter_initialise(struct parameters *p, struct parameter *which, const struct bert_config *config,
                          unsigned long long seed)
{
    assert(p->slab);
    float *value = p->slab + which->offset;
    if (!which->decay) { /* a bias, or a LayerNorm's weight */
        float constant = ends_with(which->name, ".bias") ? 0.0f : 1.0f;
        for (size_t i = 0; i < which->size; i++)
            value[i] = constant;
        return;
    }
    struct rng rng;
    rng_init(&rng, seed, stream_of(which->name));
    for (size_t i = 0; i < which->size; i++)
        value[i] = (float)(config->initializer_range * rng_normal(&rng));
    if (which == &p->list[WORD_EMBEDDINGS] && config->pad_token_id >= 0)
        memset(value + (size_t)config->pad_token_id * which->cols, 0, which->cols * sizeof *value);
}
