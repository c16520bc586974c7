/* Vectors of texts as a request among others: it is planned, paid for and noted like an answer, and its one attempt
 * asks the engine here (embed_attempt) or an upstream (provider/openai_embed.c). The texts stand in it as messages, so
 * that whoever looks at what is asked sees them. */
#include "gateway/embed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rng.h"
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "runtime/embed.h"

#define EMBED_ARENA_MAX (160u << 20)

/* ---- here ---- */

/* The first parts of each vector, at length 1 again, where the model was made for that; packed to the front. */
static void shorten(float *vectors, int n, int64_t from, int64_t to)
{
    for (int i = 0; i < n; i++) {
        const float *v = vectors + i * from;
        double square = 0;
        for (int64_t k = 0; k < to; k++)
            square += (double)v[k] * v[k];
        double length = square > 0 ? sqrt(square) : 1;
        for (int64_t k = 0; k < to; k++)
            vectors[i * to + k] = (float)(v[k] / length);
    }
}

static bool check_dimensions(const struct config_model *m, int64_t asked, int64_t has, struct err *err)
{
    if (!asked || asked == has || (m->matryoshka && asked < has))
        return true;
    return err_set(err, ERR_INVALID, "'dimensions' is %lld; the vectors of %s have %lld%s", (long long)asked, m->name,
                   (long long)has, m->matryoshka ? " at most" : "; shorter ones need 'matryoshka: true' of the model");
}

static bool embed_here(struct gateway *g, const struct request *req, int model, struct reply *reply,
                       struct attempt *a, struct err *err)
{
    const struct embed_call *call = req->embed;
    int64_t has = local_model_info(g->local[model])->engine.n_embd;
    struct generation_request like = local_request(req);
    struct embed_request er = {.n = call->n, .truncate = call->truncate, .gone = like.gone,
                               .gone_ctx = like.gone_ctx, .load = like.load};
    if (!check_dimensions(&g->config->models[model], call->dimensions, has, err))
        return false;
    struct embed_text *texts = calloc((size_t)call->n, sizeof *texts);
    reply->vectors = reallocarray(NULL, (size_t)call->n, (size_t)has * sizeof *reply->vectors);
    bool ok = (texts && reply->vectors) || err_nomem(err, "the vectors");
    for (int i = 0; i < call->n && ok; i++)
        texts[i] = (struct embed_text){call->inputs[i].text, call->inputs[i].tokens, call->inputs[i].n_tokens};
    er.texts = texts;
    ok = ok && embed(g->runtime, g->local[model], &er, reply->vectors, &a->usage.prompt, err);
    reply->dimensions = call->dimensions ? call->dimensions : has;
    if (ok && reply->dimensions < has)
        shorten(reply->vectors, call->n, has, reply->dimensions);
    free(texts);
    return ok;
}

enum attempt_end embed_attempt(struct gateway *g, const struct request *req, int model, struct reply *reply,
                               struct attempt *a, struct err *err)
{
    int64_t started_us = clock_us();
    bool ok = embed_here(g, req, model, reply, a, err);
    a->total_us = clock_us() - started_us;
    reply->usage = a->usage;
    reply->finish_reason = finish_reason_name(FINISH_STOP);
    if (ok)
        return END_ANSWER;
    return answer_cancelled(req, err);
}

/* ---- the request ---- */

