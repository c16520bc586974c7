/* A response as events: what begins, what is added to it, what is complete, each numbered. Items are opened when the
 * first of them comes; what is said or thought is closed when something else begins, calls at the end, for their parts
 * may come in any order. */
#include <stdlib.h>

#include "gateway/api/responses/responses_internal.h"
#include "net/sse.h"

#define EVENT_MAX_BYTES (64u << 20)

struct responses_stream {
    struct responses_output output;
    int64_t sequence;
    size_t text_at, reasoning_at;    /* bytes of the reply that are sent */
    int64_t tokens;                  /* of reply->tokens that are sent */
    bool no_memory;
};

struct event {
    struct json_writer w;
    struct buf json;
    const char *type;
};

static struct responses_stream *stream_of(const struct answer_stream *s)
{
    struct responses_stream **at = s->state;
    return *at;
}

static void begin_event(struct responses_stream *st, struct event *e, const char *type)
{
    e->json = BUF_INIT(EVENT_MAX_BYTES);
    e->w = JSON_WRITER(&e->json);
    e->type = type;
    json_open_object(&e->w);
    json_put_cstr(&e->w, "type", type);
    json_put_i64(&e->w, "sequence_number", st->sequence++);
}

static void end_event(struct event *e, struct buf *out)
{
    json_close_object(&e->w);
    if (buf_ok(&e->json))
        sse_write(out, e->type, buf_view(&e->json));
    else
        buf_grow(out, SIZE_MAX);     /* the stream breaks, not an event of it */
    buf_free(&e->json);
}

/* ---- events ---- */

static void send_response(struct responses_stream *st, const char *type, enum responses_status status,
                          const char *error, struct buf *out)
{
    struct event e;
    begin_event(st, &e, type);
    json_key(&e.w, "response");
    responses_write_response(&e.w, &st->output, status, error);
    end_event(&e, out);
}

static void send_item(struct responses_stream *st, const char *type, int item, bool empty, struct buf *out)
{
    struct event e;
    begin_event(st, &e, type);
    json_put_i64(&e.w, "output_index", item);
    json_key(&e.w, "item");
    responses_write_item(&e.w, &st->output, item, empty);
    end_event(&e, out);
}

/* Whether an item is thought, and told as a summary. */
static bool is_summary(const struct responses_stream *st, int item)
{
    return st->output.summary && st->output.items[item].kind == RESPONSES_REASONING;
}

/* What every event of a part says of its place. */
static void begin_of_item(struct responses_stream *st, struct event *e, const char *type, int item)
{
    begin_event(st, e, type);
    responses_put_id(&e->w, "item_id", &st->output, item);
    json_put_i64(&e->w, "output_index", item);
    if (st->output.items[item].kind != RESPONSES_CALL)
        json_put_i64(&e->w, is_summary(st, item) ? "summary_index" : "content_index", 0);
}

static void send_part(struct responses_stream *st, bool done, int item, struct buf *out)
{
    static const char *const types[2][2] = {
        {"response.content_part.added", "response.content_part.done"},
        {"response.reasoning_summary_part.added", "response.reasoning_summary_part.done"},
    };
    struct event e;
    begin_of_item(st, &e, types[is_summary(st, item)][done], item);
    json_key(&e.w, "part");
    responses_write_part(&e.w, &st->output, item, !done);
    end_event(&e, out);
}

/* The name of what adds to a text, or completes it. */
static const char *text_event(const struct responses_stream *st, int item, bool done)
{
    static const char *const types[3][2] = {
        {"response.output_text.delta", "response.output_text.done"},
        {"response.reasoning_text.delta", "response.reasoning_text.done"},
        {"response.reasoning_summary_text.delta", "response.reasoning_summary_text.done"},
    };
    bool reasoning = st->output.items[item].kind == RESPONSES_REASONING;
    return types[reasoning + is_summary(st, item)][done];
}

