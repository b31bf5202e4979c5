/* sentences_json.c - an NDJSON row and its teacher. */
#include "text/sentences_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "wire/rows.h"

int sentence_label_error(const char *text, size_t len, struct error *err)
{
    return error_set(err, STATUS_USAGE, "label '%.*s' is not among --labels", (int)(len < 100 ? len : 100), text);
}

static bool is_there(const struct json_node *node)
{
    return node && node->type != JSON_NULL;
}

static const char *path_of(const char *parent, const char *name, char path[64])
{
    size_t at = 0;

    for (const char *p = parent; *p && at < 40; p++)
        path[at++] = *p;
    if (at > 0)
        path[at++] = '.';
    for (const char *p = name; *p && at < 63; p++)
        path[at++] = *p;
    path[at] = '\0';
    return path;
}

static int wrong_type(const char *parent, const char *name, const struct json_node *node, const char *wanted,
                      struct error *err)
{
    char path[64];

    return error_set(err, STATUS_FAILURE, "'%s' is %s, not %s", path_of(parent, name, path), json_type_name(node->type),
                     wanted);
}

/* A string member; NULL where there is none. The text must be UTF-8, which escapes of half a surrogate pair are not. */
static int take_text(const struct json *doc, const struct json_node *object, const char *parent, const char *name,
                     const char **text, size_t *len, struct error *err)
{
    const struct json_node *node = json_member(doc, object, name);
    char path[64];

    *text = NULL;
    if (!is_there(node))
        return 0;
    if (node->type != JSON_STRING)
        return wrong_type(parent, name, node, "a string", err);
    if (utf8_check(node->text, node->len) < node->len)
        return error_set(err, STATUS_FAILURE, "'%s' holds half a surrogate pair", path_of(parent, name, path));
    *text = node->text;
    *len = node->len;
    return 0;
}

/* label (a number, or a name) and label_text (a name) of the row or of its teacher. */
static int take_label(const struct sentence_format *f, const struct json *doc, const struct json_node *object,
                      const char *parent, int *label, struct error *err)
{
    const struct json_node *number = json_member(doc, object, "label"), *name = json_member(doc, object, "label_text");
    long long value;

    *label = -1;
    if (!f->labels)
        return 0;
    if (is_there(number) && number->type == JSON_STRING) {
        *label = class_names_find(f->labels, number->text, number->len);
        if (*label < 0)
            return sentence_label_error(number->text, number->len, err);
    } else if (is_there(number)) {
        if (!json_get_long(number, &value))
            return wrong_type(parent, "label", number, "an integer", err);
        if (value < -1 || value >= (long long)f->labels->n)
            return sentence_label_error(number->text, number->len, err);
        *label = (int)value;
    }
    if (!is_there(name))
        return 0;
    if (name->type != JSON_STRING)
        return wrong_type(parent, "label_text", name, "a string", err);
    int named = class_names_find(f->labels, name->text, name->len);
    if (named < 0)
        return sentence_label_error(name->text, name->len, err);
    if (*label >= 0 && *label != named)
        return error_set(err, STATUS_USAGE, "label %d is called '%s' in the row, but '%s' in --labels", *label,
                         name->text, f->labels->names[*label]);
    *label = named;
    return 0;
}

static int take_probs(const struct sentence_format *f, struct sentence_parser *parser, const struct json_node *teacher,
                      struct sentence *s, struct error *err)
{
    const struct json_node *probs = json_member(&parser->doc, teacher, "probs");
    size_t n = f->labels ? f->labels->n : 0, i = 0;

    if (!is_there(probs) || n == 0)
        return 0;
    if (probs->type != JSON_ARRAY)
        return wrong_type("teacher", "probs", probs, "an array", err);
    if (probs->count != n)
        return error_set(err, STATUS_FAILURE, "'teacher.probs' has %u values for %zu labels", probs->count, n);
    if (!parser->probs)
        parser->probs = xmalloc_array(n, sizeof *parser->probs);
    for (const struct json_node *p = json_first(&parser->doc, probs); p; p = json_next(&parser->doc, p)) {
        double value;
        if (!json_get_double(p, &value) || value < 0 || value > 1)
            return error_set(err, STATUS_FAILURE, "'teacher.probs' holds a value that is no probability");
        parser->probs[i++] = (float)value;
    }
    s->probs = parser->probs;
    return 0;
}

static uint8_t mark_of(const struct json_node *polarity)
{
    long long value;

    if (!json_get_long(polarity, &value))
        return CUE_DECISIVE;
    return value > 0 ? CUE_FAVOURABLE : value < 0 ? CUE_UNFAVOURABLE : CUE_MODIFIER;
}

