/* What may come: from a node, or from a stack once the term before it is done, down to the terms that take the next
 * byte. The rules' nodes get their meaning here, one function to a kind. */
#include <stdlib.h>

#include "grammar/automaton/store.h"

#define WORK_POP UINT32_MAX             /* in place of a node: the stack itself goes on */
#define WORK_LOOSE 0x80000000u          /* beside a node: loose items were entered on that stack */
#define SEARCH_MAX_PAIRS (1u << 18)     /* met in one search: what may be empty multiplies before any term is found */

/* One search: to which list it adds, and what it met already. */
struct closure {
    struct automaton *a;
    struct configs *out;
    struct err *err;
};

/* ---- what was met ---- */

static bool grow_seen(struct automaton *a, struct err *err)
{
    uint32_t cap = a->cap_seen ? a->cap_seen * 2 : 128;
    struct seen_pair *seen = calloc(cap, sizeof *seen);
    if (!seen)
        return err_nomem(err, "a rule's automaton");
    for (uint32_t i = 0; i < a->cap_seen; i++) {
        if (a->seen[i].when != a->seen_when)
            continue;
        uint32_t at = (uint32_t)(a->seen[i].pair * 0x9E3779B97F4A7C15u >> 32) & (cap - 1);
        while (seen[at].when)
            at = (at + 1) & (cap - 1);
        seen[at] = a->seen[i];
    }
    free(a->seen);
    a->seen = seen;
    a->cap_seen = cap;
    return true;
}

/* *ret_new: this pair was not met in this search. */
static bool meet(struct closure *c, uint32_t node, uint32_t stack, bool *ret_new)
{
    struct automaton *a = c->a;
    if (a->n_seen == SEARCH_MAX_PAIRS)
        return err_set(c->err, ERR_LIMIT, "the answer can be read in too many ways at once under its rules; let fewer "
                       "of its parts be empty");
    if (a->n_seen * 2 >= a->cap_seen && !grow_seen(a, c->err))
        return false;
    uint64_t pair = (uint64_t)node << 32 | stack;
    uint32_t at = (uint32_t)(pair * 0x9E3779B97F4A7C15u >> 32) & (a->cap_seen - 1);
    while (a->seen[at].when == a->seen_when && a->seen[at].pair != pair)
        at = (at + 1) & (a->cap_seen - 1);
    *ret_new = a->seen[at].when != a->seen_when;
    a->n_seen += *ret_new;
    a->work_done++;
    a->seen[at] = (struct seen_pair){pair, a->seen_when};
    return true;
}

static bool later(struct closure *c, uint32_t node, uint32_t stack)
{
    struct automaton *a = c->a;
    bool is_new;
    if (!meet(c, node, stack, &is_new) || !is_new)
        return !is_new;
    if (a->n_waiting == a->cap_waiting) {
        uint32_t cap = a->cap_waiting ? a->cap_waiting * 2 : 64;
        struct work *work = realloc(a->waiting, cap * sizeof *work);
        if (!work)
            return err_nomem(c->err, "a rule's automaton");
        a->waiting = work;
        a->cap_waiting = cap;
    }
    a->waiting[a->n_waiting++] = (struct work){node, stack};
    return true;
}

static bool push(struct closure *c, struct frame frame, uint32_t *ret)
{
    return frame_push(c->a, &frame, ret, c->err);
}

/* node, and then what the frame says. */
static bool later_before(struct closure *c, uint32_t node, struct frame frame)
{
    uint32_t stack;
    return push(c, frame, &stack) && later(c, node, stack);
}

static bool add_term(struct closure *c, uint32_t term, uint32_t stack)
{
    if (term != EXPR_EMPTY && !configs_add(c->out, (struct config){term, stack}, c->err))
        return false;
    return !expr_nullable(c->a->exprs, term) || later(c, WORK_POP, stack);
}

/* ---- sequences and items ---- */

static bool sequence_from(struct closure *c, uint32_t id, uint32_t at, uint32_t stack)
{
    const struct node *node = &c->a->rules->nodes[id];
    if (at + 1 == node->n)   /* nothing of the sequence comes after: no frame */
        return later(c, node->kids[at], stack);
    return later_before(c, node->kids[at],
                        (struct frame){.kind = FRAME_SEQUENCE, .node = id, .parent = stack, .at = at + 1});
}

