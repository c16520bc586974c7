/* POST /v1/embeddings: texts or tokens in, vectors out, as numbers or as 32-bit floats in base64. */
#include "gateway/api/completions/fields.h"

#include <stdio.h>

#include "gateway/api/openai/openai.h"
#include "gateway/embed.h"
#include "gateway/http/headers.h"

#define ARENA_MAX (160u << 20)

/* ---- in ---- */

static bool parse_format(const json_t *object, bool *ret_base64, struct err *err)
{
    struct str format = STR("float");
    if (!json_get_str(object, "encoding_format", &format, err))
        return false;
    *ret_base64 = str_is(format, "base64");
    return *ret_base64 || str_is(format, "float") ||
           err_set(err, ERR_INVALID, "'encoding_format' must be float or base64");
}

static bool parse_inputs(const json_t *value, struct arena *arena, struct embed_call *ret, struct err *err)
{
    struct text_or_tokens *texts;
    if (!value || json_is_null(value))
        return err_set(err, ERR_INVALID, "'input' is missing");
    if (!fields_texts("input", value, EMBED_MAX_INPUTS, arena, &texts, &ret->n, err))
        return false;
    struct embed_input *inputs = arena_array(arena, (size_t)ret->n, sizeof *inputs);
    for (int i = 0; inputs && i < ret->n; i++)
        inputs[i] = (struct embed_input){texts[i].text, texts[i].tokens, texts[i].n_tokens};
    ret->inputs = inputs;
    return inputs || err_nomem(err, "the texts");
}

static bool parse(const json_t *object, struct arena *arena, struct embed_call *ret, bool *ret_base64,
                  struct err *err)
{
    static const char *const common[] = {"model", "user", "metadata", "keep_alive", NULL};
    static const char *const own[] = {"input", "encoding_format", "dimensions", NULL};
    struct request like;
    struct str user = STR("");
    if (!fields_common(object, common, own, STR(""), arena, &like, err))
        return false;
    request_free(&like);
    *ret = (struct embed_call){
        .model = like.model,
        .privacy = like.privacy,
        .privacy_class = like.privacy_class,
        .metadata = like.metadata,
        .conversation_id = like.conversation_id,
        .has_keep_alive = like.has_keep_alive,
        .keep_alive_ms = like.keep_alive_ms,
    };
    if (!json_get_str(object, "user", &user, err) || !parse_format(object, ret_base64, err) ||
        !json_get_i64(object, "dimensions", 1, INT32_MAX, &ret->dimensions, err))
        return false;
    ret->user = arena_str(arena, user);
    return (ret->user.p || err_nomem(err, "user")) &&
           parse_inputs(json_object_get(object, "input"), arena, ret, err);
}

bool embeddings_parse(struct str body, struct arena *arena, struct embed_call *ret, bool *ret_base64, struct err *err)
{
    json_t *object = NULL;
    if (!json_parse_object(body, "request body", &object, err))
        return false;
    bool ok = parse(object, arena, ret, ret_base64, err);
    json_decref(object);
    return ok;
}

/* ---- out ---- */

/* The floats as they lie in memory, little-endian. */
static void put_base64(struct json_writer *w, const float *v, int64_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)v;
    size_t bytes = (size_t)n * sizeof *v;
    struct buf text = BUF_INIT(PAGE_MAX_BYTES);
    buf_puts(&text, "\"");
    for (size_t i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        uint32_t three = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        char four[4] = {digits[three >> 18], digits[three >> 12 & 63], left > 1 ? digits[three >> 6 & 63] : '=',
                        left > 2 ? digits[three & 63] : '='};
        buf_add(&text, four, sizeof four);
    }
    buf_puts(&text, "\"");
    json_raw(w, buf_view(&text));
    buf_free(&text);
}

void embeddings_write(struct json_writer *w, const float *v, int64_t n)
{
    json_open_array(w);
    for (int64_t i = 0; i < n; i++) {
        char number[32];
        snprintf(number, sizeof number, "%.9g", (double)v[i]);   /* reads back the same */
        json_raw(w, str_of(number));
    }
    json_close_array(w);
}

static void put_vector(struct json_writer *w, const float *v, int64_t n, bool base64)
{
    json_key(w, "embedding");
    if (base64)
        put_base64(w, v, n);
    else
        embeddings_write(w, v, n);
}

static void write_reply(const struct embed_reply *r, int n, bool base64, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    json_put_cstr(&w, "object", "list");
    json_key(&w, "data");
    json_open_array(&w);
    for (int i = 0; i < n; i++) {
        json_open_object(&w);
        json_put_cstr(&w, "object", "embedding");
        json_put_i64(&w, "index", i);
        put_vector(&w, r->vectors + i * r->dimensions, r->dimensions, base64);
        json_close_object(&w);
    }
    json_close_array(&w);
    json_put_cstr(&w, "model", r->model);
    json_key(&w, "usage");
    json_open_object(&w);
    json_put_i64(&w, "prompt_tokens", r->prompt_tokens);
    json_put_i64(&w, "total_tokens", r->prompt_tokens);
    json_close_object(&w);
    json_close_object(&w);
}

static void put_headers(void *x, const struct request *req, const struct reply *reply)
{
    headers_put(x, req->id, req, reply);
    headers_put_cost(x, reply->cost_pico_usd);
}

void embeddings_ask(struct gateway *g, struct http_exchange *x, const struct caller *caller, struct embed_call *call,
                    struct embed_reply *ret)
{
    *ret = (struct embed_reply){.err = ERR_INIT, .http_status = 400};
    if (!headers_deadline(g, x, &call->deadline_ns, &ret->err))
        return;
    trace_context_parse(http_header(x, "traceparent"), &call->trace);
    call->caller = caller;
    call->gone = page_client_gone;
    call->gone_ctx = x;
    call->arrived_ns = http_arrived_ns(x);
    call->answered = put_headers;
    call->answered_ctx = x;
    gateway_embed(g, call, ret);
}

static void answer(struct gateway *g, struct http_exchange *x, const struct caller *caller, struct embed_call *call,
                   bool base64)
{
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct embed_reply reply;
    char param[64];
    embeddings_ask(g, x, caller, call, &reply);
    if (reply.ok) {
        write_reply(&reply, call->n, base64, &out);
        page_json(x, 200, &out);
    } else {
        bool no_model = reply.http_status == 404;
        page_fail_later(x, openai_write_error, reply.http_status, reply.err.msg,
                        no_model ? "model" : page_param(reply.err.msg, param, sizeof param),
                        no_model ? "model_not_found" : reply.code, reply.retry_after_s);
    }
    embed_reply_free(&reply);
    buf_free(&out);
}

void page_embeddings(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    struct arena arena = ARENA_INIT(ARENA_MAX);
    struct embed_call call;
    struct err err = ERR_INIT;
    char param[64];
    bool base64 = false;
    if (embeddings_parse(http_body(x), &arena, &call, &base64, &err))
        answer(g, x, caller, &call, base64);
    else
        page_fail(x, openai_write_error, err.code == ERR_NOMEM ? 503 : 400, err.msg,
                  page_param(err.msg, param, sizeof param), NULL);
    arena_free(&arena);
}
