/* Keys over real HTTP: who gets in, what a key may use, how often, and how soon a change is seen. */
#include "base/clock.h"
#include "data/json.h"
#include "support_keys.h"

#define TWO_TIERS                                                                                                     \
    "models: {starter: {file: starter}, big: {base_url: 'http://127.0.0.1:%u/v1', price_usd_per_mtok: {input: 1, output: 4}}}\n" \
    "tiers: [{name: local, model: starter}, {name: frontier, model: big}]\n"
#define CLIMB "confidence: {default: 1.0, classify: 1.0}\n"
#define ANSWER                                                                                                        \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"from above\"},\"finish_reason\":\"stop\"}]," \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20}}"
#define ASK_BIG "{\"model\":\"big\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define ASK_STARTER "{\"model\":\"starter\",\"max_tokens\":2,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define CHAT "/v1/chat/completions"

static struct stand_in upstream;
static struct house house;

static int setup(void **state)
{
    (void)state;
    stand_in_open(&upstream);
    stand_in_play(&upstream, (struct stand_in_script){.body = ANSWER});
    house_open(&house, TWO_TIERS "aliases: {gpt-9: big}\n", upstream.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close(&house);
    stand_in_close(&upstream);
    return 0;
}

/* Asks until it answers so. */
struct wait {
    const char *secret;
    int status;
};

static bool answers_so(void *ctx)
{
    const struct wait *w = ctx;
    return key_status(&house, w->secret, "GET", "/v1/models", NULL) == w->status;
}

static void expect_soon(const char *secret, int status)
{
    if (!eventually(answers_so, &(struct wait){secret, status}))
        fail_msg("never %d", status);
}

static void test_first_key_locks_the_door(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    assert_int_equal(key_status(&house, NULL, "GET", "/v1/models", NULL), 200);
    assert_int_equal(key_status(&house, "anything", "GET", "/v1/models", NULL), 200);
    key_make(&house, (struct key_record){.name = "alice", .limits = NO_LIMITS}, secret);
    expect_soon(NULL, 401);
    assert_int_equal(key_status(&house, "anything", "GET", "/v1/models", NULL), 401);
    assert_int_equal(key_status(&house, secret, "GET", "/v1/models", NULL), 200);
    assert_int_equal(key_status(&house, secret, "POST", CHAT, ASK_STARTER), 200);
    assert_int_equal(key_status(&house, NULL, "GET", "/health", NULL), 200);
    key_revoke(&house, "alice");
    expect_soon(secret, 401);
    assert_int_equal(key_status(&house, NULL, "GET", "/v1/models", NULL), 401);   /* it stays locked */
}

static void test_every_endpoint_asks_for_the_key(void **state)
{
    (void)state;
    static const char *const paths[][2] = {
        {"POST", CHAT}, {"POST", "/v1/completions"}, {"POST", "/v1/embeddings"}, {"POST", "/v1/responses"}, {"POST", "/v1/messages"},
        {"POST", "/v1/messages/count_tokens"}, {"POST", "/tokenize"}, {"POST", "/detokenize"}, {"POST", "/api/chat"},
        {"POST", "/api/generate"}, {"POST", "/api/embed"}, {"POST", "/api/embeddings"}, {"POST", "/api/show"}, {"POST", "/api/pull"},
        {"DELETE", "/api/delete"}, {"POST", "/api/copy"}, {"GET", "/api/tags"}, {"GET", "/api/ps"}, {"GET", "/v1/models"},
        {"GET", "/v1/models/starter"}, {"GET", "/v1/no-such-path"},
    };
    char secret[PEOPLE_SECRET_BYTES];
    key_make(&house, (struct key_record){.name = "alice", .limits = NO_LIMITS}, secret);
    expect_soon(NULL, 401);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (key_status(&house, NULL, paths[i][0], paths[i][1], "{}") != 401)
            fail_msg("%s %s answers without a key", paths[i][0], paths[i][1]);
    }
}

static void test_key_of_models_sees_and_uses_only_those(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    struct plain_reply r;
    key_make(&house, (struct key_record){.name = "a", .models = "starter", .limits = NO_LIMITS}, secret);
    key_request(&house, secret, "GET", "/v1/models", NULL, &r);
    assert_non_null(strstr(r.body, "\"starter\""));
    assert_null(strstr(r.body, "\"big\""));
    assert_null(strstr(r.body, "\"gpt-9\""));
    plain_free(&r);
    key_request(&house, secret, "POST", CHAT, ASK_BIG, &r);
    assert_int_equal(r.status, 404);
    assert_non_null(strstr(r.body, "may not use it; there are: auto, starter"));
    assert_non_null(strstr(r.body, "model_not_found"));
    plain_free(&r);
    assert_int_equal(key_status(&house, secret, "GET", "/v1/models/big", NULL), 404);
    assert_int_equal(key_status(&house, secret, "GET", "/v1/models/gpt-9", NULL), 404);
    assert_int_equal(key_status(&house, secret, "POST", CHAT, ASK_STARTER), 200);
    assert_int_equal(stand_in_requests(&upstream), 0);
}

