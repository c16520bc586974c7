/* Traces over real HTTP: what a collector is told, what an upstream is told, and what neither ever is. */
#include "data/json.h"
#include "gateway/trace/trace.h"
#include "support_gateway.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define SECRET_WORDS "the treasure lies under the oak"

/* An upstream that remembers the trace it was told. */
struct far {
    struct http_server *server;
    uint16_t port;
    char traceparent[80];
};

static void answer_far(void *ctx, struct http_exchange *x)
{
    struct far *far = ctx;
    struct str header = http_header(x, "traceparent");
    snprintf(far->traceparent, sizeof far->traceparent, STR_FMT, STR_ARG(header));
    http_reply(x, 200, "application/json", STR("{\"model\":\"far-2\",\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"" SECRET_WORDS
               "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":7}}"));
}

static void open_far(struct far *far)
{
    struct err err = ERR_INIT;
    memset(far, 0, sizeof *far);
    struct http_server_options o = {.host = "127.0.0.1", .handle = answer_far, .ctx = far};
    assert_ok(http_server_open(&o, &far->server, &err), err);
    far->port = http_server_port(far->server);
}

static int ask(struct house *h, const char *headers, const char *more)
{
    struct plain_reply r;
    char body[400], all[300];
    snprintf(body, sizeof body, "{\"model\":\"far\",\"messages\":[{\"role\":\"user\",\"content\":\"where? " SECRET_WORDS "\"}]%s}", more);
    snprintf(all, sizeof all, "Content-Type: application/json\r\n%s", headers);
    plain_request(h->port, "POST", "/v1/chat/completions", all, body, &r);
    int status = r.status;
    plain_free(&r);
    return status;
}

static bool was_asked(void *stand_in) { return stand_in_requests(stand_in) > 0; }

/* The text of an attribute of a span; "" when it is not there. */
static const char *attribute(const json_t *span, const char *key)
{
    size_t i;
    json_t *a;
    json_array_foreach(json_object_get(span, "attributes"), i, a) {
        if (strcmp(json_at(a, "key"), key) != 0)
            continue;
        const char *text = json_at(a, "value.stringValue");
        return *text ? text : json_at(a, "value.intValue");
    }
    return "";
}

static void test_traces_tell_of_a_question_and_its_attempt(void **state)
{
    (void)state;
    static struct stand_in collector;
    struct far far;
    struct house h;
    struct err err = ERR_INIT;
    json_t *v = NULL;
    stand_in_open(&collector);
    stand_in_play(&collector, (struct stand_in_script){.body = "{}"});
    open_far(&far);
    setenv("RUNG_TEST_OTLP", "Basic abc", 1);
    house_open(&h, "models: {far: {base_url: 'http://127.0.0.1:%u/v1', model: far-1}}\ntiers: [{name: mid, model: far}]\n"
               "traces: {endpoint: 'http://127.0.0.1:%u/v1/traces', authorization: 'env:RUNG_TEST_OTLP'}\n", far.port, collector.port);
    assert_int_equal(ask(&h, "traceparent: 00-" TRACE "-" PARENT "-01\r\n", ""), 200);
    assert_true(eventually(was_asked, &collector));
    house_close(&h);
    assert_string_equal(collector.authorization, "Basic abc");
    assert_null(strstr(collector.body, "treasure"));
    assert_ok(json_parse_object(str_of(collector.body), "otlp", &v, &err), err);
    assert_string_equal(json_at(v, "resourceSpans.0.resource.attributes.0.value.stringValue"), "rung");
    const json_t *spans = json_object_get(json_array_get(json_object_get(json_array_get(json_object_get(v, "resourceSpans"), 0), "scopeSpans"), 0), "spans");
    assert_int_equal(json_array_size(spans), 2);
    const json_t *question = json_array_get(spans, 0), *attempt = json_array_get(spans, 1);
    assert_string_equal(json_at(question, "traceId"), TRACE);
    assert_string_equal(json_at(question, "parentSpanId"), PARENT);
    assert_string_equal(json_at(question, "kind"), "2");
    assert_string_equal(attribute(question, "http.route"), "/v1/chat/completions");
    assert_string_equal(attribute(question, "http.response.status_code"), "200");
    assert_string_equal(json_at(attempt, "traceId"), TRACE);
    assert_string_equal(json_at(attempt, "parentSpanId"), json_at(question, "spanId"));
    assert_string_equal(json_at(attempt, "kind"), "3");
    assert_string_equal(attribute(attempt, "gen_ai.operation.name"), "chat");
    assert_string_equal(attribute(attempt, "gen_ai.provider.name"), "openai");
    assert_string_equal(attribute(attempt, "gen_ai.request.model"), "far-1");
    assert_string_equal(attribute(attempt, "gen_ai.usage.input_tokens"), "12");
    assert_string_equal(attribute(attempt, "gen_ai.usage.output_tokens"), "7");
    assert_string_equal(attribute(attempt, "server.address"), "127.0.0.1");
    char want[80];
    snprintf(want, sizeof want, "00-" TRACE "-%s-01", json_at(attempt, "spanId"));
    assert_string_equal(far.traceparent, want);
    json_decref(v);
    http_server_close(far.server, 1000);
    stand_in_close(&collector);
}

