/* The items of a Responses request as the messages of a chat: what an assistant said, thought and called in one turn is
 * one message there, and the output of a call is a message of its own. */
#include <stdio.h>

#include "gateway/api/responses/responses_internal.h"

struct item {
    struct responses_parse *p;
    const json_t *value;
    int index;
    char field[RESPONSES_FIELD_BYTES];   /* "input[2]" */
};

static bool need_text(struct item *t, const char *key, struct str *ret)
{
    const json_t *value = json_object_get(t->value, key);
    if (!json_is_string(value))
        return err_set(t->p->err, ERR_INVALID, "'%s.%s' must be a string, not %s", t->field, key,
                       value ? json_type_name(value) : "missing");
    *ret = (struct str){json_string_value(value), json_string_length(value)};
    return true;
}

static json_t *text_of(struct str s) { return json_stringn(s.p, s.n); }

/* The next message; NULL: no memory. */
static json_t *add_message(struct item *t, const char *role)
{
    struct responses_parse *p = t->p;
    json_t *message = json_object();
    p->origins[json_array_size(p->messages)] = (struct responses_origin){.item = t->index, .first_call = -1};
    p->turn = NULL;
    return responses_append(p, p->messages, message) && responses_put(p, message, "role", json_string(role)) ? message
                                                                                                          : NULL;
}

/* The message that the assistant's items go to, with what was thought before it. */
static bool open_turn(struct item *t)
{
    struct responses_parse *p = t->p;
    if (!p->turn) {
        json_t *message = add_message(t, "assistant");
        if (!message || !responses_put(p, message, "content", json_null()))
            return false;
        p->turn = message;
    }
    if (p->reasoning_item < 0)
        return true;
    p->reasoning_item = -1;
    return buf_check(&p->reasoning, "the reasoning", p->err) &&
           responses_put(p, p->turn, "reasoning_content", text_of(buf_view(&p->reasoning)));
}

static bool close_turn(struct item *t)
{
    struct responses_parse *p = t->p;
    p->turn = NULL;
    if (p->reasoning_item >= 0)
        return err_set(p->err, ERR_INVALID,
                       "'input[%d]' is reasoning without the message or call that followed it; send both or neither",
                       p->reasoning_item);
    buf_clear(&p->reasoning);
    return true;
}

/* ---- one function per type ---- */

static bool read_assistant(struct item *t, json_t *content)
{
    struct responses_parse *p = t->p;
    if (p->turn && !json_is_null(json_object_get(p->turn, "content")) && !close_turn(t)) {
        json_decref(content);
        return false;
    }
    if (!open_turn(t)) {
        json_decref(content);
        return false;
    }
    return responses_put(p, p->turn, "content", content);
}

static bool read_message(struct item *t)
{
    static const char *const names[] = {"type", "role", "content", "id", "status", NULL};
    static const char *const roles[] = {"user", "system", "developer"};
    char field[RESPONSES_FIELD_BYTES + 16];
    struct str role;
    if (!responses_only(t->p, t->field, t->value, names) || !need_text(t, "role", &role))
        return false;
    snprintf(field, sizeof field, "%s.content", t->field);
    json_t *content = responses_content(t->p, field, json_object_get(t->value, "content"));
    if (!content)
        return false;
    if (str_is(role, "assistant"))
        return read_assistant(t, content);
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (!str_is(role, roles[i]))
            continue;
        json_t *message = close_turn(t) ? add_message(t, roles[i]) : NULL;
        if (message)
            return responses_put(t->p, message, "content", content);
        json_decref(content);
        return false;
    }
    json_decref(content);
    return err_set(t->p->err, ERR_INVALID,
                   "'%s.role' is '" STR_FMT "'; it must be user, assistant, system or developer", t->field,
                   STR_ARG(utf8_clip(role, 40)));
}

static bool read_call(struct item *t)
{
    static const char *const names[] = {"type", "call_id", "name", "arguments", "id", "status", NULL};
    struct responses_parse *p = t->p;
    struct str id, name, arguments;
    if (!responses_only(p, t->field, t->value, names) || !need_text(t, "call_id", &id) ||
        !need_text(t, "name", &name) || !need_text(t, "arguments", &arguments) || !open_turn(t))
        return false;
    json_t *calls = json_object_get(p->turn, "tool_calls"), *call = json_object(), *function = json_object();
    if (!calls) {
        calls = json_array();
        p->origins[json_array_size(p->messages) - 1].first_call = t->index;
        if (!responses_put(p, p->turn, "tool_calls", calls)) {
            json_decref(call);
            json_decref(function);
            return false;
        }
    }
    if (!responses_append(p, calls, call)) {
        json_decref(function);
        return false;
    }
    return responses_put(p, call, "function", function) && responses_put(p, call, "id", text_of(id)) &&
           responses_put(p, call, "type", json_string("function")) &&
           responses_put(p, function, "name", text_of(name)) &&
           responses_put(p, function, "arguments", text_of(arguments));
}

