/* A goal to conjunctions: references and allOf are followed, types intersected, and each choice (anyOf, oneOf, if,
 * dependent schemas, what is not to hold) taken in each way, ways that no type is left for dropped at once. Where the
 * ways of several choices would multiply beyond SCHEMA_MAX_BRANCHES, a choice is left open and validated after. */
#include "grammar/schema/lower.h"

#define EXPAND_MAX_NEGATED 16     /* ways to break one schema; beyond, it is validated after */
#define EXPAND_MAX_APART 64       /* branches of a oneOf that are compared with each other */
#define EXPAND_MAX_EXCLUDED 3     /* other branches that a way of oneOf is to break */
#define EXPAND_MAX_VISITS 8192    /* ways looked at for one place, also those that come to nothing */
#define EXPAND_MAX_DEPTH 64       /* choices taken one within the other */

struct choice {
    struct parts *ways;
    int n;
    const struct subschema *sub;  /* whose keyword it is; NULL keyword: the choice is how to break sub */
    const char *keyword;
};

struct expansion {
    struct lower *w;
    struct parts parts;
    int next;                     /* parts from here on are not looked at yet */
    unsigned types;
    bool finite;
    bool loose;                   /* something is left to the validator */
    struct choice choices[LOWER_MAX_CHOICES];
    int n_choices;
};

static void settle(struct expansion *e, bool with_choices);

/* ---- types ---- */

static unsigned type_named(const char *name)
{
    static const struct {
        const char *name;
        unsigned types;
    } names[] = {{"null", TYPE_NULL}, {"boolean", TYPE_FALSE | TYPE_TRUE}, {"integer", TYPE_INTEGER},
                 {"number", TYPE_NUMBER}, {"string", TYPE_STRING}, {"array", TYPE_ARRAY}, {"object", TYPE_OBJECT}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i].name) == 0)
            return names[i].types;
    return 0;
}

unsigned types_named(const json_t *type)
{
    if (!type)
        return TYPE_ANY;
    if (json_is_string(type))
        return type_named(json_string_value(type));
    unsigned types = 0;
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)type, i, one)
        types |= type_named(json_string_value(one));
    return types;
}

/* What a finite conjunction comes to leaves nothing: its values are tried. */
static void leave(struct expansion *e, const struct subschema *sub, const char *keyword)
{
    e->loose = true;
    lower_tell(e->w, sub, keyword);
}

/* ---- choices ---- */

static void add_choice(struct expansion *e, struct parts *ways, int n, const struct subschema *sub,
                       const char *keyword)
{
    if (n == 0) {
        e->types = 0;
    } else if (n == 1) {
        for (int i = 0; i < ways->n; i++)
            parts_add(e->w, &e->parts, ways->at[i]);
    } else if (e->n_choices == LOWER_MAX_CHOICES) {
        leave(e, sub, keyword);
    } else {
        e->choices[e->n_choices++] = (struct choice){ways, n, sub, keyword};
    }
}

static struct parts *ways_of(struct expansion *e, const json_t *branches)
{
    size_t n = json_array_size(branches);
    struct parts *ways = lower_alloc(e->w, n ? n : 1, sizeof *ways);
    for (size_t i = 0; ways && i < n; i++)
        parts_add_schema(e->w, &ways[i], json_array_get(branches, i));
    return ways;
}

static void add_any_of(struct expansion *e, const struct subschema *sub)
{
    const json_t *branches = schema_get(sub, "anyOf");
    struct parts *ways = branches ? ways_of(e, branches) : NULL;
    if (ways)
        add_choice(e, ways, (int)json_array_size(branches), sub, "anyOf");
}

/* ---- what cannot be ---- */

/* What is certain about a set of parts, whatever way its choices go. */
static void certain(struct lower *w, const struct parts *parts, unsigned types, struct expansion *ret)
{
    *ret = (struct expansion){.w = w, .types = types};
    for (int i = 0; i < parts->n; i++)
        parts_add(w, &ret->parts, parts->at[i]);
    settle(ret, false);
}

static bool contradicts(struct lower *w, const struct parts *parts, unsigned types, bool members);

static bool no_value_left(const struct expansion *e)
{
    const struct conjunction c = {.parts = e->parts.at, .n = e->parts.n, .types = e->types, .finite = true};
    const json_t *value;
    for (size_t i = 0; (value = finite_value(&c, i)); i++)
        if (values_admit(e->w, &c, value))
            return false;
    return true;
}

/* A member that must be there can have no value. */
static bool no_member_left(const struct expansion *e)
{
    const struct facet *facets = facets_of(e->w, e->parts.at, e->parts.n);
    for (int i = 0; facets && i < e->parts.n; i++) {
        const json_t *required = part_get(&e->parts.at[i], "required");
        size_t k;
        json_t *item;
        json_array_foreach((json_t *)required, k, item) {
            struct parts value = {0};
            if (!member_parts(e->w, e->parts.at, facets, e->parts.n, json_string_value(item), &value) ||
                contradicts(e->w, &value, TYPE_ANY, false))
                return true;
        }
    }
    return false;
}

