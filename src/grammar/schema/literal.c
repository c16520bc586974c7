/* Given values (enum, const) as JSON: scalars as one term each, objects and arrays with the white space that is allowed
 * elsewhere. Numbers stand in their shortest spelling; what the schema writes as 2.0 may be written so too. */
#include "grammar/schema/lower.h"

#include "data/json.h"

/* Which part gives the values. */
static int giving_part(const struct conjunction *c)
{
    for (int i = 0; i < c->n; i++)
        if (part_get(&c->parts[i], "const") || part_get(&c->parts[i], "enum"))
            return i;
    return -1;
}

const json_t *finite_value(const struct conjunction *c, size_t i)
{
    int at = giving_part(c);
    if (at < 0)
        return NULL;
    const json_t *value = part_get(&c->parts[at], "const");
    if (value)
        return i == 0 ? value : NULL;
    return json_array_get(part_get(&c->parts[at], "enum"), i);
}

/* Of all that holds a value to something its schema has only `one` and `other`. */
static bool says_only(const struct part *part, enum keyword one, enum keyword other)
{
    const char *name;
    json_t *value;
    if (part->kind != PART_HOLDS)
        return false;
    json_object_foreach((json_t *)part->sub->json, name, value) {
        enum keyword keyword = schema_get(part->sub, name) || strcmp(name, "$ref") == 0 ? schema_keyword(name)
                                                                                        : KEYWORD_OTHER;
        if (keyword != KEYWORD_UNKNOWN && keyword != KEYWORD_OTHER && keyword != one && keyword != other)
            return false;
    }
    return true;
}

/* A value need not be looked for in the list that it comes from, nor tried against a reference whose target is another
 * part: lists are long, and every value would walk them. */
bool values_admit(struct lower *w, const struct conjunction *c, const json_t *value)
{
    int at = giving_part(c);
    const struct part types = {.kind = PART_TYPES, .types = c->types};
    if (!parts_admit(w, &types, 1, value))
        return false;
    for (int i = 0; i < c->n; i++) {
        const struct part *part = &c->parts[i];
        if (i == at && says_only(part, KEYWORD_TYPE, KEYWORD_ENUM))
            continue;
        if (part->sub && part->sub->ref && says_only(part, KEYWORD_REF, KEYWORD_REF))
            continue;
        if (!parts_admit(w, part, 1, value))
            return false;
    }
    return true;
}

bool gives_value_of(const struct part *part, json_type type)
{
    const json_t *list = schema_get(part->sub, part->name), *value;
    if (strcmp(part->name, "const") == 0)
        return json_typeof(list) == type;
    for (size_t i = 0; (value = json_array_get(list, i)); i++)
        if (json_typeof(value) == type)
            return true;
    return false;
}

uint32_t literal_term(struct lower *w, const json_t *value)
{
    if (json_is_string(value))
        return string_quoted(w, string_spelled(w, json_string_value(value), json_string_length(value)));
    struct buf text = BUF_INIT(64);
    struct json_writer writer = JSON_WRITER(&text);
    json_value(&writer, value);
    uint32_t term = expr_literal(w->x, buf_view(&text));
    if (json_is_real(value) && str_find(buf_view(&text), STR(".")) == SIZE_MAX &&
        str_find(buf_view(&text), STR("e")) == SIZE_MAX)
        term = expr_concat(w->x, term, expr_or(w->x, EXPR_EMPTY, expr_literal(w->x, STR(".0"))));
    buf_free(&text);
    return term;
}

static uint32_t array(struct lower *w, const json_t *value)
{
    size_t n = json_array_size(value);
    uint32_t *nodes = lower_alloc(w, n + 1, sizeof *nodes);
    for (size_t i = 0; nodes && i < n; i++)
        nodes[i] = lower_literal(w, json_array_get(value, i));
    uint32_t inside = nodes && n ? rules_items(w->rules, nodes, (int)n, RULES_NONE, w->comma, (int64_t)n, (int64_t)n)
                                 : RULES_NONE;
    return lower_enclosed(w, "[", inside, n == 0, "]");
}

static uint32_t object(struct lower *w, const json_t *value)
{
    int n = 0, room = (int)json_object_size(value);
    struct rule_field *fields = lower_alloc(w, (size_t)room + 1, sizeof *fields);
    const char *name;
    json_t *member;
    if (fields)
        json_object_foreach((json_t *)value, name, member)
            fields[n++] = (struct rule_field){
                .key = string_quoted(w, string_spelled(w, name, strlen(name))), .name = str_of(name),
                .value = lower_literal(w, member), .required = true};
    const struct rule_object members = {
        .fields = fields, .n_fields = n, .min = n, .max = n, .colon = w->colon, .separator = w->comma,
        .any_order = schema_options_of(w->schema)->any_order};
    return lower_enclosed(w, "{", n ? rules_members(w->rules, &members) : RULES_NONE, n == 0, "}");
}

uint32_t lower_literal(struct lower *w, const json_t *value)
{
    if (json_is_array(value))
        return array(w, value);
    if (json_is_object(value))
        return object(w, value);
    return rules_term(w->rules, literal_term(w, value));
}
