/* Byte strings, each kept once and known by a number: what the automaton's frames, payloads, keys and states are made
 * of. Equal bytes have equal numbers, so comparing what they describe is comparing numbers. Nobody outside this room
 * includes this. Number 0 is the empty string. */
#ifndef RUNG_GRAMMAR_AUTOMATON_POOL_H
#define RUNG_GRAMMAR_AUTOMATON_POOL_H

#include "base/arena.h"

struct pooled {
    const void *p;   /* aligned to 16 bytes; good as long as the pool's arena */
    uint32_t n;
    uint32_t hash;
};

struct pool_slot;
struct byte_pool {
    struct pooled *items;
    uint32_t n;
    /* private */
    uint32_t cap, n_slots;
    struct pool_slot *slots;
};

/* false, with *err, when memory or the arena's ceiling ends. *ret_new (NULL allowed): it was not there. */
bool byte_pool_put(struct byte_pool *pool, struct arena *arena, const void *p, size_t n, uint32_t *ret, bool *ret_new,
                   struct err *err);
void byte_pool_free(struct byte_pool *pool);   /* the bytes are the arena's */
size_t byte_pool_bytes(const struct byte_pool *pool);

#endif
