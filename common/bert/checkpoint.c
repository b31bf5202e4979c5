/* checkpoint.c - reading the weights of a Hugging Face folder; see checkpoint.h. Writing is in model_folder.c.
 *
 * Does not read pickled weights (pytorch_model.bin): unpickling runs whatever the file says.
 */
#include "bert/checkpoint.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "wire/json.h"

enum { INDEX_CAP = 64 << 20, NAME_SIZE = 128 };

static const char weights_name[] = "model.safetensors";
static const char auxiliary_name[] = "auxiliary.safetensors";
static const char index_name[] = "model.safetensors.index.json";

/* ---- opening ---- */

static int add_file(struct checkpoint *c, const char *name, struct error *err)
{
    char *path = path_join(c->folder, name);
    if (!path_exists(path)) {
        error_set(err, STATUS_FAILURE, "%s: %s is missing, which %s names; fetch the model again", c->folder, name,
                  index_name);
        free(path);
        return -1;
    }
    c->files = xrealloc_array(c->files, c->n_files + 1, sizeof *c->files);
    c->paths = xrealloc_array(c->paths, c->n_files + 1, sizeof *c->paths);
    c->files[c->n_files] = (struct st_frame){0};
    c->paths[c->n_files] = path;
    c->n_files++;
    return st_map(&c->files[c->n_files - 1], path, err);
}

/* The shard's number, mapped if it was not yet; -1 on failure. */
static long find_shard(struct checkpoint *c, const char *name, struct error *err)
{
    size_t prefix = strlen(c->folder);
    for (size_t i = 0; i < c->n_files; i++) {
        const char *base = strrchr(c->paths[i] + prefix, '/');
        if (base && strcmp(base + 1, name) == 0)
            return (long)i;
    }
    return add_file(c, name, err) < 0 ? -1 : (long)c->n_files - 1;
}

/* {"weight_map": {"tensor": "shard"}}: maps every shard and sees that each holds what it is said to hold. */
static int read_weight_map(struct checkpoint *c, const struct json *doc, struct error *err)
{
    const struct json_node *map = json_member(doc, json_root(doc), "weight_map");
    if (!map || map->type != JSON_OBJECT || map->count == 0)
        return error_set(err, STATUS_FAILURE, "%s/%s: weight_map is not an object with tensors; fetch the model again",
                         c->folder, index_name);
    for (const struct json_node *node = json_first(doc, map); node; node = json_next(doc, node)) {
        bool plain = node->type == JSON_STRING && node->len > 0 && strlen(node->text) == node->len &&
                     node->text[0] != '.' && !strchr(node->text, '/');
        if (!plain)
            return error_set(err, STATUS_FAILURE, "%s/%s: weight_map: %s is not in a file of this folder", c->folder,
                             index_name, node->key);
        long shard = find_shard(c, node->text, err);
        if (shard < 0)
            return -1;
        if (!st_find(&c->files[shard], node->key))
            return error_set(err, STATUS_FAILURE, "%s: tensor %s is missing, which %s promises; fetch the model again",
                             c->paths[shard], node->key, index_name);
    }
    return 0;
}

static int open_shards(struct checkpoint *c, const char *index, struct error *err)
{
    struct json doc = {0};
    size_t len;
    int result = -1;
    char *text = file_read(index, INDEX_CAP, &len, err);
    if (!text)
        return -1;
    if (json_parse(&doc, text, len, err) < 0)
        error_prefix(err, "%s", index);
    else
        result = read_weight_map(c, &doc, err);
    json_free(&doc);
    free(text);
    return result;
}

static bool folder_has(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    bool there = path_exists(path);
    free(path);
    return there;
}

/* Keeps every tensor as it is; clone() parts those that share their memory. */
static const char conversion[] =
    "python3 -c 'import torch, safetensors.torch as s; s.save_file({k: v.clone() for k, v in "
    "torch.load(\"pytorch_model.bin\", map_location=\"cpu\", weights_only=True).items()}, \"model.safetensors\")'";

static int open_files(struct checkpoint *c, struct error *err)
{
    if (folder_has(c->folder, weights_name))
        return add_file(c, weights_name, err);
    if (folder_has(c->folder, index_name)) {
        char *index = path_join(c->folder, index_name);
        int result = open_shards(c, index, err);
        free(index);
        return result;
    }
    if (folder_has(c->folder, "pytorch_model.bin") || folder_has(c->folder, "pytorch_model.bin.index.json"))
        return error_set(err, STATUS_USAGE,
                         "%s: only pytorch_model.bin is there, which is a program to be run rather than data; "
                         "in that folder run: %s",
                         c->folder, conversion);
    return error_set(err, STATUS_USAGE, "%s: no %s; a Hugging Face model folder is expected", c->folder, weights_name);
}

