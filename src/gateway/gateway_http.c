/* The HTTP face: who may ask (Host, Origin, key), which path is which, and a chat completion plain or streamed. What is
 * answered is decided in gateway_answer; how it is written, in api/. */
#include <stdio.h>

#include "gateway/api/openai.h"
#include "gateway/pages.h"
#include "net/sse.h"

#define REQUEST_ARENA_MAX (160u << 20)
#define HEADER_TEXT 200

/* What a web page may read of a reply's headers. */
static const char exposed_headers[] = "x-rung-tier, x-rung-model, x-rung-confidence, x-rung-reason, x-rung-request-id, "
                                      "x-rung-cost-usd";

/* ---- errors ---- */

void gateway_error_body(int status, const char *message, struct buf *out)
{
    openai_write_error(status, message, NULL, NULL, out);
}

/* Every sentence of the parser names its field in quotes first, with the kind of content behind it in parentheses: the
 * field is `param`. */
static const char *param_of(const char *message, char *param, size_t size)
{
    const char *end = message[0] == '\'' ? strchr(message + 1, '\'') : NULL, *kind = end ? strstr(message, " (") : NULL;
    if (kind && kind < end)
        end = kind;
    if (!end || (size_t)(end - message) > size)
        return NULL;
    snprintf(param, size, "%.*s", (int)(end - message - 1), message + 1);
    return param;
}

/* ---- who may ask ---- */

static bool is_loopback_name(struct str host)
{
    return str_eq_nocase(host, STR("localhost")) || str_is(host, "127.0.0.1") || str_is(host, "[::1]") ||
           str_is(host, "::1");
}

/* "localhost:11434" -> "localhost"; "[::1]:80" -> "[::1]". */
static struct str without_port(struct str host)
{
    for (size_t i = host.n; i > 0; i--) {
        char ch = host.p[i - 1];
        if (ch == ':')
            return (struct str){host.p, i - 1};
        if (ch < '0' || ch > '9')
            break;
    }
    return host;
}

/* "[::1]" -> "::1", as addresses to listen on are written. */
static struct str without_brackets(struct str name)
{
    bool has = name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';
    return has ? (struct str){name.p + 1, name.n - 2} : name;
}

/* A page of the network may point a name of its own at 127.0.0.1 (DNS rebinding): the name asked for must be one of
 * ours. */
static bool host_allowed(const struct config *c, struct str host)
{
    struct str name = without_port(host);
    if (is_loopback_name(name) || str_eq_nocase(without_brackets(name), str_of(c->listen_host)))
        return true;
    for (int i = 0; i < c->n_allowed_hosts; i++) {
        if (str_eq_nocase(name, str_of(c->allowed_hosts[i])) || str_eq_nocase(host, str_of(c->allowed_hosts[i])))
            return true;
    }
    return false;
}

static bool origin_allowed(const struct config *c, struct str origin)
{
    struct str rest = origin;
    for (int i = 0; i < c->n_allowed_origins; i++) {
        if (str_eq_nocase(origin, str_of(c->allowed_origins[i])))
            return true;
    }
    if (str_starts(origin, STR("http://")))
        rest = (struct str){origin.p + 7, origin.n - 7};
    else if (str_starts(origin, STR("https://")))
        rest = (struct str){origin.p + 8, origin.n - 8};
    else
        return false;
    return is_loopback_name(without_port(rest));
}

/* The time taken does not depend on where two keys differ. */
static bool same_key(struct str given, const char *key)
{
    struct str want = str_of(key);
    unsigned char diff = given.n != want.n;
    for (size_t i = 0; i < want.n; i++)
        diff |= (unsigned char)want.p[i] ^ (unsigned char)(i < given.n ? given.p[i] : 0);
    return diff == 0;
}

/* The API key that comes with the request; empty: none. */
static struct str presented_key(const struct http_exchange *x)
{
    struct str authorization = http_header(x, "Authorization");
    if (authorization.n < 7 || !str_eq_nocase((struct str){authorization.p, 7}, STR("Bearer ")))
        return STR("");
    return str_trim((struct str){authorization.p + 7, authorization.n - 7});
}

static bool key_allowed(const struct config *c, struct str given)
{
    bool ok = c->n_api_keys == 0;
    for (int i = 0; i < c->n_api_keys; i++)
        ok |= same_key(given, c->api_keys[i]);
    return ok;
}

bool gateway_may_listen(const struct config *c, const char *host, struct err *err)
{
    struct str name = str_of(host);
    if (is_loopback_name(name) || str_starts(name, STR("127.")) || c->n_api_keys > 0)
        return true;
    return err_set(err, ERR_INVALID,
                   "listening on %s would let anybody on the network use this machine and its API keys; configure "
                   "'api_keys' first, "
                   "or listen on 127.0.0.1",
                   host);
}

