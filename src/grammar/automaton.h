/* A finished grammar as an automaton over bytes that is built lazily: a state is an interned set of configurations (a
 * term in progress and the stack of what comes after it), a step is a table entry once it was taken. States are shared
 * by all answers under the same rules.
 *
 * Ceilings: configurations in a state, depth of stacks, work within one lock, bytes in all; past the last the states
 * that nobody holds are dropped, when the lock is next taken, and built again when met. Thread rule: callers hold
 * automaton_lock over every call; a state number is good until the unlock, and beyond it while it is held (state_hold).
 *
 * No key twice: a key that a `many` field takes (rules.h) is recorded while state_take writes it, and from then on no
 * text of that object can spell it again. state_step only tries: what it steps over is not recorded, so that all tries
 * share their states. Hence the one limit: a try that writes a whole key and, in the same try, begins it again is
 * admitted, and the take of it then fails. Recorded are the first AUTOMATON_MAX_KEYS keys of an object, of at most
 * AUTOMATON_MAX_KEY_BYTES each. */
#ifndef RUNG_GRAMMAR_AUTOMATON_H
#define RUNG_GRAMMAR_AUTOMATON_H

#include "grammar/rules.h"

#define AUTOMATON_MAX_CONFIGURATIONS 8192   /* of one state */
#define AUTOMATON_MAX_STACK 4096
#define AUTOMATON_MAX_BYTES (64u << 20)
#define AUTOMATON_MAX_WORK (1u << 23)       /* ways and parts of terms gone through within one lock: a second */
#define AUTOMATON_MAX_KEYS 1024
#define AUTOMATON_MAX_KEY_BYTES 256
#define STATE_DEAD 0u

struct automaton;
/* Takes the finished rules, also on failure. */
bool automaton_open(struct rules *rules, struct automaton **ret, struct err *err);
void automaton_close(struct automaton *a);
void automaton_lock(struct automaton *a);
void automaton_unlock(struct automaton *a);
size_t automaton_bytes(const struct automaton *a);   /* of memory, its rules included */
bool automaton_is_worn(const struct automaton *a);   /* its terms are: better opened anew for new answers */
uint32_t automaton_start(const struct automaton *a);
/* STATE_DEAD where no text of the rules continues so; *err is set (and STATE_DEAD returned) only past a ceiling. A
 * state that is not dead can always be completed. */
uint32_t state_step(struct automaton *a, uint32_t state, uint8_t byte, struct err *err);
/* Many steps of one state: row.next[row.classes[byte]] is what state_step returns, or STATE_UNKNOWN where that was not
 * asked yet. Good until the unlock. `next` is NULL, with *err, past a ceiling. */
#define STATE_UNKNOWN UINT32_MAX
struct state_row {
    const uint32_t *next;
    const uint8_t *classes;
};
struct state_row state_row(struct automaton *a, uint32_t state, struct err *err);
/* The same for a byte that the answer really goes on with. Masks and all other questions about the state are as cheap
 * and as shared as after state_step. */
uint32_t state_take(struct automaton *a, uint32_t state, uint8_t byte, struct err *err);
/* The state that admits the same and whose steps and slot these are: one for all texts that only differ in what
 * state_take records of a key in progress. Not held by holding the other. */
uint32_t state_shared(const struct automaton *a, uint32_t state);
/* The bytes that do not lead to STATE_DEAD; remembered. */
bool state_bytes(struct automaton *a, uint32_t state, struct byte_set *ret, struct err *err);
bool state_may_end(const struct automaton *a, uint32_t state);    /* the text so far is whole */
bool state_must_end(struct automaton *a, uint32_t state);         /* and nothing can follow */
/* As expr_plain_prefix, but found by looking ahead through the states where the terms do not show it. */
int state_plain_prefix(struct automaton *a, uint32_t state);
/* Whether that is INT_MAX as far as it is known without looking ahead: cheap. */
bool state_always_plain(struct automaton *a, uint32_t state);
/* The bytes that must come next, as far as they are the only ones and the text cannot end before: appended to *out, at
 * most max of them. */
bool state_forced(struct automaton *a, uint32_t state, size_t max, struct buf *out, struct err *err);
void state_hold(struct automaton *a, uint32_t state);
void state_release(struct automaton *a, uint32_t state);
/* A slot for what the masks' room remembers of a state; handed to `drop` when the state is dropped or the automaton
 * closed. The address is good until the next call that steps; states that admit the same may share it. */
void **state_slot(struct automaton *a, uint32_t state);
void automaton_on_drop(struct automaton *a, void (*drop)(void *ctx, void *slot), void *ctx);

#endif
