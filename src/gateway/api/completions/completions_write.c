/* Answers to POST /v1/completions, whole or as chunks of a stream. Log-probabilities are four lists side by side; where
 * a token stands (text_offset) is counted in characters of the answer's own text. */
#include <math.h>
#include <stdio.h>

#include "gateway/answer/several.h"
#include "gateway/api/completions/fields.h"
#include "gateway/api/openai/openai.h"
#include "net/sse.h"

#define CHUNK_MAX_BYTES (16u << 20)

struct writer_state {
    int64_t offset;                       /* of the next token, in characters */
};

/* ---- log-probabilities ---- */

/* A token is no text by itself where it is a part of a character: then its bytes are spelled, as that API does. */
static void put_token_text(struct str piece, struct buf *out)
{
    if (utf8_valid(piece)) {
        buf_str(out, piece);
        return;
    }
    buf_puts(out, "bytes:");
    for (size_t i = 0; i < piece.n; i++)
        buf_printf(out, "\\x%02x", (unsigned char)piece.p[i]);
}

static void write_text(struct json_writer *w, struct str piece, bool key)
{
    struct buf text = BUF_INIT(CHUNK_MAX_BYTES);
    put_token_text(piece, &text);
    buf_add(&text, "", 1);
    text.n--;
    if (key)
        json_key(w, text.p ? text.p : "");
    else
        json_str(w, buf_view(&text));
    buf_free(&text);
}

/* The likeliest, and the one that came where it is not among them. */
static void write_tops(struct json_writer *w, const struct reply_token *t, int top)
{
    bool seen = false;
    if (isnan(t->record.logprob) || !t->top_pieces) {
        json_null_value(w);
        return;
    }
    json_open_object(w);
    for (int i = 0; i < t->record.n_top && i < top; i++) {
        write_text(w, t->top_pieces[i], true);
        json_f64(w, t->record.top[i].logprob);
        seen |= str_eq(t->top_pieces[i], t->piece);
    }
    if (!seen && top > 0) {
        write_text(w, t->piece, true);
        json_f64(w, t->record.logprob);
    }
    json_close_object(w);
}

static int64_t characters(struct str piece)
{
    int64_t n = 0;
    for (size_t i = 0; i < piece.n; i++)
        n += ((unsigned char)piece.p[i] & 0xC0) != 0x80;
    return n;
}

static void write_logprobs(struct json_writer *w, const struct reply_token *tokens, int64_t n, int top,
                           int64_t *offset)
{
    json_key(w, "logprobs");
    json_open_object(w);
    json_key(w, "text_offset");
    json_open_array(w);
    for (int64_t i = 0; i < n; i++) {
        json_i64(w, *offset);
        *offset += characters(tokens[i].piece);
    }
    json_close_array(w);
    json_key(w, "tokens");
    json_open_array(w);
    for (int64_t i = 0; i < n; i++)
        write_text(w, tokens[i].piece, false);
    json_close_array(w);
    json_key(w, "token_logprobs");
    json_open_array(w);
    for (int64_t i = 0; i < n; i++)
        json_f64(w, tokens[i].record.logprob);
    json_close_array(w);
    json_key(w, "top_logprobs");
    json_open_array(w);
    for (int64_t i = 0; i < n; i++)
        write_tops(w, &tokens[i], top);
    json_close_array(w);
    json_close_object(w);
}

/* ---- whole ---- */

static void write_head(struct json_writer *w, const struct answers *all)
{
    json_put_cstr(w, "id", all->req->id);
    json_put_cstr(w, "object", "text_completion");
    json_put_i64(w, "created", all->req->created_s);
    json_put_cstr(w, "model", all->replies[0].model);
}

static void write_choice(struct json_writer *w, const struct answers *all, int index)
{
    const struct request *req = &all->asked[index];
    const struct reply *reply = &all->replies[index];
    int64_t offset = 0;
    json_open_object(w);
    json_put_i64(w, "index", index);
    json_put_str(w, "text", buf_view(&reply->text));
    if (req->logprobs)
        write_logprobs(w, reply->tokens, reply->n_tokens, req->top_logprobs, &offset);
    else
        json_put_cstr(w, "logprobs", NULL);
    json_put_cstr(w, "finish_reason", reply->finish_reason);
    if (all->n > 1)
        openai_put_rung(w, reply, NULL);
    json_close_object(w);
}

