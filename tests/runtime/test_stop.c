/* Stop texts in a stream: found wherever the stream is cut, and nothing lost where none is. */
#include "../support.h"

#include "base/rng.h"
#include "runtime/stop.h"

static void open_filter(struct stop_filter *f, const struct str *texts, int n)
{
    struct err err = ERR_INIT;
    assert_ok(stop_filter_open(f, texts, n, &err), err);
}

static void test_text_is_held_only_while_it_may_become_a_stop(void **state)
{
    (void)state;
    struct str stop = STR("END");
    struct stop_filter f;
    struct buf out = BUF_INIT(1024);
    open_filter(&f, &stop, 1);
    assert_false(stop_filter_add(&f, STR("abcE"), &out));
    assert_string_equal(out.p, "abc");
    assert_false(stop_filter_add(&f, STR("N"), &out));
    assert_string_equal(out.p, "abc");
    assert_false(stop_filter_add(&f, STR("x"), &out)); /* not the stop after all */
    assert_string_equal(out.p, "abcENx");
    assert_false(stop_filter_add(&f, STR("EE"), &out));
    assert_string_equal(out.p, "abcENxE");
    assert_true(stop_filter_add(&f, STR("ND and more"), &out));
    assert_string_equal(out.p, "abcENxE");
    stop_filter_close(&f);
    buf_free(&out);
}

static void test_the_end_gives_what_was_held(void **state)
{
    (void)state;
    struct str stop = STR("\n\n");
    struct stop_filter f;
    struct buf out = BUF_INIT(1024);
    open_filter(&f, &stop, 1);
    assert_false(stop_filter_add(&f, STR("x\n"), &out));
    assert_string_equal(out.p, "x");
    stop_filter_end(&f, &out);
    assert_string_equal(out.p, "x\n");
    stop_filter_close(&f);
    buf_free(&out);
}

static void test_the_stop_that_begins_first_wins(void **state)
{
    (void)state;
    struct str stops[] = {STR("c"), STR("abcd"), STR("bcd")};
    struct stop_filter f;
    struct buf out = BUF_INIT(1024);
    open_filter(&f, stops, 3);
    assert_true(stop_filter_add(&f, STR("xabcd"), &out));
    assert_string_equal(out.p, "x");
    stop_filter_close(&f);
    buf_free(&out);
}

/* Cut at random, a filter gives the text up to the stop that is completed first in the stream, or all of it. */
static void test_the_answer_does_not_depend_on_the_cuts_when_stops_do_not_overlap(void **state)
{
    (void)state;
    struct str stops[] = {STR("abab"), STR("ccc")};
    uint64_t dice = 0;
    for (int round = 0; round < 3000; round++) {
        char text[24];
        size_t n = 1 + rng_u64(5, 0, dice++) % sizeof text, at = 0, cut;
        for (size_t i = 0; i < n; i++)
            text[i] = "abc"[rng_u64(5, 0, dice++) % 3];
        struct str all = {text, n};
        size_t a = str_find(all, stops[0]), c = str_find(all, stops[1]), expected = a < c ? a : c;
        struct stop_filter f;
        struct buf out = BUF_INIT(1024);
        bool stopped = false;
        open_filter(&f, stops, 2);
        for (; at < n && !stopped; at += cut) {
            cut = 1 + rng_u64(5, 0, dice++) % (n - at);
            stopped = stop_filter_add(&f, (struct str){text + at, cut}, &out);
        }
        stop_filter_end(&f, &out);
        assert_int_equal(stopped, expected != SIZE_MAX);
        assert_true(str_eq(buf_view(&out), (struct str){text, stopped ? expected : n}));
        stop_filter_close(&f);
        buf_free(&out);
    }
}

static void test_bad_stop_texts_are_refused(void **state)
{
    (void)state;
    static char longer[GENERATION_MAX_STOP_BYTES + 1];
    memset(longer, 'x', sizeof longer);
    const struct str bad[] = {STR(""), STR("\xFF"), {longer, sizeof longer}};
    for (int i = 0; i < 3; i++) {
        struct stop_filter f;
        struct err err = ERR_INIT;
        assert_false(stop_filter_open(&f, &bad[i], 1, &err));
        assert_int_equal(err.code, ERR_INVALID);
        stop_filter_close(&f);
    }
    struct stop_filter longest;
    assert_true(stop_filter_open(&longest, &(struct str){longer, sizeof longer - 1}, 1, NULL));
    stop_filter_close(&longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_held_only_while_it_may_become_a_stop),
        cmocka_unit_test(test_the_end_gives_what_was_held),
        cmocka_unit_test(test_the_stop_that_begins_first_wins),
        cmocka_unit_test(test_the_answer_does_not_depend_on_the_cuts_when_stops_do_not_overlap),
        cmocka_unit_test(test_bad_stop_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
