/* Active health: a thread that asks every upstream with a health path now and then. Twice without a
 * 2xx in a row is down, one is up again. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/pool/member.h"
#include "net/url.h"

#define LIMIT_MS 3000                     /* for one answer */
#define REPLY_MAX_BYTES (64u << 10)
#define MISSES_TO_BE_DOWN 2

struct checked {
    struct pool_member *member;
    const struct config_upstream *upstream;
    char *url;
    int misses;
    int64_t due_ms;
    struct http_call *call;
};

struct pool_watch {
    struct pools *pools;
    struct http_client *http;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    struct checked *list;
    int n;
};

/* Scheme and host of the base_url, then the path. */
static bool add_checked(struct pool_watch *w, struct pool_member *member, const struct config_upstream *u,
                        struct err *err)
{
    struct checked *c = &w->list[w->n];
    *c = (struct checked){.member = member, .upstream = u};
    if (!url_join(u->base_url, str_of(u->health), &c->url, err))
        return false;
    w->n++;
    return true;
}

static void start(struct pool_watch *w, struct checked *c)
{
    struct err err = ERR_INIT;
    struct http_call_request req = {
        .method = "GET",
        .url = c->url,
        .connect_timeout_ms = LIMIT_MS,
        .total_timeout_ms = LIMIT_MS,
        .max_body_bytes = REPLY_MAX_BYTES,
    };
    if (!http_call_start(w->http, &req, &c->call, &err))
        c->call = NULL;
}

static bool is_well(struct checked *c)
{
    struct http_event ev = {.kind = HTTP_DONE};
    int status = 0;
    while (c->call && http_call_next(c->call, LIMIT_MS + 1000, &ev)) {
        if (ev.kind == HTTP_HEAD)
            status = ev.status;
    }
    http_call_close(c->call);
    c->call = NULL;
    return status >= 200 && status <= 299;
}

static void conclude(struct pool_watch *w, struct checked *c)
{
    c->misses = is_well(c) ? 0 : c->misses + 1;
    pthread_mutex_lock(&w->pools->lock->mutex);
    bool was = c->member->down;
    c->member->down = c->misses >= MISSES_TO_BE_DOWN || (was && c->misses > 0);
    bool is = c->member->down;
    pthread_mutex_unlock(&w->pools->lock->mutex);
    if (was != is)
        log_warn("upstream %s is %s, as %s says", c->upstream->name, is ? "down" : "up again", c->upstream->health);
}

static int64_t next_due(const struct pool_watch *w)
{
    int64_t due_ms = INT64_MAX;
    for (int i = 0; i < w->n; i++)
        due_ms = w->list[i].due_ms < due_ms ? w->list[i].due_ms : due_ms;
    return due_ms;
}

/* Those that are due, all at once, so that one that hangs does not hold up the others' turn for long. */
static void check_due(struct pool_watch *w)
{
    int64_t now_ms = clock_ms();
    for (int i = 0; i < w->n; i++) {
        if (w->list[i].due_ms <= now_ms)
            start(w, &w->list[i]);
    }
    for (int i = 0; i < w->n; i++) {
        if (w->list[i].due_ms <= now_ms) {
            conclude(w, &w->list[i]);
            w->list[i].due_ms = clock_ms() + w->list[i].upstream->health_every_ms;
        }
    }
}

/* false: the watch ends. */
static bool pause_watch(struct pool_watch *w)
{
    int64_t until_ns = next_due(w) * 1000000;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_mutex_lock(&w->lock);
    while (!w->stop && pthread_cond_timedwait(&w->changed, &w->lock, &until) == 0)
        continue;
    bool stop = w->stop;
    pthread_mutex_unlock(&w->lock);
    return !stop;
}

static void *watch_main(void *arg)
{
    struct pool_watch *w = arg;
    do {
        check_due(w);
    } while (pause_watch(w));
    return NULL;
}

static int count_checked(const struct pools *p)
{
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        for (int k = 0; k < p->pools[i].model->n_upstreams; k++)
            n += p->pools[i].model->upstreams[k].health != NULL;
    }
    return n;
}

static bool list_checked(struct pool_watch *w, struct err *err)
{
    for (int i = 0; i < w->pools->n; i++) {
        struct pool *pool = &w->pools->pools[i];
        for (int k = 0; k < pool->model->n_upstreams; k++) {
            const struct config_upstream *u = &pool->model->upstreams[k];
            if (u->health && !add_checked(w, pool->members[k], u, err))
                return false;
        }
    }
    return true;
}

static void free_watch(struct pool_watch *w)
{
    for (int i = 0; i < w->n; i++)
        free(w->list[i].url);
    free(w->list);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static struct pool_watch *new_watch(struct pools *p, struct http_client *http, int n)
{
    struct pool_watch *w = calloc(1, sizeof *w);
    if (w)
        w->list = calloc((size_t)n, sizeof *w->list);
    if (!w || !w->list) {
        free(w);
        return NULL;
    }
    w->pools = p;
    w->http = http;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

bool pool_watch_open(struct pools *p, struct http_client *http, struct pool_watch **ret, struct err *err)
{
    int n = count_checked(p);
    if (n == 0)
        return true;
    struct pool_watch *w = new_watch(p, http, n);
    if (!w)
        return err_nomem(err, "the watch over upstreams");
    int failed = list_checked(w, err) ? pthread_create(&w->thread, NULL, watch_main, w) : -1;
    if (failed) {
        errno = failed;
        free_watch(w);
        return failed < 0 ? false : err_errno(err, ERR_IO, "cannot start the watch over upstreams");
    }
    *ret = w;
    return true;
}

void pool_watch_close(struct pool_watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    free_watch(w);
}
