/* Finds what a state admits: the plain tokens as far as it is known of the state, the others by a walk of the tries
 * through the automaton, where a subtree is left out when its first byte leads nowhere. Nothing is remembered here. */
#include "grammar/mask/walk.h"

int walk_plain(struct automaton *a, uint32_t state)
{
    int n = state_plain_prefix(a, state);
    return n >= INT32_MAX ? PLAIN_SIZES - 1 : n >= PLAIN_SIZES ? PLAIN_SIZES - 2 : n - 1;
}

static void add_tokens(const struct vocabulary *v, struct trie_node node, uint64_t *mask)
{
    mask_add(mask, (int32_t)node.token);
    if (node.shared)
        for (int32_t id = v->same[node.token]; id >= 0; id = v->same[id])
            mask_add(mask, id);
}

/* Subtrees whose tokens are in plain mask `plain`, as far as the trie knows, are left out. */
static bool walk_trie(struct automaton *a, uint32_t state, const struct vocabulary *v, const struct trie *t, int plain,
                      uint64_t *mask, struct err *err)
{
    uint32_t states[VOCABULARY_MAX_PIECE + 1];
    struct err fault = ERR_INIT;
    states[0] = state;
    for (uint32_t i = 0; i < t->n;) {
        struct trie_node node = t->nodes[i];
        if (t->sizes && t->sizes[i] <= plain) {
            i += node.size;
            continue;
        }
        uint32_t next = state_step(a, states[node.depth - 1], (uint8_t)node.byte, &fault);
        if (next == STATE_DEAD) {
            i += node.size;
            continue;
        }
        states[node.depth] = next;
        if (node.token != VOCABULARY_NO_TOKEN)
            add_tokens(v, node, mask);
        i++;
    }
    if (fault.code == ERR_NONE)
        return true;
    if (err)
        *err = fault;
    return false;
}

bool walk_state(struct automaton *a, uint32_t state, const struct vocabulary *v, int plain, uint64_t *mask,
                struct err *err)
{
    if (plain >= 0)
        memcpy(mask, v->plain[plain], v->n_words * sizeof *mask);
    else
        memset(mask, 0, v->n_words * sizeof *mask);
    if (state_may_end(a, state))
        for (size_t w = 0; w < v->n_words; w++)
            mask[w] |= v->ends[w];
    return (plain == PLAIN_SIZES - 1 || walk_trie(a, state, v, &v->plain_trie, plain, mask, err)) &&
           walk_trie(a, state, v, &v->rest_trie, plain, mask, err);
}

uint32_t walk_bytes(struct automaton *a, uint32_t state, struct str bytes, struct err *err)
{
    for (size_t i = 0; i < bytes.n && state != STATE_DEAD; i++)
        state = state_step(a, state, (uint8_t)bytes.p[i], err);
    return state;
}
