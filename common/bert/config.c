/* config.c - see config.h. Reads config.json strictly where a wrong value would change a result, and says which field.
 */
#include "bert/config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "wire/json.h"

enum { CONFIG_CAP = 64 << 20, MAX_SIZE = 1 << 24, MAX_LAYERS = 4096, MAX_LABELS = 1 << 20 };

static const char cure[] = "repair the file or fetch the model again";

static const struct activation_name {
    const char *name;
    enum activation activation;
} activation_names[] = {
    /* transformers/activations.py, ACT2FN: several names for one function */
    {"gelu", ACTIVATION_GELU},
    {"gelu_python", ACTIVATION_GELU},
    {"gelu_new", ACTIVATION_GELU_TANH},
    {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
    {"gelu_python_tanh", ACTIVATION_GELU_TANH},
    {"gelu_fast", ACTIVATION_GELU_TANH},
    {"gelu_accurate", ACTIVATION_GELU_TANH},
    {"relu", ACTIVATION_RELU},
};

/* BertConfig's defaults, which count for members that a file does not have. */
static const struct bert_config defaults = {
    .vocab_size = 30522,
    .hidden_size = 768,
    .num_hidden_layers = 12,
    .num_attention_heads = 12,
    .intermediate_size = 3072,
    .max_position_embeddings = 512,
    .type_vocab_size = 2,
    .pad_token_id = 0,
    .hidden_act = ACTIVATION_GELU,
    .hidden_act_name = "gelu",
    .hidden_dropout_prob = 0.1,
    .attention_probs_dropout_prob = 0.1,
    .classifier_dropout = -1,
    .initializer_range = 0.02,
    .layer_norm_eps = 1e-12,
};

/* One config.json while it is read. */
struct reading {
    const char *path;
    struct json doc;
    struct error *err;
};

/* The member, or NULL where it is absent or null. */
static const struct json_node *member(const struct reading *r, const char *name)
{
    const struct json_node *node = json_member(&r->doc, json_root(&r->doc), name);
    return node && node->type != JSON_NULL ? node : NULL;
}

/* "PATH: FIELD is VALUE; RULE", the value cut to something that fits a line. */
static int refuse(const struct reading *r, const char *name, const struct json_node *node, const char *rule)
{
    size_t len = node->end - node->begin;
    const char *rest = len > 60 ? "..." : "";
    return error_set(r->err, STATUS_USAGE, "%s: %s is %.*s%s; %s", r->path, name, (int)(len > 60 ? 60 : len),
                     r->doc.source + node->begin, rest, rule);
}

static int read_long(const struct reading *r, const char *name, long min, long max, long *value)
{
    const struct json_node *node = member(r, name);
    long long number;
    if (!node)
        return 0;
    if (!json_get_long(node, &number) || number < min || number > max) {
        char rule[160];
        snprintf(rule, sizeof rule, "it has to be a whole number from %ld to %ld: %s", min, max, cure);
        return refuse(r, name, node, rule);
    }
    *value = (long)number;
    return 0;
}

/* Within min..max, both allowed; `open_end` leaves max out. */
static int read_double(const struct reading *r, const char *name, double min, double max, bool open_end, double *value)
{
    const struct json_node *node = member(r, name);
    double number;
    if (!node)
        return 0;
    if (!json_get_double(node, &number) || !(number >= min) || number > max || (open_end && number == max)) {
        char rule[160];
        snprintf(rule, sizeof rule, "it has to be a number from %g to %s%g: %s", min, open_end ? "below " : "", max,
                 cure);
        return refuse(r, name, node, rule);
    }
    *value = number;
    return 0;
}

static int read_sizes(const struct reading *r, struct bert_config *config)
{
    const struct {
        const char *name;
        long max;
        long *value;
    } sizes[] = {
        {"vocab_size", MAX_SIZE, &config->vocab_size},
        {"hidden_size", MAX_SIZE, &config->hidden_size},
        {"num_hidden_layers", MAX_LAYERS, &config->num_hidden_layers},
        {"num_attention_heads", MAX_SIZE, &config->num_attention_heads},
        {"intermediate_size", MAX_SIZE, &config->intermediate_size},
        {"max_position_embeddings", MAX_SIZE, &config->max_position_embeddings},
        {"type_vocab_size", MAX_SIZE, &config->type_vocab_size},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (read_long(r, sizes[i].name, 1, sizes[i].max, sizes[i].value) < 0)
            return -1;
    }
    if (config->hidden_size % config->num_attention_heads != 0)
        return error_set(r->err, STATUS_USAGE, "%s: hidden_size %ld is not a multiple of num_attention_heads %ld; %s",
                         r->path, config->hidden_size, config->num_attention_heads, cure);
    const struct json_node *pad = json_member(&r->doc, json_root(&r->doc), "pad_token_id");
    if (pad && pad->type == JSON_NULL)
        config->pad_token_id = -1; /* no row of the word embeddings is the padding's */
    return read_long(r, "pad_token_id", 0, config->vocab_size - 1, &config->pad_token_id);
}

static int read_activation(const struct reading *r, struct bert_config *config)
{
    const struct json_node *node = member(r, "hidden_act");
    if (!node)
        return 0;
    for (size_t i = 0; i < sizeof activation_names / sizeof *activation_names; i++) {
        if (json_is(node, activation_names[i].name)) {
            config->hidden_act = activation_names[i].activation;
            snprintf(config->hidden_act_name, sizeof config->hidden_act_name, "%s", activation_names[i].name);
            return 0;
        }
    }
    return refuse(r, "hidden_act", node, "known are gelu, gelu_new, gelu_pytorch_tanh, gelu_fast and relu");
}

static bool is_true(const struct reading *r, const char *name)
{
    bool value;
    return json_get_bool(member(r, name), &value) && value;
}

/* What would make it another model than the one that is computed here. */
static int read_kind(const struct reading *r)
{
    const struct json_node *node = member(r, "model_type");
    if (node && !json_is(node, "bert"))
        return refuse(r, "model_type", node, "only \"bert\" is read; choose a BERT encoder");
    node = member(r, "position_embedding_type");
    if (node && !json_is(node, "absolute"))
        return refuse(r, "position_embedding_type", node, "only \"absolute\" is read; choose another BERT encoder");
    static const char *const decoder[] = {"is_decoder", "add_cross_attention"};
    for (size_t i = 0; i < sizeof decoder / sizeof *decoder; i++) {
        if (is_true(r, decoder[i]))
            return refuse(r, decoder[i], member(r, decoder[i]), "decoders are not read; choose a BERT encoder");
    }
    node = member(r, "problem_type");
    if (node && !json_is(node, "single_label_classification"))
        return refuse(
            r, "problem_type", node,
            "only \"single_label_classification\" is known; set it to that if one label a row is what you want");
    return 0;
}

/* A class number written as text ("0"); false where it is none. */
static bool class_number(const char *text, size_t len, size_t n, size_t *number)
{
    if (len == 0 || len > 9)
        return false;
    *number = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (size_t)(text[i] - '0');
    }
    return *number < n;
}