static bool item_enter(struct closure *c, uint32_t id, int64_t at, uint32_t stack)
{
    const struct items *items = c->a->rules->nodes[id].items;
    uint32_t item = at < items->n ? items->prefix[at] : items->rest;
    bool is_new = true;
    if (items->loose && !meet(c, id | WORK_LOOSE, stack, &is_new))
        return false;
    if (!is_new)
        return true;   /* as many items may come from where it was entered first */
    if (!items_has(items, at + 1))
        return later(c, item, stack);
    int64_t enough = items->min > items->n ? items->min : items->n;
    if (items->max == RULES_ENDLESS && at >= enough)
        at = enough - 1;
    return later_before(c, item, (struct frame){.kind = FRAME_ITEMS, .node = id, .parent = stack,
                                                .at = (uint64_t)(at + 1)});
}

static bool items_after(struct closure *c, uint32_t id, int64_t at, uint32_t stack)
{
    const struct items *items = c->a->rules->nodes[id].items;
    if (at >= items->min && !later(c, WORK_POP, stack))
        return false;
    if (!items_has(items, at))
        return true;
    if (items->separator == RULES_NONE)
        return item_enter(c, id, at, stack);
    return later_before(c, items->separator,
                        (struct frame){.kind = FRAME_ITEM_NEXT, .node = id, .parent = stack, .at = (uint64_t)at});
}

static bool items_begin(struct closure *c, uint32_t id, uint32_t stack)
{
    const struct items *items = c->a->rules->nodes[id].items;
    if (items->min == 0 && !later(c, WORK_POP, stack))
        return false;
    return !items_has(items, 0) || item_enter(c, id, 0, stack);
}

/* ---- members ---- */

static struct outlook outlook_of(const struct automaton *a, const struct members *m, const struct payload *p)
{
    const struct members_used used = {keys_used, a};
    return members_outlook(m, p, &used);
}

/* Whether field i may come next and the object can hold then; *after is then the payload with it. */
static bool may_come(struct automaton *a, const struct members *m, uint32_t payload, uint32_t i, struct payload *after)
{
    const struct payload *p = payload_at(a, payload);
    if (!members_in_turn(m, p, i))
        return false;
    const struct frame all = {.payload = payload, .key_end = m->fields[i].many ? keys_count(a, p->keys) : 0};
    if (all.key_end > 0 && !key_is_open(a, &all, m->fields[i].key))
        return false;
    members_take(m, p, i, after);
    return outlook_of(a, m, after).possible;
}

static uint32_t first_field(const struct members *m, const struct payload *p)
{
    return m->any_order ? 0 : p->next;
}

static bool add_member(struct closure *c, uint32_t id, uint32_t payload, uint32_t i, const struct payload *after,
                       uint32_t stack)
{
    const struct members *m = c->a->rules->nodes[id].members;
    struct frame frame = {.kind = FRAME_COLON, .node = id, .parent = stack, .at = i};
    if (m->fields[i].many) {
        frame.kind = FRAME_KEY;
        frame.payload = payload;
        frame.text = TEXT_START;
        frame.key_end = keys_count(c->a, after->keys);
    } else if (!store_payload(c->a, m, after, &frame.payload, c->err)) {
        return false;
    }
    return push(c, frame, &stack) && add_term(c, m->fields[i].key, stack);
}

static bool member_next(struct closure *c, uint32_t id, uint32_t payload, uint32_t stack)
{
    const struct members *m = c->a->rules->nodes[id].members;
    struct payload after;
    for (uint32_t i = first_field(m, payload_at(c->a, payload)); i < m->n; i++)
        if (may_come(c->a, m, payload, i, &after) && !add_member(c, id, payload, i, &after, stack))
            return false;
    return true;
}

static bool any_may_come(struct automaton *a, const struct members *m, uint32_t payload)
{
    struct payload after;
    for (uint32_t i = first_field(m, payload_at(a, payload)); i < m->n; i++)
        if (may_come(a, m, payload, i, &after))
            return true;
    return false;
}

static bool members_after(struct closure *c, uint32_t id, uint32_t payload, uint32_t stack)
{
    const struct members *m = c->a->rules->nodes[id].members;
    if (outlook_of(c->a, m, payload_at(c->a, payload)).may_end && !later(c, WORK_POP, stack))
        return false;
    if (!any_may_come(c->a, m, payload))
        return true;
    return later_before(c, m->separator, (struct frame){.kind = FRAME_MEMBER_NEXT, .node = id, .parent = stack,
                                                        .payload = payload});
}

