/* Tools of Anthropic's dialect as functions of a chat-completions body. Tools that run at Anthropic, or whose shape is
 * known to its models alone, are refused by name. */
#include <stdio.h>

#include "gateway/api/anthropic/anthropic_internal.h"

static bool check_type(struct anthropic_parse *p, const char *field, const json_t *tool)
{
    const json_t *type = json_object_get(tool, "type");
    if (!type || json_is_null(type) || (json_is_string(type) && strcmp(json_string_value(type), "custom") == 0))
        return true;
    if (!json_is_string(type))
        return anthropic_bad_type(p, field, "an object whose type is a string", type);
    return err_set(p->err, ERR_INVALID,
                   "'%s.type' is '%.60s', a tool that only Anthropic's own API has; tools of your own have the type "
                   "custom, a name and an input_schema",
                   field, json_string_value(type));
}

static bool take_tool(struct anthropic_parse *p, const char *field, const json_t *tool, json_t *tools)
{
    static const char *const keys[] = {"type",   "name",          "description",           "input_schema",
                                       "strict", "cache_control", "eager_input_streaming", "input_examples",
                                       NULL};
    struct str name;
    const json_t *schema = json_object_get(tool, "input_schema"), *description = json_object_get(tool, "description");
    const json_t *strict = json_object_get(tool, "strict");
    if (!json_is_object(tool))
        return anthropic_bad_type(p, field, "an object", tool);
    if (!check_type(p, field, tool) || !anthropic_only_keys(p, field, tool, keys) ||
        !anthropic_need_str(p, field, tool, "name", &name))
        return false;
    if (!json_is_object(schema))
        return err_set(p->err, ERR_INVALID, "'%s.input_schema' must be an object, not %s", field,
                       schema ? json_type_name(schema) : "missing");
    if (strict && !json_is_boolean(strict) && !json_is_null(strict))
        return err_set(p->err, ERR_INVALID, "'%s.strict' must be true or false", field);
    if (json_array_size(json_object_get(tool, "input_examples")))
        anthropic_needs(p, NEED_ANTHROPIC, "tools (input_examples)");
    json_t *function = json_pack("{s:O, s:O}", "name", json_object_get(tool, "name"), "parameters", schema);
    bool ok = function != NULL;
    if (ok && description)
        ok = json_object_set(function, "description", (json_t *)description) == 0;
    if (ok && json_is_true(strict))
        ok = json_object_set(function, "strict", (json_t *)strict) == 0;
    ok = json_array_append_new(tools, json_pack("{s:s, s:o}", "type", "function", "function", function)) == 0 && ok;
    return ok || err_nomem(p->err, field);
}

bool anthropic_take_tools(struct anthropic_parse *p, const char *field, const json_t *value)
{
    json_t *tools = json_array();
    if (!json_is_array(value)) {
        json_decref(tools);
        return anthropic_bad_type(p, field, "an array", value);
    }
    if (!anthropic_put(p, "tools", tools))
        return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        char name[ANTHROPIC_FIELD_BYTES];
        snprintf(name, sizeof name, "tools[%zu]", i);
        if (!take_tool(p, name, json_array_get(value, i), tools))
            return false;
    }
    return json_array_size(tools) > 0 || json_object_del(p->chat, "tools") == 0;
}

bool anthropic_take_tool_choice(struct anthropic_parse *p, const char *field, const json_t *value)
{
    static const char *const keys[] = {"type", "name", "disable_parallel_tool_use", NULL};
    struct str type, name;
    bool one = false;
    json_t *choice = NULL;
    if (!json_is_object(value))
        return anthropic_bad_type(p, field, "an object with a type", value);
    if (!anthropic_only_keys(p, field, value, keys) || !anthropic_need_str(p, field, value, "type", &type))
        return false;
    if (!json_get_bool(value, "disable_parallel_tool_use", &one, p->err))
        return err_prefix(p->err, "'%s': ", field);
    if (str_is(type, "tool")) {
        if (!anthropic_need_str(p, field, value, "name", &name))
            return false;
        choice = json_pack("{s:s, s:{s:O}}", "type", "function", "function", "name", json_object_get(value, "name"));
    } else if (str_is(type, "auto") || str_is(type, "none")) {
        choice = json_incref(json_object_get(value, "type"));
    } else if (str_is(type, "any")) {
        choice = json_string("required");
    } else {
        return err_set(p->err, ERR_INVALID, "'%s.type' is '" STR_FMT "'; it must be auto, any, tool or none", field,
                       STR_ARG(utf8_clip(type, 40)));
    }
    return anthropic_put(p, "tool_choice", choice) &&
           (!one || anthropic_put(p, "parallel_tool_calls", json_false()));
}
