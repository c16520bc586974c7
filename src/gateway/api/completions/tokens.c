/* POST /tokenize and /detokenize with the tokenizer of a model that is here, in the shapes of llama-server (content in
 * and out) and vLLM (prompt, or messages through the chat template; count and max_model_len beside the tokens). */
#include "gateway/answer/answer.h"
#include "gateway/api/completions/fields.h"
#include "gateway/api/openai/openai.h"
#include "gateway/models.h"
#include "gateway/people/people.h"
#include "runtime/tokens.h"

#define ARENA_MAX (160u << 20)

struct tokens_call {
    struct gateway *g;
    struct arena arena;
    json_t *object;
    struct request like;                  /* model and messages, as chat completions read them */
    bool made;
    struct local_model *model;            /* held; NULL: not yet */
    struct token_ids ids;
    struct buf out;
    int status;                           /* of a failure */
    struct err err;
};

/* ---- which model ---- */

/* None named, or auto: the first tier that is here, of those that the caller may use. */
static int first_here(const struct gateway *g, const struct caller *caller)
{
    const struct config *c = gateway_config(g);
    for (int t = 0; t < c->n_tiers; t++)
        if (models_local(g, c->tiers[t].model) && caller_may_use(c, caller, c->tiers[t].model))
            return c->tiers[t].model;
    return -1;
}

static bool hold_model(struct tokens_call *call)
{
    struct str name = config_resolve_alias(gateway_config(call->g), call->like.model);
    int model = str_is(name, "auto") ? first_here(call->g, call->like.caller) : models_find(call->g, name, &call->err);
    struct generation_request gr = local_request(&call->like);
    if (model < 0) {
        call->status = call->err.code == ERR_NOT_FOUND ? 404 : 400;
        return call->err.code != ERR_NONE ? false
                                          : err_set(&call->err, ERR_UNSUPPORTED,
                                                    "'model' is missing, and no tier is a model of this machine");
    }
    if (!caller_may_use(gateway_config(call->g), call->like.caller, model)) {
        call->status = 404;               /* as everywhere: for this key there is none */
        return err_set(&call->err, ERR_NOT_FOUND, "'model' is " STR_FMT ", which this API key may not use",
                       STR_ARG(utf8_clip(name, 80)));
    }
    struct local_model *m = models_local(call->g, model);
    if (!m)
        return err_set(&call->err, ERR_UNSUPPORTED, "'model' is " STR_FMT ", whose tokenizer is not on this machine",
                       STR_ARG(utf8_clip(name, 80)));
    if (!local_model_acquire(m, &gr.load, &call->err)) {
        call->status = call->err.code == ERR_BUSY ? 503 : 500;
        return false;
    }
    call->model = m;
    return true;
}

/* ---- frame ---- */

/* own: the fields that are read here; the others are chat completions' or none. */
static bool open_call(struct tokens_call *call, struct http_exchange *x, const char *const *own,
                      const struct caller *caller)
{
    static const char *const common[] = {"model", "tools", "chat_template_kwargs", "keep_alive", NULL};
    struct err *err = &call->err;
    call->status = 400;
    if (!json_parse_object(http_body(x), "request body", &call->object, err))
        return false;
    if (!json_object_get(call->object, "model"))
        json_object_set_new(call->object, "model", json_string("auto"));
    if (!fields_common(call->object, common, own, STR(""), &call->arena, &call->like, err))
        return false;
    call->made = true;
    call->like.caller = caller;
    call->like.gone = page_client_gone;
    call->like.gone_ctx = x;
    return hold_model(call);
}

static void close_call(struct tokens_call *call, struct http_exchange *x, bool ok)
{
    char param[64];
    if (ok)
        page_json(x, 200, &call->out);
    else
        page_fail(x, openai_write_error, call->status, call->err.msg,
                  page_param(call->err.msg, param, sizeof param), NULL);
    if (call->model)
        local_model_release(call->model);
    if (call->made)
        request_free(&call->like);
    json_decref(call->object);
    token_ids_free(&call->ids);
    buf_free(&call->out);
    arena_free(&call->arena);
}

/* ---- text to tokens ---- */

/* The text under any of its names; *ret_name NULL: there is none. */
static bool get_text(const json_t *object, const char **ret_name, struct str *ret, struct err *err)
{
    static const char *const names[] = {"content", "text", "prompt"};
    *ret_name = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!json_object_get(object, names[i]))
            continue;
        if (*ret_name)
            return err_set(err, ERR_INVALID, "'%s' and '%s' are both given; give one", *ret_name, names[i]);
        *ret_name = names[i];
        if (!json_get_str(object, names[i], ret, err))
            return false;
    }
    return true;
}

static bool encode_text(struct tokens_call *call, bool prompt, struct str text)
{
    struct tokenize_options o = {.names = true, .ends = prompt};   /* as vLLM and llama-server have it each */
    return json_get_bool(call->object, "add_special", &o.ends, &call->err) &&
           json_get_bool(call->object, "add_special_tokens", &o.ends, &call->err) &&
           json_get_bool(call->object, "parse_special", &o.names, &call->err) &&
           local_model_encode(call->model, text, &o, &call->ids, &call->err);
}

