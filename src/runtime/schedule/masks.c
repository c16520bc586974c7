/* What the samples of a turn may be: the masks of all generations under rules, made on the compute pool before the
 * step, each by one thread. What a mask holds is the binding's business (constrain/binding.h). */
#include <stdlib.h>

#include "base/clock.h"
#include "runtime/schedule/schedule.h"

/* Under a rule, and the turn's tokens are the last that are known. */
static bool wants_masks(const struct generation *g, const struct local_model *m)
{
    return generation_runs(g, m) && g->binding.constraint && g->n_turn > 0 && g->n_fed + g->n_turn == g->ids.n;
}

static size_t words_of(const struct generation *g)
{
    return (size_t)(1 + g->speculation.take) * g->binding.words->n_words;
}

static bool reserve(struct turn *t, size_t words)
{
    if (words <= t->cap_masks)
        return true;
    uint64_t *masks = realloc(t->masks, words * sizeof *masks);
    if (!masks)
        return false;
    t->masks = masks;
    t->cap_masks = words;
    return true;
}

static void make_piece(void *turn, int64_t begin, int64_t end, int thread)
{
    struct turn *t = turn;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        struct mask_job *job = &t->mask_jobs[i];
        struct generation *g = job->generation;
        int64_t start_ns = clock_ns();
        job->ok = binding_masks(&g->binding, g->speculation.draft, g->speculation.take, job->masks, &job->err);
        g->mask_ns += clock_ns() - start_ns;
    }
}

void masks_make(struct runtime *rt, struct local_model *m)
{
    struct turn *t = &rt->turn;
    struct err err = ERR_INIT;
    size_t words = 0;
    int n = 0;
    for (int i = 0; i < rt->n_live; i++) {
        struct generation *g = rt->live[i];
        g->masks = NULL;
        if (!wants_masks(g, m))
            continue;
        t->mask_jobs[n++] = (struct mask_job){.generation = g, .err = ERR_INIT};
        words += words_of(g);
    }
    bool room = n == 0 || reserve(t, words) || err_nomem(&err, "masks");
    words = 0;
    for (int i = 0; i < n && room; i++) {
        t->mask_jobs[i].masks = t->masks + words;
        words += words_of(t->mask_jobs[i].generation);
    }
    if (n > 0 && room)
        pool_run(rt->pool, n, 1, make_piece, t);
    for (int i = 0; i < n; i++) {
        struct mask_job *job = &t->mask_jobs[i];
        job->generation->masks = job->masks;
        if (!job->ok)
            scheduler_drop(rt, job->generation, FINISH_ERROR, room ? &job->err : &err);
    }
}