static void put_usage(struct json_writer *w, const struct answers *all)
{
    struct token_usage usage = answers_usage(all);
    json_key(w, "usage");
    openai_write_usage(w, &usage);
}

static void write_all(const struct answers *all, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    write_head(&w, all);
    json_key(&w, "choices");
    json_open_array(&w);
    for (int i = 0; i < all->n; i++)
        write_choice(&w, all, i);
    json_close_array(&w);
    put_usage(&w, all);
    openai_put_rung(&w, &all->replies[0], all);
    json_close_object(&w);
}

/* ---- chunks ---- */

static struct json_writer begin_chunk(const struct answer_stream *s, struct buf *json)
{
    struct json_writer w = JSON_WRITER(json);
    json_open_object(&w);
    json_put_cstr(&w, "id", s->all->req->id);
    json_put_cstr(&w, "object", "text_completion");
    json_put_i64(&w, "created", s->all->req->created_s);
    json_put_cstr(&w, "model", s->reply->model);
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

static void chunk_first(const struct answer_stream *s, struct buf *out)
{
    (void)s;
    (void)out;                            /* the first words are the first chunk */
}

static void chunk_delta(const struct answer_stream *s, const struct answer_delta *d, struct buf *out)
{
    struct writer_state *state = s->state;
    struct buf json = BUF_INIT(CHUNK_MAX_BYTES);
    if (d->reasoning || (!d->text.n && !d->token))
        return;
    struct json_writer w = begin_chunk(s, &json);
    json_open_object(&w);
    json_put_i64(&w, "index", s->index);
    json_put_str(&w, "text", d->text);
    if (s->req->logprobs && d->token)
        write_logprobs(&w, d->token, 1, s->req->top_logprobs, &state->offset);
    else
        json_put_cstr(&w, "logprobs", NULL);
    json_put_cstr(&w, "finish_reason", NULL);
    json_close_object(&w);
    json_close_array(&w);
    if (s->req->include_usage)
        json_put_cstr(&w, "usage", NULL);
    end_chunk(&w, out);
}

static void chunk_ended(const struct answer_stream *s, struct buf *out)
{
    struct buf json = BUF_INIT(CHUNK_MAX_BYTES);
    struct json_writer w = begin_chunk(s, &json);
    json_open_object(&w);
    json_put_i64(&w, "index", s->index);
    json_put_cstr(&w, "text", "");
    json_put_cstr(&w, "logprobs", NULL);
    json_put_cstr(&w, "finish_reason", s->reply->finish_reason);
    if (s->all->n > 1)
        openai_put_rung(&w, s->reply, NULL);
    json_close_object(&w);
    json_close_array(&w);
    if (s->req->include_usage)
        json_put_cstr(&w, "usage", NULL);
    end_chunk(&w, out);
}

static void chunk_last(const struct answer_stream *s, struct buf *out)
{
    struct buf json = BUF_INIT(CHUNK_MAX_BYTES);
    struct json_writer w = begin_chunk(s, &json);
    json_close_array(&w);
    if (s->req->include_usage)
        put_usage(&w, s->all);
    openai_put_rung(&w, s->reply, s->all);
    end_chunk(&w, out);
    sse_write(out, NULL, STR("[DONE]"));
}

static void chunk_broken(const struct answer_stream *s, int status, const char *message, struct buf *out)
{
    openai_chat.broken(s, status, message, out);
}

const struct dialect completions = {
    .stream_type = "text/event-stream; charset=utf-8",
    .state_bytes = sizeof(struct writer_state),
    .parse = completions_parse,
    .write_all = write_all,
    .first = chunk_first,
    .delta = chunk_delta,
    .ended = chunk_ended,
    .last = chunk_last,
    .broken = chunk_broken,
    .error = openai_write_error,
};
