/* Goals to nodes: the table of goals, the queue of those that are not written out yet, and what a conjunction of any
 * type becomes. Objects and arrays ask for the nodes of their places here and get references, so that nothing recurses
 * as deep as a schema does. */
#include "grammar/schema/lower.h"

#include <stdlib.h>

#define GOAL_TABLE 1024     /* slots; chains are short up to SCHEMA_MAX_NODES */

struct goal {
    struct parts parts;      /* sorted */
    uint64_t hash;
    uint32_t node;
    struct conjunction *ways;
    struct goal *chained, *queued;
};

/* ---- small things that all files of the room use ---- */

bool lower_fail(struct lower *w, enum err_code code, const char *fmt, ...)
{
    char text[sizeof w->err->msg];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!w->failed)
        err_set(w->err, code, "%s", text);
    w->failed = true;
    return false;
}

void *lower_alloc(struct lower *w, size_t count, size_t elem)
{
    void *p = w->failed ? NULL : arena_array(&w->arena, count, elem);
    if (!p && !w->failed)
        lower_fail(w, ERR_LIMIT, "the schema needs more than %u MiB to be turned into rules; make it smaller",
                   LOWER_MAX_BYTES >> 20);
    return p;
}

void lower_tell(struct lower *w, const struct subschema *sub, const char *keyword)
{
    if (w->tell)
        w->tell(w->tell_ctx, sub, keyword);
}

void lower_leave(struct lower *w, const struct subschema *sub, const char *keyword)
{
    w->loose = true;
    lower_tell(w, sub, keyword);
}

static uint32_t any_value(struct lower *w)
{
    if (w->any == RULES_NONE)
        w->any = rules_json_value(w->rules, schema_options_of(w->schema)->space);
    return w->any;
}

static uint32_t literal_node(struct lower *w, const char *text)
{
    return rules_term(w->rules, expr_literal(w->x, str_of(text)));
}

uint32_t lower_enclosed(struct lower *w, const char *open, uint32_t inside, bool may_be_empty, const char *close)
{
    uint32_t end = literal_node(w, close), ways[2];
    int n = 0;
    if (inside != RULES_NONE) {
        const uint32_t full[] = {inside, w->space, end};
        ways[n++] = rules_sequence(w->rules, full, 3);
    }
    if (may_be_empty)
        ways[n++] = end;
    const uint32_t all[] = {literal_node(w, open), w->space, rules_choice(w->rules, ways, n)};
    return n ? rules_sequence(w->rules, all, 3) : rules_never(w->rules);
}

/* ---- conjunctions to nodes ---- */

struct ways_out {
    uint32_t term;           /* of all scalars */
    uint32_t *nodes;
    int n, room;
};

static void add_node(struct lower *w, struct ways_out *out, uint32_t node)
{
    if (out->n == out->room) {
        int room = out->room ? 2 * out->room : 8;
        uint32_t *more = lower_alloc(w, (size_t)room, sizeof *more);
        if (!more)
            return;
        if (out->n)
            memcpy(more, out->nodes, (size_t)out->n * sizeof *more);
        out->nodes = more;
        out->room = room;
    }
    out->nodes[out->n++] = node;
}

/* The values of a conjunction's first enum or const that obey all its parts. */
static void add_values(struct lower *w, struct ways_out *out, const struct conjunction *c)
{
    size_t n = 0, n_terms = 0;
    const json_t *value;
    while (finite_value(c, n))
        n++;
    uint32_t *terms = lower_alloc(w, n + 1, sizeof *terms);
    for (size_t i = 0; terms && i < n && !w->failed; i++) {
        value = finite_value(c, i);
        if (!values_admit(w, c, value))
            continue;
        if (json_is_array(value) || json_is_object(value))
            add_node(w, out, lower_literal(w, value));
        else
            terms[n_terms++] = literal_term(w, value);
    }
    if (terms)
        out->term = expr_or(w->x, out->term, expr_or_all(w->x, terms, (int)n_terms));
}

