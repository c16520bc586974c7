/* Climbing, over real HTTP with a stand-in upstream: what goes out, what comes back, failures, holding, stickiness, budgets, keys. */
#include "base/clock.h"
#include "data/json.h"
#include "support_gateway.h"

/* The embedded model below, the stand-in above; thresholds over 1 make every local answer climb, 0 none. */
#define TWO_TIERS                                                                                                     \
    "models: {starter: {file: starter}, big: {base_url: 'http://127.0.0.1:%u/v1', model: big-2, %s"                    \
    "price_usd_per_mtok: {input: 1, cached_input: 0.5, output: 4}}}\n"                                                 \
    "tiers: [{name: local, model: starter}, {name: frontier, model: big}]\n"
#define CLIMB "confidence: {default: 1.0, classify: 1.0}\n"
#define STAY "confidence: {default: 0, classify: 0}\n"

#define PLAIN_ANSWER                                                                                                  \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"from above\"},\"finish_reason\":\"stop\"}]," \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20,\"total_tokens\":120,"                                   \
    "\"prompt_tokens_details\":{\"cached_tokens\":40},\"completion_tokens_details\":{\"reasoning_tokens\":8}}}"
#define EVENT(delta, finish) "data: {\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]}\n\n"
#define USAGE_EVENT                                                                                                    \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20,\"prompt_tokens_details\":"          \
    "{\"cached_tokens\":40},\"completion_tokens_details\":{\"reasoning_tokens\":8}}}\n\n"
#define STREAM_ANSWER                                                                                                  \
    EVENT("\"role\":\"assistant\",\"content\":\"\"", "null") "|" EVENT("\"content\":\"from \"", "null") "|"              \
    EVENT("\"content\":\"above\"", "null") "|" EVENT("", "\"stop\"") "|" USAGE_EVENT "|data: [DONE]\n\n"

#define ANY_QUESTION "My new card has not come yet."

static struct stand_in upstream;

static int setup(void **state)
{
    (void)state;
    stand_in_open(&upstream);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN_ANSWER});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stand_in_close(&upstream);
    return 0;
}

static json_t *ask(struct house *h, const char *body, struct plain_reply *r)
{
    house_chat(h, body, r);
    return reply_json(r);
}

static void test_unsure_answer_climbs_and_both_are_booked(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS CLIMB, upstream.port, "");
    json_t *v = ask(&h, ask_starter(ANY_QUESTION, NULL), &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(json_at(v, "choices.0.message.content"), "from above");
    assert_string_equal(json_at(v, "rung.tier"), "frontier");
    assert_string_equal(json_at(v, "rung.attempts.0.tier"), "local");
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "low_confidence");
    assert_string_equal(json_at(v, "rung.attempts.1.outcome"), "ok");
    assert_string_equal(json_at(v, "rung.escalation"), "null");
    assert_non_null(strstr(json_at(v, "rung.reason"), "confidence"));
    assert_string_equal(json_at(v, "usage.prompt_tokens"), "100");
    assert_string_equal(json_at(v, "usage.prompt_tokens_details.cached_tokens"), "40");
    assert_string_equal(json_at(v, "usage.completion_tokens_details.reasoning_tokens"), "8");
    /* 60 x 1 + 40 x 0.5 + 20 x 4 millionths of a dollar */
    assert_float_equal(json_number_at(v, "rung.cost_usd"), 160e-6, 1e-12);
    assert_float_equal(json_number_at(v, "rung.frontier_cost_usd"), 160e-6, 1e-12);
    assert_string_equal(plain_header(&r, "x-rung-cost-usd"), "0.000160000000");
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

static void test_sure_answer_stays_and_nothing_is_sent(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS STAY, upstream.port, "");
    json_t *v = ask(&h, ask_starter(ANY_QUESTION, NULL), &r);
    assert_string_equal(json_at(v, "rung.tier"), "local");
    assert_int_equal(stand_in_requests(&upstream), 0);
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

