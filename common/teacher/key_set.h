/* key_set.h - a set of journal keys, in the order in which they came. */
#ifndef TEACHER_KEY_SET_H
#define TEACHER_KEY_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "teacher/journal.h"

struct key_set {
    unsigned char (*keys)[JOURNAL_KEY_SIZE];
    size_t n, cap;
    uint32_t *slots; /* open addressing: a key's number + 1; 0: free */
    size_t n_slots;
};

/* False where it is there already. */
bool key_set_add(struct key_set *set, const unsigned char key[JOURNAL_KEY_SIZE]);
/* The key's number, from 0; -1 where it is not there. */
long key_set_find(const struct key_set *set, const unsigned char key[JOURNAL_KEY_SIZE]);
/* Empties it and keeps the memory. */
void key_set_reset(struct key_set *set);
void key_set_free(struct key_set *set);

#endif
