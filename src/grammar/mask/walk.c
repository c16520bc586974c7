/* Finds what a state admits. What is known of the state at a glance gives a plain mask to begin with; the tries are
 * then walked through the automaton for the rest. A subtree is left whole where its first byte leads nowhere, and taken
 * whole where it leads to a state that admits any plain text. Nothing is remembered here. */
#include "grammar/mask/walk.h"

#include <limits.h>

#define WORTH_ASKING 8   /* nodes of a subtree, from which on it is asked whether all of it is admitted */
#define LOOPS_KNOWN 16   /* states whose loops are remembered during a walk */

/* The kinds of bytes that all lead from a state back to it. */
struct loops {
    uint32_t state, kinds;
};

struct walk {
    struct automaton *a;
    const struct vocabulary *v;
    uint64_t *mask;
    int plain;               /* the mask began with this one */
    struct err fault;
    uint32_t states[VOCABULARY_MAX_PIECE + 1];         /* after `depth` bytes */
    struct state_row rows[VOCABULARY_MAX_PIECE + 1];   /* theirs; next is NULL past a ceiling */
    struct loops loops[LOOPS_KNOWN];                   /* by state number */
};

static void enter(struct walk *w, uint32_t depth, uint32_t state)
{
    w->states[depth] = state;
    if (depth > 0 && state == w->states[depth - 1])
        w->rows[depth] = w->rows[depth - 1];
    else
        w->rows[depth] = state_row(w->a, state, &w->fault);
}

/* The state after the node's byte, its parent being entered. */
static inline uint32_t step(struct walk *w, struct trie_node node)
{
    struct state_row row = w->rows[node.depth - 1];
    uint32_t next = row.next ? row.next[row.classes[node.byte]] : STATE_DEAD;
    if (next != STATE_UNKNOWN || w->fault.code != ERR_NONE)
        return next != STATE_UNKNOWN ? next : STATE_DEAD;
    return state_step(w->a, w->states[node.depth - 1], (uint8_t)node.byte, &w->fault);
}

static bool all_loop(struct walk *w, uint32_t state, const char *bytes)
{
    while (*bytes && state_step(w->a, state, (uint8_t)*bytes, &w->fault) == state)
        bytes++;
    return !*bytes;
}

/* The kinds of bytes that change nothing in this state. */
static uint32_t loops_of(struct walk *w, uint32_t state)
{
    struct loops *l = &w->loops[state % LOOPS_KNOWN];
    if (l->state == state)
        return l->kinds;
    *l = (struct loops){.state = state};
    for (int kind = 0; kind < BYTE_KINDS; kind++)
        l->kinds |= (uint32_t)all_loop(w, state, byte_kinds[kind]) << kind;
    return l->kinds;
}

/* Whether every token of the subtree is admitted, as far as that is known from the state that its first byte, from
 * `before`, leads to. */
static bool admits_subtree(struct walk *w, uint32_t node, uint32_t before, uint32_t state)
{
    return state_always_plain(w->a, state) || (state == before && (w->v->kinds[node] & ~loops_of(w, state)) == 0);
}

static void add_tokens(struct walk *w, struct trie_node node)
{
    mask_add(w->mask, (int32_t)node.token);
    if (node.shared)
        for (int32_t id = w->v->same[node.token]; id >= 0; id = w->v->same[id])
            mask_add(w->mask, id);
}

/* ---- the plain tokens ---- */

/* All tokens of the subtree into the mask, or out of it. */
static void set_subtree(struct walk *w, uint32_t node, bool admitted)
{
    const struct vocabulary *v = w->v;
    uint32_t end = v->rank[node + v->plain_trie.nodes[node].size];
    for (uint32_t i = v->rank[node]; i < end; i++) {
        int32_t id = v->order[i];
        uint64_t bit = (uint64_t)1 << (id & 63);
        w->mask[id >> 6] = (w->mask[id >> 6] & ~bit) | (admitted ? bit : 0);
    }
}

/* Whether so many tokens are known to be admitted after one byte that it is less work to begin with all of them. */
static bool most_are_admitted(struct walk *w)
{
    const struct trie *t = &w->v->plain_trie;
    uint32_t admitted = 0;
    for (uint32_t i = 0; i < t->n; i += t->nodes[i].size) {
        uint32_t next = step(w, t->nodes[i]);
        if (next != STATE_DEAD && state_always_plain(w->a, next))
            admitted += w->v->rank[i + t->nodes[i].size] - w->v->rank[i];
    }
    return admitted > w->v->rank[t->n] / 2;
}

static void walk_plain(struct walk *w)
{
    const struct vocabulary *v = w->v;
    const struct trie *t = &v->plain_trie;
    bool all = w->plain == PLAIN_SIZES - 1;
    for (uint32_t i = 0; i < t->n;) {
        struct trie_node node = t->nodes[i];
        if (!all && v->sizes[i] <= w->plain) {
            i += node.size;
            continue;
        }
        uint32_t next = step(w, node);
        if (next == STATE_DEAD ||
            (node.size >= WORTH_ASKING && admits_subtree(w, i, w->states[node.depth - 1], next))) {
            if ((next != STATE_DEAD) != all)
                set_subtree(w, i, !all);
            i += node.size;
            continue;
        }
        if (node.token != VOCABULARY_NO_TOKEN)
            add_tokens(w, node);
        if (node.size > 1)
            enter(w, node.depth, next);
        i++;
    }
}

/* ---- the others ---- */

static void walk_rest(struct walk *w)
{
    const struct trie *t = &w->v->rest_trie;
    for (uint32_t i = 0; i < t->n;) {
        struct trie_node node = t->nodes[i];
        uint32_t next = step(w, node);
        if (next == STATE_DEAD) {
            i += node.size;
            continue;
        }
        if (node.token != VOCABULARY_NO_TOKEN)
            add_tokens(w, node);
        if (node.size > 1)
            enter(w, node.depth, next);
        i++;
    }
}

static void begin_with(struct walk *w, int plain)
{
    w->plain = plain;
    if (plain == PLAIN_NONE)
        memset(w->mask, 0, w->v->n_words * sizeof *w->mask);
    else
        memcpy(w->mask, w->v->plain[plain], w->v->n_words * sizeof *w->mask);
}

bool walk_state(struct automaton *a, uint32_t state, const struct vocabulary *v, uint64_t *mask, int *ret_plain,
                struct err *err)
{
    struct walk w;
    int n = state_plain_prefix(a, state);
    w.a = a;
    w.v = v;
    w.mask = mask;
    w.fault = ERR_INIT;
    memset(w.loops, 0, sizeof w.loops);   /* of STATE_DEAD, which nothing asks for */
    enter(&w, 0, state);
    if (n == INT_MAX) {
        begin_with(&w, PLAIN_SIZES - 1);
    } else if (n == 0 && most_are_admitted(&w)) {
        begin_with(&w, PLAIN_SIZES - 1);
        walk_plain(&w);
    } else {
        begin_with(&w, plain_within(n));
        walk_plain(&w);
    }
    walk_rest(&w);
    if (state_may_end(a, state))
        for (size_t i = 0; i < v->n_words; i++)
            mask[i] |= v->ends[i];
    *ret_plain = w.plain;
    if (w.fault.code != ERR_NONE && err)
        *err = w.fault;
    return w.fault.code == ERR_NONE;
}
