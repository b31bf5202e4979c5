/* model_folder.c - writes a whole Hugging Face folder, which is complete or not there; see checkpoint.h.
 *
 * Knows nothing of how the weights came to be. What the tokenizer's files say is copied, never interpreted.
 */
#include "bert/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/memory.h"
#include "bert/model_folder_swap.h"
#include "wire/json.h"

enum { TOKENIZER_FILE_CAP = 256 << 20 };

/* ---- what stands at the path ---- */

/* The path without slashes at its end; of something that exists its real path, so that a link keeps pointing at the
 * folder that is swapped behind it. */
static char *plain_path(const char *path)
{
    char *real = realpath(path, NULL);
    if (real)
        return real;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    return xmemdup0(path, len);
}

static bool folder_is_empty(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return dir && n == 2; /* . and .. */
}

/* Replacing removes what is there, so it has to be a model folder, or empty: a slip of the hand costs no home folder.
 */
static int check_replaceable(const char *path, struct error *err)
{
    if (!path_is_folder(path))
        return error_set(err, STATUS_USAGE, "%s is not a folder; remove it or choose another name", path);
    char *config = path_join(path, "config.json");
    bool is_model = path_exists(config);
    free(config);
    if (!is_model && !folder_is_empty(path))
        return error_set(err, STATUS_USAGE,
                         "%s holds other things than a model (no config.json), so it is not replaced; remove it or "
                         "choose another name",
                         path);
    return 0;
}

static int check_parent(const char *path, struct error *err)
{
    char *parent = path_folder(path);
    int result = 0;
    if (!path_is_folder(parent))
        result = error_set(err, STATUS_USAGE, "%s: there is no folder %s; make it first", path, parent);
    else if (access(parent, W_OK | X_OK) < 0)
        result =
            error_set(err, STATUS_USAGE, "%s: the folder %s cannot be written to: %s", path, parent, strerror(errno));
    free(parent);
    return result;
}

/* plain: the path as plain_path gives it; messages show it as the user did. */
static int check(const char *path, const char *plain, bool replace, struct error *err)
{
    struct stat st;
    if (lstat(plain, &st) == 0) { /* also a link to nowhere */
        if (!replace)
            return error_set(err, STATUS_USAGE, "%s exists; choose another name, or -f to replace it", path);
        if (check_replaceable(path, err) < 0)
            return -1;
    }
    return check_parent(plain, err);
}

int model_folder_check(const char *path, bool replace, struct error *err)
{
    char *plain = plain_path(path);
    int result = check(path, plain, replace, err);
    free(plain);
    return result;
}

/* ---- its files ---- */

static int write_text(const char *folder, const char *name, const char *text, size_t len, struct error *err)
{
    char *path = path_join(folder, name);
    int result = file_write_part(path, text, len, err);
    free(path);
    return result;
}

static int write_config(const char *folder, const struct bert_config *config, bool bf16, struct error *err)
{
    struct buf text = {0};
    bert_config_write(config, bf16, &text);
    int result = write_text(folder, "config.json", text.data, text.len, err);
    buf_free(&text);
    return result;
}

static uint16_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) /* NaN stays one */
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16); /* to nearest, ties to even */
}

/* Lets the tensors, which hold floats, point at rounded copies in the memory that is returned. */
static uint16_t *round_tensors(struct st_tensor *tensors, size_t n)
{
    size_t size = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        size += tensors[i].shape[0] * (tensors[i].rank > 1 ? tensors[i].shape[1] : 1);
    uint16_t *rounded = xmalloc_array(size + 1, sizeof *rounded);
    for (size_t i = 0; i < n; i++) {
        const float *values = tensors[i].data;
        size_t count = tensors[i].shape[0] * (tensors[i].rank > 1 ? tensors[i].shape[1] : 1);
        tensors[i].data = rounded + at;
        for (size_t k = 0; k < count; k++)
            rounded[at++] = bf16_of(values[k]);
    }
    return rounded;
}

/* The parameters that belong to the model, or those that do not; without any, there is no file. */
static int write_weights(const char *folder, const char *name, const struct model_folder *m, bool auxiliary,
                         struct error *err)
{
    const struct parameters *p = m->parameters;
    static const struct st_meta metadata[] = {{"format", "pt"}}; /* transformers asks for it */
    struct st_tensor *tensors = xcalloc(p->n, sizeof *tensors);
    char *path = path_join(folder, name);
    struct output out;
    size_t n = 0;
    int result = 0;
    for (size_t i = 0; i < p->n && result == 0; i++) {
        const struct parameter *parameter = &p->list[i];
        if (parameter->auxiliary != auxiliary)
            continue;
        if (!parameter->value)
            result = error_set(err, STATUS_FAILURE, "%s: %s has no value", path, parameter->name);
        tensors[n++] =
            (struct st_tensor){.name = parameter->name,
                               .dtype = m->bf16 ? ST_BF16 : ST_F32,
                               .rank = parameter->decay ? 2 : 1, /* a matrix, or a bias or LayerNorm's weight */
                               .shape = {parameter->rows, parameter->cols},
                               .data = parameter->value};
    }
    uint16_t *rounded = m->bf16 && result == 0 ? round_tensors(tensors, n) : NULL;
    if (result == 0 && n > 0 && (result = output_open_part(&out, path, err)) == 0) {
        st_write(&out, tensors, n, metadata, sizeof metadata / sizeof *metadata);
        result = output_close(&out);
        if (result < 0)
            error_set(err, out.error.status, "%s", out.error.text);
    }
    free(rounded);
    free(tensors);
    free(path);
    return result;
}

