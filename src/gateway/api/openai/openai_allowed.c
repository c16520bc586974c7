/* tool_choice with allowed_tools: which of the tools may be called in this answer. The others are taken out of the body
 * before it is read, so that it holds at every tier, whether its API knows such a choice or not. */
#include <stdio.h>

#include "gateway/api/openai/openai_internal.h"
#include "runtime/history.h"

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* {"type": T, T: {"name": NAME}}; NULL: it has none. */
static const char *name_of(const json_t *tool)
{
    const char *type = text_of(tool, "type");
    return type ? text_of(json_object_get(tool, type), "name") : NULL;
}

static bool is_same(const json_t *a, const json_t *b)
{
    const char *name = name_of(a), *other = name_of(b);
    return name && other && strcmp(name, other) == 0 && strcmp(text_of(a, "type"), text_of(b, "type")) == 0;
}

static bool has(const json_t *tools, const json_t *tool)
{
    for (size_t i = 0; i < json_array_size(tools); i++)
        if (is_same(json_array_get(tools, i), tool))
            return true;
    return false;
}

static bool check(const json_t *allowed, const json_t *tools, struct err *err)
{
    const json_t *list = json_object_get(allowed, "tools");
    const char *mode = text_of(allowed, "mode"), *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)allowed, key, value)
    {
        if (strcmp(key, "mode") != 0 && strcmp(key, "tools") != 0)
            return err_set(err, ERR_INVALID,
                           "'tool_choice.allowed_tools.%.60s' is an unknown field; Rung refuses what it does not "
                           "honour",
                           key);
    }
    if (!mode || (strcmp(mode, "auto") != 0 && strcmp(mode, "required") != 0))
        return err_set(err, ERR_INVALID, "'tool_choice.allowed_tools.mode' must be auto or required");
    if (json_array_size(tools) > HISTORY_MAX_TOOLS || json_array_size(list) > HISTORY_MAX_TOOLS)
        return err_set(err, ERR_INVALID, "'tool_choice.allowed_tools' takes at most %d tools", HISTORY_MAX_TOOLS);
    if (json_array_size(list) == 0)
        return err_set(err, ERR_INVALID, "'tool_choice.allowed_tools.tools' must be an array with some of 'tools'");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!has(tools, json_array_get(list, i)))
            return err_set(err, ERR_INVALID, "'tool_choice.allowed_tools.tools[%zu]' is none of 'tools'", i);
    }
    return true;
}

bool openai_narrow_tools(json_t *body, bool *ret_narrowed, struct err *err)
{
    const json_t *choice = json_object_get(body, "tool_choice"), *allowed = json_object_get(choice, "allowed_tools");
    const json_t *tools = json_object_get(body, "tools"), *list = json_object_get(allowed, "tools");
    const char *type = text_of(choice, "type");
    *ret_narrowed = false;
    if (!type || strcmp(type, "allowed_tools") != 0)
        return true;
    if (!check(allowed, tools, err))
        return false;
    json_t *kept = json_array(), *mode = json_incref(json_object_get(allowed, "mode"));
    bool ok = kept != NULL;
    for (size_t i = 0; ok && i < json_array_size(tools); i++) {
        if (has(list, json_array_get(tools, i)))
            ok = json_array_append(kept, json_array_get(tools, i)) == 0;
    }
    ok = ok && json_object_set(body, "tools", kept) == 0 && json_object_set(body, "tool_choice", mode) == 0;
    json_decref(kept);
    json_decref(mode);
    *ret_narrowed = ok;
    return ok || err_nomem(err, "the tools");
}
