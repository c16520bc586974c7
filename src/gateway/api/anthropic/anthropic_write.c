/* struct reply to Anthropic's dialect: a whole message, the events of a stream, an error. A message is a list of
 * blocks, which in a stream follow one another: thoughts with their signatures, text, calls. Nothing is decided here.
 */
#include <stdio.h>

#include "gateway/answer/tool_calls.h"
#include "gateway/api/anthropic/anthropic_internal.h"
#include "gateway/api/openai/openai.h"
#include "net/sse.h"

#define EVENT_MAX_BYTES (16u << 20)

/* ---- what a message says beside its blocks ---- */

static const char *stop_reason(const struct reply *r)
{
    const char *finish = r->finish_reason ? r->finish_reason : "stop";
    if (strcmp(finish, "length") == 0)
        return "max_tokens";
    if (strcmp(finish, "tool_calls") == 0)
        return "tool_use";
    if (strcmp(finish, "content_filter") == 0)
        return "refusal";
    return r->stop_sequence.n ? "stop_sequence" : "end_turn";
}

static void put_end(struct json_writer *w, const struct reply *r)
{
    json_put_cstr(w, "stop_reason", stop_reason(r));
    if (r->stop_sequence.n)
        json_put_str(w, "stop_sequence", r->stop_sequence);
    else
        json_put_cstr(w, "stop_sequence", NULL);
}

/* The parts of a prompt are told each by itself. */
static void put_usage(struct json_writer *w, const struct token_usage *u)
{
    int64_t fresh = u->prompt - u->cached - u->cache_write;
    json_key(w, "usage");
    json_open_object(w);
    json_put_i64(w, "input_tokens", fresh > 0 ? fresh : 0);
    json_put_i64(w, "cache_creation_input_tokens", u->cache_write);
    json_put_i64(w, "cache_read_input_tokens", u->cached);
    json_put_i64(w, "output_tokens", u->completion);
    json_key(w, "output_tokens_details");
    json_open_object(w);
    json_put_i64(w, "thinking_tokens", u->reasoning);
    json_close_object(w);
    json_close_object(w);
}

static void put_head(struct json_writer *w, const struct request *req, const struct reply *r)
{
    json_put_cstr(w, "id", req->id);
    json_put_cstr(w, "type", "message");
    json_put_cstr(w, "role", "assistant");
    json_put_cstr(w, "model", r->model);
}

/* ---- blocks of a whole message ---- */

static void open_block(struct json_writer *w, const char *type)
{
    json_open_object(w);
    json_put_cstr(w, "type", type);
}

static void put_thought(struct json_writer *w, struct str text, struct str signature)
{
    open_block(w, "thinking");
    json_put_str(w, "thinking", text);
    json_put_str(w, "signature", signature);
    json_close_object(w);
}

static void put_hidden(struct json_writer *w, struct str data)
{
    open_block(w, "redacted_thinking");
    json_put_str(w, "data", data);
    json_close_object(w);
}

static void put_thoughts(struct json_writer *w, const struct reply *r)
{
    struct str all = buf_view(&r->reasoning);
    size_t at = 0;
    for (const struct reply_thought *t = r->thoughts; t; t = t->next) {
        size_t end = t->end < all.n ? t->end : all.n;
        if (!t->hidden || end > at)
            put_thought(w, (struct str){all.p + at, end - at}, t->hidden ? STR("") : t->signature);
        if (t->hidden)
            put_hidden(w, t->signature);
        at = end;
    }
    if (all.n > at)
        put_thought(w, (struct str){all.p + at, all.n - at}, STR(""));
}

static struct str text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)} : STR("");
}

/* What a model has written as arguments need not be JSON; then it is told as the text it is. */
static void put_input(struct json_writer *w, struct str arguments)
{
    json_t *object = NULL;
    json_key(w, "input");
    if (arguments.n == 0) {
        json_raw(w, STR("{}"));
    } else if (json_parse_object(arguments, "arguments", &object, NULL)) {
        json_value(w, object);
    } else {
        json_open_object(w);
        json_put_str(w, "arguments", arguments);
        json_close_object(w);
    }
    json_decref(object);
}

