/* The messages of a chat-completions body: roles and contents, whose text parts are joined. Parts are read in
 * openai_parts.c, calls of tools in openai_tools.c. */
#include <stdio.h>

#include "gateway/api/openai/openai_internal.h"

#define MAX_PARTS 4096

struct message_parse {
    struct openai_parse *p;
    size_t index;
    char field[64];              /* "messages[3].content" */
};

static const char *field_of(struct message_parse *m, const char *key)
{
    snprintf(m->field, sizeof m->field, "messages[%zu].%.40s", m->index, key);
    return m->field;
}

static bool parse_parts(struct message_parse *m, const json_t *parts, struct str *ret)
{
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    bool ok = false;
    size_t n = json_array_size(parts);
    if (n > MAX_PARTS) {
        err_set(m->p->err, ERR_INVALID, "'messages[%zu].content' has %zu parts; at most %d are taken", m->index, n,
                MAX_PARTS);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        if (!openai_parse_part(m->p, m->index, i, json_array_get(parts, i), &text))
            goto out;
    }
    if (!buf_check(&text, "the text of a message", m->p->err))
        goto out;
    *ret = arena_str(m->p->arena, buf_view(&text));
    ok = ret->p || err_nomem(m->p->err, "a message");
out:
    buf_free(&text);
    return ok;
}

static bool parse_role(struct message_parse *m, const json_t *message, struct str *ret)
{
    struct str role;
    const json_t *value = json_object_get(message, "role");
    if (!value)
        return err_set(m->p->err, ERR_INVALID, "'messages[%zu].role' is missing", m->index);
    if (!openai_text(m->p, field_of(m, "role"), value, &role))
        return false;
    if (str_is(role, "developer"))
        *ret = STR("system");
    else if (str_is(role, "system") || str_is(role, "user") || str_is(role, "assistant") || str_is(role, "tool"))
        *ret = role;
    else
        return err_set(m->p->err, ERR_INVALID,
                       "'messages[%zu].role' is '" STR_FMT "'; it must be system, developer, user, assistant or tool",
                       m->index, (int)(role.n < 40 ? role.n : 40), role.p);
    return true;
}

/* Members beside role and content. Reasoning that a client sends back is by convention no part of the history. */
static bool parse_other_member(struct message_parse *m, const char *key, const json_t *value, struct chat_message *ret)
{
    if (strcmp(key, "role") == 0 || strcmp(key, "content") == 0 || json_is_null(value))
        return true;
    struct str text;
    if (strcmp(key, "reasoning_content") == 0)
        return openai_text(m->p, field_of(m, key), value, &text);
    if (strcmp(key, "annotations") == 0 && json_array_size(value) == 0)
        return true;
    bool result = str_is(ret->role, "tool");
    if (strcmp(key, "tool_call_id") == 0 && result)
        return openai_text(m->p, field_of(m, key), value, &ret->tool_call_id);
    if (strcmp(key, "name") == 0 && result)
        return openai_text(m->p, field_of(m, key), value, &ret->name);
    if (strcmp(key, "name") == 0 || strcmp(key, "tool_call_id") == 0 || strcmp(key, "refusal") == 0) {
        request_needs(m->p->r, NEED_OPENAI, "messages[%zu].%s", m->index, key);
        return openai_text(m->p, field_of(m, key), value, &text);
    }
    if (strcmp(key, "tool_calls") == 0) {
        openai_take_tool_calls(m->p, m->index, value, ret);
        return true;
    }
    return err_set(m->p->err, ERR_INVALID,
                   "'messages[%zu].%.60s' is an unknown field; Rung refuses what it does not honour", m->index, key);
}

static bool parse_content(struct message_parse *m, const json_t *message, struct chat_message *ret)
{
    const json_t *content = json_object_get(message, "content");
    if (json_is_string(content))
        return openai_text(m->p, field_of(m, "content"), content, &ret->content);
    if (json_is_array(content))
        return parse_parts(m, content, &ret->content);
    if ((!content || json_is_null(content)) && ret->tool_calls) {
        ret->content = STR("");
        ret->no_content = true;
        return true;
    }
    if (!content)
        return err_set(m->p->err, ERR_INVALID, "'messages[%zu].content' is missing", m->index);
    return err_set(m->p->err, ERR_INVALID, "'messages[%zu].content' must be a string or an array of parts, not %s",
                   m->index, json_type_name(content));
}

static bool parse_message(struct message_parse *m, const json_t *message, struct chat_message *ret)
{
    if (!json_is_object(message))
        return err_set(m->p->err, ERR_INVALID, "'messages[%zu]' must be an object, not %s", m->index,
                       json_type_name(message));
    const char *key;
    json_t *value;
    *ret = (struct chat_message){0};
    if (!parse_role(m, message, &ret->role))
        return false;
    json_object_foreach((json_t *)message, key, value)
    {
        if (!parse_other_member(m, key, value, ret))
            return false;
    }
    return parse_content(m, message, ret);
}

bool openai_parse_messages(struct openai_parse *p, const char *field, const json_t *value)
{
    size_t n = json_array_size(value);
    if (!json_is_array(value))
        return err_set(p->err, ERR_INVALID, "'%s' must be an array, not %s", field, json_type_name(value));
    if (n == 0 || n > GENERATION_MAX_MESSAGES)
        return err_set(p->err, ERR_INVALID, "'messages' has %zu messages; it must have 1 to %d", n,
                       GENERATION_MAX_MESSAGES);
    struct chat_message *messages = arena_array(p->arena, n, sizeof *messages);
    if (!messages)
        return err_nomem(p->err, field);
    for (size_t i = 0; i < n; i++) {
        struct message_parse m = {.p = p, .index = i};
        if (!parse_message(&m, json_array_get(value, i), &messages[i]))
            return false;
    }
    p->r->messages = messages;
    p->r->n_messages = (int)n;
    return openai_check_history(p);
}
