/* train_state.c - see train_state.h. The members are those of one table, so that none is written and not read. */
#include "bert/train_state.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "wire/json.h"
#include "wire/safetensors.h"

enum kind { KIND_COUNT, KIND_NUMBER, KIND_BOOL };

struct member {
    const char *name;
    enum kind kind;
    size_t offset;
};

#define MEMBER(name, kind, field)                                                                                      \
    {                                                                                                                  \
        name, kind, offsetof(struct train_state, field)                                                                \
    }
#define SCORES(prefix, field)                                                                                          \
    MEMBER(prefix "loss", KIND_NUMBER, field.loss), MEMBER(prefix "accuracy", KIND_NUMBER, field.accuracy),            \
        MEMBER(prefix "macro_f1", KIND_NUMBER, field.macro_f1), MEMBER(prefix "mcc", KIND_NUMBER, field.mcc),          \
        MEMBER(prefix "nll", KIND_NUMBER, field.nll), MEMBER(prefix "brier", KIND_NUMBER, field.brier),                \
        MEMBER(prefix "ece", KIND_NUMBER, field.ece)

static const struct member members[] = {
    MEMBER("global_step", KIND_COUNT, step),
    MEMBER("epoch", KIND_COUNT, epoch),
    MEMBER("rows_done", KIND_COUNT, rows_done),
    MEMBER("in_epoch", KIND_BOOL, in_epoch),
    MEMBER("epoch_rows", KIND_COUNT, epoch_rows),
    MEMBER("epoch_loss", KIND_NUMBER, epoch_loss),
    MEMBER("train_loss", KIND_NUMBER, train_loss),
    MEMBER("evaluated_at", KIND_COUNT, evaluated_at),
    SCORES("eval_", scores),
    MEMBER("best_at", KIND_COUNT, best_at),
    SCORES("best_", best),
    MEMBER("without_improvement", KIND_COUNT, without_improvement),
    MEMBER("stopped_early", KIND_BOOL, stopped_early),
    MEMBER("warned", KIND_COUNT, warned),
    MEMBER("seconds", KIND_NUMBER, seconds),
    MEMBER("metrics_size", KIND_COUNT, metrics_size),
    MEMBER("optimiser_step", KIND_COUNT, optimiser_step),
};
enum { MEMBERS = sizeof members / sizeof members[0] };

void train_state_write(struct buf *out, const struct train_state *state)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        const void *field = (const char *)state + members[i].offset;
        buf_addf(out, "%s\"%s\": ", i ? ",\n  " : "{\n  ", members[i].name);
        if (members[i].kind == KIND_COUNT)
            buf_addf(out, "%llu", (unsigned long long)*(const uint64_t *)field);
        else if (members[i].kind == KIND_BOOL)
            buf_addstr(out, *(const bool *)field ? "true" : "false");
        else if (isfinite(*(const double *)field))
            json_add_double(out, *(const double *)field);
        else
            buf_addstr(out, "null"); /* a score that is not defined */
    }
    buf_addstr(out, "\n}\n");
}

static bool read_member(const struct json_node *node, enum kind kind, void *field)
{
    long long count;
    if (!node)
        return false;
    switch (kind) {
    case KIND_COUNT:
        if (!json_get_long(node, &count) || count < 0)
            return false;
        *(uint64_t *)field = (uint64_t)count;
        return true;
    case KIND_NUMBER:
        *(double *)field = NAN;
        return node->type == JSON_NULL || json_get_double(node, field);
    case KIND_BOOL:
        return json_get_bool(node, field);
    }
    return false;
}

int train_state_read(struct train_state *state, const char *text, size_t len, const char *name, struct error *err)
{
    struct json doc = {0};
    int status = -1;
    *state = (struct train_state){0};
    if (json_parse(&doc, text, len, err) < 0) {
        error_prefix(err, "%s", name);
        goto done;
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct json_node *node = json_member(&doc, json_root(&doc), members[i].name);
        if (!read_member(node, members[i].kind, (char *)state + members[i].offset)) {
            error_set(err, STATUS_FAILURE, "%s: %s is missing or of another kind", name, members[i].name);
            goto done;
        }
    }
    status = 0;
done:
    json_free(&doc);
    return status;
}

/* ---- the moments ---- */

static const char moments_file[] = "trainer_state.safetensors";

int train_moments_write(const char *folder, const struct optimiser *o, struct error *err)
{
    struct st_tensor tensors[OPTIMISER_TENSORS];
    struct output out;
    char *path = path_join(folder, moments_file);
    size_t n = optimiser_tensors(o, tensors);
    int result = output_open_part(&out, path, err);
    if (result == 0) {
        st_write(&out, tensors, n, NULL, 0);
        result = output_close(&out);
        if (result < 0)
            error_set(err, out.error.status, "%s", out.error.text);
    }
    free(path);
    return result;
}

int train_moments_read(const char *folder, struct optimiser *o, struct error *err)
{
    struct st_tensor tensors[OPTIMISER_TENSORS];
    struct st_frame frame = {0};
    char *path = path_join(folder, moments_file);
    size_t n = optimiser_tensors(o, tensors);
    int result = st_map(&frame, path, err);
    for (size_t i = 0; i < n && result == 0; i++) {
        const struct st_tensor *from = st_find(&frame, tensors[i].name);
        size_t size = tensors[i].shape[0] * st_dtype_size(tensors[i].dtype);
        if (!from || from->dtype != tensors[i].dtype || from->size != size)
            result = error_set(err, STATUS_FAILURE, "%s: %s is missing or of another size", path, tensors[i].name);
        else if (size > 0)
            memcpy((void *)(uintptr_t)tensors[i].data, from->data, size);
    }
    st_release(&frame);
    free(path);
    return result;
}
