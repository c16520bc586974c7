/* Pools: which upstream of a model is asked next. Each upstream has a state of its own, which outlives a reload of the
 * configuration: calls on their way, a circuit breaker, a rest it asked for, up or down, what it last said it serves.
 *
 * Invariants: an upstream that may not take a request (upstream_may_take) is never handed out for it; one whose breaker
 * is open, that rests or is down is not either, but for one probe at a time once the breaker's time is over; every
 * ticket is given back exactly once. Any thread may call; a pick takes microseconds and waits for nobody. */
#ifndef RUNG_GATEWAY_POOL_POOL_H
#define RUNG_GATEWAY_POOL_POOL_H

#include "gateway/config.h"
#include "net/client.h"

struct pools;
struct pool_member;

/* The state of upstreams that `old` knows by the same model, name and base_url goes on; old may be NULL, and is closed
 * by its owner when its last ticket is back. http NULL: health is never asked. *c outlives the pools. */
bool pools_open(const struct config *c, struct http_client *http, const struct pools *old, struct pools **ret,
                struct err *err);
void pools_close(struct pools *p);               /* NULL allowed */

/* ---- one call ---- */

/* May this upstream ever take this request: privacy, its key, what it can do. */
bool upstream_may_take(const struct config_upstream *u, const struct request *req);
/* What the upstreams that may take it can do: the needs of the request where one of them has them all. */
unsigned pool_offers(const struct config_model *m, const struct request *req);

struct pool_ticket {
    const struct config_model *model;
    const struct config_upstream *upstream;
    int index;                                   /* in its pool */
    struct pool_member *member;
    bool probe;                                  /* the one call that an open breaker lets through */
};

/* `tried`: bits of upstreams that are taken only when no other may be had; `barred`: bits of those not at all.
 * ERR_UNSUPPORTED: none may take it; ERR_BUSY: all that may are left alone, for *ret_wait_ms more. */
bool pool_pick(struct pools *p, int model, const struct request *req, uint64_t tried, uint64_t barred,
               struct pool_ticket *ret, int64_t *ret_wait_ms, struct err *err);

/* How the call ended, as far as it tells of the upstream. */
enum pool_end {
    POOL_WELL,                                   /* it answered, if only with the request's own fault */
    POOL_FAILED,                                 /* it did not, or not what it should */
    POOL_UNTOLD,                                 /* cut short by us */
};
/* rest_ms: how long it asked to be left alone; 0: nothing said. */
void pool_done(struct pools *p, const struct pool_ticket *t, enum pool_end end, int64_t rest_ms);
/* What it says it serves; empty: nothing said. What it was before is told in the log when another model answers
 * (a fingerprint changes with every load balancer behind the API, so that is only counted). */
void pool_saw(struct pools *p, const struct pool_ticket *t, const char *model, const char *fingerprint);

/* ---- for metrics ---- */
enum pool_condition { POOL_CLOSED, POOL_OPEN, POOL_HALF_OPEN, POOL_RESTING, POOL_DOWN };
extern const char *const pool_condition_names[];

struct pool_status {
    const char *model, *upstream;
    bool own_machine;
    enum pool_condition condition;
    int64_t outstanding;                         /* calls on their way */
    int64_t calls, failures, opened;             /* since the start; how often the breaker opened */
    int64_t changes;                             /* of what it says it serves */
    char served_model[80], fingerprint[64];      /* last seen; empty: none */
};
/* Every upstream, in the configuration's order. */
void pools_each(struct pools *p, void (*give)(void *ctx, const struct pool_status *s), void *ctx);

#endif
