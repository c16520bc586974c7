/* What it means that a schema does not hold: one of its keywords is broken. Each gives a way, or several; keywords
 * whose breaking no rule can say give a way that admits too much. */
#include "grammar/schema/lower.h"

#include "grammar/schema/formats.h"

struct ways {
    struct lower *w;
    struct parts *at;
    int n, room;
    bool vague;   /* one of them cannot be said at all */
    bool rough;   /* one of them admits too much */
};

static struct parts *add_way(struct ways *ways)
{
    if (ways->n == ways->room) {
        int room = ways->room ? 2 * ways->room : 8;
        struct parts *more = lower_alloc(ways->w, (size_t)room, sizeof *more);
        if (!more)
            return NULL;
        if (ways->n)
            memcpy(more, ways->at, (size_t)ways->n * sizeof *more);
        ways->at = more;
        ways->room = room;
    }
    ways->at[ways->n] = (struct parts){0};
    return &ways->at[ways->n++];
}

static void add_part(struct ways *ways, struct parts *way, struct part part)
{
    if (way)
        parts_add(ways->w, way, part);
}

static void add_schema(struct ways *ways, enum part_kind kind, const struct subschema *sub)
{
    add_part(ways, add_way(ways), (struct part){.kind = kind, .sub = sub});
}

/* The keyword is broken by a value of these types. */
static void add_without(struct ways *ways, const struct subschema *sub, const char *keyword, unsigned types)
{
    struct parts *way = add_way(ways);
    add_part(ways, way, (struct part){.kind = PART_TYPES, .types = types});
    add_part(ways, way, (struct part){.kind = PART_WITHOUT, .sub = sub, .name = keyword});
}

/* As far as rules say it: the types it speaks of. */
static void add_roughly(struct ways *ways, unsigned types)
{
    add_part(ways, add_way(ways), (struct part){.kind = PART_TYPES, .types = types});
    ways->rough = true;
}

static void add_members(struct ways *ways, const json_t *value, bool required)
{
    const struct part object = {.kind = PART_TYPES, .types = TYPE_OBJECT};
    const char *name;
    json_t *item;
    size_t i;
    if (required)
        json_array_foreach((json_t *)value, i, item) {
            struct parts *way = add_way(ways);
            add_part(ways, way, object);
            add_part(ways, way, (struct part){.kind = PART_LACKS, .name = json_string_value(item)});
        }
    else
        json_object_foreach((json_t *)value, name, item) {
            struct parts *way = add_way(ways);
            const struct subschema *sub = schema_at(ways->w->schema, item);
            add_part(ways, way, object);
            add_part(ways, way, (struct part){.kind = PART_MEMBER, .name = name, .sub = sub});
        }
}

/* Of anyOf all are broken, of allOf one. */
static void add_branches(struct ways *ways, const json_t *branches, bool all)
{
    struct parts *way = all ? add_way(ways) : NULL;
    size_t i;
    json_t *branch;
    json_array_foreach((json_t *)branches, i, branch) {
        if (!all)
            way = add_way(ways);
        const struct subschema *sub = schema_at(ways->w->schema, branch);
        add_part(ways, way, (struct part){.kind = PART_BREAKS, .sub = sub});
    }
}

static void negate_keyword(struct ways *ways, const struct subschema *sub, const char *name, const json_t *value)
{
    const struct schema_options *options = schema_options_of(ways->w->schema);
    switch (schema_keyword(name)) {
    case KEYWORD_UNKNOWN: case KEYWORD_OTHER: case KEYWORD_REF: case KEYWORD_DYNAMIC_REF: break;
    case KEYWORD_THEN: case KEYWORD_ELSE: case KEYWORD_MIN_CONTAINS: case KEYWORD_MAX_CONTAINS: break;
    case KEYWORD_TYPE:
        add_part(ways, add_way(ways), (struct part){.kind = PART_TYPES, .types = TYPE_ANY & ~types_named(value)});
        break;
    case KEYWORD_ENUM: case KEYWORD_CONST: add_without(ways, sub, name, TYPE_ANY); break;
    case KEYWORD_EXCLUSIVE_MINIMUM: case KEYWORD_EXCLUSIVE_MAXIMUM:
        if (json_is_boolean(value))
            break;   /* draft 4: part of minimum and maximum */
        /* fall through */
    case KEYWORD_MINIMUM: case KEYWORD_MAXIMUM: case KEYWORD_MULTIPLE_OF:
        add_without(ways, sub, name, TYPE_NUMBER);
        break;
    case KEYWORD_FORMAT:
        if (options->formats && schema_format_pattern(str_of(json_string_value(value))))
            add_without(ways, sub, name, TYPE_STRING);
        else if (options->formats && strcmp(json_string_value(value), "regex") == 0)
            add_roughly(ways, TYPE_STRING);
        break;
    case KEYWORD_MIN_LENGTH: case KEYWORD_MAX_LENGTH: case KEYWORD_PATTERN:
        add_without(ways, sub, name, TYPE_STRING);
        break;
    case KEYWORD_MIN_ITEMS: case KEYWORD_MAX_ITEMS: add_without(ways, sub, name, TYPE_ARRAY); break;
    case KEYWORD_MIN_PROPERTIES: case KEYWORD_MAX_PROPERTIES: add_without(ways, sub, name, TYPE_OBJECT); break;
    case KEYWORD_REQUIRED: add_members(ways, value, true); break;
    case KEYWORD_PROPERTIES: add_members(ways, value, false); break;
    case KEYWORD_ALL_OF: add_branches(ways, value, false); break;
    case KEYWORD_ANY_OF: add_branches(ways, value, true); break;
    case KEYWORD_NOT: add_schema(ways, PART_HOLDS, schema_at(ways->w->schema, value)); break;
    case KEYWORD_ITEMS: case KEYWORD_PREFIX_ITEMS: case KEYWORD_ADDITIONAL_ITEMS: case KEYWORD_CONTAINS:
    case KEYWORD_UNIQUE_ITEMS: case KEYWORD_UNEVALUATED_ITEMS:
        add_roughly(ways, TYPE_ARRAY);
        break;
    case KEYWORD_PATTERN_PROPERTIES: case KEYWORD_ADDITIONAL_PROPERTIES: case KEYWORD_PROPERTY_NAMES:
    case KEYWORD_DEPENDENCIES: case KEYWORD_DEPENDENT_REQUIRED: case KEYWORD_DEPENDENT_SCHEMAS:
    case KEYWORD_UNEVALUATED_PROPERTIES:
        add_roughly(ways, TYPE_OBJECT);
        break;
    case KEYWORD_ONE_OF: case KEYWORD_IF: ways->vague = true; break;
    }
}

int negate(struct lower *w, const struct subschema *sub, struct parts **ret, bool *ret_rough)
{
    struct ways ways = {.w = w};
    if (json_is_boolean(sub->json)) {
        if (json_is_false(sub->json))
            add_way(&ways);
    } else {
        const char *name;
        json_t *value;
        ways.vague = sub->dynamic_ref != NULL;
        if (sub->ref)
            add_schema(&ways, PART_BREAKS, sub->ref);
        if (sub->both_ref)
            add_schema(&ways, PART_BREAKS, sub->both_ref);
        json_object_foreach((json_t *)sub->json, name, value)
            if (schema_get(sub, name) == value)
                negate_keyword(&ways, sub, name, value);
    }
    *ret = ways.at;
    *ret_rough = ways.rough;
    return ways.vague ? -1 : ways.n;
}
