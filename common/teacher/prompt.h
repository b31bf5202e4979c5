/* prompt.h - the request that asks for one sentence's label and reasons.
 *
 * Two messages: the system message states the form of the answer and never changes within a run; the user message is
 * the template with {sentence} and {labels} filled in. The sentence comes last, so that servers can cache what precedes
 * it. The same settings, sentence and variant give the same bytes: a journal's keys are made of them.
 */
#ifndef TEACHER_PROMPT_H
#define TEACHER_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "teacher/answer.h"
#include "teacher/profile.h"

struct prompt_settings {
    const struct profile *profile;
    const char *model;
    struct answer_rules rules;
    const char *template; /* NULL: the one built in */
    double temperature;   /* below 0: not sent */
    const char *effort;   /* reasoning_effort; NULL: not sent */
    long long seed;
    long budget; /* max_completion_tokens: thinking and answer together */
    enum answer_format format;
};

/* What differs between the times that one sentence is asked. */
struct prompt_variant {
    long long seed;
    long budget;
    enum answer_format format;
};

extern const char prompt_template[];

/* STATUS_USAGE where the template lacks {sentence} or is not UTF-8. */
int prompt_check_template(const char *text, size_t len, struct error *err);

/* Appends the request's JSON. */
void prompt_write(struct buf *out, const struct prompt_settings *settings, const struct prompt_variant *variant,
                  const char *sentence, size_t len);

#endif
