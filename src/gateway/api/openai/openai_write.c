/* struct reply to the OpenAI dialect: a whole object, the chunks of a stream, an error; of several answers one choice
 * each. Nothing is decided here. */
#include "data/json.h"
#include "gateway/answer/several.h"
#include "gateway/api/openai/openai.h"
#include "net/sse.h"

#define CHUNK_MAX_BYTES (16u << 20)

void openai_write_usage(struct json_writer *w, const struct token_usage *u)
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

void openai_write_token(struct json_writer *w, const struct reply_token *t, int top)
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
        openai_write_token(w, &tokens[i], top);
    json_close_array(w);
    json_put_cstr(w, "refusal", NULL);
    json_close_object(w);
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

static void write_choice(struct json_writer *w, const struct request *req, const struct reply *reply, int index,
                         bool several)
{
    json_open_object(w);
    json_put_i64(w, "index", index);
    write_message(w, reply);
    if (req->logprobs)
        write_logprobs(w, reply->tokens, reply->n_tokens, req->top_logprobs);
    else
        json_put_cstr(w, "logprobs", NULL);
    json_put_cstr(w, "finish_reason", reply->finish_reason);
    if (several)
        openai_put_rung(w, reply, NULL);
    json_close_object(w);
}

static void write_chat(const struct answers *all, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    struct token_usage usage = answers_usage(all);
    json_open_object(&w);
    write_head(&w, all->req, &all->replies[0], "chat.completion");
    json_key(&w, "choices");
    json_open_array(&w);
    for (int i = 0; i < all->n; i++)
        write_choice(&w, &all->asked[i], &all->replies[i], i, all->n > 1);
    json_close_array(&w);
    json_key(&w, "usage");
    openai_write_usage(&w, &usage);
    openai_put_rung(&w, &all->replies[0], all);
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

static void open_choice(struct json_writer *w, int index)
{
    json_open_object(w);
    json_put_i64(w, "index", index);
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
    struct json_writer w = begin_chunk(s->all->req, s->reply, &json);
    open_choice(&w, s->index);
    json_put_cstr(&w, "role", "assistant");
    json_put_cstr(&w, "content", "");
    json_close_object(&w);
    close_choice(&w, s->req, NULL);
    end_chunk(&w, out);
}

static void chunk_delta(const struct answer_stream *s, const struct answer_delta *d, struct buf *out)
{
    struct buf json = BUF_INIT(CHUNK_MAX_BYTES);
    struct json_writer w = begin_chunk(s->all->req, s->reply, &json);
    open_choice(&w, s->index);
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

static void put_finish(struct json_writer *w, const struct answer_stream *s)
{
    open_choice(w, s->index);
    json_close_object(w);
    if (s->all->n > 1)
        openai_put_rung(w, s->reply, NULL);
    close_choice(w, s->req, s->reply->finish_reason);
}

/* The finish reason; the only answer's comes with what is last. */
static void chunk_ended(const struct answer_stream *s, struct buf *out)
{
    struct buf json = BUF_INIT(CHUNK_MAX_BYTES);
    if (s->all->n == 1)
        return;
    struct json_writer w = begin_chunk(s->all->req, s->reply, &json);
    put_finish(&w, s);
    end_chunk(&w, out);
}

/* The only answer's finish reason, usage if asked, rung, [DONE]. */
static void chunk_last(const struct answer_stream *s, struct buf *out)
{
    struct buf json = BUF_INIT(CHUNK_MAX_BYTES);
    struct json_writer w = begin_chunk(s->all->req, s->reply, &json);
    struct token_usage usage = answers_usage(s->all);
    bool finish = s->all->n == 1;
    if (finish)
        put_finish(&w, s);
    if (finish && s->req->include_usage) {
        end_chunk(&w, out);
        w = begin_chunk(s->all->req, s->reply, &json);
        finish = false;
    }
    if (!finish)
        json_close_array(&w);
    if (s->req->include_usage) {
        json_key(&w, "usage");
        openai_write_usage(&w, &usage);
    }
    openai_put_rung(&w, s->reply, s->all);
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
    .stream_type = "text/event-stream; charset=utf-8",
    .parse = openai_parse_chat,
    .write_all = write_chat,
    .first = chunk_first,
    .delta = chunk_delta,
    .ended = chunk_ended,
    .last = chunk_last,
    .broken = chunk_broken,
    .error = openai_write_error,
};
