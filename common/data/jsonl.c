/* jsonl.c - JSON Lines. */
#include "data/jsonl.h"

#include <string.h>

#include "data/labels.h"
#include "data/source.h"

void jsonl_open(struct jsonl *j, struct lines *lines, const struct data_options *options)
{
    *j = (struct jsonl){.lines = lines,
                        .labels = &options->labels,
                        .text_member = options->text_column,
                        .label_member = options->label_column};
}

static enum data_step blame(const struct jsonl *j, struct error *err)
{
    error_prefix(err, "%s:%llu", j->lines->in.name, (unsigned long long)j->lines->number);
    return DATA_BAD_ROW;
}

static int find_sentence(struct jsonl *j, struct data_row *row, struct error *err)
{
    const struct json_node *root = json_root(&j->doc);
    const char *name = j->text_member ? j->text_member : json_member(&j->doc, root, "sentence") ? "sentence" : "text";
    const struct json_node *node = json_member(&j->doc, root, name);
    if (!node && j->text_member)
        return error_set(err, STATUS_FAILURE, "member '%s' is missing", name);
    if (!node)
        return error_set(err, STATUS_FAILURE,
                         "no member 'sentence' or 'text'; name the one that holds the text with "
                         "--text-column");
    if (node->type != JSON_STRING)
        return error_set(err, STATUS_FAILURE, "member '%s': is %s, where the text should be a string", name,
                         json_type_name(node->type));
    row->sentence = node->text;
    row->sentence_len = node->len;
    row->sentence_json = j->doc.source + node->begin;
    row->sentence_json_len = node->end - node->begin;
    return 0;
}

static int find_label(struct jsonl *j, struct data_row *row, struct error *err)
{
    const char *name = j->label_member ? j->label_member : "label";
    const struct json_node *node = json_member(&j->doc, json_root(&j->doc), name);
    if (!node && j->label_member)
        return error_set(err, STATUS_FAILURE, "member '%s' is missing", name);
    if (!node || node->type == JSON_NULL)
        return 0;
    if (node->type != JSON_STRING && node->type != JSON_NUMBER)
        return error_set(err, STATUS_FAILURE, "member '%s': is %s, where the label should be a name or a class number",
                         name, json_type_name(node->type));
    if (labels_find(j->labels, node->text, node->len, &row->label, &row->label_text, err) < 0)
        return error_prefix(err, "member '%s'", name);
    return 0;
}

static int find_idx(struct jsonl *j, struct data_row *row, struct error *err)
{
    const struct json_node *node = json_member(&j->doc, json_root(&j->doc), "idx");
    if (!node || json_get_long(node, &row->idx))
        return 0;
    return error_set(err, STATUS_FAILURE, "member 'idx': is no integer; rename it if it is not the row's number");
}

static bool is_ours(const struct json_node *node, bool label_text)
{
    static const char *const names[] = {"idx", "sentence", "label", "label_text"};
    for (size_t i = 0; i < 3 + (size_t)label_text; i++)
        if (node->key_len == strlen(names[i]) && memcmp(node->key, names[i], node->key_len) == 0)
            return true;
    return false;
}

static void keep_members(struct jsonl *j, struct data_row *row)
{
    buf_reset(&j->members);
    for (const struct json_node *n = json_first(&j->doc, json_root(&j->doc)); n; n = json_next(&j->doc, n)) {
        if (is_ours(n, row->label_text != NULL))
            continue;
        buf_addch(&j->members, ',');
        buf_add(&j->members, j->doc.source + n->key_begin, n->end - n->key_begin);
    }
    row->members = j->members.data;
    row->members_len = j->members.len;
}

enum data_step jsonl_next(struct jsonl *j, struct data_row *row, struct error *err)
{
    const char *line, *at;
    size_t len, word;
    do { /* over blank lines */
        enum data_step step = source_line(j->lines, &line, &len, err);
        if (step != DATA_ROW)
            return step;
        at = line;
    } while (!source_word(&at, line + len, &word));

    *row = (struct data_row){.idx = j->next_idx++, .label = LABEL_UNKNOWN};
    if (source_check_utf8(j->lines, j->lines->number, line, len, err) < 0)
        return DATA_BAD_ROW;
    if (json_parse(&j->doc, line, len, err) < 0)
        return blame(j, err);
    if (json_root(&j->doc)->type != JSON_OBJECT) {
        error_set(err, STATUS_FAILURE, "is %s, where an object should be", json_type_name(json_root(&j->doc)->type));
        return blame(j, err);
    }
    if (find_sentence(j, row, err) < 0 || find_label(j, row, err) < 0 || find_idx(j, row, err) < 0)
        return blame(j, err);
    keep_members(j, row);
    return DATA_ROW;
}

void jsonl_close(struct jsonl *j)
{
    json_free(&j->doc);
    buf_free(&j->members);
    *j = (struct jsonl){0};
}