/* null, true and false are terms without more to say, but that a part may exclude just them. */
static uint32_t constants(struct lower *w, const struct conjunction *c)
{
    static const struct {
        unsigned type;
        const char *text;
    } all[] = {{TYPE_NULL, "null"}, {TYPE_FALSE, "false"}, {TYPE_TRUE, "true"}};
    uint32_t term = EXPR_NONE;
    for (int i = 0; i < 3; i++) {
        if (!(c->types & all[i].type))
            continue;
        json_t *value = all[i].type == TYPE_NULL ? json_null() : json_boolean(all[i].type == TYPE_TRUE);
        bool admitted = true;
        for (int k = 0; k < c->n && admitted; k++)
            admitted = c->parts[k].kind != PART_BREAKS || parts_admit(w, &c->parts[k], 1, value);
        if (admitted)
            term = expr_or(w->x, term, expr_literal(w->x, str_of(all[i].text)));
    }
    return term;
}

static void add_types(struct lower *w, struct ways_out *out, const struct conjunction *c)
{
    uint32_t term = constants(w, c);
    if (c->types & TYPE_NUMBER)
        term = expr_or(w->x, term, number_term(w, c));
    if (c->types & TYPE_STRING)
        term = expr_or(w->x, term, string_quoted(w, string_content(w, c)));
    out->term = expr_or(w->x, out->term, term);
    if (c->types & TYPE_ARRAY)
        add_node(w, out, lower_array(w, c));
    if (c->types & TYPE_OBJECT)
        add_node(w, out, lower_object(w, c));
}

static uint32_t ways_to_node(struct lower *w, const struct conjunction *ways)
{
    struct ways_out out = {.term = EXPR_NONE};
    for (const struct conjunction *c = ways; c && !w->failed; c = c->next)
        if (c->finite)
            add_values(w, &out, c);
        else
            add_types(w, &out, c);
    if (out.term != EXPR_NONE)
        add_node(w, &out, rules_term(w->rules, out.term));
    if (w->failed)
        return RULES_NONE;
    return out.n ? rules_choice(w->rules, out.nodes, out.n) : rules_never(w->rules);
}

/* Nothing in it asks for the node of another place. */
static bool is_leaf(const struct conjunction *ways)
{
    for (const struct conjunction *c = ways; c; c = c->next)
        if (!c->finite && (c->types & (TYPE_ARRAY | TYPE_OBJECT)))
            return false;
    return true;
}

/* ---- goals ---- */

static int compare_parts(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->sub != y->sub)
        return x->sub < y->sub ? -1 : 1;
    if (x->types != y->types)
        return x->types < y->types ? -1 : 1;
    return strcmp(x->name ? x->name : "", y->name ? y->name : "");
}

static uint64_t hash_parts(const struct parts *parts)
{
    uint64_t hash = 0;
    for (int i = 0; i < parts->n; i++) {
        const struct part *part = &parts->at[i];
        uint64_t one = (uint64_t)(uintptr_t)part->sub * 0x9E3779B97F4A7C15u ^ (uint64_t)part->kind << 8 ^ part->types;
        hash = (hash ^ one) * 0xFF51AFD7ED558CCDu;
        hash ^= (hash >> 33) ^ (part->name ? str_hash(str_of(part->name)) : 0);
    }
    return hash;
}

static bool same_parts(const struct parts *a, const struct parts *b)
{
    if (a->n != b->n)
        return false;
    for (int i = 0; i < a->n; i++)
        if (compare_parts(&a->at[i], &b->at[i]) != 0)
            return false;
    return true;
}

/* The goal of these parts, made when it is not there yet: then *ret_new. */
static struct goal *find_goal(struct lower *w, const struct parts *parts, bool *ret_new)
{
    struct parts sorted = {.at = lower_alloc(w, (size_t)parts->n, sizeof *sorted.at), .n = parts->n, .room = parts->n};
    if (!sorted.at)
        return NULL;
    memcpy(sorted.at, parts->at, (size_t)parts->n * sizeof *sorted.at);
    qsort(sorted.at, (size_t)sorted.n, sizeof *sorted.at, compare_parts);
    uint64_t hash = hash_parts(&sorted);
    struct goal **slot = &w->table[hash % GOAL_TABLE];
    for (struct goal *g = *slot; g; g = g->chained)
        if (g->hash == hash && same_parts(&g->parts, &sorted)) {
            *ret_new = false;
            return g;
        }
    if (++w->n_goals > SCHEMA_MAX_NODES) {
        lower_fail(w, ERR_LIMIT, "the schema comes to more than %d different places; make it smaller",
                   SCHEMA_MAX_NODES);
        return NULL;
    }
    struct goal *goal = lower_alloc(w, 1, sizeof *goal);
    if (!goal)
        return NULL;
    *goal = (struct goal){.parts = sorted, .hash = hash, .node = RULES_NONE, .chained = *slot};
    *slot = goal;
    *ret_new = true;
    return goal;
}