static int take_cues(struct sentence_parser *parser, const struct json_node *teacher, struct sentence *s,
                     struct error *err)
{
    const struct json *doc = &parser->doc;
    const struct json_node *cues = json_member(doc, teacher, "cues");
    const struct json_node *polarities = json_member(doc, teacher, "cue_polarity"), *polarity = NULL;

    if (!is_there(cues))
        return 0;
    if (cues->type != JSON_ARRAY)
        return wrong_type("teacher", "cues", cues, "an array", err);
    if (is_there(polarities) && (polarities->type != JSON_ARRAY || polarities->count != cues->count))
        return error_set(err, STATUS_FAILURE, "'teacher.cue_polarity' is no array as long as 'teacher.cues'");
    if (cues->count > parser->cues_cap) {
        parser->cues_cap = 2 * cues->count;
        parser->cues = xrealloc_array(parser->cues, parser->cues_cap, sizeof *parser->cues);
    }
    polarity = json_first(doc, polarities);
    for (const struct json_node *c = json_first(doc, cues); c; c = json_next(doc, c)) {
        if (c->type != JSON_STRING)
            return wrong_type("teacher", "cues", c, "a list of strings", err);
        parser->cues[s->n_cues++] = (struct sentence_cue){c->text, c->len, mark_of(polarity)};
        polarity = polarity ? json_next(doc, polarity) : NULL;
    }
    s->cues = parser->cues;
    return 0;
}

static int take_teacher(const struct sentence_format *f, struct sentence_parser *parser, const struct json_node *root,
                        struct sentence *s, struct error *err)
{
    const struct json *doc = &parser->doc;
    const struct json_node *teacher = json_member(doc, root, "teacher"), *status, *confidence;
    double value;

    if (!is_there(teacher))
        return 0;
    if (teacher->type != JSON_OBJECT)
        return wrong_type("", "teacher", teacher, "an object", err);
    status = json_member(doc, teacher, "status");
    if (is_there(status) && !json_is(status, "ok"))
        return 0;
    s->has_teacher = true;
    confidence = json_member(doc, teacher, "confidence");
    if (is_there(confidence)) {
        if (!json_get_double(confidence, &value) || value < 0 || value > 1)
            return error_set(err, STATUS_FAILURE, "'teacher.confidence' is no number between 0 and 1");
        s->confidence = (float)value;
    }
    if (take_label(f, doc, teacher, "teacher", &s->teacher_label, err) < 0 ||
        take_probs(f, parser, teacher, s, err) < 0 || take_cues(parser, teacher, s, err) < 0 ||
        take_text(doc, teacher, "teacher", "reasoning", &s->reasoning, &s->reasoning_len, err) < 0)
        return -1;
    return take_text(doc, teacher, "teacher", "counterfactual", &s->edit, &s->edit_len, err);
}

/* The string at a path like "teacher.reasoning"; none where a member of it is missing, or its teacher has failed. */
static int take_pair(const struct sentence_format *f, const struct json *doc, const struct json_node *root,
                     struct sentence *s, struct error *err)
{
    const struct json_node *object = root;
    const char *name = f->pair_member, *dot;

    if (!f->pair_member || (strncmp(name, "teacher.", 8) == 0 && !s->has_teacher))
        return 0;
    while (!json_member(doc, object, name) && (dot = strchr(name, '.')) != NULL) {
        char *part = xmemdup0(name, (size_t)(dot - name));
        object = json_member(doc, object, part);
        free(part);
        name = dot + 1;
    }
    return take_text(doc, object, "", name, &s->pair, &s->pair_len, err);
}

int sentence_parse_json(const struct sentence_format *f, struct sentence_parser *parser, const char *line, size_t len,
                        struct sentence *s, struct error *err)
{
    const struct json_node *root, *idx;
    long long number;

    if (json_parse(&parser->doc, line, len, err) < 0)
        return -1;
    root = json_root(&parser->doc);
    if (root->type != JSON_OBJECT)
        return error_set(err, STATUS_FAILURE, "the row is %s, not an object", json_type_name(root->type));
    if (take_text(&parser->doc, root, "", "sentence", &s->text, &s->len, err) < 0)
        return -1;
    if (!s->text)
        return error_set(err, STATUS_FAILURE, "the row has no member 'sentence'");
    idx = json_member(&parser->doc, root, "idx");
    s->idx_is_number = json_get_long(idx, &number);
    if (s->idx_is_number)
        s->idx = number;
    s->idx_is_odd = is_there(idx) && !s->idx_is_number;
    if (take_label(f, &parser->doc, root, "", &s->label, err) < 0 || take_teacher(f, parser, root, s, err) < 0)
        return -1;
    return take_pair(f, &parser->doc, root, s, err);
}
