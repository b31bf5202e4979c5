/* sentences_json.h - the NDJSON half of sentences.c. */
#ifndef TEXT_SENTENCES_JSON_H
#define TEXT_SENTENCES_JSON_H

#include "text/sentences.h"

int sentence_parse_json(const struct sentence_format *format, struct sentence_parser *parser, const char *line,
                        size_t len, struct sentence *sentence, struct error *err);
/* "label 'x' is not among --labels" */
int sentence_label_error(const char *text, size_t len, struct error *err);

#endif