/* ---- names ---- */

static const struct st_tensor *find_in_files(const struct checkpoint *c, const char *name, size_t *file)
{
    for (size_t i = 0; i < c->n_files; i++) {
        const struct st_tensor *tensor = st_find(&c->files[i], name);
        if (tensor) {
            *file = i;
            return tensor;
        }
    }
    return NULL;
}

/* LayerNorm.weight -> LayerNorm.gamma, LayerNorm.bias -> LayerNorm.beta, as checkpoints that came from TensorFlow say
 * it; false where the name is of no LayerNorm. */
static bool old_name(const char *name, char old[NAME_SIZE])
{
    const char *norm = strstr(name, "LayerNorm.");
    if (!norm)
        return false;
    int before = (int)(norm - name) + (int)strlen("LayerNorm.");
    snprintf(old, NAME_SIZE, "%.*s%s", before, name, strcmp(name + before, "weight") == 0 ? "gamma" : "beta");
    return true;
}

/* The tensor for a parameter's name, under any of the names that it may have; NULL where there is none. */
static const struct st_tensor *find_tensor(const struct checkpoint *c, const char *name, size_t *file)
{
    static const char prefix[] = "bert.";
    char old[NAME_SIZE];
    const char *names[2] = {name, old_name(name, old) ? old : NULL};
    for (int i = 0; i < 2 && names[i]; i++) {
        const struct st_tensor *tensor = find_in_files(c, names[i], file);
        if (!tensor && strncmp(names[i], prefix, strlen(prefix)) == 0)
            tensor = find_in_files(c, names[i] + strlen(prefix), file);
        if (tensor)
            return tensor;
    }
    return NULL;
}

int checkpoint_open(struct checkpoint *c, const char *folder, struct error *err)
{
    *c = (struct checkpoint){.folder = xstrdup(folder)};
    if (open_files(c, err) < 0) {
        checkpoint_close(c);
        return -1;
    }
    c->auxiliary = SIZE_MAX;
    if (folder_has(folder, auxiliary_name)) {
        c->auxiliary = c->n_files;
        if (add_file(c, auxiliary_name, err) < 0) {
            checkpoint_close(c);
            return -1;
        }
    }
    size_t file;
    c->has_pooler = find_tensor(c, "bert.pooler.dense.weight", &file) != NULL;
    c->has_classifier = find_tensor(c, "classifier.weight", &file) != NULL;
    return 0;
}

size_t checkpoint_num_labels(const struct checkpoint *c)
{
    size_t file;
    const struct st_tensor *tensor = find_tensor(c, "classifier.weight", &file);
    return tensor && tensor->rank == 2 ? (size_t)tensor->shape[0] : 0;
}

void checkpoint_let_go(const struct checkpoint *c)
{
    for (size_t i = 0; i < c->n_files; i++)
        st_let_go(&c->files[i]);
}

void checkpoint_close(struct checkpoint *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_files; i++) {
        st_release(&c->files[i]);
        free(c->paths[i]);
    }
    for (size_t i = 0; i < c->n_converted; i++)
        free(c->converted[i]);
    free(c->converted);
    free(c->files);
    free(c->paths);
    free(c->folder);
    *c = (struct checkpoint){0};
}

/* ---- values ---- */

static float bits_to_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16 to binary32; every value of the former is one of the latter. */
static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 0x1f;
    uint32_t fraction = half & 0x3ffu;
    if (exponent == 0x1f) /* infinity, NaN */
        return bits_to_float(sign | 0x7f800000u | fraction << 13);
    if (exponent != 0)
        return bits_to_float(sign | (exponent + 112) << 23 |
                             fraction << 13); /* 112: the biases' difference, 127 - 15 */
    float subnormal = (float)fraction * 0x1p-24f;
    return sign ? -subnormal : subnormal;
}

/* Copies or converts tensor's elements; the source need not be aligned. */
static void convert(float *out, const struct st_tensor *tensor)
{
    const unsigned char *in = tensor->data;
    if (tensor->dtype == ST_F32) {
        if (tensor->size)
            memcpy(out, in, tensor->size);
        return;
    }
    for (size_t i = 0; i < tensor->elements; i++) {
        uint16_t word;
        memcpy(&word, in + 2 * i, sizeof word);
        out[i] = tensor->dtype == ST_BF16 ? bits_to_float((uint32_t)word << 16) : float_of_half(word);
    }
}

