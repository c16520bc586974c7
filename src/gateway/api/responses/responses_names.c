/* What the chat parser says of a field, in the words of this API: which item a message was made of, and what its
 * members are called here. */
#include <stdio.h>

#include "gateway/api/responses/responses_internal.h"

const struct field_name responses_fields[] = {
    {"messages", "input"},
    {"response_format.json_schema.schema", "text.format.schema"},
    {"response_format.json_schema", "text.format"},
    {"response_format", "text.format"},
    {"verbosity", "text.verbosity"},
    {"reasoning_effort", "reasoning.effort"},
    {"max_completion_tokens", "max_output_tokens"},
    {"tool_choice.function", "tool_choice"},
    {"tool_choice.allowed_tools", "tool_choice"},
    {"logprobs", "include"},
    {NULL, NULL},
};

/* "messages[2].tool_calls[1].function.name" -> "input[4].name": which item it is, and what its member is called. */
static bool name_item(const struct responses_parse *p, const char *name, char *ret, size_t size)
{
    bool instructed = json_is_string(json_object_get(p->body, "instructions"));
    int message, call = 0, end = 0;
    if (sscanf(name, "messages[%d]%n", &message, &end) != 1 || end == 0 || !p->origins)
        return false;
    message -= instructed;
    const char *rest = name + end;
    if (message < 0 || p->text_input || message >= (int)json_array_size(p->messages)) {
        const char *behind = strpbrk(rest, "' ");
        snprintf(ret, size, "%s%s", message < 0 ? "instructions" : "input", behind ? behind : "");
        return true;
    }
    struct responses_origin from = p->origins[message];
    int item = from.item;
    end = 0;
    if (from.first_call >= 0 && sscanf(rest, ".tool_calls[%d]%n", &call, &end) == 1 && end > 0) {
        item = from.first_call + call;
        rest += end;
        rest += strncmp(rest, ".function", 9) == 0 ? 9 : 0;
        if (strncmp(rest, ".id", 3) == 0 && strchr("' ", rest[3])) {
            snprintf(ret, size, "input[%d].call_id%s", item, rest + 3);
            return true;
        }
    } else if (strncmp(rest, ".tool_call_id", 13) == 0) {
        rest += strlen(".tool_");
        snprintf(ret, size, "input[%d].%s", item, rest);
        return true;
    }
    snprintf(ret, size, "input[%d]%s", item, rest);
    return true;
}

/* "tools[0].function.parameters" -> "tools[0].parameters" */
static bool name_tool(const char *name, char *ret, size_t size)
{
    int tool, end = 0;
    if (sscanf(name, "tools[%d].function%n", &tool, &end) != 1 || end == 0)
        return false;
    snprintf(ret, size, "tools[%d]%s", tool, name + end);
    return true;
}

void responses_rename_sentence(const struct responses_parse *p)
{
    struct err *err = p->err;
    const char *name = err->msg + 1;
    char text[sizeof err->msg];
    if (err->msg[0] == '\'' && (name_item(p, name, text, sizeof text) || name_tool(name, text, sizeof text)))
        snprintf(err->msg, sizeof err->msg, "'%.*s", (int)sizeof err->msg - 2, text);
    else
        fields_rename_sentence(responses_fields, err);
}

void responses_rename_needs(const struct responses_parse *p, struct request *r)
{
    for (int n = 0; n < NEED_COUNT; n++) {
        char text[200];
        if ((r->needs & NEED_BIT(n)) && name_item(p, r->need_fields[n], text, sizeof text)) {
            const char *own = arena_strdup(r->arena, str_of(text));
            r->need_fields[n] = own ? own : r->need_fields[n];
        }
    }
    fields_rename_needs(responses_fields, r);
}
