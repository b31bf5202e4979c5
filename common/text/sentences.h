/* sentences.h - one line of text, NDJSON or TSV taken apart into what wp-tokenize and bert-infer need of a row.
 *
 * The format is a function of the first line (sentence_format_sniff) and never changes afterwards; lines are then
 * parsed independently of each other, so that several threads can, each with a parser of its own.
 *
 * NDJSON members: sentence (required), idx, label, label_text, teacher{status, label, label_text, confidence, probs,
 * reasoning, cues, cue_polarity, counterfactual}. TSV columns: sentence (required), label, idx or index. A teacher
 * whose status is there and not "ok" counts as none.
 */
#ifndef TEXT_SENTENCES_H
#define TEXT_SENTENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/class_names.h"
#include "wire/json.h"

enum sentence_kind { SENTENCES_TEXT, SENTENCES_NDJSON, SENTENCES_TSV };

struct sentence_format {
    enum sentence_kind kind;
    bool has_header;                  /* the first line is no row */
    size_t columns;                   /* TSV */
    long sentence, label, idx, pair;  /* TSV: their columns; -1: none */
    const struct class_names *labels; /* not owned; NULL: labels are not looked at */
    const char *pair_member;          /* not owned: "a" or "a.b"; NULL: no pairs */
};

struct sentence_cue {
    const char *text;
    size_t len;
    uint8_t mark; /* CUE_DECISIVE ... CUE_MODIFIER of wire/rows.h */
};

/* Strings live until the parser's next line. NULL: not there. */
struct sentence {
    const char *text;
    size_t len;
    const char *pair;
    size_t pair_len;
    long long idx;
    bool idx_is_number; /* an integer stood there; else idx is the running number of the row */
    bool idx_is_odd;    /* something else stood there */
    int label;          /* -1: unknown */
    bool has_teacher;
    int teacher_label;
    float confidence;   /* -1: unknown */
    const float *probs; /* [labels] */
    const char *reasoning, *edit;
    size_t reasoning_len, edit_len;
    const struct sentence_cue *cues;
    size_t n_cues;
};

/* Reused from line to line; zeroed before its first use. One a thread. */
struct sentence_parser {
    struct json doc; /* of the last NDJSON line */
    struct sentence_cue *cues;
    size_t cues_cap;
    float *probs;
};

/* Sets kind and columns from the first line. name: auto, text, ndjson or tsv (what --input-format says). auto: a line
 * that begins with { is NDJSON; one with tabs of which a column is named sentence is the header of a TSV; all else is
 * text. A token stream is named as such. */
int sentence_format_sniff(struct sentence_format *format, const char *name, const char *line, size_t len,
                          struct error *err);

/* Row `number` counts from 0. -1: STATUS_FAILURE for a malformed row, STATUS_USAGE where a label is not among the
 * labels. The text is checked to be UTF-8. */
int sentence_parse(const struct sentence_format *format, struct sentence_parser *parser, const char *line, size_t len,
                   uint64_t number, struct sentence *sentence, struct error *err);
void sentence_parser_free(struct sentence_parser *parser);

/* Appends the text with each maximal part that is no UTF-8 replaced by U+FFFD (Unicode Standard, section 3.9). */
void sentence_replace_invalid(struct buf *out, const char *text, size_t len);

#endif
