/* Objects: names that stand in the schema become fields of their own; all others fall into kinds, by the patterns that
 * they match, and each kind is one field of many keys, with what all matching patterns and additionalProperties say
 * together. unevaluatedProperties is validated after. */
#include "grammar/schema/lower.h"

struct member {
    const char *name;
    struct parts value;
    bool required, forbidden;
    int field;                       /* -1: it has none */
};

/* Names beyond those in the schema that match the same patterns. */
struct cell {
    uint32_t names;                  /* term of the key's content */
    struct parts value;
};

struct object {
    struct lower *w;
    const struct conjunction *c;
    const struct facet *facets;      /* of its parts */
    int number;                      /* of all objects, from 1 on */
    struct member *members;
    int n_members, room;
    struct parts names;              /* propertyNames */
    struct cell cells[LOWER_MAX_CELLS];
    int n_cells;
    int64_t min, max;
    struct rule_need *needs;         /* between members */
    int n_needs, needs_room;
};

/* ---- names ---- */

/* Where the object keeps the place of this name; NULL: failed. */
static struct name_use *use_of(struct lower *w, const char *name)
{
    int32_t at;
    if (strmap_get(&w->names, str_of(name), &at))
        return &w->uses[at];
    if (w->n_uses == w->uses_room) {
        int room = w->uses_room ? 2 * w->uses_room : 64;
        struct name_use *more = lower_alloc(w, (size_t)room, sizeof *more);
        if (!more)
            return NULL;
        if (w->n_uses)
            memcpy(more, w->uses, (size_t)w->n_uses * sizeof *more);
        w->uses = more;
        w->uses_room = room;
    }
    if (!strmap_put(&w->names, str_of(name), w->n_uses, w->err)) {
        w->failed = true;
        return NULL;
    }
    return &w->uses[w->n_uses++];
}

static int member_at(struct object *o, const char *name)
{
    struct name_use *use = use_of(o->w, name);
    if (!use)
        return -1;
    if (use->object == o->number)
        return use->member;
    if (o->n_members == RULES_MAX_FIELDS) {
        lower_fail(o->w, ERR_LIMIT, "an object of the schema names more than %d properties", RULES_MAX_FIELDS);
        return -1;
    }
    if (o->n_members == o->room) {
        int room = o->room ? 2 * o->room : 16;
        struct member *more = lower_alloc(o->w, (size_t)room, sizeof *more);
        if (!more)
            return -1;
        if (o->n_members)
            memcpy(more, o->members, (size_t)o->n_members * sizeof *more);
        o->members = more;
        o->room = room;
    }
    *use = (struct name_use){o->number, o->n_members};
    o->members[o->n_members] = (struct member){.name = name, .field = -1};
    return o->n_members++;
}

static void require(struct object *o, const char *name)
{
    int at = member_at(o, name);
    if (at >= 0)
        o->members[at].required = true;
}

static void forbid(struct object *o, const char *name)
{
    int at = member_at(o, name);
    if (at >= 0)
        o->members[at].forbidden = true;
}

static void add_need(struct object *o, const char *name, const char *needed)
{
    struct rule_need need = {member_at(o, name), member_at(o, needed)};
    if (o->n_needs == o->needs_room) {
        int room = o->needs_room ? 2 * o->needs_room : 8;
        struct rule_need *more = lower_alloc(o->w, (size_t)room, sizeof *more);
        if (!more)
            return;
        if (o->n_needs)
            memcpy(more, o->needs, (size_t)o->n_needs * sizeof *more);
        o->needs = more;
        o->needs_room = room;
    }
    if (need.field >= 0 && need.needs >= 0)
        o->needs[o->n_needs++] = need;
}

/* dependentRequired, and of dependencies those that are lists of names. */
static void add_needs(struct object *o, const json_t *dependent)
{
    const char *name;
    json_t *list, *needed;
    size_t i;
    json_object_foreach((json_t *)dependent, name, list)
        json_array_foreach(list, i, needed)
            add_need(o, name, json_string_value(needed));
}

