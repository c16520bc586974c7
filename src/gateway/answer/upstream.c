/* One attempt at an OpenAI-compatible server: the members of the received body go out as the bytes that came in, but
 * for those that are Rung's (a form that API has no field for goes out as the response_format that means the same); the
 * answer comes in plain or streamed as the client asked. This is the only way outwards, and it checks privacy itself,
 * whatever the plan says. */
#include "gateway/answer/upstream.h"

#include <stdio.h>

#include "base/clock.h"
#include "net/sse.h"

#define MAX_MEMBERS 64
#define BODY_MAX_BYTES (JSON_MAX_BYTES + 4096)
#define ERROR_MAX_BYTES (64u << 10)
#define REPLY_MAX_BYTES (32u << 20)
#define MAX_URL 2048
#define MAX_KEY_HEADER 4096
#define STOP_MAX_EVENTS 64                /* looked at after a cancel, before its end is taken for granted */

struct upstream_run {
    const struct request *req;
    const struct config_model *model;
    struct upstream_reader reader;
    struct sse_parser sse;
    struct buf body;                      /* a whole reply, or an error */
    int status;
    int64_t retry_after_s;                /* -1: none */
    bool streamed, sent;
    int64_t started_us;
};

static bool is_ours(struct str key, bool rewrite_logprobs)
{
    static const char *const ours[] = {"model",      "stream", "stream_options", "metadata",
                                       "keep_alive", "format", "choices",        "property_order"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (str_is(key, ours[i]))
            return true;
    }
    return rewrite_logprobs && (str_is(key, "logprobs") || str_is(key, "top_logprobs"));
}

static void put_choices(struct json_writer *w, const struct rule_spec *rule)
{
    json_put_cstr(w, "type", "object");
    json_put_raw(w, "required", STR("[\"" UPSTREAM_CHOICE "\"]"));
    json_put_bool(w, "additionalProperties", false);
    json_key(w, "properties");
    json_open_object(w);
    json_key(w, UPSTREAM_CHOICE);
    json_open_object(w);
    json_put_cstr(w, "type", "string");
    json_key(w, "enum");
    json_open_array(w);
    for (int i = 0; i < rule->n_choices; i++)
        json_str(w, rule->choices[i]);
    json_close_array(w);
    json_close_object(w);
    json_close_object(w);
}

/* `format` and `choices` in that API's words. */
static void put_response_format(struct json_writer *w, const struct form *form)
{
    bool choices = form->rule.kind == RULE_CHOICES;
    json_key(w, "response_format");
    json_open_object(w);
    if (form->rule.kind == RULE_JSON_OBJECT) {
        json_put_cstr(w, "type", "json_object");
    } else {
        json_put_cstr(w, "type", "json_schema");
        json_key(w, "json_schema");
        json_open_object(w);
        json_put_cstr(w, "name", "answer");
        if (choices)
            json_put_bool(w, "strict", true);
        json_key(w, "schema");
        if (choices) {
            json_open_object(w);
            put_choices(w, &form->rule);
            json_close_object(w);
        } else {
            json_value(w, form->rule.schema);
        }
        json_close_object(w);
    }
    json_close_object(w);
}

bool upstream_body(const struct request *req, const struct config *c, const struct config_model *m,
                   bool want_confidence, struct buf *out, struct err *err)
{
    struct json_member members[MAX_MEMBERS];
    int n = 0;
    if (!json_members(req->body, members, MAX_MEMBERS, &n))
        return err_set(err, ERR_LIMIT, "the request body has more than %d fields", MAX_MEMBERS);
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    json_put_cstr(&w, "model", m->upstream_model ? m->upstream_model : m->name);
    if (req->stream) {
        json_put_bool(&w, "stream", true);
        json_put_raw(&w, "stream_options", STR("{\"include_usage\":true}"));
    }
    if (want_confidence) {
        int top = c->score == SCORE_ENTROPY ? RECORD_TOP : req->top_logprobs;
        json_put_bool(&w, "logprobs", true);
        if (top)
            json_put_i64(&w, "top_logprobs", top);
    }
    if (req->form && (strcmp(req->form->field, "format") == 0 || strcmp(req->form->field, "choices") == 0))
        put_response_format(&w, req->form);
    for (int i = 0; i < n; i++) {
        if (is_ours(members[i].key, want_confidence) || str_is(members[i].value, "null"))
            continue;
        char key[64];
        snprintf(key, sizeof key, STR_FMT, STR_ARG(members[i].key));
        json_put_raw(&w, key, members[i].value);
    }
    json_close_object(&w);
    return buf_check(out, "the request to the upstream", err);
}

