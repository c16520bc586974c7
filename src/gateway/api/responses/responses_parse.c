/* A Responses body to a chat-completions body, field by field: each documented field has a row in a table, where it is
 * translated, or refused by name; a field without a row is refused too. */
#include <stdio.h>

#include "gateway/api/fields.h"
#include "gateway/api/openai/openai.h"
#include "gateway/api/responses/responses_internal.h"

#define ECHO_MAX_BYTES JSON_MAX_BYTES

bool responses_put(struct responses_parse *p, json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 || err_nomem(p->err, "the request");
}

bool responses_append(struct responses_parse *p, json_t *array, json_t *value)
{
    return json_array_append_new(array, value) == 0 || err_nomem(p->err, "the request");
}

bool responses_only(struct responses_parse *p, const char *field, const json_t *object, const char *const *names)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        bool known = json_is_null(value);
        for (size_t i = 0; names[i] && !known; i++)
            known = strcmp(key, names[i]) == 0;
        if (!known)
            return err_set(p->err, ERR_INVALID,
                           "'%s.%.60s' is an unknown field; Rung refuses what it does not honour", field, key);
    }
    return true;
}

static json_t *kept(const json_t *value) { return json_incref((json_t *)(uintptr_t)value); }

static bool need_object(struct responses_parse *p, const char *field, const json_t *value)
{
    return json_is_object(value) || err_set(p->err, ERR_INVALID, "'%s' must be an object, not %s", field,
                                            value ? json_type_name(value) : "missing");
}

/* ---- one function per shape of field; each is only called with a value that is not null ---- */

/* The chat parser knows it by the same name, or by one of the table above. */
static bool read_same(struct responses_parse *p, const char *field, const json_t *value)
{
    return responses_put(p, p->chat, strcmp(field, "max_output_tokens") == 0 ? "max_completion_tokens" : field,
                         kept(value));
}

static bool read_instructions(struct responses_parse *p, const char *field, const json_t *value)
{
    return json_is_string(value) ||
           err_set(p->err, ERR_INVALID, "'%s' must be a string, not %s", field, json_type_name(value));
}

static bool read_include(struct responses_parse *p, const char *field, const json_t *value)
{
    if (!json_is_array(value))
        return err_set(p->err, ERR_INVALID, "'%s' must be an array, not %s", field, json_type_name(value));
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *name = json_string_value(json_array_get(value, i));
        if (name && strcmp(name, "message.output_text.logprobs") == 0) {
            if (!responses_put(p, p->chat, "logprobs", json_true()))
                return false;
        } else if (!name || strcmp(name, "reasoning.encrypted_content") != 0) {
            /* Nothing is encrypted here: reasoning comes, and may be sent back, in the clear. */
            return err_set(p->err, ERR_INVALID, "'%s[%zu]' is '%.60s', which is not supported", field, i,
                           name ? name : json_type_name(json_array_get(value, i)));
        }
    }
    return true;
}

static bool read_top_logprobs(struct responses_parse *p, const char *field, const json_t *value)
{
    return responses_put(p, p->chat, field, kept(value)) &&
           (!json_is_integer(value) || json_integer_value(value) == 0 ||
            responses_put(p, p->chat, "logprobs", json_true()));
}

static bool read_reasoning(struct responses_parse *p, const char *field, const json_t *value)
{
    static const char *const names[] = {"effort", "summary", "generate_summary", NULL};
    static const char *const summaries[] = {"summary", "generate_summary"};
    const json_t *effort = json_object_get(value, "effort");
    if (!need_object(p, field, value) || !responses_only(p, field, value, names))
        return false;
    for (size_t i = 0; i < sizeof summaries / sizeof summaries[0]; i++) {
        const json_t *summary = json_object_get(value, summaries[i]);
        if (summary && !json_is_null(summary) &&
            (!json_is_string(summary) || strcmp(json_string_value(summary), "auto") != 0))
            return err_set(p->err, ERR_INVALID,
                           "'reasoning.%s' must be \"auto\": what a model shows of its reasoning comes whole",
                           summaries[i]);
    }
    return !effort || json_is_null(effort) || responses_put(p, p->chat, "reasoning_effort", kept(effort));
}

