/* Rules as texts see them: whether one is admitted whole, and texts that a walk through the automaton makes. */
#ifndef RUNG_TESTS_GRAMMAR_SUPPORT_RULES_H
#define RUNG_TESTS_GRAMMAR_SUPPORT_RULES_H

#include "base/buf.h"
#include "grammar/automaton.h"

struct rules *open_rules(void);
uint32_t text_node(struct rules *rules, const char *text);
/* An automaton over the finished rules, which it takes. */
struct automaton *automaton_of(struct rules *rules);
/* How far the text is admitted; *ret_whole: to its end, which may be the end. */
size_t automaton_admits(struct automaton *a, struct str text, bool *ret_whole);
bool automaton_takes(struct automaton *a, struct str text);   /* whole */
/* A text of the rules by chance, the same for the same seed. Past `most` bytes it makes for the end: it takes the first
 * of `closers` (ended by NULL) that goes on there, so a closer that strings admit stands behind what ends strings. *out
 * is cleared. */
void automaton_walk(struct automaton *a, uint64_t seed, size_t most, const char *const *closers, struct buf *out);
extern const char *const json_closers[];

#endif
