/* What clients get wrong about tool calls, each with the place where it stands. Only what the API's own parser cannot
 * know by types alone is the business of the template. */
#include "runtime/history.h"

#include "data/json.h"

static bool is_role(const struct chat_message *m, const char *role)
{
    return str_is(m->role, role);
}

static struct str text_of(const json_t *value)
{
    return json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)} : STR("");
}

static bool name_ok(struct str name)
{
    bool ok = name.n > 0 && name.n <= TOOLCALL_MAX_NAME_BYTES;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        ok = ok && ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '-' ||
                    c == '.' || c == ':' || c == '/');
    }
    return ok;
}

static bool check_arguments(const json_t *arguments, const char *where, struct err *err)
{
    json_t *value = NULL;
    struct str text = text_of(arguments);
    if (!json_is_string(arguments))
        return err_set(err, ERR_INVALID, "'%s.function.arguments' must be a string that holds a JSON object, not %s",
                       where, arguments ? json_type_name(arguments) : "absent");
    if (text.n == 0)
        return true;
    struct err why = ERR_INIT;
    bool ok = json_parse_object(text, "arguments", &value, &why);
    json_decref(value);
    return ok || err_set(err, ERR_INVALID, "'%s.function.arguments' is no JSON object: %s", where, why.msg);
}

static bool check_call(const json_t *calls, size_t j, const char *message, struct err *err)
{
    char where[96];
    const json_t *call = json_array_get(calls, j), *function = json_object_get(call, "function");
    const json_t *type = json_object_get(call, "type");
    struct str id = text_of(json_object_get(call, "id"));
    snprintf(where, sizeof where, "%s.tool_calls[%zu]", message, j);
    if (!json_is_object(call))
        return err_set(err, ERR_INVALID, "'%s' must be an object, not %s", where, json_type_name(call));
    if (type && !str_is(text_of(type), "function"))
        return err_set(err, ERR_INVALID, "'%s.type' must be \"function\"", where);
    if (id.n == 0 || id.n > HISTORY_MAX_ID_BYTES)
        return err_set(err, ERR_INVALID, "'%s.id' must be a string of 1 to %d bytes", where, HISTORY_MAX_ID_BYTES);
    for (size_t k = 0; k < j; k++)
        if (str_eq(id, text_of(json_object_get(json_array_get(calls, k), "id"))))
            return err_set(err, ERR_INVALID, "'%s.id' is the id of %s.tool_calls[%zu] as well", where, message, k);
    if (!json_is_object(function))
        return err_set(err, ERR_INVALID, "'%s.function' must be an object with a name and arguments", where);
    if (!name_ok(text_of(json_object_get(function, "name"))))
        return err_set(err, ERR_INVALID, "'%s.function.name' must be 1 to %d letters, digits, _ or -", where,
                       TOOLCALL_MAX_NAME_BYTES);
    return check_arguments(json_object_get(function, "arguments"), where, err);
}

static bool check_calls(const struct chat_message *m, const char *where, struct err *err)
{
    if (!m->tool_calls)
        return true;
    if (!is_role(m, "assistant"))
        return err_set(err, ERR_INVALID, "'%s.tool_calls' stands in a message that is no assistant's", where);
    if (!json_is_array(m->tool_calls) || json_array_size(m->tool_calls) == 0)
        return err_set(err, ERR_INVALID, "'%s.tool_calls' must be an array of calls", where);
    if (json_array_size(m->tool_calls) > HISTORY_MAX_CALLS)
        return err_set(err, ERR_LIMIT, "'%s.tool_calls' holds more than %d calls", where, HISTORY_MAX_CALLS);
    for (size_t j = 0; j < json_array_size(m->tool_calls); j++)
        if (!check_call(m->tool_calls, j, where, err))
            return false;
    return true;
}

/* The call that messages[i] answers, in the assistant's message its row of results follows; NULL when there is none. */
static const json_t *find_call(const struct chat_message *messages, int i)
{
    int from = i - 1;
    while (from >= 0 && is_role(&messages[from], "tool"))
        from--;
    size_t j;
    json_t *call;
    if (from >= 0 && messages[from].tool_calls) {
        json_array_foreach((json_t *)messages[from].tool_calls, j, call) {
            if (str_eq(text_of(json_object_get(call, "id")), messages[i].tool_call_id))
                return call;
        }
    }
    return NULL;
}

static bool check_result(const struct chat_message *messages, int i, const char *where, struct err *err)
{
    const struct chat_message *m = &messages[i];
    if (!is_role(m, "tool"))
        return m->tool_call_id.n == 0 ||
               err_set(err, ERR_INVALID, "'%s.tool_call_id': only a tool's message answers a call", where);
    if (m->tool_call_id.n == 0)
        return err_set(err, ERR_INVALID, "'%s.tool_call_id' is missing: a tool's message names the call it answers",
                       where);
    struct str id = utf8_clip(m->tool_call_id, 64);
    return find_call(messages, i) ||
           err_set(err, ERR_INVALID,
                   "'%s.tool_call_id' is '" STR_FMT "', which is no call of the assistant's message before it", where,
                   STR_ARG(id));
}

bool history_check(const struct chat_message *messages, int n, struct err *err)
{
    for (int i = 0; i < n; i++) {
        char where[32];
        snprintf(where, sizeof where, "messages[%d]", i);
        if (!check_calls(&messages[i], where, err) || !check_result(messages, i, where, err))
            return false;
    }
    return true;
}

struct str history_called_name(const struct chat_message *messages, int i)
{
    return text_of(json_object_get(json_object_get(find_call(messages, i), "function"), "name"));
}

static bool check_tool(const json_t *tools, size_t i, struct err *err)
{
    const json_t *tool = json_array_get(tools, i), *function = json_object_get(tool, "function");
    const json_t *type = json_object_get(tool, "type"), *parameters = json_object_get(function, "parameters");
    struct str name = text_of(json_object_get(function, "name"));
    if (!json_is_object(tool) || !json_is_object(function) || (type && !str_is(text_of(type), "function")))
        return err_set(err, ERR_INVALID, "'tools[%zu]' must be {\"type\": \"function\", \"function\": {...}}", i);
    if (!name_ok(name))
        return err_set(err, ERR_INVALID, "'tools[%zu].function.name' must be 1 to %d letters, digits, _ or -", i,
                       TOOLCALL_MAX_NAME_BYTES);
    if (parameters && !json_is_object(parameters))
        return err_set(err, ERR_INVALID, "'tools[%zu].function.parameters' must be a JSON Schema object", i);
    for (size_t k = 0; k < i; k++)
        if (str_eq(name, text_of(json_object_get(json_object_get(json_array_get(tools, k), "function"), "name"))))
            return err_set(err, ERR_INVALID, "'tools[%zu].function.name' is the name of tools[%zu] as well", i, k);
    return true;
}

bool history_check_tools(const json_t *tools, struct err *err)
{
    if (!json_is_array(tools))
        return err_set(err, ERR_INVALID, "'tools' must be an array");
    if (json_array_size(tools) > HISTORY_MAX_TOOLS)
        return err_set(err, ERR_LIMIT, "'tools' has %zu tools; at most %d are taken", json_array_size(tools),
                       HISTORY_MAX_TOOLS);
    for (size_t i = 0; i < json_array_size(tools); i++)
        if (!check_tool(tools, i, err))
            return false;
    return true;
}