/* {"type": "json_schema", "name", "schema", ...} has its members one level deeper in chat completions. */
static bool read_format(struct responses_parse *p, const json_t *format)
{
    const char *type = json_string_value(json_object_get(format, "type"));
    if (!need_object(p, "text.format", format))
        return false;
    if (!type || strcmp(type, "json_schema") != 0)
        return responses_put(p, p->chat, "response_format", kept(format));
    const char *key;
    json_t *value, *response_format = json_object(), *schema = json_object();
    if (!responses_put(p, p->chat, "response_format", response_format)) {
        json_decref(schema);
        return false;
    }
    if (!responses_put(p, response_format, "type", json_string(type)) ||
        !responses_put(p, response_format, "json_schema", schema))
        return false;
    json_object_foreach((json_t *)(uintptr_t)format, key, value)
    {
        if (strcmp(key, "type") != 0 && !responses_put(p, schema, key, kept(value)))
            return false;
    }
    return true;
}

static bool read_text(struct responses_parse *p, const char *field, const json_t *value)
{
    static const char *const names[] = {"format", "verbosity", NULL};
    const json_t *format = json_object_get(value, "format"), *verbosity = json_object_get(value, "verbosity");
    if (!need_object(p, field, value) || !responses_only(p, field, value, names))
        return false;
    if (verbosity && !json_is_null(verbosity) && !responses_put(p, p->chat, "verbosity", kept(verbosity)))
        return false;
    return !format || json_is_null(format) || read_format(p, format);
}

static bool read_tool(struct responses_parse *p, size_t i, const json_t *tool, json_t *tools)
{
    const char *type = json_string_value(json_object_get(tool, "type")), *key;
    json_t *value, *to = json_object(), *function = json_object();
    if (!responses_append(p, tools, to)) {
        json_decref(function);
        return false;
    }
    if (!responses_put(p, to, "function", function))
        return false;
    if (!type || strcmp(type, "function") != 0)
        return err_set(p->err, ERR_INVALID,
                       "'tools[%zu].type' is '%.40s', which is not supported: only functions can be called here", i,
                       type ? type : "missing");
    if (!responses_put(p, to, "type", json_string("function")))
        return false;
    json_object_foreach((json_t *)(uintptr_t)tool, key, value)
    {
        if (strcmp(key, "type") != 0 && !json_is_null(value) && !responses_put(p, function, key, kept(value)))
            return false;
    }
    return true;
}

static bool read_tools(struct responses_parse *p, const char *field, const json_t *value)
{
    if (!json_is_array(value))
        return err_set(p->err, ERR_INVALID, "'%s' must be an array, not %s", field, json_type_name(value));
    json_t *tools = json_array();
    if (!responses_put(p, p->chat, "tools", tools))
        return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!read_tool(p, i, json_array_get(value, i), tools))
            return false;
    }
    return true;
}

/* {"type": "function", "name"} -> {"type": "function", "function": {"name"}} */
static json_t *named_function(const json_t *choice)
{
    return json_pack("{s:s, s:{s:O*}}", "type", "function", "function", "name", json_object_get(choice, "name"));
}

static bool read_allowed_tools(struct responses_parse *p, const json_t *choice)
{
    static const char *const names[] = {"type", "mode", "tools", NULL};
    const json_t *tools = json_object_get(choice, "tools");
    json_t *list = json_array();
    json_t *to = json_pack("{s:s, s:{s:O*, s:o}}", "type", "allowed_tools", "allowed_tools", "mode",
                           json_object_get(choice, "mode"), "tools", list);
    if (!responses_put(p, p->chat, "tool_choice", to) || !responses_only(p, "tool_choice", choice, names))
        return false;
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        const char *type = json_string_value(json_object_get(tool, "type"));
        if (!type || strcmp(type, "function") != 0)
            return err_set(p->err, ERR_INVALID, "'tool_choice.tools[%zu].type' must be \"function\"", i);
        if (!responses_append(p, list, named_function(tool)))
            return false;
    }
    return true;
}

