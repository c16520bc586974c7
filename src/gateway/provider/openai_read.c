/* Reading what an OpenAI-compatible server sends: a whole object, the events of a stream, an error. Texts, token
 * records, tool calls and usage go to the release and the attempt. Everything is optional and nothing is believed:
 * types are checked, counts clamped. */
#include <stdio.h>

#include "gateway/provider/openai.h"

#define DATA_MAX_BYTES (16u << 20)

/* The part of `whole` that is cached, or reasoning. */
static int64_t part_of(int64_t whole, const json_t *usage, const char *details, const char *key)
{
    int64_t part = upstream_count(json_object_get(usage, details), key);
    return part < 0 ? 0 : part < whole ? part : whole;
}

static void read_usage(struct upstream_reader *r, const json_t *usage)
{
    int64_t prompt = upstream_count(usage, "prompt_tokens"), completion = upstream_count(usage, "completion_tokens");
    if (prompt < 0 || completion < 0)
        return;
    upstream_usage(r, (struct token_usage){
        .prompt = prompt,
        .cached = part_of(prompt, usage, "prompt_tokens_details", "cached_tokens"),
        .completion = completion,
        .reasoning = part_of(completion, usage, "completion_tokens_details", "reasoning_tokens"),
    });
}

static const char *finish_name(struct str name)
{
    static const char *const names[] = {"stop", "length", "tool_calls", "content_filter"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_is(name, names[i]))
            return names[i];
    }
    return "stop";
}

/* One entry of logprobs.content; text is what it adds to the answer, empty when that comes by itself. */
static bool give_token(struct upstream_reader *r, const json_t *token, struct str text)
{
    struct str tops[RECORD_TOP];
    struct token_record record = {.id = -1, .admitted = 1};
    record.logprob = upstream_logprob(json_object_get(token, "logprob"));
    const json_t *top = json_object_get(token, "top_logprobs");
    for (size_t i = 0; i < json_array_size(top) && record.n_top < RECORD_TOP; i++) {
        const json_t *entry = json_array_get(top, i);
        record.top[record.n_top].id = -1;
        record.top[record.n_top].logprob = upstream_logprob(json_object_get(entry, "logprob"));
        tops[record.n_top++] = upstream_text(json_object_get(entry, "token"));
    }
    record.entropy = upstream_entropy(&record);
    struct release_piece piece = {
        .text = text,
        .record = &record,
        .token = upstream_text(json_object_get(token, "token")),
        .top_pieces = tops,
    };
    return upstream_give(r, &piece);
}

/* The log-probabilities of a choice. Where the tokens' texts add up to the content they carry it; returns whether it
 * was carried. */
static bool give_tokens(struct upstream_reader *r, const json_t *logprobs, struct str content, bool *ret_carried)
{
    const json_t *tokens = json_object_get(logprobs, "content");
    size_t n = json_array_size(tokens), at = 0;
    bool match = n > 0;
    for (size_t i = 0; i < n && match; i++) {
        struct str t = upstream_text(json_object_get(json_array_get(tokens, i), "token"));
        match = t.n <= content.n - at && memcmp(content.p + at, t.p, t.n) == 0;
        at += t.n;
    }
    *ret_carried = match && at == content.n;
    for (size_t i = 0; i < n; i++) {
        const json_t *token = json_array_get(tokens, i);
        if (!give_token(r, token, *ret_carried ? upstream_text(json_object_get(token, "token")) : STR("")))
            return false;
    }
    return true;
}

static struct str reasoning_of(const json_t *message)
{
    struct str text = upstream_text(json_object_get(message, "reasoning_content"));
    return text.n ? text : upstream_text(json_object_get(message, "reasoning"));
}

/* A refusal is the answer's text: the dialect has no other place that every client shows. */
static struct str content_of(const json_t *message)
{
    struct str text = upstream_text(json_object_get(message, "content"));
    return text.n ? text : upstream_text(json_object_get(message, "refusal"));
}

/* What cannot be carried over is an error, not an empty answer. */
static bool check_message(struct upstream_reader *r, const json_t *message)
{
    const json_t *content = json_object_get(message, "content"), *calls = json_object_get(message, "tool_calls");
    if (content && !json_is_string(content) && !json_is_null(content))
        return err_set(r->err, ERR_IO, "its answer's content is %s, not a string", json_type_name(content));
    if (calls && !json_is_array(calls) && !json_is_null(calls))
        return err_set(r->err, ERR_IO, "its answer's tool_calls is %s, not an array", json_type_name(calls));
    return true;
}

/* A message or a delta, with the log-probabilities beside it. */
static bool give_message(struct upstream_reader *r, const json_t *message, const json_t *logprobs)
{
    if (!check_message(r, message))
        return false;
    struct str reasoning = reasoning_of(message), content = content_of(message);
    bool carried = false;
    if (reasoning.n && !upstream_give(r, &(struct release_piece){.text = reasoning, .reasoning = true}))
        return false;
    if (!give_tokens(r, logprobs, content, &carried))
        return false;
    return carried || !content.n || upstream_give(r, &(struct release_piece){.text = content});
}

