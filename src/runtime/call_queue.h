/* Deltas of tool calls on their way from the engine thread to a generation's owner: first in, first out, the bytes
 * copied. Whoever uses a queue from two threads holds a lock. */
#ifndef RUNG_RUNTIME_CALL_QUEUE_H
#define RUNG_RUNTIME_CALL_QUEUE_H

#include "base/buf.h"
#include "base/err.h"
#include "text/toolcall.h"

struct call_queue {
    int n;                       /* deltas in it */
    /* private */
    struct buf records;
    size_t at;                   /* bytes of records that were taken */
};

/* Deltas in their owner's hands. */
struct call_deltas {
    struct tool_call_delta *p;
    int n;
    /* private */
    int cap;
    struct buf bytes;
};

void call_queue_open(struct call_queue *q);
void call_queue_close(struct call_queue *q);
bool call_queue_add(struct call_queue *q, const struct tool_call_delta *delta, struct err *err);
/* All of from behind what to holds; from is empty then. */
bool call_queue_move(struct call_queue *from, struct call_queue *to, struct err *err);
/* The next n deltas, in place of what *to held. */
bool call_queue_take(struct call_queue *q, int n, struct call_deltas *to, struct err *err);
void call_deltas_free(struct call_deltas *d);

#endif
