/* completion.h - one reply of POST /chat/completions taken apart: the message, its thinking, the usage, or the error.
 *
 * Knows three spellings of a model's own thinking: `reasoning` (Groq, vLLM, Ollama, Cerebras), `reasoning_content`
 * (llama.cpp, LM Studio, older vLLM), and <think>...</think> at the head of the content, also where the opening tag was
 * in the prompt or the closing one was cut off. It judges no answer; answer.h does.
 */
#ifndef TEACHER_COMPLETION_H
#define TEACHER_COMPLETION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "teacher/key.h"
#include "wire/json.h"

/* Tokens; -1 where the server did not say. completion includes reasoning. */
struct usage {
    long long prompt, completion, total, cached, reasoning;
};
extern const struct usage usage_unknown;
/* sum += part, member by member, where the part is known. */
void usage_add(struct usage *sum, const struct usage *part);
/* {"prompt_tokens":n,...} with the known members; "null" where none is known. */
void usage_write(struct buf *out, const struct usage *usage);
/* From an object as usage_write or a server wrote it. All zero counts as unknown. */
void usage_read(struct usage *usage, const struct json *doc, const struct json_node *node);

struct completion {
    struct json doc;
    const char *body;
    bool torn; /* the body is the beginning of a JSON object and ends in the middle of it */
    /* decoded, NUL added; "" where there is none */
    struct buf content; /* without the thinking */
    struct buf thinking;
    const char *finish_reason, *model, *request_id, *refusal;
    struct usage usage;
    /* the error object's members; is_error false: there is none */
    bool is_error;
    const char *error_code, *error_type, *error_message, *failed_generation;
};

/* Parses a body, which must live as long as the completion. -1 (STATUS_FAILURE) where it is not JSON or neither a
 * completion nor an error. The struct's memory is reused; zero it before the first call. */
int completion_parse(struct completion *c, const char *body, size_t len, struct error *err);
/* Overwrites the key in all texts: a server may have written it in another way ("\/", "\u002d") than it was sent. */
void completion_redact(struct completion *c, const struct key *key, bool is_answer);
void completion_free(struct completion *c);

/* Splits content into thinking (appended; the tags are dropped) and the rest. */
void completion_split_thinking(const char *content, size_t len, struct buf *thinking, struct buf *rest);

#endif
