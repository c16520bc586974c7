/* The response object: its items (what was thought, said and called), its usage, and what it repeats of the request.
 * Streamed or not, the items are the same. */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/api/openai/openai.h"
#include "gateway/api/responses/responses_internal.h"

/* ---- the items ---- */

struct responses_item *responses_add_item(struct responses_output *o, enum responses_kind kind)
{
    if (o->n == o->cap) {
        int cap = o->cap ? 2 * o->cap : 4;
        struct responses_item *grown = reallocarray(o->items, (size_t)cap, sizeof *grown);
        if (!grown)
            return NULL;
        o->items = grown;
        o->cap = cap;
    }
    o->items[o->n] = (struct responses_item){.kind = kind};
    return &o->items[o->n++];
}

static bool add_calls(struct responses_output *o)
{
    json_t *calls = NULL;
    struct str ignored;
    bool ok = true;
    if (o->reply->tool_calls.n && !json_parse(o->reply->tool_calls, "the calls", &calls, NULL))
        return false;
    for (size_t i = 0; ok && i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i), *function = json_object_get(call, "function");
        struct tool_call_delta d = {.index = (int)i,
                                    .id = upstream_text(json_object_get(call, "id")),
                                    .name = upstream_text(json_object_get(function, "name")),
                                    .arguments = upstream_text(json_object_get(function, "arguments"))};
        struct responses_item *item = responses_add_item(o, RESPONSES_CALL);
        ok = item && tool_calls_add(&o->calls, &d, 1, &ignored, NULL);
        if (item)
            item->call = (int)i;
    }
    json_decref(calls);
    return ok;
}

bool responses_output_of(const struct request *req, const struct reply *reply, struct responses_output *ret)
{
    *ret = (struct responses_output){.req = req, .reply = reply, .summary = responses_wants_summary(req)};
    struct responses_item *item = reply->reasoning.n ? responses_add_item(ret, RESPONSES_REASONING) : NULL;
    if (item)
        item->n = reply->reasoning.n;
    if (reply->text.n || !reply->tool_calls.n) {
        item = responses_add_item(ret, RESPONSES_MESSAGE);
        if (!item)
            return false;
        item->n = reply->text.n;
        item->n_tokens = reply->n_tokens;
    }
    for (int i = 0; i < ret->n; i++)
        ret->items[i].closed = true;
    return add_calls(ret);
}

void responses_output_free(struct responses_output *o)
{
    free(o->items);
    tool_calls_free(&o->calls);
}

struct str responses_text(const struct responses_output *o, const struct responses_item *item)
{
    const struct buf *from = item->kind == RESPONSES_REASONING ? &o->reply->reasoning : &o->reply->text;
    return (struct str){(from->p ? from->p : "") + item->at, item->n};
}

const struct reply_token *responses_tokens(const struct responses_output *o, const struct responses_item *item)
{
    return o->reply->tokens ? o->reply->tokens + item->token : NULL;
}

/* ---- their JSON ---- */

void responses_put_id(struct json_writer *w, const char *key, const struct responses_output *o, int item)
{
    static const char *const prefixes[] = {
        [RESPONSES_REASONING] = "rs_", [RESPONSES_MESSAGE] = "msg_", [RESPONSES_CALL] = "fc_"};
    char id[80];
    snprintf(id, sizeof id, "%s%s_%d", prefixes[o->items[item].kind], o->req->id + strlen("resp_"), item);
    json_put_cstr(w, key, id);
}

void responses_put_logprobs(struct json_writer *w, const struct request *req, const struct reply_token *tokens,
                            int64_t n)
{
    json_key(w, "logprobs");
    json_open_array(w);
    for (int64_t i = 0; i < n && req->logprobs; i++)
        openai_write_token(w, &tokens[i], req->top_logprobs);
    json_close_array(w);
}

void responses_write_part(struct json_writer *w, const struct responses_output *o, int index, bool empty)
{
    const struct responses_item *item = &o->items[index];
    bool reasoning = item->kind == RESPONSES_REASONING;
    json_open_object(w);
    json_put_cstr(w, "type", !reasoning ? "output_text" : o->summary ? "summary_text" : "reasoning_text");
    json_put_str(w, "text", empty ? STR("") : responses_text(o, item));
    if (!reasoning) {
        json_put_raw(w, "annotations", STR("[]"));
        responses_put_logprobs(w, o->req, responses_tokens(o, item), empty ? 0 : item->n_tokens);
    }
    json_close_object(w);
}

static const char *item_status(const struct responses_output *o, const struct responses_item *item)
{
    bool last = item == &o->items[o->n - 1];
    if (!item->closed)
        return "in_progress";
    return last && o->reply->finish_reason && responses_status_of(o->reply) == RESPONSES_INCOMPLETE ? "incomplete"
                                                                                                    : "completed";
}

static void put_parts(struct json_writer *w, const char *key, const struct responses_output *o, int index, bool empty)
{
    json_key(w, key);
    json_open_array(w);
    if (!empty)
        responses_write_part(w, o, index, false);
    json_close_array(w);
}

