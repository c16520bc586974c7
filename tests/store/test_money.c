/* Money: exact, never wrapping, and readable. */
#include "../support.h"

#include "store/money.h"

static void test_price_is_pico_usd_a_token(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    int64_t v = 0;
    assert_ok(money_price_of(0.15, &v, &err), err);
    assert_int_equal(v, 150000);
    assert_ok(money_price_of(1, &v, &err), err);
    assert_int_equal(v * 1000000, MONEY_USD);
    assert_false(money_price_of(-1, &v, &err));
    assert_false(money_price_of(0.0 / 0.0, &v, &err));
    assert_false(money_price_of(2e6, &v, &err));
}

static void test_money_stops_at_the_largest_amount(void **state)
{
    (void)state;
    assert_int_equal(money_times(3, 5), 15);
    assert_true(money_times(INT64_MAX / 2, 3) == INT64_MAX);
    assert_int_equal(money_add(2, 3), 5);
    assert_true(money_add(INT64_MAX, 1) == INT64_MAX);
}

static void test_money_is_written_for_people(void **state)
{
    (void)state;
    static const struct {
        int64_t pico_usd;
        const char *text;
    } cases[] = {
        {0, "$0.00"},
        {123000000, "$0.000123"},
        {MONEY_USD, "$1.0000"},
        {-MONEY_USD / 2, "-$0.500000"},
        {1, "$0.000000000001"},
        {1234 * MONEY_USD + MONEY_USD / 2, "$1234.50"},
        {123456789, "$0.000123"},
        {999999, "$0.000000999999"},
        {12345678900000, "$12.3457"},
        {INT64_MAX, "$9223372.04"},
        {INT64_MIN, "-$9223372.04"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[MONEY_TEXT];
        assert_string_equal(money_format(cases[i].pico_usd, text), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_price_is_pico_usd_a_token),   cmocka_unit_test(test_money_stops_at_the_largest_amount),
        cmocka_unit_test(test_money_is_written_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
