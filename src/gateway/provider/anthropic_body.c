/* A chat-completions body in the words of Anthropic's API: turns of blocks, one system text, a limit that must be
 * given. A body that came in that API's own words goes out as the bytes that came in, but for what is Rung's to say.
 * What has no counterpart is no part of the provider's offers, so it is not met here. */
#include <stdio.h>

#include "gateway/provider/anthropic.h"
#include "gateway/provider/parts.h"

#define DEFAULT_MAX_TOKENS 8192           /* the API asks for a limit; OpenAI's does not */
#define MIN_BUDGET_TOKENS 1024            /* of thinking, by the API */
#define MAX_MEMBERS 64
#define MAX_ID_BYTES 256

struct body_writer {
    const struct provider_call *call;
    const json_t *chat;
    struct json_writer *w;
    const char *turn;                     /* the role of the turn that is open; NULL: none */
    struct err *err;
};

/* ---- blocks ---- */

static void open_turn(struct body_writer *b, const char *role)
{
    if (b->turn && strcmp(b->turn, role) == 0)
        return;
    if (b->turn) {
        json_close_array(b->w);
        json_close_object(b->w);
    }
    b->turn = role;
    json_open_object(b->w);
    json_put_cstr(b->w, "role", role);
    json_key(b->w, "content");
    json_open_array(b->w);
}

static void open_block(struct body_writer *b, const char *role, const char *type)
{
    open_turn(b, role);
    json_open_object(b->w);
    json_put_cstr(b->w, "type", type);
}

/* An empty text says nothing, and the API refuses it. */
static void put_text(struct body_writer *b, const char *role, struct str text)
{
    if (text.n == 0)
        return;
    open_block(b, role, "text");
    json_put_str(b->w, "text", text);
    json_close_object(b->w);
}

static void put_source(struct body_writer *b, struct str url)
{
    struct str type, data;
    bool inlined = parts_data_url(url, &type, &data);
    json_key(b->w, "source");
    json_open_object(b->w);
    json_put_cstr(b->w, "type", inlined ? "base64" : "url");
    if (inlined) {
        json_put_str(b->w, "media_type", type);
        json_put_str(b->w, "data", data);
    } else {
        json_put_str(b->w, "url", url);
    }
    json_close_object(b->w);
}

static bool put_file(struct body_writer *b, const char *role, const json_t *file)
{
    struct str data = upstream_text(json_object_get(file, "file_data")), type, base64;
    struct str name = upstream_text(json_object_get(file, "filename"));
    if (!parts_data_url(data, &type, &base64) || !str_is(type, "application/pdf"))
        return err_set(b->err, ERR_UNSUPPORTED,
                       "a file for Anthropic's API must be a PDF given as file_data: data:application/pdf;base64,...");
    open_block(b, role, "document");
    put_source(b, data);
    if (name.n)
        json_put_str(b->w, "title", name);
    json_close_object(b->w);
    return true;
}

static bool put_part(struct body_writer *b, const char *role, const json_t *part)
{
    struct str type = upstream_text(json_object_get(part, "type"));
    if (str_is(type, "file"))
        return put_file(b, role, json_object_get(part, "file"));
    if (str_is(type, "image_url")) {
        open_block(b, role, "image");
        put_source(b, upstream_text(json_object_get(json_object_get(part, "image_url"), "url")));
        json_close_object(b->w);
        return true;
    }
    put_text(b, role, upstream_text(json_object_get(part, "text")));
    return true;
}

static bool put_content(struct body_writer *b, const char *role, const json_t *content)
{
    if (json_is_string(content))
        put_text(b, role, upstream_text(content));
    for (size_t i = 0; i < json_array_size(content); i++) {
        if (!put_part(b, role, json_array_get(content, i)))
            return false;
    }
    return true;
}