static void add_min(struct object *o, int64_t min)
{
    if (min > o->min)
        o->min = min;
}

static void add_max(struct object *o, int64_t max)
{
    if (o->max == EXPR_UNBOUNDED || max < o->max)
        o->max = max;
}

/* ---- what holds, and what does not ---- */

static void read_properties(struct object *o, const struct part *part)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)part_get(part, "properties"), name, value)
        member_at(o, name);
}

static void read_holding(struct object *o, const struct part *part)
{
    const json_t *min = part_get(part, "minProperties"), *max = part_get(part, "maxProperties");
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)part_get(part, "required"), i, name)
        require(o, json_string_value(name));
    add_needs(o, part_get(part, "dependentRequired"));
    add_needs(o, part_get(part, "dependencies"));
    parts_add_schema(o->w, &o->names, part_get(part, "propertyNames"));
    if (min)
        add_min(o, count_of(min));
    if (max)
        add_max(o, count_of(max));
    if (part_get(part, "unevaluatedProperties"))
        lower_leave(o->w, part->sub, "unevaluatedProperties");
}

/* false: no object breaks this keyword. */
static bool read_breaking(struct object *o, const struct part *part)
{
    const json_t *value = schema_get(part->sub, part->name);
    switch (schema_keyword(part->name)) {
    case KEYWORD_MIN_PROPERTIES: add_max(o, count_of(value) - 1); return count_of(value) > 0;
    case KEYWORD_MAX_PROPERTIES: add_min(o, count_of(value) + 1); return true;
    case KEYWORD_CONST: case KEYWORD_ENUM:
        if (gives_value_of(part, JSON_OBJECT))
            lower_leave(o->w, part->sub, NULL);
        return true;
    default: return false;
    }
}

static bool read_parts(struct object *o)
{
    for (int i = 0; i < o->c->n; i++)
        read_properties(o, &o->c->parts[i]);
    for (int i = 0; i < o->c->n && !o->w->failed; i++) {
        const struct part *part = &o->c->parts[i];
        switch (part->kind) {
        case PART_HOLDS: read_holding(o, part); break;
        case PART_LACKS: forbid(o, part->name); break;
        case PART_MEMBER: require(o, part->name); break;
        case PART_WITHOUT:
            if (!read_breaking(o, part))
                return false;
            break;
        case PART_BREAKS: case PART_TYPES: break;
        }
    }
    return !o->w->failed;
}

/* ---- values of named members ---- */

/* Whether a name, as it is spelled between quotes, matches. */
static bool name_matches(struct lower *w, const struct part *part, const char *pattern, uint32_t spelled_name)
{
    uint32_t term = string_pattern(w, part->sub, "patternProperties", str_of(pattern), false);
    return !expr_is_empty(w->x, expr_and(w->x, term, spelled_name));
}

const struct facet *facets_of(struct lower *w, const struct part *parts, int n)
{
    struct facet *facets = lower_alloc(w, (size_t)n + 1, sizeof *facets);
    for (int i = 0; facets && i < n; i++)
        facets[i] = (struct facet){part_get(&parts[i], "properties"), part_get(&parts[i], "patternProperties"),
                                   part_get(&parts[i], "additionalProperties")};
    return facets;
}

static void add_holding(struct lower *w, const struct part *part, const struct facet *facet, const char *name,
                        struct parts *ret)
{
    const json_t *own = json_object_get(facet->properties, name);
    bool known = own != NULL;
    const char *pattern;
    json_t *schema;
    parts_add_schema(w, ret, own);
    if (json_object_size(facet->patterns)) {
        uint32_t spelled = string_spelled(w, name, strlen(name));
        json_object_foreach((json_t *)facet->patterns, pattern, schema)
            if (name_matches(w, part, pattern, spelled)) {
                known = true;
                parts_add_schema(w, ret, schema);
            }
    }
    if (!known)
        parts_add_schema(w, ret, facet->additional);
}

