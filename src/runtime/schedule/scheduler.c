/* The engine thread. It serves all live generations of all models in turns and parks when nothing is live. Who comes
 * and goes is told here; what a turn of a model holds is turn.c's business. */
#include "runtime/schedule/schedule.h"

#include "base/clock.h"
#include "engine/adapter.h"

/* ---- coming and going ---- */

bool scheduler_submit(struct runtime *rt, struct generation *g, struct err *err)
{
    pthread_mutex_lock(&rt->lock);
    bool room = rt->n_taken < RUNTIME_MAX_LIVE && !rt->stop;
    if (room) {
        rt->incoming[rt->n_incoming++] = g;
        rt->n_taken++;
        pthread_cond_signal(&rt->wake);
    }
    pthread_mutex_unlock(&rt->lock);
    return room || err_set(err, ERR_BUSY, "%d answers are being written already; try again later", RUNTIME_MAX_LIVE);
}

void scheduler_drop(struct runtime *rt, struct generation *g, enum finish_reason reason, const struct err *err)
{
    int i = 0;
    while (rt->live[i] != g)
        i++;
    rt->n_live--;
    memmove(&rt->live[i], &rt->live[i + 1], (size_t)(rt->n_live - i) * sizeof *rt->live);
    pthread_mutex_lock(&rt->lock);
    rt->n_taken--;
    pthread_mutex_unlock(&rt->lock);
    generation_finish(g, reason, err);
}

/* Waits until there is something to do and takes in what came. *ret_models: the models loaded by now. False: stop. */
static bool take_incoming(struct runtime *rt, struct local_model **ret_models)
{
    pthread_mutex_lock(&rt->lock);
    while (!rt->stop && rt->n_incoming == 0 && rt->n_live == 0)
        pthread_cond_wait(&rt->wake, &rt->lock);
    for (int i = 0; i < rt->n_incoming; i++)
        rt->live[rt->n_live++] = rt->incoming[i];
    rt->n_incoming = 0;
    *ret_models = rt->models;
    bool go_on = !rt->stop;
    pthread_mutex_unlock(&rt->lock);
    return go_on;
}

/* Under the lock that generation_close takes, so that what `gone` asks about is still there. */
static bool unwanted(struct generation *g)
{
    pthread_mutex_lock(&g->lock);
    bool is = atomic_load(&g->cancelled) || (g->gone && g->gone(g->gone_ctx));
    pthread_mutex_unlock(&g->lock);
    return is;
}

static bool open_session(struct generation *g, struct err *err)
{
    const struct local_model *m = g->model;
    return session_open(m->engine, m->info.context, TENSOR_F16, &g->session, err) &&
           session_set_adapter(g->session, m->adapter, err);
}

/* Cancelled ones and those nobody waits for go; new ones get their session. */
static void sweep(struct runtime *rt)
{
    for (int i = 0; i < rt->n_live;) {
        struct generation *g = rt->live[i];
        struct err err = ERR_INIT;
        if (unwanted(g)) {
            scheduler_drop(rt, g, FINISH_CANCELLED, NULL);
        } else if (!g->session && !open_session(g, &err)) {
            scheduler_drop(rt, g, FINISH_ERROR, &err);
        } else {
            if (g->first_step_us == 0) {
                g->first_step_us = clock_us();
                g->usage.queue_us = g->first_step_us - g->start_us;
            }
            i++;
        }
    }
}

void *scheduler_run(void *runtime)
{
    struct runtime *rt = runtime;
    struct local_model *models;
    while (take_incoming(rt, &models)) {
        sweep(rt);
        for (struct local_model *m = models; m; m = m->next)
            turn_run(rt, m);
    }
    while (rt->n_live > 0)
        scheduler_drop(rt, rt->live[0], FINISH_CANCELLED, NULL);
    return NULL;
}
