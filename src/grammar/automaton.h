/* A finished grammar as an automaton over bytes that is built lazily: a state is an interned set of configurations (a
 * term in progress and the stack of what comes after it), a step is a table entry once it was taken. States are shared
 * by all answers under the same rules.
 *
 * Ceilings: configurations in a state, depth of stacks, states and bytes in all; past the latter the states that no
 * matcher holds are dropped and built again when met. Thread rule: callers hold automaton_lock over every call; a state
 * number is good while it is held (state_hold). */
#ifndef RUNG_GRAMMAR_AUTOMATON_H
#define RUNG_GRAMMAR_AUTOMATON_H

#include "grammar/rules.h"

#define AUTOMATON_MAX_CONFIGURATIONS 2048   /* of one state */
#define AUTOMATON_MAX_STACK 4096
#define AUTOMATON_MAX_BYTES (64u << 20)
#define STATE_DEAD 0u

struct automaton;
bool automaton_open(struct rules *rules, struct automaton **ret, struct err *err);   /* takes the rules */
void automaton_close(struct automaton *a);
void automaton_lock(struct automaton *a);
void automaton_unlock(struct automaton *a);
uint32_t automaton_start(const struct automaton *a);
/* STATE_DEAD where no text of the rules continues so; *err is set (and STATE_DEAD returned) only past a ceiling. A
 * state that is not dead can always be completed. */
uint32_t state_step(struct automaton *a, uint32_t state, uint8_t byte, struct err *err);
bool state_may_end(const struct automaton *a, uint32_t state);    /* the text so far is whole */
bool state_must_end(struct automaton *a, uint32_t state);         /* and nothing can follow */
int state_plain_prefix(struct automaton *a, uint32_t state);      /* as expr_plain_prefix, over its configurations */
/* The bytes that must come next, as far as they are the only ones and the text cannot end before: appended to *out, at
 * most max of them. */
bool state_forced(struct automaton *a, uint32_t state, size_t max, struct buf *out, struct err *err);
void state_hold(struct automaton *a, uint32_t state);
void state_release(struct automaton *a, uint32_t state);
/* A slot for what masks.c remembers of a state; freed by it when the state is dropped. */
void **state_slot(struct automaton *a, uint32_t state);
void automaton_on_drop(struct automaton *a, void (*drop)(void *ctx, void *slot), void *ctx);

#endif
