/* States: sets of configurations made one by one as texts come to them, and the steps between. Bytes that no
 * configuration of a state tells apart share one entry of its row. */
#include <stdlib.h>

#include "base/buf.h"
#include "grammar/automaton/store.h"

static bool out_of_arena(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the answer's rules take more memory than one answer may; make them simpler");
}

/* ---- made ---- */

static bool new_state(struct automaton *a, uint32_t *ret, struct err *err)
{
    if (a->free_state) {
        *ret = a->free_state;
        a->free_state = a->states[*ret].twin;
        return true;
    }
    if (a->n_states == a->cap_states) {
        uint32_t cap = a->cap_states ? a->cap_states * 2 : 64;
        struct state *states = realloc(a->states, cap * sizeof *states);
        if (!states)
            return err_nomem(err, "a rule's automaton");
        a->states = states;
        a->cap_states = cap;
    }
    *ret = a->n_states++;
    return true;
}

static bool note_set(struct store *s, uint32_t set, struct err *err)
{
    if (set >= s->n_state_of) {
        uint32_t n = s->sets.cap;
        uint32_t *state_of = realloc(s->state_of, n * sizeof *state_of);
        if (!state_of)
            return err_nomem(err, "a rule's automaton");
        s->state_of = state_of;
        s->n_state_of = n;
    }
    s->state_of[set] = 0;
    return true;
}

static const struct frame *key_frame(const struct automaton *a, uint32_t stack)
{
    const struct frame *f = stack == STACK_EMPTY ? NULL : frame_at(a, stack);
    return f && f->kind == FRAME_KEY ? f : NULL;
}

bool state_key_narrows(const struct automaton *a, uint32_t stack)
{
    const struct frame *f = key_frame(a, stack);
    return f && f->key_first < f->key_end;
}

static bool is_recorded(const struct frame *f)
{
    return f->text != TEXT_START && f->text != TEXT_LOST;
}

/* The state's number without what is being recorded; its own when nothing is. */
static bool find_twin(struct automaton *a, uint32_t state, uint32_t *ret, struct err *err)
{
    struct configs plain = {0};
    bool recorded = false, ok = true;
    for (uint32_t i = 0; ok && i < a->states[state].n; i++) {
        struct config c = a->states[state].configs[i];
        const struct frame *f = key_frame(a, c.stack);
        if (f && is_recorded(f)) {
            struct frame lost = *f;
            lost.text = TEXT_LOST;
            recorded = true;
            ok = frame_push(a, &lost, &c.stack, err);
        }
        ok = ok && configs_add(&plain, c, err);
    }
    plain.may_end = a->states[state].may_end;
    *ret = state;
    if (ok && recorded)
        ok = state_of_configs(a, &plain, ret, err);
    free(plain.p);
    return ok;
}

/* What makes a set: its configurations, and before them whether the text may end there. */
bool store_set(struct automaton *a, struct configs *c, uint32_t *ret, struct err *err)
{
    struct store *s = &a->store;
    const struct config end = {EXPR_EMPTY, STACK_EMPTY};   /* no term in progress is EXPR_EMPTY */
    bool is_new;
    if (c->may_end && !configs_add(c, end, err))
        return false;
    configs_sort(c);
    return byte_pool_put(&s->sets, &s->arena, c->p, c->n * sizeof *c->p, ret, &is_new, err) &&
           (!is_new || note_set(s, *ret, err));
}

const struct config *store_configs(const struct store *s, uint32_t set, bool may_end, uint32_t *ret_n)
{
    *ret_n = s->sets.items[set].n / (uint32_t)sizeof(struct config) - may_end;
    return (const struct config *)s->sets.items[set].p + may_end;
}

static void free_state(struct automaton *a, uint32_t id)
{
    a->states[id] = (struct state){.twin = a->free_state};
    a->free_state = id;
}

static bool make_state(struct automaton *a, uint32_t set, bool may_end, uint32_t *ret, struct err *err)
{
    uint32_t id = STATE_DEAD, twin = STATE_DEAD;
    if (!new_state(a, &id, err))
        return false;
    struct state s = {.used = true, .may_end = may_end, .plain = -1, .glance = -1, .twin = id};
    s.configs = store_configs(&a->store, set, may_end, &s.n);
    for (uint32_t i = 0; i < s.n; i++)
        s.records |= key_frame(a, s.configs[i].stack) != NULL;
    a->states[id] = s;
    if (s.records && !find_twin(a, id, &twin, err)) {
        free_state(a, id);
        return false;
    }
    if (s.records)
        a->states[id].twin = twin;
    *ret = id;
    return true;
}

