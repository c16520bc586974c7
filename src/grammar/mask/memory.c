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

/* The most tokens that are shorter than a whole mask. */
static size_t most_tokens(const struct vocabulary *v)
{
    return v->n_words * sizeof(uint64_t) / sizeof(int32_t);
}

bool memory_open(struct mask_memory *m, struct automaton *a, const struct vocabulary *v, struct err *err)
{
    *m = (struct mask_memory){.automaton = a, .vocabulary = v};
    m->ids = malloc(most_tokens(v) * sizeof *m->ids);
    if (!m->ids)
        return err_nomem(err, "masks to remember");
    automaton_on_drop(a, state_dropped, m);
    return true;
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
    free(m->ids);
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

/* The tokens in which the mask differs; most_tokens + 1 where they are more. */
static size_t list_tokens(const struct vocabulary *v, int plain, const uint64_t *mask, int32_t *ids)
{
    size_t n = 0, most = most_tokens(v);
    for (size_t w = 0; w < v->n_words; w++)
        for (uint64_t more = mask[w] ^ (plain == PLAIN_NONE ? 0 : v->plain[plain][w]); more; more &= more - 1) {
            if (n == most)
                return most + 1;
            ids[n++] = (int32_t)(w * 64) + __builtin_ctzll(more);
        }
    return n;
}

void memory_keep(struct mask_memory *m, uint32_t state, int plain, const uint64_t *mask)
{
    const struct vocabulary *v = m->vocabulary;
    size_t n = list_tokens(v, plain, mask, m->ids);
    bool whole = n > most_tokens(v);
    struct remembered as = {
        .state = state_shared(m->automaton, state), .plain = plain, .n = whole ? 0 : (uint32_t)n, .whole = whole};
    size_t bytes = size_of(m, &as);
    while (m->oldest && m->bytes + bytes > MASK_MEMORY_MAX_BYTES)
        discard_oldest(m);
    struct remembered *r = malloc(bytes);
    if (!r)
        return;
    *r = as;
    if (whole)
        memcpy(r->words, mask, v->n_words * sizeof *mask);
    else
        memcpy(ids_of(r), m->ids, n * sizeof *m->ids);
    make_newest(m, r);
    m->bytes += bytes;
    *state_slot(m->automaton, state) = r;
}
