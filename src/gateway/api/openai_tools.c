/* Tools of a chat-completions body: what may be called, whether it may be, and the calls and results of the history.
 * All shapes are checked here, each error naming the message and call, so that a template downstream meets only what
 * the API promises. Requests that only an upstream can honour (a forced call, a strict schema) are noted as such. */
#include <stdio.h>

#include "gateway/api/openai_internal.h"

#define MAX_TOOLS 128
#define MAX_CALLS 128
#define MAX_TOOL_NAME 64
#define FIELD_BYTES 96

/* 'FIELD' must be WHAT, not TYPE. */
static bool wrong(struct openai_parse *p, const char *field, const char *what, const json_t *value)
{
    if (!value)
        return err_set(p->err, ERR_INVALID, "'%s' is missing; it must be %s", field, what);
    return err_set(p->err, ERR_INVALID, "'%s' must be %s, not %s", field, what, json_type_name(value));
}

static bool check_name(struct openai_parse *p, const char *field, const json_t *value)
{
    if (!json_is_string(value))
        return wrong(p, field, "a string", value);
    const char *name = json_string_value(value);
    size_t n = json_string_length(value);
    bool ok = n >= 1 && n <= MAX_TOOL_NAME;
    for (size_t i = 0; ok && i < n; i++)
        ok = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
             (name[i] >= '0' && name[i] <= '9') || name[i] == '_' || name[i] == '-' || name[i] == '.';
    return ok || err_set(p->err, ERR_INVALID, "'%s' must have 1 to %d letters, digits, '_', '-' or '.'", field,
                         MAX_TOOL_NAME);
}

/* ---- what may be called ---- */

static bool check_function_member(struct openai_parse *p, size_t i, const char *key, const json_t *value)
{
    char field[FIELD_BYTES];
    snprintf(field, sizeof field, "tools[%zu].function.%.40s", i, key);
    if (strcmp(key, "name") == 0)
        return check_name(p, field, value);
    if (json_is_null(value))
        return true;
    if (strcmp(key, "description") == 0)
        return json_is_string(value) || wrong(p, field, "a string", value);
    if (strcmp(key, "parameters") == 0)
        return json_is_object(value) || wrong(p, field, "an object", value);
    if (strcmp(key, "strict") != 0)
        return err_set(p->err, ERR_INVALID, "'%s' is an unknown field; Rung refuses what it does not honour", field);
    if (!json_is_boolean(value))
        return wrong(p, field, "true or false", value);
    if (json_is_true(value))
        openai_needs_upstream(p, "%s", field);
    return true;
}

static bool check_function(struct openai_parse *p, size_t i, const json_t *function)
{
    char field[FIELD_BYTES];
    const char *key;
    json_t *value;
    snprintf(field, sizeof field, "tools[%zu].function", i);
    if (!json_is_object(function))
        return wrong(p, field, "an object", function);
    snprintf(field, sizeof field, "tools[%zu].function.name", i);
    if (!json_object_get(function, "name"))
        return wrong(p, field, "a string", NULL);
    json_object_foreach((json_t *)function, key, value)
    {
        if (!check_function_member(p, i, key, value))
            return false;
    }
    return true;
}

static bool check_tool(struct openai_parse *p, size_t i, const json_t *tool)
{
    char field[FIELD_BYTES];
    const json_t *type = json_object_get(tool, "type");
    snprintf(field, sizeof field, "tools[%zu]", i);
    if (!json_is_object(tool))
        return wrong(p, field, "an object", tool);
    snprintf(field, sizeof field, "tools[%zu].type", i);
    if (!json_is_string(type))
        return wrong(p, field, "a string", type);
    if (strcmp(json_string_value(type), "function") == 0)
        return check_function(p, i, json_object_get(tool, "function"));
    openai_needs_upstream(p, "tools[%zu].type (%.40s)", i, json_string_value(type));
    return true;
}

bool openai_parse_tools(struct openai_parse *p, const char *field, const json_t *value)
{
    size_t n = json_array_size(value);
    if (!json_is_array(value))
        return wrong(p, field, "an array", value);
    if (n > MAX_TOOLS)
        return err_set(p->err, ERR_INVALID, "'tools' has %zu tools; at most %d are taken", n, MAX_TOOLS);
    for (size_t i = 0; i < n; i++) {
        if (!check_tool(p, i, json_array_get(value, i)))
            return false;
    }
    p->r->n_tools = (int)n;
    p->r->tools = n ? value : NULL;
    return true;
}

bool openai_parse_tool_choice(struct openai_parse *p, const char *field, const json_t *value)
{
    if (!json_is_string(value) && !json_is_object(value))
        return wrong(p, field, "a string or an object", value);
    const char *choice = json_string_value(value);
    if (choice && strcmp(choice, "none") == 0)
        p->no_tools = true;
    else if (!choice || strcmp(choice, "required") == 0)
        openai_needs_upstream(p, "tool_choice");
    else if (strcmp(choice, "auto") != 0)
        return err_set(p->err, ERR_INVALID,
                       "'tool_choice' is '%.40s'; it must be none, auto, required or an object that names a tool",
                       choice);
    return true;
}