static void test_key_of_tiers_climbs_to_no_other(void **state)
{
    (void)state;
    char low[PEOPLE_SECRET_BYTES], high[PEOPLE_SECRET_BYTES];
    struct plain_reply r;
    house_close(&house);
    house_open(&house, TWO_TIERS CLIMB, upstream.port);
    key_make(&house, (struct key_record){.name = "low", .tiers = "local", .limits = NO_LIMITS}, low);
    key_make(&house, (struct key_record){.name = "high", .tiers = "frontier", .limits = NO_LIMITS}, high);
    key_request(&house, low, "POST", CHAT, ask_starter("My new card has not come yet.", NULL), &r);
    json_t *v = reply_json(&r);
    assert_string_equal(json_at(v, "rung.tier"), "local");
    assert_string_equal(json_at(v, "rung.escalation"), "unavailable");
    json_decref(v);
    plain_free(&r);
    assert_int_equal(stand_in_requests(&upstream), 0);
    assert_int_equal(key_status(&house, low, "POST", CHAT, ASK_BIG), 404);
    key_request(&house, high, "POST", CHAT, ask_starter("My new card has not come yet.", NULL), &r);
    v = reply_json(&r);
    assert_string_equal(json_at(v, "rung.attempts.0.tier"), "frontier");
    json_decref(v);
    plain_free(&r);
}

static void test_key_whose_tiers_are_gone_is_forbidden(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    key_make(&house, (struct key_record){.name = "a", .tiers = "middle", .limits = NO_LIMITS}, secret);
    assert_int_equal(key_status(&house, secret, "POST", CHAT, ask_starter("x", NULL)), 403);
}

static void test_private_key_is_never_loosened(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    key_make(&house, (struct key_record){.name = "a", .privacy = "local", .limits = NO_LIMITS}, secret);
    assert_int_equal(key_status(&house, secret, "POST", CHAT, ASK_BIG), 400);
    assert_int_equal(key_status(&house, secret, "POST", CHAT,
                                "{\"model\":\"big\",\"metadata\":{\"privacy\":\"any\"},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"),
                     400);
    assert_int_equal(stand_in_requests(&upstream), 0);
}

static void test_requests_a_minute_are_counted_and_told(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES], other[PEOPLE_SECRET_BYTES];
    struct plain_reply r;
    struct key_limits two = NO_LIMITS;
    two.requests_per_min = 2;
    key_make(&house, (struct key_record){.name = "a", .limits = two}, secret);
    key_make(&house, (struct key_record){.name = "b", .limits = NO_LIMITS}, other);
    key_request(&house, secret, "POST", CHAT, ASK_BIG, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(plain_header(&r, "x-ratelimit-limit-requests"), "2");
    assert_string_equal(plain_header(&r, "x-ratelimit-remaining-requests"), "1");
    assert_non_null(plain_header(&r, "x-ratelimit-reset-requests"));
    assert_null(plain_header(&r, "x-ratelimit-limit-tokens"));
    plain_free(&r);
    assert_int_equal(key_status(&house, secret, "POST", CHAT, ASK_BIG), 200);
    key_request(&house, secret, "POST", CHAT, ASK_BIG, &r);
    assert_int_equal(r.status, 429);
    assert_in_range(strtol(plain_header(&r, "Retry-After"), NULL, 10), 1, 120);
    assert_string_equal(plain_header(&r, "x-ratelimit-remaining-requests"), "0");
    assert_non_null(strstr(r.body, "rate_limit_exceeded"));
    assert_non_null(strstr(r.body, "2 requests a minute"));
    plain_free(&r);
    assert_int_equal(stand_in_requests(&upstream), 2);
    assert_int_equal(key_status(&house, other, "POST", CHAT, ASK_BIG), 200);
}

static void test_tokens_a_minute_hold_upstream_and_here(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    struct plain_reply r;
    struct key_limits few = NO_LIMITS;
    few.tokens_per_min = 100;                          /* less than the most of any upstream call */
    key_make(&house, (struct key_record){.name = "a", .limits = few}, secret);
    key_request(&house, secret, "POST", CHAT, ASK_BIG, &r);
    assert_int_equal(r.status, 429);
    assert_non_null(strstr(r.body, "100 tokens a minute"));
    plain_free(&r);
    assert_int_equal(stand_in_requests(&upstream), 0);
    int status = 200;
    for (int i = 0; i < 100 && status == 200; i++)
        status = key_status(&house, secret, "POST", CHAT, ASK_STARTER);
    assert_int_equal(status, 429);
}

