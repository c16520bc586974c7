/* The HTTP face against a real server: who may ask, what is where, plain and streamed answers of the embedded model, errors. */
#include "data/json.h"
#include "support_gateway.h"

#define LOCAL_ONLY "models: {starter: {file: starter}}\ntiers: [{name: local, model: starter}]\n"

static struct house house;

static int setup(void **state)
{
    (void)state;
    house_open(&house, LOCAL_ONLY "allowed_hosts: [rung.lan]\nallowed_origins: ['https://app.example']\naliases: {gpt-5: auto}\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close(&house);
    return 0;
}

static int status_of(const char *method, const char *path, const char *headers, const char *body)
{
    struct plain_reply r;
    plain_request(house.port, method, path, headers, body, &r);
    plain_free(&r);
    return r.status;
}

static void test_http_answers_with_headers_and_rung_object(void **state)
{
    (void)state;
    struct plain_reply r;
    house_chat(&house, ask_starter("My new card has not come yet, when will it arrive?", NULL), &r);
    assert_int_equal(r.status, 200);
    json_t *v = reply_json(&r);
    assert_string_equal(json_at(v, "object"), "chat.completion");
    assert_string_equal(json_at(v, "choices.0.message.content"), "card_arrival");
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "stop");
    assert_string_equal(json_at(v, "rung.tier"), "local");
    assert_string_equal(json_at(v, "rung.kind"), "classify");
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "ok");
    assert_true(json_number_at(v, "rung.confidence") > 0.5);
    assert_true(json_number_at(v, "rung.frontier_cost_usd") > 0);
    assert_true(json_number_at(v, "usage.prompt_tokens") > 0);
    assert_true(json_number_at(v, "usage.total_tokens") ==
                json_number_at(v, "usage.prompt_tokens") + json_number_at(v, "usage.completion_tokens"));
    assert_string_equal(plain_header(&r, "x-rung-tier"), "local");
    assert_string_equal(plain_header(&r, "x-rung-model"), "starter");
    assert_string_equal(plain_header(&r, "x-rung-cost-usd"), "0.000000000000");
    assert_string_equal(plain_header(&r, "x-rung-request-id"), json_at(v, "id"));
    assert_non_null(plain_header(&r, "x-rung-confidence"));
    assert_non_null(plain_header(&r, "x-rung-reason"));
    json_decref(v);
    plain_free(&r);
}

static void test_http_streams_role_text_finish_usage_done(void **state)
{
    (void)state;
    struct plain_reply r;
    house_chat(&house, ask_starter("My new card has not come yet.", "\"stream\":true,\"stream_options\":{\"include_usage\":true}"), &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(plain_header(&r, "content-type"), "text/event-stream"));
    assert_null(plain_header(&r, "x-rung-cost-usd"));
    assert_non_null(plain_header(&r, "x-rung-confidence"));
    const char *role = strstr(r.body, "\"role\":\"assistant\""), *finish = strstr(r.body, "\"finish_reason\":\"stop\"");
    const char *usage = strstr(r.body, "\"prompt_tokens\""), *done = strstr(r.body, "data: [DONE]");
    assert_true(role && finish && usage && done);
    assert_true(role < finish && finish < usage && usage < done);
    json_t *last = last_event(&r);
    assert_string_equal(json_at(last, "rung.tier"), "local");
    assert_string_equal(json_at(last, "choices.0.index"), "");
    json_decref(last);
    plain_free(&r);
}

/* The text of all chunks is the text of the plain answer. */
static void test_http_stream_and_plain_answer_say_the_same(void **state)
{
    (void)state;
    struct plain_reply plain, streamed;
    char text[256] = "";
    house_chat(&house, ask_starter("I was charged twice for a transfer", "\"seed\":1"), &plain);
    house_chat(&house, ask_starter("I was charged twice for a transfer", "\"seed\":1,\"stream\":true"), &streamed);
    json_t *v = reply_json(&plain);
    for (const char *at = streamed.body; (at = strstr(at, "data: {")); at += 6) {
        json_t *event = NULL;
        struct err err = ERR_INIT;
        assert_ok(json_parse_object((struct str){at + 6, strcspn(at + 6, "\n")}, "event", &event, &err), err);
        strcat(text, json_at(event, "choices.0.delta.content"));
        json_decref(event);
    }
    assert_string_equal(text, json_at(v, "choices.0.message.content"));
    json_decref(v);
    plain_free(&plain);
    plain_free(&streamed);
}

