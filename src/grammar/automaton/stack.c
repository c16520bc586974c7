/* Stacks and lists of configurations: how they are made and kept once. What they mean is closure.c's. */
#include <stdlib.h>

#include "grammar/automaton/store.h"

static bool note_frame(struct store *s, uint32_t id, uint32_t depth, struct err *err)
{
    if (id >= s->n_notes) {
        uint32_t n = s->frames.cap;
        struct frame_note *notes = realloc(s->notes, n * sizeof *notes);
        if (!notes)
            return err_nomem(err, "a rule's automaton");
        s->notes = notes;
        s->n_notes = n;
    }
    s->notes[id] = (struct frame_note){.depth = depth};
    return true;
}

bool frame_push(struct automaton *a, const struct frame *frame, uint32_t *ret, struct err *err)
{
    struct store *s = &a->store;
    bool is_new;
    uint32_t depth = frame->parent == STACK_EMPTY ? 1 : s->notes[frame->parent].depth + 1;
    if (depth > AUTOMATON_MAX_STACK)
        return err_set(err, ERR_LIMIT, "the answer is nested more than %d deep under its rules", AUTOMATON_MAX_STACK);
    if (!byte_pool_put(&s->frames, &s->arena, frame, sizeof *frame, ret, &is_new, err))
        return false;
    return !is_new || note_frame(s, *ret, depth, err);
}

static int compare_configs(const void *a, const void *b)
{
    const struct config *x = a, *y = b;
    if (x->stack != y->stack)
        return x->stack < y->stack ? -1 : 1;
    return x->term < y->term ? -1 : x->term > y->term;
}

void configs_sort(struct configs *c)
{
    uint32_t kept = 0;
    if (c->n > 16) {
        qsort(c->p, c->n, sizeof *c->p, compare_configs);
    } else {
        for (uint32_t i = 1; i < c->n; i++) {
            struct config x = c->p[i];
            uint32_t k = i;
            for (; k > 0 && compare_configs(&x, &c->p[k - 1]) < 0; k--)
                c->p[k] = c->p[k - 1];
            c->p[k] = x;
        }
    }
    for (uint32_t i = 0; i < c->n; i++)
        if (i == 0 || compare_configs(&c->p[i], &c->p[i - 1]) != 0)
            c->p[kept++] = c->p[i];
    c->n = kept;
}

/* Room for one more. What was added twice goes before a ceiling is met. */
static bool make_room(struct configs *c, struct err *err)
{
    if (c->cap < 2 * AUTOMATON_MAX_CONFIGURATIONS) {
        uint32_t cap = c->cap ? c->cap * 2 : 64;
        struct config *p = realloc(c->p, cap * sizeof *p);
        if (!p)
            return err_nomem(err, "a rule's automaton");
        c->p = p;
        c->cap = cap;
        return true;
    }
    configs_sort(c);
    if (c->n > AUTOMATON_MAX_CONFIGURATIONS)
        return err_set(err, ERR_LIMIT, "the answer can be read in more than %d ways at once under its rules; make "
                       "alternatives begin differently", AUTOMATON_MAX_CONFIGURATIONS);
    return true;
}

bool configs_add(struct configs *c, struct config config, struct err *err)
{
    if (c->n == c->cap && !make_room(c, err))
        return false;
    c->p[c->n++] = config;
    return true;
}

bool store_payload(struct automaton *a, const struct members *m, const struct payload *p, uint32_t *ret,
                   struct err *err)
{
    return byte_pool_put(&a->store.payloads, &a->store.arena, p, members_payload_bytes(m), ret, NULL, err);
}

void store_free(struct store *s)
{
    byte_pool_free(&s->frames);
    byte_pool_free(&s->payloads);
    byte_pool_free(&s->texts);
    byte_pool_free(&s->key_sets);
    byte_pool_free(&s->partitions);
    byte_pool_free(&s->sets);
    free(s->notes);
    free(s->state_of);
    arena_free(&s->arena);
    *s = (struct store){0};
}
