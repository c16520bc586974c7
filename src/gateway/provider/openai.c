/* OpenAI's API, and servers that speak it: the members of the received body go out as the bytes that came in, but for
 * those that are Rung's (a form that API has no field for goes out as the response_format that means the same). */
#include "gateway/provider/openai.h"
#include "gateway/provider/parts.h"

#include <stdio.h>

#define MAX_MEMBERS 64

static bool is_ours(struct str key, const struct provider_call *call)
{
    static const char *const ours[] = {"model",      "stream", "stream_options", "metadata", "n",
                                       "keep_alive", "format", "choices",        "property_order", "context_length"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (str_is(key, ours[i]))
            return true;
    }
    if (str_is(key, "seed"))
        return call->req->sampler.choice > 0;
    return call->want_confidence && (str_is(key, "logprobs") || str_is(key, "top_logprobs"));
}

/* `format` and `choices` in that API's words. */
static void put_response_format(struct json_writer *w, const struct form *form)
{
    bool choices = form->rule.kind == RULE_CHOICES;
    json_key(w, "response_format");
    json_open_object(w);
    if (form->rule.kind == RULE_JSON_OBJECT) {
        json_put_cstr(w, "type", "json_object");
    } else {
        json_put_cstr(w, "type", "json_schema");
        json_key(w, "json_schema");
        json_open_object(w);
        json_put_cstr(w, "name", "answer");
        if (choices)
            json_put_bool(w, "strict", true);
        json_key(w, "schema");
        parts_schema(w, form);
        json_close_object(w);
    }
    json_close_object(w);
}

/* OpenAI's own models that think refuse the old name; other servers may not know the new one. */
static const char *max_tokens_field(const struct config_upstream *u)
{
    return strstr(u->base_url, "openai.com") || strstr(u->base_url, "azure.com") ? "max_completion_tokens"
                                                                                 : "max_tokens";
}

static void cut_id(json_t *object, const char *key)
{
    struct str id = upstream_text(json_object_get(object, key)), cut = parts_call_id(id, NULL);
    if (cut.n < id.n)
        json_object_set_new(object, key, json_stringn(cut.p, cut.n));
}

/* Messages whose calls came from an API that signs them: what is behind their ids is not for this one, which takes
 * short ids only. */
static bool put_messages(struct json_writer *w, struct str messages, struct err *err)
{
    json_t *list = NULL;
    if (!json_parse(messages, "messages", &list, err))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *message = json_array_get(list, i), *calls = json_object_get(message, "tool_calls");
        cut_id(message, "tool_call_id");
        for (size_t k = 0; k < json_array_size(calls); k++)
            cut_id(json_array_get(calls, k), "id");
    }
    json_key(w, "messages");
    json_value(w, list);
    json_decref(list);
    return true;
}

const char *openai_path(const struct request *req)
{
    if (req->embed)
        return "/embeddings";
    return req->needs & NEED_BIT(NEED_RAW_PROMPT) ? "/completions" : "/chat/completions";
}

/* That the answer's confidence may be known: what its log-probabilities are asked with. */
static void put_logprobs(struct json_writer *w, const struct provider_call *call)
{
    int top = call->config->score == SCORE_ENTROPY ? RECORD_TOP : call->req->top_logprobs;
    if (call->req->needs & NEED_BIT(NEED_RAW_PROMPT)) {
        json_put_i64(w, "logprobs", top);
        return;
    }
    json_put_bool(w, "logprobs", true);
    if (top)
        json_put_i64(w, "top_logprobs", top);
}

bool openai_put_body(const struct provider_call *call, struct buf *out, struct err *err)
{
    const struct request *req = call->req;
    struct json_member members[MAX_MEMBERS];
    int n = 0;
    if (!json_members(req->body, members, MAX_MEMBERS, &n))
        return err_set(err, ERR_LIMIT, "the request body has more than %d fields", MAX_MEMBERS);
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    json_put_cstr(&w, "model", call->upstream->model);
    if (req->stream) {
        json_put_bool(&w, "stream", true);
        json_put_raw(&w, "stream_options", STR("{\"include_usage\":true}"));
    }
    if (call->want_confidence)
        put_logprobs(&w, call);
    /* Each of several answers is asked for by itself; one seed for all would give one answer again and again. */
    if (req->sampler.choice > 0 && req->needs & NEED_BIT(NEED_SEED))
        json_put_i64(&w, "seed", (int64_t)(req->sampler.seed + req->sampler.choice));
    if (req->form && (strcmp(req->form->field, "format") == 0 || strcmp(req->form->field, "choices") == 0))
        put_response_format(&w, req->form);
    if (call->max_tokens && !req->max_tokens)
        json_put_i64(&w, max_tokens_field(call->upstream), call->max_tokens);
    for (int i = 0; i < n; i++) {
        if (is_ours(members[i].key, call) || str_is(members[i].value, "null"))
            continue;
        char key[64];
        snprintf(key, sizeof key, STR_FMT, STR_ARG(members[i].key));
        bool messages = str_is(members[i].key, "messages");
        if (messages && str_find(members[i].value, STR(PARTS_SIGNATURE)) != SIZE_MAX) {
            if (!put_messages(&w, members[i].value, err))
                return false;
        } else {
            json_put_raw(&w, key, members[i].value);
        }
    }
    json_close_object(&w);
    return true;
}

static bool put_url(const struct provider_call *call, struct buf *out, struct err *err)
{
    (void)err;
    buf_str(out, provider_base(call->upstream));
    buf_puts(out, openai_path(call->req));
    return true;
}

static bool put_headers(const struct provider_call *call, struct buf *out, struct err *err)
{
    (void)err;
    provider_put_key(call, "Authorization: Bearer ", out);
    return true;
}

const struct provider provider_openai = {
    .name = "openai",
    .offers = OPENAI_OFFERS,
    .url = put_url,
    .headers = put_headers,
    .body = openai_put_body,
    .read_reply = openai_read_reply,
    .read_event = openai_read_event,
};
