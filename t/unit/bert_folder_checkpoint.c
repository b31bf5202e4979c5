/* bert_folder_checkpoint.c - reading weights: every form that is read, each broken form and what is said about it. */
#include "bert_folder.h"

#include <math.h>

#include "../helper/tap.h"
#include "bert/checkpoint.h"

static char *trash;

/* ---- checkpoints made on the fly ---- */

static const char tiny_config[] = "{\"vocab_size\": 5, \"hidden_size\": 2, \"num_hidden_layers\": 1,"
                                  "\"num_attention_heads\": 1, \"intermediate_size\": 3,"
                                  "\"max_position_embeddings\": 4, \"type_vocab_size\": 1}";

enum { MAX_TENSORS = 32, MAX_VALUES = 256 };

/* The tensors of a tiny classifier; tests change names, shapes and types before they are written. */
struct made {
    struct bert_config config;
    struct parameters p;
    struct st_tensor tensors[MAX_TENSORS];
    char names[MAX_TENSORS][96];
    float values[MAX_VALUES];
    size_t n;
};

static void make(struct made *m)
{
    struct error err = {0};
    put(trash, "config.json", tiny_config);
    *m = (struct made){0};
    bert_config_read(&m->config, trash, &err);
    parameters_init(&m->p, &m->config, 2);
    size_t used = 0;
    for (size_t i = 0; i < m->p.n; i++) {
        const struct parameter *parameter = &m->p.list[i];
        snprintf(m->names[i], sizeof m->names[i], "%s", parameter->name);
        m->tensors[i] = (struct st_tensor){.name = m->names[i],
                                           .dtype = ST_F32,
                                           .rank = parameter->decay ? 2 : 1,
                                           .shape = {parameter->rows, parameter->cols},
                                           .data = m->values + used};
        for (size_t j = 0; j < parameter->size; j++)
            m->values[used + j] = (float)(used + j) + 0.5f;
        used += parameter->size;
    }
    m->n = m->p.n;
}

static struct st_tensor *made_find(struct made *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++) {
        if (strcmp(m->tensors[i].name, name) == 0)
            return &m->tensors[i];
    }
    printf("Bail out! no tensor %s\n", name);
    exit(1);
}

static void made_drop(struct made *m, const char *name)
{
    struct st_tensor *tensor = made_find(m, name);
    *tensor = m->tensors[--m->n];
}

static void write_tensors(const char *name, const struct st_tensor *tensors, size_t n)
{
    char *path = path_join(trash, name);
    struct output out;
    struct error err = {0};
    if (output_open(&out, path, false, &err) < 0 || st_write(&out, tensors, n, NULL, 0) < 0 || output_close(&out) < 0) {
        printf("Bail out! cannot write %s\n", path);
        exit(1);
    }
    free(path);
}

static void made_free(struct made *m)
{
    parameters_free(&m->p);
    bert_config_free(&m->config);
    folder_remove(trash, NULL);
    folder_make(trash, NULL);
}

/* Opens and attaches; the message of what went wrong, or "". */
static const char *attach_message(const struct made *m, size_t num_labels, bool in_slab, int *status)
{
    static struct error err;
    struct checkpoint c;
    struct parameters p;
    err = (struct error){0};
    if (checkpoint_open(&c, trash, &err) == 0) {
        parameters_init(&p, &m->config, num_labels);
        if (in_slab)
            parameters_allocate(&p);
        checkpoint_attach(&c, &p, NULL, NULL, &err);
        parameters_free(&p);
        checkpoint_close(&c);
    }
    *status = err.status;
    return err.text;
}

static void is_refused(const struct made *m, int expected_status, const char *part, const char *name)
{
    int status;
    const char *text = attach_message(m, 2, false, &status);
    ok(status == expected_status && strstr(text, part), "refused: %s", name);
    if (status != expected_status || !strstr(text, part))
        note("status %d: %s", status, text);
}

/* ---- what transformers wrote ---- */