/* "[2, 32]" */
static void print_shape(char *text, size_t size, const struct st_tensor *tensor)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (unsigned i = 0; i < tensor->rank && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%llu", i ? ", " : "", (unsigned long long)tensor->shape[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
}

static bool shape_fits(const struct st_tensor *tensor, const struct parameter *parameter)
{
    if (parameter->decay) /* a matrix, even with one column */
        return tensor->rank == 2 && tensor->shape[0] == parameter->rows && tensor->shape[1] == parameter->cols;
    return tensor->rank == 1 && tensor->shape[0] == parameter->rows;
}

/* Whether a parameter of an objective's head is there. What auxiliary.safetensors has of another shape is of another
 * run's head (a vocabulary of another size), and does not count. */
static bool has_parameter(const struct checkpoint *c, const struct parameter *parameter)
{
    size_t file;
    const struct st_tensor *tensor = find_tensor(c, parameter->name, &file);
    return tensor && (file != c->auxiliary || shape_fits(tensor, parameter));
}

static int shape_error(const struct checkpoint *c, size_t file, const struct st_tensor *tensor,
                       const struct parameter *parameter, struct error *err)
{
    char got[160], expected[64];
    print_shape(got, sizeof got, tensor);
    if (parameter->decay)
        snprintf(expected, sizeof expected, "[%zu, %zu]", parameter->rows, parameter->cols);
    else
        snprintf(expected, sizeof expected, "[%zu]", parameter->rows);
    size_t classes = checkpoint_num_labels(c);
    if (strncmp(parameter->name, "classifier.", strlen("classifier.")) == 0 && classes && classes != parameter->rows)
        return error_set(err, STATUS_USAGE,
                         "%s: %s is %s, expected %s: the model tells %zu classes apart, %zu are asked for; "
                         "give as many labels as the model has, or start from a model without a classifier",
                         c->paths[file], tensor->name, got, expected, classes, parameter->rows);
    return error_set(err, STATUS_FAILURE, "%s: %s is %s, expected %s: config.json does not belong to these weights",
                     c->paths[file], tensor->name, got, expected);
}

static int attach_one(struct checkpoint *c, struct parameters *p, struct parameter *parameter, struct error *err)
{
    size_t file;
    const struct st_tensor *tensor = find_tensor(c, parameter->name, &file);
    if (!tensor)
        return error_set(err, STATUS_FAILURE,
                         "%s: the weights lack %s: they are not of the model that config.json describes", c->folder,
                         parameter->name);
    if (tensor->dtype != ST_F32 && tensor->dtype != ST_F16 && tensor->dtype != ST_BF16)
        return error_set(err, STATUS_FAILURE, "%s: %s has dtype %s; F32, F16 and BF16 are read", c->paths[file],
                         tensor->name, st_dtype_name(tensor->dtype));
    if (!shape_fits(tensor, parameter))
        return shape_error(c, file, tensor, parameter, err);
    if (p->slab) {
        float *value = p->slab + parameter->offset;
        convert(value, tensor);
        parameter->value = value;
        return 0;
    }
    if (tensor->dtype == ST_F32 && (uintptr_t)tensor->data % _Alignof(float) == 0) {
        parameter->value = tensor->data;
        return 0;
    }
    float *copy = xaligned(parameter->size * sizeof *copy);
    convert(copy, tensor);
    c->converted = xrealloc_array(c->converted, c->n_converted + 1, sizeof *c->converted);
    c->converted[c->n_converted++] = copy;
    parameter->value = copy;
    return 0;
}

/* Whether the checkpoint lacks the head that this parameter belongs to. */
static bool is_of_missing_head(const struct checkpoint *c, const struct parameters *p, size_t id)
{
    size_t pooler = parameter_of_head(p, POOLER_WEIGHT), classifier = parameter_of_head(p, CLASSIFIER_WEIGHT);
    if (id < pooler)
        return false;
    if (id >= pooler + p->n_heads) /* of an objective */
        return !has_parameter(c, &p->list[id]);
    return id < classifier ? !c->has_pooler : !c->has_classifier;
}

int checkpoint_attach(struct checkpoint *c, struct parameters *p, size_t **missing, size_t *n_missing,
                      struct error *err)
{
    assert(!missing == !n_missing);
    size_t *absent = xmalloc_array(p->n, sizeof *absent), n_absent = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (missing && is_of_missing_head(c, p, i)) {
            absent[n_absent++] = i;
        } else if (attach_one(c, p, &p->list[i], err) < 0) {
            free(absent);
            return -1;
        }
    }
    if (missing) {
        *missing = absent;
        *n_missing = n_absent;
    } else {
        free(absent);
    }
    return 0;
}
