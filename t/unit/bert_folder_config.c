/* bert_folder_config.c - config.json: presets, what is read, what is refused and how, what is written; and the table of
 * parameters that follows from it. */
#include "bert_folder.h"

#include <math.h>

#include "../helper/tap.h"
#include "bert/config.h"
#include "bert/parameters.h"

static char *trash;

static int read_text(struct bert_config *config, const char *text, struct error *err)
{
    *err = (struct error){0};
    put(trash, "config.json", text);
    return bert_config_read(config, trash, err);
}

static void test_presets(void)
{
    static const struct {
        const char *name;
        long layers, hidden, heads, intermediate;
    } expected[] = {{"tiny", 2, 128, 2, 512},
                    {"mini", 4, 256, 4, 1024},
                    {"small", 4, 512, 8, 2048},
                    {"medium", 8, 512, 8, 2048},
                    {"base", 12, 768, 12, 3072}};
    struct bert_config config;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ok(bert_config_preset(&config, expected[i].name, 1000) && config.num_hidden_layers == expected[i].layers &&
               config.hidden_size == expected[i].hidden && config.num_attention_heads == expected[i].heads &&
               config.intermediate_size == expected[i].intermediate && config.vocab_size == 1000,
           "preset %s has its published size", expected[i].name);
    }
    ok(!bert_config_preset(&config, "huge", 1000), "an unknown preset is refused");
}

static void test_defaults(void)
{
    struct bert_config config;
    struct error err;
    is_long(read_text(&config, "{}", &err), 0, "an empty object is BertConfig's defaults");
    ok(config.vocab_size == 30522 && config.hidden_size == 768 && config.num_hidden_layers == 12 &&
           config.num_attention_heads == 12 && config.intermediate_size == 3072 &&
           config.max_position_embeddings == 512 && config.type_vocab_size == 2 && config.pad_token_id == 0,
       "default sizes");
    ok(config.hidden_act == ACTIVATION_GELU && config.hidden_dropout_prob == 0.1 && config.classifier_dropout == -1 &&
           config.initializer_range == 0.02 && config.layer_norm_eps == 1e-12 && config.n_labels == 0,
       "default numbers");
    bert_config_free(&config);
}

