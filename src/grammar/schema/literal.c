/* Given values (enum, const) as JSON: scalars as one term each, objects and arrays with the white space that is allowed
 * elsewhere. Numbers stand in their shortest spelling. */
#include "grammar/schema/lower.h"

#include "data/json.h"

const json_t *finite_value(const struct conjunction *c, size_t i)
{
    for (int k = 0; k < c->n; k++) {
        const json_t *list = part_get(&c->parts[k], "enum"), *value = part_get(&c->parts[k], "const");
        if (value)
            return i == 0 ? value : NULL;
        if (list)
            return json_array_get(list, i);
    }
    return NULL;
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
