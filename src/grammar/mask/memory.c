/* Remembers masks. One is kept as the tokens in which it differs from a plain mask or from the empty one, since those
 * are a few hundred for most; as bits where the list would be longer. */
#include "grammar/mask/memory.h"

#include <stdlib.h>

#include "grammar/mask/walk.h"

struct remembered {
    struct remembered *newer, *older;
    uint32_t state;
    int plain;          /* what it differs from, or PLAIN_NONE */
    uint32_t n;         /* tokens in which; 0 where whole */
    bool whole;         /* words, not tokens */
    uint64_t words[];   /* or tokens: ids_of */
};

static int32_t *ids_of(struct remembered *r)
{
    return (int32_t *)r->words;
}

static void forget(struct mask_memory *m, struct remembered *r)
{
    *(r->newer ? &r->newer->older : &m->newest) = r->older;
    *(r->older ? &r->older->newer : &m->oldest) = r->newer;
}

static void make_newest(struct mask_memory *m, struct remembered *r)
{
    r->newer = NULL;
    r->older = m->newest;
    *(m->newest ? &m->newest->newer : &m->oldest) = r;
    m->newest = r;
}

static size_t size_of(const struct mask_memory *m, const struct remembered *r)
{
    return sizeof *r + (r->whole ? m->vocabulary->n_words * sizeof r->words[0] : r->n * sizeof(int32_t));
}

static void discard(struct mask_memory *m, struct remembered *r)
{
    forget(m, r);
    m->bytes -= size_of(m, r);
    free(r);
}

static void state_dropped(void *ctx, void *slot)
{
    if (slot)
        discard(ctx, slot);
}

void memory_open(struct mask_memory *m, struct automaton *a, const struct vocabulary *v)
{
    *m = (struct mask_memory){.automaton = a, .vocabulary = v};
    automaton_on_drop(a, state_dropped, m);
}

static void discard_oldest(struct mask_memory *m)
{
    *state_slot(m->automaton, m->oldest->state) = NULL;
    discard(m, m->oldest);
}

void memory_close(struct mask_memory *m)
{
    while (m->oldest)
        discard_oldest(m);
}

bool memory_recall(struct mask_memory *m, uint32_t state, uint64_t *mask)
{
    const struct vocabulary *v = m->vocabulary;
    struct remembered *r = *state_slot(m->automaton, state);
    if (!r)
        return false;
    if (r != m->newest) {
        forget(m, r);
        make_newest(m, r);
    }
    if (r->whole) {
        memcpy(mask, r->words, v->n_words * sizeof *mask);
        return true;
    }
    if (r->plain == PLAIN_NONE)
        memset(mask, 0, v->n_words * sizeof *mask);
    else
        memcpy(mask, v->plain[r->plain], v->n_words * sizeof *mask);
    for (uint32_t i = 0; i < r->n; i++)
        mask[ids_of(r)[i] >> 6] ^= (uint64_t)1 << (ids_of(r)[i] & 63);
    return true;
}

static uint64_t differing(const struct vocabulary *v, int plain, const uint64_t *mask, size_t word)
{
    return mask[word] ^ (plain == PLAIN_NONE ? 0 : v->plain[plain][word]);
}

static size_t count_tokens(const struct vocabulary *v, int plain, const uint64_t *mask)
{
    size_t n = 0;
    for (size_t w = 0; w < v->n_words; w++)
        n += (size_t)__builtin_popcountll(differing(v, plain, mask, w));
    return n;
}

static void list_tokens(const struct vocabulary *v, int plain, const uint64_t *mask, int32_t *ids)
{
    for (size_t w = 0; w < v->n_words; w++)
        for (uint64_t more = differing(v, plain, mask, w); more; more &= more - 1)
            *ids++ = (int32_t)(w * 64) + __builtin_ctzll(more);
}

void memory_keep(struct mask_memory *m, uint32_t state, int plain, const uint64_t *mask)
{
    const struct vocabulary *v = m->vocabulary;
    size_t n = count_tokens(v, plain, mask);
    struct remembered as = {.state = state_shared(m->automaton, state), .plain = plain, .n = (uint32_t)n};
    as.whole = n * sizeof(int32_t) > v->n_words * sizeof(uint64_t);
    if (as.whole)
        as.n = 0;
    size_t bytes = size_of(m, &as);
    while (m->oldest && m->bytes + bytes > MASK_MEMORY_MAX_BYTES)
        discard_oldest(m);
    struct remembered *r = malloc(bytes);
    if (!r)
        return;
    *r = as;
    if (r->whole)
        memcpy(r->words, mask, v->n_words * sizeof *mask);
    else
        list_tokens(v, plain, mask, ids_of(r));
    make_newest(m, r);
    m->bytes += bytes;
    *state_slot(m->automaton, state) = r;
}