static void send_text_done(struct responses_stream *st, int item, struct buf *out)
{
    const struct responses_item *i = &st->output.items[item];
    bool reasoning = i->kind == RESPONSES_REASONING;
    struct event e;
    begin_of_item(st, &e, text_event(st, item, true), item);
    json_put_str(&e.w, "text", responses_text(&st->output, i));
    if (!reasoning)
        responses_put_logprobs(&e.w, st->output.req, responses_tokens(&st->output, i), i->n_tokens);
    end_event(&e, out);
}

static void send_arguments_done(struct responses_stream *st, int item, struct buf *out)
{
    int call = st->output.items[item].call;
    struct event e;
    begin_of_item(st, &e, "response.function_call_arguments.done", item);
    json_put_cstr(&e.w, "name", st->output.calls.name[call]);
    json_put_str(&e.w, "arguments", buf_view(&st->output.calls.arguments[call]));
    end_event(&e, out);
}

/* ---- items come and go ---- */

static int open_item(struct responses_stream *st, enum responses_kind kind, int call, struct buf *out)
{
    struct responses_item *item = responses_add_item(&st->output, kind);
    int index = st->output.n - 1;
    if (!item) {
        st->no_memory = true;
        return -1;
    }
    item->call = call;
    item->at = kind == RESPONSES_REASONING ? st->reasoning_at : st->text_at;
    item->token = st->tokens;
    send_item(st, "response.output_item.added", index, true, out);
    if (kind != RESPONSES_CALL)
        send_part(st, false, index, out);
    return index;
}

static void close_item(struct responses_stream *st, int index, struct buf *out)
{
    struct responses_item *item = &st->output.items[index];
    if (item->closed)
        return;
    item->closed = true;
    if (item->kind == RESPONSES_CALL) {
        send_arguments_done(st, index, out);
    } else {
        send_text_done(st, index, out);
        send_part(st, true, index, out);
    }
    send_item(st, "response.output_item.done", index, false, out);
}

/* What is said or thought ends where something else begins. */
static void close_texts(struct responses_stream *st, struct buf *out)
{
    for (int i = 0; i < st->output.n; i++)
        if (st->output.items[i].kind != RESPONSES_CALL)
            close_item(st, i, out);
}

/* The open item of a kind, opened where there is none; -1: no memory. */
static int text_item(struct responses_stream *st, enum responses_kind kind, struct buf *out)
{
    for (int i = 0; i < st->output.n; i++)
        if (st->output.items[i].kind == kind && !st->output.items[i].closed)
            return i;
    close_texts(st, out);
    return open_item(st, kind, 0, out);
}

/* ---- deltas ---- */

static void add_text(struct responses_stream *st, const struct answer_delta *d, struct buf *out)
{
    bool shown = st->output.req->logprobs && d->token;
    enum responses_kind kind = d->reasoning ? RESPONSES_REASONING : RESPONSES_MESSAGE;
    int index = text_item(st, kind, out);
    struct event e;
    if (index < 0)
        return;
    st->output.items[index].n += d->text.n;
    st->output.items[index].n_tokens += shown;
    begin_of_item(st, &e, text_event(st, index, false), index);
    json_put_str(&e.w, "delta", d->text);
    if (!d->reasoning)
        responses_put_logprobs(&e.w, st->output.req, d->token, shown);
    end_event(&e, out);
    st->tokens += shown;
    if (d->reasoning)
        st->reasoning_at += d->text.n;
    else
        st->text_at += d->text.n;
}

/* Which call a delta belongs to: its index, else the call of its id, else the one before. */
static int call_of(const struct responses_stream *st, const json_t *call)
{
    const json_t *index = json_object_get(call, "index");
    struct str id = upstream_text(json_object_get(call, "id"));
    int n = st->output.calls.n;
    if (json_is_integer(index))
        return json_integer_value(index) >= 0 && json_integer_value(index) <= n ? (int)json_integer_value(index) : n;
    for (int i = 0; i < n && id.n; i++)
        if (str_is(id, st->output.calls.id[i]))
            return i;
    return id.n || n == 0 ? n : n - 1;
}

