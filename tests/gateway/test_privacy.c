/* What is marked local never leaves: connections are counted at a listening port where the upstream should be, under faults and
 * wrong configuration too. */
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/api/openai/openai.h"
#include "support_gateway.h"

#define PRIVATE "+,\"privacy\":\"local\""
#define TIERS                                                                                     \
    "models: {starter: {file: starter}, big: {base_url: 'http://127.0.0.1:%u/v1'}}\n"              \
    "tiers: [{name: local, model: starter}, {name: frontier, model: big}]\n"                       \
    "confidence: {default: 1.0, classify: 1.0}\n"

static struct trap trap;

static int setup(void **state)
{
    (void)state;
    trap_open(&trap);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trap_close(&trap);
    return 0;
}

static int status_of(struct house *h, const char *body)
{
    struct plain_reply r;
    house_chat(h, body, &r);
    plain_free(&r);
    return r.status;
}

static void test_private_trap_sees_a_request_that_may_leave(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, TIERS, trap.port);
    assert_int_equal(status_of(&h, ask_starter("x", NULL)), 200);
    assert_true(trap_connections(&trap) >= 1);
    house_close(&h);
}

static void test_private_request_that_should_climb_does_not(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TIERS, trap.port);
    house_chat(&h, ask_starter("My new card has not come yet.", PRIVATE), &r);
    json_t *v = reply_json(&r);
    assert_int_equal(r.status, 200);
    assert_string_equal(json_at(v, "rung.tier"), "local");
    assert_string_equal(json_at(v, "rung.escalation"), "unavailable");
    json_decref(v);
    plain_free(&r);
    assert_int_equal(trap_connections(&trap), 0);
    house_close(&h);
}

static void test_private_request_never_leaves_whatever_it_asks(void **state)
{
    (void)state;
    struct house h;
    static const char *const bodies[] = {
        "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"metadata\":{\"privacy\":\"local\"}}",
        "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[{}],\"metadata\":{\"privacy\":\"local\"}}",
        "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.org/x\"}}]}],"
        "\"metadata\":{\"privacy\":\"local\"}}",
        "{\"model\":\"auto\",\"tools\":[{\"type\":\"custom\"}],\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
        "\"metadata\":{\"privacy\":\"local\"}}",
        "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"metadata\":{\"privacy\":\"lokal\"}}",
        "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"metadata\":{\"PRIVACY\":\"local\"}}",
    };
    house_open(&h, TIERS, trap.port);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        assert_int_equal(status_of(&h, bodies[i]), 400);
    assert_int_equal(status_of(&h, "{\"model\":\"auto\",\"max_tokens\":3,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Prove, "
                                   "step by step, that the square root of 2 is irrational.\"}],\"metadata\":{\"privacy\":\"local\"}}"),
                     200);
    assert_int_equal(trap_connections(&trap), 0);
    house_close(&h);
}

static void test_private_request_too_long_for_here_is_unanswered(void **state)
{
    (void)state;
    struct house h;
    struct buf body = BUF_INIT(4u << 20);
    house_open(&h, TIERS, trap.port);
    buf_puts(&body, "{\"model\":\"auto\",\"metadata\":{\"privacy\":\"local\"},\"messages\":[{\"role\":\"user\",\"content\":\"");
    for (int i = 0; i < 20000; i++)
        buf_puts(&body, "card number ");
    buf_puts(&body, "\"}]}");
    assert_int_equal(status_of(&h, body.p), 400);
    assert_int_equal(trap_connections(&trap), 0);
    buf_free(&body);
    house_close(&h);
}

static void test_private_request_stays_in_a_conversation_that_climbed(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    struct stand_in upstream;
    stand_in_open(&upstream);
    stand_in_play(&upstream, (struct stand_in_script){.body = "{\"choices\":[{\"message\":{\"content\":\"above\"},\"finish_reason\":\"stop\"}]}"});
    house_open(&h, TIERS, upstream.port);
    assert_int_equal(status_of(&h, ask_starter("x", "+,\"conversation_id\":\"c\"")), 200);
    assert_int_equal(stand_in_requests(&upstream), 1);
    house_chat(&h, ask_starter("x", "+,\"conversation_id\":\"c\",\"privacy\":\"local\""), &r);
    assert_string_equal(plain_header(&r, "x-rung-tier"), "local");
    assert_int_equal(stand_in_requests(&upstream), 1);
    plain_free(&r);
    house_close(&h);
    stand_in_close(&upstream);
}

static void test_private_configuration_overrules_the_request(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, TIERS "privacy: local\n", trap.port);
    assert_int_equal(status_of(&h, ask_starter("x", NULL)), 200);
    assert_int_equal(status_of(&h, ask_starter("x", "+,\"privacy\":\"any\"")), 200);
    assert_int_equal(status_of(&h, "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"), 400);
    assert_int_equal(trap_connections(&trap), 0);
    house_close(&h);
}

static void test_private_request_where_every_tier_is_outside_is_refused(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, "models: {big: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: local, model: big}]\n", trap.port);
    assert_int_equal(status_of(&h, ask_starter("x", PRIVATE)), 400);
    assert_int_equal(trap_connections(&trap), 0);
    house_close(&h);
}

static void test_private_request_may_use_the_owner_s_own_machines(void **state)
{
    (void)state;
    struct house h;
    struct stand_in own;
    stand_in_open(&own);
    stand_in_play(&own, (struct stand_in_script){.body = "{\"choices\":[{\"message\":{\"content\":\"here\"},\"finish_reason\":\"stop\"}]}"});
    house_open(&h, "models: {own: {base_url: 'http://127.0.0.1:%u/v1', private: true}, big: {base_url: 'http://127.0.0.1:%u/v1'}}\n"
                   "tiers: [{name: local, model: own}, {name: frontier, model: big}]\n", own.port, trap.port);
    assert_int_equal(status_of(&h, ask_starter("x", PRIVATE)), 200);
    assert_int_equal(stand_in_requests(&own), 1);
    stand_in_play(&own, (struct stand_in_script){.status = 500, .body = "{}"});
    assert_int_equal(status_of(&h, ask_starter("x", PRIVATE)), 502);
    assert_int_equal(trap_connections(&trap), 0);
    house_close(&h);
    stand_in_close(&own);
}

/* Should a plan ever be wrong, the door itself refuses. */
static void test_private_request_is_stopped_at_the_door(void **state)
{
    (void)state;
    struct house h;
    struct arena arena = ARENA_INIT(1u << 20);
    struct request req;
    struct reply reply = {.kind = KIND_CLASSIFY};
    struct attempt attempt = {0};
    struct release rel;
    struct err err = ERR_INIT;
    house_open(&h, TIERS, trap.port);
    assert_ok(openai_parse_chat(str_of(ask_starter("x", PRIVATE)), &arena, &req, &err), err);
    release_init(&rel, gateway_config(h.gateway), &req, &reply, NULL, -1);
    assert_int_equal(upstream_attempt(h.gateway, &req, &gateway_config(h.gateway)->models[1].upstreams[0], &rel, &attempt, &err), END_FAILED);
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_int_equal(trap_connections(&trap), 0);
    release_free(&rel);
    arena_free(&arena);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_private_trap_sees_a_request_that_may_leave, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_request_that_should_climb_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_request_never_leaves_whatever_it_asks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_request_too_long_for_here_is_unanswered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_request_stays_in_a_conversation_that_climbed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_configuration_overrules_the_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_request_where_every_tier_is_outside_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_request_may_use_the_owner_s_own_machines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_request_is_stopped_at_the_door, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
