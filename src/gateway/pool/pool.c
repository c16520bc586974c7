/* The pools: members with their states, handed out and taken back. How one is chosen among those that may be asked is
 * choose.c's, asking for health is health.c's. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/pool/member.h"
#include "gateway/provider/provider.h"
#include "gateway/residency/residency.h"

#define TELL_EVERY_MS 60000 /* of an upstream whose servers disagree on who they are */

const char *const pool_condition_names[] = {
    [POOL_CLOSED] = "closed",   [POOL_OPEN] = "open", [POOL_HALF_OPEN] = "half_open",
    [POOL_RESTING] = "resting", [POOL_DOWN] = "down",
};

/* ---- opening ---- */

static struct pool_member *find_member(const struct pools *old, const struct config_model *m,
                                       const struct config_upstream *u)
{
    for (int i = 0; old && i < old->n; i++) {
        const struct config_model *was = old->pools[i].model;
        for (int k = 0; strcmp(was->name, m->name) == 0 && k < was->n_upstreams; k++) {
            if (strcmp(was->upstreams[k].name, u->name) == 0 && strcmp(was->upstreams[k].base_url, u->base_url) == 0)
                return old->pools[i].members[k];
        }
    }
    return NULL;
}

static bool open_pool(struct pool *pool, const struct config_model *m, const struct pools *old, struct err *err)
{
    pool->model = m;
    for (int k = 0; k < m->n_upstreams; k++) {
        struct pool_member *member = find_member(old, m, &m->upstreams[k]);
        if (!member)
            member = calloc(1, sizeof *member);
        if (!member)
            return err_nomem(err, "the pools of upstreams");
        member->refs++;
        pool->members[k] = member;
    }
    return true;
}

static struct pool_lock *new_lock(void)
{
    struct pool_lock *lock = calloc(1, sizeof *lock);
    if (lock)
        pthread_mutex_init(&lock->mutex, NULL);
    return lock;
}

bool pools_open(const struct config *c, struct http_client *http, const struct pools *old, struct pools **ret,
                struct err *err)
{
    struct pools *p = calloc(1, sizeof *p);
    int n = c->n_models;
    bool ok = p && (p->lock = old ? old->lock : new_lock());
    if (!ok || !(p->pools = calloc((size_t)n, sizeof *p->pools))) {
        if (ok && !old)
            free(p->lock);
        free(p);
        return err_nomem(err, "the pools of upstreams");
    }
    pthread_mutex_lock(&p->lock->mutex);
    p->lock->refs++;
    for (; ok && p->n < n; p->n++)
        ok = open_pool(&p->pools[p->n], &c->models[p->n], old, err);
    pthread_mutex_unlock(&p->lock->mutex);
    if (!ok || (http && !pool_watch_open(p, http, &p->watch, err))) {
        pools_close(p);
        return false;
    }
    *ret = p;
    return true;
}

/* The lock is held. */
static void unref(struct pool_member *member)
{
    if (member && --member->refs == 0)
        free(member);
}

static void leave_lock(struct pool_lock *lock)
{
    bool last = --lock->refs == 0;
    pthread_mutex_unlock(&lock->mutex);
    if (last) {
        pthread_mutex_destroy(&lock->mutex);
        free(lock);
    }
}

void pools_close(struct pools *p)
{
    if (!p)
        return;
    pool_watch_close(p->watch);
    pthread_mutex_lock(&p->lock->mutex);
    for (int i = 0; i < p->n; i++) {
        for (int k = 0; k < p->pools[i].model->n_upstreams; k++)
            unref(p->pools[i].members[k]);
    }
    leave_lock(p->lock);
    free(p->pools);
    free(p);
}

/* ---- who may take what ---- */

bool upstream_may_take(const struct config_upstream *u, const struct request *req)
{
    return residency_allows(req, u) && !u->key_missing &&
           !(req->needs & ~provider_offers(u));
}

unsigned pool_offers(const struct config_model *m, const struct request *req)
{
    unsigned offers = 0;
    for (int i = 0; i < m->n_upstreams; i++) {
        const struct config_upstream *u = &m->upstreams[i];
        if (upstream_may_take(u, req))
            return provider_offers(u);
        if (!offers && residency_allows(req, u))
            offers = provider_offers(u);
    }
    return offers ? offers : provider_offers(&m->upstreams[0]);
}

/* ---- one call ---- */

static int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

/* 0: it may be asked now; else for how long it is left alone. The lock is held. */
static int64_t wait_of(const struct pool_member *m, int64_t now_ms)
{
    int64_t wait_ms = max_of(m->rest_until_ms - now_ms, 0);
    if (m->down)
        wait_ms = max_of(wait_ms, 1000);
    if (!breaker_allows(&m->breaker, now_ms))
        wait_ms = max_of(wait_ms, max_of(m->breaker.until_ms - now_ms, 100));
    return wait_ms;
}

