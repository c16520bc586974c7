/* What the nodes of finished rules mean together: which can be completed, which by the empty text, and whether some
 * begins with itself. Both questions are least fixpoints, found by a queue over the nodes that the start reaches, so
 * the work is linear in the edges whatever the shape of the recursion. */
#include <stddef.h>
#include <stdlib.h>

#include "grammar/automaton/members.h"

struct graph {
    struct rules *rules;
    uint32_t n;             /* nodes reached */
    uint32_t *order;        /* them, kids first but for recursion */
    uint32_t *at;           /* [rules->n + 1]: where a node's parents begin in `parents` */
    uint32_t *parents;
    uint32_t *queue;        /* [n], a ring */
    uint8_t *mark;          /* [rules->n] */
};

enum mark { MARK_NEW, MARK_OPEN, MARK_DONE };

/* ---- edges ---- */

/* Slots for kids; some hold RULES_NONE. */
static uint32_t kid_slots(const struct node *node)
{
    switch (node->kind) {
    case NODE_TERM: return 0;
    case NODE_REFERENCE: return 1;
    case NODE_SEQUENCE:
    case NODE_CHOICE: return node->n;
    case NODE_ITEMS: return node->items->n + 2;
    case NODE_MEMBERS: return node->members->n + 2;
    }
    return 0;
}

static uint32_t kid_of(const struct node *node, uint32_t i)
{
    switch (node->kind) {
    case NODE_TERM: return RULES_NONE;
    case NODE_REFERENCE: return node->target;
    case NODE_SEQUENCE:
    case NODE_CHOICE: return node->kids[i];
    case NODE_ITEMS:
        if (i < node->items->n)
            return node->items->prefix[i];
        return i == node->items->n ? node->items->rest : node->items->separator;
    case NODE_MEMBERS:
        if (i < node->members->n)
            return node->members->fields[i].value;
        return i == node->members->n ? node->members->colon : node->members->separator;
    }
    return RULES_NONE;
}

/* What stands at place i of a sequence, or of items and their separators as far as they differ; RULES_NONE: nothing. */
static uint32_t element_of(const struct node *node, uint32_t i)
{
    if (node->kind == NODE_SEQUENCE)
        return i < node->n ? node->kids[i] : RULES_NONE;
    const struct items *items = node->items;
    bool apart = items->separator != RULES_NONE;
    uint32_t item = apart ? (i + 1) / 2 : i;
    if (item > items->n || !items_has(items, item))
        return RULES_NONE;
    if (apart && i % 2 == 1)
        return items->separator;
    return item < items->n ? items->prefix[item] : items->rest;
}

/* The i-th node that may stand at the very beginning of this one; RULES_NONE when there are no more. Nullable is known.
 * A key is never empty, so members begin with no node. */
static uint32_t left_of(const struct rules *r, const struct node *node, uint32_t i)
{
    switch (node->kind) {
    case NODE_REFERENCE: return i == 0 ? node->target : RULES_NONE;
    case NODE_CHOICE: return i < node->n ? node->kids[i] : RULES_NONE;
    case NODE_SEQUENCE:
    case NODE_ITEMS:
        return i == 0 || r->nodes[element_of(node, i - 1)].nullable ? element_of(node, i) : RULES_NONE;
    case NODE_TERM:
    case NODE_MEMBERS: return RULES_NONE;
    }
    return RULES_NONE;
}

/* ---- the graph below the start ---- */

/* Depth first without recursion: `queue` is the path, next[node] the slot to look at. */
static bool order_nodes(struct graph *g, uint32_t start, uint32_t *next, struct err *err)
{
    struct rules *r = g->rules;
    uint32_t depth = 0;
    g->queue[depth++] = start;
    g->mark[start] = MARK_OPEN;
    while (depth > 0) {
        uint32_t id = g->queue[depth - 1];
        const struct node *node = &r->nodes[id];
        if (next[id] == kid_slots(node)) {
            g->mark[id] = MARK_DONE;
            g->order[g->n++] = id;
            depth--;
            continue;
        }
        uint32_t kid = kid_of(node, next[id]++);
        if (kid == RULES_NONE && node->kind == NODE_REFERENCE)
            return err_set(err, ERR_INTERNAL, "a rule refers to one that was never defined");
        if (kid == RULES_NONE)
            continue;
        g->at[kid + 1]++;
        if (g->mark[kid] == MARK_NEW) {
            g->mark[kid] = MARK_OPEN;
            g->queue[depth++] = kid;
        }
    }
    return true;
}

