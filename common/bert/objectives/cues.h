/* cues.h - the head of the term `cues`, which finds the decisive words of a sentence: its parameters and its classes,
 * for those who read it (attribution.h).
 */
#ifndef BERT_OBJECTIVES_CUES_H
#define BERT_OBJECTIVES_CUES_H

#define CUES_WEIGHT "auxiliary.cues.weight" /* [CUES_CLASSES, hidden] */
#define CUES_BIAS "auxiliary.cues.bias"     /* [CUES_CLASSES] */

enum { CUES_NONE, CUES_FAVOURABLE, CUES_UNFAVOURABLE, CUES_MODIFIER, CUES_CLASSES };

#endif
