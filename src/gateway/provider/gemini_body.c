/* A chat-completions body in the words of Gemini's API: contents of parts, declarations of functions, one object of
 * settings. A call goes back with the signature that its id carries. What has no counterpart is no part of the
 * provider's offers, so it is not met here. */
#include "gateway/provider/gemini.h"
#include "gateway/provider/parts.h"
#include "runtime/history.h"

#define MAX_STOPS 5                       /* by the API */
/* What the API takes for the signature of a call that it did not make itself. */
#define NO_SIGNATURE "skip_thought_signature_validator"

struct body_writer {
    const struct provider_call *call;
    const json_t *chat;
    struct json_writer *w;
    const char *turn;                     /* the role of the content that is open; NULL: none */
    struct err *err;
};

/* From version 3 on thinking has levels, and calls are signed. A name that says no version is taken for a new one. */
static bool is_new(const struct body_writer *b)
{
    int major, minor;
    parts_version(str_of(b->call->upstream->model), &major, &minor);
    return major == 0 || major >= 3;
}

/* ---- parts ---- */

static void open_part(struct body_writer *b, const char *role)
{
    if (!b->turn || strcmp(b->turn, role) != 0) {
        if (b->turn) {
            json_close_array(b->w);
            json_close_object(b->w);
        }
        b->turn = role;
        json_open_object(b->w);
        json_put_cstr(b->w, "role", role);
        json_key(b->w, "parts");
        json_open_array(b->w);
    }
    json_open_object(b->w);
}

static void put_text(struct body_writer *b, const char *role, struct str text)
{
    if (text.n == 0)
        return;
    open_part(b, role);
    json_put_str(b->w, "text", text);
    json_close_object(b->w);
}

static void put_inline(struct body_writer *b, const char *role, struct str type, struct str data)
{
    open_part(b, role);
    json_key(b->w, "inlineData");
    json_open_object(b->w);
    json_put_str(b->w, "mimeType", type);
    json_put_str(b->w, "data", data);
    json_close_object(b->w);
    json_close_object(b->w);
}

static void put_image(struct body_writer *b, const char *role, struct str url)
{
    struct str type, data;
    if (parts_data_url(url, &type, &data)) {
        put_inline(b, role, type, data);
        return;
    }
    open_part(b, role);
    json_key(b->w, "fileData");
    json_open_object(b->w);
    json_put_str(b->w, "fileUri", url);
    json_close_object(b->w);
    json_close_object(b->w);
}

static bool put_part(struct body_writer *b, const char *role, const json_t *part)
{
    struct str name = upstream_text(json_object_get(part, "type")), type, data;
    if (str_is(name, "image_url")) {
        put_image(b, role, upstream_text(json_object_get(json_object_get(part, "image_url"), "url")));
    } else if (str_is(name, "input_audio")) {
        const json_t *audio = json_object_get(part, "input_audio");
        bool wav = str_is(upstream_text(json_object_get(audio, "format")), "wav");
        put_inline(b, role, wav ? STR("audio/wav") : STR("audio/mp3"), upstream_text(json_object_get(audio, "data")));
    } else if (str_is(name, "file")) {
        const json_t *file = json_object_get(part, "file");
        if (!parts_data_url(upstream_text(json_object_get(file, "file_data")), &type, &data))
            return err_set(b->err, ERR_UNSUPPORTED,
                           "a file for Gemini's API must be given as file_data: data:TYPE;base64,...");
        put_inline(b, role, type, data);
    } else {
        put_text(b, role, upstream_text(json_object_get(part, "text")));
    }
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

static bool put_signature(struct body_writer *b, struct str safe)
{
    struct buf plain = BUF_INIT(HISTORY_MAX_ID_BYTES + 4);
    parts_add_plain(&plain, safe);
    json_put_str(b->w, "thoughtSignature", buf_view(&plain));
    bool ok = buf_check(&plain, "the signature of a call", b->err);
    buf_free(&plain);
    return ok;
}

/* Of calls made side by side only the first is signed. */
static bool put_calls(struct body_writer *b, const json_t *calls)
{
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        struct str signature, id = parts_call_id(upstream_text(json_object_get(call, "id")), &signature);
        open_part(b, "model");
        json_key(b->w, "functionCall");
        json_open_object(b->w);
        json_put_str(b->w, "id", id);
        json_put_str(b->w, "name", upstream_text(json_object_get(json_object_get(call, "function"), "name")));
        json_key(b->w, "args");
        parts_arguments(b->w, call);
        json_close_object(b->w);
        if (signature.n)
            ok = put_signature(b, signature);
        else if (i == 0 && is_new(b))
            json_put_cstr(b->w, "thoughtSignature", NO_SIGNATURE);
        json_close_object(b->w);
    }
    return ok;
}

