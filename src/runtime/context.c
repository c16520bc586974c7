/* The variables of a chat template: messages with their calls, results and reasoning under the names templates read
 * them by, tools, and the switches of reasoning. Strings are escaped; whether the request makes sense was checked
 * before. */
#include "runtime/context.h"

#include "data/json.h"
#include "runtime/history.h"
#include "text/guard.h"

/* ---- safe strings ---- */

/* Words that templates compare with (role names, types of a schema, keys) are never spelled: alone they name no control
 * token, and a template could not read them. */
static bool is_word(struct str text)
{
    bool is = text.n <= 64;
    for (size_t i = 0; i < text.n && is; i++) {
        char c = text.p[i];
        is = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }
    return is;
}

static bool guard_into(const struct context_spec *s, struct str text, struct buf *safe, struct err *err)
{
    buf_clear(safe);
    s->guard(s->model->tokenizer, text, safe);
    return buf_check(safe, "a message", err);
}

/* A user's string, made safe, as a JSON string; NULL on failure. */
static json_t *safe_string(const struct context_spec *s, struct str text, struct err *err)
{
    struct buf safe = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
    json_t *value = NULL;
    if (guard_into(s, text, &safe, err)) {
        value = json_stringn(buf_view(&safe).p, safe.n);
        if (!value)
            err_nomem(err, "the messages");
    }
    buf_free(&safe);
    return value;
}

static json_t *safe_word(const struct context_spec *s, struct str text, struct err *err)
{
    struct context_spec words = *s;
    if (is_word(text))
        words.guard = guard_escape;
    return safe_string(&words, text, err);
}

static bool put(json_t *object, const char *key, json_t *value)
{
    return value && json_object_set_new(object, key, value) == 0;
}

static struct str text_of(const json_t *value)
{
    return json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)} : STR("");
}

static json_t *safe_value(const struct context_spec *s, const json_t *value, int depth, struct err *err);

