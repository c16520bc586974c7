/* Arena: many allocations, one free. Four lifetimes use it: model, session, step, thread (and each HTTP request).
 * Memory is zeroed, aligned to 16 bytes (arena_alloc_aligned: to any power of two up to 4096). Debug builds poison
 * gaps and what a reset gave back. Not thread-safe: one arena, one owner at a time. */
#ifndef RUNG_BASE_ARENA_H
#define RUNG_BASE_ARENA_H

#include "base/err.h"
#include "base/str.h"

struct arena_chunk;
struct arena {
    /* private */
    struct arena_chunk *chunks;
    size_t used, ceiling;
};

#define ARENA_INIT(max_bytes) ((struct arena){.ceiling = (max_bytes)})

void *arena_alloc(struct arena *a, size_t n);                        /* NULL past the ceiling or out of memory */
void *arena_alloc_aligned(struct arena *a, size_t n, size_t align);
void *arena_array(struct arena *a, size_t count, size_t elem);       /* checks the product */
#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
char *arena_strdup(struct arena *a, struct str s);                   /* NUL-terminated */
struct str arena_str(struct arena *a, struct str s);                 /* copy; p is NULL on failure */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_reset(struct arena *a);                                   /* keeps the first chunk */
void arena_free(struct arena *a);
size_t arena_used(const struct arena *a);

#endif
