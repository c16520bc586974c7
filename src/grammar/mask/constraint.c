/* Rules beside a vocabulary, and the answers under them: who shares what, under which lock, and the calls that the
 * runtime makes. Masks are found in walk.c and remembered in memory.c. */
#include <stdatomic.h>
#include <stdlib.h>

#include "grammar/mask/memory.h"
#include "grammar/mask/walk.h"

struct constraint {
    struct automaton *automaton;
    const struct vocabulary *vocabulary;
    struct mask_memory memory;   /* guarded by the automaton's lock */
    atomic_int references;
};

struct matcher {
    struct constraint *constraint;
    uint32_t state;   /* held */
    bool ended;       /* an end token was taken */
};

bool constraint_open(struct rules *rules, const struct vocabulary *v, struct constraint **ret, struct err *err)
{
    struct constraint *c = calloc(1, sizeof *c);
    if (!c) {
        rules_close(rules);
        return err_nomem(err, "a constraint");
    }
    bool ok = automaton_open(rules, &c->automaton, err);
    if (ok && !memory_open(&c->memory, c->automaton, v, err)) {
        automaton_close(c->automaton);
        ok = false;
    }
    if (!ok) {
        free(c);
        return false;
    }
    c->vocabulary = v;
    atomic_init(&c->references, 1);
    *ret = c;
    return true;
}

struct constraint *constraint_share(struct constraint *c)
{
    atomic_fetch_add(&c->references, 1);
    return c;
}

void constraint_release(struct constraint *c)
{
    if (!c || atomic_fetch_sub(&c->references, 1) > 1)
        return;
    memory_close(&c->memory);
    automaton_close(c->automaton);
    free(c);
}

size_t constraint_bytes(struct constraint *c)
{
    automaton_lock(c->automaton);
    size_t bytes = automaton_bytes(c->automaton) + c->memory.bytes;
    automaton_unlock(c->automaton);
    return bytes;
}

bool constraint_is_worn(struct constraint *c)
{
    automaton_lock(c->automaton);
    bool worn = automaton_is_worn(c->automaton);
    automaton_unlock(c->automaton);
    return worn;
}

/* ---- one answer ---- */

static bool open_at(struct constraint *c, uint32_t state, bool ended, struct matcher **ret, struct err *err)
{
    struct matcher *m = malloc(sizeof *m);
    if (!m)
        return err_nomem(err, "a matcher");
    *m = (struct matcher){.constraint = constraint_share(c), .state = state, .ended = ended};
    automaton_lock(c->automaton);
    state_hold(c->automaton, state);
    automaton_unlock(c->automaton);
    *ret = m;
    return true;
}

bool matcher_open(struct constraint *c, struct matcher **ret, struct err *err)
{
    return open_at(c, automaton_start(c->automaton), false, ret, err);
}

bool matcher_fork(const struct matcher *m, struct matcher **ret, struct err *err)
{
    return open_at(m->constraint, m->state, m->ended, ret, err);
}

void matcher_close(struct matcher *m)
{
    if (!m)
        return;
    struct automaton *a = m->constraint->automaton;
    automaton_lock(a);
    state_release(a, m->state);
    automaton_unlock(a);
    constraint_release(m->constraint);
    free(m);
}

bool matcher_mask(struct matcher *m, uint64_t *mask, struct err *err)
{
    struct constraint *c = m->constraint;
    if (m->ended) {
        memset(mask, 0, c->vocabulary->n_words * sizeof *mask);
        return true;
    }
    automaton_lock(c->automaton);
    bool ok = true;
    if (!memory_recall(&c->memory, m->state, mask)) {
        int plain;
        ok = walk_state(c->automaton, m->state, c->vocabulary, mask, &plain, err);
        if (ok)
            memory_keep(&c->memory, m->state, plain, mask);
    }
    automaton_unlock(c->automaton);
    return ok;
}

/* The state after a token that is no end; STATE_DEAD, with *err filled past a ceiling alone, where it is not admitted.
 * `step` is state_step or state_take. The automaton is locked. */
static uint32_t after_token(const struct matcher *m, int32_t id,
                            uint32_t (*step)(struct automaton *, uint32_t, uint8_t, struct err *), struct err *err)
{
    struct str piece = vocabulary_piece(m->constraint->vocabulary, id);
    uint32_t state = piece.n == 0 ? STATE_DEAD : m->state;
    for (size_t i = 0; i < piece.n && state != STATE_DEAD; i++)
        state = step(m->constraint->automaton, state, (uint8_t)piece.p[i], err);
    return state;
}

static bool is_token(const struct matcher *m, int32_t id)
{
    return id >= 0 && id < m->constraint->vocabulary->n_tokens && !m->ended;
}

bool matcher_take(struct matcher *m, int32_t id, struct err *err)
{
    struct automaton *a = m->constraint->automaton;
    struct err fault = ERR_INIT;
    bool ok = false;
    automaton_lock(a);
    if (is_token(m, id) && mask_has(m->constraint->vocabulary->ends, id)) {
        ok = m->ended = state_may_end(a, m->state);
    } else if (is_token(m, id)) {
        uint32_t next = after_token(m, id, state_take, &fault);
        ok = next != STATE_DEAD;
        if (ok) {
            state_hold(a, next);
            state_release(a, m->state);
            m->state = next;
        }
    }
    automaton_unlock(a);
    if (ok)
        return true;
    if (fault.code == ERR_NONE)
        return err_set(err, ERR_INVALID, "token %d cannot come here under the answer's rules", (int)id);
    if (err)
        *err = fault;
    return false;
}

bool matcher_admits(struct matcher *m, int32_t id)
{
    struct automaton *a = m->constraint->automaton;
    if (!is_token(m, id))
        return false;
    automaton_lock(a);
    bool admits = mask_has(m->constraint->vocabulary->ends, id) ? state_may_end(a, m->state)
                                                                : after_token(m, id, state_step, NULL) != STATE_DEAD;
    automaton_unlock(a);
    return admits;
}

bool matcher_may_end(const struct matcher *m)
{
    struct automaton *a = m->constraint->automaton;
    automaton_lock(a);
    bool may = state_may_end(a, m->state);
    automaton_unlock(a);
    return may;
}

bool matcher_must_end(struct matcher *m)
{
    struct automaton *a = m->constraint->automaton;
    automaton_lock(a);
    bool must = m->ended || state_must_end(a, m->state);
    automaton_unlock(a);
    return must;
}

bool matcher_forced(struct matcher *m, size_t max, struct buf *out, struct err *err)
{
    struct automaton *a = m->constraint->automaton;
    if (m->ended)
        return true;
    automaton_lock(a);
    bool ok = state_forced(a, m->state, max, out, err);
    automaton_unlock(a);
    return ok;
}

bool constraint_accepts(struct constraint *c, struct str text, size_t *ret_admitted, bool *ret_whole)
{
    struct automaton *a = c->automaton;
    automaton_lock(a);
    uint32_t state = automaton_start(a), next = state;
    size_t n = 0;
    while (n < text.n && (next = state_take(a, state, (uint8_t)text.p[n], NULL)) != STATE_DEAD) {
        state = next;
        n++;
    }
    *ret_admitted = n;
    *ret_whole = n == text.n && state_may_end(a, state);
    automaton_unlock(a);
    return *ret_whole;
}