/* The tensor of the folder's files under this exact name. */
static const struct st_tensor *raw(const struct checkpoint *c, const char *name)
{
    for (size_t i = 0; i < c->n_files; i++) {
        const struct st_tensor *tensor = st_find(&c->files[i], name);
        if (tensor)
            return tensor;
    }
    return NULL;
}

/* Every parameter has the values of the tensor that the folder's kind names for it. */
static bool values_are_the_files(const struct checkpoint *c, const struct parameters *p, bool prefixed, bool old)
{
    for (size_t i = 0; i < p->n; i++) {
        char name[128];
        const char *from = p->list[i].name + (!prefixed && strncmp(p->list[i].name, "bert.", 5) == 0 ? 5 : 0);
        snprintf(name, sizeof name, "%s", from);
        char *norm = strstr(name, "LayerNorm.");
        if (old && norm)
            strcpy(norm, strstr(norm, ".weight") ? "LayerNorm.gamma" : "LayerNorm.beta");
        const struct st_tensor *tensor = raw(c, name);
        if (!tensor && !p->list[i].value)
            continue; /* a head that is not there */
        if (!tensor || !p->list[i].value || tensor->elements != p->list[i].size ||
            memcmp(tensor->data, p->list[i].value, tensor->size) != 0) {
            note("%s differs from %s", p->list[i].name, name);
            return false;
        }
    }
    return true;
}

static bool same_values(const struct parameters *a, const struct parameters *b)
{
    for (size_t i = 0; i < a->n; i++) {
        if (!a->list[i].value != !b->list[i].value)
            return b->slab != NULL; /* a missing head is zero in the slab */
        if (a->list[i].value && memcmp(a->list[i].value, b->list[i].value, a->list[i].size * sizeof(float)) != 0)
            return false;
    }
    return true;
}

struct kind {
    const char *name;
    bool prefixed, old, half, pooler, classifier;
    size_t num_labels, n_files;
};

static void test_kind(const struct kind *kind)
{
    struct error err = {0};
    struct bert_config config;
    struct checkpoint c;
    struct parameters mapped, copied;
    size_t *missing = NULL, n_missing = 0;
    char *folder = testdata(kind->name);
    if (bert_config_read(&config, folder, &err) < 0 || checkpoint_open(&c, folder, &err) < 0) {
        ok(false, "%s: opens: %s", kind->name, err.text);
        free(folder);
        return;
    }
    ok(c.has_pooler == kind->pooler && c.has_classifier == kind->classifier && c.n_files == kind->n_files &&
           checkpoint_num_labels(&c) == (kind->classifier ? kind->num_labels : 0),
       "%s: its heads and files are found", kind->name);
    parameters_init(&mapped, &config, kind->num_labels);
    parameters_init(&copied, &config, kind->num_labels);
    parameters_allocate(&copied);
    int result = checkpoint_attach(&c, &mapped, &missing, &n_missing, &err);
    ok(result == 0 && n_missing == (kind->pooler ? 0u : 2u) + (kind->classifier ? 0u : 2u), "%s: attaches%s%s",
       kind->name, *err.text ? ": " : "", err.text);
    ok(n_missing == 0 || missing[0] == parameter_of_head(&mapped, kind->pooler ? CLASSIFIER_WEIGHT : POOLER_WEIGHT),
       "%s: tells which heads are missing", kind->name);
    free(missing);
    if (!kind->half)
        ok(values_are_the_files(&c, &mapped, kind->prefixed, kind->old) && c.n_converted == 0,
           "%s: every parameter has its tensor's values, without a copy", kind->name);
    else
        ok(c.n_converted == mapped.n, "%s: every tensor is converted", kind->name);
    missing = NULL;
    result = checkpoint_attach(&c, &copied, &missing, &n_missing, &err);
    ok(result == 0 && same_values(&mapped, &copied), "%s: the slab gets the same values", kind->name);
    ok(copied.list[7].value == copied.slab + copied.list[7].offset, "%s: values stay in the slab", kind->name);
    free(missing);
    if (!kind->pooler || !kind->classifier) {
        ok(checkpoint_attach(&c, &mapped, NULL, NULL, &err) == -1 && strstr(err.text, "the weights lack "),
           "%s: a head that is required is an error", kind->name);
    }
    parameters_free(&mapped);
    parameters_free(&copied);
    checkpoint_close(&c);
    bert_config_free(&config);
    free(folder);
}

