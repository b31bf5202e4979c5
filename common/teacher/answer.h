/* answer.h - from the text that a model gave to a row's `teacher` member: read, checked against the sentence, written.
 *
 * The content is one JSON object (a code fence or prose around it is forgiven) with reasoning, cues, label, confidence
 * and counterfactual. What is off schema is a fault, and the caller asks again; what is merely of no use (a cue that is
 * not in the sentence, a counterfactual that changes nothing) is left out. No answer is promised by a server's schema:
 * all of this is checked every time, and again for answers that come from a journal.
 */
#ifndef TEACHER_ANSWER_H
#define TEACHER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/class_names.h"
#include "base/error.h"
#include "teacher/cues.h"
#include "wire/json.h"

/* What is asked of every answer. */
struct answer_rules {
    struct class_names labels;
    bool counterfactual; /* it was asked for; otherwise one that comes is left out */
};

struct answer {
    struct span_of_text reasoning;
    long label;
    bool has_confidence;
    double confidence;
    struct cues cues;
    bool cues_asked;                    /* the answer lists cues; otherwise they are the reasoning's quotations */
    struct span_of_text counterfactual; /* len 0: none */
    /* storage */
    struct json doc;
    struct buf text;
};

/* Fills the labels from "negative,positive" (base/class_names.h); the names are kept until answer_rules_free. Two that
 * differ in case alone are STATUS_USAGE too, because answers are compared without it. */
int answer_rules_labels(struct answer_rules *rules, const char *list, struct error *err);
void answer_rules_free(struct answer_rules *rules);

/* Why an answer was refused. */
struct answer_fault {
    const char *kind; /* "bad_json" or "bad_label" */
    const char *code; /* "not_json", "no_reasoning", "unknown_label", "bad_confidence" */
    char message[512];
};

/* Reads content; thinking (len 0: none) stands in where the answer has no reasoning at all. 0, or -1 with the fault.
 * The answer's spans live in it, in sentence and in thinking. Zero the struct before the first call; it is reused. */
int answer_read(struct answer *answer, const struct answer_rules *rules, struct span_of_text sentence,
                struct span_of_text content, struct span_of_text thinking, struct answer_fault *fault);
void answer_free(struct answer *answer);

/* "status":"ok","reasoning":...,"counterfactual":... without braces around it. */
void answer_write(struct buf *out, const struct answer *answer, const struct answer_rules *rules);

#endif
