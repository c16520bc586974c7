/* A wall clock that is set back and forward while the ledger writes: no row is lost or doubled, money stays in the day
 * and the month in which its request began, no budget is passed, and no minute stays locked. */
#include "../support.h"

#include <pthread.h>

#include "../support_skew.h"
#include "base/clock.h"
#include "base/rng.h"
#include "store/keys.h"
#include "support_ledger.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define NOON INT64_C(1790856000000)       /* 2026-10-01 12:00 UTC */
#define OCTOBER INT64_C(1790812800000)
#define KEY "key_a"

static struct ledger *l;

static int fresh(void **state)
{
    (void)state;
    skew_set(NOON);
    ledger_fresh();
    l = ledger_must_open();
    return 0;
}

static int gone(void **state)
{
    (void)state;
    ledger_close(l);
    ledger_remove();
    return 0;
}

static struct key_limits limits_of(int64_t rpm, int64_t tpm, int64_t day, int64_t month)
{
    return (struct key_limits){rpm, tpm, day, month};
}

static struct ledger_row row_of(int i, int64_t cost_pico_usd)
{
    struct ledger_row row = ledger_sample(i, cost_pico_usd);
    ledger_text(row.key, sizeof row.key, STR(KEY));
    return row;
}

static bool begin(int i, const struct key_limits *limits, struct ledger_verdict *v)
{
    struct ledger_row row = row_of(i, 0);
    return ledger_begin(l, &row, limits, NULL, v, NULL);
}

static bool reserve(int i, int64_t pico_usd, int64_t tokens, const struct key_limits *limits, struct ledger_verdict *v)
{
    char id[LEDGER_ID_BYTES];
    snprintf(id, sizeof id, "chatcmpl-%d", i);
    struct ledger_reservation r = {
        .id = id, .tier = "mid", .model = "m", .key = KEY, .pico_usd = pico_usd, .tokens = tokens,
        .budget_pico_usd = LEDGER_NO_BUDGET, .limits = limits,
    };
    return ledger_attempt(l, &r, v, NULL);
}

static void expect_wait(const struct ledger_verdict *v)
{
    assert_int_equal(v->bound, BOUND_REQUESTS);
    assert_in_range(v->retry_after_s, 1, 120);
}

/* ---- minutes ---- */
static void test_clock_set_back_locks_no_minute(void **state)
{
    (void)state;
    struct ledger_verdict v;
    const struct key_limits two = limits_of(2, KEY_NO_LIMIT, KEY_NO_LIMIT, KEY_NO_LIMIT);
    assert_true(begin(1, &two, &v) && begin(2, &two, &v));
    assert_false(begin(3, &two, &v));
    expect_wait(&v);
    skew_set(NOON - HOUR_MS);
    assert_true(begin(3, &two, &v) && begin(4, &two, &v));
    assert_in_range(v.requests_reset_s, 0, 120);
    assert_false(begin(5, &two, &v));
    expect_wait(&v);
    skew_set(NOON - HOUR_MS + 2 * MINUTE_MS);
    assert_true(begin(5, &two, &v));
}

static void test_clock_set_forward_and_back_keeps_the_minute(void **state)
{
    (void)state;
    struct ledger_verdict v;
    const struct key_limits two = limits_of(2, KEY_NO_LIMIT, KEY_NO_LIMIT, KEY_NO_LIMIT);
    assert_true(begin(1, &two, &v) && begin(2, &two, &v));
    skew_set(NOON + DAY_MS);
    assert_true(begin(3, &two, &v) && begin(4, &two, &v));
    assert_false(begin(5, &two, &v));
    expect_wait(&v);
    skew_set(NOON + DAY_MS + 2 * MINUTE_MS);
    assert_true(begin(6, &two, &v));
    skew_set(NOON + DAY_MS + MINUTE_MS / 2);
    assert_false(begin(7, &two, &v)); /* it counts on */
    expect_wait(&v);
}

static void test_clock_set_back_takes_no_token_twice(void **state)
{
    (void)state;
    struct ledger_verdict v;
    struct key_usage u;
    const struct key_limits some = limits_of(KEY_NO_LIMIT, 1000, KEY_NO_LIMIT, KEY_NO_LIMIT);
    struct ledger_row row = row_of(1, 5);
    assert_true(begin(1, &some, &v) && reserve(1, 9, 900, &some, &v));
    skew_set(NOON - HOUR_MS);
    assert_true(ledger_settle(l, &row, true, NULL));
    assert_true(keys_usage(l, KEY, &u, NULL));
    assert_int_equal(u.minute_tokens, 0);
    assert_true(begin(2, &some, &v) && reserve(2, 9, 900, &some, &v));
    assert_false(reserve(2, 9, 900, &some, &v));
    assert_int_equal(v.bound, BOUND_TOKENS);
    assert_in_range(v.retry_after_s, 1, 120);
    assert_int_equal(ledger_query("SELECT count(*) FROM rate WHERE tokens < 0 OR requests < 0"), 0);
}