static bool list_parents(struct graph *g, struct err *err)
{
    struct rules *r = g->rules;
    for (uint32_t i = 0; i < r->n; i++)
        g->at[i + 1] += g->at[i];
    g->parents = malloc((g->at[r->n] + 1) * sizeof *g->parents);
    uint32_t *fill = malloc((r->n + 1) * sizeof *fill);
    if (!g->parents || !fill) {
        free(fill);
        return err_nomem(err, "rules");
    }
    memcpy(fill, g->at, (r->n + 1) * sizeof *fill);
    for (uint32_t i = 0; i < g->n; i++) {
        const struct node *node = &r->nodes[g->order[i]];
        for (uint32_t k = 0; k < kid_slots(node); k++)
            if (kid_of(node, k) != RULES_NONE)
                g->parents[fill[kid_of(node, k)]++] = g->order[i];
    }
    free(fill);
    return true;
}

static void graph_free(struct graph *g)
{
    free(g->order);
    free(g->at);
    free(g->parents);
    free(g->queue);
    free(g->mark);
}

static bool graph_make(struct rules *r, uint32_t start, struct graph *ret, struct err *err)
{
    struct graph g = {.rules = r};
    bool ok = false;
    uint32_t *next = calloc(r->n + 1, sizeof *next);
    g.order = malloc((r->n + 1) * sizeof *g.order);
    g.queue = malloc((r->n + 1) * sizeof *g.queue);
    g.at = calloc(r->n + 2, sizeof *g.at);
    g.mark = calloc(r->n + 1, 1);
    if (!next || !g.order || !g.queue || !g.at || !g.mark) {
        err_nomem(err, "rules");
        goto out;
    }
    ok = order_nodes(&g, start, next, err) && list_parents(&g, err);
out:
    free(next);
    if (ok)
        *ret = g;
    else
        graph_free(&g);
    return ok;
}

/* ---- least fixpoints ---- */

/* How many items there can be, as long as nodes are live as they say. */
static int64_t items_reach(const struct rules *r, const struct items *items)
{
    int64_t reach = items->rest != RULES_NONE && r->nodes[items->rest].live ? items->max : (int64_t)items->n;
    for (uint32_t i = items->n; i-- > 0;)
        if (!r->nodes[items->prefix[i]].live)
            reach = i;
    if (items->separator != RULES_NONE && !r->nodes[items->separator].live && reach > 1)
        reach = 1;
    return reach < items->max ? reach : items->max;
}

static bool is_live(struct rules *r, uint32_t id)
{
    const struct node *node = &r->nodes[id];
    switch (node->kind) {
    case NODE_TERM: return !expr_is_empty(r->exprs, node->term);
    case NODE_REFERENCE: return r->nodes[node->target].live;
    case NODE_ITEMS: return items_reach(r, node->items) >= node->items->min;
    case NODE_MEMBERS: return members_settle(r, node->members);
    case NODE_SEQUENCE:
    case NODE_CHOICE: break;
    }
    bool all = node->kind == NODE_SEQUENCE;
    for (uint32_t i = 0; i < node->n; i++)
        if (r->nodes[node->kids[i]].live != all)
            return !all;
    return all;
}

static bool items_nullable(const struct rules *r, const struct items *items)
{
    if (items->min > 1 && items->separator != RULES_NONE && !r->nodes[items->separator].nullable)
        return false;
    for (uint32_t i = 0; i < items->min && i < items->n; i++)
        if (!r->nodes[items->prefix[i]].nullable)
            return false;
    return items->min <= items->n || r->nodes[items->rest].nullable;
}

static bool is_nullable(struct rules *r, uint32_t id)
{
    const struct node *node = &r->nodes[id];
    if (!node->live)
        return false;
    switch (node->kind) {
    case NODE_TERM: return expr_nullable(r->exprs, node->term);
    case NODE_REFERENCE: return r->nodes[node->target].nullable;
    case NODE_ITEMS: return items_nullable(r, node->items);
    case NODE_MEMBERS: return node->members->min == 0 && node->members->required == 0;
    case NODE_SEQUENCE:
    case NODE_CHOICE: break;
    }
    bool all = node->kind == NODE_SEQUENCE;
    for (uint32_t i = 0; i < node->n; i++)
        if (r->nodes[node->kids[i]].nullable != all)
            return !all;
    return all;
}