bool member_parts(struct lower *w, const struct part *parts, const struct facet *facets, int n, const char *name,
                  struct parts *ret)
{
    for (int i = 0; i < n; i++) {
        const struct part *part = &parts[i];
        if (part->kind == PART_LACKS && strcmp(part->name, name) == 0)
            return false;
        if (part->kind == PART_MEMBER && strcmp(part->name, name) == 0)
            parts_add(w, ret, (struct part){.kind = PART_BREAKS, .sub = part->sub});
        if (part->kind == PART_HOLDS)
            add_holding(w, part, &facets[i], name, ret);
    }
    return !parts_say_never(ret);
}

static bool name_is_admitted(struct object *o, const char *name)
{
    if (o->names.n == 0)
        return true;
    json_t *value = json_string(name);
    bool admitted = value && parts_admit(o->w, o->names.at, o->names.n, value);
    json_decref(value);
    return admitted;
}

/* A member whose needs cannot be had cannot be had either. */
static void forbid_what_needs_the_forbidden(struct object *o)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (int i = 0; i < o->n_needs; i++)
            if (o->members[o->needs[i].needs].forbidden && !o->members[o->needs[i].field].forbidden)
                changed = o->members[o->needs[i].field].forbidden = true;
    }
}

/* false: one that is required cannot be had. */
static bool settle_members(struct object *o)
{
    for (int i = 0; i < o->n_members; i++) {
        struct member *m = &o->members[i];
        if (!name_is_admitted(o, m->name) || !member_parts(o->w, o->c->parts, o->facets, o->c->n, m->name, &m->value))
            m->forbidden = true;
    }
    forbid_what_needs_the_forbidden(o);
    for (int i = 0; i < o->n_members; i++)
        if (o->members[i].required && o->members[i].forbidden)
            return false;
    return true;
}

/* ---- all other names ---- */

static uint32_t other_names(struct object *o)
{
    struct lower *w = o->w;
    uint32_t *named = lower_alloc(w, (size_t)o->n_members + 1, sizeof *named);
    if (!named)
        return EXPR_NONE;
    for (int i = 0; i < o->n_members; i++)
        named[i] = string_spelled(w, o->members[i].name, strlen(o->members[i].name));
    uint32_t names = o->names.n ? string_goal(w, &o->names) : string_any(w);
    if (o->n_members == 0)
        return names;
    return expr_and(w->x, names, expr_not(w->x, expr_or_all(w->x, named, o->n_members)));
}

static void copy_parts(struct lower *w, struct parts *to, const struct parts *from)
{
    *to = (struct parts){0};
    for (int i = 0; i < from->n; i++)
        parts_add(w, to, from->at[i]);
}

/* Each cell in two: names that match and those that do not. matched[] tells of each cell whether a pattern of this part
 * matched. */
static void split_cells(struct object *o, const struct part *part, const char *pattern_text, const json_t *schema,
                        bool *matched)
{
    struct lower *w = o->w;
    uint32_t pattern = string_pattern(w, part->sub, "patternProperties", str_of(pattern_text), false);
    int n = o->n_cells;
    for (int i = 0; i < n; i++) {
        struct cell *cell = &o->cells[i];
        uint32_t in = expr_and(w->x, cell->names, pattern);
        uint32_t out = expr_and(w->x, cell->names, expr_not(w->x, pattern));
        if (expr_is_empty(w->x, in))
            continue;
        if (!expr_is_empty(w->x, out)) {
            if (o->n_cells == LOWER_MAX_CELLS) {
                lower_leave(w, part->sub, "patternProperties");   /* for these names */
                matched[i] = true;
                continue;
            }
            struct cell *rest = &o->cells[o->n_cells];
            matched[o->n_cells++] = matched[i];
            rest->names = out;
            copy_parts(w, &rest->value, &cell->value);
        }
        cell->names = in;
        matched[i] = true;
        parts_add_schema(w, &cell->value, schema);
    }
}

