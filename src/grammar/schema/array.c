/* Arrays: what holds for each place (prefixItems, or items as an array as drafts before 2020-12 have it), for the rest,
 * and how many there are. uniqueItems, contains and unevaluatedItems are validated after. */
#include "grammar/schema/lower.h"

struct array_limits {
    int64_t min, max;
    int prefix;      /* places of their own */
};

/* The list of places of a part, and what holds after them; each NULL where there is none. */
static void places_of(const struct part *part, const json_t **ret_prefix, const json_t **ret_rest)
{
    const json_t *items = part_get(part, "items");
    bool list = json_is_array(items);
    *ret_prefix = list ? items : part_get(part, "prefixItems");
    *ret_rest = list ? part_get(part, "additionalItems") : items;
}

static void add_min(struct array_limits *limits, int64_t min)
{
    if (min > limits->min)
        limits->min = min;
}

static void add_max(struct array_limits *limits, int64_t max)
{
    if (limits->max == EXPR_UNBOUNDED || max < limits->max)
        limits->max = max;
}

static void holding(struct array_limits *limits, const struct part *part)
{
    const json_t *min = part_get(part, "minItems"), *max = part_get(part, "maxItems");
    const json_t *few = part_get(part, "minContains"), *prefix, *rest;
    if (min)
        add_min(limits, count_of(min));
    if (max)
        add_max(limits, count_of(max));
    if (part_get(part, "contains"))
        add_min(limits, few ? count_of(few) : 1);
    places_of(part, &prefix, &rest);
    if ((int)json_array_size(prefix) > limits->prefix)
        limits->prefix = (int)json_array_size(prefix);
}

/* false: no array breaks this keyword. */
static bool breaking(struct lower *w, struct array_limits *limits, const struct part *part)
{
    const json_t *value = schema_get(part->sub, part->name);
    switch (schema_keyword(part->name)) {
    case KEYWORD_MIN_ITEMS: add_max(limits, count_of(value) - 1); return count_of(value) > 0;
    case KEYWORD_MAX_ITEMS: add_min(limits, count_of(value) + 1); return true;
    case KEYWORD_CONST: case KEYWORD_ENUM:
        if (gives_value_of(part, JSON_ARRAY))
            lower_leave(w, part->sub, NULL);
        return true;
    default: return false;
    }
}

static bool limits_of(struct lower *w, const struct conjunction *c, struct array_limits *limits)
{
    *limits = (struct array_limits){.max = EXPR_UNBOUNDED};
    for (int i = 0; i < c->n; i++) {
        const struct part *part = &c->parts[i];
        if (part->kind == PART_HOLDS)
            holding(limits, part);
        else if (part->kind == PART_WITHOUT && !breaking(w, limits, part))
            return false;
    }
    return true;
}

static void note_what_is_left(struct lower *w, const struct conjunction *c, const struct array_limits *limits)
{
    for (int i = 0; i < c->n; i++) {
        const struct part *part = &c->parts[i];
        bool several = limits->max == EXPR_UNBOUNDED || limits->max > 1;
        if (part_get(part, "contains"))
            lower_leave(w, part->sub, "contains");
        if (part_get(part, "unevaluatedItems"))
            lower_leave(w, part->sub, "unevaluatedItems");
        if (several && json_is_true(part_get(part, "uniqueItems")))
            lower_leave(w, part->sub, "uniqueItems");
    }
}

/* What holds at place `at`; -1: after all places of their own. */
static uint32_t item_node(struct lower *w, const struct conjunction *c, int at)
{
    struct parts parts = {0};
    for (int i = 0; i < c->n; i++) {
        const json_t *prefix, *rest;
        places_of(&c->parts[i], &prefix, &rest);
        bool own = at >= 0 && (size_t)at < json_array_size(prefix);
        parts_add_schema(w, &parts, own ? json_array_get(prefix, (size_t)at) : rest);
    }
    return parts_say_never(&parts) ? RULES_NONE : lower_goal(w, &parts);
}

uint32_t lower_array(struct lower *w, const struct conjunction *c)
{
    struct array_limits limits;
    if (!limits_of(w, c, &limits))
        return rules_never(w->rules);
    note_what_is_left(w, c, &limits);
    uint32_t *prefix = lower_alloc(w, (size_t)limits.prefix + 1, sizeof *prefix);
    uint32_t rest = RULES_NONE;
    if (!prefix)
        return RULES_NONE;
    int n = 0;
    while (n < limits.prefix && (limits.max == EXPR_UNBOUNDED || n < limits.max)) {
        prefix[n] = item_node(w, c, n);
        if (prefix[n] == RULES_NONE)
            break;
        n++;
    }
    if (n == limits.prefix && (limits.max == EXPR_UNBOUNDED || n < limits.max))
        rest = item_node(w, c, -1);
    if (rest == RULES_NONE)
        add_max(&limits, n);
    if (limits.max != EXPR_UNBOUNDED && limits.max < limits.min)
        return rules_never(w->rules);
    uint32_t inside = RULES_NONE;
    if (limits.max != 0)
        inside = rules_items(w->rules, prefix, n, rest, w->comma, limits.min ? limits.min : 1, limits.max);
    return lower_enclosed(w, "[", inside, limits.min == 0, "]");
}
