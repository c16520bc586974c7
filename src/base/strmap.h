/* A hash map from byte strings to int32. Keys are not copied: they must outlive the map. Built once, then read from
 * any thread. Hostile keys cost no more than others: each map hashes with a secret of its own. */
#ifndef RUNG_BASE_STRMAP_H
#define RUNG_BASE_STRMAP_H

#include "base/err.h"
#include "base/str.h"

struct strmap {
    /* private */
    struct strmap_slot *slots;
    uint32_t n, cap;
    uint64_t secret[2]; /* drawn with the first slots */
};

void strmap_free(struct strmap *m);
void strmap_clear(struct strmap *m);   /* empty, its memory kept */
bool strmap_reserve(struct strmap *m, uint32_t n, struct err *err);
bool strmap_put(struct strmap *m, struct str key, int32_t value, struct err *err);  /* replaces */
bool strmap_get(const struct strmap *m, struct str key, int32_t *ret_value);
static inline uint32_t strmap_count(const struct strmap *m) { return m->n; }

#endif
