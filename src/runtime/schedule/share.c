/* Prompts that begin alike and come together are computed once: while the oldest of them is fed, the others wait for
 * it to get past what they share, where its state is remembered, and go on from there. What is remembered and found
 * again is prefix.c's business.
 *
 * Why nobody waits for ever: one waits only for older generations that run and still feed their prompts, and the oldest
 * of these advances in every turn (turn.c). */
#include "runtime/schedule/schedule.h"

/* For less than this, a step is not cut short and nobody is held up. */
#define SHARE_MIN_TOKENS 64

/* Of g's tokens, how many the other begins with too; one is left to sample after. */
static int64_t shared_tokens(const struct generation *g, const struct generation *other)
{
    int64_t n = 0, most = reading_resumable(g) < other->ids.n ? reading_resumable(g) : other->ids.n;
    if (g->prefix_key.adapter != other->prefix_key.adapter || g->prefix_key.salt != other->prefix_key.salt)
        return 0;
    while (n < most && g->ids.p[n] == other->ids.p[n])
        n++;
    return n;
}

bool share_waits(const struct runtime *rt, const struct generation *g)
{
    struct local_model *m = model_base(g->model);
    int64_t known = -1;
    for (int i = 0; i < rt->n_live && rt->live[i] != g; i++) {
        struct generation *older = rt->live[i];
        if (!generation_runs(older, m) || generation_writes(older))
            continue;
        int64_t shared = shared_tokens(g, older);
        if (shared < SHARE_MIN_TOKENS)
            continue;
        if (known < 0)
            known = prefix_known(m->prefixes, &g->prefix_key, g->ids.p, g->ids.n);
        if (shared < known + SHARE_MIN_TOKENS)
            continue;
        if (older->n_fed < shared) {
            if (older->keep_at <= older->n_fed || older->keep_at > shared)
                older->keep_at = shared;
            return true;
        }
        admission_remember(older);
    }
    return false;
}