static int label_map_error(const struct reading *r, const char *name)
{
    return error_set(r->err, STATUS_USAGE,
                     "%s: %s is not a map between the class numbers from 0 and their names; write it like %s", r->path,
                     name,
                     strcmp(name, "id2label") == 0 ? "{\"0\": \"negative\", \"1\": \"positive\"}"
                                                   : "{\"negative\": 0, \"positive\": 1}");
}

/* id2label: {"0": "negative"}, keys in any order; or label2id: {"negative": 0}. Every class from 0 exactly once. */
static int read_label_map(const struct reading *r, const char *name, bool inverse, struct bert_config *config)
{
    const struct json_node *map = member(r, name);
    if (map->type != JSON_OBJECT || map->count == 0 || map->count > MAX_LABELS)
        return label_map_error(r, name);
    config->labels = xcalloc(map->count, sizeof *config->labels);
    config->n_labels = map->count;
    for (const struct json_node *node = json_first(&r->doc, map); node; node = json_next(&r->doc, node)) {
        size_t number;
        const char *label = inverse ? node->key : node->text; /* a number as a name is taken as it is written */
        bool valid = false;
        if (inverse) {
            long long value;
            valid = json_get_long(node, &value) && value >= 0 && (unsigned long long)value < config->n_labels;
            number = valid ? (size_t)value : 0;
        } else {
            valid = label && class_number(node->key, node->key_len, config->n_labels, &number);
        }
        if (!valid || config->labels[number])
            return label_map_error(r, name);
        config->labels[number] = xstrdup(label);
    }
    return 0;
}

