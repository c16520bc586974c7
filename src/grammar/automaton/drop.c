/* When the automaton has grown past its ceiling: what the held states need is made anew in an empty store, the rest is
 * left behind. Numbers of held states stay, those of all others are free again; rows begin empty. */
#include <stdlib.h>

#include "grammar/automaton/store.h"

static size_t store_bytes(const struct automaton *a)
{
    const struct store *s = &a->store;
    return arena_used(&s->arena) + byte_pool_bytes(&s->frames) + byte_pool_bytes(&s->payloads) +
           byte_pool_bytes(&s->texts) + byte_pool_bytes(&s->key_sets) + byte_pool_bytes(&s->partitions) +
           byte_pool_bytes(&s->sets) + s->n_notes * sizeof *s->notes + s->n_state_of * sizeof *s->state_of +
           a->n_states * sizeof *a->states;
}

size_t automaton_bytes(const struct automaton *a)
{
    return store_bytes(a) + exprs_bytes(a->exprs) + arena_used(&a->rules->arena);
}

bool automaton_is_worn(const struct automaton *a)
{
    return exprs_are_worn(a->exprs);
}

/* The same in the new store; ids are the old store's. */
static bool copy_text(struct automaton *a, const struct store *old, uint32_t *text)
{
    if (*text == TEXT_START || *text == TEXT_LOST)
        return true;
    const struct pooled *p = &old->texts.items[*text];
    return byte_pool_put(&a->store.texts, &a->store.arena, p->p, p->n, text, NULL, NULL);
}

static bool copy_keys(struct automaton *a, const struct store *old, uint32_t *key_set)
{
    struct taken_key keys[AUTOMATON_MAX_KEYS];
    if (*key_set == 0)
        return true;
    const struct pooled *p = &old->key_sets.items[*key_set];
    memcpy(keys, p->p, p->n);
    for (size_t i = 0; i < p->n / sizeof keys[0]; i++)
        if (!copy_text(a, old, &keys[i].text))
            return false;
    return byte_pool_put(&a->store.key_sets, &a->store.arena, keys, p->n, key_set, NULL, NULL);
}

static bool copy_payload(struct automaton *a, const struct store *old, uint32_t *payload)
{
    struct payload copy;
    if (*payload == 0)
        return true;
    const struct pooled *p = &old->payloads.items[*payload];
    memcpy(&copy, p->p, p->n);
    return copy_keys(a, old, &copy.keys) &&
           byte_pool_put(&a->store.payloads, &a->store.arena, &copy, p->n, payload, NULL, NULL);
}

/* map[old frame]: its new number, 0 where it has none yet. `chain` has room for AUTOMATON_MAX_STACK. */
static bool copy_stack(struct automaton *a, const struct store *old, uint32_t *map, uint32_t *chain, uint32_t *stack)
{
    uint32_t n = 0;
    for (uint32_t id = *stack; id != STACK_EMPTY && !map[id];) {
        chain[n++] = id;
        id = ((const struct frame *)old->frames.items[id].p)->parent;
    }
    while (n > 0) {
        uint32_t id = chain[--n];
        struct frame f = *(const struct frame *)old->frames.items[id].p;
        f.parent = f.parent == STACK_EMPTY ? STACK_EMPTY : map[f.parent];
        if (!copy_payload(a, old, &f.payload) || !copy_text(a, old, &f.text) || !frame_push(a, &f, &map[id], NULL))
            return false;
    }
    *stack = *stack == STACK_EMPTY ? STACK_EMPTY : map[*stack];
    return true;
}

/* The sets of the held states; set_of[state] is 0 for all others. */
static bool copy_held(struct automaton *a, const struct store *old, uint32_t *set_of)
{
    uint32_t *map = calloc(old->frames.n + 1, sizeof *map);
    uint32_t *chain = malloc(AUTOMATON_MAX_STACK * sizeof *chain);
    struct configs c = {0};
    bool ok = map && chain;
    for (uint32_t id = 1; ok && id < a->n_states; id++) {
        const struct state *s = &a->states[id];
        c.n = 0;
        c.may_end = s->may_end;
        for (uint32_t i = 0; ok && s->used && s->holds > 0 && i < s->n; i++) {
            struct config one = s->configs[i];
            ok = copy_stack(a, old, map, chain, &one.stack) && configs_add(&c, one, NULL);
        }
        if (ok && s->used && s->holds > 0)
            ok = store_set(a, &c, &set_of[id], NULL);
    }
    free(map);
    free(chain);
    free(c.p);
    return ok;
}

static void drop_state(struct automaton *a, uint32_t id)
{
    struct state *s = &a->states[id];
    if (s->slot && a->drop)
        a->drop(a->drop_ctx, s->slot);
    *s = (struct state){.twin = a->free_state};
    a->free_state = id;
}

static void keep_states(struct automaton *a, const uint32_t *set_of)
{
    for (uint32_t id = 1; id < a->n_states; id++) {
        struct state *s = &a->states[id];
        if (!s->used)
            continue;
        if (!set_of[id]) {
            drop_state(a, id);
            continue;
        }
        s->configs = store_configs(&a->store, set_of[id], s->may_end, &s->n);
        s->row = NULL;
        s->twin = id;   /* a state is its own twin as well, only not shared */
        s->swept = false;
        s->met = 0;
        a->store.state_of[set_of[id]] = id;
    }
}

void automaton_trim(struct automaton *a)
{
    struct store old = a->store;
    if (store_bytes(a) < a->trim_at)
        return;
    uint32_t *set_of = calloc(a->n_states, sizeof *set_of);
    if (!set_of)
        return;
    a->store = (struct store){.arena = ARENA_INIT(AUTOMATON_MAX_ARENA)};
    if (copy_held(a, &old, set_of)) {
        keep_states(a, set_of);
        store_free(&old);
        a->trim_at = store_bytes(a) * 2 > AUTOMATON_MAX_BYTES ? store_bytes(a) * 2 : AUTOMATON_MAX_BYTES;
    } else {   /* no memory for it: go on as before */
        store_free(&a->store);
        a->store = old;
    }
    free(set_of);
}
