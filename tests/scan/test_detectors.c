/* Patterns of the owner's own: what they find, what is refused, and what becomes of one that would never end. */
#include "../support.h"

#include "scan/detectors.h"

static struct detectors *open_with(const char *expression)
{
    struct detectors *p = NULL;
    struct err err = ERR_INIT;
    assert_ok(detectors_open(&p, &err), err);
    assert_ok(detectors_add(p, str_of(expression), &err), err);
    return p;
}

static uint32_t found(const char *expression, struct str text)
{
    struct detectors *p = open_with(expression);
    uint32_t n[1] = {0};
    detectors_scan(p, text, n);
    detectors_close(p);
    return n[0];
}

static void test_each_pattern_counts_its_own(void **state)
{
    (void)state;
    struct detectors *p = open_with("EMP-[0-9]{5}\\b");
    struct err err = ERR_INIT;
    uint32_t n[2] = {0};
    assert_ok(detectors_add(p, STR("(?i)project nightingale"), &err), err);
    assert_int_equal(detectors_count(p), 2);
    detectors_scan(p, STR("EMP-12345, EMP-99999 and EMP-123456 of Project NIGHTINGALE"), n);
    assert_int_equal(n[0], 2);
    assert_int_equal(n[1], 1);
    detectors_scan(p, STR("EMP-00001"), n);
    assert_int_equal(n[0], 3);
    detectors_close(p);
}

static void test_bytes_that_are_no_text_hide_nothing(void **state)
{
    (void)state;
    assert_int_equal(found("secret", STR("\xff\xfe secret \xc3( secret")), 2);
    assert_int_equal(found("größe", STR("die größe")), 1);
    assert_int_equal(found("x", STR("")), 0);
}

static void test_a_pattern_that_never_ends_counts_as_found(void **state)
{
    (void)state;
    assert_true(found("^(a+)+$", STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")) > 0);
}

static void test_bad_patterns_are_refused_with_their_place(void **state)
{
    (void)state;
    struct detectors *p = open_with("a");
    struct err err = ERR_INIT;
    static char longest[DETECTOR_MAX_BYTES + 1];
    memset(longest, 'a', sizeof longest);
    assert_false(detectors_add(p, STR("ab(c"), &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "byte 4"));
    assert_false(detectors_add(p, STR("a*"), &err));
    assert_non_null(strstr(err.msg, "empty"));
    assert_false(detectors_add(p, (struct str){longest, sizeof longest}, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    for (int i = 1; i < DETECTORS_MAX; i++)
        assert_true(detectors_add(p, STR("b"), &err));
    assert_false(detectors_add(p, STR("b"), &err));
    assert_int_equal(err.code, ERR_LIMIT);
    detectors_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_pattern_counts_its_own),
        cmocka_unit_test(test_bytes_that_are_no_text_hide_nothing),
        cmocka_unit_test(test_a_pattern_that_never_ends_counts_as_found),
        cmocka_unit_test(test_bad_patterns_are_refused_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
