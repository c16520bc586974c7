/* What a state admits of a vocabulary. Nobody outside this room includes this. */
#ifndef RUNG_GRAMMAR_MASK_WALK_H
#define RUNG_GRAMMAR_MASK_WALK_H

#include "grammar/automaton.h"
#include "grammar/mask/vocabulary.h"

/* The index of the plain mask whose tokens are all admitted in this state; -1: of none it is known. */
int walk_plain(struct automaton *a, uint32_t state);
/* Fills mask[v->n_words], starting from plain mask `plain` (walk_plain's). The automaton is locked. false past a
 * ceiling. */
bool walk_state(struct automaton *a, uint32_t state, const struct vocabulary *v, int plain, uint64_t *mask,
                struct err *err);
/* The state after these bytes; STATE_DEAD, with *err filled past a ceiling alone, where they are not admitted. */
uint32_t walk_bytes(struct automaton *a, uint32_t state, struct str bytes, struct err *err);

#endif
