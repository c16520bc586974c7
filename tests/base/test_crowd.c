/* How many threads a busy machine leaves worth using: decided from the waits alone, with clocks that the tests set. */
#include "../support.h"

#include "base/crowd.h"

#define MS INT64_C(1000000)

/* Two late jobs close together, the second at `now`. */
static void be_late_twice(struct crowd *c, int64_t now)
{
    crowd_late(c, MS / 5, 3 * MS, now - 10 * MS);
    crowd_late(c, MS / 5, 3 * MS, now);
}

static void test_crowd_leaves_out_a_thread_after_two_late_jobs(void **state)
{
    (void)state;
    struct crowd c = crowd_of(4);
    crowd_late(&c, MS / 5, 3 * MS, 100 * MS);
    assert_int_equal(c.active, 4);
    crowd_late(&c, MS / 5, 3 * MS, 110 * MS);
    assert_int_equal(c.active, 3);
}

static void test_crowd_forgives_chance_and_short_waits(void **state)
{
    (void)state;
    struct crowd c = crowd_of(4);
    for (int64_t i = 0; i < 100; i++) {
        crowd_late(&c, MS / 5, 3 * MS, i * 2 * CROWD_PAIR_NS);          /* far apart */
        crowd_late(&c, MS / 5, CROWD_LATE_NS - 1, i * 2 * CROWD_PAIR_NS + 1);
        crowd_late(&c, 100 * MS, 3 * MS, i * 2 * CROWD_PAIR_NS + 2);    /* of a long job */
    }
    assert_int_equal(c.active, 4);
}

static void test_crowd_takes_a_thread_back_after_a_rest(void **state)
{
    (void)state;
    struct crowd c = crowd_of(2);
    be_late_twice(&c, 100 * MS);
    assert_int_equal(c.active, 1);
    assert_false(crowd_grow(&c, 100 * MS + CROWD_REST_NS - 1));
    assert_true(crowd_grow(&c, 100 * MS + CROWD_REST_NS));
    assert_int_equal(c.active, 2);
    assert_false(crowd_grow(&c, 1000 * MS));
}

static void test_crowd_rests_longer_each_time_and_forgets_when_it_is_quiet(void **state)
{
    (void)state;
    struct crowd c = crowd_of(2);
    int64_t now = 100 * MS, rest = CROWD_REST_NS;
    for (int i = 0; i < 10; i++) {
        be_late_twice(&c, now);
        assert_int_equal(c.active, 1);
        assert_int_equal(c.rest_ns, rest);
        now = c.back_ns;
        assert_true(crowd_grow(&c, now));
        now += 11 * MS;
        rest = 2 * rest < CROWD_REST_MAX_NS ? 2 * rest : CROWD_REST_MAX_NS;
    }
    assert_int_equal(rest, CROWD_REST_MAX_NS);
    be_late_twice(&c, c.back_ns + 1);
    assert_int_equal(c.rest_ns, CROWD_REST_NS);
}

static void test_crowd_keeps_one_thread(void **state)
{
    (void)state;
    struct crowd c = crowd_of(3);
    for (int i = 1; i < 20; i++)
        crowd_late(&c, MS / 5, 3 * MS, 100 * MS + i * MS / 10);
    assert_int_equal(c.active, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crowd_leaves_out_a_thread_after_two_late_jobs),
        cmocka_unit_test(test_crowd_forgives_chance_and_short_waits),
        cmocka_unit_test(test_crowd_takes_a_thread_back_after_a_rest),
        cmocka_unit_test(test_crowd_rests_longer_each_time_and_forgets_when_it_is_quiet),
        cmocka_unit_test(test_crowd_keeps_one_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
