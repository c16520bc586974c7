/* The masks that a constraint remembers, one to a state of its automaton, up to a ceiling: past it those unused for
 * longest go. Nobody outside this room includes this. The automaton is locked during every call. */
#ifndef RUNG_GRAMMAR_MASK_MEMORY_H
#define RUNG_GRAMMAR_MASK_MEMORY_H

#include "grammar/automaton.h"
#include "grammar/mask/vocabulary.h"

#define MASK_MEMORY_MAX_BYTES (16u << 20)   /* of one constraint */

struct remembered;
struct mask_memory {
    struct automaton *automaton;
    const struct vocabulary *vocabulary;
    /* private */
    struct remembered *newest, *oldest;
    size_t bytes;
    int32_t *ids;   /* scratch */
};

bool memory_open(struct mask_memory *m, struct automaton *a, const struct vocabulary *v, struct err *err);
void memory_close(struct mask_memory *m);   /* before its automaton */
/* false when the state's mask is not remembered. */
bool memory_recall(struct mask_memory *m, uint32_t state, uint64_t *mask);
/* Nothing is kept where memory is short. `plain` is what the mask is most like (walk_state). */
void memory_keep(struct mask_memory *m, uint32_t state, int plain, const uint64_t *mask);

#endif