static int item_of_call(const struct responses_stream *st, int call)
{
    for (int i = 0; i < st->output.n; i++)
        if (st->output.items[i].kind == RESPONSES_CALL && st->output.items[i].call == call)
            return i;
    return -1;
}

static void add_call(struct responses_stream *st, const json_t *call, struct buf *out)
{
    const json_t *function = json_object_get(call, "function");
    struct str ignored;
    struct tool_call_delta d = {.index = call_of(st, call),
                                .id = upstream_text(json_object_get(call, "id")),
                                .name = upstream_text(json_object_get(function, "name")),
                                .arguments = upstream_text(json_object_get(function, "arguments"))};
    if (!tool_calls_add(&st->output.calls, &d, 1, &ignored, NULL)) {
        st->no_memory = true;
        return;
    }
    int index = item_of_call(st, d.index);
    if (index < 0) {
        close_texts(st, out);
        index = open_item(st, RESPONSES_CALL, d.index, out);
    }
    if (index < 0 || !d.arguments.n)
        return;
    struct event e;
    begin_of_item(st, &e, "response.function_call_arguments.delta", index);
    json_put_str(&e.w, "delta", d.arguments);
    end_event(&e, out);
}

static void add_calls(struct responses_stream *st, struct str deltas, struct buf *out)
{
    json_t *calls = NULL;
    if (!json_parse(deltas, "the calls", &calls, NULL)) {
        st->no_memory = true;
        return;
    }
    for (size_t i = 0; i < json_array_size(calls); i++)
        add_call(st, json_array_get(calls, i), out);
    json_decref(calls);
}

/* ---- the life of a stream ---- */

void responses_first(const struct answer_stream *s, struct buf *out)
{
    struct responses_stream **at = s->state, *st = calloc(1, sizeof *st);
    *at = st;
    if (!st) {
        buf_grow(out, SIZE_MAX);
        return;
    }
    st->output =
        (struct responses_output){.req = s->req, .reply = s->reply, .summary = responses_wants_summary(s->req)};
    send_response(st, "response.created", RESPONSES_IN_PROGRESS, NULL, out);
    send_response(st, "response.in_progress", RESPONSES_IN_PROGRESS, NULL, out);
}

void responses_delta(const struct answer_stream *s, const struct answer_delta *d, struct buf *out)
{
    struct responses_stream *st = stream_of(s);
    if (d->text.n || (d->token && s->req->logprobs))
        add_text(st, d, out);
    if (d->tool_calls.n)
        add_calls(st, d->tool_calls, out);
    if (st->no_memory)
        buf_grow(out, SIZE_MAX);
}

static void close_all(struct responses_stream *st, struct buf *out)
{
    for (int i = 0; i < st->output.n; i++)
        close_item(st, i, out);
}

void responses_last(const struct answer_stream *s, struct buf *out)
{
    struct responses_stream *st = stream_of(s);
    enum responses_status status = responses_status_of(s->reply);
    bool said = st->output.n && st->output.items[st->output.n - 1].kind != RESPONSES_REASONING;
    if (!said)
        text_item(st, RESPONSES_MESSAGE, out);
    close_all(st, out);
    send_response(st, status == RESPONSES_INCOMPLETE ? "response.incomplete" : "response.completed", status, NULL, out);
}

void responses_broken(const struct answer_stream *s, int status, const char *message, struct buf *out)
{
    struct responses_stream *st = stream_of(s);
    (void)status;
    if (!st)
        return;
    st->output.n = 0;                /* what was said of a failed answer is no part of its reply any more */
    send_response(st, "response.failed", RESPONSES_FAILED, message, out);
}

void responses_close(const struct answer_stream *s)
{
    struct responses_stream *st = stream_of(s);
    if (st)
        responses_output_free(&st->output);
    free(st);
}