static void test_kinds(void)
{
    static const struct kind kinds[] = {
        {"classifier", true, false, false, true, true, 2, 1},   {"encoder", false, false, false, true, false, 2, 1},
        {"pretraining", true, false, false, true, false, 2, 1}, {"gamma", true, true, false, true, true, 2, 1},
        {"f16", true, false, true, true, true, 2, 1},           {"bf16", true, false, true, true, true, 2, 1},
        {"sharded", true, false, false, true, true, 2, 3},      {"gelu_new", true, false, false, true, true, 2, 1},
        {"relu", true, false, false, true, true, 3, 1},         {"no-pooler", false, false, false, false, false, 2, 1},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        test_kind(&kinds[i]);
}

/* ---- half precision, every value ---- */

/* IEEE 754: sign x 2^(exponent - bias) x 1.fraction; exponent 0: subnormal; all ones: infinity or NaN. */
static double value_of(unsigned word, int fraction_bits, int exponent_bits)
{
    int exponent = (int)(word >> fraction_bits) & ((1 << exponent_bits) - 1);
    int bias = (1 << (exponent_bits - 1)) - 1;
    double fraction = ldexp((double)(word & ((1u << fraction_bits) - 1)), -fraction_bits);
    double sign = word & 0x8000 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1)
        return fraction == 0 ? sign * INFINITY : NAN;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias);
    return sign * ldexp(1 + fraction, exponent - bias);
}

static void test_every_half(enum st_dtype dtype, int fraction_bits, int exponent_bits)
{
    static uint16_t words[1 << 16];
    struct made m;
    struct checkpoint c;
    struct error err = {0};
    make(&m);
    m.config.vocab_size = 1 << 15; /* x hidden 2: every word once */
    for (unsigned i = 0; i < 1u << 16; i++)
        words[i] = (uint16_t)i;
    struct st_tensor *tensor = made_find(&m, "bert.embeddings.word_embeddings.weight");
    tensor->dtype = dtype;
    tensor->shape[0] = 1 << 15;
    tensor->data = words;
    write_tensors("model.safetensors", m.tensors, m.n);
    struct parameters p;
    parameters_init(&p, &m.config, 2);
    int result = checkpoint_open(&c, trash, &err) < 0 ? -1 : checkpoint_attach(&c, &p, NULL, NULL, &err);
    unsigned wrong = 0;
    for (unsigned i = 0; result == 0 && i < 1u << 16; i++) {
        float got = p.list[WORD_EMBEDDINGS].value[i];
        double expected = value_of(i, fraction_bits, exponent_bits);
        bool same = isnan(expected) ? isnan(got) : (double)got == expected && !signbit(got) == !signbit(expected);
        wrong += !same;
    }
    ok(result == 0 && wrong == 0, "every %s value is read exactly", st_dtype_name(dtype));
    ok(result == 0 && c.n_converted == 1, "only the tensor of another type is copied");
    parameters_free(&p);
    checkpoint_close(&c);
    made_free(&m);
}

/* ---- names, in mixtures that no program writes ---- */