/* Refuses and gives false, or lets the request pass. */
static bool admit(const struct config *c, struct http_exchange *x, bool needs_key)
{
    struct str host = http_header(x, "Host"), origin = http_header(x, "Origin");
    char text[HEADER_TEXT];
    if (!host_allowed(c, host)) {
        page_fail(x, 403, "the Host header names a host that is not this one; add it to 'allowed_hosts' if it is", NULL,
                  "host_not_allowed");
        return false;
    }
    if (origin.p && !origin_allowed(c, origin)) {
        page_fail(x, 403, "pages of this origin may not use Rung; add it to 'allowed_origins' if they should", NULL,
                  "origin_not_allowed");
        return false;
    }
    if (origin.p && origin.n < sizeof text) {
        snprintf(text, sizeof text, STR_FMT, STR_ARG(origin));
        http_reply_header(x, "Access-Control-Allow-Origin", text);
        http_reply_header(x, "Access-Control-Expose-Headers", exposed_headers);
        http_reply_header(x, "Vary", "Origin");
    }
    if (needs_key && !key_allowed(c, presented_key(x))) {
        page_fail(x, 401, "the API key is missing or is not one of the configured 'api_keys'", NULL, "invalid_api_key");
        return false;
    }
    return true;
}

/* ---- chat completions ---- */

struct chat {
    struct http_exchange *x;
    struct request *req;
    struct reply reply;
    struct buf out;
};

static bool client_gone(void *ctx) { return http_client_gone(ctx); }

static void put_header(struct http_exchange *x, const char *name, const char *value)
{
    char clean[HEADER_TEXT];
    size_t n = 0;
    for (; value[n] && n + 1 < sizeof clean; n++)
        clean[n] = value[n] >= ' ' && value[n] < 127 ? value[n] : '?';
    clean[n] = 0;
    http_reply_header(x, name, clean);
}

static void put_reply_headers(struct chat *chat, bool streamed)
{
    const struct reply *r = &chat->reply;
    char text[64];
    put_header(chat->x, "x-rung-request-id", chat->req->id);
    if (r->tier)
        put_header(chat->x, "x-rung-tier", r->tier);
    if (r->model)
        put_header(chat->x, "x-rung-model", r->model);
    if (r->reason[0])
        put_header(chat->x, "x-rung-reason", r->reason);
    if (r->confidence >= 0) {
        snprintf(text, sizeof text, "%.4f", r->confidence);
        put_header(chat->x, "x-rung-confidence", text);
    }
    if (!streamed) {
        snprintf(text, sizeof text, "%lld.%012lld", (long long)(r->cost_pico_usd / 1000000000000),
                 (long long)(r->cost_pico_usd % 1000000000000));
        put_header(chat->x, "x-rung-cost-usd", text);
    }
}

static bool flush(struct chat *chat)
{
    bool ok = buf_ok(&chat->out) && http_reply_write(chat->x, buf_view(&chat->out));
    buf_clear(&chat->out);
    return ok;
}

static bool stream_begin(void *ctx, const struct reply *r)
{
    struct chat *chat = ctx;
    put_reply_headers(chat, true);
    http_reply_header(chat->x, "Cache-Control", "no-cache");
    http_reply_begin(chat->x, 200, "text/event-stream; charset=utf-8");
    openai_write_chunk_first(chat->req, r, &chat->out);
    return flush(chat);
}

static bool stream_delta(void *ctx, struct str text, bool reasoning, struct str tool_calls,
                         const struct reply_token *token)
{
    struct chat *chat = ctx;
    openai_write_chunk_delta(chat->req, &chat->reply, text, reasoning, tool_calls, token, &chat->out);
    return flush(chat);
}

/* After the release an error can only come inside the stream. */
static void stream_end(struct chat *chat)
{
    const struct reply *r = &chat->reply;
    if (r->outcome == REPLY_OK) {
        openai_write_chunk_last(chat->req, r, &chat->out);
    } else if (r->outcome == REPLY_ERROR) {
        struct buf error = BUF_INIT(PAGE_MAX_BYTES);
        openai_write_error(r->http_status, r->err.msg, NULL, NULL, &error);
        sse_write(&chat->out, "error", buf_view(&error));
        buf_free(&error);
    }
    flush(chat);
    http_reply_end(chat->x);
}

static void fail_reply(struct chat *chat)
{
    const struct reply *r = &chat->reply;
    char param[64], seconds[24];
    bool no_model = r->http_status == 404;
    const char *code = r->unanswered ? "context_length_exceeded" : no_model ? "model_not_found" : NULL;
    put_reply_headers(chat, false);
    if (r->retry_after_s) {
        snprintf(seconds, sizeof seconds, "%lld", (long long)r->retry_after_s);
        http_reply_header(chat->x, "Retry-After", seconds);
    }
    page_fail(chat->x, r->http_status ? r->http_status : 500, r->err.msg,
              no_model ? "model" : param_of(r->err.msg, param, sizeof param), code);
}