bool state_of_configs(struct automaton *a, struct configs *c, uint32_t *ret, struct err *err)
{
    uint32_t set, id = STATE_DEAD;
    if (c->n > 0 || c->may_end) {
        if (!store_set(a, c, &set, err))
            return false;
        id = a->store.state_of[set];
        if (!id && !make_state(a, set, c->may_end, &id, err))
            return false;
        a->store.state_of[set] = id;
    }
    *ret = id;
    return true;
}

/* ---- stepped ---- */

static bool add_after(struct automaton *a, uint32_t stack, struct err *err)
{
    struct configs *out = &a->stepped;
    if (stack == STACK_EMPTY) {
        out->may_end = true;
        return true;
    }
    if (!stack_closure(a, stack, err))
        return false;
    const struct frame_note *note = &a->store.notes[stack];
    a->work_done += note->n_after;
    for (uint32_t i = 0; i < note->n_after; i++)
        if (!configs_add(out, note->after[i], err))
            return false;
    out->may_end |= note->may_end;
    return true;
}

static bool step_config(struct automaton *a, struct config c, uint8_t byte, bool real, struct err *err)
{
    uint32_t after = expr_derive(a->exprs, c.term, byte);
    if (after == EXPR_NONE || expr_is_empty(a->exprs, after))
        return true;
    bool done = expr_nullable(a->exprs, after);
    const struct frame *f = key_frame(a, c.stack);
    if (f) {
        struct frame next;
        if (!key_advance(a, f, byte, real, &next, err) || !frame_push(a, &next, &c.stack, err))
            return false;
        if (!key_is_open(a, &next, after))
            return true;
        done = done && !key_is_taken(a, &next);
    }
    if (after != EXPR_EMPTY && !configs_add(&a->stepped, (struct config){after, c.stack}, err))
        return false;
    return !done || add_after(a, c.stack, err);
}

static bool find_step(struct automaton *a, uint32_t state, uint8_t byte, bool real, uint32_t *ret, struct err *err)
{
    a->stepped.n = 0;
    a->stepped.may_end = false;
    for (uint32_t i = 0; i < a->states[state].n; i++, a->work_done++)
        if (!within_work(a, err) || !step_config(a, a->states[state].configs[i], byte, real, err))
            return false;
    return exprs_check(a->exprs, err) && state_of_configs(a, &a->stepped, ret, err);
}

/* Bytes in `set` get classes apart from all others and from each other. */
static int tell_apart(const struct byte_set *set, uint8_t classes[256], int n)
{
    for (int b = 0; b < 256; b++)
        if (set->bits[b / 64] >> b % 64 & 1)
            for (int other = 0; other < 256; other++)
                if (other != b && classes[other] == classes[b]) {
                    classes[b] = (uint8_t)n++;
                    break;
                }
    return n;
}

/* The classes of a state that goes on with one byte alone: 1 for it, 0 for all others. */
static const uint8_t *one_byte_classes(struct automaton *a, int byte)
{
    if (!a->store.one_byte[byte]) {
        uint8_t *classes = arena_alloc(&a->store.arena, 256);
        if (!classes)
            return NULL;
        classes[byte] = 1;
        a->store.one_byte[byte] = classes;
    }
    return a->store.one_byte[byte];
}

/* NULL when memory ends. *ret_lone: class 1 is the only one that leads anywhere. */
static const uint8_t *classes_of(struct automaton *a, const struct state *s, uint32_t *ret_n, bool *ret_lone)
{
    struct byte_set taken = {{0}};
    uint8_t classes[256];
    uint32_t partition;
    int byte = s->n == 1 ? expr_first_byte(a->exprs, s->configs[0].term) : -1;
    *ret_lone = byte >= 0;
    if (byte >= 0) {
        *ret_n = 2;
        return one_byte_classes(a, byte);
    }
    int n = expr_classes_of_all(a->exprs, &s->configs[0].term, sizeof s->configs[0] / sizeof(uint32_t), s->n, classes);
    for (uint32_t i = 0; s->records && i < s->n; i++) {
        const struct frame *f = key_frame(a, s->configs[i].stack);
        if (f)
            key_next_bytes(a, f, &taken);
    }
    *ret_n = (uint32_t)tell_apart(&taken, classes, n);
    if (!byte_pool_put(&a->store.partitions, &a->store.arena, classes, sizeof classes, &partition, NULL, NULL))
        return NULL;
    return a->store.partitions.items[partition].p;
}

static bool make_row(struct automaton *a, uint32_t state, struct err *err)
{
    uint32_t n;
    bool lone;
    const uint8_t *classes = classes_of(a, &a->states[state], &n, &lone);
    uint32_t *row = classes ? arena_array(&a->store.arena, n, sizeof *row) : NULL;
    if (!row)
        return out_of_arena(err);
    memset(row, 0xff, n * sizeof *row);   /* STATE_UNKNOWN */
    if (lone)
        row[0] = STATE_DEAD;
    a->states[state].classes = classes;
    a->states[state].row = row;
    a->states[state].n_classes = n;
    return true;
}

