/* Proves that RUNG_CPU masks what kernels_get chooses, and masks nothing from those who ask for a level by name. The
 * choice is made once a process, so this program makes only this one. */
#include "support_kernels.h"

static void test_rung_cpu_masks_the_levels_above(void **state)
{
    (void)state;
    assert_string_equal(kernels_get()->level, "ref");
    const struct kernels *best = test_level("avx2");
    if (best)
        assert_ptr_not_equal(best->vector.rms_norm, kernels_get()->vector.rms_norm);
}

static void test_every_level_runs_the_same_types(void **state)
{
    (void)state;
    const struct kernels *ref = test_level("ref");
    for (int l = 0; l < TEST_LEVELS; l++) {
        const struct kernels *fast = test_level(test_levels[l]);
        for (uint32_t type = 0; fast && type < TENSOR_TYPES; type++) {
            assert_int_equal(!ref->matmul.matmul[type], !tensor_type_info(type));
            assert_int_equal(!fast->matmul.matmul[type], !ref->matmul.matmul[type]);
            assert_int_equal(!fast->matmul.unpack[type], !ref->matmul.unpack[type]);
        }
    }
}

int main(void)
{
    setenv("RUNG_CPU", "ref", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rung_cpu_masks_the_levels_above),
        cmocka_unit_test(test_every_level_runs_the_same_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