/* Seen at a glance: no value of these types obeys all parts. */
static bool contradicts(struct lower *w, const struct parts *parts, unsigned types, bool members)
{
    struct expansion e;
    certain(w, parts, types, &e);
    if (e.types == 0 || parts_say_never(&e.parts))
        return true;
    if (e.finite)
        return no_value_left(&e);
    return members && e.types == TYPE_OBJECT && no_member_left(&e);
}

/* ---- oneOf ---- */

static const struct subschema *branch_at(const struct expansion *e, const json_t *branches, int i)
{
    return schema_at(e->w->schema, json_array_get(branches, (size_t)i));
}

static bool branches_overlap(struct expansion *e, const json_t *branches, int i, int j)
{
    struct parts both = {0};
    parts_add(e->w, &both, (struct part){.kind = PART_HOLDS, .sub = branch_at(e, branches, i)});
    parts_add(e->w, &both, (struct part){.kind = PART_HOLDS, .sub = branch_at(e, branches, j)});
    return !contradicts(e->w, &both, e->types, true);
}

/* A way for each branch, which breaks the others that cannot be told apart from it at a glance: as long as these are
 * few. */
static void add_one_of(struct expansion *e, const struct subschema *sub)
{
    const json_t *branches = schema_get(sub, "oneOf");
    int n = (int)json_array_size(branches);
    struct parts *ways = branches ? ways_of(e, branches) : NULL;
    if (!ways)
        return;
    if (n > EXPAND_MAX_APART) {
        leave(e, sub, "oneOf");
        add_choice(e, ways, n, sub, "oneOf");
        return;
    }
    int excluded[EXPAND_MAX_APART] = {0};
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            if (!branches_overlap(e, branches, i, j))
                continue;
            if (++excluded[i] > EXPAND_MAX_EXCLUDED || ++excluded[j] > EXPAND_MAX_EXCLUDED) {
                leave(e, sub, "oneOf");
                continue;
            }
            parts_add(e->w, &ways[i], (struct part){.kind = PART_BREAKS, .sub = branch_at(e, branches, j)});
            parts_add(e->w, &ways[j], (struct part){.kind = PART_BREAKS, .sub = branch_at(e, branches, i)});
        }
    add_choice(e, ways, n, sub, "oneOf");
}

/* ---- other choices ---- */

static void add_if(struct expansion *e, const struct subschema *sub)
{
    const json_t *condition = schema_get(sub, "if"), *then = schema_get(sub, "then"), *other = schema_get(sub, "else");
    if (!condition || (!then && !other))
        return;
    struct parts *ways = lower_alloc(e->w, 2, sizeof *ways);
    if (!ways)
        return;
    parts_add_schema(e->w, &ways[0], condition);
    parts_add_schema(e->w, &ways[0], then);
    parts_add(e->w, &ways[1], (struct part){.kind = PART_BREAKS, .sub = schema_at(e->w->schema, condition)});
    parts_add_schema(e->w, &ways[1], other);
    add_choice(e, ways, 2, sub, "if");
}

/* A member that brings a schema with it is not there, or the schema holds. */
static void add_dependent_schemas(struct expansion *e, const struct subschema *sub, const char *keyword)
{
    const char *name;
    json_t *schema;
    json_object_foreach((json_t *)schema_get(sub, keyword), name, schema) {
        struct parts *ways = json_is_array(schema) ? NULL : lower_alloc(e->w, 2, sizeof *ways);
        if (!ways)
            continue;
        parts_add(e->w, &ways[0], (struct part){.kind = PART_LACKS, .name = name});
        parts_add_schema(e->w, &ways[1], schema);
        add_choice(e, ways, 2, sub, keyword);
    }
}

/* ---- parts, one by one ---- */

static void add_holds(struct expansion *e, const struct subschema *sub)
{
    if (sub)
        parts_add(e->w, &e->parts, (struct part){.kind = PART_HOLDS, .sub = sub});
}

static void look_at_schema(struct expansion *e, const struct subschema *sub, bool with_choices)
{
    const json_t *negated = schema_get(sub, "not");
    size_t i;
    json_t *one;
    e->types &= types_named(schema_get(sub, "type"));
    e->finite |= schema_get(sub, "enum") || schema_get(sub, "const");
    if (sub->dynamic_ref)
        leave(e, sub, "$dynamicRef");
    add_holds(e, sub->ref);
    add_holds(e, sub->both_ref);
    json_array_foreach((json_t *)schema_get(sub, "allOf"), i, one)
        add_holds(e, schema_at(e->w->schema, one));
    if (negated)
        parts_add(e->w, &e->parts, (struct part){.kind = PART_BREAKS, .sub = schema_at(e->w->schema, negated)});
    if (!with_choices)
        return;
    add_any_of(e, sub);
    add_one_of(e, sub);
    add_if(e, sub);
    add_dependent_schemas(e, sub, "dependentSchemas");
    add_dependent_schemas(e, sub, "dependencies");
}