/* A twin's row is its own and the other's. */
static bool have_row(struct automaton *a, uint32_t state, struct err *err)
{
    uint32_t twin = a->states[state].twin;
    if (!a->states[twin].row && !make_row(a, twin, err))
        return false;
    a->states[state].classes = a->states[twin].classes;
    a->states[state].row = a->states[twin].row;
    a->states[state].n_classes = a->states[twin].n_classes;
    return true;
}

static bool step_anew(struct automaton *a, uint32_t state, uint8_t byte, uint32_t *ret, struct err *err)
{
    uint32_t next;
    if (!a->states[state].row && !have_row(a, state, err))
        return false;
    uint32_t *entry = &a->states[state].row[a->states[state].classes[byte]];
    if (*entry == STATE_UNKNOWN) {
        if (!find_step(a, a->states[state].twin, byte, false, &next, err))
            return false;
        *entry = next;   /* rows lie in the arena and do not move */
    }
    *ret = *entry;
    return true;
}

uint32_t state_step(struct automaton *a, uint32_t state, uint8_t byte, struct err *err)
{
    const struct state *s = &a->states[state];
    uint32_t next = s->row ? s->row[s->classes[byte]] : STATE_UNKNOWN;
    if (next == STATE_UNKNOWN && !step_anew(a, state, byte, &next, err))
        return STATE_DEAD;
    return next;
}

struct state_row state_row(struct automaton *a, uint32_t state, struct err *err)
{
    if (!a->states[state].row && !have_row(a, state, err))
        return (struct state_row){NULL, NULL};
    return (struct state_row){a->states[state].row, a->states[state].classes};
}

uint32_t state_take(struct automaton *a, uint32_t state, uint8_t byte, struct err *err)
{
    uint32_t next;
    if (!a->states[state].records)
        return state_step(a, state, byte, err);
    return find_step(a, state, byte, true, &next, err) ? next : STATE_DEAD;
}

/* ---- asked ---- */

uint32_t state_shared(const struct automaton *a, uint32_t state)
{
    return a->states[state].twin;
}

bool state_may_end(const struct automaton *a, uint32_t state)
{
    return a->states[state].may_end;
}

static bool sweep(struct automaton *a, uint32_t state, struct err *err)
{
    struct byte_set bytes = {{0}};
    struct err fault = ERR_INIT;
    for (int b = 0; b < 256; b++)
        if (state_step(a, state, (uint8_t)b, &fault) != STATE_DEAD)
            bytes.bits[b / 64] |= (uint64_t)1 << b % 64;
    if (fault.code != ERR_NONE && err)
        *err = fault;
    a->states[state].bytes = bytes;
    a->states[state].swept = fault.code == ERR_NONE;
    return fault.code == ERR_NONE;
}

bool state_bytes(struct automaton *a, uint32_t state, struct byte_set *ret, struct err *err)
{
    uint32_t twin = a->states[state].twin;
    if (!a->states[twin].swept && !sweep(a, twin, err))
        return false;
    *ret = a->states[twin].bytes;
    return true;
}

static int byte_count(const struct byte_set *set)
{
    return __builtin_popcountll(set->bits[0]) + __builtin_popcountll(set->bits[1]) +
           __builtin_popcountll(set->bits[2]) + __builtin_popcountll(set->bits[3]);
}

bool state_must_end(struct automaton *a, uint32_t state)
{
    struct byte_set bytes;
    return a->states[state].may_end && state_bytes(a, state, &bytes, NULL) && byte_count(&bytes) == 0;
}

bool state_forced(struct automaton *a, uint32_t state, size_t max, struct buf *out, struct err *err)
{
    for (size_t n = 0; n < max && !a->states[state].may_end; n++) {
        struct byte_set bytes;
        if (!state_bytes(a, state, &bytes, err))
            return false;
        if (byte_count(&bytes) != 1)
            break;
        int byte = 0;
        while (!(bytes.bits[byte / 64] >> byte % 64 & 1))
            byte++;
        buf_char(out, (char)byte);
        state = state_step(a, state, (uint8_t)byte, err);
    }
    return buf_check(out, "forced text", err);
}

void state_hold(struct automaton *a, uint32_t state)
{
    a->states[state].holds++;
}

void state_release(struct automaton *a, uint32_t state)
{
    a->states[state].holds--;
}

void **state_slot(struct automaton *a, uint32_t state)
{
    return &a->states[a->states[state].twin].slot;
}