static void test_mixed_names(void)
{
    struct made m;
    int status;
    make(&m);
    for (size_t i = 0; i < m.n; i += 2) { /* every other one without the prefix */
        if (strncmp(m.names[i], "bert.", 5) == 0)
            m.tensors[i].name = m.names[i] + 5;
    }
    write_tensors("model.safetensors", m.tensors, m.n);
    is_string(attach_message(&m, 2, true, &status), "", "prefixed and plain names in one file");
    strcpy(strstr(m.names[EMBEDDING_NORM_WEIGHT], "weight"), "gamma");
    strcpy(strstr(m.names[EMBEDDING_NORM_BIAS], "bias"), "beta");
    m.tensors[m.n++] = (struct st_tensor){
        .name = "embeddings.position_ids", .dtype = ST_I64, .rank = 2, .shape = {1, 4}, .data = m.values};
    m.tensors[m.n++] =
        (struct st_tensor){.name = "cls.predictions.bias", .dtype = ST_F32, .rank = 1, .shape = {5}, .data = m.values};
    write_tensors("model.safetensors", m.tensors, m.n);
    is_string(attach_message(&m, 2, true, &status), "", "old and new names in one file, with tensors that are ignored");
    made_free(&m);
}

/* ---- refusals ---- */

static void test_wrong_tensors(void)
{
    struct made m;
    int status;
    make(&m);
    write_tensors("model.safetensors", m.tensors, m.n);
    is_string(attach_message(&m, 2, false, &status), "", "the folder made here is right before it is broken");

    const char *text = attach_message(&m, 3, false, &status);
    ok(status == STATUS_USAGE && strstr(text, "classifier.weight is [2, 2], expected [3, 2]") &&
           strstr(text, "tells 2 classes apart, 3 are asked for; give as many labels"),
       "another number of classes: %s", text);

    struct st_tensor *dense = made_find(&m, "bert.encoder.layer.0.intermediate.dense.weight");
    dense->shape[0] = 2;
    dense->shape[1] = 3;
    write_tensors("model.safetensors", m.tensors, m.n);
    is_refused(&m, STATUS_FAILURE, "intermediate.dense.weight is [2, 3], expected [3, 2]: config.json does not belong",
               "a transposed tensor");
    dense->rank = 1;
    dense->shape[0] = 6;
    write_tensors("model.safetensors", m.tensors, m.n);
    is_refused(&m, STATUS_FAILURE, "is [6], expected [3, 2]", "a flat tensor");
    dense->rank = 2;
    dense->shape[0] = 3;
    dense->shape[1] = 2;

    dense->dtype = ST_I32;
    write_tensors("model.safetensors", m.tensors, m.n);
    is_refused(&m, STATUS_FAILURE, "intermediate.dense.weight has dtype I32; F32, F16 and BF16 are read", "integers");
    dense->dtype = ST_F32;

    made_drop(&m, "bert.encoder.layer.0.output.LayerNorm.bias");
    write_tensors("model.safetensors", m.tensors, m.n);
    is_refused(&m, STATUS_FAILURE, "the weights lack bert.encoder.layer.0.output.LayerNorm.bias",
               "a tensor is missing");
    made_free(&m);
}

static void test_half_a_head(void)
{
    struct made m;
    struct checkpoint c;
    struct parameters p;
    struct error err = {0};
    size_t *missing = NULL, n_missing;
    make(&m);
    made_drop(&m, "classifier.bias");
    write_tensors("model.safetensors", m.tensors, m.n);
    parameters_init(&p, &m.config, 2);
    checkpoint_open(&c, trash, &err);
    ok(checkpoint_attach(&c, &p, &missing, &n_missing, &err) == -1 && strstr(err.text, "lack classifier.bias"),
       "a classifier without its bias is broken, not missing");
    free(missing);
    checkpoint_close(&c);
    parameters_free(&p);
    made_free(&m);
}

static void test_no_weights(void)
{
    struct made m;
    make(&m);
    is_refused(&m, STATUS_USAGE, "no model.safetensors; a Hugging Face model folder is expected", "no weights at all");
    put(trash, "pytorch_model.bin", "x");
    is_refused(&m, STATUS_USAGE, "only pytorch_model.bin is there", "pickled weights");
    is_refused(&m, STATUS_USAGE, "save_file", "... with the command that converts them");
    made_free(&m);
}

