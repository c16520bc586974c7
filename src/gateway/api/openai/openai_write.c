/* struct reply to the OpenAI dialect: a whole object, the chunks of a stream, an error, and the `rung` object that says
 * what happened. Nothing is decided here. */
#include "data/json.h"
#include "gateway/api/openai/openai.h"
#include "net/sse.h"

#define CHUNK_MAX_BYTES (16u << 20)

static void put_usd(struct json_writer *w, const char *key, int64_t pico_usd)
{
    json_put_f64(w, key, (double)pico_usd / 1e12);
}

/* A confidence that is not there is null. */
static void put_score(struct json_writer *w, const char *key, double score)
{
    json_key(w, key);
    if (score < 0)
        json_null_value(w);
    else
        json_f64(w, score);
}

static void write_usage(struct json_writer *w, const struct token_usage *u)
{
    json_open_object(w);
    json_put_i64(w, "prompt_tokens", u->prompt);
    json_put_i64(w, "completion_tokens", u->completion);
    json_put_i64(w, "total_tokens", u->prompt + u->completion);
    json_key(w, "prompt_tokens_details");
    json_open_object(w);
    json_put_i64(w, "cached_tokens", u->cached);
    json_close_object(w);
    json_key(w, "completion_tokens_details");
    json_open_object(w);
    json_put_i64(w, "reasoning_tokens", u->reasoning);
    json_close_object(w);
    json_close_object(w);
}

static void write_token_text(struct json_writer *w, struct str piece, double logprob)
{
    json_put_str(w, "token", piece);
    json_put_f64(w, "logprob", logprob);
    json_key(w, "bytes");
    json_open_array(w);
    for (size_t i = 0; i < piece.n; i++)
        json_i64(w, (unsigned char)piece.p[i]);
    json_close_array(w);
}

static void write_token(struct json_writer *w, const struct reply_token *t, int top)
{
    json_open_object(w);
    write_token_text(w, t->piece, t->record.logprob);
    json_key(w, "top_logprobs");
    json_open_array(w);
    for (int i = 0; i < t->record.n_top && i < top && t->top_pieces; i++) {
        json_open_object(w);
        write_token_text(w, t->top_pieces[i], t->record.top[i].logprob);
        json_close_object(w);
    }
    json_close_array(w);
    json_close_object(w);
}

static void write_logprobs(struct json_writer *w, const struct reply_token *tokens, int64_t n, int top)
{
    json_key(w, "logprobs");
    json_open_object(w);
    json_key(w, "content");
    json_open_array(w);
    for (int64_t i = 0; i < n; i++)
        write_token(w, &tokens[i], top);
    json_close_array(w);
    json_put_cstr(w, "refusal", NULL);
    json_close_object(w);
}

static void write_attempt(struct json_writer *w, const struct attempt *a)
{
    json_open_object(w);
    json_put_cstr(w, "tier", a->tier);
    json_put_cstr(w, "model", a->model);
    json_put_cstr(w, "outcome", attempt_outcome_names[a->outcome]);
    put_score(w, "confidence", a->confidence);
    json_put_i64(w, "prompt_tokens", a->usage.prompt);
    json_put_i64(w, "cached_tokens", a->usage.cached);
    json_put_i64(w, "completion_tokens", a->usage.completion);
    json_put_i64(w, "reasoning_tokens", a->usage.reasoning);
    put_usd(w, "cost_usd", a->cost_pico_usd);
    json_put_f64(w, "ttft_ms", (double)a->ttft_us / 1000);
    json_put_f64(w, "total_ms", (double)a->total_us / 1000);
    if (a->error[0])
        json_put_cstr(w, "error", a->error);
    json_close_object(w);
}

static void write_choices(struct json_writer *w, const struct reply *reply)
{
    json_key(w, "choices");
    json_open_array(w);
    for (int i = 0; i < reply->n_choices; i++) {
        json_open_object(w);
        json_put_str(w, "choice", reply->choices[i].text);
        json_put_f64(w, "probability", reply->choices[i].probability);
        json_close_object(w);
    }
    json_close_array(w);
    json_put_f64(w, "choices_residual", reply->choices_residual);
}

