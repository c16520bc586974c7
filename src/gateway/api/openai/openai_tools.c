/* Tools of a chat-completions body: what may be called, whether it may be, and the calls of the history. Here stands
 * what is the dialect's own: fields it does not know, and what only an upstream can honour (tools that are no
 * functions). Whether tools, calls and results make sense is runtime/history's to say. */
#include <stdio.h>

#include "gateway/api/openai/openai_internal.h"
#include "runtime/history.h"

#define FIELD_BYTES 96

static bool is_function(const json_t *tool_or_call)
{
    const json_t *type = json_object_get(tool_or_call, "type");
    return !json_is_string(type) || strcmp(json_string_value(type), "function") == 0;
}

/* ---- what may be called ---- */

static bool check_function_member(struct openai_parse *p, size_t i, const char *key, const json_t *value)
{
    char field[FIELD_BYTES];
    snprintf(field, sizeof field, "tools[%zu].function.%.40s", i, key);
    if (strcmp(key, "name") == 0 || strcmp(key, "parameters") == 0)
        return true;
    if (strcmp(key, "description") == 0)
        return json_is_string(value) || json_is_null(value) ||
               err_set(p->err, ERR_INVALID, "'%s' must be a string, not %s", field, json_type_name(value));
    if (strcmp(key, "strict") != 0)
        return err_set(p->err, ERR_INVALID, "'%s' is an unknown field; Rung refuses what it does not honour", field);
    return json_is_boolean(value) || json_is_null(value) ||
           err_set(p->err, ERR_INVALID, "'%s' must be true or false, not %s", field, json_type_name(value));
}

static bool check_members(struct openai_parse *p, const json_t *tools)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const char *key;
        json_t *value, *function = json_object_get(json_array_get(tools, i), "function");
        json_object_foreach(function, key, value)
        {
            if (!check_function_member(p, i, key, value))
                return false;
        }
    }
    return true;
}

bool openai_parse_tools(struct openai_parse *p, const char *field, const json_t *value)
{
    bool functions = true;
    size_t n = json_array_size(value);
    if (!json_is_array(value))
        return err_set(p->err, ERR_INVALID, "'%s' must be an array, not %s", field, json_type_name(value));
    for (size_t i = 0; i < n; i++) {
        if (is_function(json_array_get(value, i)))
            continue;
        functions = false;
        p->other_tools = true;
        request_needs(p->r, NEED_OPENAI, "tools[%zu].type", i);
    }
    if (functions && !history_check_tools(value, p->err))
        return false;
    p->r->n_tools = (int)n;
    p->r->tools = n ? value : NULL;
    return check_members(p, value);
}

/* {"type": "function", "function": {"name": NAME}}; other types are an upstream's. */
static bool take_named_tool(struct openai_parse *p, const json_t *choice)
{
    const json_t *name = json_object_get(json_object_get(choice, "function"), "name");
    if (!is_function(choice)) {
        p->other_tools = true;
        request_needs(p->r, NEED_OPENAI, "tool_choice (%s)", json_string_value(json_object_get(choice, "type")));
        return true;
    }
    if (!name)
        return err_set(p->err, ERR_INVALID, "'tool_choice.function.name' is missing");
    p->tools_required = true;
    return openai_text(p, "tool_choice.function.name", name, &p->tool_name);
}

bool openai_parse_tool_choice(struct openai_parse *p, const char *field, const json_t *value)
{
    if (!json_is_string(value) && !json_is_object(value))
        return err_set(p->err, ERR_INVALID, "'%s' must be a string or an object, not %s", field,
                       json_type_name(value));
    const char *choice = json_string_value(value);
    if (choice && strcmp(choice, "none") == 0)
        p->no_tools = true;
    else if (!choice)
        return take_named_tool(p, value);
    else if (strcmp(choice, "required") == 0)
        p->tools_required = true;
    else if (strcmp(choice, "auto") != 0)
        return err_set(p->err, ERR_INVALID,
                       "'tool_choice' is '%.40s'; it must be none, auto, required or an object that names a tool",
                       choice);
    return true;
}

/* ---- the history ---- */

void openai_take_tool_calls(struct openai_parse *p, size_t message, const json_t *calls, struct chat_message *ret)
{
    for (size_t i = 0; i < json_array_size(calls); i++) {
        if (is_function(json_array_get(calls, i)))
            continue;
        p->other_calls = true;
        request_needs(p->r, NEED_OPENAI, "messages[%zu].tool_calls[%zu].type", message, i);
    }
    bool none = json_is_array(calls) && json_array_size(calls) == 0;
    ret->tool_calls = none ? NULL : calls;
}

bool openai_check_history(struct openai_parse *p)
{
    for (int i = 0; i < p->r->n_messages; i++)
        if (p->r->messages[i].tool_calls || str_is(p->r->messages[i].role, "tool"))
            request_needs(p->r, NEED_TOOLS, "tools");
    return p->other_calls || history_check(p->r->messages, p->r->n_messages, p->err);
}
