/* Reading what an OpenAI-compatible server sends: a whole object, the events of a stream, an error. Texts, token
 * records, tool calls and usage go to the release and the attempt. Everything is optional and nothing is believed:
 * types are checked, counts clamped. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "gateway/embed.h"
#include "gateway/provider/openai.h"

#define DATA_MAX_BYTES (16u << 20)

static int64_t part_of(int64_t whole, int64_t part) { return part < 0 ? 0 : part < whole ? part : whole; }

/* DeepSeek counts what was cached beside the prompt's details. */
static int64_t cached_of(const json_t *usage)
{
    int64_t cached = upstream_count(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
    return cached >= 0 ? cached : upstream_count(usage, "prompt_cache_hit_tokens");
}

static void read_usage(struct upstream_reader *r, const json_t *usage)
{
    int64_t prompt = upstream_count(usage, "prompt_tokens"), completion = upstream_count(usage, "completion_tokens");
    int64_t reasoning = upstream_count(json_object_get(usage, "completion_tokens_details"), "reasoning_tokens");
    if (r->rel->req->embed)
        completion = 0;
    if (prompt < 0 || completion < 0)
        return;
    /* xAI leaves the reasoning out of the completion; the total tells. */
    if (reasoning > 0 && upstream_count(usage, "total_tokens") == prompt + completion + reasoning)
        completion += reasoning;
    upstream_usage(r, (struct token_usage){
        .prompt = prompt,
        .cached = part_of(prompt, cached_of(usage)),
        .completion = completion,
        .reasoning = part_of(completion, reasoning),
    });
}

/* false: it says that it broke off. A reason nobody knows is taken for an end. */
static bool read_finish(struct upstream_reader *r, struct str name)
{
    static const char *const names[] = {"stop", "length", "tool_calls", "content_filter"};
    const char *finish = "stop";
    if (str_is(name, "error"))
        return err_set(r->err, ERR_IO, "its answer broke off with an error");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_is(name, names[i]))
            finish = names[i];
    }
    r->rel->reply->finish_reason = finish;
    return r->finished = true;
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

/* Some servers give calls no id, or their arguments as an object. */
static bool mend_call(struct upstream_reader *r, json_t *call, bool begins)
{
    json_t *function = json_object_get(call, "function"), *arguments = json_object_get(function, "arguments");
    char id[40];
    bool ok = true;
    if (begins && upstream_text(json_object_get(call, "id")).n == 0) {
        snprintf(id, sizeof id, "call_%016llx", (unsigned long long)rng_entropy());
        ok = json_object_set_new(call, "id", json_string(id)) == 0;
    }
    if (json_is_object(arguments)) {
        char *text = json_dumps(arguments, JSON_COMPACT);
        ok = ok && text && json_object_set_new(function, "arguments", json_string(text)) == 0;
        free(text);
    }
    return ok || err_nomem(r->err, "a tool call");
}

static bool mend_calls(struct upstream_reader *r, const json_t *message)
{
    const json_t *calls = json_object_get(message, "tool_calls");
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(calls); i++)
        ok = mend_call(r, json_array_get(calls, i), true);
    return ok;
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
    if (str_is(upstream_text(json_object_get(object, "object")), "error"))
        error = object;                   /* as vLLM has it */
    if (!error || json_is_null(error))
        return true;
    struct str message = upstream_text(json_is_string(error) ? error : json_object_get(error, "message"));
    return err_set(r->err, ERR_IO, "it answered with an error: " STR_FMT, STR_ARG(utf8_clip(message, 200)));
}

/* A whole answer that is no conversation's: vectors, or text that goes on with the prompt. */
static bool read_other(struct upstream_reader *r, const json_t *object)
{
    const json_t *choice = json_array_get(json_object_get(object, "choices"), 0);
    read_usage(r, json_object_get(object, "usage"));
    if (r->rel->req->embed)
        return r->finished = embed_read_reply(r->rel->req, object, r->rel->reply, r->err);
    return openai_give_text(r, choice) && read_finish(r, upstream_text(json_object_get(choice, "finish_reason")));
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
    upstream_served(r, json_object_get(object, "model"), json_object_get(object, "system_fingerprint"));
    if (r->rel->req->needs & (NEED_BIT(NEED_RAW_PROMPT) | NEED_BIT(NEED_EMBEDDING))) {
        ok = read_other(r, object);
        goto out;
    }
    const json_t *choice = json_array_get(json_object_get(object, "choices"), 0);
    const json_t *message = json_object_get(choice, "message");
    if (!json_is_object(message)) {
        err_set(r->err, ERR_IO, "its answer is no chat completion: there is no choices[0].message");
        goto out;
    }
    read_usage(r, json_object_get(object, "usage"));
    if (!mend_calls(r, message) || !raw_tool_calls(r, message, &calls))
        goto out;
    if (calls.n) {
        reply->tool_calls = arena_str(&reply->arena, buf_view(&calls));
        if (!upstream_give(r, &(struct release_piece){.tool_calls = r->rel->sink ? reply->tool_calls : STR("")}))
            goto out;
    }
    if (!give_message(r, message, json_object_get(choice, "logprobs")))
        goto out;
    ok = read_finish(r, upstream_text(json_object_get(choice, "finish_reason")));
out:
    buf_free(&calls);
    json_decref(object);
    return ok;
}