/* Copies FROM, if it is there, to FOLDER/NAME: 1, or 0 where there is none. */
static int copy_file(const char *from, const char *folder, const char *name, struct error *err)
{
    size_t len;
    if (!path_exists(from))
        return 0;
    char *data = file_read(from, TOKENIZER_FILE_CAP, &len, err);
    if (!data)
        return -1;
    int result = write_text(folder, name, data, len, err);
    free(data);
    return result < 0 ? -1 : 1;
}

static int copy_from_folder(const char *source, const char *name, const char *folder, struct error *err)
{
    char *from = path_join(source, name);
    int result = copy_file(from, folder, name, err);
    free(from);
    return result;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* vocab.txt and tokenizer.json, what there is of them. */
static int copy_vocabulary(const char *source, const char *folder, struct error *err)
{
    int n;
    if (path_is_folder(source)) {
        int vocabulary = copy_from_folder(source, "vocab.txt", folder, err);
        int tokenizer = vocabulary < 0 ? -1 : copy_from_folder(source, "tokenizer.json", folder, err);
        int added = tokenizer < 0 ? -1 : copy_from_folder(source, "added_tokens.json", folder, err);
        n = added < 0 ? -1 : vocabulary + tokenizer;
    } else {
        n = copy_file(source, folder, ends_with(source, ".json") ? "tokenizer.json" : "vocab.txt", err);
    }
    if (n < 0)
        return -1;
    if (n == 0)
        return error_set(err, STATUS_USAGE, "%s: neither vocab.txt nor tokenizer.json is there", source);
    return 0;
}

static const char special_tokens[] = "  \"cls_token\": \"[CLS]\",\n"
                                     "  \"mask_token\": \"[MASK]\",\n"
                                     "  \"pad_token\": \"[PAD]\",\n"
                                     "  \"sep_token\": \"[SEP]\",\n"
                                     "  \"unk_token\": \"[UNK]\"";

static int make_tokenizer_config(const char *folder, const struct model_folder *m, struct error *err)
{
    struct buf text = {0};
    buf_addf(&text, "{\n%s,\n", special_tokens);
    buf_addf(&text, "  \"do_lower_case\": %s,\n", m->do_lower_case ? "true" : "false");
    buf_addf(&text, "  \"model_max_length\": %ld,\n", m->model_max_length);
    buf_addstr(&text, "  \"strip_accents\": null,\n"
                      "  \"tokenize_chinese_chars\": true,\n"
                      "  \"tokenizer_class\": \"BertTokenizer\"\n}\n");
    int result = write_text(folder, "tokenizer_config.json", text.data, text.len, err);
    buf_free(&text);
    return result;
}

static int make_special_tokens_map(const char *folder, struct error *err)
{
    struct buf text = {0};
    buf_addf(&text, "{\n%s\n}\n", special_tokens);
    int result = write_text(folder, "special_tokens_map.json", text.data, text.len, err);
    buf_free(&text);
    return result;
}

static int write_tokenizer(const char *folder, const struct model_folder *m, struct error *err)
{
    const char *source = m->tokenizer_source;
    bool is_folder = path_is_folder(source);
    if (copy_vocabulary(source, folder, err) < 0)
        return -1;
    int copied = is_folder ? copy_from_folder(source, "tokenizer_config.json", folder, err) : 0;
    if (copied < 0 || (copied == 0 && make_tokenizer_config(folder, m, err) < 0))
        return -1;
    copied = is_folder ? copy_from_folder(source, "special_tokens_map.json", folder, err) : 0;
    if (copied < 0 || (copied == 0 && make_special_tokens_map(folder, err) < 0))
        return -1;
    return 0;
}

static int write_files(const char *folder, const struct model_folder *m, struct error *err)
{
    if (write_config(folder, m->config, m->bf16, err) < 0 || write_tokenizer(folder, m, err) < 0 ||
        write_weights(folder, "model.safetensors", m, false, err) < 0 ||
        write_weights(folder, "auxiliary.safetensors", m, true, err) < 0)
        return -1;
    if (m->card && write_text(folder, "README.md", m->card, strlen(m->card), err) < 0)
        return -1;
    if (m->write_more && m->write_more(m->context, folder, err) < 0)
        return -1;
    return folder_sync_whole(folder, err);
}

int model_folder_write(const char *path, const struct model_folder *m, bool replace, struct error *err)
{
    char *plain = plain_path(path);
    struct buf temporary = {0};
    int lock = -1, result = -1;
    folder_clean_leftovers(plain); /* before the check: it may put back what a crash left aside */
    if (check(path, plain, replace, err) < 0)
        goto done;
    buf_addf(&temporary, "%s.tmp-%ld", plain, (long)getpid());
    if (mkdir(temporary.data, 0777) < 0) {
        error_set(err, STATUS_FAILURE, "cannot make the folder %s: %s", temporary.data, strerror(errno));
        goto done;
    }
    lock = open(temporary.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock >= 0)
        (void)!flock(lock,
                     LOCK_EX | LOCK_NB); /* says to others that it is being worked on, where the file system can */
    if (write_files(temporary.data, m, err) == 0 && folder_publish(temporary.data, plain, replace, true, err) == 0)
        result = 0;
    else
        folder_remove(temporary.data, NULL);
done:
    if (lock >= 0)
        close(lock);
    buf_free(&temporary);
    free(plain);
    return result;
}