static void make_cells(struct object *o)
{
    struct lower *w = o->w;
    o->cells[0] = (struct cell){.names = other_names(o)};
    o->n_cells = 1;
    for (int i = 0; i < o->c->n && !w->failed; i++) {
        const struct part *part = &o->c->parts[i];
        bool matched[LOWER_MAX_CELLS] = {0};
        const char *pattern;
        json_t *schema;
        json_object_foreach((json_t *)part_get(part, "patternProperties"), pattern, schema)
            split_cells(o, part, pattern, schema, matched);
        for (int k = 0; k < o->n_cells; k++)
            if (!matched[k])
                parts_add_schema(w, &o->cells[k].value, part_get(part, "additionalProperties"));
    }
}

/* No name but those of the schema: seen without looking at any term. */
static bool is_closed(const struct object *o)
{
    for (int i = 0; i < o->c->n; i++) {
        const struct part *part = &o->c->parts[i];
        if (json_is_false(part_get(part, "additionalProperties")) &&
            json_object_size(part_get(part, "patternProperties")) == 0)
            return true;
    }
    return false;
}

/* ---- the node ---- */

static int add_fields(struct object *o, struct rule_field *fields)
{
    struct lower *w = o->w;
    int n = 0;
    for (int i = 0; i < o->n_members; i++) {
        struct member *m = &o->members[i];
        if (m->forbidden)
            continue;
        m->field = n;
        fields[n++] = (struct rule_field){
            .key = string_quoted(w, string_spelled(w, m->name, strlen(m->name))), .name = str_of(m->name),
            .value = lower_goal(w, &m->value), .required = m->required};
    }
    for (int i = 0; i < o->n_cells; i++) {
        const struct cell *cell = &o->cells[i];
        if (!parts_say_never(&cell->value) && cell->names != EXPR_NONE)
            fields[n++] = (struct rule_field){
                .key = string_quoted(w, cell->names), .value = lower_goal(w, &cell->value), .many = true};
    }
    return n;
}

static int add_field_needs(const struct object *o, struct rule_need *needs)
{
    int n = 0;
    for (int i = 0; i < o->n_needs; i++) {
        const struct member *from = &o->members[o->needs[i].field], *to = &o->members[o->needs[i].needs];
        if (from->field >= 0 && from != to)
            needs[n++] = (struct rule_need){from->field, to->field};
    }
    return n;
}

static uint32_t object_node(struct object *o)
{
    struct lower *w = o->w;
    struct rule_field *fields = lower_alloc(w, (size_t)(o->n_members + o->n_cells) + 1, sizeof *fields);
    struct rule_need *needs = lower_alloc(w, (size_t)o->n_needs + 1, sizeof *needs);
    if (!fields || !needs)
        return RULES_NONE;
    int n_fields = add_fields(o, fields), required = 0;
    for (int i = 0; i < n_fields; i++)
        required += fields[i].required;
    add_min(o, required);
    if (w->failed || (o->max != EXPR_UNBOUNDED && o->max < o->min))
        return rules_never(w->rules);
    const struct rule_object members = {
        .fields = fields, .n_fields = n_fields, .needs = needs, .n_needs = add_field_needs(o, needs),
        .min = o->min ? o->min : 1, .max = o->max, .colon = w->colon, .separator = w->comma,
        .any_order = schema_options_of(w->schema)->any_order};
    uint32_t inside = n_fields && o->max != 0 ? rules_members(w->rules, &members) : RULES_NONE;
    return lower_enclosed(w, "{", inside, o->min == 0, "}");
}

uint32_t lower_object(struct lower *w, const struct conjunction *c)
{
    struct object *o = lower_alloc(w, 1, sizeof *o);
    const struct facet *facets = facets_of(w, c->parts, c->n);
    if (!o || !facets)
        return RULES_NONE;
    *o = (struct object){.w = w, .c = c, .facets = facets, .number = ++w->n_objects, .max = EXPR_UNBOUNDED};
    uint32_t node = rules_never(w->rules);
    if (read_parts(o) && settle_members(o)) {
        if (!is_closed(o))
            make_cells(o);
        node = object_node(o);
    }
    return node;
}
