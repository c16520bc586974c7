/* Watches sockets that the HTTP library is not looking at: tells at once when the other side hangs up, and cuts a
 * connection whose deadline has passed. One thread for all connections.
 *
 * Invariant: once watch_idle or watch_remove has returned, the hang-up callback of that place runs no more. */
#ifndef RUNG_NET_WATCH_H
#define RUNG_NET_WATCH_H

#include "base/err.h"

struct watch;

/* on_hangup runs under the watch's lock: it must not call back into the watch. */
bool watch_open(int max_sockets, void (*on_hangup)(void *ctx), struct watch **ret, struct err *err);
void watch_close(struct watch *w);

/* A place, or -1 when all are taken; idle, without a deadline. The fd stays the caller's. */
int watch_add(struct watch *w, int fd);
void watch_remove(struct watch *w, int place);          /* before the fd is closed */
/* A hang-up, also one that has happened already, is reported once to on_hangup(ctx). No deadline. */
void watch_busy(struct watch *w, int place, void *ctx);
/* A hang-up shuts the socket down both ways, and so does the deadline (a clock_ms, looked at about once a second; 0:
 * none). */
void watch_idle(struct watch *w, int place, int64_t deadline_ms);

#endif
