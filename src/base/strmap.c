/* The map from byte strings to int32: open addressing with linear probing, at most two thirds full. It borrows its
 * keys. Keys come out of other people's files, so where they fall is decided by SipHash-1-3 (Aumasson and Bernstein,
 * 2012) under a secret of this map: nobody can write keys that all fall on one place. */
#include "base/strmap.h"

#include <stdlib.h>

#include "base/rng.h"

#define STRMAP_FIRST 16u
#define STRMAP_MAX (1u << 28) /* entries; far above any vocabulary */

struct strmap_slot {
    struct str key; /* p NULL: free */
    uint32_t hash;
    int32_t value;
};

static uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* Fewer than 8 bytes as a number, the first lowest. Most keys are such: pieces of words. */
static uint64_t short_word(const char *p, size_t n)
{
    uint32_t first, last;
    if (n == 0)
        return 0;
    if (n < 4)
        return (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[n / 2] << 8 * (n / 2) |
               (uint64_t)(unsigned char)p[n - 1] << 8 * (n - 1);
    memcpy(&first, p, 4);
    memcpy(&last, p + n - 4, 4); /* where they overlap they agree */
    return first | (uint64_t)last << 8 * (n - 4);
}

static uint32_t strmap_hash(const struct strmap *m, struct str key)
{
    uint64_t v[4] = {m->secret[0] ^ 0x736f6d6570736575u, m->secret[1] ^ 0x646f72616e646f6du,
                     m->secret[0] ^ 0x6c7967656e657261u, m->secret[1] ^ 0x7465646279746573u};
    size_t whole = key.n & ~(size_t)7;
    uint64_t word;
    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, key.p + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)key.n << 56 | short_word(key.p + whole, key.n - whole);
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

void strmap_free(struct strmap *m)
{
    free(m->slots);
    *m = (struct strmap){0};
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
