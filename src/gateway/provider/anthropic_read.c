/* Reading what Anthropic's API sends: a whole message, or the events of its stream. Text, thinking, calls and usage go
 * to the release and the attempt; events and blocks of kinds unknown here are passed over, as the API asks of its
 * clients. Nothing is believed: types are checked, counts clamped. */
#include "gateway/provider/anthropic.h"

#define DATA_MAX_BYTES (16u << 20)

/* ---- usage ---- */

/* The API tells what was read from its cache, what was put into it, and the rest, each by itself; events later in a
 * stream tell what has changed. */
struct parts_of_usage {
    int64_t input, cached, cache_write, output;
};

static void read_usage(struct upstream_reader *r, const json_t *usage)
{
    struct token_usage *u = &r->open.usage;
    struct parts_of_usage p = {
        .input = upstream_count(usage, "input_tokens"),
        .cached = upstream_count(usage, "cache_read_input_tokens"),
        .cache_write = upstream_count(usage, "cache_creation_input_tokens"),
        .output = upstream_count(usage, "output_tokens"),
    };
    int64_t rest = p.input >= 0 ? p.input : u->prompt - u->cached - u->cache_write;
    int64_t hour = upstream_count(json_object_get(usage, "cache_creation"), "ephemeral_1h_input_tokens");
    int64_t thought = upstream_count(json_object_get(usage, "output_tokens_details"), "thinking_tokens");
    if (!json_is_object(usage) || (p.input < 0 && p.output < 0))
        return;
    if (p.cached >= 0)
        u->cached = p.cached;
    if (p.cache_write >= 0)
        u->cache_write = p.cache_write;
    if (hour >= 0)
        u->cache_write_1h = hour < u->cache_write ? hour : u->cache_write;
    if (p.output >= 0)
        u->completion = p.output;
    if (thought >= 0)
        u->reasoning = thought < u->completion ? thought : u->completion;
    u->prompt = rest + u->cached + u->cache_write;
    upstream_usage(r, *u);
}

/* ---- why it ended ---- */

static const char *finish_of(struct str reason)
{
    static const struct {
        const char *theirs, *ours;
    } names[] = {
        {"end_turn", "stop"},
        {"stop_sequence", "stop"},
        {"pause_turn", "stop"},
        {"max_tokens", "length"},
        {"model_context_window_exceeded", "length"},
        {"tool_use", "tool_calls"},
        {"refusal", "content_filter"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_is(reason, names[i].theirs))
            return names[i].ours;
    }
    return "stop";
}

static bool read_end(struct upstream_reader *r, const json_t *object)
{
    struct reply *reply = r->rel->reply;
    const json_t *reason = json_object_get(object, "stop_reason");
    struct str sequence = upstream_text(json_object_get(object, "stop_sequence"));
    if (!json_is_string(reason))
        return true;
    reply->finish_reason = finish_of(upstream_text(reason));
    reply->stop_sequence = arena_str(&reply->arena, sequence);
    r->finished = true;
    return reply->stop_sequence.p || err_nomem(r->err, "its answer");
}

/* ---- blocks ---- */

static bool give_text(struct upstream_reader *r, struct str text, bool reasoning)
{
    return text.n == 0 || upstream_give(r, &(struct release_piece){.text = text, .reasoning = reasoning});
}

static bool begin_call(struct upstream_reader *r, const json_t *block, struct str arguments)
{
    struct tool_call_delta d = {
        .index = r->open.n_calls,
        .id = upstream_text(json_object_get(block, "id")),
        .name = upstream_text(json_object_get(block, "name")),
        .arguments = arguments,
    };
    if (d.id.n == 0 || d.name.n == 0)
        return err_set(r->err, ERR_IO, "its answer has a tool_use without an id or a name");
    if (r->rel->req->one_tool_call && d.index > 0)
        return true;
    r->open.n_calls++;
    return upstream_give_calls(r, &d, 1);
}

static bool add_arguments(struct upstream_reader *r, struct str text)
{
    struct tool_call_delta d = {.index = r->open.n_calls - 1, .arguments = text};
    if (!r->open.in_call || text.n == 0)
        return true;
    r->open.has_arguments = true;
    return upstream_give_calls(r, &d, 1);
}

/* The input of a call as text; what is none is empty. */
static struct str input_text(const json_t *block, struct buf *buf)
{
    const json_t *input = json_object_get(block, "input");
    if (!json_is_object(input) || json_object_size(input) == 0)
        return STR("");
    struct json_writer w = JSON_WRITER(buf);
    json_value(&w, input);
    return buf_view(buf);
}

static bool whole_call(struct upstream_reader *r, const json_t *block)
{
    struct buf buf = BUF_INIT(DATA_MAX_BYTES);
    struct str input = input_text(block, &buf);
    bool ok = buf_check(&buf, "the input of a call", r->err) && begin_call(r, block, input.n ? input : STR("{}"));
    buf_free(&buf);
    return ok;
}

