/* Tool calls of an answer in the API's shape: the deltas of a stream as they come, the whole list at the end. One
 * thread; the answer's own. */
#ifndef RUNG_GATEWAY_ANSWER_TOOL_CALLS_H
#define RUNG_GATEWAY_ANSWER_TOOL_CALLS_H

#include "base/arena.h"
#include "base/buf.h"
#include "runtime/generate.h"

#define TOOL_CALLS_MAX 128
#define TOOL_CALLS_MAX_BYTES (4u << 20)   /* of arguments, and of one delta */

struct tool_calls {
    bool only_first;               /* later calls are left out: parallel_tool_calls is false */
    /* private */
    int n;
    char *id[TOOL_CALLS_MAX], *name[TOOL_CALLS_MAX];
    struct buf arguments[TOOL_CALLS_MAX];
    struct buf delta;
};

/* Takes what one event brought. *ret: the same as a JSON array of deltas, good until the next call; empty for none. */
bool tool_calls_add(struct tool_calls *c, const struct tool_call_delta *deltas, int n, struct str *ret,
                    struct err *err);
/* The whole list as JSON in the arena; empty when there is none. */
bool tool_calls_list(const struct tool_calls *c, struct arena *arena, struct str *ret, struct err *err);
void tool_calls_free(struct tool_calls *c);

#endif
