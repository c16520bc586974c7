/* Proves the type table and that half floats convert exactly, both ways, for every value. */
#include "../support.h"

#include <math.h>

#include "tensor/tensor.h"

static void test_block_sizes_are_those_of_the_file(void **state)
{
    (void)state;
    assert_int_equal(tensor_row_bytes(TENSOR_F32, 7), 28);
    assert_int_equal(tensor_row_bytes(TENSOR_BF16, 7), 14);
    assert_int_equal(tensor_row_bytes(TENSOR_Q4_0, 64), 36);
    assert_int_equal(tensor_row_bytes(TENSOR_Q5_1, 32), 24);
    assert_int_equal(tensor_row_bytes(TENSOR_Q8_0, 32), 34);
    assert_int_equal(tensor_row_bytes(TENSOR_Q4_K, 512), 288);
    assert_int_equal(tensor_row_bytes(TENSOR_Q5_K, 256), 176);
    assert_int_equal(tensor_row_bytes(TENSOR_Q6_K, 256), 210);
    assert_int_equal(tensor_row_bytes(TENSOR_Q4_1, 64), 40);
    assert_int_equal(tensor_row_bytes(TENSOR_Q2_K, 256), 84);
    assert_int_equal(tensor_row_bytes(TENSOR_Q3_K, 512), 220);
    assert_int_equal(tensor_row_bytes(TENSOR_IQ4_NL, 64), 36);
    assert_int_equal(tensor_row_bytes(TENSOR_IQ4_XS, 256), 136);
    assert_int_equal(tensor_row_bytes(TENSOR_MXFP4, 64), 34);
}

static void test_names_are_known_beyond_the_types_that_run(void **state)
{
    (void)state;
    assert_string_equal(tensor_type_name(TENSOR_Q4_K), "Q4_K");
    assert_string_equal(tensor_type_name(17), "IQ2_XS");
    assert_null(tensor_type_info(17));
    assert_null(tensor_type_name(TENSOR_TYPES));
    assert_null(tensor_type_name(UINT32_MAX));
    assert_null(tensor_type_info(UINT32_MAX));
    for (uint32_t type = 0; type < TENSOR_TYPES; type++)
        if (tensor_type_info(type))
            assert_string_equal(tensor_type_info(type)->name, tensor_type_name(type));
}

/* The value of a half by its definition. */
static double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 0x3ff;
    double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return h & 0x8000 ? -magnitude : magnitude;
}

static void test_every_half_widens_exactly_and_comes_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = f16_to_f32((uint16_t)h);
        bool special = (h & 0x7c00) == 0x7c00;
        if (special && (h & 0x3ff)) {
            assert_true(isnan(f));
            assert_int_equal(f32_to_f16(f), h | 0x200);
            continue;
        }
        if (special)
            assert_true(isinf(f) && !signbit(f) == !(h & 0x8000));
        else
            assert_true((double)f == half_value((uint16_t)h) && !signbit(f) == !(h & 0x8000));
        assert_int_equal(f32_to_f16(f), h);
    }
}

static void test_half_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) {
        float low = f16_to_f32((uint16_t)h), high = f16_to_f32((uint16_t)(h + 1));
        float middle = (float)(((double)low + high) / 2);
        assert_int_equal(f32_to_f16(middle), h + (h & 1));
        assert_int_equal(f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(f32_to_f16(-middle), 0x8000 | (h + (h & 1)));
    }
    assert_int_equal(f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(f32_to_f16(1e-30f), 0);
    assert_int_equal(f32_to_f16(-1e-45f), 0x8000);
}

static void test_bfloat_rounds_to_nearest_even_and_keeps_nan(void **state)
{
    (void)state;
    assert_int_equal(f32_to_bf16(1.0f), 0x3f80);
    assert_int_equal(f32_to_bf16(0x1.01p+0f), 0x3f80);
    assert_int_equal(f32_to_bf16(0x1.03p+0f), 0x3f82);
    assert_int_equal(f32_to_bf16(0x1.010002p+0f), 0x3f81);
    assert_int_equal(f32_to_bf16(INFINITY), 0x7f80);
    assert_true(isnan(bf16_to_f32(f32_to_bf16(NAN))));
    for (uint32_t h = 0; h < 65536; h++)
        if (!isnan(bf16_to_f32((uint16_t)h)))
            assert_int_equal(f32_to_bf16(bf16_to_f32((uint16_t)h)), h);
}

static void test_every_mxfp4_exponent_is_a_power_of_two(void **state)
{
    (void)state;
    for (int e = 0; e < 256; e++)
        assert_true((double)mxfp4_scale((uint8_t)e) == ldexp(1, e - 128));
}

static void test_rows_of_a_tensor_follow_each_other(void **state)
{
    (void)state;
    static const char data[4 * 144];
    struct tensor t = {"w", TENSOR_Q4_K, 3, {256, 2, 2, 1}, data, sizeof data};
    assert_int_equal(tensor_rows(&t), 4);
    assert_ptr_equal(tensor_row(&t, 3), data + 3 * 144);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_sizes_are_those_of_the_file),
        cmocka_unit_test(test_names_are_known_beyond_the_types_that_run),
        cmocka_unit_test(test_every_half_widens_exactly_and_comes_back),
        cmocka_unit_test(test_half_rounds_to_nearest_even),
        cmocka_unit_test(test_bfloat_rounds_to_nearest_even_and_keeps_nan),
        cmocka_unit_test(test_every_mxfp4_exponent_is_a_power_of_two),
        cmocka_unit_test(test_rows_of_a_tensor_follow_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