static void test_upstream_gets_the_members_as_received(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    setenv("RUNG_TEST_UPSTREAM_KEY", "sk-upstream", 1);
    house_open(&h, TWO_TIERS CLIMB, upstream.port, "api_key: 'env:RUNG_TEST_UPSTREAM_KEY', ");
    house_chat(&h,
               "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",  \"content\":\"caf\\u00e9\"}],\"temperature\":0.250,"
               "\"metadata\":{\"id\":\"secret\"},\"logit_bias\":{ \"7\" : 1.0 },\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"x\":1e2}}}]}",
               &r);
    assert_int_equal(r.status, 200);
    json_t *sent = NULL;
    assert_true(json_parse_object(str_of(upstream.body), "sent", &sent, NULL));
    assert_string_equal(json_at(sent, "model"), "big-2");
    json_decref(sent);
    assert_non_null(strstr(upstream.body, "[{\"role\":\"user\",  \"content\":\"caf\\u00e9\"}]"));
    assert_non_null(strstr(upstream.body, "\"temperature\":0.250"));
    assert_non_null(strstr(upstream.body, "{ \"7\" : 1.0 }"));
    assert_non_null(strstr(upstream.body, "\"x\":1e2"));
    assert_null(strstr(upstream.body, "metadata"));
    assert_null(strstr(upstream.body, "secret"));
    assert_null(strstr(upstream.body, "stream"));
    assert_string_equal(upstream.authorization, "Bearer sk-upstream");
    plain_free(&r);
    house_close(&h);
}

static void test_client_s_own_key_never_goes_up(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS CLIMB, upstream.port, "");
    plain_request(h.port, "POST", "/v1/chat/completions", "Authorization: Bearer sk-client\r\n", ask_starter(ANY_QUESTION, NULL), &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(upstream.authorization, "");
    plain_free(&r);
    house_close(&h);
}

static void test_stream_climbs_and_passes_through(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS CLIMB, upstream.port, "");
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true, .body = STREAM_ANSWER});
    house_chat(&h, ask_starter(ANY_QUESTION, "\"stream\":true,\"stream_options\":{\"include_usage\":true}"), &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(plain_header(&r, "x-rung-tier"), "frontier");
    assert_null(strstr(r.body, "card"));
    assert_non_null(strstr(r.body, "\"content\":\"from \""));
    assert_non_null(strstr(r.body, "\"content\":\"above\""));
    assert_non_null(strstr(upstream.body, "\"stream\":true"));
    assert_non_null(strstr(upstream.body, "\"include_usage\":true"));
    json_t *last = last_event(&r);
    assert_string_equal(json_at(last, "usage.prompt_tokens"), "100");
    assert_string_equal(json_at(last, "rung.attempts.1.outcome"), "ok");
    assert_float_equal(json_number_at(last, "rung.cost_usd"), 160e-6, 1e-12);
    json_decref(last);
    plain_free(&r);
    house_close(&h);
}

/* Failure of every shape brings the local answer, marked. */
static void expect_local_answer(const char *more, struct stand_in_script script)
{
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS CLIMB, upstream.port, "timeouts_ms: {first_token: 300, idle: 300, total: 600}, ");
    stand_in_play(&upstream, script);
    house_chat(&h, ask_starter("My new card has not come yet, when will it arrive?", more), &r);
    assert_int_equal(r.status, 200);
    json_t *v = more ? last_event(&r) : reply_json(&r);
    assert_string_equal(json_at(v, "rung.tier"), "local");
    assert_string_equal(json_at(v, "rung.escalation"), "unavailable");
    assert_string_not_equal(json_at(v, "rung.attempts.1.error"), "");
    assert_non_null(strstr(json_at(v, "rung.reason"), "< 1.00 at local; frontier failed"));
    assert_non_null(strstr(r.body, "card"));
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

static void test_failing_upstream_brings_the_local_answer_marked(void **state)
{
    (void)state;
    const struct stand_in_script scripts[] = {
        {.status = 500, .body = "{\"error\":{\"message\":\"boom\"}}"},
        {.status = 429, .body = "slow down"},
        {.status = 200, .body = "<html>no JSON</html>"},
        {.status = 200, .body = "{\"choices\":[]}"},
        {.status = 200, .body = "{\"error\":{\"message\":\"inside a 200\"}}"},
        {.status = 200, .body = "[]"},
        {.hang_first = true, .body = PLAIN_ANSWER},
    };
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        expect_local_answer(NULL, scripts[i]);
}

