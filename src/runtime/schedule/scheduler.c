/* The engine thread. It serves all live generations and posteriors of all models in turns and parks when nothing is
 * live. Who comes and goes is told here; who has a session is admission.c's business, what a turn of a model holds
 * turn.c's, what a posterior needs posterior/search.c's. */
#include "runtime/posterior/job.h"
#include "runtime/schedule/schedule.h"

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
    if (g->session && reason != FINISH_ERROR && !g->no_answer)   /* no prompt of this will ever be gone on with */
        admission_remember(g);
    session_close(g->session);
    g->session = NULL;
    rt->n_live--;
    memmove(&rt->live[i], &rt->live[i + 1], (size_t)(rt->n_live - i) * sizeof *rt->live);
    pthread_mutex_lock(&rt->lock);
    rt->n_taken--;
    pthread_mutex_unlock(&rt->lock);
    admission_publish(rt, model_base(g->model));   /* before its model may go */
    generation_finish(g, reason, err);
}

/* Waits until there is something to do and takes in what came. *ret_models: the models loaded by now. False: stop. */
static bool take_incoming(struct runtime *rt, struct local_model **ret_models)
{
    pthread_mutex_lock(&rt->lock);
    while (!rt->stop && rt->n_incoming == 0 && rt->n_live == 0 && !rt->new_posteriors && !rt->posteriors)
        pthread_cond_wait(&rt->wake, &rt->lock);
    struct posterior_job **last = &rt->posteriors;
    while (*last)
        last = &(*last)->next;
    *last = rt->new_posteriors;
    rt->new_posteriors = NULL;
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

/* Cancelled ones and those nobody waits for go. */
static void sweep(struct runtime *rt)
{
    for (int i = 0; i < rt->n_live;) {
        if (unwanted(rt->live[i]))
            scheduler_drop(rt, rt->live[i], FINISH_CANCELLED, NULL);
        else
            i++;
    }
}

void *scheduler_run(void *runtime)
{
    struct runtime *rt = runtime;
    struct local_model *models;
    while (take_incoming(rt, &models)) {
        sweep(rt);
        for (struct local_model *m = models; m; m = m->next) {
            if (!posterior_turn(rt, m))
                admission_run(rt, m);
            turn_run(rt, m);
        }
    }
    while (rt->n_live > 0)
        scheduler_drop(rt, rt->live[0], FINISH_CANCELLED, NULL);
    posterior_cancel_all(rt);
    return NULL;
}
