/* Keys: made, found, listed, revoked; their minutes and their money. */
#include "../support.h"

#include <pthread.h>

#include "base/clock.h"
#include "store/keys.h"
#include "store/money.h"
#include "store/report.h"
#include "support_ledger.h"

static struct ledger *l;
static const char *path;

static int fresh(void **state)
{
    (void)state;
    path = ledger_fresh();
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

static const struct key_limits unlimited = {KEY_NO_LIMIT, KEY_NO_LIMIT, KEY_NO_LIMIT, KEY_NO_LIMIT};

static const char *digest_of(int i)
{
    static char digest[KEY_DIGEST_BYTES];
    snprintf(digest, sizeof digest, "%064x", (unsigned)i);
    return digest;
}

static bool make_key(int i, const char *name, const struct key_limits *limits, struct err *err)
{
    struct key_record k = {.limits = *limits, .models = "a,b", .tiers = "local", .privacy = "local", .prefix = "rk-ab"};
    snprintf(k.id, sizeof k.id, "key_%d", i);
    snprintf(k.name, sizeof k.name, "%s", name);
    return keys_create(l, &k, digest_of(i), err);
}

static struct ledger_row row_of(int i, int64_t cost_pico_usd, const char *key)
{
    struct ledger_row row = ledger_sample(i, cost_pico_usd);
    ledger_text(row.key, sizeof row.key, str_of(key));
    return row;
}

static bool reserve(const char *id, const char *key, int64_t pico_usd, int64_t tokens, const struct key_limits *limits,
                    struct ledger_verdict *v, struct err *err)
{
    struct ledger_reservation r = {
        .id = id, .tier = "mid", .model = "m", .key = key, .pico_usd = pico_usd, .tokens = tokens,
        .budget_pico_usd = LEDGER_NO_BUDGET, .limits = limits,
    };
    return ledger_attempt(l, &r, v, err);
}

static void test_keys_are_found_by_their_digest_as_they_were_made(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct key_record k;
    bool any;
    struct key_limits limits = {1, 2, 3, 4};
    assert_ok(keys_any(l, &any, &err), err);
    assert_false(any);
    assert_ok(make_key(1, "alice", &limits, &err), err);
    assert_ok(keys_any(l, &any, &err), err);
    assert_true(any);
    assert_ok(keys_find(l, digest_of(1), &k, &err), err);
    assert_string_equal(k.name, "alice");
    assert_string_equal(k.models, "a,b");
    assert_string_equal(k.privacy, "local");
    assert_memory_equal(&k.limits, &limits, sizeof limits);
    assert_true(k.created_ms > 0 && k.revoked_ms == 0 && k.last_used_ms == 0);
    assert_false(keys_find(l, digest_of(2), &k, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_keys_have_names_that_are_theirs_alone_while_they_live(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct key_record k, *keys;
    int64_t n;
    assert_ok(make_key(1, "alice", &unlimited, &err), err);
    assert_false(make_key(2, "alice", &unlimited, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "alice"));
    assert_false(make_key(1, "bob", &unlimited, &err)); /* the same id and secret */
    assert_ok(keys_revoke(l, "alice", &k, &err), err);
    assert_true(k.revoked_ms > 0);
    assert_false(keys_find(l, digest_of(1), &k, &err));
    assert_ok(make_key(2, "alice", &unlimited, &err), err);
    assert_ok(keys_revoke(l, "alice", &k, &err), err);
    assert_string_equal(k.id, "key_2"); /* the live one */
    assert_ok(keys_revoke(l, "key_1", &k, &err), err);
    assert_false(keys_revoke(l, "nobody", &k, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_ok(keys_list(l, &keys, &n, &err), err);
    assert_int_equal(n, 2);
    free(keys);
}

static void test_keys_that_expired_are_not_found(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct key_record k = {.id = "key_1", .name = "old", .limits = unlimited, .expires_ms = clock_wall_ms() - 1};
    assert_ok(keys_create(l, &k, digest_of(1), &err), err);
    assert_false(keys_find(l, digest_of(1), &k, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_keys_requests_a_minute_are_counted_and_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger_verdict v;
    struct key_usage used;
    struct key_limits limits = unlimited;
    limits.requests_per_min = 3;
    assert_ok(make_key(1, "alice", &limits, &err), err);
    for (int i = 0; i < 3; i++) {
        struct ledger_row row = row_of(i, 0, "key_1");
        assert_ok(ledger_begin(l, &row, &limits, NULL, &v, &err), err);
        assert_int_equal(v.requests_left, 2 - i);
    }
    struct ledger_row row = row_of(9, 0, "key_1"), other = row_of(10, 0, "key_2");
    assert_false(ledger_begin(l, &row, &limits, NULL, &v, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(v.bound, BOUND_REQUESTS);
    assert_in_range(v.retry_after_s, 1, 120);
    assert_int_equal(v.requests_left, 0);
    assert_ok(ledger_begin(l, &other, &limits, NULL, &v, &err), err);
    assert_int_equal(ledger_query("SELECT count(*) FROM request"), 4);
    assert_ok(keys_usage(l, "key_1", &used, &err), err);
    assert_int_equal(used.minute_requests, 3);
    assert_int_equal(ledger_query("SELECT count(*) FROM api_key WHERE last_used_ms > 0"), 1);
}

static void test_keys_tokens_a_minute_are_set_aside_and_corrected(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger_verdict v;
    struct key_usage used;
    struct key_limits limits = unlimited;
    limits.tokens_per_min = 100;
    struct ledger_row a = row_of(1, 5, "key_1"), b = row_of(2, 5, "key_1");
    assert_ok(ledger_begin(l, &a, &limits, NULL, &v, &err) && ledger_begin(l, &b, &limits, NULL, &v, &err), err);
    assert_ok(reserve(a.id, "key_1", 0, 90, &limits, &v, &err), err);
    assert_int_equal(v.tokens_left, 10);
    assert_false(reserve(b.id, "key_1", 0, 11, &limits, &v, &err));
    assert_int_equal(v.bound, BOUND_TOKENS);
    assert_in_range(v.retry_after_s, 1, 120);
    assert_false(reserve(b.id, "key_1", 0, 101, &limits, &v, &err));
    assert_int_equal(v.retry_after_s, 0); /* never */
    assert_ok(ledger_settle(l, &a, true, &err), err);
    assert_ok(keys_usage(l, "key_1", &used, &err), err);
    assert_int_equal(used.minute_tokens, 10 + 3 + 1 + 11 + 4 + 2);
    assert_ok(reserve(b.id, "key_1", 0, 69, &limits, &v, &err), err);
}

static void test_keys_budgets_hold_for_the_day_and_the_month(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger_verdict v;
    struct key_usage used;
    struct key_limits limits = unlimited;
    limits.budget_day_pico_usd = 100;
    limits.budget_month_pico_usd = 150;
    struct ledger_row a = row_of(1, 60, "key_1"), b = row_of(2, 30, "key_1"), c = row_of(3, 30, "key_2");
    assert_ok(ledger_begin(l, &a, &limits, NULL, &v, &err) && ledger_begin(l, &b, &limits, NULL, &v, &err) &&
                  ledger_begin(l, &c, &limits, NULL, &v, &err),
              err);
    assert_ok(reserve(a.id, "key_1", 70, 0, &limits, &v, &err), err);
    assert_false(reserve(b.id, "key_1", 31, 0, &limits, &v, &err));
    assert_int_equal(v.bound, BOUND_KEY_DAY);
    limits.budget_day_pico_usd = KEY_NO_LIMIT;
    assert_false(reserve(b.id, "key_1", 81, 0, &limits, &v, &err));
    assert_int_equal(v.bound, BOUND_KEY_MONTH);
    assert_ok(reserve(c.id, "key_2", 81, 0, &limits, &v, &err), err); /* another's budget is another's */
    assert_ok(keys_usage(l, "key_1", &used, &err), err);
    assert_int_equal(used.day_reserved_pico_usd, 70);
    assert_ok(ledger_settle(l, &a, true, &err) && ledger_settle(l, &a, true, &err), err);
    assert_ok(keys_usage(l, "key_1", &used, &err), err);
    assert_int_equal(used.day_spent_pico_usd, 60);
    assert_int_equal(used.month_spent_pico_usd, 60);
    assert_int_equal(used.day_reserved_pico_usd + used.month_reserved_pico_usd, 0);
    assert_int_equal(ledger_spent(l), 60 + 81);
}

static void test_keys_begin_makes_the_first_reservation_too(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger_verdict v;
    struct key_limits limits = unlimited;
    limits.budget_day_pico_usd = 100;
    struct ledger_row a = row_of(1, 60, "key_1"), b = row_of(2, 30, "key_1");
    struct ledger_reservation first = {
        .id = a.id, .tier = "mid", .model = "m", .key = "key_1", .pico_usd = 70, .tokens = 9,
        .budget_pico_usd = LEDGER_NO_BUDGET, .limits = &limits,
    };
    assert_ok(ledger_begin(l, &a, &limits, &first, &v, &err), err);
    assert_true(v.reserved && v.bound == BOUND_NONE);
    assert_int_equal(ledger_query("SELECT announced + reserved_pico_usd + reserved_tokens FROM request"), 80);
    first.id = b.id;
    assert_ok(ledger_begin(l, &b, &limits, &first, &v, &err), err);
    assert_true(!v.reserved && v.bound == BOUND_KEY_DAY);
    assert_int_equal(ledger_query("SELECT count(*) FROM request"), 2);
    assert_int_equal(ledger_query("SELECT count(*) FROM attempt"), 1);
    assert_ok(ledger_settle(l, &a, true, &err), err);
    assert_int_equal(ledger_query("SELECT count(*) FROM attempt WHERE outcome = 'announced'"), 0);
}

static void test_keys_money_of_the_dead_is_spent(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct key_usage used;
    struct ledger_row a = row_of(1, 60, "key_1");
    assert_ok(ledger_begin(l, &a, NULL, NULL, NULL, &err), err);
    assert_ok(reserve(a.id, "key_1", 70, 0, NULL, NULL, &err), err);
    ledger_close(l);
    l = ledger_must_open();
    assert_ok(keys_usage(l, "key_1", &used, &err), err);
    assert_int_equal(used.day_spent_pico_usd, 70);
    assert_int_equal(used.month_reserved_pico_usd, 0);
    assert_ok(ledger_settle(l, &a, true, &err), err); /* it lived after all */
    assert_ok(keys_usage(l, "key_1", &used, &err), err);
    assert_int_equal(used.month_spent_pico_usd, 60);
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE outcome = 'ok' AND uncertain_pico_usd = 0"), 1);
    assert_int_equal(ledger_query("SELECT count(*) FROM attempt"), 2);
}

static void test_keys_stand_by_name_in_the_bill(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger_report *r;
    assert_ok(make_key(1, "alice", &unlimited, &err), err);
    struct ledger_row rows[] = {row_of(1, 5, "key_1"), row_of(2, 6, "key_1"), row_of(3, 7, "")};
    for (int i = 0; i < 3; i++)
        assert_ok(ledger_settle(l, &rows[i], true, &err), err);
    assert_ok(report_read(path, 0, REPORT_BY_KEY, &r, &err), err);
    assert_int_equal(r->n_groups, 2);
    assert_string_equal(r->groups[0].name, "(none)");
    assert_string_equal(r->groups[1].name, "alice");
    assert_int_equal(r->groups[1].sums.after_pico_usd, 11);
    report_free(r);
}

static bool count_turn(void *ctx, const struct report_turn *t)
{
    int64_t *sum = ctx;
    *sum += t->cost_pico_usd;
    assert_string_equal(t->model, "mid-model");
    assert_int_equal(t->upstream_tokens.prompt, 11);
    return true;
}

static void test_keys_conversation_is_told_turn_by_turn(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    int64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        struct ledger_row row = row_of(i, 10 + i, "");
        row.conversation = i < 3 ? UINT64_MAX - 5 : 7;
        assert_ok(ledger_settle(l, &row, true, &err), err);
    }
    assert_ok(report_conversation(path, UINT64_MAX - 5, count_turn, &sum, &err), err);
    assert_int_equal(sum, 10 + 11 + 12);
    sum = 0;
    assert_ok(report_conversation(path, 0, count_turn, &sum, &err), err);
    assert_int_equal(sum, 0);
}

static void test_key_list_has_whole_names_only(void **state)
{
    (void)state;
    assert_true(key_list_has("a,bc", STR("bc")) && key_list_has("a,bc", STR("a")));
    assert_false(key_list_has("a,bc", STR("b")) || key_list_has("", STR("")) || key_list_has("a,bc", STR("a,bc")));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, gone)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keys_are_found_by_their_digest_as_they_were_made),
        TEST(test_keys_have_names_that_are_theirs_alone_while_they_live),
        TEST(test_keys_that_expired_are_not_found),
        TEST(test_keys_requests_a_minute_are_counted_and_refused),
        TEST(test_keys_tokens_a_minute_are_set_aside_and_corrected),
        TEST(test_keys_budgets_hold_for_the_day_and_the_month),
        TEST(test_keys_begin_makes_the_first_reservation_too),
        TEST(test_keys_money_of_the_dead_is_spent),
        TEST(test_keys_stand_by_name_in_the_bill),
        TEST(test_keys_conversation_is_told_turn_by_turn),
        cmocka_unit_test(test_key_list_has_whole_names_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
