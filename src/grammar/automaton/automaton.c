/* Opening, closing, locking. States are state.c's, what may come is closure.c's. */
#include <stdlib.h>

#include "grammar/automaton/store.h"

static uint32_t dead_row[1] = {STATE_DEAD};
static const uint8_t one_class[256];

/* The first two states: the dead one, which steps to itself, and the start, which stays. */
static bool first_states(struct automaton *a, struct err *err)
{
    uint32_t start;
    a->states = calloc(a->cap_states, sizeof *a->states);
    if (!a->states)
        return err_nomem(err, "a rule's automaton");
    a->states[STATE_DEAD] = (struct state){.row = dead_row, .classes = one_class, .n_classes = 1, .holds = 1,
                                           .swept = true};
    a->n_states = 1;
    if (!node_closure(a, a->rules->start, err) || !state_of_configs(a, &a->found, &start, err))
        return false;
    a->start = start;
    a->states[start].holds = 1;
    return true;
}

bool automaton_open(struct rules *rules, struct automaton **ret, struct err *err)
{
    struct automaton *a = calloc(1, sizeof *a);
    if (!a || rules->start == RULES_NONE) {
        free(a);
        bool ok = rules->start == RULES_NONE ? err_set(err, ERR_INTERNAL, "the rules are not finished")
                                             : err_nomem(err, "a rule's automaton");
        rules_close(rules);
        return ok;
    }
    pthread_mutex_init(&a->lock, NULL);
    a->rules = rules;
    a->exprs = rules->exprs;
    a->terms_work = exprs_work(a->exprs);
    a->store.arena = ARENA_INIT(AUTOMATON_MAX_ARENA);
    a->trim_at = AUTOMATON_MAX_BYTES;
    a->cap_states = 64;
    if (!first_states(a, err)) {
        automaton_close(a);
        return false;
    }
    *ret = a;
    return true;
}

void automaton_close(struct automaton *a)
{
    if (!a)
        return;
    for (uint32_t id = 1; a->drop && id < a->n_states; id++)
        if (a->states[id].slot)
            a->drop(a->drop_ctx, a->states[id].slot);
    store_free(&a->store);
    free(a->states);
    free(a->found.p);
    free(a->stepped.p);
    free(a->waiting);
    free(a->seen);
    pthread_mutex_destroy(&a->lock);
    rules_close(a->rules);
    free(a);
}

void automaton_lock(struct automaton *a)
{
    pthread_mutex_lock(&a->lock);
    a->work_done = 0;
    a->terms_work = exprs_work(a->exprs);
    automaton_trim(a);
}

bool within_work(const struct automaton *a, struct err *err)
{
    return a->work_done + exprs_work(a->exprs) - a->terms_work <= AUTOMATON_MAX_WORK ||
           err_set(err, ERR_LIMIT, "the answer's rules are too much work for one token; make alternatives begin "
                   "differently");
}

void automaton_unlock(struct automaton *a)
{
    pthread_mutex_unlock(&a->lock);
}

uint32_t automaton_start(const struct automaton *a)
{
    return a->start;
}

void automaton_on_drop(struct automaton *a, void (*drop)(void *ctx, void *slot), void *ctx)
{
    a->drop = drop;
    a->drop_ctx = ctx;
}
