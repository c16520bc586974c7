/* A bounded queue of pointers between threads. Invariant: what was pushed is popped exactly once, in order. */
#ifndef RUNG_BASE_QUEUE_H
#define RUNG_BASE_QUEUE_H

#include "base/err.h"

struct queue;
bool queue_open(int capacity, struct queue **ret_queue, struct err *err);
void queue_close(struct queue *q);                  /* frees it; no thread may be inside */
bool queue_push(struct queue *q, void *item);       /* false when full or shut; never blocks */
/* timeout_ms < 0 waits for ever. NULL when nothing came in time, or when the queue is shut and empty. */
void *queue_pop(struct queue *q, int64_t timeout_ms);
void queue_shut(struct queue *q);                   /* no more pushes; sleepers wake */

#endif
