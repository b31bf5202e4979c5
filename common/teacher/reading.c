/* reading.c - see reading.h. */
#include "teacher/reading.h"

#include <stdio.h>
#include <string.h>

void reading_begin(struct record *record, const struct completion *c)
{
    record->finish_reason = c->finish_reason;
    record->model = c->model;
    record->request_id = c->request_id;
    record->content = (struct span_of_text){c->content.data, c->content.len};
    record->thinking = (struct span_of_text){c->thinking.data, c->thinking.len};
}

static void refusal(struct answer_fault *fault, const struct completion *c)
{
    bool said = *c->refusal != '\0';
    const char *text = said ? c->refusal : "the server's filter held the answer back";
    struct span_of_text cut = plain_cut((struct span_of_text){text, strlen(text)}, sizeof fault->message - 1);
    fault->kind = "refused";
    fault->code = said ? "refusal" : "content_filter";
    memcpy(fault->message, cut.at, cut.len);
    fault->message[cut.len] = '\0';
}

enum reading reading_take(struct record *record, const struct completion *c, const struct reading_rules *rules,
                          struct buf *text, struct answer *scratch, struct answer_fault *fault)
{
    if (*c->refusal || strcmp(c->finish_reason, "content_filter") == 0) {
        refusal(fault, c);
        return READING_REFUSED;
    }
    record->ok = true;
    if (record_text(text, record, rules->answer, rules->sentence, scratch, fault) == 0)
        return READING_ANSWER;
    record->ok = false;
    if (strcmp(c->finish_reason, "length") != 0 && (c->content.len > 0 || c->thinking.len == 0))
        return READING_FAULTY;
    fault->kind = "truncated";
    fault->code = "length";
    snprintf(fault->message, sizeof fault->message, "the answer was cut at %ld tokens (raise --max-completion-tokens)",
             rules->budget);
    return READING_CUT;
}

bool reading_salvage(struct record *record, const struct completion *c, const struct reading_rules *rules,
                     struct buf *text, struct answer *scratch)
{
    struct answer_fault fault;
    record->content = (struct span_of_text){c->failed_generation, strlen(c->failed_generation)};
    record->ok = record->salvaged = true;
    if (record->content.len > 0 && record_text(text, record, rules->answer, rules->sentence, scratch, &fault) == 0)
        return true;
    record->ok = record->salvaged = false;
    return false;
}