/* Ids of other APIs may hold letters that this one refuses; calls and results are changed alike. */
static void put_id(struct body_writer *b, const char *key, struct str id)
{
    char clean[MAX_ID_BYTES];
    size_t n = 0;
    id = parts_call_id(id, NULL);
    for (; n < id.n && n < sizeof clean; n++) {
        char c = id.p[n];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        clean[n] = ok ? c : '_';
    }
    json_put_str(b->w, key, (struct str){clean, n});
}

static void put_calls(struct body_writer *b, const json_t *calls)
{
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        open_block(b, "assistant", "tool_use");
        put_id(b, "id", upstream_text(json_object_get(call, "id")));
        json_put_str(b->w, "name", upstream_text(json_object_get(json_object_get(call, "function"), "name")));
        json_key(b->w, "input");
        parts_arguments(b->w, call);
        json_close_object(b->w);
    }
}

static void put_result(struct body_writer *b, const struct chat_message *message)
{
    open_block(b, "user", "tool_result");
    put_id(b, "tool_use_id", message->tool_call_id);
    if (message->content.n)
        json_put_str(b->w, "content", message->content);
    json_close_object(b->w);
}

/* ---- the conversation ---- */

static bool put_messages(struct body_writer *b)
{
    const struct request *req = b->call->req;
    const json_t *messages = json_object_get(b->chat, "messages");
    json_key(b->w, "messages");
    json_open_array(b->w);
    for (int i = 0; i < req->n_messages; i++) {
        const struct chat_message *m = &req->messages[i];
        const char *role = str_is(m->role, "assistant") ? "assistant" : "user";
        if (str_is(m->role, "system"))
            continue;
        if (str_is(m->role, "tool"))
            put_result(b, m);
        else if (!put_content(b, role, json_object_get(json_array_get(messages, (size_t)i), "content")))
            return false;
        if (m->tool_calls)
            put_calls(b, m->tool_calls);
    }
    if (b->turn) {
        json_close_array(b->w);
        json_close_object(b->w);
    }
    json_close_array(b->w);
    return true;
}

static void put_system_text(struct body_writer *b, struct str text, bool *any)
{
    if (text.n == 0)
        return;
    if (!*any) {
        json_key(b->w, "system");
        json_open_array(b->w);
    }
    *any = true;
    json_open_object(b->w);
    json_put_cstr(b->w, "type", "text");
    json_put_str(b->w, "text", text);
    json_close_object(b->w);
}

/* All system messages, wherever they stand, in order: the API has one place for them. It has no way to ask for JSON
 * without a schema, so that is said in words; the answer is checked all the same. */
static void put_system(struct body_writer *b)
{
    const struct request *req = b->call->req;
    bool any = false;
    for (int i = 0; i < req->n_messages; i++) {
        if (str_is(req->messages[i].role, "system"))
            put_system_text(b, req->messages[i].content, &any);
    }
    if (req->form && req->form->rule.kind == RULE_JSON_OBJECT)
        put_system_text(b, STR("Answer with one JSON object and nothing else: no code fence, no words around it."),
                        &any);
    if (any)
        json_close_array(b->w);
}

/* ---- tools ---- */

static void put_tools(struct body_writer *b)
{
    const json_t *tools = json_object_get(b->chat, "tools");
    if (json_array_size(tools) == 0)
        return;
    json_key(b->w, "tools");
    json_open_array(b->w);
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *function = json_object_get(json_array_get(tools, i), "function");
        const json_t *description = json_object_get(function, "description");
        json_open_object(b->w);
        json_put_str(b->w, "name", upstream_text(json_object_get(function, "name")));
        if (json_is_string(description))
            json_put_str(b->w, "description", upstream_text(description));
        json_key(b->w, "input_schema");
        parts_parameters(b->w, function);
        if (json_is_true(json_object_get(function, "strict")))
            json_put_bool(b->w, "strict", true);
        json_close_object(b->w);
    }
    json_close_array(b->w);
}

