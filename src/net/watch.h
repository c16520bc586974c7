/* Watches sockets that the HTTP library is not looking at: tells at once when the other side hangs up, and cuts a connection
 * whose deadline has passed. One thread for all connections.
 *
 * Invariant: once watch_idle or watch_remove has returned, the hang-up callback of that place runs no more. */
#ifndef RUNG_NET_WATCH_H
#define RUNG_NET_WATCH_H

#include "base/err.h"

struct watch;

/* on_hangup runs on the watching thread, under the watch's lock: it must not call back into the watch. */
bool watch_open(int max_sockets, void (*on_hangup)(void *ctx), struct watch **ret, struct err *err);
void watch_close(struct watch *w);

int watch_add(struct watch *w, int fd);                 /* a place, or -1 when all are taken; the fd stays the caller's */
void watch_remove(struct watch *w, int place);          /* before the fd is closed */
void watch_busy(struct watch *w, int place, void *ctx); /* report a hang-up, once, to on_hangup(ctx) */
void watch_idle(struct watch *w, int place);
/* Shut the socket down at this clock_ms (checked about once a second); 0: no deadline. */
void watch_deadline(struct watch *w, int place, int64_t at_ms);

#endif