static bool members_first(struct closure *c, uint32_t id, uint32_t stack)
{
    const struct members *m = c->a->rules->nodes[id].members;
    struct payload p;
    uint32_t payload;
    members_begin(m, &p);
    if (outlook_of(c->a, m, &p).may_end && !later(c, WORK_POP, stack))
        return false;
    return store_payload(c->a, m, &p, &payload, c->err) && member_next(c, id, payload, stack);
}

static bool key_done(struct closure *c, const struct frame *f)
{
    const struct members *m = c->a->rules->nodes[f->node].members;
    struct frame value = {.kind = FRAME_VALUE, .node = f->node, .parent = f->parent, .payload = f->payload,
                          .at = f->at};
    struct payload after;
    if (f->kind == FRAME_KEY && (!key_payload(c->a, f, &after, c->err) ||
                                 !store_payload(c->a, m, &after, &value.payload, c->err)))
        return false;
    return later_before(c, m->colon, value);
}

static bool value_begins(struct closure *c, const struct frame *f)
{
    const struct members *m = c->a->rules->nodes[f->node].members;
    return later_before(c, m->fields[f->at].value, (struct frame){.kind = FRAME_MEMBERS, .node = f->node,
                                                                  .parent = f->parent, .payload = f->payload});
}

/* ---- the search ---- */

static bool go_on(struct closure *c, uint32_t stack)
{
    if (stack == STACK_EMPTY) {
        c->out->may_end = true;
        return true;
    }
    const struct frame *f = frame_at(c->a, stack);
    switch ((enum frame_kind)f->kind) {
    case FRAME_SEQUENCE: return sequence_from(c, f->node, (uint32_t)f->at, f->parent);
    case FRAME_ITEMS: return items_after(c, f->node, (int64_t)f->at, f->parent);
    case FRAME_ITEM_NEXT: return item_enter(c, f->node, (int64_t)f->at, f->parent);
    case FRAME_KEY:
    case FRAME_COLON: return key_done(c, f);
    case FRAME_VALUE: return value_begins(c, f);
    case FRAME_MEMBERS: return members_after(c, f->node, f->payload, f->parent);
    case FRAME_MEMBER_NEXT: return member_next(c, f->node, f->payload, f->parent);
    }
    return true;
}

static bool enter(struct closure *c, uint32_t id, uint32_t stack)
{
    const struct node *node = &c->a->rules->nodes[id];
    switch (node->kind) {
    case NODE_TERM: return add_term(c, node->term, stack);
    case NODE_SEQUENCE: return sequence_from(c, id, 0, stack);
    case NODE_REFERENCE: return later(c, node->target, stack);
    case NODE_ITEMS: return items_begin(c, id, stack);
    case NODE_MEMBERS: return members_first(c, id, stack);
    case NODE_CHOICE: break;
    }
    for (uint32_t i = 0; i < node->n; i++)
        if (!later(c, node->kids[i], stack))
            return false;
    return true;
}

/* Depth first. Where items may be empty, the way with the fewest of them so far is met before the others, which are
 * only reached through it. */
static bool search(struct automaton *a, uint32_t node, uint32_t stack, struct err *err)
{
    struct closure c = {a, &a->found, err};
    a->found.n = 0;
    a->found.may_end = false;
    a->n_waiting = a->n_seen = 0;
    a->seen_when++;
    bool ok = later(&c, node, stack);
    while (ok && a->n_waiting > 0) {
        struct work w = a->waiting[--a->n_waiting];
        ok = w.node == WORK_POP ? go_on(&c, w.stack) : enter(&c, w.node, w.stack);
    }
    return ok;
}

bool node_closure(struct automaton *a, uint32_t node, struct err *err)
{
    return search(a, node, STACK_EMPTY, err);
}

bool stack_closure(struct automaton *a, uint32_t stack, struct err *err)
{
    if (a->store.notes[stack].known)
        return true;
    if (!search(a, WORK_POP, stack, err))
        return false;
    struct config *after = arena_array(&a->store.arena, a->found.n + 1, sizeof *after);
    if (!after)
        return err_set(err, ERR_LIMIT, "the answer's rules take more memory than one answer may; make them simpler");
    if (a->found.n > 0)
        memcpy(after, a->found.p, a->found.n * sizeof *after);
    struct frame_note *note = &a->store.notes[stack];
    note->after = after;
    note->n_after = a->found.n;
    note->may_end = a->found.may_end;
    note->known = true;
    return true;
}
