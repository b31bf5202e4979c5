/* answer.c - see answer.h. */
#include "teacher/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

static struct span_of_text label_of(const struct answer_rules *rules, size_t i)
{
    return (struct span_of_text){rules->labels.names[i], strlen(rules->labels.names[i])};
}

int answer_rules_labels(struct answer_rules *rules, const char *list, struct error *err)
{
    if (class_names_parse(&rules->labels, list, err) < 0)
        return -1;
    for (size_t i = 0; i < rules->labels.n; i++)
        for (size_t j = 0; j < i; j++)
            if (plain_equal_fold(label_of(rules, i), label_of(rules, j))) {
                error_set(err, STATUS_USAGE, "--labels '%s': '%s' and '%s' differ in case alone", list,
                          rules->labels.names[j], rules->labels.names[i]);
                answer_rules_free(rules);
                return -1;
            }
    return 0;
}

void answer_rules_free(struct answer_rules *rules)
{
    class_names_free(&rules->labels);
}

static int fault_set(struct answer_fault *fault, const char *kind, const char *code, const char *message,
                     struct span_of_text detail)
{
    struct span_of_text shown = plain_cut(detail, 80);
    fault->kind = kind;
    fault->code = code;
    snprintf(fault->message, sizeof fault->message, "%s%.*s", message, (int)shown.len, shown.at ? shown.at : "");
    return -1;
}

static const struct span_of_text nothing = {"", 0};

static struct span_of_text span_of_node(const struct json_node *node)
{
    return (struct span_of_text){node->text, node->len};
}

/* ```json ... ``` around the whole. */
static struct span_of_text strip_fence(struct span_of_text text)
{
    static const char fence[] = "```";
    text = plain_trim(text);
    if (text.len < 6 || memcmp(text.at, fence, 3) != 0 || memcmp(text.at + text.len - 3, fence, 3) != 0)
        return text;
    const char *line_end = memchr(text.at, '\n', text.len - 3);
    if (!line_end)
        return text;
    return plain_trim((struct span_of_text){line_end + 1, (size_t)(text.at + text.len - 3 - (line_end + 1))});
}

/* The object in the content: all of it, or what stands from the first { to the last }. */
static int parse_object(struct answer *a, struct span_of_text content)
{
    struct span_of_text text = strip_fence(content);
    for (int attempt = 0; attempt < 2; attempt++) {
        buf_reset(&a->text);
        buf_add(&a->text, text.at, text.len); /* the caller's text need not live as long as the answer */
        if (text.len > 0 && json_parse(&a->doc, a->text.data, a->text.len, NULL) == 0 &&
            json_root(&a->doc)->type == JSON_OBJECT)
            return 0;
        const char *first = text.len ? memchr(text.at, '{', text.len) : NULL;
        const char *last = text.len ? memrchr(text.at, '}', text.len) : NULL;
        if (!first || !last || last < first)
            return -1;
        text = (struct span_of_text){first, (size_t)(last - first) + 1};
    }
    return -1;
}

static int read_reasoning(struct answer *a, const struct json_node *root, struct span_of_text thinking,
                          struct answer_fault *fault)
{
    const struct json_node *node = json_member(&a->doc, root, "reasoning");
    if (node && node->type != JSON_STRING && node->type != JSON_NULL)
        return fault_set(fault, "bad_json", "no_reasoning", "the answer's reasoning is no string", nothing);
    a->reasoning = plain_trim(node && node->type == JSON_STRING ? span_of_node(node) : thinking);
    if (a->reasoning.len == 0)
        return fault_set(fault, "bad_json", "no_reasoning", "the answer's reasoning is blank", nothing);
    return 0;
}

static int read_label(struct answer *a, const struct json_node *root, const struct answer_rules *rules,
                      struct answer_fault *fault)
{
    const struct json_node *node = json_member(&a->doc, root, "label");
    if (!node || node->type == JSON_NULL || node->type >= JSON_ARRAY)
        return fault_set(fault, "bad_label", "unknown_label", "the answer has no label", nothing);
    struct span_of_text given = {a->text.data + node->begin, node->end - node->begin}; /* 4 for "4", true for "true" */
    if (node->type == JSON_STRING)
        given = plain_trim(span_of_node(node));
    for (size_t i = 0; i < rules->labels.n; i++) {
        if (plain_equal_fold(given, label_of(rules, i))) {
            a->label = (long)i;
            return 0;
        }
    }
    return fault_set(fault, "bad_label", "unknown_label", "the answer's label is none of the labels: ", given);
}

static int read_confidence(struct answer *a, const struct json_node *root, struct answer_fault *fault)
{
    const struct json_node *node = json_member(&a->doc, root, "confidence");
    a->has_confidence = false;
    if (!node || node->type == JSON_NULL)
        return 0;
    if (!json_get_double(node, &a->confidence) || a->confidence < 0 || a->confidence > 1)
        return fault_set(fault, "bad_json", "bad_confidence", "the answer's confidence is no number from 0 to 1",
                         nothing);
    a->has_confidence = true;
    return 0;
}

