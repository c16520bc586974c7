/* Sets of parts: what must hold at one place of an answer. Adding keeps a set free of repetition and of what says
 * nothing; trying a finished value is the validator's business. */
#include "grammar/schema/lower.h"

#include <math.h>

static bool same_part(const struct part *a, const struct part *b)
{
    if (a->kind != b->kind || a->sub != b->sub || a->types != b->types)
        return false;
    return a->name == b->name || (a->name && b->name && strcmp(a->name, b->name) == 0);
}

static bool is_boolean(const struct part *part, bool value)
{
    const json_t *json = part->sub->json;
    bool empty = json_is_object(json) && json_object_size(json) == 0;
    return value ? json_is_true(json) || empty : json_is_false(json);
}

/* Every value obeys it, or none does. */
static bool says_only(const struct part *part, bool value)
{
    if (part->kind != PART_HOLDS && part->kind != PART_BREAKS)
        return false;
    return is_boolean(part, (part->kind == PART_HOLDS) == value);
}

void parts_add(struct lower *w, struct parts *parts, struct part part)
{
    if (says_only(&part, true))
        return;
    for (int i = 0; i < parts->n; i++)
        if (same_part(&parts->at[i], &part))
            return;
    if (parts->n == LOWER_MAX_PARTS) {
        w->loose = true;
        return;
    }
    if (parts->n == parts->room) {
        int room = parts->room ? 2 * parts->room : 4;
        struct part *more = lower_alloc(w, (size_t)room, sizeof *more);
        if (!more)
            return;
        if (parts->n)
            memcpy(more, parts->at, (size_t)parts->n * sizeof *more);
        parts->at = more;
        parts->room = room;
    }
    parts->at[parts->n++] = part;
}

void parts_add_schema(struct lower *w, struct parts *parts, const json_t *json)
{
    if (json)
        parts_add(w, parts, (struct part){.kind = PART_HOLDS, .sub = schema_at(w->schema, json)});
}

bool parts_say_never(const struct parts *parts)
{
    for (int i = 0; i < parts->n; i++)
        if (says_only(&parts->at[i], false))
            return true;
    return false;
}

/* ---- finished values ---- */

static unsigned type_of_value(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL: return TYPE_NULL;
    case JSON_FALSE: return TYPE_FALSE;
    case JSON_TRUE: return TYPE_TRUE;
    case JSON_INTEGER: return TYPE_INTEGER;
    case JSON_REAL: return floor(json_real_value(value)) == json_real_value(value) ? TYPE_INTEGER : TYPE_FRACTION;
    case JSON_STRING: return TYPE_STRING;
    case JSON_ARRAY: return TYPE_ARRAY;
    case JSON_OBJECT: return TYPE_OBJECT;
    }
    return 0;
}

/* What the validator cannot say in time is admitted, and validated after. */
static bool obeys(struct lower *w, const struct subschema *sub, const json_t *value, bool wanted)
{
    bool holds;
    if (schema_try(w->schema, sub, value, &holds))
        return holds == wanted;
    w->loose = true;
    return true;
}

/* PART_WITHOUT stands beside the PART_BREAKS that it comes from, which says it for a finished value. */
static bool admits(struct lower *w, const struct part *part, const json_t *value)
{
    const json_t *member;
    switch (part->kind) {
    case PART_HOLDS: return obeys(w, part->sub, value, true);
    case PART_BREAKS: return obeys(w, part->sub, value, false);
    case PART_WITHOUT: return true;
    case PART_TYPES: return part->types & type_of_value(value);
    case PART_LACKS: return !json_object_get(value, part->name);
    case PART_MEMBER:
        member = json_object_get(value, part->name);
        return member && obeys(w, part->sub, member, false);
    }
    return false;
}

bool parts_admit(struct lower *w, const struct part *parts, int n, const json_t *value)
{
    for (int i = 0; i < n; i++)
        if (!admits(w, &parts[i], value))
            return false;
    return true;
}

int64_t count_of(const json_t *value)
{
    if (json_is_integer(value))
        return json_integer_value(value);
    double real = json_real_value(value);
    return real >= 0x1p62 ? INT64_C(1) << 62 : (int64_t)real;
}