/* A result is an object there. */
static void put_result(struct body_writer *b, int i)
{
    const struct chat_message *m = &b->call->req->messages[i];
    json_t *object = NULL;
    open_part(b, "user");
    json_key(b->w, "functionResponse");
    json_open_object(b->w);
    json_put_str(b->w, "id", parts_call_id(m->tool_call_id, NULL));
    json_put_str(b->w, "name", history_called_name(b->call->req->messages, i));
    json_key(b->w, "response");
    if (json_parse_object(m->content, "result", &object, NULL)) {
        json_value(b->w, object);
    } else {
        json_open_object(b->w);
        json_put_str(b->w, "result", m->content);
        json_close_object(b->w);
    }
    json_close_object(b->w);
    json_close_object(b->w);
    json_decref(object);
}

/* ---- the conversation ---- */

static bool put_contents(struct body_writer *b)
{
    const struct request *req = b->call->req;
    const json_t *messages = json_object_get(b->chat, "messages");
    bool ok = true;
    json_key(b->w, "contents");
    json_open_array(b->w);
    for (int i = 0; ok && i < req->n_messages; i++) {
        const struct chat_message *m = &req->messages[i];
        const char *role = str_is(m->role, "assistant") ? "model" : "user";
        if (str_is(m->role, "tool"))
            put_result(b, i);
        else if (!str_is(m->role, "system"))
            ok = put_content(b, role, json_object_get(json_array_get(messages, (size_t)i), "content"));
        if (ok && m->tool_calls)
            ok = put_calls(b, m->tool_calls);
    }
    if (b->turn) {
        json_close_array(b->w);
        json_close_object(b->w);
    }
    json_close_array(b->w);
    return ok;
}

/* All system messages, wherever they stand, in order: the API has one place for them. */
static void put_system(struct body_writer *b)
{
    const struct request *req = b->call->req;
    bool any = false;
    for (int i = 0; i < req->n_messages; i++) {
        if (!str_is(req->messages[i].role, "system") || req->messages[i].content.n == 0)
            continue;
        if (!any) {
            json_key(b->w, "systemInstruction");
            json_open_object(b->w);
            json_key(b->w, "parts");
            json_open_array(b->w);
        }
        any = true;
        json_open_object(b->w);
        json_put_str(b->w, "text", req->messages[i].content);
        json_close_object(b->w);
    }
    if (any) {
        json_close_array(b->w);
        json_close_object(b->w);
    }
}

/* ---- tools ---- */

static void put_declaration(struct body_writer *b, const json_t *function)
{
    const json_t *description = json_object_get(function, "description");
    json_open_object(b->w);
    json_put_str(b->w, "name", upstream_text(json_object_get(function, "name")));
    if (json_is_string(description))
        json_put_str(b->w, "description", upstream_text(description));
    if (json_object_size(json_object_get(function, "parameters"))) {
        json_key(b->w, "parametersJsonSchema");
        parts_parameters(b->w, function);
    }
    json_close_object(b->w);
}

static void put_tool_config(struct body_writer *b)
{
    const json_t *choice = json_object_get(b->chat, "tool_choice");
    struct str word = upstream_text(choice), name = STR("");
    if (json_is_object(choice))
        name = upstream_text(json_object_get(json_object_get(choice, "function"), "name"));
    if (!word.n && !name.n)
        return;
    json_key(b->w, "toolConfig");
    json_open_object(b->w);
    json_key(b->w, "functionCallingConfig");
    json_open_object(b->w);
    json_put_cstr(b->w, "mode",
                  name.n || str_is(word, "required") ? "ANY" : str_is(word, "none") ? "NONE" : "AUTO");
    if (name.n) {
        json_key(b->w, "allowedFunctionNames");
        json_open_array(b->w);
        json_str(b->w, name);
        json_close_array(b->w);
    }
    json_close_object(b->w);
    json_close_object(b->w);
}

static void put_tools(struct body_writer *b)
{
    const json_t *tools = json_object_get(b->chat, "tools");
    if (json_array_size(tools) == 0)
        return;
    json_key(b->w, "tools");
    json_open_array(b->w);
    json_open_object(b->w);
    json_key(b->w, "functionDeclarations");
    json_open_array(b->w);
    for (size_t i = 0; i < json_array_size(tools); i++)
        put_declaration(b, json_object_get(json_array_get(tools, i), "function"));
    json_close_array(b->w);
    json_close_object(b->w);
    json_close_array(b->w);
    put_tool_config(b);
}