static void write_rung(struct json_writer *w, const struct reply *reply)
{
    json_open_object(w);
    json_put_cstr(w, "tier", reply->tier);
    json_put_cstr(w, "model", reply->model);
    json_put_cstr(w, "kind", kind_names[reply->kind]);
    json_key(w, "traits");
    json_open_array(w);
    for (int t = 0; t < TRAIT_COUNT; t++) {
        if (reply->traits & TRAIT_BIT(t))
            json_cstr(w, trait_names[t]);
    }
    json_close_array(w);
    put_score(w, "confidence", reply->confidence);
    if (reply->form != FORM_FREE)
        json_put_bool(w, "valid", reply->form == FORM_VALID);
    if (reply->n_choices)
        write_choices(w, reply);
    json_put_cstr(w, "reason", reply->reason);
    json_put_cstr(w, "escalation", reply->escalation);
    json_put_cstr(w, "unanswered", reply->unanswered);
    json_key(w, "attempts");
    json_open_array(w);
    for (int i = 0; i < reply->n_attempts; i++)
        write_attempt(w, &reply->attempts[i]);
    json_close_array(w);
    put_usd(w, "cost_usd", reply->cost_pico_usd);
    put_usd(w, "frontier_cost_usd", reply->frontier_pico_usd);
    json_put_f64(w, "hold_ms", (double)reply->hold_us / 1000);
    json_put_f64(w, "ttft_ms", (double)reply->ttft_us / 1000);
    json_put_f64(w, "total_ms", (double)reply->total_us / 1000);
    json_close_object(w);
}

void openai_write_rung(const struct request *req, const struct reply *reply, struct buf *out)
{
    (void)req;
    struct json_writer w = JSON_WRITER(out);
    write_rung(&w, reply);
}

static void write_head(struct json_writer *w, const struct request *req, const struct reply *reply, const char *object)
{
    json_put_cstr(w, "id", req->id);
    json_put_cstr(w, "object", object);
    json_put_i64(w, "created", req->created_s);
    json_put_cstr(w, "model", reply->model);
}

static void write_message(struct json_writer *w, const struct reply *reply)
{
    json_key(w, "message");
    json_open_object(w);
    json_put_cstr(w, "role", "assistant");
    if (reply->text.n == 0 && reply->tool_calls.n)
        json_put_cstr(w, "content", NULL);
    else
        json_put_str(w, "content", buf_view(&reply->text));
    json_put_cstr(w, "refusal", NULL);
    if (reply->reasoning.n)
        json_put_str(w, "reasoning_content", buf_view(&reply->reasoning));
    if (reply->tool_calls.n)
        json_put_raw(w, "tool_calls", reply->tool_calls);
    json_close_object(w);
}

static void write_chat(const struct request *req, const struct reply *reply, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    write_head(&w, req, reply, "chat.completion");
    json_key(&w, "choices");
    json_open_array(&w);
    json_open_object(&w);
    json_put_i64(&w, "index", 0);
    write_message(&w, reply);
    if (req->logprobs)
        write_logprobs(&w, reply->tokens, reply->n_tokens, req->top_logprobs);
    else
        json_put_cstr(&w, "logprobs", NULL);
    json_put_cstr(&w, "finish_reason", reply->finish_reason);
    json_close_object(&w);
    json_close_array(&w);
    json_key(&w, "usage");
    write_usage(&w, &reply->usage);
    json_key(&w, "rung");
    write_rung(&w, reply);
    json_close_object(&w);
}

/* ---- chunks ---- */

/* One chunk around its delta: opened here, closed by end_chunk. */
static struct json_writer begin_chunk(const struct request *req, const struct reply *reply, struct buf *json)
{
    struct json_writer w = JSON_WRITER(json);
    json_open_object(&w);
    write_head(&w, req, reply, "chat.completion.chunk");
    json_key(&w, "choices");
    json_open_array(&w);
    return w;
}