static int polarity_of(const struct json_node *node)
{
    double value;
    if (node && node->type == JSON_STRING) {
        static const char *const names[] = {"-1", "0", "1", "+1"};
        static const int values[] = {-1, 0, 1, 1};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (json_is(node, names[i]))
                return values[i];
        }
        return CUE_POLARITY_UNKNOWN;
    }
    if (!json_get_double(node, &value) || (value != -1 && value != 0 && value != 1))
        return CUE_POLARITY_UNKNOWN;
    return (int)value;
}

/* A list of {"text":...,"polarity":...}, or of strings with a list cue_polarity beside it. */
static void read_cues(struct answer *a, const struct json_node *root, struct span_of_text sentence)
{
    const struct json_node *list = json_member(&a->doc, root, "cues");
    const struct json_node *polarity = json_first(&a->doc, json_member(&a->doc, root, "cue_polarity"));
    a->cues.n = 0;
    a->cues_asked = list && list->type == JSON_ARRAY;
    if (!a->cues_asked) {
        cues_from_quotes(&a->cues, sentence, a->reasoning);
        return;
    }
    for (const struct json_node *node = json_first(&a->doc, list); node; node = json_next(&a->doc, node)) {
        const struct json_node *text = node->type == JSON_OBJECT ? json_member(&a->doc, node, "text") : node;
        const struct json_node *own = node->type == JSON_OBJECT ? json_member(&a->doc, node, "polarity") : polarity;
        if (text && text->type == JSON_STRING)
            cues_add(&a->cues, sentence, span_of_node(text), polarity_of(own));
        polarity = polarity ? json_next(&a->doc, polarity) : NULL;
    }
}

/* The same words, whatever the spaces around and between them? */
static bool same_words(struct span_of_text a, struct span_of_text b)
{
    a = plain_trim(a);
    b = plain_trim(b);
    while (a.len > 0 && b.len > 0) {
        size_t skip_a = 0, skip_b = 0;
        while (skip_a < a.len && a.at[skip_a] == ' ')
            skip_a++;
        while (skip_b < b.len && b.at[skip_b] == ' ')
            skip_b++;
        if ((skip_a > 0) != (skip_b > 0) || (skip_a == 0 && *a.at != *b.at))
            return false;
        size_t step_a = skip_a ? skip_a : 1, step_b = skip_b ? skip_b : 1;
        a = (struct span_of_text){a.at + step_a, a.len - step_a};
        b = (struct span_of_text){b.at + step_b, b.len - step_b};
    }
    return a.len == b.len;
}

static void read_counterfactual(struct answer *a, const struct json_node *root, const struct answer_rules *rules,
                                struct span_of_text sentence)
{
    const struct json_node *node = json_member(&a->doc, root, "counterfactual");
    a->counterfactual = nothing;
    if (!rules->counterfactual || !node || node->type != JSON_STRING)
        return;
    struct span_of_text text = plain_trim(span_of_node(node));
    if (text.len > 0 && !same_words(text, sentence))
        a->counterfactual = text;
}

int answer_read(struct answer *a, const struct answer_rules *rules, struct span_of_text sentence,
                struct span_of_text content, struct span_of_text thinking, struct answer_fault *fault)
{
    if (parse_object(a, content) < 0)
        return fault_set(fault, "bad_json", "not_json", "the answer is no JSON object: ", plain_trim(content));
    const struct json_node *root = json_root(&a->doc);
    if (read_reasoning(a, root, thinking, fault) < 0 || read_label(a, root, rules, fault) < 0 ||
        read_confidence(a, root, fault) < 0)
        return -1;
    read_cues(a, root, sentence);
    read_counterfactual(a, root, rules, sentence);
    return 0;
}

void answer_free(struct answer *a)
{
    json_free(&a->doc);
    buf_free(&a->text);
    *a = (struct answer){0};
}

static void write_cues(struct buf *out, const struct cues *cues)
{
    bool polarity_known = cues->n > 0;
    buf_addstr(out, ",\"cues\":[");
    for (size_t i = 0; i < cues->n; i++) {
        buf_addstr(out, i ? "," : "");
        json_add_string(out, cues->list[i].span.at, cues->list[i].span.len);
        polarity_known = polarity_known && cues->list[i].polarity != CUE_POLARITY_UNKNOWN;
    }
    buf_addch(out, ']');
    if (!polarity_known) /* the two lists have one length, or there is one list */
        return;
    buf_addstr(out, ",\"cue_polarity\":[");
    for (size_t i = 0; i < cues->n; i++)
        buf_addf(out, "%s%d", i ? "," : "", cues->list[i].polarity);
    buf_addch(out, ']');
}

void answer_write(struct buf *out, const struct answer *a, const struct answer_rules *rules)
{
    const char *label = rules->labels.names[a->label];
    buf_addstr(out, "\"status\":\"ok\",\"reasoning\":");
    json_add_string(out, a->reasoning.at, a->reasoning.len);
    buf_addf(out, ",\"label\":%ld,\"label_text\":", a->label);
    json_add_string(out, label, strlen(label));
    if (a->has_confidence) {
        buf_addstr(out, ",\"confidence\":");
        json_add_double(out, a->confidence);
    }
    write_cues(out, &a->cues);
    if (a->counterfactual.len > 0) {
        buf_addstr(out, ",\"counterfactual\":");
        json_add_string(out, a->counterfactual.at, a->counterfactual.len);
    }
}