static void test_failing_stream_before_release_brings_the_local_answer(void **state)
{
    (void)state;
    const struct stand_in_script scripts[] = {
        {.status = 500, .body = "{\"error\":{\"message\":\"boom\"}}"},
        {.streamed = true, .body = EVENT("\"content\":\"from \"", "null")},
        {.streamed = true, .body = EVENT("\"content\":\"from \"", "null") "|data: {\"error\":{\"message\":\"overloaded\"}}\n\n"},
        {.streamed = true, .body = "data: not JSON\n\n"},
        {.streamed = true, .hang_first = true, .body = STREAM_ANSWER},
        {.streamed = true, .hang_last = true, .body = EVENT("\"content\":\"from \"", "null")},
    };
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        expect_local_answer("\"stream\":true", scripts[i]);
}

/* The window ends, the answer climbs before it is complete, and nobody above answers: it is made again, and stands. */
static void test_unfinished_answer_is_made_again_when_nobody_above_answers(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS CLIMB "hold_ms: 0\n", upstream.port, "retries: 0, ");
    stand_in_play(&upstream, (struct stand_in_script){.status = 500, .body = "{}"});
    house_chat(&h, "{\"model\":\"auto\",\"stream\":true,\"max_tokens\":20,\"temperature\":2,\"seed\":1,\"messages\":[{\"role\":\"user\",\"content\":\"Say something\"}]}", &r);
    assert_int_equal(r.status, 200);
    json_t *v = last_event(&r);
    assert_string_equal(json_at(v, "rung.escalation"), "unavailable");
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "low_confidence");
    assert_string_equal(json_at(v, "rung.attempts.1.outcome"), "failed");
    assert_string_equal(json_at(v, "rung.attempts.2.outcome"), "ok");
    assert_string_equal(json_at(v, "rung.attempts.2.tier"), "local");
    assert_non_null(strstr(r.body, "[DONE]"));
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

static void test_route_that_starts_above_falls_back_marked(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS STAY "routes: [{name: hard, kind: classify, start: frontier}]\n", upstream.port, "");
    stand_in_play(&upstream, (struct stand_in_script){.status = 503, .body = "{}"});
    json_t *v = ask(&h, ask_starter(ANY_QUESTION, NULL), &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(json_at(v, "rung.tier"), "local");
    assert_string_equal(json_at(v, "rung.escalation"), "unavailable");
    assert_string_equal(json_at(v, "rung.reason"), "route 'hard' starts at frontier; frontier failed");
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

static void test_nobody_listens_brings_the_local_answer(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS CLIMB, 1u, "");
    json_t *v = ask(&h, ask_starter(ANY_QUESTION, NULL), &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(json_at(v, "rung.escalation"), "unavailable");
    assert_string_equal(json_at(v, "rung.attempts.1.outcome"), "failed");
    assert_float_equal(json_number_at(v, "rung.cost_usd"), 0, 0);
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

static void test_error_after_release_is_an_error_event(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS STAY, upstream.port, "");
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true,
                                                      .body = EVENT("\"content\":\"half\"", "null") "|data: {\"error\":{\"message\":\"broke\"}}\n\n"});
    house_chat(&h, "{\"model\":\"big\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Tell me a story\"}]}", &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "half"));
    assert_non_null(strstr(r.body, "event: error"));
    assert_non_null(strstr(r.body, "frontier (big): it answered with an error: broke"));
    assert_null(strstr(r.body, "[DONE]"));
    plain_free(&r);
    house_close(&h);
}

