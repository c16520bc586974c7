/* struct reply to the Ollama dialect: one object, or lines of JSON, and the sentence of an error. Calls of tools have
 * objects as arguments there, so a stream says them once they are whole. Nothing is decided here. */
#include "base/clock.h"
#include "data/json.h"
#include "gateway/api/ollama/ollama_internal.h"
#include "gateway/api/openai/openai.h"

#define LINE_MAX_BYTES (16u << 20)

/* What tells the two questions' answers apart. */
enum shape { CHAT, GENERATE };

void ollama_write_error(int status, const char *message, const char *param, const char *code, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    (void)status;
    (void)param;
    (void)code;
    json_open_object(&w);
    json_put_cstr(&w, "error", message);
    json_close_object(&w);
}

static void write_head(struct json_writer *w, const struct reply *reply)
{
    char now[25];
    clock_iso8601(clock_wall_ms(), now);
    json_open_object(w);
    json_put_cstr(w, "model", reply->model);
    json_put_cstr(w, "created_at", now);
}

/* ---- calls ---- */

static struct str text_of(const json_t *value)
{
    return (struct str){json_string_value(value), json_string_length(value)};
}

/* The arguments of a call as an object; NULL where the model wrote none. */
static json_t *arguments_of(const json_t *call)
{
    json_t *value = NULL;
    struct str text = text_of(json_object_get(json_object_get(call, "function"), "arguments"));
    if (text.n == 0)
        return json_object();
    return json_parse_object(text, "arguments", &value, NULL) ? value : NULL;
}

static void write_call(struct json_writer *w, const json_t *call, const json_t *arguments, int index)
{
    json_open_object(w);
    json_put_str(w, "id", text_of(json_object_get(call, "id")));
    json_key(w, "function");
    json_open_object(w);
    json_put_i64(w, "index", index);
    json_put_str(w, "name", text_of(json_object_get(json_object_get(call, "function"), "name")));
    json_key(w, "arguments");
    json_value(w, arguments);
    json_close_object(w);
    json_close_object(w);
}

/* A list of calls. What never became one is not lost: it is added to `text`. */
static void write_calls(struct json_writer *w, struct str list, struct buf *text)
{
    json_t *calls = NULL, *call;
    size_t i;
    int n = 0;
    if (!list.n || !json_parse(list, "calls", &calls, NULL))
        return;
    json_array_foreach(calls, i, call)
    {
        json_t *arguments = arguments_of(call);
        struct json_writer broken = JSON_WRITER(text);
        if (!arguments) {
            json_value(&broken, json_object_get(call, "function"));
            continue;
        }
        if (n == 0) {
            json_key(w, "tool_calls");
            json_open_array(w);
        }
        write_call(w, call, arguments, n++);
        json_decref(arguments);
    }
    if (n > 0)
        json_close_array(w);
    json_decref(calls);
}

/* ---- what an answer says ---- */

/* In place of a message /api/generate has its members beside the others. */
static void write_message(struct json_writer *w, enum shape shape, struct str words, struct str thinking,
                          struct str calls)
{
    struct buf text = BUF_INIT(LINE_MAX_BYTES);
    buf_str(&text, words);
    if (shape == CHAT) {
        json_key(w, "message");
        json_open_object(w);
        json_put_cstr(w, "role", "assistant");
        write_calls(w, calls, &text);
    }
    json_put_str(w, shape == CHAT ? "content" : "response", buf_view(&text));
    if (thinking.n)
        json_put_str(w, "thinking", thinking);
    if (shape == CHAT)
        json_close_object(w);
    buf_free(&text);
}

static void write_logprobs(struct json_writer *w, const struct reply_token *tokens, int64_t n, int top)
{
    json_key(w, "logprobs");
    json_open_array(w);
    for (int64_t i = 0; i < n; i++)
        openai_write_token(w, &tokens[i], top);
    json_close_array(w);
}

/* Times in nanoseconds. Reading the prompt lasts until the first token, waiting included; a model that had to be loaded
 * for it counts as waiting. */