static void test_http_gives_logprobs_when_asked(void **state)
{
    (void)state;
    struct plain_reply r;
    house_chat(&house, ask_starter("My new card has not come yet.", "\"logprobs\":true,\"top_logprobs\":2"), &r);
    json_t *v = reply_json(&r);
    assert_true(json_number_at(v, "choices.0.logprobs.content.0.logprob") <= 0);
    assert_string_not_equal(json_at(v, "choices.0.logprobs.content.0.top_logprobs.1.token"), "");
    assert_string_equal(json_at(v, "choices.0.logprobs.content.0.top_logprobs.2.token"), "");
    char text[256] = "";
    for (int i = 0; i < 50; i++) {
        char path[64];
        snprintf(path, sizeof path, "choices.0.logprobs.content.%d.token", i);
        strcat(text, json_at(v, path));
    }
    assert_string_equal(text, json_at(v, "choices.0.message.content"));
    json_decref(v);
    plain_free(&r);
}

static void test_http_honours_max_tokens_and_stop(void **state)
{
    (void)state;
    struct plain_reply r;
    house_chat(&house, ask_starter("My new card has not come yet.", "\"max_tokens\":1"), &r);
    json_t *v = reply_json(&r);
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "length");
    assert_string_equal(json_at(v, "usage.completion_tokens"), "1");
    json_decref(v);
    plain_free(&r);
    house_chat(&house, ask_starter("My new card has not come yet, when will it arrive?", "\"stop\":\"_\""), &r);
    v = reply_json(&r);
    assert_string_equal(json_at(v, "choices.0.message.content"), "card");
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "stop");
    json_decref(v);
    plain_free(&r);
}

static void test_http_errors_have_the_api_s_shape(void **state)
{
    (void)state;
    struct plain_reply r;
    house_chat(&house, "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"temprature\":1}", &r);
    json_t *v = reply_json(&r);
    assert_int_equal(r.status, 400);
    assert_string_equal(json_at(v, "error.type"), "invalid_request_error");
    assert_string_equal(json_at(v, "error.param"), "temprature");
    assert_string_equal(json_at(v, "error.code"), "null");
    json_decref(v);
    plain_free(&r);
}

