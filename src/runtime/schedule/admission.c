/* Who gets memory for keys and values. A model has a budget of bytes for them, which running generations and remembered
 * prompts share. Generations wait for it in order of arrival, nobody overtakes: the one that waits longest is the
 * next, however much it needs. When running ones outgrow the budget, remembered prompts are forgotten first, then the
 * youngest generation is preempted: it gives its session up, keeps its place in the order, and is fed its own tokens
 * again when there is room, which by the engine's one arithmetic gives the same answer.
 *
 * Why everybody comes to an end: the budget holds a full context of the model (model.c sees to it), and no generation
 * outgrows that. The oldest running generation is never preempted, and every turn feeds it a token at least (turn.c);
 * so it ends, and the next in age is the oldest then. Newcomers are younger, whatever they are. A model without a
 * running generation admits the oldest that waits, so waiting ends as well. */
#include "base/clock.h"
#include "runtime/schedule/prefix.h"
#include "runtime/schedule/schedule.h"

/* Tokens of the answer that are counted in before a generation is let in, so that it is not preempted at once. */
#define ADMISSION_AHEAD_TOKENS 64

void admission_remember(struct generation *g)
{
    prefix_keep(model_base(g->model)->prefixes, &g->prefix_key, g->ids.p, g->session);
}

void admission_save(struct generation *g)
{
    prefix_save(model_base(g->model)->prefixes, &g->prefix_key, g->ids.p, g->n_prompt, g->keep_at);
}

/* ---- preempting ---- */

static struct generation *youngest_running(const struct runtime *rt, const struct local_model *m)
{
    for (int i = rt->n_live - 1; i >= 0; i--)
        if (generation_runs(rt->live[i], m))
            return rt->live[i];
    return NULL;
}

static struct generation *oldest_running(const struct runtime *rt, const struct local_model *m)
{
    for (int i = 0; i < rt->n_live; i++)
        if (generation_runs(rt->live[i], m))
            return rt->live[i];
    return NULL;
}

static void give_up_session(struct generation *g)
{
    session_close(g->session);
    g->session = NULL;
    g->n_fed = g->n_turn = 0;
}

/* What it computed is remembered like any prompt, so that only what others really need of it is lost. */
static void preempt(struct generation *g)
{
    admission_remember(g);
    give_up_session(g);
    atomic_fetch_add(&model_base(g->model)->preemptions, 1);
}

int64_t admission_make_room(struct runtime *rt, struct local_model *m)
{
    for (;;) {
        int64_t left = m->kv_bytes - engine_kv_bytes(m->engine);
        for (int i = 0; i < rt->n_live; i++)
            if (generation_runs(rt->live[i], m))
                left -= session_growth_bytes(rt->live[i]->session, rt->live[i]->n_turn);
        struct generation *youngest = youngest_running(rt, m);
        if (left >= 0)
            return left;
        if (prefix_evict(m->prefixes, -left) > 0)
            continue;
        if (youngest == oldest_running(rt, m))
            return 0;
        preempt(youngest);
    }
}

/* ---- letting in ---- */

/* What feeding g its tokens will take, and some of its answer. */
static int64_t bytes_ahead(const struct generation *g)
{
    int64_t answer = g->max_tokens - g->usage.completion_tokens;
    if (answer > ADMISSION_AHEAD_TOKENS)
        answer = ADMISSION_AHEAD_TOKENS;
    return session_growth_bytes(g->session, g->ids.n - g->n_fed + answer);
}

/* Bytes that are missing until all that run can go ahead. */
static int64_t bytes_missing(const struct runtime *rt, const struct local_model *m)
{
    int64_t bytes = engine_kv_bytes(m->engine) - m->kv_bytes;
    for (int i = 0; i < rt->n_live; i++)
        if (generation_runs(rt->live[i], m))
            bytes += bytes_ahead(rt->live[i]);
    return bytes;
}

/* Remembered prompts make way, but only where that is enough. */
static bool has_room(const struct runtime *rt, struct local_model *m)
{
    int64_t missing = bytes_missing(rt, m);
    if (missing <= 0)
        return true;
    return prefix_bytes(m->prefixes) >= missing && prefix_evict(m->prefixes, missing) >= missing;
}

static void start(struct generation *g, const struct prefix_resumed *from)
{
    g->n_fed = session_length(g->session);
    g->keep_at = from->shared;
    if (g->first_step_us == 0) {
        g->first_step_us = clock_us();
        g->usage.queue_us = g->first_step_us - g->start_us;
        g->usage.cached_tokens = g->n_fed < g->n_prompt ? g->n_fed : g->n_prompt;
    }
}

/* False: there is no room. What is wrong with g alone ends it. */
static bool admit(struct runtime *rt, struct local_model *m, struct generation *g)
{
    struct err err = ERR_INIT;
    struct prefix_resumed from;
    bool alone = !oldest_running(rt, m);
    if (!prefix_resume(m->prefixes, &g->prefix_key, g->ids.p, reading_resumable(g) + 1, &from, &err)) {
        scheduler_drop(rt, g, FINISH_ERROR, &err);
        return true;
    }
    g->session = from.session;
    if (!has_room(rt, m) && !alone) {
        give_up_session(g);
        return false;
    }
    start(g, &from);
    return true;
}

void admission_run(struct runtime *rt, struct local_model *m)
{
    for (int i = 0, n; i < rt->n_live; i += n == rt->n_live) {   /* one that fails leaves the list */
        struct generation *g = rt->live[i];
        n = rt->n_live;
        if (!g->session && model_base(g->model) == m && !share_waits(rt, g) && !admit(rt, m, g))
            return;
    }
}

/* ---- figures ---- */

void admission_publish(struct runtime *rt, struct local_model *m)
{
    int running = 0, waiting = 0;
    for (int i = 0; i < rt->n_live; i++) {
        running += generation_runs(rt->live[i], m);
        waiting += !rt->live[i]->session && model_base(rt->live[i]->model) == m;
    }
    atomic_store(&m->n_running, running);
    atomic_store(&m->n_waiting, waiting);
    atomic_store(&m->kv_held, engine_kv_bytes(m->engine));
}