static void write_end(struct json_writer *w, const struct reply *reply)
{
    const struct attempt *last = reply->n_attempts ? &reply->attempts[reply->n_attempts - 1] : NULL;
    int64_t ttft_us = last ? last->ttft_us : 0, answer_us = last ? last->total_us : 0;
    bool length = reply->finish_reason && strcmp(reply->finish_reason, "length") == 0;
    json_put_bool(w, "done", true);
    json_put_cstr(w, "done_reason", length ? "length" : "stop");
    json_put_i64(w, "total_duration", reply->total_us * 1000);
    json_put_i64(w, "load_duration", 0);
    json_put_i64(w, "prompt_eval_count", reply->usage.prompt);
    json_put_i64(w, "prompt_eval_duration", ttft_us * 1000);
    json_put_i64(w, "eval_count", reply->usage.completion);
    json_put_i64(w, "eval_duration", answer_us > ttft_us ? (answer_us - ttft_us) * 1000 : 0);
    openai_put_rung(w, reply, NULL);
    json_close_object(w);
}

/* ---- the whole answer, and its lines ---- */

static void write_answer(enum shape shape, const struct request *req, const struct reply *reply, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    write_head(&w, reply);
    write_message(&w, shape, buf_view(&reply->text), buf_view(&reply->reasoning), reply->tool_calls);
    if (req->logprobs)
        write_logprobs(&w, reply->tokens, reply->n_tokens, req->top_logprobs);
    write_end(&w, reply);
}

static void end_line(struct json_writer *w)
{
    json_close_object(w);
    buf_char(w->out, '\n');
}

/* A stream has no line before its first words. */
static void line_first(const struct answer_stream *s, struct buf *out)
{
    (void)s;
    (void)out;
}

static void write_delta(enum shape shape, const struct answer_stream *s, const struct answer_delta *d, struct buf *out)
{
    bool token = s->req->logprobs && d->token;
    if (!d->text.n && !token)
        return;                           /* a part of a call */
    struct json_writer w = JSON_WRITER(out);
    write_head(&w, s->reply);
    write_message(&w, shape, d->reasoning ? STR("") : d->text, d->reasoning ? d->text : STR(""), STR(""));
    json_put_bool(&w, "done", false);
    if (token)
        write_logprobs(&w, d->token, 1, s->req->top_logprobs);
    end_line(&w);
}

static void write_last(enum shape shape, const struct answer_stream *s, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    if (s->reply->tool_calls.n) {
        write_head(&w, s->reply);
        write_message(&w, shape, STR(""), STR(""), s->reply->tool_calls);
        json_put_bool(&w, "done", false);
        end_line(&w);
        w = JSON_WRITER(out);
    }
    write_head(&w, s->reply);
    write_message(&w, shape, STR(""), STR(""), STR(""));
    write_end(&w, s->reply);
    buf_char(out, '\n');
}

static void line_broken(const struct answer_stream *s, int status, const char *message, struct buf *out)
{
    (void)s;
    ollama_write_error(status, message, NULL, NULL, out);
    buf_char(out, '\n');
}

/* ---- the two questions ---- */

static void chat_write(const struct request *req, const struct reply *reply, struct buf *out)
{
    write_answer(CHAT, req, reply, out);
}

static void chat_delta(const struct answer_stream *s, const struct answer_delta *d, struct buf *out)
{
    write_delta(CHAT, s, d, out);
}

static void chat_last(const struct answer_stream *s, struct buf *out)
{
    write_last(CHAT, s, out);
}

static void generate_write(const struct request *req, const struct reply *reply, struct buf *out)
{
    write_answer(GENERATE, req, reply, out);
}

static void generate_delta(const struct answer_stream *s, const struct answer_delta *d, struct buf *out)
{
    write_delta(GENERATE, s, d, out);
}

static void generate_last(const struct answer_stream *s, struct buf *out)
{
    write_last(GENERATE, s, out);
}

const struct dialect ollama_chat = {
    .stream_type = "application/x-ndjson",
    .parse = ollama_parse_chat,
    .write = chat_write,
    .first = line_first,
    .delta = chat_delta,
    .last = chat_last,
    .broken = line_broken,
    .error = ollama_write_error,
    .fields = ollama_fields,
};

const struct dialect ollama_generate = {
    .stream_type = "application/x-ndjson",
    .parse = ollama_parse_generate,
    .write = generate_write,
    .first = line_first,
    .delta = generate_delta,
    .last = generate_last,
    .broken = line_broken,
    .error = ollama_write_error,
    .fields = ollama_fields,
};