static void put_calls(struct json_writer *w, struct str raw)
{
    json_t *calls = NULL;
    if (!raw.n || !json_parse(raw, "the calls", &calls, NULL))
        return;
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i), *function = json_object_get(call, "function");
        open_block(w, "tool_use");
        json_put_str(w, "id", text_of(call, "id"));
        json_put_str(w, "name", text_of(function, "name"));
        put_input(w, text_of(function, "arguments"));
        json_close_object(w);
    }
    json_decref(calls);
}

static void write_message(const struct request *req, const struct reply *r, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    put_head(&w, req, r);
    json_key(&w, "content");
    json_open_array(&w);
    put_thoughts(&w, r);
    if (r->text.n) {
        open_block(&w, "text");
        json_put_str(&w, "text", buf_view(&r->text));
        json_close_object(&w);
    }
    put_calls(&w, r->tool_calls);
    json_close_array(&w);
    put_end(&w, r);
    put_usage(&w, &r->usage);
    openai_put_rung(&w, r, NULL);
    json_close_object(&w);
}

/* ---- a stream ---- */

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_CALL };

struct stream_state {
    enum block open;
    int n_blocks;                        /* begun; the open one is the last */
    int n_calls;
    size_t reasoning;                    /* bytes sent */
    const struct reply_thought *told;    /* the last whose signature is sent */
    uint16_t block_of_call[TOOL_CALLS_MAX];
};

struct event {
    struct buf buf;
    struct json_writer w;
    const char *type;
    struct buf *out;
};

static void open_event(struct event *e, const char *type, struct buf *out)
{
    *e = (struct event){.buf = BUF_INIT(EVENT_MAX_BYTES), .type = type, .out = out};
    e->w = JSON_WRITER(&e->buf);
    json_open_object(&e->w);
    json_put_cstr(&e->w, "type", type);
}

static void close_event(struct event *e)
{
    json_close_object(&e->w);
    sse_write(e->out, e->type, buf_view(&e->buf));
    buf_free(&e->buf);
}

static void close_open_block(struct stream_state *st, struct buf *out)
{
    struct event e;
    if (st->open == BLOCK_NONE)
        return;
    open_event(&e, "content_block_stop", out);
    json_put_i64(&e.w, "index", st->n_blocks - 1);
    close_event(&e);
    st->open = BLOCK_NONE;
}

/* The event is the caller's to fill, as the object of its block, and to end with end_block_start. */
static void begin_block(struct stream_state *st, struct event *e, enum block kind, const char *type, struct buf *out)
{
    close_open_block(st, out);
    st->open = kind;
    open_event(e, "content_block_start", out);
    json_put_i64(&e->w, "index", st->n_blocks++);
    json_key(&e->w, "content_block");
    open_block(&e->w, type);
}

static void end_block_start(struct event *e)
{
    json_close_object(&e->w);
    close_event(e);
}

static void put_delta(int block, const char *type, const char *key, struct str text, struct buf *out)
{
    struct event e;
    open_event(&e, "content_block_delta", out);
    json_put_i64(&e.w, "index", block);
    json_key(&e.w, "delta");
    open_block(&e.w, type);
    json_put_str(&e.w, key, text);
    json_close_object(&e.w);
    close_event(&e);
}

static void need_block(struct stream_state *st, enum block kind, struct buf *out)
{
    struct event e;
    if (st->open == kind)
        return;
    bool thinking = kind == BLOCK_THINKING;
    begin_block(st, &e, kind, thinking ? "thinking" : "text", out);
    json_put_cstr(&e.w, thinking ? "thinking" : "text", "");
    if (thinking)
        json_put_cstr(&e.w, "signature", "");
    end_block_start(&e);
}

/* Signatures of what has been sent, each at the end of its stretch. */
static void sign_thoughts(const struct answer_stream *s, struct buf *out)
{
    struct stream_state *st = s->state;
    struct event e;
    for (;;) {
        const struct reply_thought *t = st->told ? st->told->next : s->reply->thoughts;
        if (!t || t->end > st->reasoning)
            return;
        st->told = t;
        if (t->hidden) {
            begin_block(st, &e, BLOCK_THINKING, "redacted_thinking", out);
            json_put_str(&e.w, "data", t->signature);
            end_block_start(&e);
        } else {
            need_block(st, BLOCK_THINKING, out);
            put_delta(st->n_blocks - 1, "signature_delta", "signature", t->signature, out);
        }
        close_open_block(st, out);
    }
}