static void put_tool_choice(struct body_writer *b)
{
    const json_t *choice = json_object_get(b->chat, "tool_choice");
    struct str word = upstream_text(choice), name = STR("");
    bool one = b->call->req->one_tool_call;
    if (json_array_size(json_object_get(b->chat, "tools")) == 0)
        return;
    if (json_is_object(choice))
        name = upstream_text(json_object_get(json_object_get(choice, "function"), "name"));
    if (!name.n && !word.n && !one)
        return;
    bool none = str_is(word, "none");
    json_key(b->w, "tool_choice");
    json_open_object(b->w);
    json_put_cstr(b->w, "type", name.n ? "tool" : none ? "none" : str_is(word, "required") ? "any" : "auto");
    if (name.n)
        json_put_str(b->w, "name", name);
    if (one && !none)
        json_put_bool(b->w, "disable_parallel_tool_use", true);
    json_close_object(b->w);
}

/* ---- how much is thought, and said ---- */

/* Since version 4.6 a model decides by itself how long it thinks, at an effort; before, it has a budget. A name that
 * says no version is taken for a new one. */
static bool thinks_by_effort(const struct body_writer *b)
{
    int major, minor;
    parts_version(str_of(b->call->upstream->model), &major, &minor);
    return major == 0 || major > 4 || (major == 4 && minor >= 6);
}

/* Tokens for thinking out of `max_tokens`, where that is given; 0: none. In the middle of calls the API wants the
 * thoughts before them back, signed, and a chat-completions history has none. */
static int64_t budget_of(const struct body_writer *b, int64_t max_tokens)
{
    const struct request *req = b->call->req;
    int64_t budget = str_is(req->reasoning_effort, "low")    ? MIN_BUDGET_TOKENS
                     : str_is(req->reasoning_effort, "high") ? 16 * MIN_BUDGET_TOKENS
                                                             : 4 * MIN_BUDGET_TOKENS;
    if (req->enable_thinking != 1 || thinks_by_effort(b) || parts_in_calls(req))
        return 0;
    if (max_tokens && budget > max_tokens / 2)
        budget = max_tokens / 2;
    return budget >= MIN_BUDGET_TOKENS ? budget : 0;
}

static void put_limits(struct body_writer *b)
{
    const struct request *req = b->call->req;
    int64_t budget = budget_of(b, b->call->max_tokens);
    bool by_effort = thinks_by_effort(b);
    json_put_i64(b->w, "max_tokens", b->call->max_tokens ? b->call->max_tokens : DEFAULT_MAX_TOKENS + budget);
    if (req->enable_thinking < 0 || (req->enable_thinking == 1 && !by_effort && !budget))
        return;
    json_key(b->w, "thinking");
    json_open_object(b->w);
    json_put_cstr(b->w, "type", req->enable_thinking == 0 ? "disabled" : budget ? "enabled" : "adaptive");
    if (budget)
        json_put_i64(b->w, "budget_tokens", budget);
    json_close_object(b->w);
}

static void put_output_config(struct body_writer *b)
{
    const struct request *req = b->call->req;
    bool effort = req->enable_thinking == 1 && req->reasoning_effort.n && thinks_by_effort(b);
    bool schema = parts_has_schema(req->form);
    if (!effort && !schema)
        return;
    json_key(b->w, "output_config");
    json_open_object(b->w);
    if (effort)
        json_put_str(b->w, "effort", req->reasoning_effort);
    if (schema) {
        json_key(b->w, "format");
        json_open_object(b->w);
        json_put_cstr(b->w, "type", "json_schema");
        json_key(b->w, "schema");
        parts_schema(b->w, req->form);
        json_close_object(b->w);
    }
    json_close_object(b->w);
}