static bool start_call(struct gateway *g, struct upstream_run *run, struct http_call **ret, struct err *err)
{
    const struct config_model *m = run->model;
    char url[MAX_URL], key[MAX_KEY_HEADER];
    const char *headers[4] = {"Content-Type: application/json", "Accept: application/json"};
    size_t base = strlen(m->base_url);
    while (base && m->base_url[base - 1] == '/')
        base--;
    if ((size_t)snprintf(url, sizeof url, "%.*s/chat/completions", (int)base, m->base_url) >= sizeof url)
        return err_set(err, ERR_LIMIT, "base_url of model '%s' is longer than %d bytes", m->name, MAX_URL);
    if (run->req->stream)
        headers[1] = "Accept: text/event-stream";
    if (m->api_key) {
        if ((size_t)snprintf(key, sizeof key, "Authorization: Bearer %s", m->api_key) >= sizeof key)
            return err_set(err, ERR_LIMIT, "the API key of model '%s' is longer than %d bytes", m->name,
                           MAX_KEY_HEADER - 32);
        headers[2] = key;
    }
    struct buf body = BUF_INIT(BODY_MAX_BYTES);
    bool want_confidence = m->logprobs && run->reader.rel->threshold >= 0;
    struct http_call_request call = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .connect_timeout_ms = m->connect_timeout_ms,
        .first_byte_timeout_ms = run->req->stream ? m->first_token_timeout_ms : 0,
        .idle_timeout_ms = m->idle_timeout_ms,
        .total_timeout_ms = m->total_timeout_ms,
        .max_body_bytes = REPLY_MAX_BYTES,
    };
    bool ok = upstream_body(run->req, g->config, m, want_confidence, &body, err);
    call.body = buf_view(&body);
    ok = ok && http_call_start(g->http, &call, ret, err);
    buf_free(&body);
    return ok;
}

/* false: nothing more is wanted of this call. */
static bool take_event(struct upstream_run *run, const struct http_event *ev)
{
    struct err *err = run->reader.err;
    if (ev->kind == HTTP_HEAD) {
        run->status = ev->status;
        run->retry_after_s = ev->retry_after_s;
        run->streamed = ev->status == 200 && str_find(ev->content_type, STR("text/event-stream")) != SIZE_MAX;
        return true;
    }
    if (run->streamed) {
        struct err framing = ERR_INIT;    /* of the stream itself; the reader says more about its events */
        bool ok = sse_feed(&run->sse, ev->data, upstream_read_event, &run->reader, &framing);
        if (!ok && err->code == ERR_NONE && run->reader.verdict == RELEASE_ON)
            *err = framing;
        return ok;
    }
    bool failed = run->status < 200 || run->status > 299;
    if (failed && run->body.n + ev->data.n > ERROR_MAX_BYTES)
        return true;                      /* an error page without end says no more than its beginning */
    buf_str(&run->body, ev->data);
    return buf_check(&run->body, "its answer", err);
}

/* Stop the call, and learn whether the other side had seen it. */
static void stop_call(struct upstream_run *run, struct http_call *call)
{
    struct http_event ev = {.kind = HTTP_HEAD};
    http_call_cancel(call);
    for (int i = 0; i < STOP_MAX_EVENTS && ev.kind != HTTP_DONE; i++) {
        if (http_call_next(call, ANSWER_POLL_MS, &ev) && ev.kind == HTTP_DONE)
            run->sent |= ev.sent;
    }
}

/* Pull until the call is done, the answer is not wanted, or the client is gone. true: it came to its end, see
 * *ret_done. */