static void stream_first(const struct answer_stream *s, struct buf *out)
{
    struct event e;
    open_event(&e, "message_start", out);
    json_key(&e.w, "message");
    json_open_object(&e.w);
    put_head(&e.w, s->req, s->reply);
    json_put_raw(&e.w, "content", STR("[]"));
    json_put_cstr(&e.w, "stop_reason", NULL);
    json_put_cstr(&e.w, "stop_sequence", NULL);
    put_usage(&e.w, &s->reply->usage);   /* what is known of it yet; the end tells all */
    json_close_object(&e.w);
    close_event(&e);
}

static void call_delta(struct stream_state *st, const json_t *call, struct buf *out)
{
    struct event e;
    const json_t *function = json_object_get(call, "function");
    struct str arguments = text_of(function, "arguments");
    int64_t index = json_integer_value(json_object_get(call, "index"));
    if (index < 0 || index > st->n_calls || index >= TOOL_CALLS_MAX)
        return;
    if (index == st->n_calls) {
        begin_block(st, &e, BLOCK_CALL, "tool_use", out);
        json_put_str(&e.w, "id", text_of(call, "id"));
        json_put_str(&e.w, "name", text_of(function, "name"));
        json_put_raw(&e.w, "input", STR("{}"));
        end_block_start(&e);
        st->block_of_call[st->n_calls++] = (uint16_t)(st->n_blocks - 1);
    }
    if (arguments.n)
        put_delta(st->block_of_call[index], "input_json_delta", "partial_json", arguments, out);
}

static void stream_delta(const struct answer_stream *s, const struct answer_delta *d, struct buf *out)
{
    struct stream_state *st = s->state;
    json_t *calls = NULL;
    if (d->text.n || d->tool_calls.n)
        sign_thoughts(s, out);
    if (d->text.n) {
        need_block(st, d->reasoning ? BLOCK_THINKING : BLOCK_TEXT, out);
        put_delta(st->n_blocks - 1, d->reasoning ? "thinking_delta" : "text_delta", d->reasoning ? "thinking" : "text",
                  d->text, out);
        st->reasoning += d->reasoning ? d->text.n : 0;
    }
    if (d->tool_calls.n && json_parse(d->tool_calls, "the calls", &calls, NULL)) {
        for (size_t i = 0; i < json_array_size(calls); i++)
            call_delta(st, json_array_get(calls, i), out);
    }
    json_decref(calls);
}

static void stream_last(const struct answer_stream *s, struct buf *out)
{
    struct event e;
    sign_thoughts(s, out);
    close_open_block(s->state, out);
    open_event(&e, "message_delta", out);
    json_key(&e.w, "delta");
    json_open_object(&e.w);
    put_end(&e.w, s->reply);
    json_close_object(&e.w);
    put_usage(&e.w, &s->reply->usage);
    openai_put_rung(&e.w, s->reply, NULL);
    close_event(&e);
    open_event(&e, "message_stop", out);
    close_event(&e);
}

/* ---- errors ---- */

static const char *error_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 402:
        return "billing_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 503:
        return "overloaded_error";
    case 504:
        return "timeout_error";
    default:
        return status < 500 ? "invalid_request_error" : "api_error";
    }
}

void anthropic_write_error(int status, const char *message, const char *param, const char *code, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    (void)param;
    (void)code;
    json_open_object(&w);
    json_put_cstr(&w, "type", "error");
    json_key(&w, "error");
    json_open_object(&w);
    json_put_cstr(&w, "type", error_type(status));
    json_put_cstr(&w, "message", message);
    json_close_object(&w);
    json_put_cstr(&w, "request_id", NULL);   /* it is in the header x-rung-request-id, where there is one */
    json_close_object(&w);
}

static void stream_broken(const struct answer_stream *s, int status, const char *message, struct buf *out)
{
    struct buf error = BUF_INIT(EVENT_MAX_BYTES);
    (void)s;
    anthropic_write_error(status, message, NULL, NULL, &error);
    sse_write(out, "error", buf_view(&error));
    buf_free(&error);
}

const struct dialect anthropic_messages = {
    .stream_type = "text/event-stream; charset=utf-8",
    .state_bytes = sizeof(struct stream_state),
    .parse = anthropic_parse_messages,
    .write = write_message,
    .first = stream_first,
    .delta = stream_delta,
    .last = stream_last,
    .broken = stream_broken,
    .error = anthropic_write_error,
};