/* ---- settings ---- */

static void put_thinking(struct body_writer *b)
{
    const struct request *req = b->call->req;
    bool thinks = req->enable_thinking == 1;
    bool pro = str_find(str_of(b->call->upstream->model), STR("pro")) != SIZE_MAX;
    if (req->enable_thinking < 0)
        return;
    json_key(b->w, "thinkingConfig");
    json_open_object(b->w);
    if (thinks)
        json_put_bool(b->w, "includeThoughts", true);
    if (is_new(b) && (!thinks || req->reasoning_effort.n)) {
        json_put_str(b->w, "thinkingLevel", thinks ? req->reasoning_effort : pro ? STR("low") : STR("minimal"));
    } else if (!is_new(b)) {
        int64_t budget = str_is(req->reasoning_effort, "low")      ? 1024
                         : str_is(req->reasoning_effort, "medium") ? 8192
                         : str_is(req->reasoning_effort, "high")   ? 24576
                                                                   : -1;
        json_put_i64(b->w, "thinkingBudget", thinks ? budget : pro ? 128 : 0);
    }
    json_close_object(b->w);
}

static void put_form(struct body_writer *b)
{
    const struct form *form = b->call->req->form;
    if (!parts_has_schema(form) && !(form && form->rule.kind == RULE_JSON_OBJECT))
        return;
    json_put_cstr(b->w, "responseMimeType", "application/json");
    if (!parts_has_schema(form))
        return;
    json_key(b->w, "responseJsonSchema");
    parts_schema(b->w, form);
}

static void put_logprobs(struct body_writer *b)
{
    const struct request *req = b->call->req;
    bool entropy = b->call->want_confidence && b->call->config->score == SCORE_ENTROPY;
    if (!req->logprobs && !b->call->want_confidence)
        return;
    json_put_bool(b->w, "responseLogprobs", true);
    if (entropy || req->top_logprobs)
        json_put_i64(b->w, "logprobs", entropy ? RECORD_TOP : req->top_logprobs);
}

static void put_numbers(struct body_writer *b)
{
    static const struct {
        const char *ours, *theirs;
    } fields[] = {
        {"temperature", "temperature"},
        {"top_p", "topP"},
        {"presence_penalty", "presencePenalty"},
        {"frequency_penalty", "frequencyPenalty"},
    };
    const struct request *req = b->call->req;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const json_t *value = json_object_get(b->chat, fields[i].ours);
        if (!json_is_number(value))
            continue;
        json_key(b->w, fields[i].theirs);
        json_value(b->w, value);
    }
    if (req->sampler.top_k)
        json_put_i64(b->w, "topK", req->sampler.top_k);
    if (b->call->max_tokens)
        json_put_i64(b->w, "maxOutputTokens", b->call->max_tokens);
    if (req->needs & NEED_BIT(NEED_SEED))     /* 31 bits there */
        json_put_i64(b->w, "seed", (int64_t)((req->sampler.seed + (uint64_t)req->sampler.choice) & INT32_MAX));
}

static bool put_settings(struct body_writer *b)
{
    const struct request *req = b->call->req;
    if (req->n_stop > MAX_STOPS)
        return err_set(b->err, ERR_UNSUPPORTED, "Gemini's API takes at most %d texts in 'stop'", MAX_STOPS);
    json_key(b->w, "generationConfig");
    json_open_object(b->w);
    put_numbers(b);
    if (req->n_stop) {
        json_key(b->w, "stopSequences");
        json_open_array(b->w);
        for (int i = 0; i < req->n_stop; i++)
            json_str(b->w, req->stop[i]);
        json_close_array(b->w);
    }
    put_form(b);
    put_thinking(b);
    put_logprobs(b);
    json_close_object(b->w);
    return true;
}

bool gemini_body(const struct provider_call *call, struct buf *out, struct err *err)
{
    struct json_writer w = JSON_WRITER(out);
    struct body_writer b = {.call = call, .w = &w, .err = err};
    json_t *chat = NULL;
    if (!parts_chat(call, &chat, err))
        return false;
    b.chat = chat;
    json_open_object(&w);
    put_system(&b);
    bool ok = put_contents(&b);
    put_tools(&b);
    ok = ok && put_settings(&b);
    json_close_object(&w);
    json_decref(chat);
    return ok;
}
