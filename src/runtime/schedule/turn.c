/* One turn of one model (its adapters included): one step with the next token of every answer being written, then pieces
 * of prompts. A step that fails is repeated one generation at a time, so that only those fail whose own work does. */
#include "runtime/schedule/schedule.h"

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
        scheduler_drop(rt, g, reason, &err);
}

void turn_run(struct runtime *rt, struct local_model *m)
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
            scheduler_drop(rt, t->generations[i], FINISH_ERROR, &err);
    }
}
