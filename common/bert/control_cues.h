/* control_cues.h - the controls of controls.h that change which words of a row its teacher called decisive. */
#ifndef BERT_CONTROL_CUES_H
#define BERT_CONTROL_CUES_H

#include "base/error.h"
#include "wire/rows.h"

struct control_setting;

/* Each span moves to a random place of its row that has as many words. */
int control_cues_random(struct rows *rows, const struct control_setting *s, struct error *err);
/* The spans stay; whether each is favourable or unfavourable is dealt out anew over all rows. A span without a polarity
 * of its own takes part with the teacher's label of its row. */
int control_cues_shuffled_polarity(struct rows *rows, const struct control_setting *s, struct error *err);
/* Every word of a row with a teacher is decisive, without a polarity of its own. */
int control_cues_all_words(struct rows *rows, const struct control_setting *s, struct error *err);

#endif