static void test_activations(void)
{
    static const struct {
        const char *name;
        enum activation activation;
    } names[] = {{"gelu", ACTIVATION_GELU},
                 {"gelu_new", ACTIVATION_GELU_TANH},
                 {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
                 {"gelu_fast", ACTIVATION_GELU_TANH},
                 {"relu", ACTIVATION_RELU}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bert_config config;
        struct error err;
        char text[80];
        snprintf(text, sizeof text, "{\"hidden_act\": \"%s\"}", names[i].name);
        int result = read_text(&config, text, &err);
        ok(result == 0 && config.hidden_act == names[i].activation &&
               strcmp(config.hidden_act_name, names[i].name) == 0,
           "hidden_act %s", names[i].name);
        bert_config_free(&config);
    }
}

static void is_labels(const char *text, const char *first, const char *last, size_t n, const char *name)
{
    struct bert_config config;
    struct error err;
    int result = read_text(&config, text, &err);
    ok(result == 0 && config.n_labels == n && strcmp(config.labels[0], first) == 0 &&
           strcmp(config.labels[n - 1], last) == 0,
       "labels: %s", name);
    if (result < 0)
        note("%s", err.text);
    bert_config_free(&config);
}

static void test_labels(void)
{
    is_labels("{\"id2label\": {\"0\": \"negative\", \"1\": \"positive\"}}", "negative", "positive", 2, "id2label");
    is_labels("{\"id2label\": {\"2\": \"c\", \"0\": \"a\", \"1\": \"b\"}}", "a", "c", 3, "id2label in any order");
    is_labels("{\"label2id\": {\"yes\": 1, \"no\": 0}}", "no", "yes", 2, "label2id alone");
    is_labels("{\"label2id\": {\"z\": 0}, \"id2label\": {\"0\": \"a\", \"1\": \"b\"}}", "a", "b", 2,
              "id2label counts first");
    is_labels("{\"num_labels\": 3}", "LABEL_0", "LABEL_2", 3, "num_labels alone gets transformers' names");
    is_labels("{\"id2label\": {\"0\": 0, \"1\": 1}}", "0", "1", 2, "numbers as names");
    is_labels("{\"id2label\": {\"0\": \"n\\u00e9gatif\", \"1\": \"\\\"q\\\"\"}}", "n\303\251gatif", "\"q\"", 2,
              "escapes");
}

static void test_broken(void)
{
    static const struct {
        const char *text, *message; /* message: a part of the error */
    } broken[] = {
        {"", "config.json: "},
        {"{\"hidden_size\": 768", "config.json: "},
        {"[]", "not a JSON object"},
        {"{\"hidden_size\": 768, \"hidden_size\": 768}", "config.json: "},
        {"{\"model_type\": \"roberta\"}", "model_type is \"roberta\"; only \"bert\" is read"},
        {"{\"position_embedding_type\": \"relative_key\"}", "position_embedding_type is \"relative_key\""},
        {"{\"is_decoder\": true}", "is_decoder is true"},
        {"{\"add_cross_attention\": true}", "add_cross_attention is true"},
        {"{\"problem_type\": \"regression\"}", "problem_type is \"regression\""},
        {"{\"vocab_size\": 0}", "vocab_size is 0; it has to be a whole number from 1 to 16777216"},
        {"{\"vocab_size\": 16777217}", "vocab_size is 16777217"},
        {"{\"hidden_size\": -768}", "hidden_size is -768"},
        {"{\"hidden_size\": 768.5}", "hidden_size is 768.5"},
        {"{\"hidden_size\": \"768\"}", "hidden_size is \"768\""},
        {"{\"hidden_size\": 1e300}", "hidden_size is 1e300"},
        {"{\"num_hidden_layers\": 100000}", "num_hidden_layers is 100000"},
        {"{\"num_attention_heads\": 5}", "hidden_size 768 is not a multiple of num_attention_heads 5"},
        {"{\"intermediate_size\": []}", "intermediate_size is []"},
        {"{\"max_position_embeddings\": 0}", "max_position_embeddings is 0"},
        {"{\"type_vocab_size\": 0}", "type_vocab_size is 0"},
        {"{\"pad_token_id\": 30522}", "pad_token_id is 30522"},
        {"{\"hidden_act\": \"silu\"}", "hidden_act is \"silu\"; known are gelu,"},
        {"{\"hidden_act\": 1}", "hidden_act is 1"},
        {"{\"hidden_dropout_prob\": 1}", "hidden_dropout_prob is 1; it has to be a number from 0 to below 1"},
        {"{\"attention_probs_dropout_prob\": -0.1}", "attention_probs_dropout_prob is -0.1"},
        {"{\"classifier_dropout\": \"x\"}", "classifier_dropout is \"x\""},
        {"{\"layer_norm_eps\": true}", "layer_norm_eps is true"},
        {"{\"initializer_range\": -1}", "initializer_range is -1"},
        {"{\"num_labels\": 0}", "num_labels is 0"},
        {"{\"id2label\": {\"0\": \"a\", \"2\": \"b\"}}", "id2label is not a map"},
        {"{\"id2label\": {\"0\": \"a\", \"00\": \"b\"}}", "id2label is not a map"},
        {"{\"id2label\": {\"zero\": \"a\"}}", "id2label is not a map"},
        {"{\"id2label\": {\"0\": {}}}", "id2label is not a map"},
        {"{\"id2label\": {}}", "id2label is not a map"},
        {"{\"id2label\": [\"a\", \"b\"]}", "id2label is not a map"},
        {"{\"label2id\": {\"a\": 0, \"b\": 0}}", "label2id is not a map"},
        {"{\"label2id\": {\"a\": 0, \"b\": \"1\"}}", "label2id is not a map"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct bert_config config;
        struct error err;
        int result = read_text(&config, broken[i].text, &err);
        ok(result == -1 && err.status == STATUS_USAGE && strstr(err.text, broken[i].message) &&
               strstr(err.text, "config.json") && !strchr(err.text, '\n'),
           "refused: %s", broken[i].text);
        if (result == 0 || !strstr(err.text, broken[i].message))
            note("%s", err.text);
    }
}

static void test_absent(void)
{
    struct bert_config config;
    struct error err = {0};
    char *path = path_join(trash, "config.json");
    remove(path);
    is_long(bert_config_read(&config, trash, &err), -1, "a folder without config.json is refused");
    ok(err.status == STATUS_USAGE && strstr(err.text, "no config.json"), "... and said so: %s", err.text);
    free(path);
}

static void test_round_trip(void)
{
    struct bert_config config, again;
    struct error err;
    read_text(&config,
              "{\"vocab_size\": 99, \"hidden_size\": 30, \"num_hidden_layers\": 3, \"num_attention_heads\": 5,"
              "\"intermediate_size\": 70, \"max_position_embeddings\": 33, \"type_vocab_size\": 1, \"pad_token_id\": 7,"
              "\"hidden_act\": \"gelu_fast\", \"hidden_dropout_prob\": 0, \"attention_probs_dropout_prob\": 0.25,"
              "\"classifier_dropout\": 0.3, \"initializer_range\": 1, \"layer_norm_eps\": 1e-05, \"unknown\": [1],"
              "\"id2label\": {\"0\": \"a\\\"b\", \"1\": \"c\"}}",
              &err);
    struct buf text = {0};
    bert_config_write(&config, false, &text);
    is_long(read_text(&again, text.data, &err), 0, "what is written can be read");
    struct bert_config left = config, right = again;
    left.labels = right.labels = NULL;
    struct buf twice = {0};
    bert_config_write(&again, false, &twice);
    is_string(twice.data, text.data, "and says the same");
    ok(left.vocab_size == right.vocab_size && left.layer_norm_eps == right.layer_norm_eps &&
           right.classifier_dropout == 0.3 && right.pad_token_id == 7 && right.hidden_act == ACTIVATION_GELU_TANH &&
           right.type_vocab_size == 1 && right.n_labels == 2 && strcmp(again.labels[0], "a\"b") == 0,
       "with the values that were read first");
    ok(strstr(text.data, "\"initializer_range\": 1.0,") && strstr(text.data, "\"hidden_dropout_prob\": 0.0,"),
       "a whole number that is a float stays one");
    ok(strstr(text.data, "\"BertForSequenceClassification\"") && strstr(text.data, "\"single_label_classification\"") &&
           strstr(text.data, "\"a\\\"b\": 0") && strstr(text.data, "\"1\": \"c\""),
       "it is a sequence classifier's, with both maps of the labels");
    buf_free(&text);
    buf_free(&twice);

    bert_config_set_labels(&again, &again.labels[1], 1);
    ok(again.n_labels == 1 && strcmp(again.labels[0], "c") == 0, "labels can be set from their own");
    bert_config_free(&config);
    bert_config_free(&again);

    read_text(&again, "{\"pad_token_id\": null, \"classifier_dropout\": null}", &err);
    bert_config_write(&again, false, &text);
    ok(again.pad_token_id == -1 && strstr(text.data, "\"pad_token_id\": null") &&
           strstr(text.data, "\"classifier_dropout\": null"),
       "null stays null");
    buf_free(&text);
    bert_config_free(&again);
}

/* Where one starts follows from the one before: side by side for query, key and value, else at a multiple of 16. */
static bool offsets_are_right(const struct parameters *p)
{
    size_t end = 0;
    for (size_t i = 0; i < p->n; i++) {
        bool twin = i >= parameter_of_layer(0, QUERY_WEIGHT) && i < parameter_of_head(p, POOLER_WEIGHT);
        size_t within = (i - parameter_of_layer(0, QUERY_WEIGHT)) % LAYER_PARAMETERS;
        twin = twin && (within == KEY_WEIGHT || within == VALUE_WEIGHT || within == KEY_BIAS || within == VALUE_BIAS);
        size_t expected = twin ? end : (end + 15) / 16 * 16;
        if (p->list[i].offset != expected || p->list[i].size != p->list[i].rows * p->list[i].cols)
            return false;
        end = expected + p->list[i].size;
    }
    return p->slab_size >= end && p->slab_size % 16 == 0;
}

static void is_shape(const struct parameters *p, const char *name, size_t rows, size_t cols, bool decay)
{
    const struct parameter *found = parameters_find(p, name);
    ok(found && found->rows == rows && found->cols == cols && found->decay == decay, "%s is [%zu, %zu]", name, rows,
       cols);
}

static void test_parameters(void)
{
    struct bert_config config;
    struct error err;
    struct parameters p;
    read_text(
        &config,
        "{\"vocab_size\": 101, \"hidden_size\": 30, \"num_hidden_layers\": 3, \"num_attention_heads\": 5,"
        "\"intermediate_size\": 70, \"max_position_embeddings\": 33, \"type_vocab_size\": 1, \"pad_token_id\": 7}",
        &err);
    parameters_init(&p, &config, 4);
    is_long((long long)p.n, 5 + 3 * 16 + 4, "as many parameters as BertForSequenceClassification has");
    ok(offsets_are_right(&p), "query, key and value lie side by side, the others start at multiples of 16 floats");
    is_shape(&p, "bert.embeddings.word_embeddings.weight", 101, 30, true);
    is_shape(&p, "bert.embeddings.position_embeddings.weight", 33, 30, true);
    is_shape(&p, "bert.embeddings.token_type_embeddings.weight", 1, 30, true);
    is_shape(&p, "bert.embeddings.LayerNorm.weight", 30, 1, false);
    is_shape(&p, "bert.encoder.layer.2.attention.self.value.weight", 30, 30, true);
    is_shape(&p, "bert.encoder.layer.0.attention.output.LayerNorm.bias", 30, 1, false);
    is_shape(&p, "bert.encoder.layer.1.intermediate.dense.weight", 70, 30, true);
    is_shape(&p, "bert.encoder.layer.1.intermediate.dense.bias", 70, 1, false);
    is_shape(&p, "bert.encoder.layer.2.output.dense.weight", 30, 70, true);
    is_shape(&p, "bert.pooler.dense.weight", 30, 30, true);
    is_shape(&p, "classifier.weight", 4, 30, true);
    is_shape(&p, "classifier.bias", 4, 1, false);
    ok(!parameters_find(&p, "bert.encoder.layer.3.output.dense.weight"), "no layer too many");
    is_string(p.list[parameter_of_layer(2, OUTPUT_NORM_BIAS)].name, "bert.encoder.layer.2.output.LayerNorm.bias",
              "ids of a layer");
    is_string(p.list[parameter_of_head(&p, CLASSIFIER_BIAS)].name, "classifier.bias", "ids of the head");
    parameters_free(&p);
    bert_config_free(&config);
}

static double root_mean_square(const float *value, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)value[i] * value[i];
    return sqrt(sum / (double)n);
}

static void test_initialise(void)
{
    struct bert_config config, other;
    struct parameters p, q;
    bert_config_preset(&config, "tiny", 500);
    bert_config_preset(&other, "tiny", 500);
    other.num_hidden_layers = 1;
    config.pad_token_id = 3;
    parameters_init(&p, &config, 2);
    parameters_init(&q, &other, 2);
    parameters_allocate(&p);
    parameters_allocate(&q);
    for (size_t i = p.n; i-- > 0;) /* the order does not matter */
        parameter_initialise(&p, &p.list[i], &config, 17);
    for (size_t i = 0; i < q.n; i++)
        parameter_initialise(&q, &q.list[i], &other, 17);

    const struct parameter *words = &p.list[WORD_EMBEDDINGS], *query = &p.list[parameter_of_layer(0, QUERY_WEIGHT)];
    const struct parameter *key = &p.list[parameter_of_layer(0, KEY_WEIGHT)];
    near(root_mean_square(query->value, query->size), 0.02, 0.001, "weights have the deviation initializer_range");
    ok(root_mean_square(words->value + 3 * words->cols, words->cols) == 0, "the padding's row is zero");
    near(root_mean_square(words->value + 4 * words->cols, words->cols), 0.02, 0.005, "the row after it is not");
    ok(memcmp(query->value, key->value, query->size * sizeof(float)) != 0, "no two parameters get the same values");
    ok(p.list[EMBEDDING_NORM_WEIGHT].value[127] == 1 && p.list[EMBEDDING_NORM_BIAS].value[127] == 0,
       "LayerNorm: 1 and 0");
    const struct parameter *pooler = &p.list[parameter_of_head(&p, POOLER_WEIGHT)];
    ok(p.list[parameter_of_head(&p, POOLER_BIAS)].value[0] == 0, "biases: 0");
    ok(memcmp(pooler->value, q.list[parameter_of_head(&q, POOLER_WEIGHT)].value, pooler->size * sizeof(float)) == 0,
       "the values depend on seed and name alone");
    float before = pooler->value[0];
    parameter_initialise(&p, &p.list[parameter_of_head(&p, POOLER_WEIGHT)], &config, 18);
    ok(pooler->value[0] != before, "another seed gives other values");
    parameters_free(&p);
    parameters_free(&q);
}

int main(void)
{
    trash = make_trash();
    test_presets();
    test_defaults();
    test_activations();
    test_labels();
    test_broken();
    test_absent();
    test_round_trip();
    test_parameters();
    test_initialise();
    folder_remove(trash, NULL);
    free(trash);
    return done_testing();
}