static void test_a_trace_is_passed_on_though_no_collector_is_told(void **state)
{
    (void)state;
    struct far far;
    struct house h;
    open_far(&far);
    house_open(&h, "models: {far: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: mid, model: far}]\n", far.port);
    assert_int_equal(ask(&h, "", ""), 200);
    assert_string_equal(far.traceparent, "");
    assert_int_equal(ask(&h, "traceparent: 00-" TRACE "-" PARENT "-00\r\n", ""), 200);
    assert_memory_equal(far.traceparent, "00-" TRACE "-", 36);
    assert_string_equal(far.traceparent + 52, "-00");
    house_close(&h);
    http_server_close(far.server, 1000);
}

static void test_a_dead_collector_costs_no_answer(void **state)
{
    (void)state;
    struct far far;
    struct house h;
    struct trap dead;
    int64_t sent, lost, lost_before;
    open_far(&far);
    trap_open(&dead);
    tracer_counts(&sent, &lost_before);
    house_open(&h, "models: {far: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: mid, model: far}]\n"
               "traces: {endpoint: 'http://127.0.0.1:%u/v1/traces'}\n", far.port, dead.port);
    for (int i = 0; i < 20; i++)
        assert_int_equal(ask(&h, "", ""), 200);
    house_close(&h);
    tracer_counts(&sent, &lost);
    assert_int_equal(lost - lost_before, 40);
    trap_close(&dead);
    http_server_close(far.server, 1000);
}

static struct tracer *open_tracer(uint16_t port, bool own_machine)
{
    char endpoint[80];
    struct tracer *t = NULL;
    struct err err = ERR_INIT;
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/v1/traces", port);
    assert_ok(tracer_open(&(struct tracer_options){.endpoint = endpoint, .own_machine = own_machine}, &t, &err), err);
    return t;
}

static void test_of_private_questions_only_an_own_collector_is_told(void **state)
{
    (void)state;
    static struct stand_in collector;
    struct err err = ERR_INIT;
    struct config *c = NULL;
    stand_in_open(&collector);
    stand_in_play(&collector, (struct stand_in_script){.body = "{}"});
    assert_ok(config_parse(STR(""), "t", &c, &err), err);
    struct request req = {.privacy = PRIVACY_LOCAL, .trace = {.trace = TRACE, .span = PARENT, .sampled = true}};
    struct reply reply = {.outcome = REPLY_OK, .confidence = -1};
    for (int own = 0; own < 2; own++) {
        struct tracer *t = open_tracer(collector.port, own);
        tracer_note(t, c, &req, &reply);
        tracer_close(t);
        assert_int_equal(stand_in_requests(&collector), own);
    }
    req.trace.sampled = false;
    struct tracer *t = open_tracer(collector.port, true);
    tracer_note(t, c, &req, &reply);
    tracer_close(t);
    assert_int_equal(stand_in_requests(&collector), 1);
    config_free(c);
    stand_in_close(&collector);
}

static void test_collectors_on_other_hosts_are_not_own_unless_said(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        bool own;
    } cases[] = {{"traces: {endpoint: 'http://127.0.0.1:4318/v1/traces'}", true},
                 {"traces: {endpoint: 'http://localhost:4318/v1/traces'}", true},
                 {"traces: {endpoint: 'http://localhost.evil.example/v1/traces'}", false},
                 {"traces: {endpoint: 'http://127.0.0.1.evil.example/v1/traces'}", false},
                 {"traces: {endpoint: 'https://otel.example/v1/traces'}", false},
                 {"traces: {endpoint: 'https://otel.example/v1/traces', private: true}", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        struct config *c = NULL;
        assert_ok(config_parse(str_of(cases[i].yaml), "t", &c, &err), err);
        assert_int_equal(c->traces_own_machine, cases[i].own);
        config_free(c);
    }
}

static void test_trace_headers_that_are_none_are_left_alone(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "00", "00-" TRACE "-" PARENT, "00-" TRACE "-" PARENT "-0", "00-" TRACE "-" PARENT "-01-more", "ff-" TRACE "-" PARENT "-01",
        "00-00000000000000000000000000000000-" PARENT "-01", "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", "00_" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-zz"};
    struct trace_context t = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (trace_context_parse(str_of(bad[i]), &t))
            fail_msg("taken: %s", bad[i]);
        assert_string_equal(t.trace, "");
    }
    assert_true(trace_context_parse(STR("00-" TRACE "-" PARENT "-01"), &t) && t.sampled);
    assert_true(trace_context_parse(STR("00-" TRACE "-" PARENT "-00"), &t) && !t.sampled);
    assert_true(trace_context_parse(STR("01-" TRACE "-" PARENT "-01-later"), &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces_tell_of_a_question_and_its_attempt),
        cmocka_unit_test(test_a_trace_is_passed_on_though_no_collector_is_told),
        cmocka_unit_test(test_a_dead_collector_costs_no_answer),
        cmocka_unit_test(test_of_private_questions_only_an_own_collector_is_told),
        cmocka_unit_test(test_collectors_on_other_hosts_are_not_own_unless_said),
        cmocka_unit_test(test_trace_headers_that_are_none_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
