/* The map from byte strings to int32: open addressing with linear probing, at most two thirds full. It borrows its
 * keys. They come out of other people's files, so where they fall is decided by a hash under a secret of this map:
 * nobody can write keys that all fall on one place. */
#include "base/strmap.h"

#include <stdlib.h>

#include "base/rng.h"
#include "base/siphash.h"

#define STRMAP_FIRST 16u
#define STRMAP_MAX (1u << 28) /* entries; far above any vocabulary */

struct strmap_slot {
    struct str key; /* p NULL: free */
    uint32_t hash;
    int32_t value;
};

static uint32_t strmap_hash(const struct strmap *m, struct str key)
{
    return (uint32_t)siphash(m->secret, key);
}

void strmap_free(struct strmap *m)
{
    free(m->slots);
    *m = (struct strmap){0};
}

void strmap_clear(struct strmap *m)
{
    if (m->n)
        memset(m->slots, 0, m->cap * sizeof *m->slots);
    m->n = 0;
}

/* The slot that holds key, or the free one where it belongs. The table is never full. */
static struct strmap_slot *strmap_slot_of(const struct strmap *m, struct str key, uint32_t hash)
{
    uint32_t mask = m->cap - 1;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        struct strmap_slot *slot = &m->slots[i];
        if (!slot->key.p || (slot->hash == hash && str_eq(slot->key, key)))
            return slot;
    }
}

bool strmap_reserve(struct strmap *m, uint32_t n, struct err *err)
{
    if (n > STRMAP_MAX)
        return err_set(err, ERR_LIMIT, "a map of %u strings is larger than %u", n, STRMAP_MAX);
    uint32_t cap = m->cap ? m->cap : STRMAP_FIRST;
    while ((uint64_t)cap * 2 / 3 < n)
        cap *= 2;
    if (cap == m->cap)
        return true;
    struct strmap old = *m;
    struct strmap_slot *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return err_nomem(err, "a map of strings");
    if (!m->cap)
        for (int i = 0; i < 2; i++)
            m->secret[i] = rng_entropy();
    m->slots = slots;
    m->cap = cap;
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.slots[i].key.p)
            *strmap_slot_of(m, old.slots[i].key, old.slots[i].hash) = old.slots[i];
    free(old.slots);
    return true;
}

bool strmap_put(struct strmap *m, struct str key, int32_t value, struct err *err)
{
    if ((uint64_t)m->cap * 2 / 3 < (uint64_t)m->n + 1 && !strmap_reserve(m, m->n + 1, err))
        return false;
    if (!key.p)
        key = STR("");
    uint32_t hash = strmap_hash(m, key);
    struct strmap_slot *slot = strmap_slot_of(m, key, hash);
    if (!slot->key.p)
        m->n++;
    *slot = (struct strmap_slot){key, hash, value};
    return true;
}

bool strmap_get(const struct strmap *m, struct str key, int32_t *ret_value)
{
    if (m->cap == 0)
        return false;
    const struct strmap_slot *slot = strmap_slot_of(m, key, strmap_hash(m, key));
    if (!slot->key.p)
        return false;
    *ret_value = slot->value;
    return true;
}