static void test_budget_of_a_key_is_its_own(void **state)
{
    (void)state;
    char poor[PEOPLE_SECRET_BYTES], rich[PEOPLE_SECRET_BYTES];
    struct plain_reply r;
    struct key_limits nothing = NO_LIMITS;
    nothing.budget_day_pico_usd = 0;
    key_make(&house, (struct key_record){.name = "poor", .limits = nothing}, poor);
    key_make(&house, (struct key_record){.name = "rich", .limits = NO_LIMITS}, rich);
    key_request(&house, poor, "POST", CHAT, ASK_BIG, &r);
    assert_int_equal(r.status, 429);
    assert_non_null(strstr(r.body, "insufficient_quota"));
    assert_non_null(strstr(r.body, "today's budget of key 'poor'"));
    plain_free(&r);
    assert_int_equal(stand_in_requests(&upstream), 0);
    assert_int_equal(key_status(&house, rich, "POST", CHAT, ASK_BIG), 200);
    assert_int_equal(key_status(&house, poor, "POST", CHAT, ASK_STARTER), 200);
}

/* 100 tokens of prompt at 1, 20 of answer at 4 USD per million; nothing set aside any more. */
static bool is_booked(void *ctx)
{
    (void)ctx;
    struct key_usage u = key_usage_of(&house, "a");
    return u.day_spent_pico_usd == 180000000 && u.month_spent_pico_usd == 180000000 && u.day_reserved_pico_usd == 0 &&
           u.month_reserved_pico_usd == 0;
}

static void test_spending_is_booked_to_its_key(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    key_make(&house, (struct key_record){.name = "a", .limits = NO_LIMITS}, secret);
    assert_int_equal(key_status(&house, secret, "POST", CHAT, ASK_BIG), 200);
    if (!eventually(is_booked, NULL))
        fail_msg("spent %lld, reserved %lld", (long long)key_usage_of(&house, "a").day_spent_pico_usd,
                 (long long)key_usage_of(&house, "a").day_reserved_pico_usd);
}

static void test_expired_key_is_none(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    key_make(&house, (struct key_record){.name = "a", .limits = NO_LIMITS, .expires_ms = clock_wall_ms() + 300}, secret);
    expect_soon(secret, 401);
}

static void test_keys_of_the_configuration_have_no_limits(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    setenv("RUNG_TEST_MASTER", "master-key", 1);
    house_close(&house);
    house_open(&house, TWO_TIERS "api_keys: [env:RUNG_TEST_MASTER]\n", upstream.port);
    key_make(&house, (struct key_record){.name = "a", .models = "starter", .limits = NO_LIMITS}, secret);
    assert_int_equal(key_status(&house, "master-key", "POST", CHAT, ASK_BIG), 200);
    assert_int_equal(key_status(&house, secret, "POST", CHAT, ASK_BIG), 404);
    assert_int_equal(key_status(&house, NULL, "POST", CHAT, ASK_BIG), 401);
}

static void test_beyond_this_machine_a_key_is_needed_before_one_exists(void **state)
{
    (void)state;
    house_close(&house);
    house_open(&house, TWO_TIERS "listen: 0.0.0.0:0\n", upstream.port);
    assert_int_equal(key_status(&house, NULL, "GET", "/v1/models", NULL), 401);
    assert_int_equal(key_status(&house, "anything", "GET", "/v1/models", NULL), 401);
    struct plain_reply r;
    key_request(&house, NULL, "GET", "/health", NULL, &r);
    assert_int_equal(r.status, 200);
    assert_null(strstr(r.body, "starter"));            /* that it lives is all that is told */
    plain_free(&r);
}

static void test_secrets_are_random_and_of_one_form(void **state)
{
    (void)state;
    char a[PEOPLE_SECRET_BYTES], b[PEOPLE_SECRET_BYTES];
    struct err err = ERR_INIT;
    assert_ok(people_make_secret(a, &err), err);
    assert_ok(people_make_secret(b, &err), err);
    assert_int_equal(strlen(a), PEOPLE_SECRET_BYTES - 1);
    assert_int_equal(strspn(a + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), PEOPLE_SECRET_BYTES - 4);
    assert_string_not_equal(a, b);
}

static void test_digest_is_sha256(void **state)
{
    (void)state;
    char digest[KEY_DIGEST_BYTES];
    assert_true(people_digest(STR("abc"), digest));
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_key_locks_the_door, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_endpoint_asks_for_the_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_of_models_sees_and_uses_only_those, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_of_tiers_climbs_to_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_whose_tiers_are_gone_is_forbidden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_key_is_never_loosened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests_a_minute_are_counted_and_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens_a_minute_hold_upstream_and_here, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget_of_a_key_is_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spending_is_booked_to_its_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expired_key_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_of_the_configuration_have_no_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beyond_this_machine_a_key_is_needed_before_one_exists, setup, teardown),
        cmocka_unit_test(test_secrets_are_random_and_of_one_form),
        cmocka_unit_test(test_digest_is_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