static bool read_tool_choice(struct responses_parse *p, const char *field, const json_t *value)
{
    static const char *const names[] = {"type", "name", NULL};
    const char *type = json_string_value(json_object_get(value, "type"));
    if (!json_is_object(value))
        return read_same(p, field, value);
    if (type && strcmp(type, "allowed_tools") == 0)
        return read_allowed_tools(p, value);
    if (!type || strcmp(type, "function") != 0)
        return err_set(p->err, ERR_INVALID,
                       "'tool_choice.type' is '%.40s', which is not supported; there are function and allowed_tools",
                       type ? type : "missing");
    return responses_only(p, field, value, names) && responses_put(p, p->chat, field, named_function(value));
}

static bool read_stream_options(struct responses_parse *p, const char *field, const json_t *value)
{
    static const char *const names[] = {"include_obfuscation", NULL};
    if (!need_object(p, field, value) || !responses_only(p, field, value, names))
        return false;
    return !json_is_true(json_object_get(value, "include_obfuscation")) ||
           err_set(p->err, ERR_INVALID, "'stream_options.include_obfuscation' is not supported; leave it out");
}

/* Fields of which one value asks for nothing that is not so anyway. */
static bool read_default(struct responses_parse *p, const char *field, const json_t *value)
{
    bool truncation = strcmp(field, "truncation") == 0;
    if (truncation ? json_is_string(value) && strcmp(json_string_value(value), "disabled") == 0 : json_is_false(value))
        return true;
    if (truncation)
        return err_set(p->err, ERR_INVALID,
                       "'truncation' must be \"disabled\": a prompt that does not fit is never cut in silence");
    return err_set(p->err, ERR_INVALID, "'%s' is not supported: every response is made while its caller waits", field);
}

static bool read_refused(struct responses_parse *p, const char *field, const json_t *value)
{
    static const char *const of_storage[] = {"previous_response_id", "conversation", "prompt"};
    (void)value;
    for (size_t i = 0; i < sizeof of_storage / sizeof of_storage[0]; i++) {
        if (strcmp(field, of_storage[i]) == 0)
            return err_set(p->err, ERR_INVALID,
                           "'%s' is not supported: nothing is stored here; send the whole conversation as input",
                           field);
    }
    return err_set(p->err, ERR_INVALID, "'%s' is not supported; leave it out", field);
}

static const struct field {
    const char *name;
    bool (*read)(struct responses_parse *p, const char *field, const json_t *value);
} fields[] = {
    {"model", read_same},
    {"input", responses_read_input},
    {"instructions", read_instructions},
    {"stream", read_same},
    {"stream_options", read_stream_options},
    {"max_output_tokens", read_same},
    {"temperature", read_same},
    {"top_p", read_same},
    {"top_logprobs", read_top_logprobs},
    {"include", read_include},
    {"text", read_text},
    {"reasoning", read_reasoning},
    {"tools", read_tools},
    {"tool_choice", read_tool_choice},
    {"parallel_tool_calls", read_same},
    {"metadata", read_same},
    {"store", read_same},
    {"user", read_same},
    {"safety_identifier", read_same},
    {"prompt_cache_key", read_same},
    {"prompt_cache_retention", read_same},
    {"service_tier", read_same},
    {"truncation", read_default},
    {"background", read_default},
    {"previous_response_id", read_refused},
    {"conversation", read_refused},
    {"prompt", read_refused},
    {"max_tool_calls", read_refused},
    {"context_management", read_refused},
    {"moderation", read_refused},
    {"prompt_cache_options", read_refused},
    /* Rung's own, as in chat completions */
    {"seed", read_same},
    {"stop", read_same},
    {"top_k", read_same},
    {"min_p", read_same},
    {"repetition_penalty", read_same},
    {"context_length", read_same},
    {"keep_alive", read_same},
    {"chat_template_kwargs", read_same},
    {"choices", read_same},
    {"grammar", read_same},
    {"property_order", read_same},
};

static bool read_fields(struct responses_parse *p)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)p->body, key, value)
    {
        const struct field *f = fields_row(fields, sizeof fields / sizeof fields[0], sizeof fields[0], key, p->err);
        if (!f || (!json_is_null(value) && !f->read(p, f->name, value)))
            return false;
    }
    return true;
}

