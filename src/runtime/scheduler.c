/* The engine thread. It serves all live generations of all models in turns: per model (its adapters included) one step
 * with the next token of every answer being written, then pieces of prompts. It parks when nothing is live. A step that
 * fails is repeated one generation at a time, so that only those fail whose own work does. */
#include "base/clock.h"
#include "engine/adapter.h"
#include "runtime/runtime_private.h"

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

static void drop(struct runtime *rt, struct generation *g, enum finish_reason reason, const struct err *err)
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
            drop(rt, g, FINISH_CANCELLED, NULL);
        } else if (!g->session && !open_session(g, &err)) {
            drop(rt, g, FINISH_ERROR, &err);
        } else {
            if (g->first_step_us == 0) {
                g->first_step_us = clock_us();
                g->usage.queue_us = g->first_step_us - g->start_us;
            }
            i++;
        }
    }
}

/* ---- one turn of one model ---- */

/* The next n tokens of g join the turn; the last token known asks for a sample. */
static void turn_add(struct turn *t, struct generation *g, int64_t n)
{
    int i = t->n++;
    bool samples = g->n_fed + n == g->ids.n;
    g->sampler.history = g->ids.p;
    g->sampler.n_history = g->ids.n;
    g->sampler.n_prompt = g->n_prompt;
    t->generations[i] = g;
    t->wants[i] = (struct want){
        .kind = WANT_SAMPLE, .at = (int)n - 1, .sample = {.sampler = &g->sampler, .ret = &t->records[i]}};
    t->items[i] = (struct step_item){.session = g->session, .tokens = g->ids.p + g->n_fed, .n = (int)n,
                                     .wants = &t->wants[i], .n_wants = samples};
    t->n_tokens += n;
}

/* Answers being written come first, each with its last token; prompts share what is left of the step, in order of
 * arrival. */
static void turn_fill(struct runtime *rt, struct local_model *m)
{
    struct turn *t = &rt->turn;
    t->n = 0;
    t->n_tokens = 0;
    for (int i = 0; i < rt->n_live; i++) {
        struct generation *g = rt->live[i];
        if (model_base(g->model) == m && g->ids.n > g->n_prompt)
            turn_add(t, g, 1);
    }
    int64_t ceiling = ENGINE_MAX_STEP_TOKENS;
    if (t->n > 0 && t->n_tokens + RUNTIME_MIXED_PROMPT_TOKENS < ceiling)
        ceiling = t->n_tokens + RUNTIME_MIXED_PROMPT_TOKENS;
    for (int i = 0; i < rt->n_live && t->n_tokens < ceiling; i++) {
        struct generation *g = rt->live[i];
        if (model_base(g->model) != m || g->ids.n > g->n_prompt)
            continue;
        int64_t left = g->n_prompt - g->n_fed, room = ceiling - t->n_tokens;
        turn_add(t, g, left < room ? left : room);
    }
}

static void item_done(struct runtime *rt, int i)
{
    struct turn *t = &rt->turn;
    struct generation *g = t->generations[i];
    struct err err = ERR_INIT;
    enum finish_reason reason;
    g->n_fed += t->items[i].n;
    if (t->items[i].n_wants > 0 && !generation_take(g, &t->records[i], &reason, &err))
        drop(rt, g, reason, &err);
}

static void turn_run(struct runtime *rt, struct local_model *m)
{
    struct turn *t = &rt->turn;
    struct err err = ERR_INIT;
    turn_fill(rt, m);
    if (t->n == 0)
        return;
    bool together = engine_step(m->engine, t->items, t->n, &err);
    for (int i = 0; i < t->n; i++) {
        if (together || (t->n > 1 && engine_step(m->engine, &t->items[i], 1, &err)))
            item_done(rt, i);
        else
            drop(rt, t->generations[i], FINISH_ERROR, &err);
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
        drop(rt, rt->live[0], FINISH_CANCELLED, NULL);
    return NULL;
}