/* As an upstream gets it, but for the model's name. */
static bool write_body(const struct embed_call *call, struct arena *arena, struct str *ret, struct err *err)
{
    struct buf out = BUF_INIT(JSON_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_key(&w, "input");
    json_open_array(&w);
    for (int i = 0; i < call->n; i++) {
        const struct embed_input *in = &call->inputs[i];
        if (!in->tokens) {
            json_str(&w, in->text);
            continue;
        }
        json_open_array(&w);
        for (int64_t k = 0; k < in->n_tokens; k++)
            json_i64(&w, in->tokens[k]);
        json_close_array(&w);
    }
    json_close_array(&w);
    /* Numbers in decimals of many long vectors would be more than a reply may hold. */
    json_put_cstr(&w, "encoding_format", call->n > EMBED_MAX_DECIMAL ? "base64" : "float");
    if (call->dimensions)
        json_put_i64(&w, "dimensions", call->dimensions);
    if (call->user.n)
        json_put_str(&w, "user", call->user);
    json_close_object(&w);
    *ret = arena_str(arena, buf_view(&out));
    bool ok = buf_check(&out, "the texts", err) && (ret->p || err_nomem(err, "the texts"));
    buf_free(&out);
    return ok;
}

static bool build(const struct embed_call *call, struct arena *arena, struct request *r, struct err *err)
{
    *r = (struct request){
        .arena = arena,
        .created_s = clock_wall_ms() / 1000,
        .model = call->model,
        .n_messages = call->n,
        .embed = call,
        .job = "embed",
        .kind = KIND_COMPLETE,
        .kind_given = true,               /* nothing is to be found out of the texts */
        .enable_thinking = -1,
        .max_tokens = 1,                  /* nothing is answered; a budget sets little aside */
        .privacy = call->privacy,
        .privacy_class = call->privacy_class,
        .metadata = call->metadata,
        .conversation_id = call->conversation_id,
        .caller = call->caller,
        .gone = call->gone,
        .gone_ctx = call->gone_ctx,
        .has_keep_alive = call->has_keep_alive,
        .keep_alive_ms = call->keep_alive_ms,
        .arrived_ns = call->arrived_ns ? call->arrived_ns : clock_ns(),
        .deadline_ns = call->deadline_ns,
        .trace = call->trace,
    };
    request_make_id(r, "embd-");
    request_needs(r, NEED_EMBEDDING, "input");
    r->messages = arena_array(arena, (size_t)call->n, sizeof *r->messages);
    if (!r->messages)
        return err_nomem(err, "the texts");
    for (int i = 0; i < call->n; i++) {
        const struct embed_input *in = &call->inputs[i];
        r->messages[i] = (struct chat_message){.role = STR("user"), .content = in->text};
        if (in->tokens) {
            r->prompt_tokens = in->tokens;   /* there are some, which nobody can look at */
            r->n_prompt_tokens += in->n_tokens;
        }
    }
    return write_body(call, arena, &r->body, err);
}

static bool check(const struct embed_call *call, struct err *err)
{
    if (call->n < 1 || call->n > EMBED_MAX_INPUTS)
        return err_set(err, ERR_INVALID, "'input' has %d texts; 1 to %d are taken", call->n, EMBED_MAX_INPUTS);
    for (int i = 0; i < call->n; i++)
        if (call->inputs[i].tokens ? call->inputs[i].n_tokens <= 0 : call->inputs[i].text.n == 0)
            return err_set(err, ERR_INVALID, "'input' holds an empty text, number %d", i);
    return true;
}

/* ---- the reply ---- */

static void take(struct reply *r, struct embed_reply *ret)
{
    ret->ok = r->outcome == REPLY_OK;
    ret->err = r->err;
    ret->http_status = r->outcome == REPLY_CANCELLED ? 503 : r->http_status ? r->http_status : 500;
    ret->retry_after_s = r->retry_after_s;
    ret->code = r->code;
    ret->tier = r->tier;
    ret->model = r->model;
    ret->local = r->local;
    ret->vectors = r->vectors;
    r->vectors = NULL;
    ret->dimensions = r->dimensions;
    ret->prompt_tokens = r->usage.prompt;
    ret->cost_pico_usd = r->cost_pico_usd;
    ret->total_us = r->total_us;
    if (r->outcome == REPLY_CANCELLED)
        err_set(&ret->err, ERR_CANCELLED, "nobody waits for the vectors any more, or Rung is stopping");
}

void gateway_embed(struct gateway *g, const struct embed_call *call, struct embed_reply *ret)
{
    struct arena arena = ARENA_INIT(EMBED_ARENA_MAX);
    struct request req;
    struct reply reply;
    *ret = (struct embed_reply){.err = ERR_INIT, .http_status = 400};
    if (check(call, &ret->err) && build(call, &arena, &req, &ret->err)) {
        gateway_answer(g, &req, NULL, &reply);
        if (call->answered)
            call->answered(call->answered_ctx, &req, &reply);
        take(&reply, ret);
        reply_free(&reply);
    }
    arena_free(&arena);
}

void embed_reply_free(struct embed_reply *r) { free(r->vectors); }