static void answer(struct gateway *g, struct chat *chat)
{
    struct answer_sink sink = {.ctx = chat, .begin = stream_begin, .delta = stream_delta};
    gateway_answer(g, chat->req, chat->req->stream ? &sink : NULL, &chat->reply);
    if (chat->reply.released) {
        stream_end(chat);
    } else if (chat->reply.outcome == REPLY_OK) {
        openai_write_chat(chat->req, &chat->reply, &chat->out);
        put_reply_headers(chat, false);
        page_json(chat->x, 200, &chat->out);
    } else if (chat->reply.outcome == REPLY_CANCELLED) {
        /* Who hung up will not read this; who did not was cut because the server is closing. */
        page_fail(chat->x, 503, "Rung is stopping; ask again in a moment", NULL, NULL);
    } else {
        fail_reply(chat);
    }
    reply_free(&chat->reply);
}

static void handle_chat(struct gateway *g, struct http_exchange *x)
{
    struct arena arena = ARENA_INIT(REQUEST_ARENA_MAX);
    struct request req;
    struct err err = ERR_INIT;
    char param[64];
    if (!openai_parse_chat(http_body(x), &arena, &req, &err)) {
        page_fail(x, err.code == ERR_NOMEM ? 503 : 400, err.msg, param_of(err.msg, param, sizeof param), NULL);
    } else {
        struct chat chat = {.x = x, .req = &req, .out = BUF_INIT(PAGE_MAX_BYTES)};
        req.arrived_ns = http_arrived_ns(x);
        req.caller = presented_key(x);
        req.gone = client_gone;
        req.gone_ctx = x;
        answer(g, &chat);
        buf_free(&chat.out);
        request_free(&req);
    }
    arena_free(&arena);
}

/* ---- which path is which ---- */

static void handle_preflight(struct http_exchange *x)
{
    http_reply_header(x, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    http_reply_header(x, "Access-Control-Allow-Headers",
                      "authorization, content-type, x-stainless-arch, x-stainless-lang, x-stainless-os, "
                      "x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, "
                      "x-stainless-runtime-version, x-stainless-timeout");
    http_reply_header(x, "Access-Control-Max-Age", "600");
    http_reply(x, 204, "text/plain", STR(""));
}

static void handle_wrong_method(struct http_exchange *x, const char *allow)
{
    http_reply_header(x, "Allow", allow);
    page_fail(x, 405, "this path does not take this method", NULL, NULL);
}

static void page_root(struct gateway *g, struct http_exchange *x)
{
    (void)g;
    http_reply(x, 200, "text/plain; charset=utf-8", STR("Rung is running\n"));
}

static const struct path {
    const char *path;
    bool post;                           /* else GET */
    bool open;                           /* no key is asked for */
    void (*page)(struct gateway *g, struct http_exchange *x);
} paths[] = {
    {"/v1/chat/completions", true, false, handle_chat},
    {"/v1/models", false, false, page_models},
    {"/health", false, true, page_health},
    {"/", false, true, page_root},
    {"/api/ps", false, false, page_ps},
    {"/api/tags", false, false, page_tags},
    {"/api/generate", true, false, page_generate},
};

static const struct path *find_path(struct str path)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (str_is(path, paths[i].path))
            return &paths[i];
    return NULL;
}

void gateway_handle(void *gateway, struct http_exchange *x)
{
    static const char model_prefix[] = "/v1/models/";
    struct gateway *g = gateway;
    struct str method = http_method(x), name = http_path(x);
    bool get = str_is(method, "GET") || str_is(method, "HEAD"), options = str_is(method, "OPTIONS");
    bool model = str_starts(name, str_of(model_prefix));
    const struct path *path = find_path(name);
    if (!admit(gateway_config(g), x, !options && !(path && path->open)))
        return;
    if (options)
        handle_preflight(x);
    else if (!path && !model)
        page_fail(x, 404,
                  "there is no such path; Rung answers POST /v1/chat/completions, GET /v1/models, GET /health and GET "
                  "/api/ps",
                  NULL, NULL);
    else if (path && path->post && !str_is(method, "POST"))
        handle_wrong_method(x, "POST, OPTIONS");
    else if (!(path && path->post) && !get)
        handle_wrong_method(x, "GET, HEAD, OPTIONS");
    else if (path)
        path->page(g, x);
    else
        page_model(g, x, (struct str){name.p + strlen(model_prefix), name.n - strlen(model_prefix)});
}
