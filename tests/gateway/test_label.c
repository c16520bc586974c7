/* Answers out of a list: read with their probabilities, which are the confidence, and the router's. */
#include <math.h>

#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/answer/release.h"
#include "gateway/api/openai/openai.h"
#include "support_gateway.h"

#define LOCAL "models: {starter: {file: starter}}\n"
#define TWO_TIERS                                                                                                      \
    "models: {starter: {file: starter}, big: {base_url: 'http://127.0.0.1:%u/v1', model: big-2}}\n"                     \
    "tiers: [{name: local, model: starter}, {name: frontier, model: big}]\n"
#define INTENTS "\"choices\":[\"card_arrival\",\"lost_or_stolen_card\",\"exchange_rate\",\"card_not_working\"]"
#define QUESTION "My new card has not come yet."

static json_t *ask(struct house *h, const char *more, struct plain_reply *r)
{
    house_chat(h, ask_starter(QUESTION, more), r);
    if (r->status != 200)
        fail_msg("%s", r->raw);
    return reply_json(r);
}

static void done(json_t *v, struct plain_reply *r)
{
    json_decref(v);
    plain_free(r);
}

static void test_label_comes_with_the_probability_of_each_choice(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    char path[60];
    double sum = 0, before = 1;
    house_open(&h, LOCAL);
    json_t *v = ask(&h, INTENTS ",\"logprobs\":true,\"top_logprobs\":3", &r);
    assert_string_equal(json_at(v, "choices.0.message.content"), "card_arrival");
    assert_string_equal(json_at(v, "rung.valid"), "true");
    assert_string_equal(json_at(v, "rung.choices.0.choice"), "card_arrival");
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "rung.choices.%d.probability", i);
        double p = json_number_at(v, path);
        assert_true(p <= before);
        sum += before = p;
    }
    assert_float_equal(sum + json_number_at(v, "rung.choices_residual"), 1, 1e-3);
    assert_float_equal(json_number_at(v, "rung.confidence"), json_number_at(v, "rung.choices.0.probability"), 1e-4);
    assert_string_equal(json_at(v, "choices.0.logprobs.content.0.token"), "card_arrival");
    assert_float_equal(exp(json_number_at(v, "choices.0.logprobs.content.0.logprob")),
                       json_number_at(v, "rung.confidence"), 1e-4);
    assert_string_equal(json_at(v, "choices.0.logprobs.content.0.top_logprobs.0.token"), "card_arrival");
    done(v, &r);
    v = ask(&h, INTENTS, &r);
    assert_string_equal(json_at(v, "rung.choices.0.choice"), "");
    assert_true(json_number_at(v, "rung.confidence") > 0.25);
    done(v, &r);
    house_close(&h);
}

static void test_enum_of_a_schema_has_a_posterior_too(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, LOCAL);
    json_t *v = ask(&h, "\"logprobs\":true,\"format\":{\"type\":\"object\",\"properties\":{\"intent\":{\"enum\":[\"card_arrival\","
                        "\"exchange_rate\"]}},\"required\":[\"intent\"],\"additionalProperties\":false}", &r);
    assert_string_equal(json_at(v, "rung.valid"), "true");
    assert_string_equal(json_at(v, "rung.choices.0.choice"), json_at(v, "choices.0.message.content"));
    assert_true(json_number_at(v, "rung.choices.0.probability") >= 0.5);
    done(v, &r);
    house_close(&h);
}

static void test_label_streams_whole(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, LOCAL);
    house_chat(&h, ask_starter(QUESTION, INTENTS ",\"stream\":true"), &r);
    assert_non_null(strstr(r.body, "\"content\":\"card_arrival\""));
    json_t *v = last_event(&r);
    assert_string_equal(json_at(v, "rung.valid"), "true");
    done(v, &r);
    house_close(&h);
}

static void test_unsure_label_climbs_and_the_upstream_chooses(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    struct stand_in upstream;
    stand_in_open(&upstream);
    stand_in_play(&upstream, (struct stand_in_script){
                                 .body = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                                         "\"{\\\"choice\\\":\\\"exchange_rate\\\"}\"},\"finish_reason\":\"stop\"}]}"});
    house_open(&h, TWO_TIERS "confidence: {default: 0, classify: 1.0}\n", upstream.port);
    json_t *v = ask(&h, INTENTS ",\"logprobs\":true", &r);
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "low_confidence");
    assert_true(json_number_at(v, "rung.attempts.0.confidence") < 1);
    assert_string_equal(json_at(v, "rung.tier"), "frontier");
    assert_string_equal(json_at(v, "choices.0.message.content"), "exchange_rate");
    assert_string_equal(json_at(v, "rung.choices.0.choice"), "");
    done(v, &r);
    house_close(&h);
    stand_in_close(&upstream);
}

/* Asked for chance, or cut short, a label is decoded like any answer. */
static void test_label_under_a_temperature_or_a_length_is_decoded(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, LOCAL);
    house_chat(&h, "{\"model\":\"auto\",\"temperature\":0.5,\"logprobs\":true,\"messages\":[{\"role\":\"user\",\"content\":"
                   "\"" QUESTION "\"}]," INTENTS "}", &r);
    json_t *v = reply_json(&r);
    assert_string_equal(json_at(v, "rung.valid"), "true");
    assert_string_equal(json_at(v, "rung.choices.0.choice"), "");
    done(v, &r);
    v = ask(&h, INTENTS ",\"max_tokens\":1", &r);
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "length");
    assert_string_equal(json_at(v, "rung.valid"), "false");
    done(v, &r);
    house_close(&h);
}

/* A deadline that has passed ends the wait for a model that is not loaded, and an answer that is read, not decoded. */
static void test_deadline_ends_a_label_and_the_wait_for_its_model(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, LOCAL);
    for (int i = 0; i < 2; i++) {
        struct plain_reply r;
        struct arena arena = ARENA_INIT(1u << 20);
        struct request req;
        struct reply reply = {.kind = KIND_CLASSIFY};
        struct attempt attempt = {0};
        struct release rel;
        struct err err = ERR_INIT;
        assert_ok(openai_parse_chat(str_of(ask_starter(QUESTION, INTENTS)), &arena, &req, &err), err);
        req.deadline_ns = 1;
        release_init(&rel, gateway_config(h.gateway), &req, &reply, NULL, -1);
        assert_int_equal(local_attempt(h.gateway, &req, 0, &rel, &attempt, &err), END_FAILED);
        assert_int_equal(err.code, ERR_TIMEOUT);
        assert_int_equal(attempt.usage.completion, 0);
        release_free(&rel);
        reply_free(&reply);
        request_free(&req);
        arena_free(&arena);
        if (i == 0)                        /* it is loaded from here on */
            done(ask(&h, INTENTS, &r), &r);
    }
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label_comes_with_the_probability_of_each_choice),
        cmocka_unit_test(test_enum_of_a_schema_has_a_posterior_too),
        cmocka_unit_test(test_label_streams_whole),
        cmocka_unit_test(test_unsure_label_climbs_and_the_upstream_chooses),
        cmocka_unit_test(test_deadline_ends_a_label_and_the_wait_for_its_model),
        cmocka_unit_test(test_label_under_a_temperature_or_a_length_is_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
