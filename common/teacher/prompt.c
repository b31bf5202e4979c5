/* prompt.c - see prompt.h. A change of any text below changes every journal key: answers would be bought again. */
#include "teacher/prompt.h"

#include <string.h>

#include "base/utf8.h"
#include "wire/json.h"

const char prompt_template[] =
    "Which label fits this sentence: {labels}? Judge by the sentence alone, reason first, then decide.\n"
    "Sentence: {sentence}";

static const char reasoning_and_cues[] =
    "You label sentences for a data set. Answer with one JSON object and nothing else, its members in this order:\n"
    "\"reasoning\": why the label fits, in at most 40 words, from the sentence alone, with the decisive words quoted "
    "'like this';\n"
    "\"cues\": the decisive words or short spans, copied letter for letter from the sentence, as a list of objects "
    "{\"text\": span, \"polarity\": p}, where p is the span's own polarity: 1 favourable, -1 unfavourable, 0 if it "
    "only "
    "negates, weakens or strengthens other words;\n";
static const char counterfactual_line[] = "\"counterfactual\": the sentence with as few words changed as possible so "
                                          "that its label flips, spelled and spaced "
                                          "like the original;\n";

int prompt_check_template(const char *text, size_t len, struct error *err)
{
    size_t valid = utf8_check(text, len);
    if (valid < len)
        return error_set(err, STATUS_USAGE, "invalid UTF-8 at byte %zu", valid);
    if (strlen(text) < len)
        return error_set(err, STATUS_USAGE, "a NUL byte at byte %zu", strlen(text));
    if (!strstr(text, "{sentence}"))
        return error_set(err, STATUS_USAGE, "the template lacks {sentence}");
    return 0;
}

static void add_labels(struct buf *out, const struct answer_rules *rules, bool quoted, const char *separator)
{
    for (size_t i = 0; i < rules->labels.n; i++) {
        buf_addstr(out, i ? separator : "");
        if (quoted)
            json_add_string(out, rules->labels.names[i], strlen(rules->labels.names[i]));
        else
            buf_addstr(out, rules->labels.names[i]);
    }
}

static void add_system_message(struct buf *out, const struct answer_rules *rules)
{
    struct buf text = {0};
    buf_addstr(&text, reasoning_and_cues);
    buf_addstr(&text, "\"label\": one of ");
    add_labels(&text, rules, true, ", ");
    buf_addstr(&text, ";\n\"confidence\": the probability that the label is right, a number from 0 to 1;\n");
    buf_addstr(&text, rules->counterfactual ? counterfactual_line : "");
    text.data[text.len - 2] = '.'; /* the last member's semicolon */
    json_add_string(out, text.data, text.len - 1);
    buf_free(&text);
}

/* One pass, so that a sentence which holds {labels} stays as it is. */
static void add_user_message(struct buf *out, const struct prompt_settings *s, const char *sentence, size_t len)
{
    static const char sentence_mark[] = "{sentence}", labels_mark[] = "{labels}";
    struct buf text = {0};
    const char *template = s->template ? s->template : prompt_template;
    while (*template) {
        if (strncmp(template, sentence_mark, strlen(sentence_mark)) == 0) {
            buf_add(&text, sentence, len);
            template += strlen(sentence_mark);
        } else if (strncmp(template, labels_mark, strlen(labels_mark)) == 0) {
            add_labels(&text, &s->rules, false, ", ");
            template += strlen(labels_mark);
        } else {
            buf_addch(&text, *template ++);
        }
    }
    json_add_string(out, text.data, text.len);
    buf_free(&text);
}

/* Every member required and no others: strict decoding accepts nothing less. */
static void add_schema(struct buf *out, const struct answer_rules *rules, bool strict)
{
    buf_addf(
        out,
        "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"labelled_sentence\",\"strict\":%s,\"schema\":{"
        "\"type\":\"object\",\"properties\":{\"reasoning\":{\"type\":\"string\"},"
        "\"cues\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"},"
        "\"polarity\":{\"type\":\"integer\",\"enum\":[-1,0,1]}},\"required\":[\"text\",\"polarity\"],"
        "\"additionalProperties\":false}},\"label\":{\"type\":\"string\",\"enum\":[",
        strict ? "true" : "false");
    add_labels(out, rules, true, ",");
    buf_addf(
        out,
        "]},\"confidence\":{\"type\":\"number\"}%s},\"required\":[\"reasoning\",\"cues\",\"label\",\"confidence\"%s],"
        "\"additionalProperties\":false}}}",
        rules->counterfactual ? ",\"counterfactual\":{\"type\":\"string\"}" : "",
        rules->counterfactual ? ",\"counterfactual\"" : "");
}

void prompt_write(struct buf *out, const struct prompt_settings *s, const struct prompt_variant *variant,
                  const char *sentence, size_t len)
{
    const char *reasoning_format = profile_reasoning_format(s->profile, s->model);
    buf_addstr(out, "{\"model\":");
    json_add_string(out, s->model, strlen(s->model));
    buf_addstr(out, ",\"messages\":[{\"role\":\"system\",\"content\":");
    add_system_message(out, &s->rules);
    buf_addstr(out, "},{\"role\":\"user\",\"content\":");
    add_user_message(out, s, sentence, len);
    buf_addstr(out, "}]");
    if (s->temperature >= 0) {
        buf_addstr(out, ",\"temperature\":");
        json_add_double(out, s->temperature);
    }
    buf_addf(out, ",\"seed\":%lld,\"%s\":%ld", variant->seed, s->profile->budget_field, variant->budget);
    if (s->effort)
        buf_addf(out, ",\"reasoning_effort\":\"%s\"", s->effort);
    if (reasoning_format)
        buf_addf(out, ",\"reasoning_format\":\"%s\"", reasoning_format);
    if (variant->format <= FORMAT_SCHEMA) {
        buf_addstr(out, ",\"response_format\":");
        add_schema(out, &s->rules, variant->format == FORMAT_STRICT);
    } else if (variant->format == FORMAT_OBJECT) {
        buf_addstr(out, ",\"response_format\":{\"type\":\"json_object\"}");
    }
    buf_addch(out, '}');
}