static bool pull(struct upstream_run *run, struct http_call *call, struct http_event *ret_done)
{
    for (;;) {
        struct http_event ev;
        if (answer_client_gone(run->req)) {
            run->reader.verdict = RELEASE_GONE;
            return false;
        }
        if (!http_call_next(call, ANSWER_POLL_MS, &ev)) {
            if (run->reader.done) {       /* all is said; nobody waits for the connection to end */
                *ret_done = (struct http_event){.kind = HTTP_DONE, .ok = true};
                return true;
            }
            run->reader.verdict = release_tick(run->reader.rel);
            if (run->reader.verdict != RELEASE_ON)
                return false;
            continue;
        }
        if (ev.kind == HTTP_DONE) {
            *ret_done = ev;
            run->sent = ev.sent;
            return true;
        }
        run->sent = true;
        if (!take_event(run, &ev))
            return false;
    }
}

/* The call ended by itself: is there an answer? */
static bool conclude_call(struct upstream_run *run, const struct http_event *done, struct attempt *a)
{
    struct err *err = run->reader.err;
    if (run->streamed && run->reader.finished)
        return true;                      /* whole, whatever became of the connection after it */
    if (!done->ok) {
        *err = done->err;
        return false;
    }
    if (run->status < 200 || run->status > 299) {
        char text[400];
        upstream_read_error(run->status, buf_view(&run->body), text, sizeof text);
        a->http_status = run->status;
        a->retry_after_s = run->retry_after_s > 0 ? run->retry_after_s : 0;
        return err_set(err, ERR_IO, "it answered %s", text);
    }
    if (!run->streamed)
        return upstream_read_reply(&run->reader, buf_view(&run->body));
    return err_set(err, ERR_IO, "its stream ended before the answer did");
}

/* What was sent and not accounted for by a usage is estimated, and booked as possibly billed. */
static void book(struct upstream_run *run, bool answered, struct attempt *a)
{
    bool refused = a->http_status != 0;
    if (!run->reader.has_usage && run->sent && !refused) {
        int64_t bytes = (int64_t)(run->reader.rel->reply->text.n + run->reader.rel->reply->reasoning.n);
        a->usage.prompt = kind_estimate_tokens(run->req);
        a->usage.completion = run->reader.n_deltas ? (bytes + 3) / 4 : 0;
    }
    if (!answered && run->sent && !refused && !run->reader.has_usage)
        a->outcome = ATTEMPT_POSSIBLY_BILLED;
    if (run->reader.rel->first_ns)
        a->ttft_us = run->reader.rel->first_ns / 1000 - run->started_us;
    a->total_us = clock_us() - run->started_us;
    run->reader.rel->reply->usage = a->usage;
}

static enum attempt_end judge(struct upstream_run *run, bool answered)
{
    struct upstream_reader *r = &run->reader;
    if (answered)
        r->verdict = release_end(r->rel);
    if (r->verdict == RELEASE_CLIMB || r->verdict == RELEASE_MALFORMED)
        return answer_end(r->verdict);
    if (r->verdict == RELEASE_GONE && r->err->code == ERR_NONE)
        return END_GONE;
    return answered && r->verdict == RELEASE_ON ? END_ANSWER : END_FAILED;
}

enum attempt_end upstream_attempt(struct gateway *g, const struct request *req, int model, struct release *rel,
                                  struct attempt *a, struct err *err)
{
    const struct config_model *m = &g->config->models[model];
    if (req->privacy == PRIVACY_LOCAL && !m->own_machine) {
        err_set(err, ERR_INTERNAL, "a request marked local was about to leave for '%s'; it was stopped", m->name);
        return END_FAILED;
    }
    struct upstream_run run = {
        .req = req,
        .model = m,
        .reader = {.rel = rel, .attempt = a, .err = err, .wrapped = upstream_wraps(req)},
        .body = BUF_INIT(REPLY_MAX_BYTES),
        .started_us = clock_us(),
    };
    struct http_call *call = NULL;
    rel->whole |= run.reader.wrapped;     /* what it says is not yet what is to be seen */
    if (!start_call(g, &run, &call, err))
        return END_FAILED;
    sse_parser_init(&run.sse);
    struct http_event done;
    bool ended = pull(&run, call, &done);
    if (!ended)
        stop_call(&run, call);
    bool answered = ended && conclude_call(&run, &done, a) && upstream_finish(&run.reader);
    http_call_close(call);
    enum attempt_end end = judge(&run, answered);
    book(&run, answered, a);
    tool_calls_free(&run.reader.calls);
    sse_parser_free(&run.sse);
    buf_free(&run.body);
    return end;
}
