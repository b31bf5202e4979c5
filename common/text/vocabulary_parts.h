/* vocabulary_parts.h - what vocabulary.c and vocabulary_json.c share while a vocabulary is put together. */
#ifndef TEXT_VOCABULARY_PARTS_H
#define TEXT_VOCABULARY_PARTS_H

#include "text/vocabulary.h"

enum special_name { SPECIAL_UNK, SPECIAL_CLS, SPECIAL_SEP, SPECIAL_PAD, SPECIAL_MASK, SPECIAL_NAMES };

/* What the files of a folder say; a later file overrides an earlier one. */
struct vocabulary_parts {
    struct vocabulary *v;
    char *specials[SPECIAL_NAMES];           /* owned */
    struct added_token flags[SPECIAL_NAMES]; /* their flags, where a file gives them */
    bool given[SPECIAL_NAMES];
    int strip_accents;  /* 0, 1, or -1: as do_lower_case */
    bool case_is_known; /* tokenizer_config.json says do_lower_case */
};

/* Takes a copy of an added token; one of the same text is replaced. id -1: found in the vocabulary, else a new one. */
void parts_add_token(struct vocabulary_parts *p, const struct added_token *token);
void parts_set_special(struct vocabulary_parts *p, enum special_name which, const char *text, size_t len);

/* Each reads FOLDER/NAME; 0 also where there is no such file, then *found stays false. */
int parts_read_tokenizer_json(struct vocabulary_parts *p, const char *folder, bool take_vocabulary, bool *found,
                              struct error *err);
int parts_read_tokenizer_config(struct vocabulary_parts *p, const char *folder, struct error *err);
int parts_read_special_tokens_map(struct vocabulary_parts *p, const char *folder, struct error *err);
int parts_read_added_tokens(struct vocabulary_parts *p, const char *folder, struct error *err);
int parts_read_config(struct vocabulary_parts *p, const char *folder, struct error *err);

#endif
