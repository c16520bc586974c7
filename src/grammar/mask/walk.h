/* What a state admits of a vocabulary. Nobody outside this room includes this. */
#ifndef RUNG_GRAMMAR_MASK_WALK_H
#define RUNG_GRAMMAR_MASK_WALK_H

#include "grammar/automaton.h"
#include "grammar/mask/vocabulary.h"

/* Fills mask[v->n_words]; *ret_plain is the plain mask that it is most like, or PLAIN_NONE: the empty one. The
 * automaton is locked. false past a ceiling. */
bool walk_state(struct automaton *a, uint32_t state, const struct vocabulary *v, uint64_t *mask, int *ret_plain,
                struct err *err);

#endif