static bool read_call_output(struct item *t)
{
    static const char *const names[] = {"type", "call_id", "output", "id", "status", NULL};
    char field[RESPONSES_FIELD_BYTES + 16];
    struct str id;
    if (!responses_only(t->p, t->field, t->value, names) || !need_text(t, "call_id", &id) || !close_turn(t))
        return false;
    snprintf(field, sizeof field, "%s.output", t->field);
    json_t *content = responses_content(t->p, field, json_object_get(t->value, "output"));
    json_t *message = content ? add_message(t, "tool") : NULL;
    if (message)
        return responses_put(t->p, message, "content", content) &&
               responses_put(t->p, message, "tool_call_id", text_of(id));
    json_decref(content);
    return false;
}

static bool add_reasoning(struct item *t, const char *key, const char *type, bool *ret_any)
{
    const json_t *parts = json_object_get(t->value, key);
    *ret_any = false;
    if (parts && !json_is_array(parts) && !json_is_null(parts))
        return err_set(t->p->err, ERR_INVALID, "'%s.%s' must be an array, not %s", t->field, key,
                       json_type_name(parts));
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i), *text = json_object_get(part, "text");
        const char *is = json_string_value(json_object_get(part, "type"));
        if (!is || strcmp(is, type) != 0 || !json_is_string(text))
            return err_set(t->p->err, ERR_INVALID, "'%s.%s[%zu]' must be an object of the type %s with a text",
                           t->field, key, i, type);
        buf_add(&t->p->reasoning, json_string_value(text), json_string_length(text));
        *ret_any = true;
    }
    return true;
}

/* What was thought, in full where it is there, else its summary. What another has encrypted only that one can read. */
static bool read_reasoning(struct item *t)
{
    static const char *const names[] = {"type", "id", "summary", "content", "encrypted_content", "status", NULL};
    const json_t *sealed = json_object_get(t->value, "encrypted_content");
    bool any;
    if (!responses_only(t->p, t->field, t->value, names))
        return false;
    if (sealed && !json_is_null(sealed))
        return err_set(t->p->err, ERR_INVALID,
                       "'%s.encrypted_content' cannot be read here; leave the item out, or send its text as content",
                       t->field);
    if (!add_reasoning(t, "content", "reasoning_text", &any))
        return false;
    if (!any && !add_reasoning(t, "summary", "summary_text", &any))
        return false;
    t->p->reasoning_item = t->index;
    return true;
}

static bool read_item(struct item *t)
{
    static const struct {
        const char *type;
        bool (*read)(struct item *t);
    } types[] = {
        {"message", read_message},
        {"function_call", read_call},
        {"function_call_output", read_call_output},
        {"reasoning", read_reasoning},
    };
    if (!json_is_object(t->value))
        return err_set(t->p->err, ERR_INVALID, "'%s' must be an object, not %s", t->field, json_type_name(t->value));
    const json_t *type = json_object_get(t->value, "type");
    if (!type)
        return read_message(t);
    for (size_t i = 0; json_is_string(type) && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(json_string_value(type), types[i].type) == 0)
            return types[i].read(t);
    }
    return err_set(t->p->err, ERR_INVALID,
                   "'%s.type' is '%.40s', which is not supported; there are message, function_call, "
                   "function_call_output and reasoning",
                   t->field, json_is_string(type) ? json_string_value(type) : json_type_name(type));
}

bool responses_read_input(struct responses_parse *p, const char *field, const json_t *value)
{
    size_t n = json_array_size(value);
    struct item t = {.p = p};
    if (!json_is_string(value) && !json_is_array(value))
        return err_set(p->err, ERR_INVALID, "'%s' must be a string or an array of items, not %s", field,
                       json_type_name(value));
    if (n > RESPONSES_MAX_ITEMS)
        return err_set(p->err, ERR_INVALID, "'%s' has %zu items; at most %d are taken", field, n, RESPONSES_MAX_ITEMS);
    p->origins = arena_array(p->arena, n + 1, sizeof *p->origins);
    if (!p->origins)
        return err_nomem(p->err, field);
    if (json_is_string(value)) {
        p->text_input = true;
        json_t *message = add_message(&t, "user");
        return message && responses_put(p, message, "content", json_incref((json_t *)(uintptr_t)value));
    }
    for (size_t i = 0; i < n; i++) {
        t.index = (int)i;
        t.value = json_array_get(value, i);
        snprintf(t.field, sizeof t.field, "%s[%zu]", field, i);
        if (!read_item(&t))
            return false;
    }
    return close_turn(&t);
}
