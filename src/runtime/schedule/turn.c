/* One turn of one model (its adapters included): who takes how many tokens, one step with the next token of every
 * answer being written and pieces of prompts, and what came of it. A step that fails is repeated one generation at a
 * time, so that only those fail whose own work does.
 *
 * While any model writes an answer, the prompts of a step are cut to what adds little to the time between two tokens
 * (pace.h); else they fill it. The oldest prompt gets half of that room at least, so it always advances; the other half
 * goes first to prompts with less left than the oldest, shortest first: a short question is not held up by a long
 * document before it. What remains goes by age, and prompts of equal length come one after the other: sharing evenly
 * would make all of them as late as the last. */
#include "base/clock.h"
#include "runtime/schedule/schedule.h"

/* ---- who takes how many ---- */

static int64_t left_of(const struct generation *g) { return g->ids.n - g->n_fed - g->n_turn; }

static bool reads_prompt(const struct generation *g, const struct local_model *m)
{
    return generation_runs(g, m) && !generation_writes(g);
}

/* n tokens at most, and not past the place where the state is worth remembering. */
static void give(struct generation *g, int64_t n, int64_t *room)
{
    int64_t at = g->n_fed + g->n_turn;
    n = n < left_of(g) ? n : left_of(g);
    n = g->keep_at > g->n_fed && n > g->keep_at - at ? g->keep_at - at : n;
    g->n_turn += n;
    *room -= n;
}

/* Without a share so far, and with less left than `below`. */
static struct generation *shortest_prompt(const struct runtime *rt, const struct local_model *m, int64_t below)
{
    struct generation *best = NULL;
    for (int i = 0; i < rt->n_live; i++) {
        struct generation *g = rt->live[i];
        if (reads_prompt(g, m) && g->n_turn == 0 && left_of(g) < below) {
            best = g;
            below = left_of(g);
        }
    }
    return best;
}

static void share_among_prompts(struct runtime *rt, const struct local_model *m, int64_t room)
{
    struct generation *oldest = NULL, *g;
    for (int i = 0; i < rt->n_live && !oldest; i++)
        oldest = reads_prompt(rt->live[i], m) ? rt->live[i] : NULL;
    if (!oldest)
        return;
    int64_t length = left_of(oldest);
    give(oldest, (room + 1) / 2, &room);
    while (room > 0 && (g = shortest_prompt(rt, m, length)))
        give(g, room, &room);
    for (int i = 0; i < rt->n_live && room > 0; i++)
        if (reads_prompt(rt->live[i], m))
            give(rt->live[i], room, &room);
}

/* Every n_turn of what runs of m; returns how many generations run. */
static int turn_plan(struct runtime *rt, struct local_model *m)
{
    int running = 0, writing = 0;
    bool any_writes = false;
    for (int i = 0; i < rt->n_live; i++) {
        struct generation *g = rt->live[i];
        any_writes = any_writes || (g->session && generation_writes(g));
        if (!generation_runs(g, m))
            continue;
        g->n_turn = generation_writes(g);
        running++;
        writing += generation_writes(g);
    }
    int64_t room = ENGINE_MAX_STEP_TOKENS - writing;
    share_among_prompts(rt, m, any_writes ? pace_room(&m->pace, room) : room);
    return running;
}

/* ---- the step ---- */

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
    *(generation_writes(g) ? &t->n_writing : &t->n_prompt) += n;
}

/* Answers being written come first. */
static void turn_fill(struct runtime *rt, const struct local_model *m, struct turn *t)
{
    t->n = 0;
    t->n_writing = t->n_prompt = 0;
    for (int prompts = 0; prompts < 2; prompts++)
        for (int i = 0; i < rt->n_live; i++)
            if (generation_runs(rt->live[i], m) && rt->live[i]->n_turn > 0 &&
                !generation_writes(rt->live[i]) == prompts)
                turn_add(t, rt->live[i], rt->live[i]->n_turn);
}

/* The item's tokens are in its session. */
static void turn_settle(struct runtime *rt, struct turn *t, int i)
{
    struct generation *g = t->generations[i];
    struct err err = ERR_INIT;
    enum finish_reason reason;
    bool read_prompt = !generation_writes(g);
    g->n_fed += t->items[i].n;
    if (read_prompt && (g->n_fed == g->ids.n || g->n_fed == g->keep_at))
        admission_remember(g);
    bool samples = t->items[i].n_wants > 0, goes_on = !samples || generation_take(g, &t->records[i], &reason, &err);
    if (samples && g->usage.completion_tokens == 1 && !g->off_disk)   /* after the first token is out: it copies */
        admission_save(g);
    if (!goes_on)
        scheduler_drop(rt, g, reason, &err);
}

void turn_run(struct runtime *rt, struct local_model *m)
{
    struct turn *t = &rt->turn;
    struct err err = ERR_INIT;
    if (turn_plan(rt, m) == 0)
        return;
    admission_make_room(rt, m);
    turn_fill(rt, m, t);
    int64_t start_us = clock_us();
    bool together = engine_step(m->engine, t->items, t->n, &err);
    if (together)
        pace_note(&m->pace, t->n_writing, t->n_prompt, clock_us() - start_us);
    for (int i = 0; i < t->n; i++) {
        if (together || (t->n > 1 && engine_step(m->engine, &t->items[i], 1, &err)))
            turn_settle(rt, t, i);
        else
            scheduler_drop(rt, t->generations[i], FINISH_ERROR, &err);
    }
}