static void test_http_unknown_model_lists_the_names(void **state)
{
    (void)state;
    struct plain_reply r;
    house_chat(&house, "{\"model\":\"gpt-9\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    json_t *v = reply_json(&r);
    assert_int_equal(r.status, 404);
    assert_string_equal(json_at(v, "error.code"), "model_not_found");
    assert_string_equal(json_at(v, "error.param"), "model");
    assert_non_null(strstr(json_at(v, "error.message"), "auto, starter"));
    json_decref(v);
    plain_free(&r);
}

static void test_http_alias_and_named_model_answer(void **state)
{
    (void)state;
    const char *bodies[] = {"{\"model\":\"gpt-5\",\"max_tokens\":2,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                            "{\"model\":\"starter\",\"max_tokens\":2,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"};
    for (int i = 0; i < 2; i++) {
        struct plain_reply r;
        house_chat(&house, bodies[i], &r);
        assert_int_equal(r.status, 200);
        assert_string_equal(plain_header(&r, "x-rung-model"), "starter");
        plain_free(&r);
    }
}

static void test_http_refuses_what_no_tier_can_do_by_name(void **state)
{
    (void)state;
    static const char *const asked[][2] = {
        {"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]", "tools"},
        {"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"required\"", "tools"},
    };
    for (int i = 0; i < 2; i++) {
        struct plain_reply r;
        house_chat(&house, ask_starter("x", asked[i][0]), &r);
        json_t *v = reply_json(&r);
        assert_int_equal(r.status, 400);
        assert_string_equal(json_at(v, "error.param"), asked[i][1]);
        json_decref(v);
        plain_free(&r);
    }
}

static void test_http_prompt_that_fits_no_tier_is_unanswered(void **state)
{
    (void)state;
    struct plain_reply r;
    struct buf body = BUF_INIT(8u << 20);
    buf_puts(&body, "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"");
    for (int i = 0; i < 20000; i++)
        buf_puts(&body, "card number ");
    buf_puts(&body, "\"}]}");
    house_chat(&house, body.p, &r);
    json_t *v = reply_json(&r);
    assert_int_equal(r.status, 400);
    assert_string_equal(json_at(v, "error.code"), "context_length_exceeded");
    json_decref(v);
    plain_free(&r);
    buf_free(&body);
}

static void test_http_models_tell_what_each_can_do(void **state)
{
    (void)state;
    struct house own;
    struct plain_reply r;
    house_open(&own, "models: {starter: {file: starter}, 'org/big:x': {base_url: 'http://127.0.0.1:1/v1', context: 4096}}\n"
                     "tiers: [{name: local, model: starter}, {name: far, model: 'org/big:x'}]\naliases: {gpt-5: auto, near: starter}\n");
    plain_request(own.port, "GET", "/v1/models", NULL, NULL, &r);
    json_t *v = reply_json(&r);
    assert_string_equal(json_at(v, "data.0.id"), "auto");
    assert_string_equal(json_at(v, "data.0.rung.tiers.1"), "far");
    assert_string_equal(json_at(v, "data.1.id"), "starter");
    assert_string_equal(json_at(v, "data.1.object"), "model");
    assert_string_equal(json_at(v, "data.1.rung.local"), "true");
    assert_true(json_number_at(v, "data.1.rung.context_length") > 0);
    assert_true(json_number_at(v, "data.1.rung.parameters") > 0);
    assert_string_equal(json_at(v, "data.2.rung.context_length"), "4096");
    assert_string_equal(json_at(v, "data.2.rung.local"), "false");
    assert_string_equal(json_at(v, "data.2.rung.capabilities.0"), "tools");
    assert_string_equal(json_at(v, "data.3.rung.alias_of"), "auto");
    assert_string_equal(json_at(v, "data.4.rung.model"), "starter");
    json_decref(v);
    plain_free(&r);
    static const char *const paths[] = {"/v1/models/org/big:x", "/v1/models/org%2Fbig%3Ax"};
    for (int i = 0; i < 2; i++) {
        plain_request(own.port, "GET", paths[i], NULL, NULL, &r);
        v = reply_json(&r);
        assert_string_equal(json_at(v, "id"), "org/big:x");
        json_decref(v);
        plain_free(&r);
    }
    house_close(&own);
}

static void test_http_refuses_foreign_hosts_and_origins(void **state)
{
    (void)state;
    assert_int_equal(status_of("GET", "/v1/models", "Host: localhost:11434\r\n", NULL), 200);
    assert_int_equal(status_of("GET", "/v1/models", "Host: 127.0.0.1\r\n", NULL), 200);
    assert_int_equal(status_of("GET", "/v1/models", "Host: [::1]:80\r\n", NULL), 200);
    assert_int_equal(status_of("GET", "/v1/models", "Host: rung.lan:11434\r\n", NULL), 200);
    assert_int_equal(status_of("GET", "/v1/models", "Host: evil.example\r\n", NULL), 403);
    assert_int_equal(status_of("GET", "/v1/models", "Host: localhost.evil.example\r\n", NULL), 403);
    assert_int_equal(status_of("GET", "/health", "Host: evil.example\r\n", NULL), 403);
    assert_int_equal(status_of("GET", "/v1/models", "Origin: http://localhost:3000\r\n", NULL), 200);
    assert_int_equal(status_of("GET", "/v1/models", "Origin: https://app.example\r\n", NULL), 200);
    assert_int_equal(status_of("GET", "/v1/models", "Origin: https://evil.example\r\n", NULL), 403);
    assert_int_equal(status_of("GET", "/v1/models", "Origin: http://localhost.evil.example\r\n", NULL), 403);
    assert_int_equal(status_of("GET", "/v1/models", "Origin: null\r\n", NULL), 403);
    assert_int_equal(status_of("POST", "/v1/chat/completions", "Origin: https://evil.example\r\n", "{}"), 403);
}

/* An IPv6 address stands in brackets in a Host header, and without them where it is listened on. */
static void test_http_knows_its_own_ipv6_address(void **state)
{
    (void)state;
    struct house own;
    struct plain_reply r;
    house_open(&own, "listen: '[2001:db8::7]:80'\n");
    plain_request(own.port, "GET", "/health", "Host: [2001:db8::7]:80\r\n", NULL, &r);
    assert_int_equal(r.status, 200);
    plain_free(&r);
    plain_request(own.port, "GET", "/health", "Host: [2001:db8::8]:80\r\n", NULL, &r);
    assert_int_equal(r.status, 403);
    plain_free(&r);
    house_close(&own);
}

static void test_http_preflight_of_an_allowed_origin_passes(void **state)
{
    (void)state;
    struct plain_reply r;
    plain_request(house.port, "OPTIONS", "/v1/chat/completions", "Origin: https://app.example\r\n", NULL, &r);
    assert_int_equal(r.status, 204);
    assert_string_equal(plain_header(&r, "Access-Control-Allow-Origin"), "https://app.example");
    assert_non_null(strstr(plain_header(&r, "Access-Control-Allow-Headers"), "anthropic-version"));
    assert_non_null(strstr(plain_header(&r, "Access-Control-Allow-Headers"), "x-rung-privacy"));
    plain_free(&r);
    assert_int_equal(status_of("OPTIONS", "/v1/chat/completions", "Origin: https://evil.example\r\n", NULL), 403);
}

static void test_http_lists_models_and_health(void **state)
{
    (void)state;
    struct plain_reply r;
    plain_request(house.port, "GET", "/v1/models", NULL, NULL, &r);
    json_t *v = reply_json(&r);
    assert_string_equal(json_at(v, "data.0.id"), "auto");
    assert_string_equal(json_at(v, "data.1.id"), "starter");
    assert_string_equal(json_at(v, "data.2.id"), "gpt-5");
    json_decref(v);
    plain_free(&r);
    plain_request(house.port, "GET", "/health", NULL, NULL, &r);
    v = reply_json(&r);
    assert_string_equal(json_at(v, "status"), "ok");
    assert_string_equal(json_at(v, "tiers.0.model"), "starter");
    json_decref(v);
    plain_free(&r);
    assert_int_equal(status_of("GET", "/v1/models/starter", NULL, NULL), 200);
    assert_int_equal(status_of("GET", "/v1/models/gpt-5", NULL, NULL), 200);
    assert_int_equal(status_of("GET", "/v1/models/auto", NULL, NULL), 200);
    assert_int_equal(status_of("GET", "/v1/models/none", NULL, NULL), 404);
}

static void test_http_wrong_paths_and_methods_are_told(void **state)
{
    (void)state;
    struct plain_reply r;
    plain_request(house.port, "GET", "/v1/nothing", NULL, NULL, &r);
    assert_int_equal(r.status, 404);
    assert_non_null(strstr(r.body, "POST /v1/messages, "));
    assert_non_null(strstr(r.body, "DELETE /api/delete"));
    plain_free(&r);
    plain_request(house.port, "GET", "/v1/chat/completions", NULL, NULL, &r);
    assert_int_equal(r.status, 405);
    assert_string_equal(plain_header(&r, "Allow"), "POST, OPTIONS");
    plain_free(&r);
    assert_int_equal(status_of("POST", "/v1/models", NULL, "{}"), 405);
}

static void test_http_configured_keys_are_asked_for(void **state)
{
    (void)state;
    struct house h;
    setenv("RUNG_TEST_KEY", "sk-right", 1);
    house_open(&h, LOCAL_ONLY "api_keys: ['env:RUNG_TEST_KEY']\n");
    const struct {
        const char *headers;
        int status;
    } cases[] = {{NULL, 401},
                 {"Authorization: Bearer sk-wrong\r\n", 401},
                 {"Authorization: Bearer sk-right2\r\n", 401},
                 {"Authorization: Bearer sk-righ\r\n", 401},
                 {"Authorization: sk-right\r\n", 401},
                 {"Authorization: Bearer sk-right\r\n", 200},
                 {"Authorization: bearer sk-right\r\n", 200}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct plain_reply r;
        plain_request(h.port, "GET", "/v1/models", cases[i].headers, NULL, &r);
        assert_int_equal(r.status, cases[i].status);
        plain_free(&r);
    }
    house_close(&h);
}

static void test_http_no_open_door_without_keys(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err = ERR_INIT;
    assert_ok(config_parse(STR(LOCAL_ONLY), "t.yaml", &c, &err), err);
    assert_true(gateway_may_listen(c, "127.0.0.1", &err));
    assert_true(gateway_may_listen(c, "::1", &err));
    assert_true(gateway_may_listen(c, "localhost", &err));
    assert_true(gateway_may_listen(c, "0.0.0.0", &err));      /* every request needs a key of the ledger: test_keys.c */
    config_free(c);
    assert_ok(config_parse(STR(LOCAL_ONLY "ledger: {path: 'off'}\n"), "t.yaml", &c, &err), err);
    assert_true(gateway_may_listen(c, "127.0.0.1", &err));
    assert_false(gateway_may_listen(c, "0.0.0.0", &err));
    assert_non_null(strstr(err.msg, "api_keys"));
    assert_false(gateway_may_listen(c, "192.168.1.5", &err));
    config_free(c);
}

struct asker {
    pthread_t thread;
    char answer[64];
};

static void *call_once(void *arg)
{
    struct asker *c = arg;
    struct plain_reply r;
    house_chat(&house, ask_starter("My new card has not come yet, when will it arrive?", NULL), &r);
    json_t *v = reply_json(&r);
    snprintf(c->answer, sizeof c->answer, "%s", json_at(v, "choices.0.message.content"));
    json_decref(v);
    plain_free(&r);
    return NULL;
}

static void test_http_many_at_once_get_the_same_answer(void **state)
{
    (void)state;
    struct asker callers[16];
    for (int i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_once, &callers[i]), 0);
    for (int i = 0; i < 16; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_string_equal(callers[i].answer, "card_arrival");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_answers_with_headers_and_rung_object),
        cmocka_unit_test(test_http_streams_role_text_finish_usage_done),
        cmocka_unit_test(test_http_stream_and_plain_answer_say_the_same),
        cmocka_unit_test(test_http_gives_logprobs_when_asked),
        cmocka_unit_test(test_http_honours_max_tokens_and_stop),
        cmocka_unit_test(test_http_errors_have_the_api_s_shape),
        cmocka_unit_test(test_http_unknown_model_lists_the_names),
        cmocka_unit_test(test_http_alias_and_named_model_answer),
        cmocka_unit_test(test_http_refuses_what_no_tier_can_do_by_name),
        cmocka_unit_test(test_http_prompt_that_fits_no_tier_is_unanswered),
        cmocka_unit_test(test_http_models_tell_what_each_can_do),
        cmocka_unit_test(test_http_refuses_foreign_hosts_and_origins),
        cmocka_unit_test(test_http_knows_its_own_ipv6_address),
        cmocka_unit_test(test_http_preflight_of_an_allowed_origin_passes),
        cmocka_unit_test(test_http_lists_models_and_health),
        cmocka_unit_test(test_http_wrong_paths_and_methods_are_told),
        cmocka_unit_test(test_http_configured_keys_are_asked_for),
        cmocka_unit_test(test_http_no_open_door_without_keys),
        cmocka_unit_test(test_http_many_at_once_get_the_same_answer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
