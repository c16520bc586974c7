/* What a span says, in OTLP's JSON: names and numbers, by OpenTelemetry's conventions for HTTP servers and for
 * generative models. */
#include <stdio.h>

#include "base/clock.h"
#include "data/json.h"
#include "gateway/provider/provider.h"
#include "gateway/trace/trace.h"

enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER = 2, SPAN_CLIENT = 3 };

#define STATUS_ERROR 2
#define PICO_USD 1e12

static void attribute(struct json_writer *w, const char *key)
{
    json_open_object(w);
    json_put_cstr(w, "key", key);
    json_key(w, "value");
    json_open_object(w);
}

static void attribute_end(struct json_writer *w)
{
    json_close_object(w);
    json_close_object(w);
}

static void put_text(struct json_writer *w, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    attribute(w, key);
    json_put_cstr(w, "stringValue", value);
    attribute_end(w);
}

/* 64-bit integers are texts in OTLP's JSON. */
static void put_count(struct json_writer *w, const char *key, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)n);
    attribute(w, key);
    json_put_cstr(w, "intValue", text);
    attribute_end(w);
}

static void put_real(struct json_writer *w, const char *key, double v)
{
    attribute(w, key);
    json_put_f64(w, "doubleValue", v);
    attribute_end(w);
}

/* A monotonic time on the wall's clock. */
static void put_time(struct json_writer *w, const char *key, int64_t at_ns)
{
    char text[24];
    int64_t wall_ns = clock_wall_ms() * 1000000 - (clock_ns() - at_ns);
    snprintf(text, sizeof text, "%lld", (long long)wall_ns);
    json_put_cstr(w, key, text);
}

static void span_begin(struct json_writer *w, const struct trace_context *t, const char *span, const char *parent,
                       const char *name, enum span_kind kind)
{
    json_open_object(w);
    json_put_cstr(w, "traceId", t->trace);
    json_put_cstr(w, "spanId", span);
    if (parent[0])
        json_put_cstr(w, "parentSpanId", parent);
    json_put_cstr(w, "name", name);
    json_put_i64(w, "kind", kind);
}

static void span_end(struct json_writer *w, bool failed)
{
    json_close_array(w);
    json_key(w, "status");
    json_open_object(w);
    if (failed)
        json_put_i64(w, "code", STATUS_ERROR);
    json_close_object(w);
    json_close_object(w);
}

/* The names that the conventions have for providers. */
static const char *provider_name(const struct config_upstream *u)
{
    static const char *const names[][2] = {{"azure", "azure.ai.openai"}, {"gemini", "gcp.gemini"}};
    for (size_t i = 0; u && i < sizeof names / sizeof *names; i++)
        if (strcmp(u->provider->name, names[i][0]) == 0)
            return names[i][1];
    return u ? u->provider->name : "rung";
}

static const struct config_upstream *upstream_of(const struct config *c, const struct attempt *a)
{
    int model = config_find_model(c, str_of(a->model));
    for (int i = 0; model >= 0 && a->upstream && i < c->models[model].n_upstreams; i++)
        if (strcmp(c->models[model].upstreams[i].name, a->upstream) == 0)
            return &c->models[model].upstreams[i];
    return NULL;
}

static void put_server(struct json_writer *w, const struct config_upstream *u)
{
    struct str url = str_of(u ? u->base_url : "");
    size_t scheme = str_find(url, STR("://"));
    char host[256];
    if (scheme == SIZE_MAX)
        return;
    const char *p = url.p + scheme + 3;
    snprintf(host, sizeof host, "%.*s", (int)strcspn(p, "/:?"), p);
    put_text(w, "server.address", host);
}

static const char *operation_of(const struct request *req)
{
    return req->needs & NEED_BIT(NEED_EMBEDDING) ? "embeddings" : "chat";
}

static void put_usage(struct json_writer *w, const struct token_usage *u)
{
    put_count(w, "gen_ai.usage.input_tokens", u->prompt);
    put_count(w, "gen_ai.usage.output_tokens", u->completion);
    if (u->cached)
        put_count(w, "gen_ai.usage.cache_read.input_tokens", u->cached);
}

static void write_attempt(struct json_writer *w, const struct config *c, const struct request *req,
                          const struct attempt *a)
{
    const struct config_upstream *u = upstream_of(c, a);
    char name[200];
    bool failed = a->outcome != ATTEMPT_OK && a->outcome != ATTEMPT_LOW_CONFIDENCE;
    snprintf(name, sizeof name, "%s %s", operation_of(req), a->model);
    span_begin(w, &req->trace, a->span, req->trace.span, name, a->upstream ? SPAN_CLIENT : SPAN_INTERNAL);
    put_time(w, "startTimeUnixNano", a->started_ns);
    put_time(w, "endTimeUnixNano", a->started_ns + a->total_us * 1000);
    json_key(w, "attributes");
    json_open_array(w);
    put_text(w, "gen_ai.operation.name", operation_of(req));
    put_text(w, "gen_ai.provider.name", provider_name(u));
    put_text(w, "gen_ai.request.model", u ? u->model : a->model);
    put_text(w, "gen_ai.response.model", a->upstream_model);
    put_server(w, u);
    put_usage(w, &a->usage);
    put_text(w, "rung.tier", a->tier);
    put_text(w, "rung.outcome", attempt_outcome_names[a->outcome]);
    put_real(w, "rung.cost_usd", (double)a->cost_pico_usd / PICO_USD);
    if (a->confidence >= 0)
        put_real(w, "rung.confidence", a->confidence);
    if (a->http_status)
        put_count(w, "http.response.status_code", a->http_status);
    if (failed)
        put_text(w, "error.type", attempt_outcome_names[a->outcome]);
    span_end(w, failed);
}

static void write_question(struct json_writer *w, const struct request *req, const struct reply *reply)
{
    const char *route = req->caller && req->caller->endpoint ? req->caller->endpoint : "rung";
    int status = reply->outcome == REPLY_OK ? 200 : reply->http_status;
    char name[200], code[16];
    snprintf(name, sizeof name, "POST %s", route);
    snprintf(code, sizeof code, "%d", status);
    span_begin(w, &req->trace, req->trace.span, req->trace.parent, name, SPAN_SERVER);
    put_time(w, "startTimeUnixNano", req->arrived_ns);
    put_time(w, "endTimeUnixNano", clock_ns());
    json_key(w, "attributes");
    json_open_array(w);
    put_text(w, "http.request.method", "POST");
    put_text(w, "http.route", route);
    if (status)
        put_count(w, "http.response.status_code", status);
    put_text(w, "gen_ai.operation.name", operation_of(req));
    put_text(w, "gen_ai.response.model", reply->model);
    put_text(w, "gen_ai.response.id", req->id);
    put_usage(w, &reply->usage);
    put_text(w, "rung.tier", reply->tier);
    put_real(w, "rung.cost_usd", (double)reply->cost_pico_usd / PICO_USD);
    if (reply->confidence >= 0)
        put_real(w, "rung.confidence", reply->confidence);
    if (status >= 500)
        put_text(w, "error.type", code);
    span_end(w, status >= 500);
}

void trace_write_spans(const struct config *c, const struct request *req, const struct reply *reply, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_array(&w);
    write_question(&w, req, reply);
    for (int i = 0; i < reply->n_attempts; i++)
        write_attempt(&w, c, req, &reply->attempts[i]);
    json_close_array(&w);
}
