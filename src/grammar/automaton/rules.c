/* Building rules: nodes are noted as they are said. What they mean together is found once, in finish.c; what the
 * members of an object may be, in members.c. */
#include <stdlib.h>

#include "grammar/automaton/members.h"

bool rules_open(struct rules **ret, struct err *err)
{
    struct rules *r = calloc(1, sizeof *r);
    if (!r)
        return err_nomem(err, "rules");
    r->arena = ARENA_INIT(RULES_MAX_BYTES);
    r->start = RULES_NONE;
    r->fault = ERR_INIT;
    if (!exprs_open(&r->exprs, err)) {
        free(r);
        return false;
    }
    *ret = r;
    return true;
}

void rules_close(struct rules *r)
{
    if (!r)
        return;
    exprs_close(r->exprs);
    arena_free(&r->arena);
    free(r->nodes);
    free(r);
}

struct exprs *rules_exprs(struct rules *r)
{
    return r->exprs;
}

bool rules_check(const struct rules *r, struct err *err)
{
    if (r->fault.code == ERR_NONE)
        return exprs_check(r->exprs, err);
    if (err)
        *err = r->fault;
    return false;
}

/* ---- nodes ---- */

static uint32_t spoil(struct rules *r)
{
    if (r->fault.code == ERR_NONE)
        err_nomem(&r->fault, "rules");
    return RULES_NONE;
}

static bool room_for_one(struct rules *r)
{
    if (r->fault.code != ERR_NONE)
        return false;
    if (r->n < r->cap)
        return true;
    if (r->n >= RULES_MAX_NODES)
        return err_set(&r->fault, ERR_LIMIT, "the rules have more than %u parts; make them simpler", RULES_MAX_NODES);
    uint32_t cap = r->cap ? r->cap * 2 : 64;
    struct node *nodes = realloc(r->nodes, cap * sizeof *nodes);
    if (!nodes)
        return err_nomem(&r->fault, "rules");
    r->nodes = nodes;
    r->cap = cap;
    return true;
}

static uint32_t add(struct rules *r, struct node node)
{
    if (!room_for_one(r))
        return RULES_NONE;
    r->nodes[r->n] = node;
    return r->n++;
}

static bool any_none(const uint32_t *nodes, int n)
{
    for (int i = 0; i < n; i++)
        if (nodes[i] == RULES_NONE)
            return true;
    return false;
}

static uint32_t *copy_kids(struct rules *r, const uint32_t *nodes, int n)
{
    uint32_t *kids = arena_array(&r->arena, (size_t)n + 1, sizeof *kids);
    if (kids && n > 0)
        memcpy(kids, nodes, (size_t)n * sizeof *kids);
    return kids;
}

uint32_t rules_term(struct rules *r, uint32_t expr)
{
    return add(r, (struct node){.kind = NODE_TERM, .term = expr});
}

uint32_t rules_empty(struct rules *r)
{
    return rules_term(r, EXPR_EMPTY);
}

uint32_t rules_never(struct rules *r)
{
    return rules_term(r, EXPR_NONE);
}

static bool is_empty_text(const struct rules *r, uint32_t node)
{
    return r->nodes[node].kind == NODE_TERM && r->nodes[node].term == EXPR_EMPTY;
}

uint32_t rules_sequence(struct rules *r, const uint32_t *nodes, int n)
{
    if (any_none(nodes, n))
        return RULES_NONE;
    uint32_t *kids = copy_kids(r, nodes, n);
    if (!kids)
        return spoil(r);
    uint32_t kept = 0;
    for (int i = 0; i < n; i++)
        if (!is_empty_text(r, nodes[i]))
            kids[kept++] = nodes[i];
    if (kept <= 1)
        return kept == 1 ? kids[0] : rules_empty(r);
    return add(r, (struct node){.kind = NODE_SEQUENCE, .n = kept, .kids = kids});
}

uint32_t rules_choice(struct rules *r, const uint32_t *nodes, int n)
{
    if (any_none(nodes, n))
        return RULES_NONE;
    if (n <= 1)
        return n == 1 ? nodes[0] : rules_never(r);
    uint32_t *kids = copy_kids(r, nodes, n);
    if (!kids)
        return spoil(r);
    return add(r, (struct node){.kind = NODE_CHOICE, .n = (uint32_t)n, .kids = kids});
}

uint32_t rules_repeat(struct rules *r, uint32_t item, uint32_t separator, int64_t min, int64_t max)
{
    if (item == RULES_NONE)
        return RULES_NONE;
    return rules_items(r, NULL, 0, item, separator, min, max);
}

uint32_t rules_items(struct rules *r, const uint32_t *prefix, int n, uint32_t rest, uint32_t separator, int64_t min,
                     int64_t max)
{
    if (any_none(prefix, n))
        return RULES_NONE;
    struct items *items = arena_new(&r->arena, struct items);
    uint32_t *kids = copy_kids(r, prefix, n);
    if (!items || !kids)
        return spoil(r);
    *items = (struct items){
        .prefix = kids,
        .n = (uint32_t)n,
        .rest = rest,
        .separator = separator,
        .min = min < 0 ? 0 : min,
        .max = max < 0 ? RULES_ENDLESS : max,
    };
    return add(r, (struct node){.kind = NODE_ITEMS, .items = items});
}

uint32_t rules_reference(struct rules *r)
{
    return add(r, (struct node){.kind = NODE_REFERENCE, .target = RULES_UNDEFINED});
}

void rules_define(struct rules *r, uint32_t reference, uint32_t node)
{
    if (reference != RULES_NONE && node != RULES_NONE)
        r->nodes[reference].target = node;
}

uint32_t rules_members(struct rules *r, const struct rule_object *object)
{
    struct members *m = NULL;
    for (int i = 0; i < object->n_fields; i++)
        if (object->fields[i].value == RULES_NONE)
            return RULES_NONE;
    if (object->colon == RULES_NONE || object->separator == RULES_NONE || r->fault.code != ERR_NONE)
        return RULES_NONE;
    if (!members_make(r, object, &m))
        return spoil(r);
    return add(r, (struct node){.kind = NODE_MEMBERS, .members = m});
}