static void test_named_upstream_that_fails_is_an_error_not_another_model(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS STAY, upstream.port, "");
    stand_in_play(&upstream, (struct stand_in_script){.status = 429, .body = "{\"error\":{\"message\":\"no more today\"}}"});
    json_t *v = ask(&h, "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    assert_int_equal(r.status, 429);
    assert_non_null(strstr(json_at(v, "error.message"), "no more today"));
    json_decref(v);
    plain_free(&r);
    stand_in_play(&upstream, (struct stand_in_script){.status = 401, .body = "{}"});
    house_chat(&h, "{\"model\":\"big\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    assert_int_equal(r.status, 502);
    assert_non_null(strstr(plain_header(&r, "content-type"), "application/json"));
    plain_free(&r);
    house_close(&h);
}

static void test_tier_without_key_is_skipped_and_marked(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    unsetenv("RUNG_TEST_NO_KEY");
    house_open(&h, TWO_TIERS CLIMB, upstream.port, "api_key: 'env:RUNG_TEST_NO_KEY', ");
    json_t *v = ask(&h, ask_starter(ANY_QUESTION, NULL), &r);
    assert_string_equal(json_at(v, "rung.tier"), "local");
    assert_string_equal(json_at(v, "rung.escalation"), "unavailable");
    assert_non_null(strstr(json_at(v, "rung.reason"), "RUNG_TEST_NO_KEY"));
    assert_int_equal(stand_in_requests(&upstream), 0);
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

static void test_spent_budget_brings_the_local_answer_marked(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS CLIMB "budget_usd_per_month: 0\n", upstream.port, "");
    json_t *v = ask(&h, ask_starter(ANY_QUESTION, NULL), &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(json_at(v, "rung.tier"), "local");
    assert_string_equal(json_at(v, "rung.escalation"), "unavailable");
    assert_int_equal(stand_in_requests(&upstream), 0);
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

struct budget_caller {
    pthread_t thread;
    struct house *house;
};

static void *call_upstream(void *arg)
{
    struct budget_caller *c = arg;
    struct plain_reply r;
    house_chat(c->house, "{\"model\":\"auto\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"metadata\":{\"kind\":"
                         "\"qa\"}}", &r);
    plain_free(&r);
    return NULL;
}

/* 10 callers at once, each likely to cost 0.0004 USD, under a budget of 0.0015: three fit side by side, and as each turns out to cost
 * 0.00016, no order of events lets more than seven up. */
static void test_budget_holds_for_concurrent_requests(void **state)
{
    (void)state;
    struct house h;
    struct budget_caller callers[10];
    house_open(&h, TWO_TIERS CLIMB "budget_usd_per_month: 0.0015\n", upstream.port, "");
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true, .content_type = "application/json", .pause_ms = 100, .body = PLAIN_ANSWER});
    for (int i = 0; i < 10; i++) {
        callers[i].house = &h;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_upstream, &callers[i]), 0);
    }
    for (int i = 0; i < 10; i++)
        pthread_join(callers[i].thread, NULL);
    assert_in_range(stand_in_requests(&upstream), 1, 7);
    house_close(&h);
}

static void test_conversation_that_climbed_stays_up(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS CLIMB, upstream.port, "");
    for (int turn = 0; turn < 2; turn++) {
        json_t *v = ask(&h, ask_starter(ANY_QUESTION, "+,\"conversation_id\":\"c-1\""), &r);
        assert_string_equal(json_at(v, "rung.attempts.0.tier"), turn ? "frontier" : "local");
        json_decref(v);
        plain_free(&r);
    }
    json_t *v = ask(&h, ask_starter(ANY_QUESTION, "+,\"conversation_id\":\"c-2\""), &r);
    assert_string_equal(json_at(v, "rung.attempts.0.tier"), "local");
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

static void test_conversation_is_known_by_its_first_messages(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    const char *first = "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}]}";
    const char *second = "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"},{\"role\":\"assistant\",\"content\":"
                         "\"from above\"},{\"role\":\"user\",\"content\":\"And?\"}]}";
    house_open(&h, TWO_TIERS CLIMB, upstream.port, "");
    const char *bodies[] = {first, first, second};
    for (int i = 0; i < 3; i++) {
        json_t *v = ask(&h, bodies[i], &r);
        assert_string_equal(json_at(v, "rung.attempts.0.tier"), i == 2 ? "frontier" : "local");
        json_decref(v);
        plain_free(&r);
    }
    house_close(&h);
}