static void put_call(struct json_writer *w, const struct responses_output *o, int call, bool empty)
{
    json_put_cstr(w, "call_id", o->calls.id[call]);
    json_put_cstr(w, "name", o->calls.name[call]);
    json_put_str(w, "arguments", empty ? STR("") : buf_view(&o->calls.arguments[call]));
}

void responses_write_item(struct json_writer *w, const struct responses_output *o, int index, bool empty)
{
    static const char *const types[] = {
        [RESPONSES_REASONING] = "reasoning", [RESPONSES_MESSAGE] = "message", [RESPONSES_CALL] = "function_call"};
    const struct responses_item *item = &o->items[index];
    json_open_object(w);
    responses_put_id(w, "id", o, index);
    json_put_cstr(w, "type", types[item->kind]);
    json_put_cstr(w, "status", item_status(o, item));
    if (item->kind == RESPONSES_CALL) {
        put_call(w, o, item->call, empty);
    } else {
        bool reasoning = item->kind == RESPONSES_REASONING;
        if (!reasoning)
            json_put_cstr(w, "role", "assistant");
        else
            put_parts(w, "summary", o, index, empty || !o->summary);
        put_parts(w, "content", o, index, empty || (reasoning && o->summary));
    }
    json_close_object(w);
}

/* ---- the object ---- */

enum responses_status responses_status_of(const struct reply *reply)
{
    bool cut = strcmp(reply->finish_reason, "length") == 0 || strcmp(reply->finish_reason, "content_filter") == 0;
    return cut ? RESPONSES_INCOMPLETE : RESPONSES_COMPLETED;
}

static void put_outcome(struct json_writer *w, const struct reply *reply, enum responses_status status,
                        const char *error)
{
    json_key(w, "error");
    if (status == RESPONSES_FAILED) {
        json_open_object(w);
        json_put_cstr(w, "code", "server_error");
        json_put_cstr(w, "message", error);
        json_close_object(w);
    } else {
        json_null_value(w);
    }
    json_key(w, "incomplete_details");
    if (status == RESPONSES_INCOMPLETE) {
        json_open_object(w);
        bool length = strcmp(reply->finish_reason, "length") == 0;
        json_put_cstr(w, "reason", length ? "max_output_tokens" : "content_filter");
        json_close_object(w);
    } else {
        json_null_value(w);
    }
}

static void put_usage(struct json_writer *w, const struct token_usage *u)
{
    json_key(w, "usage");
    json_open_object(w);
    json_put_i64(w, "input_tokens", u->prompt);
    json_key(w, "input_tokens_details");
    json_open_object(w);
    json_put_i64(w, "cached_tokens", u->cached);
    json_close_object(w);
    json_put_i64(w, "output_tokens", u->completion);
    json_key(w, "output_tokens_details");
    json_open_object(w);
    json_put_i64(w, "reasoning_tokens", u->reasoning);
    json_close_object(w);
    json_put_i64(w, "total_tokens", u->prompt + u->completion);
    json_close_object(w);
}

/* What can be neither asked for nor otherwise: the same in every response. */
static void put_fixed(struct json_writer *w)
{
    json_put_bool(w, "background", false);
    json_put_cstr(w, "previous_response_id", NULL);
    json_put_bool(w, "store", false);
    json_put_cstr(w, "service_tier", "default");
    json_put_cstr(w, "truncation", "disabled");
}

void responses_write_response(struct json_writer *w, const struct responses_output *o, enum responses_status status,
                              const char *error)
{
    static const char *const names[] = {"in_progress", "completed", "incomplete", "failed"};
    bool done = status == RESPONSES_COMPLETED || status == RESPONSES_INCOMPLETE;
    json_open_object(w);
    json_put_cstr(w, "id", o->req->id);
    json_put_cstr(w, "object", "response");
    json_put_i64(w, "created_at", o->req->created_s);
    json_put_cstr(w, "status", names[status]);
    json_put_cstr(w, "model", o->reply->model);
    put_outcome(w, o->reply, status, error);
    json_key(w, "output");
    json_open_array(w);
    for (int i = 0; i < o->n; i++)
        responses_write_item(w, o, i, false);
    json_close_array(w);
    put_fixed(w);
    buf_char(w->out, ',');
    buf_str(w->out, o->req->repeated);
    if (done) {
        put_usage(w, &o->reply->usage);
        openai_put_rung(w, o->reply, NULL);
    } else {
        json_put_cstr(w, "usage", NULL);
    }
    json_close_object(w);
}

static void write_whole(const struct request *req, const struct reply *reply, struct buf *out)
{
    struct responses_output o;
    struct json_writer w = JSON_WRITER(out);
    if (responses_output_of(req, reply, &o))
        responses_write_response(&w, &o, responses_status_of(reply), NULL);
    else
        buf_grow(out, SIZE_MAX);          /* no memory: the sticky error */
    responses_output_free(&o);
}

const struct dialect openai_responses = {
    .stream_type = "text/event-stream; charset=utf-8",
    .state_bytes = sizeof(struct responses_stream *),
    .parse = responses_parse,
    .write = write_whole,
    .first = responses_first,
    .delta = responses_delta,
    .last = responses_last,
    .broken = responses_broken,
    .close = responses_close,
    .fields = responses_fields,
    .error = openai_write_error,
};
