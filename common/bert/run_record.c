/* run_record.c - see run_record.h. */
#include "bert/run_record.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/memory.h"
#include "bert/run_state.h"

enum { RECORD_CAP = 16 << 20 };

/* Not kept: they are the new process's own, or have no meaning for it. */
static const char *const not_kept[] = {"output", "resume", "threads", "keep-state", NULL};
/* Kept, and may be given anew. */
static const char *const may_change[] = {"keep", "force", NULL};

static bool is_among(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* The field's value as text; NULL where it has none. In *text, which is overwritten. */
static const char *value_of(const struct cli_option *o, struct buf *text)
{
    buf_reset(text);
    switch (o->type) {
    case CLI_FLAG:
    case CLI_UNFLAG: /* true: the option was given */
        buf_addstr(text, *(const bool *)o->field == (o->type == CLI_FLAG) ? "true" : "false");
        break;
    case CLI_LONG:
        buf_addf(text, "%ld", *(const long *)o->field);
        break;
    case CLI_UINT64:
        buf_addf(text, "%llu", (unsigned long long)*(const uint64_t *)o->field);
        break;
    case CLI_DOUBLE:
        json_add_double(text, *(const double *)o->field);
        break;
    case CLI_STRING:
    case CLI_CHOICE:
    case CLI_CHOICES:
    case CLI_FILE:
    case CLI_FOLDER:
        if (!*(const char *const *)o->field)
            return NULL;
        buf_addstr(text, *(const char *const *)o->field);
        break;
    }
    return text->data;
}

/* text lives as long as the field's value is to. Only what value_of wrote comes here. */
static void set_value(const struct cli_option *o, const char *text)
{
    switch (o->type) {
    case CLI_FLAG:
    case CLI_UNFLAG:
        *(bool *)o->field = (strcmp(text, "true") == 0) == (o->type == CLI_FLAG);
        return;
    case CLI_LONG:
        *(long *)o->field = strtol(text, NULL, 10);
        return;
    case CLI_UINT64:
        *(uint64_t *)o->field = strtoull(text, NULL, 10);
        return;
    case CLI_DOUBLE:
        *(double *)o->field = strtod(text, NULL);
        return;
    case CLI_STRING:
    case CLI_CHOICE:
    case CLI_CHOICES:
    case CLI_FILE:
    case CLI_FOLDER:
        *(const char **)o->field = text;
        return;
    }
}

static void add_member(struct buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    buf_addf(out, "%s\"%s\": ", out->data[out->len - 1] == '{' ? "\n" : ",\n", name);
    json_add_string(out, value, strlen(value));
}

void run_record_options(struct buf *out, const struct cli_option *table)
{
    struct buf value = {0};
    buf_addstr(out, "{");
    for (const struct cli_option *o = table; o->name; o++)
        if (!is_among(o->name, not_kept))
            add_member(out, o->name, value_of(o, &value));
    buf_addstr(out, "\n}");
    buf_free(&value);
}

int run_record_write(const char *state, const struct run_record *r, const char *options, struct error *err)
{
    struct buf out = {0};
    char *path = path_join(state, RUN_RECORD);
    buf_addstr(&out, "{");
    add_member(&out, "version", distil_version);
    add_member(&out, "device", r->device);
    add_member(&out, "library", r->library);
    add_member(&out, "kernels", r->kernels);
    add_member(&out, "train_sha256", r->train_sha256);
    add_member(&out, "validation_sha256", r->validation_sha256);
    add_member(&out, "unlabelled_sha256", r->unlabelled_sha256);
    add_member(&out, "weights_fingerprint", r->weights_fingerprint);
    add_member(&out, "source", r->source);
    add_member(&out, "metrics", r->metrics);
    add_member(&out, "file", r->file);
    buf_addstr(&out, ",\n\"argv\": [");
    for (int i = 0; i < r->argc; i++) {
        buf_addstr(&out, i ? ", " : "");
        json_add_string(&out, r->argv[i], strlen(r->argv[i]));
    }
    buf_addf(&out, "],\n\"options\": %s\n}\n", options);
    int result = file_write(path, out.data, out.len, err);
    buf_free(&out);
    free(path);
    return result;
}

/* ---- reading ---- */

static const char *member_text(const struct run_record *r, const char *name)
{
    const struct json_node *node = json_member(&r->doc, json_root(&r->doc), name);
    return node && node->type == JSON_STRING ? node->text : NULL;
}

/* An empty one means: none. */
static bool take_digest(const struct run_record *r, const char *name, char *digest, size_t size)
{
    const char *text = member_text(r, name);
    if (!text || (strlen(text) != size - 1 && *text))
        return false;
    memcpy(digest, text, strlen(text) + 1);
    return true;
}

static bool take_argv(struct run_record *r)
{
    const struct json_node *argv = json_member(&r->doc, json_root(&r->doc), "argv");
    if (!argv || argv->type != JSON_ARRAY)
        return false;
    r->argv = xmalloc_array(argv->count + 1, sizeof *r->argv);
    for (const struct json_node *n = json_first(&r->doc, argv); n; n = json_next(&r->doc, n)) {
        if (n->type != JSON_STRING)
            return false;
        r->argv[r->argc++] = (char *)(uintptr_t)n->text;
    }
    r->argv[r->argc] = NULL;
    return true;
}

int run_record_read(struct run_record *r, const char *state, struct error *err)
{
    char *path = path_join(state, RUN_RECORD);
    size_t len;
    *r = (struct run_record){0};
    r->text = file_read(path, RECORD_CAP, &len, err);
    if (!r->text)
        goto fail;
    if (json_parse(&r->doc, r->text, len, err) < 0) {
        error_prefix(err, "%s", path);
        goto fail;
    }
    r->device = member_text(r, "device");
    r->library = member_text(r, "library");
    r->kernels = member_text(r, "kernels");
    r->source = member_text(r, "source");
    r->metrics = member_text(r, "metrics");
    r->file = member_text(r, "file");
    (void)take_digest(r, "weights_fingerprint", r->weights_fingerprint, sizeof r->weights_fingerprint);
    if (!member_text(r, "version") || !r->device || !r->library || !r->kernels || !r->source ||
        !take_digest(r, "train_sha256", r->train_sha256, sizeof r->train_sha256) ||
        !take_digest(r, "validation_sha256", r->validation_sha256, sizeof r->validation_sha256) ||
        !take_digest(r, "unlabelled_sha256", r->unlabelled_sha256, sizeof r->unlabelled_sha256) || !take_argv(r)) {
        error_set(err, STATUS_FAILURE, "%s: is no record of a run, or one of another version", path);
        goto fail;
    }
    free(path);
    return 0;
fail:
    free(path);
    run_record_free(r);
    return -1;
}

void run_record_free(struct run_record *r)
{
    json_free(&r->doc);
    if (r->text)
        free(r->argv);
    free(r->text);
    *r = (struct run_record){0};
}

/* ---- what a resumed run must have in common with it ---- */

static int differs(const char *state, const char *what, const char *given, const char *kept, struct error *err)
{
    return error_set(err, STATUS_USAGE,
                     "%s is %s, but the run in %s has %s; leave it out to go on, or start over with -f and without "
                     "--resume",
                     what, given ? given : "nothing", state, kept ? kept : "nothing");
}

static bool equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

int run_record_apply(const struct run_record *r, const char *state, const struct cli_option *table, const char *file,
                     struct error *err)
{
    const struct json_node *options = json_member(&r->doc, json_root(&r->doc), "options");
    struct buf value = {0}, name = {0};
    int result = 0;
    for (const struct cli_option *o = table; o->name && result == 0; o++) {
        if (is_among(o->name, not_kept))
            continue;
        const struct json_node *node = json_member(&r->doc, options, o->name);
        const char *kept = node && node->type == JSON_STRING ? node->text : NULL;
        if (!o->given || !*o->given) {
            if (kept)
                set_value(o, kept);
        } else if (!is_among(o->name, may_change) && !equal(value_of(o, &value), kept)) {
            buf_reset(&name);
            buf_addf(&name, "--%s", o->name);
            result = differs(state, name.data, value.data, kept, err);
        }
    }
    if (result == 0 && file && !equal(file, r->file))
        result = differs(state, "FILE", file, r->file, err);
    buf_free(&value);
    buf_free(&name);
    return result;
}

int run_record_check(const struct run_record *r, const char *state, const struct nn *nn, struct error *err)
{
    const struct {
        const char *what, *now, *then;
    } parts[] = {
        {"version of bert-train", distil_version, member_text(r, "version")},
        {"device", nn->name, r->device},
        {"matrix library", nn->library, r->library},
        {"kernels", nn->kernels, r->kernels},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(parts[i].now, parts[i].then) != 0)
            return error_set(err, STATUS_USAGE,
                             "the run in %s was computed with another %s, %s, than there is here, %s, so it cannot go "
                             "on with the same results; resume it where it began, or start over with -f",
                             state, parts[i].what, parts[i].then, parts[i].now);
    return 0;
}
