/* How many prompt tokens join the answers of a step, from the times that steps took. */
#include "../support.h"

#include "runtime/schedule/pace.h"

#define MOST 500

static void note(struct pace *p, int times, int64_t n_writing, int64_t n_prompt, int64_t us)
{
    for (int i = 0; i < times; i++)
        pace_note(p, n_writing, n_prompt, us);
}

static void test_an_unknown_model_gets_a_cautious_start(void **state)
{
    (void)state;
    struct pace p = {0};
    assert_int_equal(pace_room(&p, MOST), PACE_FIRST_TOKENS);
    pace_note(&p, 3, 0, 80000);   /* answers say nothing of prompts */
    assert_int_equal(pace_room(&p, MOST), PACE_FIRST_TOKENS);
}

static void test_prompts_add_no_more_than_their_time(void **state)
{
    (void)state;
    struct pace p = {0};
    note(&p, 1, 0, 512, 512 * 2000);
    assert_int_equal(pace_room(&p, MOST), PACE_ADDED_US / 2000);
}

static void test_what_writing_takes_is_not_the_prompts_doing(void **state)
{
    (void)state;
    struct pace p = {0};
    note(&p, 30, 4, 0, 80000);
    note(&p, 30, 4, 100, 80000 + 100 * 2000);
    assert_in_range(pace_room(&p, MOST), 95, 105);
}

static void test_slow_prompts_still_advance(void **state)
{
    (void)state;
    struct pace p = {0};
    note(&p, 1, 0, 512, 512 * 1000000LL);
    assert_int_equal(pace_room(&p, MOST), PACE_LEAST_TOKENS);
}

static void test_cheap_prompts_fill_the_step(void **state)
{
    (void)state;
    struct pace p = {0};
    note(&p, 1, 0, 512, 512);
    assert_int_equal(pace_room(&p, MOST), MOST);
    note(&p, 50, 1, 0, 1000000);   /* a pause that a laptop took a nap in */
    note(&p, 50, 1, 100, 1000);
    assert_int_equal(pace_room(&p, MOST), MOST);
}

static void test_a_model_that_slows_down_is_believed(void **state)
{
    (void)state;
    struct pace p = {0};
    note(&p, 1, 0, 512, 512 * 1000);
    note(&p, 20, 0, 512, 512 * 4000);
    assert_in_range(pace_room(&p, MOST), PACE_ADDED_US / 4000, PACE_ADDED_US / 4000 + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_unknown_model_gets_a_cautious_start),
        cmocka_unit_test(test_prompts_add_no_more_than_their_time),
        cmocka_unit_test(test_what_writing_takes_is_not_the_prompts_doing),
        cmocka_unit_test(test_slow_prompts_still_advance),
        cmocka_unit_test(test_cheap_prompts_fill_the_step),
        cmocka_unit_test(test_a_model_that_slows_down_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
