/* The arena: chunks taken from the system, handed out front to back, all given back at once. It keeps the books on
 * one ceiling; what lives how long is the caller's business. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define ARENA_ALIGN 16
#define ARENA_ALIGN_MAX 4096
#define ARENA_CHUNK_MIN ((size_t)4 << 10)
#define ARENA_CHUNK_MAX ((size_t)1 << 20)
#ifdef RUNG_DEBUG
#define ARENA_GAP 16  /* unusable bytes behind every allocation: a small overrun is seen instead of read */
#else
#define ARENA_GAP 0
#endif
#define ARENA_POISON 0xA5

struct arena_chunk {
    struct arena_chunk *next;
    size_t cap, used; /* of the bytes behind this header */
    _Alignas(ARENA_ALIGN) unsigned char bytes[];
};

static void poison(unsigned char *p, size_t n)
{
#ifdef RUNG_DEBUG
    memset(p, ARENA_POISON, n);
#endif
#ifdef ARENA_ASAN
    ASAN_POISON_MEMORY_REGION(p, n);
#endif
    (void)p;
    (void)n;
}

static void unpoison(unsigned char *p, size_t n)
{
#ifdef ARENA_ASAN
    ASAN_UNPOISON_MEMORY_REGION(p, n);
#endif
    (void)p;
    (void)n;
}

/* The newest chunk is first; later ones are larger, so that a big arena is few chunks. */
static struct arena_chunk *arena_add_chunk(struct arena *a, size_t need)
{
    size_t cap = a->chunks ? a->chunks->cap * 2 : ARENA_CHUNK_MIN;
    if (cap > ARENA_CHUNK_MAX)
        cap = ARENA_CHUNK_MAX;
    if (cap < need)
        cap = need;
    struct arena_chunk *c = malloc(sizeof *c + cap);
    if (!c)
        return NULL;
    c->next = a->chunks;
    c->cap = cap;
    c->used = 0;
    poison(c->bytes, cap);
    a->chunks = c;
    return c;
}

/* Where an allocation of that alignment would start in the chunk. */
static size_t chunk_start(const struct arena_chunk *c, size_t align)
{
    uintptr_t at = (uintptr_t)c->bytes + c->used;
    return c->used + (size_t)((align - at % align) % align);
}

void *arena_alloc_aligned(struct arena *a, size_t n, size_t align)
{
    if (align < ARENA_ALIGN)
        align = ARENA_ALIGN;
    if (align > ARENA_ALIGN_MAX || (align & (align - 1)) || n > a->ceiling || a->used > a->ceiling - n)
        return NULL;
    if (n > SIZE_MAX / 2) /* headers, gaps and alignment are added below */
        return NULL;
    struct arena_chunk *c = a->chunks;
    size_t start = c ? chunk_start(c, align) : 0;
    if (!c || start > c->cap || n + ARENA_GAP > c->cap - start) {
        c = arena_add_chunk(a, n + align + ARENA_GAP);
        if (!c)
            return NULL;
        start = chunk_start(c, align);
    }
    unsigned char *p = c->bytes + start;
    c->used = start + n + ARENA_GAP;
    a->used += n;
    unpoison(p, n);
    memset(p, 0, n);
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    return arena_alloc_aligned(a, n, ARENA_ALIGN);
}

void *arena_array(struct arena *a, size_t count, size_t elem)
{
    size_t n;
    return __builtin_mul_overflow(count, elem, &n) ? NULL : arena_alloc(a, n);
}

char *arena_strdup(struct arena *a, struct str s)
{
    char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1) : NULL;
    if (p && s.n)
        memcpy(p, s.p, s.n);
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p = arena_strdup(a, s);
    return (struct str){p, p ? s.n : 0};
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    return p;
}

static void chunk_free(struct arena_chunk *c)
{
    unpoison(c->bytes, c->cap);
    free(c);
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *c = a->chunks;
    while (c && c->next) { /* the first chunk made is the last of the list */
        struct arena_chunk *next = c->next;
        chunk_free(c);
        c = next;
    }
    if (c) {
        unpoison(c->bytes, c->cap);
        poison(c->bytes, c->cap);
        c->used = 0;
    }
    a->chunks = c;
    a->used = 0;
}

void arena_free(struct arena *a)
{
    for (struct arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        chunk_free(c);
    }
    a->chunks = NULL;
    a->used = 0;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}
