/* An open-addressing table over byte strings in an arena. What the strings mean is the business of those who put them
 * in. */
#include "grammar/automaton/pool.h"

#include <stdlib.h>

#define POOL_MIN 64

struct pool_slot {
    uint32_t id;     /* 0: free; the empty string has no slot */
    uint32_t hash;
};

static uint32_t hash_bytes(const unsigned char *p, size_t n)
{
    uint64_t h = n * 0x9E3779B97F4A7C15u, word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    if (n > 0) {
        word = 0;
        memcpy(&word, p, n);
        h = (h ^ word) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    return (uint32_t)(h ^ h >> 29);
}

static bool grow_items(struct byte_pool *pool, struct err *err)
{
    uint32_t cap = pool->cap ? pool->cap * 2 : POOL_MIN / 2;
    struct pooled *items = realloc(pool->items, cap * sizeof *items);
    if (!items)
        return err_nomem(err, "a rule's automaton");
    if (pool->cap == 0) {
        items[0] = (struct pooled){.p = "", .n = 0};
        pool->n = 1;
    }
    pool->items = items;
    pool->cap = cap;
    return true;
}

static bool grow_slots(struct byte_pool *pool, struct err *err)
{
    uint32_t n = pool->n_slots ? pool->n_slots * 2 : POOL_MIN;
    struct pool_slot *slots = calloc(n, sizeof *slots);
    if (!slots)
        return err_nomem(err, "a rule's automaton");
    for (uint32_t id = 1; id < pool->n; id++) {
        uint32_t i = pool->items[id].hash & (n - 1);
        while (slots[i].id)
            i = (i + 1) & (n - 1);
        slots[i] = (struct pool_slot){id, pool->items[id].hash};
    }
    free(pool->slots);
    pool->slots = slots;
    pool->n_slots = n;
    return true;
}

bool byte_pool_put(struct byte_pool *pool, struct arena *arena, const void *p, size_t n, uint32_t *ret, bool *ret_new,
                   struct err *err)
{
    if (ret_new)
        *ret_new = false;
    if (n == 0) {
        *ret = 0;
        return true;
    }
    if ((pool->n >= pool->cap && !grow_items(pool, err)) || (pool->n * 2 >= pool->n_slots && !grow_slots(pool, err)))
        return false;
    uint32_t hash = hash_bytes(p, n), i = hash & (pool->n_slots - 1);
    for (; pool->slots[i].id; i = (i + 1) & (pool->n_slots - 1)) {
        const struct pooled *item = &pool->items[pool->slots[i].id];
        if (pool->slots[i].hash == hash && item->n == n && memcmp(item->p, p, n) == 0) {
            *ret = pool->slots[i].id;
            return true;
        }
    }
    void *copy = arena_alloc(arena, n);
    if (!copy)
        return err_set(err, ERR_LIMIT, "the answer's rules take more memory than one answer may; make them simpler");
    memcpy(copy, p, n);
    pool->items[pool->n] = (struct pooled){.p = copy, .n = (uint32_t)n, .hash = hash};
    pool->slots[i] = (struct pool_slot){pool->n, hash};
    *ret = pool->n++;
    if (ret_new)
        *ret_new = true;
    return true;
}

void byte_pool_free(struct byte_pool *pool)
{
    free(pool->items);
    free(pool->slots);
    *pool = (struct byte_pool){0};
}

size_t byte_pool_bytes(const struct byte_pool *pool)
{
    return pool->cap * sizeof *pool->items + pool->n_slots * sizeof *pool->slots;
}