/* `holds` of a node depends on the flags of its kids; a flag once set stays. */
static void solve(struct graph *g, bool (*holds)(struct rules *r, uint32_t id), size_t flag)
{
    struct rules *r = g->rules;
    uint32_t head = 0, waiting = g->n;
    memcpy(g->queue, g->order, g->n * sizeof *g->queue);
    memset(g->mark, 1, r->n);   /* in the queue */
    while (waiting > 0) {
        uint32_t id = g->queue[head];
        bool *known = (bool *)((char *)&r->nodes[id] + flag);
        head = head + 1 == g->n ? 0 : head + 1;
        waiting--;
        g->mark[id] = 0;
        if (*known || !holds(r, id))
            continue;
        *known = true;
        for (uint32_t i = g->at[id]; i < g->at[id + 1]; i++) {
            uint32_t parent = g->parents[i];
            if (g->mark[parent])
                continue;
            g->mark[parent] = 1;
            g->queue[(head + waiting++) % g->n] = parent;
        }
    }
}

/* ---- what follows ---- */

/* Takes out of a live node what is not. */
static bool prune(struct rules *r, struct node *node, struct err *err)
{
    uint32_t kept = 0;
    if (node->kind == NODE_CHOICE) {
        for (uint32_t i = 0; i < node->n; i++)
            if (r->nodes[node->kids[i]].live)
                node->kids[kept++] = node->kids[i];
        node->n = kept;
    }
    if (node->kind == NODE_ITEMS) {
        struct items *items = node->items;
        items->max = items_reach(r, items);
        if (items->n > items->max)
            items->n = (uint32_t)items->max;
    }
    if (node->kind == NODE_MEMBERS)
        return members_settle(r, node->members) && members_decidable(node->members, err);
    return true;
}

static void loosen(struct rules *r, struct items *items)
{
    bool apart = items->separator != RULES_NONE && !r->nodes[items->separator].nullable;
    if (items->n > 0 || apart || items->max == 0 || !r->nodes[items->rest].nullable)
        return;
    items->loose = true;
    items->min = 0;
}

static bool check_left(struct graph *g, uint32_t *next, struct err *err)
{
    struct rules *r = g->rules;
    memset(g->mark, MARK_NEW, r->n);
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t depth = 0;
        if (g->mark[g->order[i]] == MARK_NEW && r->nodes[g->order[i]].live)
            g->queue[depth++] = g->order[i];
        while (depth > 0) {
            uint32_t id = g->queue[depth - 1], kid = left_of(r, &r->nodes[id], next[id]++);
            g->mark[id] = kid == RULES_NONE ? MARK_DONE : MARK_OPEN;
            if (kid == RULES_NONE)
                depth--;
            else if (g->mark[kid] == MARK_OPEN)
                return err_set(err, ERR_UNSUPPORTED, "a rule begins with itself (left recursion); put what is repeated "
                               "behind something else");
            else if (g->mark[kid] == MARK_NEW)
                g->queue[depth++] = kid;
        }
    }
    return true;
}

static bool refuse_left_recursion(struct graph *g, struct err *err)
{
    uint32_t *next = calloc(g->rules->n + 1, sizeof *next);
    bool ok = next ? check_left(g, next, err) : err_nomem(err, "rules");
    free(next);
    return ok;
}

bool rules_finish(struct rules *r, uint32_t start, struct err *err)
{
    struct graph g;
    if (start == RULES_NONE || !rules_check(r, NULL))
        return rules_check(r, err) ? err_set(err, ERR_INTERNAL, "the rules have no start") : false;
    if (!graph_make(r, start, &g, err))
        return false;
    solve(&g, is_live, offsetof(struct node, live));
    bool ok = rules_check(r, err);
    if (ok && !r->nodes[start].live)
        ok = err_set(err, ERR_INVALID, "no answer can satisfy the rule; look for parts that exclude each other");
    for (uint32_t i = 0; ok && i < g.n; i++)
        if (r->nodes[g.order[i]].live)
            ok = prune(r, &r->nodes[g.order[i]], err);
    if (ok) {
        solve(&g, is_nullable, offsetof(struct node, nullable));
        ok = refuse_left_recursion(&g, err);
    }
    for (uint32_t i = 0; ok && i < g.n; i++)
        if (r->nodes[g.order[i]].kind == NODE_ITEMS && r->nodes[g.order[i]].live)
            loosen(r, r->nodes[g.order[i]].items);
    if (ok && (ok = rules_check(r, err)))
        r->start = start;
    graph_free(&g);
    return ok;
}

bool rules_lead(struct rules *r, struct str text, struct err *err)
{
    if (text.n == 0)
        return true;
    const uint32_t kids[] = {rules_term(r, expr_literal(r->exprs, text)), r->start};
    uint32_t start = rules_sequence(r, kids, 2);
    if (!rules_check(r, err))
        return false;
    r->nodes[kids[0]].live = true;
    r->nodes[start].live = true;
    r->start = start;
    return true;
}