static void write_shards(struct made *m)
{
    struct buf index = {0};
    size_t half = m->n / 2;
    write_tensors("a.safetensors", m->tensors, half);
    write_tensors("b.safetensors", m->tensors + half, m->n - half);
    buf_addstr(&index, "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {");
    for (size_t i = 0; i < m->n; i++)
        buf_addf(&index, "%s\"%s\": \"%s\"", i ? ", " : "", m->tensors[i].name,
                 i < half ? "a.safetensors" : "b.safetensors");
    buf_addstr(&index, "}}");
    put(trash, "model.safetensors.index.json", index.data);
    buf_free(&index);
}

static void test_shards(void)
{
    struct made m;
    int status;
    make(&m);
    write_shards(&m);
    is_string(attach_message(&m, 2, false, &status), "", "two shards and their index");
    write_tensors("b.safetensors", m.tensors + m.n / 2, m.n - m.n / 2 - 1);
    is_refused(&m, STATUS_FAILURE,
               "b.safetensors: tensor classifier.bias is missing, which model.safetensors.index.json promises",
               "a tensor that the index promises and the shard lacks");
    char *path = path_join(trash, "b.safetensors");
    remove(path);
    is_refused(&m, STATUS_FAILURE, "b.safetensors is missing, which model.safetensors.index.json names",
               "a missing shard");
    put(trash, "b.safetensors", "not a frame at all");
    is_refused(&m, STATUS_FAILURE, "b.safetensors: ", "a broken shard");
    free(path);
    static const char *const indexes[] = {"",
                                          "[]",
                                          "{}",
                                          "{\"weight_map\": {}}",
                                          "{\"weight_map\": []}",
                                          "{\"weight_map\": {\"x\": \"../a.safetensors\"}}",
                                          "{\"weight_map\": {\"x\": \"/etc/passwd\"}}",
                                          "{\"weight_map\": {\"x\": \"a.safetensors\\u0000\"}}",
                                          "{\"weight_map\": {\"x\": \"\"}}",
                                          "{\"weight_map\": {\"x\": 1}}"};
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        put(trash, "model.safetensors.index.json", indexes[i]);
        is_refused(&m, STATUS_FAILURE, "model.safetensors.index.json", indexes[i]);
    }
    made_free(&m);
}

/* Each prefix and each changed byte of a file: an error or a valid reading, never a crash. */
static void test_damage(void)
{
    struct made m;
    struct error err = {0};
    size_t len, accepted = 0;
    int status;
    make(&m);
    write_tensors("model.safetensors", m.tensors, m.n);
    char *path = path_join(trash, "model.safetensors");
    char *whole = file_read(path, 1 << 20, &len, &err);
    char *damaged = xmalloc(len);
    for (size_t cut = 0; cut < len; cut += 1 + cut / 64) {
        put_bytes(trash, "model.safetensors", whole, cut);
        attach_message(&m, 2, false, &status);
        accepted += status == 0;
    }
    is_long((long long)accepted, 0, "no prefix of a file is taken for the file");
    put_bytes(trash, "model.safetensors", whole, len);
    is_string(attach_message(&m, 2, false, &status), "", "the whole file is");
    size_t wrong_status = 0;
    for (size_t i = 0; i < len && i < 1200; i++) {
        memcpy(damaged, whole, len);
        damaged[i] ^= (char)(1 << i % 8);
        put_bytes(trash, "model.safetensors", damaged, len);
        const char *text = attach_message(&m, 2, false, &status);
        wrong_status += status != 0 && (!*text || status > STATUS_USAGE);
    }
    is_long((long long)wrong_status, 0, "a flipped bit is an error with a reason, or another valid file");
    free(damaged);
    free(whole);
    free(path);
    made_free(&m);
}

int main(void)
{
    trash = make_trash();
    test_kinds();
    test_every_half(ST_F16, 10, 5);
    test_every_half(ST_BF16, 7, 8);
    test_mixed_names();
    test_wrong_tensors();
    test_half_a_head();
    test_no_weights();
    test_shards();
    test_damage();
    folder_remove(trash, NULL);
    free(trash);
    return done_testing();
}