static json_t *safe_object(const struct context_spec *s, const json_t *value, int depth, struct err *err)
{
    json_t *object = json_object();
    bool ok = object != NULL;
    for (void *i = json_object_iter((json_t *)value); ok && i; i = json_object_iter_next((json_t *)value, i)) {
        struct str key = {json_object_iter_key(i), json_object_iter_key_len(i)};
        json_t *safe = safe_word(s, key, err), *member = safe_value(s, json_object_iter_value(i), depth + 1, err);
        struct str safe_key = text_of(safe);
        ok = safe && member && json_object_setn_new(object, safe_key.p, safe_key.n, json_incref(member)) == 0;
        json_decref(safe);
        json_decref(member);
    }
    if (ok)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *safe_array(const struct context_spec *s, const json_t *value, int depth, struct err *err)
{
    json_t *array = json_array();
    bool ok = array != NULL;
    for (size_t i = 0; ok && i < json_array_size(value); i++) {
        json_t *one = safe_value(s, json_array_get(value, i), depth + 1, err);
        ok = one && json_array_append_new(array, one) == 0;
    }
    if (ok)
        return array;
    json_decref(array);
    return NULL;
}

/* A copy of value with every string and key made safe; NULL on failure. */
static json_t *safe_value(const struct context_spec *s, const json_t *value, int depth, struct err *err)
{
    if (depth > JSON_MAX_DEPTH) {
        err_set(err, ERR_LIMIT, "the tools of the request are nested deeper than %d", JSON_MAX_DEPTH);
        return NULL;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT: return safe_object(s, value, depth, err);
    case JSON_ARRAY: return safe_array(s, value, depth, err);
    case JSON_STRING: return safe_word(s, text_of(value), err);
    default: return json_copy((json_t *)value);
    }
}

/* ---- messages ---- */

/* An id as the family's template wants it: another one stands for an id it would refuse. */
static json_t *safe_id(const struct context_spec *s, struct str id, struct err *err)
{
    char other[TOOLCALL_ID_BYTES];
    if (s->model->calls && !toolcall_id_fits(s->model->calls, id, other))
        id = str_of(other);
    return safe_word(s, id, err);
}

static json_t *safe_arguments(const struct context_spec *s, struct str text, struct err *err)
{
    json_t *value = NULL;
    if (text.n == 0)
        text = STR("{}");
    if (s->arguments_as_text)
        return safe_string(s, text, err);
    if (!json_parse_object(text, "arguments", &value, err))
        return NULL;
    json_t *safe = safe_value(s, value, 0, err);
    json_decref(value);
    return safe;
}

static json_t *call_json(const struct context_spec *s, const json_t *call, struct err *err)
{
    const json_t *function = json_object_get(call, "function");
    json_t *object = json_object(), *inner = json_object();
    bool ok = object && inner &&
              put(inner, "name", safe_word(s, text_of(json_object_get(function, "name")), err)) &&
              put(inner, "arguments", safe_arguments(s, text_of(json_object_get(function, "arguments")), err)) &&
              put(object, "type", json_string("function")) &&
              put(object, "id", safe_id(s, text_of(json_object_get(call, "id")), err)) &&
              put(object, "function", json_incref(inner));
    json_decref(inner);
    if (ok)
        return object;
    json_decref(object);
    return NULL;
}

static bool put_calls(const struct context_spec *s, json_t *object, const json_t *calls, struct err *err)
{
    json_t *array = json_array();
    bool ok = array && json_object_set(object, "tool_calls", array) == 0;
    for (size_t i = 0; ok && i < json_array_size(calls); i++) {
        json_t *call = call_json(s, json_array_get(calls, i), err);
        ok = call && json_array_append_new(array, call) == 0;
    }
    json_decref(array);
    return ok;
}

/* The reasoning of an earlier answer under every name that templates know it by. Beside calls a text takes its place
 * where they know it as `thinking`: such templates refuse both. */
static bool put_reasoning(const struct context_spec *s, json_t *object, const struct chat_message *m, struct err *err)
{
    if (m->reasoning.n == 0)
        return true;
    json_t *text = safe_string(s, m->reasoning, err);
    bool ok = text && json_object_set(object, "reasoning_content", text) == 0 &&
              json_object_set(object, "reasoning", text) == 0 &&
              ((m->tool_calls && m->content.n > 0) || json_object_set(object, "thinking", text) == 0);
    json_decref(text);
    return ok;
}

static json_t *message_json(const struct context_spec *s, int i, struct err *err)
{
    const struct chat_message *m = &s->req->messages[i];
    struct str name = m->name.n > 0 || m->tool_call_id.n == 0 ? m->name : history_called_name(s->req->messages, i);
    struct context_spec roles = *s;
    roles.guard = guard_escape;
    json_t *object = json_object();
    bool ok = object && put(object, "role", safe_string(&roles, m->role, err)) &&
              put(object, "content", safe_string(s, m->content, err)) && put_reasoning(s, object, m, err) &&
              (!m->tool_calls || put_calls(s, object, m->tool_calls, err)) &&
              (m->tool_call_id.n == 0 || put(object, "tool_call_id", safe_id(s, m->tool_call_id, err))) &&
              (name.n == 0 || put(object, "name", safe_word(s, name, err)));
    if (ok)
        return object;
    json_decref(object);
    return NULL;
}

/* A result as a template reads it that wants results in the message of their calls: {name, response}. */
static bool fold_result(const struct context_spec *s, json_t *messages, int i, struct err *err)
{
    const struct chat_message *m = &s->req->messages[i];
    json_t *caller = json_array_get(messages, json_array_size(messages) - 1), *value = NULL;
    json_t *all = json_object_get(caller, "tool_responses"), *result = json_object();
    struct str name = m->name.n > 0 ? m->name : history_called_name(s->req->messages, i);
    if (!all && put(caller, "tool_responses", json_array()))
        all = json_object_get(caller, "tool_responses");
    bool parsed = json_parse_object(m->content, "a result", &value, NULL);
    bool ok = all && result && put(result, "name", safe_word(s, name, err)) &&
              put(result, "response", parsed ? safe_value(s, value, 0, err) : safe_string(s, m->content, err)) &&
              json_array_append(all, result) == 0;
    json_decref(value);
    json_decref(result);
    return ok;
}

static bool put_messages(const struct context_spec *s, json_t *context, struct err *err)
{
    json_t *messages = json_array();
    bool ok = messages && json_object_set(context, "messages", messages) == 0;
    for (int i = 0; ok && i < s->req->n_messages; i++) {
        if (s->model->folds_results && s->req->messages[i].tool_call_id.n > 0) {
            ok = fold_result(s, messages, i, err);
        } else {
            json_t *message = message_json(s, i, err);
            ok = message && json_array_append_new(messages, message) == 0;
        }
    }
    json_decref(messages);
    return ok;
}

/* ---- the rest ---- */

static json_t *token_name(const struct local_model *m, int32_t id)
{
    struct str name = id >= 0 ? tokenizer_piece(m->tokenizer, id) : STR("");
    return json_stringn(name.p, name.n);
}

/* An effort switches reasoning on, "none" off, unless enable_thinking says it; where a family cannot switch it off (its
 * reasoning is a channel), off is the lowest effort. */
static bool put_reasoning_switches(const struct context_spec *s, json_t *context)
{
    struct str effort = s->req->reasoning_effort;
    int think = s->req->enable_thinking;
    if (think < 0 && effort.n > 0)
        think = !str_is(effort, "none");
    if (str_is(effort, "none") || think == 0)
        effort = s->model->reasoning && reasoning_in_channels(s->model->reasoning) ? STR("low") : STR("");
    return (effort.n == 0 || put(context, "reasoning_effort", json_stringn(effort.p, effort.n))) &&
           (think < 0 || (put(context, "enable_thinking", json_boolean(think)) &&
                          put(context, "thinking", json_boolean(think))));
}

bool context_build(const struct context_spec *s, json_t **ret, struct err *err)
{
    struct err why = ERR_INIT;
    err_nomem(&why, "the messages");
    json_t *context = json_object();
    bool ok = context && put_messages(s, context, &why) && put(context, "add_generation_prompt", json_true()) &&
              put(context, "bos_token", token_name(s->model, tokenizer_bos(s->model->tokenizer))) &&
              put(context, "eos_token", token_name(s->model, tokenizer_eos(s->model->tokenizer))) &&
              put_reasoning_switches(s, context) &&
              (json_array_size(s->req->tools) == 0 || put(context, "tools", safe_value(s, s->req->tools, 0, &why)));
    if (ok) {
        *ret = context;
        return true;
    }
    json_decref(context);
    if (err)
        *err = why;
    return false;
}

/* ---- what needs spelling ---- */

static bool value_spells(const struct local_model *m, const json_t *value)
{
    size_t i;
    json_t *one;
    if (json_is_string(value))
        return guard_spells(m->tokenizer, text_of(value));
    json_array_foreach(value, i, one)
        if (value_spells(m, one))
            return true;
    for (void *at = json_object_iter((json_t *)value); at; at = json_object_iter_next((json_t *)value, at)) {
        struct str key = {json_object_iter_key(at), json_object_iter_key_len(at)};
        if (guard_spells(m->tokenizer, key) || value_spells(m, json_object_iter_value(at)))
            return true;
    }
    return false;
}

bool context_spells(const struct local_model *m, const struct generation_request *req)
{
    for (int i = 0; i < req->n_messages; i++) {
        const struct chat_message *one = &req->messages[i];
        const struct str texts[] = {one->content, one->reasoning, one->tool_call_id, one->name};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            if (guard_spells(m->tokenizer, texts[k]))
                return true;
        if (one->tool_calls && value_spells(m, one->tool_calls))
            return true;
    }
    return req->tools && value_spells(m, req->tools);
}

bool context_has_calls(const struct generation_request *req)
{
    for (int i = 0; i < req->n_messages; i++)
        if (req->messages[i].tool_calls)
            return true;
    return false;
}