/* ---- days and months ---- */
static void test_clock_over_a_month_s_end_leaves_money_where_it_began(void **state)
{
    (void)state;
    struct ledger_verdict v;
    const struct key_limits ten = limits_of(KEY_NO_LIMIT, KEY_NO_LIMIT, 10, 10);
    struct ledger_row row = row_of(1, 7), next = row_of(2, 9);
    skew_set(OCTOBER - 50000);
    assert_true(begin(1, &ten, &v) && reserve(1, 8, 0, &ten, &v));
    skew_set(OCTOBER + 1000);
    assert_true(begin(2, &ten, &v) && reserve(2, 10, 0, &ten, &v)); /* a month of its own */
    assert_false(reserve(1, 3, 0, &ten, &v));                       /* the first one is September's still */
    assert_true(ledger_settle(l, &row, true, NULL) && ledger_settle(l, &next, true, NULL));
    assert_int_equal(ledger_spent(l), 9);
    skew_set(OCTOBER - 50000);
    assert_true(begin(3, &ten, &v));
    assert_false(reserve(3, 4, 0, &ten, &v)); /* September has spent 7 of its 10, and knows it */
    assert_int_equal(v.bound, BOUND_KEY_DAY);
    assert_true(reserve(3, 3, 0, &ten, &v));
    assert_int_equal(ledger_spent(l), 10);
    assert_int_equal(ledger_query("SELECT spent_pico_usd FROM spend WHERE api_key = '" KEY "' AND period = '2026-09'"), 7);
    assert_int_equal(ledger_query("SELECT spent_pico_usd FROM spend WHERE api_key = '" KEY "' AND period = '2026-10-01'"), 9);
}

static void test_clock_of_1970_is_a_month_too(void **state)
{
    (void)state;
    struct ledger_verdict v;
    const struct key_limits ten = limits_of(1, KEY_NO_LIMIT, 10, 10);
    struct ledger_row row = row_of(1, 7);
    skew_set(5000);
    assert_true(begin(1, &ten, &v) && reserve(1, 8, 0, &ten, &v));
    assert_false(begin(2, &ten, &v));
    expect_wait(&v);
    skew_set(NOON);
    assert_true(begin(2, &ten, &v) && reserve(2, 10, 0, &ten, &v));
    assert_true(ledger_settle(l, &row, true, NULL));
    assert_int_equal(ledger_query("SELECT spent_pico_usd FROM spend WHERE api_key = '' AND period = '1970-01'"), 7);
}

/* ---- all of it at once ---- */
#define WRITERS 4
#define JUMPS 150
#define COST 3
#define SET_ASIDE 5
#define DAY_BUDGET 400
#define MONTH_BUDGET 700

struct writer {
    pthread_t thread;
    int number, begun, sent;
    bool bad;
    atomic_bool *stop;
};

static void *write_on(void *arg)
{
    struct writer *w = arg;
    const struct key_limits limits = limits_of(200, KEY_NO_LIMIT, DAY_BUDGET, MONTH_BUDGET);
    for (int i = w->number * 1000000; !atomic_load(w->stop); i++) {
        struct ledger_verdict v;
        struct ledger_row row = row_of(i, COST);
        if (!begin(i, &limits, &v)) {
            w->bad |= v.bound != BOUND_REQUESTS || v.retry_after_s < 1 || v.retry_after_s > 120;
            continue;
        }
        w->bad |= v.requests_left < 0 || v.requests_reset_s < 0 || v.requests_reset_s > 120;
        w->begun++;
        if (reserve(i, SET_ASIDE, 0, &limits, &v))
            w->sent++;
        else
            row.n_attempts = 0;
        w->bad |= !ledger_settle(l, &row, false, NULL);
    }
    return NULL;
}

static void test_clock_jumps_at_random_lose_nothing_and_pass_no_budget(void **state)
{
    (void)state;
    struct writer writers[WRITERS];
    atomic_bool stop = false;
    int begun = 0, sent = 0;
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.number = i, .stop = &stop};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
    }
    for (uint64_t i = 0; i < JUMPS; i++) { /* seconds to months, about the ends of minutes, days and months */
        static const int64_t spans[] = {MINUTE_MS, HOUR_MS, DAY_MS, 60 * DAY_MS};
        skew_set(OCTOBER + (int64_t)((rng_unit(41, 0, i) - 0.5) * 2 * (double)spans[i % 4]));
        usleep(10000);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_false(writers[i].bad);
        begun += writers[i].begun;
        sent += writers[i].sent;
    }
    assert_true(ledger_flush(l, NULL));
    print_message("%d jumps: %d rows, %d of them sent\n", JUMPS, begun, sent);
    assert_true(sent > 0 && begun > sent);
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE outcome = 'ok'"), begun);
    assert_int_equal(ledger_query("SELECT count(*) FROM request"), begun);
    assert_int_equal(ledger_query("SELECT sum(cost_pico_usd) FROM request"), (int64_t)sent * COST);
    assert_int_equal(ledger_query("SELECT max(spent_pico_usd) <= 700 AND min(spent_pico_usd) >= 0 AND"
                                  " max(reserved_pico_usd) = 0 AND min(reserved_pico_usd) = 0 FROM spend"), 1);
    assert_int_equal(ledger_query("SELECT max(spent_pico_usd) <= 400 FROM spend WHERE length(period) = 10"), 1);
    assert_int_equal(
        ledger_query("SELECT count(*) FROM (SELECT strftime('%Y-%m', wall_ms / 1000, 'unixepoch') AS period,"
                     " sum(cost_pico_usd) AS cost FROM request GROUP BY 1) AS r JOIN spend ON spend.period = r.period"
                     " AND api_key = '" KEY "' WHERE cost <> spent_pico_usd"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, gone)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_clock_set_back_locks_no_minute),
        TEST(test_clock_set_forward_and_back_keeps_the_minute),
        TEST(test_clock_set_back_takes_no_token_twice),
        TEST(test_clock_over_a_month_s_end_leaves_money_where_it_began),
        TEST(test_clock_of_1970_is_a_month_too),
        TEST(test_clock_jumps_at_random_lose_nothing_and_pass_no_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