static void look_at_negated(struct expansion *e, const struct subschema *sub, bool with_choices)
{
    struct parts *ways;
    bool rough = false;
    int n = negate(e->w, sub, &ways, &rough);
    if (rough || n < 0 || n > EXPAND_MAX_NEGATED)
        leave(e, sub, NULL);
    if (n < 0 || n > EXPAND_MAX_NEGATED)
        return;
    if (n < 2 || with_choices)
        add_choice(e, ways, n, sub, NULL);
}

static void settle(struct expansion *e, bool with_choices)
{
    while (e->next < e->parts.n && e->types && !e->w->failed) {
        const struct part part = e->parts.at[e->next++];
        switch (part.kind) {
        case PART_HOLDS:
            if (json_is_false(part.sub->json))
                e->types = 0;
            else if (json_is_object(part.sub->json))
                look_at_schema(e, part.sub, with_choices);
            break;
        case PART_BREAKS: look_at_negated(e, part.sub, with_choices); break;
        case PART_TYPES: e->types &= part.types; break;
        case PART_MEMBER: e->types &= TYPE_OBJECT; break;
        case PART_WITHOUT: case PART_LACKS: break;
        }
    }
}

/* ---- ways multiplied ---- */

static bool is_open(const struct expansion *e, const struct parts *way)
{
    for (int i = 0; i < way->n; i++) {
        const struct part *part = &way->at[i];
        unsigned types = part->kind == PART_TYPES ? part->types : types_named(part_get(part, "type"));
        if (!(types & e->types) || (part->kind == PART_HOLDS && json_is_false(part->sub->json)))
            return false;
    }
    return true;
}

/* Takes the first choice out that has several ways left; those with one way are taken on the way. false: no choice is
 * left, or no type. */
static bool next_choice(struct expansion *e, struct choice *ret)
{
    settle(e, true);
    while (e->types && !e->finite && e->n_choices > 0 && !e->w->failed) {
        struct choice choice = e->choices[0];
        memmove(e->choices, e->choices + 1, (size_t)--e->n_choices * sizeof choice);
        struct parts *open = lower_alloc(e->w, (size_t)choice.n, sizeof *open);
        int n = 0;
        for (int i = 0; open && i < choice.n; i++)
            if (is_open(e, &choice.ways[i]))
                open[n++] = choice.ways[i];
        if (n > 1) {
            *ret = (struct choice){open, n, choice.sub, choice.keyword};
            return true;
        }
        add_choice(e, open, n, choice.sub, choice.keyword);
        settle(e, true);
    }
    return false;
}

static int emit(struct expansion *e, struct conjunction ***tail)
{
    struct conjunction *c = e->types ? lower_alloc(e->w, 1, sizeof *c) : NULL;
    if (!c)
        return 0;
    *c = (struct conjunction){.parts = e->parts.at, .n = e->parts.n, .types = e->types, .finite = e->finite};
    e->w->loose |= e->loose && !e->finite;
    **tail = c;
    *tail = &c->next;
    return 1;
}

/* e with one way of its next choice. */
static struct expansion take_way(const struct expansion *e, const struct parts *taken)
{
    struct expansion way = *e;
    int room = e->parts.n + taken->n;
    way.parts = (struct parts){.at = lower_alloc(e->w, (size_t)room + 1, sizeof *way.parts.at)};
    if (!way.parts.at)
        return way;
    memcpy(way.parts.at, e->parts.at, (size_t)e->parts.n * sizeof *way.parts.at);
    way.parts.n = e->parts.n;
    way.parts.room = room + 1;
    for (int i = 0; i < taken->n; i++)
        parts_add(e->w, &way.parts, taken->at[i]);
    return way;
}

struct effort {
    int visits, depth;   /* that are left */
};

/* At most `most` conjunctions, shared evenly among the ways of a choice; what one way does not need the next ones have.
 * Most ways of conditions exclude each other, so how many there are is not known before. Returns how many it made. */
static int branch(struct expansion *e, int most, struct effort *effort, struct conjunction ***tail)
{
    struct choice choice;
    while (next_choice(e, &choice)) {
        if (most < SCHEMA_MAX_BRANCHES && e->types == TYPE_OBJECT && no_member_left(e))
            return 0;
        if (choice.n > most || choice.n > effort->visits || effort->depth == 0) {
            leave(e, choice.sub, choice.keyword);
            continue;
        }
        int made = 0;
        effort->visits -= choice.n;
        effort->depth--;
        for (int i = 0; i < choice.n && !e->w->failed; i++) {
            struct expansion way = take_way(e, &choice.ways[i]);
            made += branch(&way, (most - made) / (choice.n - i), effort, tail);
        }
        effort->depth++;
        return made;
    }
    return emit(e, tail);
}

struct conjunction *expand(struct lower *w, const struct parts *parts)
{
    struct conjunction *first = NULL, **tail = &first;
    struct expansion e = {.w = w, .types = TYPE_ANY};
    struct effort effort = {EXPAND_MAX_VISITS, EXPAND_MAX_DEPTH};
    for (int i = 0; i < parts->n; i++)
        parts_add(w, &e.parts, parts->at[i]);
    branch(&e, SCHEMA_MAX_BRANCHES, &effort, &tail);
    return w->failed ? NULL : first;
}
