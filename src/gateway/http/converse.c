/* One question and its answer over HTTP, plain or streamed: parsed by its dialect, answered by gateway_answer, written
 * by its dialect. After the release an error can only come inside the stream. */
#include "gateway/http/converse.h"

#include <stdio.h>

#include "gateway/http/pages.h"

#define REQUEST_ARENA_MAX (160u << 20)
#define HEADER_TEXT 200

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

struct conversation {
    struct http_exchange *x;
    const struct dialect *dialect;
    struct request *req;
    struct reply reply;
    struct buf out;
    struct answer_stream stream;
    _Alignas(max_align_t) unsigned char state[DIALECT_STATE_BYTES];   /* of the stream's writer */
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

static void put_reply_headers(struct conversation *c, bool streamed)
{
    const struct reply *r = &c->reply;
    char text[64];
    put_header(c->x, "x-rung-request-id", c->req->id);
    if (r->tier)
        put_header(c->x, "x-rung-tier", r->tier);
    if (r->model)
        put_header(c->x, "x-rung-model", r->model);
    if (r->reason[0])
        put_header(c->x, "x-rung-reason", r->reason);
    if (r->confidence >= 0) {
        snprintf(text, sizeof text, "%.4f", r->confidence);
        put_header(c->x, "x-rung-confidence", text);
    }
    if (!streamed) {
        snprintf(text, sizeof text, "%lld.%012lld", (long long)(r->cost_pico_usd / 1000000000000),
                 (long long)(r->cost_pico_usd % 1000000000000));
        put_header(c->x, "x-rung-cost-usd", text);
    }
}

static bool flush(struct conversation *c)
{
    bool ok = buf_ok(&c->out) && http_reply_write(c->x, buf_view(&c->out));
    buf_clear(&c->out);
    return ok;
}

static bool stream_begin(void *ctx, const struct reply *r)
{
    struct conversation *c = ctx;
    (void)r;
    put_reply_headers(c, true);
    http_reply_header(c->x, "Cache-Control", "no-cache");
    http_reply_begin(c->x, 200, c->dialect->stream_type);
    c->dialect->first(&c->stream, &c->out);
    return flush(c);
}

static bool stream_delta(void *ctx, struct str text, bool reasoning, struct str tool_calls,
                         const struct reply_token *token)
{
    struct conversation *c = ctx;
    struct answer_delta d = {.text = text, .reasoning = reasoning, .tool_calls = tool_calls, .token = token};
    c->dialect->delta(&c->stream, &d, &c->out);
    return flush(c);
}

static void stream_end(struct conversation *c)
{
    const struct reply *r = &c->reply;
    if (r->outcome == REPLY_OK)
        c->dialect->last(&c->stream, &c->out);
    else if (r->outcome == REPLY_ERROR)
        c->dialect->broken(&c->stream, r->http_status, r->err.msg, &c->out);
    flush(c);
    http_reply_end(c->x);
}

static void fail_reply(struct conversation *c)
{
    const struct reply *r = &c->reply;
    char param[64], seconds[24];
    bool no_model = r->http_status == 404;
    const char *code = r->unanswered ? "context_length_exceeded" : no_model ? "model_not_found" : NULL;
    put_reply_headers(c, false);
    if (r->retry_after_s) {
        snprintf(seconds, sizeof seconds, "%lld", (long long)r->retry_after_s);
        http_reply_header(c->x, "Retry-After", seconds);
    }
    page_fail(c->x, c->dialect->error, r->http_status ? r->http_status : 500, r->err.msg,
              no_model ? "model" : param_of(r->err.msg, param, sizeof param), code);
}

static void answer(struct gateway *g, struct conversation *c)
{
    struct answer_sink sink = {.ctx = c, .begin = stream_begin, .delta = stream_delta};
    gateway_answer(g, c->req, c->req->stream ? &sink : NULL, &c->reply);
    if (c->reply.released) {
        stream_end(c);
    } else if (c->reply.outcome == REPLY_OK) {
        c->dialect->write(c->req, &c->reply, &c->out);
        put_reply_headers(c, false);
        page_json(c->x, 200, &c->out);
    } else if (c->reply.outcome == REPLY_CANCELLED) {
        /* Who hung up will not read this; who did not was cut because the server is closing. */
        page_fail(c->x, c->dialect->error, 503, "Rung is stopping; ask again in a moment", NULL, NULL);
    } else {
        fail_reply(c);
    }
    reply_free(&c->reply);
}

void converse(struct gateway *g, struct http_exchange *x, const struct dialect *dialect, const struct caller *caller)
{
    struct arena arena = ARENA_INIT(REQUEST_ARENA_MAX);
    struct request req;
    struct err err = ERR_INIT;
    char param[64];
    if (!dialect->parse(http_body(x), &arena, &req, &err)) {
        page_fail(x, dialect->error, err.code == ERR_NOMEM ? 503 : 400, err.msg,
                  param_of(err.msg, param, sizeof param), NULL);
    } else {
        struct conversation c = {.x = x, .dialect = dialect, .req = &req, .out = BUF_INIT(PAGE_MAX_BYTES)};
        c.stream = (struct answer_stream){.req = &req, .reply = &c.reply, .state = c.state};
        req.arrived_ns = http_arrived_ns(x);
        req.caller = caller;
        req.gone = client_gone;
        req.gone_ctx = x;
        answer(g, &c);
        buf_free(&c.out);
        request_free(&req);
    }
    arena_free(&arena);
}