static bool whole_block(struct upstream_reader *r, const json_t *block)
{
    struct str type = upstream_text(json_object_get(block, "type"));
    if (str_is(type, "text"))
        return give_text(r, upstream_text(json_object_get(block, "text")), false);
    if (str_is(type, "thinking"))
        return give_text(r, upstream_text(json_object_get(block, "thinking")), true) &&
               upstream_thought(r, upstream_text(json_object_get(block, "signature")), false);
    if (str_is(type, "redacted_thinking"))
        return upstream_thought(r, upstream_text(json_object_get(block, "data")), true);
    return !str_is(type, "tool_use") || whole_call(r, block);
}

/* ---- a whole message ---- */

static bool read_error_member(struct upstream_reader *r, const json_t *object)
{
    const json_t *error = json_object_get(object, "error");
    if (!json_is_object(error))
        return true;
    struct str type = upstream_text(json_object_get(error, "type"));
    struct str message = upstream_text(json_object_get(error, "message"));
    return err_set(r->err, ERR_IO, "it answered with an error: " STR_FMT " (" STR_FMT ")",
                   STR_ARG(utf8_clip(message, 200)), STR_ARG(utf8_clip(type, 40)));
}

bool anthropic_read_reply(struct upstream_reader *r, struct str body)
{
    json_t *object = NULL;
    if (!json_parse_object(body, "it", &object, r->err))
        return err_prefix(r->err, "its answer cannot be read: ");
    const json_t *content = json_object_get(object, "content");
    bool ok = read_error_member(r, object) &&
              (json_is_array(content) || err_set(r->err, ERR_IO, "its answer is no message: there is no content"));
    upstream_served(r, json_object_get(object, "model"), NULL);
    if (ok)
        read_usage(r, json_object_get(object, "usage"));
    for (size_t i = 0; ok && i < json_array_size(content); i++)
        ok = whole_block(r, json_array_get(content, i));
    ok = ok && read_end(r, object) &&
         (r->finished || err_set(r->err, ERR_IO, "its answer says no stop_reason"));
    json_decref(object);
    return ok;
}

/* ---- a stream ---- */

/* A call's input comes behind its head, in pieces; some servers send it at once. */
static bool block_start(struct upstream_reader *r, const json_t *block)
{
    struct buf buf = BUF_INIT(DATA_MAX_BYTES);
    r->open.in_call = str_is(upstream_text(json_object_get(block, "type")), "tool_use");
    if (!r->open.in_call)
        return whole_block(r, block);
    int before = r->open.n_calls;
    struct str input = input_text(block, &buf);
    r->open.has_arguments = input.n > 0;
    bool ok = buf_check(&buf, "the input of a call", r->err) && begin_call(r, block, input);
    r->open.in_call = r->open.n_calls > before;
    buf_free(&buf);
    return ok;
}

static bool block_delta(struct upstream_reader *r, const json_t *delta)
{
    struct str type = upstream_text(json_object_get(delta, "type"));
    if (str_is(type, "text_delta"))
        return give_text(r, upstream_text(json_object_get(delta, "text")), false);
    if (str_is(type, "thinking_delta"))
        return give_text(r, upstream_text(json_object_get(delta, "thinking")), true);
    if (str_is(type, "signature_delta"))
        return upstream_thought(r, upstream_text(json_object_get(delta, "signature")), false);
    if (str_is(type, "input_json_delta"))
        return add_arguments(r, upstream_text(json_object_get(delta, "partial_json")));
    return true;
}

static bool block_stop(struct upstream_reader *r)
{
    bool ok = r->open.has_arguments || add_arguments(r, STR("{}"));
    r->open.in_call = false;
    return ok;
}

static bool message_delta(struct upstream_reader *r, const json_t *object)
{
    read_usage(r, json_object_get(object, "usage"));
    return read_end(r, json_object_get(object, "delta"));
}

static bool read_object(struct upstream_reader *r, struct str type, const json_t *object)
{
    const json_t *message = json_object_get(object, "message");
    upstream_served(r, json_object_get(message, "model"), NULL);
    if (str_is(type, "message_start"))
        read_usage(r, json_object_get(message, "usage"));
    else if (str_is(type, "content_block_start"))
        return block_start(r, json_object_get(object, "content_block"));
    else if (str_is(type, "content_block_delta"))
        return block_delta(r, json_object_get(object, "delta"));
    else if (str_is(type, "content_block_stop"))
        return block_stop(r);
    else if (str_is(type, "message_delta"))
        return message_delta(r, object);
    else if (str_is(type, "error"))
        return read_error_member(r, object) && err_set(r->err, ERR_IO, "it answered with an error that says nothing");
    else if (str_is(type, "message_stop"))
        r->done = r->finished;
    return true;
}

bool anthropic_read_event(void *reader, struct str type, struct str data)
{
    struct upstream_reader *r = reader;
    json_t *object = NULL;
    if (data.n == 0)
        return true;
    if (!json_parse_object(data, "it", &object, r->err))
        return err_prefix(r->err, "an event of its stream cannot be read: ");
    struct str said = upstream_text(json_object_get(object, "type"));
    bool ok = read_object(r, said.n ? said : type, object);
    json_decref(object);
    return ok;
}
