/* json_members.h - all members of a parsed text by parent and key, so that neither a key given twice nor a vocabulary
 * of 100000 members costs more than linear time. Shared by the files of the JSON reader, no interface for others.
 */
#ifndef WIRE_JSON_MEMBERS_H
#define WIRE_JSON_MEMBERS_H

#include "wire/json.h"

/* Slots of an earlier parse are empty: they carry an old generation. */
struct member_slot {
    uint32_t generation, parent, node;
};
struct member_table {
    struct member_slot *slots;
    size_t cap, used; /* cap: 0 or a power of two */
    uint32_t generation;
    uint64_t seed;
};

/* The slot that holds the member, or the empty one where it belongs; cap must not be 0. */
struct member_slot *member_find(const struct member_table *t, const struct json_node *nodes, uint32_t parent,
                                const char *key, size_t len);
void member_table_grow(struct member_table *t, const struct json_node *nodes);
/* Forgets all members, keeps the memory. */
void member_table_reset(struct member_table *t);

#endif
