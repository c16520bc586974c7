/* Helpers of the tests of grammar: see the header. */
#include "tests/grammar/support_rules.h"

#include "base/rng.h"
#include "tests/support.h"

#define WALK_MAX_BYTES 65536

struct rules *open_rules(void)
{
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    assert_ok(rules_open(&rules, &err), err);
    return rules;
}

uint32_t text_node(struct rules *rules, const char *text)
{
    return rules_term(rules, expr_literal(rules_exprs(rules), str_of(text)));
}

struct automaton *automaton_of(struct rules *rules)
{
    struct err err = ERR_INIT;
    struct automaton *a = NULL;
    assert_ok(automaton_open(rules, &a, &err), err);
    return a;
}

size_t automaton_admits(struct automaton *a, struct str text, bool *ret_whole)
{
    struct err err = ERR_INIT;
    uint32_t state;
    size_t n = 0;
    automaton_lock(a);
    state = automaton_start(a);
    while (n < text.n) {
        uint32_t next = state_take(a, state, (uint8_t)text.p[n], &err);
        if (next == STATE_DEAD)
            break;
        state = next;
        n++;
    }
    *ret_whole = n == text.n && state_may_end(a, state);
    automaton_unlock(a);
    if (err.code != ERR_NONE)
        fail_msg("%s", err.msg);
    return n;
}

bool automaton_takes(struct automaton *a, struct str text)
{
    bool whole;
    automaton_admits(a, text, &whole);
    return whole;
}

const char *const json_closers[] = {"\"", "}", "]", ",", ":", NULL};

static uint32_t step_word(struct automaton *a, uint32_t state, const char *word)
{
    struct err err = ERR_INIT;
    for (; *word && state != STATE_DEAD; word++)
        state = state_take(a, state, (uint8_t)*word, &err);
    return state;
}

/* Takes a byte by chance, of those that go on from here. */
static uint32_t step_by_chance(struct automaton *a, uint32_t state, uint64_t chance, struct buf *out)
{
    struct err err = ERR_INIT;
    uint8_t alive[256];
    uint64_t n = 0;
    for (int byte = 0; byte < 256; byte++)
        if (state_step(a, state, (uint8_t)byte, &err) != STATE_DEAD)
            alive[n++] = (uint8_t)byte;
    if (err.code != ERR_NONE)
        fail_msg("%s", err.msg);
    if (n == 0)
        fail_msg("nothing goes on behind '" STR_FMT "'", STR_ARG(buf_view(out)));
    buf_char(out, (char)alive[chance % n]);
    return state_take(a, state, alive[chance % n], &err);
}

static uint32_t walk_on(struct automaton *a, uint32_t state, uint64_t chance, const char *const *closers,
                        struct buf *out)
{
    for (; closers && *closers; closers++) {
        uint32_t next = step_word(a, state, *closers);
        if (next != STATE_DEAD) {
            buf_puts(out, *closers);
            return next;
        }
    }
    return step_by_chance(a, state, chance, out);
}

void automaton_walk(struct automaton *a, uint64_t seed, size_t most, const char *const *closers, struct buf *out)
{
    buf_clear(out);
    automaton_lock(a);
    uint32_t state = automaton_start(a);
    for (uint32_t i = 0; !state_must_end(a, state); i++) {
        uint64_t chance = rng_u64(seed, i, 0);
        bool closing = out->n >= most;
        if (state_may_end(a, state) && (closing || chance % 8 == 0))
            break;
        if (out->n > WALK_MAX_BYTES)
            fail_msg("the walk of seed %d finds no end", (int)seed);
        state = walk_on(a, state, chance >> 8, closing ? closers : NULL, out);
    }
    automaton_unlock(a);
}