/* The prompt that a conversation becomes. */
static bool encode_messages(struct tokens_call *call)
{
    json_t *chat = json_pack("{s:s, s:O}", "model", "auto", "messages", json_object_get(call->object, "messages"));
    static const char *const also[] = {"tools", "chat_template_kwargs"};
    struct request req;
    for (size_t i = 0; chat && i < sizeof also / sizeof also[0]; i++)
        if (json_object_get(call->object, also[i]))
            json_object_set(chat, also[i], json_object_get(call->object, also[i]));
    if (!chat)
        return err_nomem(&call->err, "the messages");
    if (!openai_parse_built(chat, &call->arena, &req, &call->err))
        return false;
    struct generation_request gr = local_request(&req);
    bool ok = !(req.needs & ~LOCAL_OFFERS) ||
              err_set(&call->err, ERR_UNSUPPORTED, "'messages' hold what no model of this machine reads");
    ok = ok && local_model_encode_prompt(call->model, &gr, &call->ids, &call->err);
    request_free(&req);
    return ok;
}

static bool encode(struct tokens_call *call)
{
    const char *name;
    struct str text = STR("");
    bool messages = json_object_get(call->object, "messages") != NULL;
    if (!get_text(call->object, &name, &text, &call->err))
        return false;
    if (messages && name)
        return err_set(&call->err, ERR_INVALID, "'%s' and 'messages' are both given; give one", name);
    if (!messages && !name)
        return err_set(&call->err, ERR_INVALID, "'content' is missing; give it, 'prompt' or 'messages'");
    return messages ? encode_messages(call) : encode_text(call, strcmp(name, "prompt") == 0, text);
}

/* A piece as text, or as its bytes where it is a part of a character. */
static void write_piece(struct json_writer *w, struct str piece)
{
    if (utf8_valid(piece)) {
        json_str(w, piece);
        return;
    }
    json_open_array(w);
    for (size_t i = 0; i < piece.n; i++)
        json_i64(w, (unsigned char)piece.p[i]);
    json_close_array(w);
}

static void write_tokens(struct tokens_call *call, bool pieces, bool strings)
{
    struct json_writer w = JSON_WRITER(&call->out);
    json_open_object(&w);
    json_key(&w, "tokens");
    json_open_array(&w);
    for (int64_t i = 0; i < call->ids.n; i++) {
        if (pieces) {
            json_open_object(&w);
            json_put_i64(&w, "id", call->ids.p[i]);
            json_key(&w, "piece");
            write_piece(&w, local_model_piece(call->model, call->ids.p[i]));
            json_close_object(&w);
        } else {
            json_i64(&w, call->ids.p[i]);
        }
    }
    json_close_array(&w);
    json_put_i64(&w, "count", call->ids.n);
    json_put_i64(&w, "max_model_len", local_model_info(call->model)->context);
    if (strings) {
        json_key(&w, "token_strs");
        json_open_array(&w);
        for (int64_t i = 0; i < call->ids.n; i++)
            json_str(&w, local_model_piece(call->model, call->ids.p[i]));
        json_close_array(&w);
    }
    json_close_object(&w);
}

void page_tokenize(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    static const char *const own[] = {"content",       "text",        "prompt",           "messages",
                                      "add_special",   "with_pieces", "add_special_tokens",
                                      "parse_special", "return_token_strs", NULL};
    struct tokens_call call = {.g = g, .arena = ARENA_INIT(ARENA_MAX), .out = BUF_INIT(PAGE_MAX_BYTES)};
    bool pieces = false, strings = false;
    bool ok = open_call(&call, x, own, caller) && json_get_bool(call.object, "with_pieces", &pieces, &call.err) &&
              json_get_bool(call.object, "return_token_strs", &strings, &call.err) && encode(&call);
    if (ok)
        write_tokens(&call, pieces, strings);
    close_call(&call, x, ok);
}

/* ---- tokens to text ---- */

static bool decode(struct tokens_call *call, struct buf *text)
{
    const json_t *value = json_object_get(call->object, "tokens");
    struct text_or_tokens tokens = {0};
    if (!json_is_array(value))
        return err_set(&call->err, ERR_INVALID, "'tokens' must be an array of tokens, not %s",
                       value ? json_type_name(value) : "missing");
    return (json_array_size(value) == 0 ||
            fields_tokens("tokens", value, &call->arena, &tokens, &call->err)) &&
           local_model_decode(call->model, tokens.tokens, tokens.n_tokens, text, &call->err);
}

void page_detokenize(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    static const char *const own[] = {"tokens", NULL};
    struct tokens_call call = {.g = g, .arena = ARENA_INIT(ARENA_MAX), .out = BUF_INIT(PAGE_MAX_BYTES)};
    struct buf text = BUF_INIT(PAGE_MAX_BYTES);
    bool ok = open_call(&call, x, own, caller) && decode(&call, &text);
    if (ok) {
        struct json_writer w = JSON_WRITER(&call.out);
        json_open_object(&w);
        json_put_str(&w, "content", buf_view(&text));   /* llama-server's name of it */
        json_put_str(&w, "prompt", buf_view(&text));    /* vLLM's */
        json_close_object(&w);
    }
    close_call(&call, x, ok);
    buf_free(&text);
}
