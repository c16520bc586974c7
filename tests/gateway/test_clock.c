/* The wall clock is set back and forward under a running gateway: what clients are told to wait is a time that comes, nobody is locked
 * out for longer, and no budget is passed. */
#include "support_keys.h"

#include "../support_skew.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS (24 * 60 * MINUTE_MS)
#define NOON INT64_C(1790856000000)       /* 2026-10-01 12:00 UTC */
#define ASK "{\"model\":\"big\",\"max_tokens\":1000,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"

static struct stand_in upstream;
static struct house house;

static int setup(void **state)
{
    (void)state;
    skew_set(NOON);
    stand_in_open(&upstream);
    stand_in_play(&upstream, (struct stand_in_script){
        .body = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"yes\"},\"finish_reason\":\"length\"}],"
                "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1000}}"});
    house_open(&house, "models: {big: {base_url: 'http://127.0.0.1:%u/v1', retries: 0, price_usd_per_mtok: {input: 0, output: 4}}}\n"
                       "tiers: [{name: frontier, model: big}]", upstream.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close(&house);
    stand_in_close(&upstream);
    return 0;
}

static int ask(const char *secret, int64_t *ret_retry_after_s)
{
    struct plain_reply r;
    key_request(&house, secret, "POST", "/v1/chat/completions", ASK, &r);
    const char *wait = plain_header(&r, "Retry-After");
    int status = r.status;
    *ret_retry_after_s = wait ? strtol(wait, NULL, 10) : -1;
    plain_free(&r);
    return status;
}

static void expect_answers(const char *secret, int n)
{
    int64_t wait;
    for (int i = 0; i < n; i++)
        assert_int_equal(ask(secret, &wait), 200);
}

static void expect_a_wait(const char *secret)
{
    int64_t wait;
    assert_int_equal(ask(secret, &wait), 429);
    assert_in_range(wait, 1, 120);
}

static void test_clock_jumps_leave_waits_that_end(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    struct key_limits limits = NO_LIMITS;
    limits.requests_per_min = 2;
    key_make(&house, (struct key_record){.name = "a", .limits = limits}, secret);
    expect_answers(secret, 2);
    expect_a_wait(secret);
    for (int64_t back = DAY_MS / 24; back < 400 * DAY_MS; back *= 7) {
        skew_set(NOON - back);
        expect_answers(secret, 2);
        expect_a_wait(secret);
        skew_set(NOON - back + 2 * MINUTE_MS);
        expect_answers(secret, 1);
    }
    skew_set(NOON + 400 * DAY_MS);
    expect_answers(secret, 2);
    expect_a_wait(secret);
}

static void test_clock_jumps_pass_no_budget(void **state)
{
    (void)state;
    int64_t wait;
    char secret[PEOPLE_SECRET_BYTES];
    struct key_limits limits = NO_LIMITS;
    limits.budget_day_pico_usd = INT64_C(8000000000);     /* two of them */
    limits.budget_month_pico_usd = INT64_C(12000000000);  /* three */
    key_make(&house, (struct key_record){.name = "a", .limits = limits}, secret);
    expect_answers(secret, 2);
    assert_int_equal(ask(secret, &wait), 429);
    skew_set(NOON + DAY_MS);
    expect_answers(secret, 1);
    assert_int_equal(ask(secret, &wait), 429);
    skew_set(NOON);
    assert_int_equal(ask(secret, &wait), 429);
    skew_set(NOON - DAY_MS);
    expect_answers(secret, 2);                             /* another month */
    skew_set(NOON + DAY_MS);
    assert_int_equal(ask(secret, &wait), 429);
    assert_int_equal(stand_in_requests(&upstream), 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_clock_jumps_leave_waits_that_end),
        TEST(test_clock_jumps_pass_no_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
