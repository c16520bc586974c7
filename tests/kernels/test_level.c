/* Proves that RUNG_CPU masks what kernels_get chooses, and masks nothing from those who ask for a level by name. The
 * choice is made once a process, so this program makes only this one. */
#include "support_kernels.h"

#include "kernels/peak.h"

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

/* The peak in use is the reference's here; the levels' own are asked by name. */
static void test_peak_does_at_least_what_is_asked(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 100000; n = 3 * n + 1) {
        assert_in_range(kernels_peak(n), n, n + 64);
#if defined(__x86_64__)
        if (test_level("avx2"))
            assert_in_range(peak_avx2(n), n, n + 1024);
        if (test_level("avxvnni"))
            assert_in_range(peak_avxvnni(n), n, n + 1024);
        if (test_level("avx512"))
            assert_in_range(peak_avx512(n), n, n + 1024);
#endif
    }
}

int main(void)
{
    setenv("RUNG_CPU", "ref", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rung_cpu_masks_the_levels_above),
        cmocka_unit_test(test_every_level_runs_the_same_types),
        cmocka_unit_test(test_peak_does_at_least_what_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
