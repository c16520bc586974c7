/* One question and its answer over HTTP, plain or streamed, or its several answers: parsed by its dialect, answered by
 * gateway_answer, written by its dialect. After the release an error can only come inside the stream. */
#include "gateway/http/converse.h"

#include "gateway/answer/several.h"
#include "gateway/api/fields.h"
#include "gateway/http/headers.h"
#include "gateway/http/pages.h"

#define REQUEST_ARENA_MAX (160u << 20)

struct conversation {
    struct http_exchange *x;
    const struct dialect *dialect;
    struct request *req;
    struct answers answers;
    bool begun;                           /* the stream: its headers are sent */
    struct buf out;
    struct answer_stream *streams;        /* [n_answers] */
};

/* r: the first of several answers; whole: all is known that they cost. */
static void put_headers(struct conversation *c, const struct reply *r, bool whole)
{
    headers_put(c->x, c->req->id, &c->answers.asked[0], r);
    if (whole)
        headers_put_cost(c->x, answers_cost_pico_usd(&c->answers));
}

/* ---- streams ---- */

static bool flush(struct conversation *c)
{
    bool ok = buf_ok(&c->out) && http_reply_write(c->x, buf_view(&c->out));
    buf_clear(&c->out);
    return ok;
}

static bool stream_begin(void *ctx, int index, const struct reply *r)
{
    struct conversation *c = ctx;
    if (!c->begun) {
        c->begun = true;
        put_headers(c, r, false);
        http_reply_header(c->x, "Cache-Control", "no-cache");
        http_reply_begin(c->x, 200, c->dialect->stream_type);
    }
    c->dialect->first(&c->streams[index], &c->out);
    return flush(c);
}

static bool stream_delta(void *ctx, int index, const struct answer_delta *d)
{
    struct conversation *c = ctx;
    c->dialect->delta(&c->streams[index], d, &c->out);
    return flush(c);
}

static void stream_ended(void *ctx, int index, const struct reply *r)
{
    struct conversation *c = ctx;
    (void)r;
    if (c->dialect->ended)
        c->dialect->ended(&c->streams[index], &c->out);
    flush(c);
}

static void stream_end(struct conversation *c)
{
    const struct answers *a = &c->answers;
    const struct reply *failed = a->failed >= 0 ? &a->replies[a->failed] : NULL;
    if (!failed)
        c->dialect->last(&c->streams[0], &c->out);
    else if (failed->outcome != REPLY_CANCELLED)
        c->dialect->broken(&c->streams[a->failed], failed->http_status ? failed->http_status : 500, failed->err.msg,
                           &c->out);
    flush(c);
    http_reply_end(c->x);
}

static bool open_streams(struct conversation *c, struct err *err)
{
    const struct answers *a = &c->answers;
    size_t bytes = c->dialect->state_bytes;
    unsigned char *states = bytes ? arena_array(c->req->arena, (size_t)a->n, bytes) : NULL;
    c->streams = arena_array(c->req->arena, (size_t)a->n, sizeof *c->streams);
    if ((bytes && !states) || !c->streams)
        return err_nomem(err, "the stream");
    for (int i = 0; i < a->n; i++)
        c->streams[i] = (struct answer_stream){.req = &a->asked[i],
                                               .reply = &a->replies[i],
                                               .state = states ? states + (size_t)i * bytes : NULL,
                                               .index = i,
                                               .all = a};
    return true;
}

static void close_streams(const struct conversation *c)
{
    for (int i = 0; c->streams && c->dialect->close && i < c->answers.n; i++)
        c->dialect->close(&c->streams[i]);
}

/* ---- the reply ---- */

static void fail_reply(struct conversation *c, const struct reply *r)
{
    char param[64];
    bool no_model = r->http_status == 404;
    const char *code = r->unanswered ? "context_length_exceeded" : no_model ? "model_not_found" : r->code;
    put_headers(c, r, true);
    page_fail_later(c->x, c->dialect->error, r->http_status ? r->http_status : 500, r->err.msg,
                    no_model ? "model" : page_param(r->err.msg, param, sizeof param), code, r->retry_after_s);
}

static void write_answers(struct conversation *c)
{
    const struct answers *a = &c->answers;
    if (c->dialect->write_all)
        c->dialect->write_all(a, &c->out);
    else
        c->dialect->write(&a->asked[0], &a->replies[0], &c->out);
    put_headers(c, &a->replies[0], true);
    page_json(c->x, 200, &c->out);
}

static void reply(struct conversation *c)
{
    struct answers *a = &c->answers;
    if (a->failed >= 0 && c->dialect->fields)
        fields_rename_sentence(c->dialect->fields, &a->replies[a->failed].err);
    if (c->begun)
        stream_end(c);
    else if (a->failed < 0)
        write_answers(c);
    else if (a->replies[a->failed].outcome == REPLY_CANCELLED)
        /* Who hung up will not read this; who did not was cut because the server is closing. */
        page_fail(c->x, c->dialect->error, 503, "Rung is stopping; ask again in a moment", NULL, NULL);
    else
        fail_reply(c, &a->replies[a->failed]);
}

static bool answer(struct gateway *g, struct conversation *c, struct err *err)
{
    struct answers_sink sink = {.ctx = c, .begin = stream_begin, .delta = stream_delta, .end = stream_ended};
    if (!answers_open(g, c->req, c->req->stream ? &sink : NULL, &c->answers, err))
        return false;
    bool ok = !c->req->stream || open_streams(c, err);
    if (ok) {
        answers_make(&c->answers);
        reply(c);
        close_streams(c);
    }
    answers_free(&c->answers);
    return ok;
}

void converse(struct gateway *g, struct http_exchange *x, const struct dialect *dialect, const struct caller *caller)
{
    struct arena arena = ARENA_INIT(REQUEST_ARENA_MAX);
    struct request req;
    struct err err = ERR_INIT;
    char param[64];
    if (!dialect->parse(http_body(x), &arena, &req, &err)) {
        page_fail(x, dialect->error, err.code == ERR_NOMEM ? 503 : 400, err.msg,
                  page_param(err.msg, param, sizeof param), NULL);
    } else if (!headers_deadline(g, x, &req.deadline_ns, &err)) {
        page_fail(x, dialect->error, 400, err.msg, NULL, NULL);
        request_free(&req);
    } else {
        struct conversation c = {.x = x, .dialect = dialect, .req = &req, .out = BUF_INIT(PAGE_MAX_BYTES)};
        req.arrived_ns = http_arrived_ns(x);
        trace_context_parse(http_header(x, "traceparent"), &req.trace);
        req.caller = caller;
        req.anthropic_beta = http_header(x, "anthropic-beta");
        req.gone = page_client_gone;
        req.gone_ctx = x;
        if (!answer(g, &c, &err))
            page_fail(x, dialect->error, 503, err.msg, NULL, NULL);
        buf_free(&c.out);
        request_free(&req);
    }
    arena_free(&arena);
}