static void test_own_server_s_logprobs_are_its_confidence(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    const char *yaml = "models: {own: {base_url: 'http://127.0.0.1:%u/v1', private: true, logprobs: true}, big: {base_url: "
                       "'http://127.0.0.1:%u/v1'}}\ntiers: [{name: local, model: own}, {name: frontier, model: big}]\n"
                       "confidence: {default: 0.7}\n";
    struct stand_in other;
    stand_in_open(&other);
    stand_in_play(&other, (struct stand_in_script){.body = PLAIN_ANSWER});
    house_open(&h, yaml, upstream.port, other.port);
    stand_in_play(&upstream, (struct stand_in_script){
                                 .body = "{\"choices\":[{\"message\":{\"content\":\"yes\"},\"finish_reason\":\"stop\",\"logprobs\":{\"content\":["
                                         "{\"token\":\"y\",\"logprob\":-0.1},{\"token\":\"es\",\"logprob\":-0.3}]}}]}"});
    json_t *v = ask(&h, "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    assert_string_equal(json_at(v, "rung.model"), "own");
    assert_float_equal(json_number_at(v, "rung.confidence"), 0.81873, 1e-4);
    assert_non_null(strstr(upstream.body, "\"logprobs\":true"));
    assert_string_equal(json_at(v, "choices.0.logprobs"), "null");
    json_decref(v);
    plain_free(&r);
    stand_in_play(&upstream, (struct stand_in_script){
                                 .body = "{\"choices\":[{\"message\":{\"content\":\"yes\"},\"finish_reason\":\"stop\",\"logprobs\":{\"content\":["
                                         "{\"token\":\"yes\",\"logprob\":-1.5}]}}]}"});
    v = ask(&h, "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"y\"}]}", &r);
    assert_string_equal(json_at(v, "rung.model"), "big");
    json_decref(v);
    plain_free(&r);
    house_close(&h);
    stand_in_close(&other);
}

static void test_usage_nobody_can_believe_is_estimated(void **state)
{
    (void)state;
    static const char *const usages[] = {
        "{}", "null", "[]", "{\"prompt_tokens\":-1,\"completion_tokens\":-1}", "{\"prompt_tokens\":\"9\",\"completion_tokens\":1}",
        "{\"prompt_tokens\":9223372036854775807,\"completion_tokens\":9223372036854775807}", "{\"prompt_tokens\":1,\"completion_tokens\":1e18}",
    };
    struct house h;
    struct plain_reply r;
    char body[400];
    house_open(&h, TWO_TIERS STAY, upstream.port, "");
    for (size_t i = 0; i < sizeof usages / sizeof usages[0]; i++) {
        snprintf(body, sizeof body, "{\"choices\":[{\"message\":{\"content\":\"eight by\"},\"finish_reason\":\"stop\"}],\"usage\":%s}",
                 usages[i]);
        stand_in_play(&upstream, (struct stand_in_script){.body = body});
        json_t *v = ask(&h, "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
        assert_string_equal(json_at(v, "rung.attempts.0.completion_tokens"), "2");
        assert_true(json_number_at(v, "rung.attempts.0.prompt_tokens") > 0);
        assert_true(json_number_at(v, "rung.cost_usd") < 0.001);
        json_decref(v);
        plain_free(&r);
    }
    house_close(&h);
}

static void test_answer_that_cannot_be_carried_over_is_a_failure(void **state)
{
    (void)state;
    static const struct {
        const char *body, *words;
    } cases[] = {
        {"{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}}]}", "its answer's content is an array"},
        {"{\"choices\":[{\"message\":{\"content\":5}}]}", "its answer's content is an integer"},
        {"{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":{}}}]}", "its answer's tool_calls is an object"},
        {"[1]", "its answer cannot be read"},
        {"<html>", "its answer cannot be read"},
    };
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS STAY, upstream.port, "breaker: {failures: 100}, ");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stand_in_play(&upstream, (struct stand_in_script){.body = cases[i].body});
        house_chat(&h, "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
        assert_int_equal(r.status, 502);
        if (!strstr(r.body, cases[i].words))
            fail_msg("'%s' is not in %s", cases[i].words, r.body);
        plain_free(&r);
    }
    house_close(&h);
}

static void test_done_ends_a_stream_whose_connection_stays_open(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS STAY, upstream.port, "timeouts_ms: {idle: 86400000, total: 86400000}, ");
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true, .body = STREAM_ANSWER, .hang_last = true});
    house_chat(&h, "{\"model\":\"big\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    assert_non_null(strstr(r.body, "data: [DONE]"));
    json_t *v = last_event(&r);
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "ok");
    assert_string_equal(json_at(v, "rung.attempts.0.prompt_tokens"), "100");
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

