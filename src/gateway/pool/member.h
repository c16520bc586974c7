/* Inside the pools: the state of one upstream, and how one is chosen among several. Only src/gateway/pool/ uses it;
 * everything here is read and written under the pools' lock. */
#ifndef RUNG_GATEWAY_POOL_MEMBER_H
#define RUNG_GATEWAY_POOL_MEMBER_H

#include <pthread.h>

#include "gateway/pool/breaker.h"
#include "gateway/pool/pool.h"

struct pool_member {
    int refs;                            /* pools that have it, tickets that are out */
    struct breaker breaker;
    int64_t rest_until_ms;
    bool down;                           /* its health says so */
    int64_t outstanding, turn;           /* turn: of the smooth weighted round */
    int64_t calls, failures, changes;
    int64_t tell_from_ms;                /* when the log may tell of another model again */
    char served_model[80], fingerprint[64];
};

struct pool {
    const struct config_model *model;
    struct pool_member *members[CONFIG_MAX_UPSTREAMS];   /* [model->n_upstreams] */
};

/* One lock for all pools, old and new: a pick is short, and members change hands at a reload. */
struct pool_lock {
    pthread_mutex_t mutex;
    int refs;                            /* guarded by itself */
};

struct pool_watch;

struct pools {
    struct pool_lock *lock;
    struct pool *pools;                  /* [n], by model; those of local models are empty */
    int n;
    struct pool_watch *watch;            /* NULL: no upstream has a health path */
};

/* One of `fit` (bits, not 0) as the model's balance says; key: of the conversation. */
int pool_choose(struct pool *p, uint64_t fit, uint64_t key);

/* health.c: asks every upstream with a health path now and then, in a thread of its own. */
bool pool_watch_open(struct pools *p, struct http_client *http, struct pool_watch **ret, struct err *err);
void pool_watch_close(struct pool_watch *w);     /* NULL allowed */

#endif