bool pool_pick(struct pools *p, int model, const struct request *req, uint64_t tried, uint64_t barred,
               struct pool_ticket *ret, int64_t *ret_wait_ms, struct err *err)
{
    struct pool *pool = &p->pools[model];
    uint64_t able = 0, ready = 0;
    int64_t now_ms = clock_ms(), least_ms = INT64_MAX;
    uint64_t key = pool->model->balance == BALANCE_PREFIX ? request_conversation(req, 0) : 0;
    pthread_mutex_lock(&p->lock->mutex);
    for (int i = 0; i < pool->model->n_upstreams; i++) {
        if ((barred >> i & 1) || !upstream_may_take(&pool->model->upstreams[i], req))
            continue;
        int64_t wait_ms = wait_of(pool->members[i], now_ms);
        able |= 1ull << i;
        ready |= wait_ms == 0 ? 1ull << i : 0;
        least_ms = wait_ms < least_ms ? wait_ms : least_ms;
    }
    if (ready) {
        int i = pool_choose(pool, ready & ~tried ? ready & ~tried : ready, key);
        struct pool_member *m = pool->members[i];
        m->refs++;
        m->calls++;
        m->outstanding++;
        *ret = (struct pool_ticket){
            .model = pool->model, .upstream = &pool->model->upstreams[i], .index = i, .member = m};
        ret->probe = breaker_take(&m->breaker);
    }
    pthread_mutex_unlock(&p->lock->mutex);
    if (ready)
        return true;
    *ret_wait_ms = able ? least_ms : 0;
    if (!able)
        return err_set(err, ERR_UNSUPPORTED, "no upstream of '%s' may take this request", pool->model->name);
    return err_set(err, ERR_BUSY,
                   "every upstream of '%s' that may be asked is left alone after failures, for %.1f s more",
                   pool->model->name, (double)least_ms / 1000);
}

void pool_done(struct pools *p, const struct pool_ticket *t, enum pool_end end, int64_t rest_ms)
{
    struct pool_member *m = t->member;
    const struct config_model *model = t->model;
    int64_t now_ms = clock_ms(), opened;
    pthread_mutex_lock(&p->lock->mutex);
    opened = m->breaker.opened;
    m->outstanding--;
    m->failures += end == POOL_FAILED;
    if (end == POOL_WELL)
        breaker_well(&m->breaker);
    else if (end == POOL_FAILED)
        breaker_failed(&m->breaker, t->probe, model->breaker_failures, model->breaker_open_ms, now_ms);
    else
        breaker_untold(&m->breaker, t->probe);
    m->rest_until_ms = max_of(m->rest_until_ms, rest_ms > 0 ? now_ms + rest_ms : 0);
    opened = m->breaker.opened - opened;
    unref(m);
    pthread_mutex_unlock(&p->lock->mutex);
    if (opened)
        log_warn("upstream %s of %s failed %s; it is left alone for %lld ms", t->upstream->name, model->name,
                 t->probe ? "again" : "too often", (long long)model->breaker_open_ms);
}

/* Keeps what is said; true: it is another than before. */
static bool note(char *kept, size_t size, const char *said)
{
    bool changed = said[0] && kept[0] && strncmp(kept, said, size - 1) != 0;
    if (said[0])
        snprintf(kept, size, "%s", said);
    return changed;
}

void pool_saw(struct pools *p, const struct pool_ticket *t, const char *model, const char *fingerprint)
{
    struct pool_member *m = t->member;
    char was[sizeof m->served_model];
    int64_t now_ms = clock_ms();
    pthread_mutex_lock(&p->lock->mutex);
    memcpy(was, m->served_model, sizeof was);
    bool other_model = note(m->served_model, sizeof m->served_model, model);
    bool other = note(m->fingerprint, sizeof m->fingerprint, fingerprint) || other_model;
    bool tell = other_model && now_ms >= m->tell_from_ms;
    m->tell_from_ms = tell ? now_ms + TELL_EVERY_MS : m->tell_from_ms;
    m->changes += other;
    pthread_mutex_unlock(&p->lock->mutex);
    if (tell)
        log_warn("upstream %s of %s now answers as model %s, before as %s", t->upstream->name, t->model->name, model,
                 was);
}

/* ---- for metrics ---- */

static enum pool_condition condition_of(const struct pool_member *m, int64_t now_ms)
{
    if (m->down)
        return POOL_DOWN;
    if (m->breaker.open)
        return breaker_is_half_open(&m->breaker, now_ms) ? POOL_HALF_OPEN : POOL_OPEN;
    return m->rest_until_ms > now_ms ? POOL_RESTING : POOL_CLOSED;
}

void pools_each(struct pools *p, void (*give)(void *ctx, const struct pool_status *s), void *ctx)
{
    int64_t now_ms = clock_ms();
    for (int i = 0; i < p->n; i++) {
        for (int k = 0; k < p->pools[i].model->n_upstreams; k++) {
            const struct pool_member *m = p->pools[i].members[k];
            pthread_mutex_lock(&p->lock->mutex);
            struct pool_status s = {
                .model = p->pools[i].model->name,
                .upstream = p->pools[i].model->upstreams[k].name,
                .own_machine = p->pools[i].model->upstreams[k].own_machine,
                .condition = condition_of(m, now_ms),
                .outstanding = m->outstanding,
                .calls = m->calls,
                .failures = m->failures,
                .opened = m->breaker.opened,
                .changes = m->changes,
            };
            memcpy(s.served_model, m->served_model, sizeof s.served_model);
            memcpy(s.fingerprint, m->fingerprint, sizeof s.fingerprint);
            pthread_mutex_unlock(&p->lock->mutex);
            give(ctx, &s);
        }
    }
}