static void put_sampling(struct body_writer *b)
{
    static const char *const fields[] = {"temperature", "top_p", "top_k"};
    const struct request *req = b->call->req;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const json_t *value = json_object_get(b->chat, fields[i]);
        if (!json_is_number(value) || (i == 2 && req->sampler.top_k == 0))
            continue;
        json_key(b->w, fields[i]);
        json_value(b->w, value);
    }
    if (req->n_stop == 0)
        return;
    json_key(b->w, "stop_sequences");
    json_open_array(b->w);
    for (int i = 0; i < req->n_stop; i++)
        json_str(b->w, req->stop[i]);
    json_close_array(b->w);
}

static void put_user(struct body_writer *b)
{
    struct str user = upstream_text(json_object_get(b->chat, "user"));
    if (!user.n)
        user = upstream_text(json_object_get(b->chat, "safety_identifier"));
    if (!user.n)
        return;
    json_key(b->w, "metadata");
    json_open_object(b->w);
    json_put_str(b->w, "user_id", user);
    json_close_object(b->w);
}

/* ---- a body in the API's own words ---- */

static void put_native_metadata(struct body_writer *b, struct str metadata)
{
    json_t *object = NULL;
    if (json_parse_object(metadata, "metadata", &object, NULL) && json_object_get(object, "user_id")) {
        json_key(b->w, "metadata");
        json_open_object(b->w);
        json_key(b->w, "user_id");
        json_value(b->w, json_object_get(object, "user_id"));
        json_close_object(b->w);
    }
    json_decref(object);
}

/* What is Rung's, or said by put_native itself. */
static bool is_ours(struct str key)
{
    static const char *const ours[] = {"model", "stream", "context_length", "keep_alive", "output_format"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (str_is(key, ours[i]))
            return true;
    }
    return false;
}

/* `output_format` is an older name, which the API takes only from those that ask for it in a header. */
static void put_native_format(struct body_writer *b, struct str format)
{
    json_key(b->w, "output_config");
    json_open_object(b->w);
    json_put_raw(b->w, "format", format);
    json_close_object(b->w);
}

static bool put_native(struct body_writer *b)
{
    struct json_member members[MAX_MEMBERS];
    int n = 0;
    if (!json_members(b->call->req->anthropic, members, MAX_MEMBERS, &n))
        return err_set(b->err, ERR_LIMIT, "the request body has more than %d fields", MAX_MEMBERS);
    for (int i = 0; i < n; i++) {
        char key[64];
        if (str_is(members[i].value, "null"))
            continue;
        if (str_is(members[i].key, "output_format"))
            put_native_format(b, members[i].value);
        if (is_ours(members[i].key))
            continue;
        snprintf(key, sizeof key, STR_FMT, STR_ARG(members[i].key));
        if (str_is(members[i].key, "metadata"))
            put_native_metadata(b, members[i].value);
        else if (str_is(members[i].key, "max_tokens") && b->call->max_tokens)
            json_put_i64(b->w, "max_tokens", b->call->max_tokens);
        else
            json_put_raw(b->w, key, members[i].value);
    }
    return true;
}

static bool put_translated(struct body_writer *b)
{
    json_t *chat = NULL;
    if (!parts_chat(b->call, &chat, b->err))
        return false;
    b->chat = chat;
    put_limits(b);
    put_system(b);
    bool ok = put_messages(b);
    put_tools(b);
    put_tool_choice(b);
    put_output_config(b);
    put_sampling(b);
    put_user(b);
    json_decref(chat);
    return ok;
}

bool anthropic_body(const struct provider_call *call, struct buf *out, struct err *err)
{
    struct json_writer w = JSON_WRITER(out);
    struct body_writer b = {.call = call, .w = &w, .err = err};
    json_open_object(&w);
    json_put_cstr(&w, "model", call->upstream->model);
    if (call->req->stream)
        json_put_bool(&w, "stream", true);
    bool ok = call->req->anthropic.n ? put_native(&b) : put_translated(&b);
    json_close_object(&w);
    return ok;
}
