/* What a state admits of a vocabulary. Nobody outside this room includes this. */
#ifndef RUNG_GRAMMAR_MASK_WALK_H
#define RUNG_GRAMMAR_MASK_WALK_H

#include "grammar/automaton.h"
#include "grammar/mask/vocabulary.h"

#define PLAIN_NONE (-1)   /* in place of a plain mask's index: the empty mask */

/* Fills mask[v->n_words]; *ret_plain is the plain mask, or PLAIN_NONE, that it is most like. The automaton is locked.
 * false past a ceiling. */
bool walk_state(struct automaton *a, uint32_t state, const struct vocabulary *v, uint64_t *mask, int *ret_plain,
                struct err *err);

#endif