/* Instructions stand before the items, whatever their order in the body. */
static bool put_messages(struct responses_parse *p)
{
    json_t *instructions = json_object_get(p->body, "instructions");
    if (!p->origins)
        return err_set(p->err, ERR_INVALID, "'input' is missing");
    if (json_is_string(instructions)) {
        json_t *message = json_pack("{s:s, s:O}", "role", "system", "content", instructions);
        if (json_array_insert_new(p->messages, 0, message) != 0)
            return err_nomem(p->err, "the request");
    }
    return responses_put(p, p->chat, "messages", kept(p->messages));
}

/* ---- what the reply repeats ---- */

static void repeat(struct json_writer *w, const json_t *body, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(body, key);
    json_key(w, key);
    if (value && !json_is_null(value))
        json_value(w, value);
    else
        json_raw(w, str_of(otherwise));
}

static void repeat_text(struct json_writer *w, const json_t *text)
{
    json_key(w, "text");
    json_open_object(w);
    repeat(w, text, "format", "{\"type\":\"text\"}");
    repeat(w, text, "verbosity", "\"medium\"");
    json_close_object(w);
}

/* The members of the request, as the reply has them; what was not said as it is understood. */
static bool keep_repeated(const json_t *body, struct request *r, struct err *err)
{
    static const char *const plain[][2] = {
        {"instructions", "null"},
        {"max_output_tokens", "null"},
        {"metadata", "{}"},
        {"parallel_tool_calls", "true"},
        {"prompt_cache_key", "null"},
        {"safety_identifier", "null"},
        {"temperature", "null"},
        {"tool_choice", "\"auto\""},
        {"tools", "[]"},
        {"top_logprobs", "0"},
        {"top_p", "1"},
        {"user", "null"},
    };
    struct buf text = BUF_INIT(ECHO_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&text);
    const json_t *reasoning = json_object_get(body, "reasoning");
    json_open_object(&w);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        repeat(&w, body, plain[i][0], plain[i][1]);
    repeat_text(&w, json_object_get(body, "text"));
    json_key(&w, "reasoning");
    json_open_object(&w);
    repeat(&w, reasoning, "effort", "null");
    const json_t *older = json_object_get(reasoning, "generate_summary");
    repeat(&w, reasoning, "summary", json_is_string(older) ? "\"auto\"" : "null");
    json_close_object(&w);
    json_close_object(&w);
    struct str all = arena_str(r->arena, buf_view(&text));
    bool ok = buf_check(&text, "the request", err) && (all.p || err_nomem(err, "the request"));
    buf_free(&text);
    if (ok)
        r->repeated = (struct str){all.p + 1, all.n - 2};
    return ok;
}

/* `reasoning` is what keep_repeated writes last. */
bool responses_wants_summary(const struct request *req)
{
    return str_ends(req->repeated, STR("\"summary\":\"auto\"}"));
}

static bool read_body(struct responses_parse *p, struct request *ret)
{
    if (!read_fields(p) || !put_messages(p))
        return false;
    json_t *chat = p->chat;
    p->chat = NULL;
    if (!openai_parse_built(chat, p->arena, ret, p->err)) {
        responses_rename_sentence(p);
        return false;
    }
    responses_rename_needs(p, ret);
    if (!keep_repeated(p->body, ret, p->err)) {
        request_free(ret);
        return false;
    }
    char id[sizeof ret->id];
    snprintf(id, sizeof id, "resp_%s", ret->id + strlen("chatcmpl-"));
    memcpy(ret->id, id, sizeof id);
    return true;
}

bool responses_parse(struct str body, struct arena *arena, struct request *ret, struct err *err)
{
    json_t *object = NULL;
    if (!json_parse_object(body, "request body", &object, err))
        return false;
    struct responses_parse p = {
        .body = object,
        .chat = json_object(),
        .messages = json_array(),
        .reasoning = BUF_INIT(JSON_MAX_BYTES),
        .reasoning_item = -1,
        .arena = arena,
        .err = err,
    };
    bool ok = read_body(&p, ret);
    json_decref(p.chat);
    json_decref(p.messages);
    json_decref(object);
    buf_free(&p.reasoning);
    return ok;
}
