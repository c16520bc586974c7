/* The generation that answers now: taken by each request as it comes, replaced in one step when the configuration is
 * read again. What a generation is made of, and what it shares with the next, is gateway.c's. */
#include "gateway/generations.h"

#include <pthread.h>
#include <stdlib.h>

struct generations {
    pthread_mutex_t lock;
    struct gateway *now;
    struct gateway_options options;
};

bool generations_open(struct config *c, const struct gateway_options *o, struct generations **ret, struct err *err)
{
    struct generations *gs = calloc(1, sizeof *gs);
    if (!gs) {
        config_free(c);
        return err_nomem(err, "the gateway");
    }
    if (!gateway_open(c, o, &gs->now, err)) {
        free(gs);
        return false;
    }
    gs->options = *o;
    pthread_mutex_init(&gs->lock, NULL);
    *ret = gs;
    return true;
}

void generations_close(struct generations *gs)
{
    if (!gs)
        return;
    gateway_close(gs->now);
    pthread_mutex_destroy(&gs->lock);
    free(gs);
}

struct gateway *generations_take(struct generations *gs)
{
    pthread_mutex_lock(&gs->lock);
    struct gateway *g = gateway_hold(gs->now);
    pthread_mutex_unlock(&gs->lock);
    return g;
}

void generations_handle(void *generations, struct http_exchange *x)
{
    struct gateway *g = generations_take(generations);
    gateway_handle(g, x);
    gateway_close(g);
}

bool generations_renew(struct generations *gs, struct config *c, struct buf *notes, struct err *err)
{
    struct gateway *old = gs->now, *g;
    if (!config_keep_fixed(c, gateway_config(old), notes, err) || !gateway_may_listen(c, c->listen_host, err)) {
        config_free(c);
        return false;
    }
    if (!gateway_renew(old, c, &gs->options, &g, err))
        return false;
    pthread_mutex_lock(&gs->lock);
    gs->now = g;
    pthread_mutex_unlock(&gs->lock);
    gateway_close(old);
    return true;
}
