/* String views and UTF-8, the hostile bytes above all. */
#include "../support.h"

#include "base/str.h"

static void test_str_starts_ends_find(void **state)
{
    (void)state;
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("c"), STR("bc")));
    assert_int_equal(str_find(STR("aab"), STR("ab")), 1);
    assert_int_equal(str_find(STR("aab"), STR("")), 0);
    assert_true(str_find(STR("aab"), STR("b\0")) == SIZE_MAX);
    assert_true(str_find(STR("a"), STR("ab")) == SIZE_MAX);
}

static void test_str_eq_tells_embedded_nul_apart(void **state)
{
    (void)state;
    assert_false(str_is(STR("a\0b"), "a"));
    assert_true(str_eq((struct str){NULL, 0}, STR("")));
    assert_true(str_is(str_of(NULL), ""));
}

static void test_str_trim_takes_ascii_space_only(void **state)
{
    (void)state;
    assert_true(str_is(str_trim(STR(" \t\r\n a b \v\f")), "a b"));
    assert_true(str_is(str_trim(STR(" \n ")), ""));
    assert_true(str_is(str_trim(STR("\xC2\xA0x")), "\xC2\xA0x"));
}

static void test_str_eq_nocase_is_ascii_only(void **state)
{
    (void)state;
    assert_true(str_eq_nocase(STR("Content-Type"), STR("content-tYPE")));
    assert_false(str_eq_nocase(STR("\xC3\x84"), STR("\xC3\xA4")));
    assert_false(str_eq_nocase(STR("[a"), STR("{a")));
}

static void test_str_dup_ends_in_nul(void **state)
{
    (void)state;
    char *p = str_dup((struct str){"abcdef", 3});
    assert_string_equal(p, "abc");
    free(p);
    p = str_dup((struct str){NULL, 0});
    assert_string_equal(p, "");
    free(p);
}

static void test_str_to_i64_takes_the_whole_range_and_no_more(void **state)
{
    (void)state;
    int64_t v = 77;
    assert_true(str_to_i64(STR("9223372036854775807"), &v));
    assert_true(v == INT64_MAX);
    assert_true(str_to_i64(STR("-9223372036854775808"), &v));
    assert_true(v == INT64_MIN);
    assert_true(str_to_i64(STR("-0"), &v));
    assert_true(v == 0);
    static const char *const bad[] = {"", "-", "+", " 1", "1 ", "1.0", "0x1", "1e3", "9223372036854775808",
                                      "-9223372036854775809", "99999999999999999999999999", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        v = 77;
        assert_false(str_to_i64(str_of(bad[i]), &v));
        assert_true(v == 77);
    }
}

static void test_str_to_f64_takes_decimals_only(void **state)
{
    (void)state;
    double v = 77;
    assert_true(str_to_f64(STR("-1.5e-3"), &v));
    assert_true(v == -1.5e-3);
    assert_true(str_to_f64(STR(".5"), &v));
    assert_true(v == 0.5);
    assert_true(str_to_f64(STR("5."), &v));
    assert_true(v == 5.0);
    static const char *const bad[] = {"", ".", "e1", "1e", "1e+", "inf", "nan", "0x10", " 1", "1 ", "1,5", "1e999", "-"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        v = 77;
        assert_false(str_to_f64(str_of(bad[i]), &v));
        assert_true(v == 77);
    }
    char big[1000];
    memset(big, '1', sizeof big);
    assert_false(str_to_f64((struct str){big, sizeof big}, &v));
}

static void test_utf8_round_trips_every_scalar_value(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x110000; cp++) {
        char out[4];
        int n = utf8_encode(cp, out), len;
        if ((cp >= 0xD800 && cp <= 0xDFFF) || cp > 0x10FFFF) {
            assert_int_equal(n, 0);
            continue;
        }
        assert_int_equal(utf8_decode((struct str){out, (size_t)n}, 0, &len), cp);
        assert_int_equal(len, n);
        assert_int_equal(utf8_complete((struct str){out, (size_t)n}), n);
        for (int cut = 1; cut < n; cut++)
            assert_int_equal(utf8_complete((struct str){out, (size_t)cut}), 0);
    }
}

static void test_utf8_refuses_what_is_not_well_formed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF",
        "\xED\xA0\x80", "\xED\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF", "\xC3", "\xE2\x82",
        "\xF0\x9F\x98", "\xC3(", "\xE2(\xA1", "\xE2\x82(", "\xF0\x9F\x98(",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int len = 0;
        assert_int_equal(utf8_decode(str_of(bad[i]), 0, &len), UTF8_BAD);
        assert_int_equal(len, 1);
        assert_false(utf8_valid(str_of(bad[i])));
    }
    int len = 0;
    assert_int_equal(utf8_decode(STR("a"), 1, &len), UTF8_BAD);
    assert_int_equal(utf8_decode(STR("a"), SIZE_MAX, &len), UTF8_BAD);
    assert_true(utf8_valid(STR("")));
    assert_true(utf8_valid(STR("a\0\xF4\x8F\xBF\xBF")));
}

static void test_utf8_complete_keeps_bad_bytes_and_leaves_tails(void **state)
{
    (void)state;
    assert_int_equal(utf8_complete(STR("ab\xE2\x82")), 2);
    assert_int_equal(utf8_complete(STR("ab\xF0\x9F\x98")), 2);
    assert_int_equal(utf8_complete(STR("ab\xFF")), 3);
    assert_int_equal(utf8_complete(STR("ab\x80\x80\x80")), 5);
    assert_int_equal(utf8_complete(STR("ab\xE0\x80")), 4); /* overlong: no third byte can mend it */
    assert_int_equal(utf8_complete(STR("ab\xC3\xA4")), 4);
    assert_int_equal(utf8_complete(STR("")), 0);
}

static void test_utf8_clip_never_cuts_a_character(void **state)
{
    (void)state;
    struct str s = STR("a\xE2\x82\xAC""b");
    static const size_t want[] = {0, 1, 1, 1, 4, 5, 5};
    for (size_t max = 0; max < sizeof want / sizeof *want; max++)
        assert_int_equal(utf8_clip(s, max).n, want[max]);
    assert_int_equal(utf8_clip(STR("\x80\x80\x80\x80\x80"), 3).n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_str_starts_ends_find),
        cmocka_unit_test(test_str_eq_tells_embedded_nul_apart),
        cmocka_unit_test(test_str_trim_takes_ascii_space_only),
        cmocka_unit_test(test_str_eq_nocase_is_ascii_only),
        cmocka_unit_test(test_str_dup_ends_in_nul),
        cmocka_unit_test(test_str_to_i64_takes_the_whole_range_and_no_more),
        cmocka_unit_test(test_str_to_f64_takes_decimals_only),
        cmocka_unit_test(test_utf8_round_trips_every_scalar_value),
        cmocka_unit_test(test_utf8_refuses_what_is_not_well_formed),
        cmocka_unit_test(test_utf8_complete_keeps_bad_bytes_and_leaves_tails),
        cmocka_unit_test(test_utf8_clip_never_cuts_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