/* Which of the calls begun a delta goes on with; how many there are: it begins one. Without an index, as some servers
 * have it, a name begins a call unless its id is that of the last. */
static int place_of(const struct upstream_reader *r, const json_t *call)
{
    const json_t *index = json_object_get(call, "index");
    struct str id = upstream_text(json_object_get(call, "id"));
    int n = r->calls.n;
    if (json_is_integer(index)) {
        for (int i = 0; i < n; i++) {
            if (r->open.index[i] == json_integer_value(index))
                return i;
        }
        return n;
    }
    bool named = upstream_text(json_object_get(json_object_get(call, "function"), "name")).n > 0;
    bool same = n && id.n && str_is(id, r->calls.id[n - 1]);
    return n && (same || !named) ? n - 1 : n;
}

static bool read_call(struct upstream_reader *r, json_t *call)
{
    int at = place_of(r, call);
    bool begins = at == r->calls.n;
    const json_t *function = json_object_get(call, "function"), *index = json_object_get(call, "index");
    if (!mend_call(r, call, begins))
        return false;
    struct tool_call_delta d = {.index = at, .arguments = upstream_text(json_object_get(function, "arguments"))};
    if (begins) {
        d.id = upstream_text(json_object_get(call, "id"));
        d.name = upstream_text(json_object_get(function, "name"));
    }
    if (begins && at < TOOL_CALLS_MAX)
        r->open.index[at] = json_is_integer(index) ? json_integer_value(index) : -1;
    return upstream_give_calls(r, &d, 1);
}

/* Calls of a stream go out in one shape, whatever they came in, and are put together for the end; custom calls, which
 * only that API has, pass as they are. */
static bool read_calls(struct upstream_reader *r, const json_t *delta)
{
    const json_t *calls = json_object_get(delta, "tool_calls");
    size_t n = json_array_size(calls);
    if (n == 0)
        return true;
    bool custom = r->open.custom || json_object_get(json_array_get(calls, 0), "custom");
    r->open.custom = custom;
    for (size_t i = 0; !custom && i < n; i++) {
        if (!read_call(r, json_array_get(calls, i)))
            return false;
    }
    if (!custom)
        return true;
    struct buf raw = BUF_INIT(DATA_MAX_BYTES);
    bool ok = raw_tool_calls(r, delta, &raw) && upstream_give(r, &(struct release_piece){.tool_calls = buf_view(&raw)});
    buf_free(&raw);
    return ok;
}

static bool read_chunk(struct upstream_reader *r, const json_t *object)
{
    read_usage(r, json_object_get(object, "usage"));
    upstream_served(r, json_object_get(object, "model"), json_object_get(object, "system_fingerprint"));
    const json_t *choice = json_array_get(json_object_get(object, "choices"), 0);
    const json_t *delta = json_object_get(choice, "delta"), *finish = json_object_get(choice, "finish_reason");
    bool raw = r->rel->req->needs & NEED_BIT(NEED_RAW_PROMPT);
    return (raw ? !choice || openai_give_text(r, choice)
                : check_message(r, delta) && read_calls(r, delta) &&
                      give_message(r, delta, json_object_get(choice, "logprobs"))) &&
           (!json_is_string(finish) || read_finish(r, upstream_text(finish)));
}

/* [DONE] ends an answer whose server gives no finish reason. */
static bool read_done(struct upstream_reader *r)
{
    r->done = true;
    return r->finished || r->n_deltas == 0 || read_finish(r, STR("stop"));
}

bool openai_read_event(void *ctx, struct str type, struct str data)
{
    struct upstream_reader *r = ctx;
    (void)type;
    if (r->done)
        return true;
    if (str_is(str_trim(data), "[DONE]"))
        return read_done(r);
    json_t *object = NULL;
    if (!json_parse_object(data, "it", &object, r->err))
        return err_prefix(r->err, "an event of its stream cannot be read: ");
    bool ok = read_error_member(r, object) && read_chunk(r, object);
    json_decref(object);
    return ok;
}