static bool raw_tool_calls(struct upstream_reader *r, const json_t *message, struct buf *ret)
{
    const json_t *calls = json_object_get(message, "tool_calls");
    if (json_array_size(calls) == 0)
        return true;
    struct json_writer w = JSON_WRITER(ret);
    json_value(&w, calls);
    return buf_check(ret, "the tool calls", r->err);
}

static bool read_error_member(struct upstream_reader *r, const json_t *object)
{
    const json_t *error = json_object_get(object, "error");
    if (!error || json_is_null(error))
        return true;
    struct str message = upstream_text(json_is_string(error) ? error : json_object_get(error, "message"));
    return err_set(r->err, ERR_IO, "it answered with an error: " STR_FMT, STR_ARG(utf8_clip(message, 200)));
}

bool openai_read_reply(struct upstream_reader *r, struct str body)
{
    json_t *object = NULL;
    struct buf calls = BUF_INIT(DATA_MAX_BYTES);
    struct reply *reply = r->rel->reply;
    bool ok = false;
    if (!json_parse_object(body, "it", &object, r->err)) {
        err_prefix(r->err, "its answer cannot be read: ");
        goto out;
    }
    if (!read_error_member(r, object))
        goto out;
    const json_t *choice = json_array_get(json_object_get(object, "choices"), 0);
    const json_t *message = json_object_get(choice, "message");
    if (!json_is_object(message)) {
        err_set(r->err, ERR_IO, "its answer is no chat completion: there is no choices[0].message");
        goto out;
    }
    read_usage(r, json_object_get(object, "usage"));
    if (!raw_tool_calls(r, message, &calls))
        goto out;
    if (calls.n) {
        reply->tool_calls = arena_str(&reply->arena, buf_view(&calls));
        if (!upstream_give(r, &(struct release_piece){.tool_calls = r->rel->sink ? reply->tool_calls : STR("")}))
            goto out;
    }
    if (!give_message(r, message, json_object_get(choice, "logprobs")))
        goto out;
    reply->finish_reason = finish_name(upstream_text(json_object_get(choice, "finish_reason")));
    r->finished = ok = true;
out:
    buf_free(&calls);
    json_decref(object);
    return ok;
}

/* The calls of a stream, put together: for the check of their form, and for dialects that say them whole. */
static bool gather_calls(struct upstream_reader *r, const json_t *delta)
{
    const json_t *calls = json_object_get(delta, "tool_calls");
    struct str ignored;
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i), *function = json_object_get(call, "function");
        const json_t *index = json_object_get(call, "index");
        int64_t at = json_is_integer(index) ? json_integer_value(index) : (int64_t)i;
        struct tool_call_delta d = {
            .index = at >= 0 && at < TOOL_CALLS_MAX ? (int)at : TOOL_CALLS_MAX,
            .id = upstream_text(json_object_get(call, "id")),
            .name = upstream_text(json_object_get(function, "name")),
            .arguments = upstream_text(json_object_get(function, "arguments")),
        };
        if (!tool_calls_add(&r->calls, &d, 1, &ignored, r->err))
            return false;
    }
    return true;
}

static bool read_chunk(struct upstream_reader *r, const json_t *object)
{
    struct reply *reply = r->rel->reply;
    read_usage(r, json_object_get(object, "usage"));
    const json_t *choice = json_array_get(json_object_get(object, "choices"), 0);
    const json_t *delta = json_object_get(choice, "delta");
    struct buf calls = BUF_INIT(DATA_MAX_BYTES);
    bool ok = raw_tool_calls(r, delta, &calls) && gather_calls(r, delta);
    if (ok && calls.n)
        ok = upstream_give(r, &(struct release_piece){.tool_calls = buf_view(&calls)});
    buf_free(&calls);
    if (!ok || !give_message(r, delta, json_object_get(choice, "logprobs")))
        return false;
    const json_t *finish = json_object_get(choice, "finish_reason");
    if (json_is_string(finish)) {
        reply->finish_reason = finish_name(upstream_text(finish));
        r->finished = true;
    }
    return true;
}

bool openai_read_event(void *ctx, struct str type, struct str data)
{
    struct upstream_reader *r = ctx;
    (void)type;
    if (str_is(str_trim(data), "[DONE]"))
        return r->done = true;
    json_t *object = NULL;
    if (!json_parse_object(data, "it", &object, r->err))
        return err_prefix(r->err, "an event of its stream cannot be read: ");
    bool ok = read_error_member(r, object) && read_chunk(r, object);
    json_decref(object);
    return ok;
}