uint32_t lower_goal(struct lower *w, const struct parts *parts)
{
    if (w->failed)
        return RULES_NONE;
    if (parts->n == 0)
        return any_value(w);
    bool new;
    struct goal *goal = find_goal(w, parts, &new);
    if (!goal || !new)
        return goal ? goal->node : RULES_NONE;
    goal->ways = expand(w, parts);
    if (is_leaf(goal->ways)) {
        goal->node = ways_to_node(w, goal->ways);
    } else {
        goal->node = rules_reference(w->rules);
        *w->queue_end = goal;
        w->queue_end = &goal->queued;
    }
    return goal->node;
}

/* ---- the whole ---- */

static bool lower_start(struct lower *w)
{
    enum json_space space = schema_options_of(w->schema)->space;
    w->arena = ARENA_INIT(LOWER_MAX_BYTES);
    w->any = RULES_NONE;
    w->queue_end = &w->queue;
    w->x = rules_exprs(w->rules);
    w->table = lower_alloc(w, GOAL_TABLE, sizeof(struct goal *));
    w->space = rules_json_space(w->rules, space);
    const uint32_t comma[] = {literal_node(w, ","), w->space}, colon[] = {literal_node(w, ":"), w->space};
    w->comma = rules_sequence(w->rules, comma, 2);
    w->colon = rules_sequence(w->rules, colon, 2);
    return w->table != NULL;
}

/* w tells what becomes of the schema; its goals are gone. */
static bool lower_schema(struct lower *w, uint32_t *ret_node, struct err *err)
{
    struct err unused;
    struct parts root = {0};
    uint32_t node = RULES_NONE;
    w->err = err ? err : &unused;
    if (lower_start(w)) {
        parts_add(w, &root, (struct part){.kind = PART_HOLDS, .sub = schema_root(w->schema)});
        node = lower_goal(w, &root);
    }
    while (w->queue && !w->failed) {
        struct goal *goal = w->queue;
        w->queue = goal->queued;
        if (!w->queue)
            w->queue_end = &w->queue;
        rules_define(w->rules, goal->node, ways_to_node(w, goal->ways));
    }
    strmap_free(&w->names);
    arena_free(&w->arena);
    if (w->failed || !rules_check(w->rules, err))
        return false;
    *schema_remembered_need(w->schema) = w->loose ? 2 : 1;
    *ret_node = node;
    return true;
}

bool schema_node(const struct schema *s, struct rules *r, uint32_t *ret_node, struct err *err)
{
    struct lower w = {.schema = s, .rules = r};
    return lower_schema(&w, ret_node, err);
}

bool schema_rules(const struct schema *s, struct rules **ret, struct err *err)
{
    struct rules *r;
    uint32_t node;
    if (!rules_open(&r, err))
        return false;
    if (!schema_node(s, r, &node, err) || !rules_finish(r, node, err)) {
        rules_close(r);
        return false;
    }
    *ret = r;
    return true;
}

bool schema_leftovers(const struct schema *s, void (*tell)(void *ctx, const struct subschema *sub, const char *keyword),
                      void *ctx, bool *ret_any, struct err *err)
{
    struct lower w = {.schema = s, .tell = tell, .tell_ctx = ctx};
    uint32_t node;
    if (!rules_open(&w.rules, err))
        return false;
    bool ok = lower_schema(&w, &node, err) && rules_finish(w.rules, node, err);
    rules_close(w.rules);
    if (ok)
        *ret_any = w.loose;
    return ok;
}

/* Only making rules tells. */
bool schema_needs_validation(const struct schema *s)
{
    bool any;
    int known = *schema_remembered_need(s);
    return known ? known == 2 : !schema_leftovers(s, NULL, NULL, &any, NULL) || any;
}