static int read_labels(const struct reading *r, struct bert_config *config)
{
    if (member(r, "id2label"))
        return read_label_map(r, "id2label", false, config);
    if (member(r, "label2id"))
        return read_label_map(r, "label2id", true, config);
    long n = 0;
    if (read_long(r, "num_labels", 1, MAX_LABELS, &n) < 0)
        return -1;
    if (n > 0) { /* the names that transformers gives them */
        config->labels = xcalloc((size_t)n, sizeof *config->labels);
        config->n_labels = (size_t)n;
        for (long i = 0; i < n; i++) {
            char label[32];
            snprintf(label, sizeof label, "LABEL_%ld", i);
            config->labels[i] = xstrdup(label);
        }
    }
    return 0;
}

static int read_members(const struct reading *r, struct bert_config *config)
{
    if (json_root(&r->doc)->type != JSON_OBJECT)
        return error_set(r->err, STATUS_USAGE, "%s: not a JSON object; %s", r->path, cure);
    if (read_kind(r) < 0 || read_sizes(r, config) < 0 || read_activation(r, config) < 0)
        return -1;
    if (read_double(r, "hidden_dropout_prob", 0, 1, true, &config->hidden_dropout_prob) < 0 ||
        read_double(r, "attention_probs_dropout_prob", 0, 1, true, &config->attention_probs_dropout_prob) < 0 ||
        read_double(r, "classifier_dropout", 0, 1, true, &config->classifier_dropout) < 0 ||
        read_double(r, "initializer_range", 0, 100, false, &config->initializer_range) < 0 ||
        read_double(r, "layer_norm_eps", 0, 1, true, &config->layer_norm_eps) < 0)
        return -1;
    return read_labels(r, config);
}

int bert_config_read(struct bert_config *config, const char *folder, struct error *err)
{
    *config = defaults;
    char *path = path_join(folder, "config.json");
    char *text = NULL;
    struct reading r = {.path = path, .err = err};
    int result = -1;
    if (!path_exists(path)) {
        error_set(err, STATUS_USAGE, "%s: no config.json; a Hugging Face model folder is expected", folder);
        goto done;
    }
    size_t len;
    text = file_read(path, CONFIG_CAP, &len, err);
    if (!text)
        goto done;
    if (json_parse(&r.doc, text, len, err) < 0) {
        error_prefix(err, "%s", path);
        if (err)
            err->status = STATUS_USAGE;
        goto done;
    }
    result = read_members(&r, config);
done:
    json_free(&r.doc);
    free(text);
    free(path);
    if (result < 0)
        bert_config_free(config);
    return result;
}

bool bert_config_preset(struct bert_config *config, const char *name, long vocab_size)
{
    static const struct {
        const char *name;
        long layers, hidden;
    } presets[] = {{"tiny", 2, 128}, {"mini", 4, 256}, {"small", 4, 512}, {"medium", 8, 512}, {"base", 12, 768}};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(name, presets[i].name) != 0)
            continue;
        *config = defaults;
        config->vocab_size = vocab_size;
        config->num_hidden_layers = presets[i].layers;
        config->hidden_size = presets[i].hidden;
        config->num_attention_heads = presets[i].hidden / 64;
        config->intermediate_size = 4 * presets[i].hidden;
        return true;
    }
    return false;
}