static void test_each_configured_time_out_ends_its_wait(void **state)
{
    (void)state;
    static const struct {
        const char *timeouts, *more, *words;
        struct stand_in_script script;
    } cases[] = {
        {"first_token: 30", "\"stream\":true,", "did not begin to answer within 30 ms", {.streamed = true, .hang_first = true, .body = STREAM_ANSWER}},
        {"idle: 40", "\"stream\":true,", "stopped in the middle of its answer for 40 ms", {.streamed = true, .hang_last = true, .body = EVENT("\"content\":\"x\"", "null")}},
        {"total: 50", "\"stream\":true,", "had not answered in full after 50 ms", {.streamed = true, .hang_last = true, .body = EVENT("\"content\":\"x\"", "null")}},
        {"first_token: 1, total: 60", "", "had not answered in full after 60 ms", {.hang_first = true, .body = PLAIN_ANSWER}},
    };
    struct house h;
    struct plain_reply r;
    char more[100], body[200];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(more, sizeof more, "timeouts_ms: {%s}, ", cases[i].timeouts);
        snprintf(body, sizeof body, "{\"model\":\"big\",%s\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", cases[i].more);
        house_open(&h, TWO_TIERS STAY, upstream.port, more);
        stand_in_play(&upstream, cases[i].script);
        house_chat(&h, body, &r);
        if (!strstr(r.body, cases[i].words))
            fail_msg("'%s' is not in %s", cases[i].words, r.body);
        plain_free(&r);
        house_close(&h);
    }
}

static void test_upstream_s_wish_to_wait_is_passed_on(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS STAY, upstream.port, "");
    stand_in_play(&upstream, (struct stand_in_script){.status = 429, .retry_after = "37", .body = "{\"error\":{\"message\":\"slow\"}}"});
    house_chat(&h, "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    assert_int_equal(r.status, 429);
    assert_string_equal(plain_header(&r, "Retry-After"), "37");
    plain_free(&r);
    house_close(&h);
}

static void test_named_upstream_without_money_is_a_429(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS STAY "budget_usd_per_month: 0\n", upstream.port, "");
    house_chat(&h, "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    assert_int_equal(r.status, 429);
    assert_non_null(strstr(r.body, "budget is spent"));
    assert_int_equal(stand_in_requests(&upstream), 0);
    plain_free(&r);
    house_close(&h);
}

static void test_tool_calls_and_reasoning_pass_through(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS STAY, upstream.port, "");
    stand_in_play(&upstream, (struct stand_in_script){
                                 .body = "{\"choices\":[{\"message\":{\"content\":null,\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":\"c1\","
                                         "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":"
                                         "\"tool_calls\"}]}"});
    json_t *v = ask(&h, ask_starter("x", "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"), &r);
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.function.name"), "f");
    assert_string_equal(json_at(v, "choices.0.message.reasoning_content"), "hm");
    assert_string_equal(json_at(v, "choices.0.message.content"), "null");
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "tool_calls");
    json_decref(v);
    plain_free(&r);
    stand_in_play(&upstream, (struct stand_in_script){
                                 .streamed = true,
                                 .body = EVENT("\"tool_calls\":[{\"index\":0,\"id\":\"c2\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]", "null") "|" EVENT("", "\"tool_calls\"")});
    house_chat(&h, "{\"model\":\"big\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]}", &r);
    assert_non_null(strstr(r.body, "\"id\":\"c2\""));
    assert_non_null(strstr(r.body, "\"finish_reason\":\"tool_calls\""));
    plain_free(&r);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unsure_answer_climbs_and_both_are_booked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sure_answer_stays_and_nothing_is_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upstream_gets_the_members_as_received, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_s_own_key_never_goes_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_climbs_and_passes_through, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_upstream_brings_the_local_answer_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_stream_before_release_brings_the_local_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unfinished_answer_is_made_again_when_nobody_above_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_route_that_starts_above_falls_back_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_listens_brings_the_local_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_error_after_release_is_an_error_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_named_upstream_that_fails_is_an_error_not_another_model, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tier_without_key_is_skipped_and_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spent_budget_brings_the_local_answer_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget_holds_for_concurrent_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conversation_that_climbed_stays_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conversation_is_known_by_its_first_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_server_s_logprobs_are_its_confidence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tool_calls_and_reasoning_pass_through, setup, teardown),
        cmocka_unit_test_setup_teardown(test_usage_nobody_can_believe_is_estimated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_that_cannot_be_carried_over_is_a_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_done_ends_a_stream_whose_connection_stays_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_named_upstream_without_money_is_a_429, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_configured_time_out_ends_its_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upstream_s_wish_to_wait_is_passed_on, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