static void end_chunk(struct json_writer *w, struct buf *out)
{
    json_close_object(w);
    sse_write(out, NULL, buf_view(w->out));
    buf_free(w->out);
}

static void open_choice(struct json_writer *w)
{
    json_open_object(w);
    json_put_i64(w, "index", 0);
    json_key(w, "delta");
    json_open_object(w);
}

static void close_choice(struct json_writer *w, const struct request *req, const char *finish_reason)
{
    json_put_cstr(w, "finish_reason", finish_reason);
    json_close_object(w);
    json_close_array(w);
    if (req->include_usage)
        json_put_cstr(w, "usage", NULL);
}

static void chunk_first(const struct answer_stream *s, struct buf *out)
{
    struct buf json = BUF_INIT(CHUNK_MAX_BYTES);
    struct json_writer w = begin_chunk(s->req, s->reply, &json);
    open_choice(&w);
    json_put_cstr(&w, "role", "assistant");
    json_put_cstr(&w, "content", "");
    json_close_object(&w);
    close_choice(&w, s->req, NULL);
    end_chunk(&w, out);
}

static void chunk_delta(const struct answer_stream *s, const struct answer_delta *d, struct buf *out)
{
    struct buf json = BUF_INIT(CHUNK_MAX_BYTES);
    struct json_writer w = begin_chunk(s->req, s->reply, &json);
    open_choice(&w);
    if (d->text.n || !d->tool_calls.n)
        json_put_str(&w, d->reasoning ? "reasoning_content" : "content", d->text);
    if (d->tool_calls.n)
        json_put_raw(&w, "tool_calls", d->tool_calls);
    json_close_object(&w);
    if (s->req->logprobs && d->token)
        write_logprobs(&w, d->token, 1, s->req->top_logprobs);
    close_choice(&w, s->req, NULL);
    end_chunk(&w, out);
}

/* Finish reason, usage if asked, rung, [DONE]. */
static void chunk_last(const struct answer_stream *s, struct buf *out)
{
    struct buf json = BUF_INIT(CHUNK_MAX_BYTES);
    struct json_writer w = begin_chunk(s->req, s->reply, &json);
    open_choice(&w);
    json_close_object(&w);
    close_choice(&w, s->req, s->reply->finish_reason);
    if (s->req->include_usage) {
        end_chunk(&w, out);
        w = begin_chunk(s->req, s->reply, &json);
        json_close_array(&w);
        json_key(&w, "usage");
        write_usage(&w, &s->reply->usage);
    }
    json_key(&w, "rung");
    write_rung(&w, s->reply);
    end_chunk(&w, out);
    sse_write(out, NULL, STR("[DONE]"));
}

static const char *error_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    default:
        return status < 500 ? "invalid_request_error" : "server_error";
    }
}

void openai_write_error(int status, const char *message, const char *param, const char *code, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    json_key(&w, "error");
    json_open_object(&w);
    json_put_cstr(&w, "message", message);
    json_put_cstr(&w, "type", error_type(status));
    json_put_cstr(&w, "param", param);
    json_put_cstr(&w, "code", code);
    json_close_object(&w);
    json_close_object(&w);
}

static void chunk_broken(const struct answer_stream *s, int status, const char *message, struct buf *out)
{
    struct buf error = BUF_INIT(CHUNK_MAX_BYTES);
    (void)s;
    openai_write_error(status, message, NULL, NULL, &error);
    sse_write(out, "error", buf_view(&error));
    buf_free(&error);
}

const struct dialect openai_chat = {
    .name = "openai",
    .stream_type = "text/event-stream; charset=utf-8",
    .parse = openai_parse_chat,
    .write = write_chat,
    .first = chunk_first,
    .delta = chunk_delta,
    .last = chunk_last,
    .broken = chunk_broken,
    .error = openai_write_error,
};