void bert_config_set_labels(struct bert_config *config, char *const *labels, size_t n)
{
    char **copy = xcalloc(n ? n : 1, sizeof *copy); /* copied before the old ones go: they may be the same */
    for (size_t i = 0; i < n; i++)
        copy[i] = xstrdup(labels[i]);
    for (size_t i = 0; i < config->n_labels; i++)
        free(config->labels[i]);
    free(config->labels);
    config->labels = copy;
    config->n_labels = n;
}

void bert_config_free(struct bert_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->n_labels; i++)
        free(config->labels[i]);
    free(config->labels);
    config->labels = NULL;
    config->n_labels = 0;
}

static void add_long(struct buf *out, const char *name, long value)
{
    buf_addf(out, "  \"%s\": ", name);
    json_add_long(out, value);
    buf_addstr(out, ",\n");
}

static void add_double(struct buf *out, const char *name, double value)
{
    buf_addf(out, "  \"%s\": ", name);
    size_t begin = out->len;
    json_add_double(out, value);
    if (!strpbrk(out->data + begin, ".eE"))
        buf_addstr(out, ".0"); /* transformers 5 refuses an integer where it wants a float */
    buf_addstr(out, ",\n");
}

static void add_text(struct buf *out, const char *text)
{
    json_add_string(out, text, strlen(text));
}

static void add_labels(struct buf *out, const struct bert_config *config, bool inverse)
{
    buf_addf(out, "  \"%s\": {", inverse ? "label2id" : "id2label");
    for (size_t i = 0; i < config->n_labels; i++) {
        buf_addstr(out, i ? ",\n    " : "\n    ");
        if (inverse) {
            add_text(out, config->labels[i]);
            buf_addf(out, ": %zu", i);
        } else {
            buf_addf(out, "\"%zu\": ", i);
            add_text(out, config->labels[i]);
        }
    }
    buf_addstr(out, "\n  },\n");
}

void bert_config_write(const struct bert_config *config, struct buf *out)
{
    bool classifies = !config->architecture;
    buf_addf(out, "{\n  \"architectures\": [\n    \"%s\"\n  ],\n",
             classifies ? "BertForSequenceClassification" : config->architecture);
    add_double(out, "attention_probs_dropout_prob", config->attention_probs_dropout_prob);
    if (config->classifier_dropout < 0)
        buf_addstr(out, "  \"classifier_dropout\": null,\n");
    else
        add_double(out, "classifier_dropout", config->classifier_dropout);
    buf_addstr(out, "  \"dtype\": \"float32\",\n  \"hidden_act\": ");
    add_text(out, config->hidden_act_name);
    buf_addstr(out, ",\n");
    add_double(out, "hidden_dropout_prob", config->hidden_dropout_prob);
    add_long(out, "hidden_size", config->hidden_size);
    if (classifies && config->n_labels)
        add_labels(out, config, false);
    add_double(out, "initializer_range", config->initializer_range);
    add_long(out, "intermediate_size", config->intermediate_size);
    if (classifies && config->n_labels)
        add_labels(out, config, true);
    add_double(out, "layer_norm_eps", config->layer_norm_eps);
    add_long(out, "max_position_embeddings", config->max_position_embeddings);
    buf_addstr(out, "  \"model_type\": \"bert\",\n");
    add_long(out, "num_attention_heads", config->num_attention_heads);
    add_long(out, "num_hidden_layers", config->num_hidden_layers);
    if (config->pad_token_id < 0)
        buf_addstr(out, "  \"pad_token_id\": null,\n");
    else
        add_long(out, "pad_token_id", config->pad_token_id);
    if (classifies)
        buf_addstr(out, "  \"problem_type\": \"single_label_classification\",\n");
    buf_addstr(out, "  \"torch_dtype\": \"float32\",\n");
    add_long(out, "type_vocab_size", config->type_vocab_size);
    buf_addstr(out, "  \"vocab_size\": ");
    json_add_long(out, config->vocab_size);
    buf_addstr(out, "\n}\n");
}