/* ---- calls and results of the history ---- */

static bool check_arguments(struct openai_parse *p, const char *field, json_t *function)
{
    json_t *arguments = json_object_get(function, "arguments"), *object = NULL;
    struct err why = ERR_INIT;
    if (!json_is_string(arguments))
        return wrong(p, field, "a string that holds a JSON object", arguments);
    /* What some models write for a function without parameters. */
    if (json_string_length(arguments) == 0)
        return json_string_set(arguments, "{}") == 0 || err_nomem(p->err, field);
    struct str text = {json_string_value(arguments), json_string_length(arguments)};
    if (!json_parse_object(text, "it", &object, &why))
        return err_set(p->err, ERR_INVALID, "'%s' must be a string that holds a JSON object: %.200s", field, why.msg);
    json_decref(object);
    return true;
}

static bool check_call(struct openai_parse *p, size_t message, size_t i, json_t *call)
{
    char field[FIELD_BYTES];
    int prefix = snprintf(field, sizeof field, "messages[%zu].tool_calls[%zu]", message, i);
    size_t room = sizeof field - (size_t)prefix;
    if (!json_is_object(call))
        return wrong(p, field, "an object", call);
    const json_t *type = json_object_get(call, "type"), *id = json_object_get(call, "id");
    json_t *function = json_object_get(call, "function");
    snprintf(field + prefix, room, ".type");
    if (!json_is_string(type))
        return wrong(p, field, "a string", type);
    if (strcmp(json_string_value(type), "function") != 0) {
        openai_needs_upstream(p, "%s (%.30s)", field, json_string_value(type));
        return true;
    }
    snprintf(field + prefix, room, ".id");
    if (!json_is_string(id) || json_string_length(id) == 0)
        return wrong(p, field, "a string that is not empty", json_is_string(id) ? NULL : id);
    snprintf(field + prefix, room, ".function");
    if (!json_is_object(function))
        return wrong(p, field, "an object", function);
    snprintf(field + prefix, room, ".function.name");
    if (!check_name(p, field, json_object_get(function, "name")))
        return false;
    snprintf(field + prefix, room, ".function.arguments");
    return check_arguments(p, field, function);
}

bool openai_parse_tool_calls(struct openai_parse *p, size_t message, const json_t *calls, struct chat_message *ret)
{
    char field[FIELD_BYTES];
    size_t n = json_array_size(calls);
    snprintf(field, sizeof field, "messages[%zu].tool_calls", message);
    if (!json_is_array(calls))
        return wrong(p, field, "an array", calls);
    if (!str_is(ret->role, "assistant"))
        return err_set(p->err, ERR_INVALID, "'%s' stands in a message of role " STR_FMT "; only assistants call tools",
                       field, STR_ARG(ret->role));
    if (n > MAX_CALLS)
        return err_set(p->err, ERR_INVALID, "'%s' has %zu calls; at most %d are taken", field, n, MAX_CALLS);
    for (size_t i = 0; i < n; i++) {
        if (!check_call(p, message, i, json_array_get(calls, i)))
            return false;
    }
    ret->tool_calls = n ? calls : NULL;
    p->r->uses_tools = p->r->uses_tools || n;
    return true;
}

/* Whether one of the messages before makes the call, and its function's name. */
static bool find_call(const struct chat_message *messages, size_t n, struct str id, struct str *ret_name)
{
    for (size_t m = n; m-- > 0;) {
        for (size_t i = 0; i < json_array_size(messages[m].tool_calls); i++) {
            const json_t *call = json_array_get(messages[m].tool_calls, i);
            const json_t *name = json_object_get(json_object_get(call, "function"), "name");
            const json_t *made = json_object_get(call, "id");
            if (!json_is_string(made) || !str_is(id, json_string_value(made)))
                continue;
            *ret_name = (struct str){json_string_value(name), json_string_length(name)};
            return true;
        }
    }
    return false;
}

bool openai_check_tool_result(struct openai_parse *p, const struct chat_message *messages, size_t index,
                              struct chat_message *ret)
{
    struct str name = STR("");
    p->r->uses_tools = true;
    if (ret->tool_call_id.n == 0)
        return err_set(p->err, ERR_INVALID,
                       "'messages[%zu].tool_call_id' is missing; a tool's result says which call it answers", index);
    if (!find_call(messages, index, ret->tool_call_id, &name))
        return err_set(p->err, ERR_INVALID,
                       "'messages[%zu].tool_call_id' is '" STR_FMT "', but no message before it makes that call",
                       index, STR_ARG(utf8_clip(ret->tool_call_id, 60)));
    if (ret->name.n == 0)
        ret->name = name;
    return true;
}
