/* word_table.h - strings numbered in the order in which they came, each with a count: a hash table that only grows. */
#ifndef TEXT_WORD_TABLE_H
#define TEXT_WORD_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define WORD_TABLE_NONE UINT32_MAX

struct word_entry {
    uint64_t hash;
    uint64_t count; /* the caller's */
    size_t at;      /* where it begins in bytes */
    size_t len;
};

/* Zeroed before its first use. */
struct word_table {
    struct word_entry *entries; /* [n] */
    uint32_t n, cap;
    uint32_t *slots; /* [n_slots] number of an entry, or WORD_TABLE_NONE; n_slots is a power of two */
    size_t n_slots;
    struct buf bytes;
};

/* The number of the string, which is added with count 0 if it is new. */
uint32_t word_table_add(struct word_table *t, const char *word, size_t len);
/* Its number, or WORD_TABLE_NONE. */
uint32_t word_table_find(const struct word_table *t, const char *word, size_t len);
void word_table_free(struct word_table *t);

static inline const char *word_table_text(const struct word_table *t, uint32_t number)
{
    return t->bytes.data + t->entries[number].at;
}

#endif
