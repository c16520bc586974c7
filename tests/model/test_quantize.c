/* Rows of every type: what a block can hold comes back, what it cannot loses no more than in the established files of
 * the same type, and importance is heeded. */
#include <math.h>

#include "../support.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "model/quantize.h"

#define K 512

static const enum tensor_type types[] = {
    TENSOR_Q4_0, TENSOR_Q4_1, TENSOR_Q5_0, TENSOR_Q5_1, TENSOR_Q8_0,   TENSOR_Q2_K,   TENSOR_Q3_K,
    TENSOR_Q4_K, TENSOR_Q5_K, TENSOR_Q6_K, TENSOR_IQ4_NL, TENSOR_IQ4_XS, TENSOR_MXFP4,
};
#define TYPE_COUNT (sizeof types / sizeof types[0])

/* Mean squared relative error of normal values: about 4^-bits, with room for the search to change. */
static const float expected_error[TENSOR_TYPES] = {
    [TENSOR_Q4_0] = 7.5e-3f, [TENSOR_Q4_1] = 5.5e-3f, [TENSOR_Q5_0] = 1.9e-3f,   [TENSOR_Q5_1] = 1.3e-3f,
    [TENSOR_Q8_0] = 3.2e-5f, [TENSOR_Q2_K] = 8e-2f,   [TENSOR_Q3_K] = 2.5e-2f,   [TENSOR_Q4_K] = 5.5e-3f,
    [TENSOR_Q5_K] = 1.4e-3f, [TENSOR_Q6_K] = 3.3e-4f, [TENSOR_IQ4_NL] = 6.5e-3f, [TENSOR_IQ4_XS] = 6.5e-3f,
    [TENSOR_MXFP4] = 1.5e-2f,
};

static float normal(uint64_t seed, uint64_t i)
{
    float sum = 0;
    for (uint32_t j = 0; j < 12; j++)
        sum += (float)rng_unit(seed, j, i);
    return sum - 6;
}

static void unpack(enum tensor_type type, const void *row, float *y, int64_t k)
{
    kernels_get()->matmul.unpack[type](row, y, k);
}

static double error_of(const float *x, const float *y, const float *w, int64_t k)
{
    double error = 0;
    for (int64_t i = 0; i < k; i++)
        error += (w ? w[i] : 1) * ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
    return error;
}

static void test_rows_lose_no_more_than_their_bits_must(void **state)
{
    (void)state;
    float x[K], y[K];
    char row[K * 4];
    double power = 0;
    for (int i = 0; i < K; i++) {
        x[i] = normal(1, (uint64_t)i);
        power += (double)x[i] * x[i];
    }
    for (size_t t = 0; t < TYPE_COUNT; t++) {
        quantize_row(types[t], x, NULL, row, K);
        unpack(types[t], row, y, K);
        double error = error_of(x, y, NULL, K) / power;
        if (!(error < (double)expected_error[types[t]]))
            fail_msg("%s: %.3g", tensor_type_name(types[t]), error);
    }
}

/* What was unpacked from a block can be packed again with hardly a loss: a twentieth of what rounding costs. */
static void test_unpacked_rows_pack_again(void **state)
{
    (void)state;
    float x[K], y[K], z[K];
    char row[K * 4];
    for (int i = 0; i < K; i++)
        x[i] = normal(2, (uint64_t)i);
    for (size_t t = 0; t < TYPE_COUNT; t++) {
        quantize_row(types[t], x, NULL, row, K);
        unpack(types[t], row, y, K);
        quantize_row(types[t], y, NULL, row, K);
        unpack(types[t], row, z, K);
        double again = error_of(y, z, NULL, K), once = error_of(x, y, NULL, K);
        if (!(again <= 0.05 * once))
            fail_msg("%s: %.3g of %.3g", tensor_type_name(types[t]), again, once);
    }
}

static void test_half_types_round_to_nearest(void **state)
{
    (void)state;
    const float x[4] = {1.0f + 0x1p-11f, -2.5f, 0x1p-24f, 65504};
    uint16_t f16[4], bf16[4];
    float f32[4];
    quantize_row(TENSOR_F16, x, NULL, f16, 4);
    quantize_row(TENSOR_BF16, x, NULL, bf16, 4);
    quantize_row(TENSOR_F32, x, NULL, f32, 4);
    for (int i = 0; i < 4; i++)
        assert_true(f16[i] == f32_to_f16(x[i]) && bf16[i] == f32_to_bf16(x[i]) && f32[i] == x[i]);
}

static void test_extreme_rows_stay_finite(void **state)
{
    (void)state;
    static const float scales[] = {0, 1e-45f, 1e-38f, 1e-20f, 1e-6f, 6e4f, 1e9f, 3e38f};
    float x[K], y[K];
    char row[K * 4];
    for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
        for (int shape = 0; shape < 4; shape++) {
            for (int i = 0; i < K; i++) {
                const float shapes[] = {1, -1, i % 32 == 7, normal(3, (uint64_t)i) / 6};
                x[i] = scales[s] * shapes[shape];
            }
            for (size_t t = 0; t < TYPE_COUNT; t++) {
                quantize_row(types[t], x, NULL, row, K);
                unpack(types[t], row, y, K);
                for (int i = 0; i < K; i++)
                    if (!isfinite(y[i]) || fabsf(y[i]) > 1.2f * fabsf(scales[s]) + 1e-6f)
                        fail_msg("%s: %g became %g", tensor_type_name(types[t]), (double)x[i], (double)y[i]);
            }
        }
    }
}

static void test_constant_rows_are_kept(void **state)
{
    (void)state;
    float x[K], y[K];
    char row[K * 4];
    for (int sign = -1; sign <= 1; sign += 2) {
        for (int i = 0; i < K; i++)
            x[i] = 0.375f * (float)sign;
        for (size_t t = 0; t < TYPE_COUNT; t++) {
            quantize_row(types[t], x, NULL, row, K);
            unpack(types[t], row, y, K);
            for (int i = 0; i < K; i++)
                if (fabsf(y[i] - x[i]) > 2e-3f)
                    fail_msg("%s: %g became %g", tensor_type_name(types[t]), (double)x[i], (double)y[i]);
        }
    }
}

static void test_values_that_types_cannot_hold_are_found(void **state)
{
    (void)state;
    float x[K] = {0};
    assert_int_equal(quantize_check_row(TENSOR_Q4_K, x, K), -1);
    x[300] = 70000;
    assert_int_equal(quantize_check_row(TENSOR_MXFP4, x, K), -1);
    assert_int_equal(quantize_check_row(TENSOR_BF16, x, K), -1);
    assert_int_equal(quantize_check_row(TENSOR_F16, x, K), 300);
    assert_int_equal(quantize_check_row(TENSOR_Q4_K, x, K), 300);
    x[200] = -INFINITY;
    assert_int_equal(quantize_check_row(TENSOR_BF16, x, K), 200);
    x[100] = NAN;
    for (size_t t = 0; t < TYPE_COUNT; t++)
        assert_int_equal(quantize_check_row(types[t], x, K), 100);
}

/* The largest values that pass the check cost no more than others: no scale overflows. */
static void test_rows_at_the_limit_keep_their_precision(void **state)
{
    (void)state;
    float x[K], y[K];
    char row[K * 4];
    double power = 0;
    for (int i = 0; i < K; i++) {
        float v = normal(5, (uint64_t)i) / 3;
        x[i] = 65519.0f * (v > 1 ? 1 : v < -1 ? -1 : v);
        power += (double)x[i] * (double)x[i];
    }
    for (size_t t = 0; t < TYPE_COUNT; t++) {
        assert_int_equal(quantize_check_row(types[t], x, K), -1);
        quantize_row(types[t], x, NULL, row, K);
        unpack(types[t], row, y, K);
        double error = error_of(x, y, NULL, K) / power;
        if (!(error < (double)expected_error[types[t]]))
            fail_msg("%s: %.3g", tensor_type_name(types[t]), error);
    }
}

/* Half of the inputs matter a hundred times as much: their error falls, and so does the weighted sum. */
static void test_importance_moves_error_to_where_it_matters_less(void **state)
{
    (void)state;
    float x[K], w[K], plain[K], weighted[K];
    char row[K * 4];
    for (int i = 0; i < K; i++) {
        x[i] = normal(4, (uint64_t)i);
        w[i] = i % 2 ? 100 : 1;
    }
    for (size_t t = 0; t < TYPE_COUNT; t++) {
        quantize_row(types[t], x, NULL, row, K);
        unpack(types[t], row, plain, K);
        quantize_row(types[t], x, w, row, K);
        unpack(types[t], row, weighted, K);
        double with = error_of(x, weighted, w, K), without = error_of(x, plain, w, K);
        /* MXFP4 has so few scales that the best may be the same. */
        if (!(with <= (types[t] == TENSOR_MXFP4 ? 1.0 : 0.97) * without))
            fail_msg("%s: %.4g, without %.4g", tensor_type_name(types[t]), with, without);
    }
}

static void test_importance_of_nothing_counts_all_alike(void **state)
{
    (void)state;
    float x[K], w[K] = {0};
    char a[K * 4], b[K * 4];
    for (int i = 0; i < K; i++)
        x[i] = normal(5, (uint64_t)i);
    for (size_t t = 0; t < TYPE_COUNT; t++) {
        quantize_row(types[t], x, NULL, a, K);
        quantize_row(types[t], x, w, b, K);
        assert_memory_equal(a, b, tensor_row_bytes(types[t], K));
    }
}

/* ---- against established files ---- */
static double tensor_error(const struct tensor *source, const struct tensor *theirs, double *ret_ours)
{
    int64_t k = source->ne[0];
    float *x = calloc((size_t)k, sizeof *x), *y = calloc((size_t)k, sizeof *y);
    void *row = malloc(tensor_row_bytes(theirs->type, k));
    double error = 0, ours = 0;
    assert_true(x && y && row);
    for (int64_t r = 0; r < tensor_rows(source); r++) {
        unpack(source->type, tensor_row(source, r), x, k);
        unpack(theirs->type, tensor_row(theirs, r), y, k);
        error += error_of(x, y, NULL, k);
        quantize_row(theirs->type, x, NULL, row, k);
        unpack(theirs->type, row, y, k);
        ours += error_of(x, y, NULL, k);
    }
    free(x);
    free(y);
    free(row);
    *ret_ours = ours;
    return error;
}

static void compare(const struct gguf *source, const struct gguf *theirs, const char *name)
{
    double sum = 0, our_sum = 0;
    for (int64_t i = 0; i < gguf_tensor_count(theirs); i++) {
        const struct tensor *t = gguf_tensor_at(theirs, i);
        double ours, error = tensor_error(gguf_tensor(source, t->name), t, &ours);
        if (!(ours <= error))
            fail_msg("%s: %s: %.4g is more than %.4g", name, t->name, ours, error);
        sum += error;
        our_sum += ours;
    }
    print_message("  %s: %.3f of the established error\n", name, sum > 0 ? our_sum / sum : 1);
}

static void test_no_tensor_errs_more_than_in_established_files(void **state)
{
    (void)state;
    static const char *const names[] = {"F16",    "Q8_0", "Q6_K", "Q5_K_M", "Q5_1",   "Q5_0",   "Q4_K_M",
                                        "Q4_K_S", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS", "Q3_K_M", "Q2_K"};
    SKIP_WITHOUT_SHARED(folder, "vectors/quant")
    struct err err = ERR_INIT;
    struct gguf *source = NULL, *theirs = NULL;
    char path[4200];
    snprintf(path, sizeof path, "%s/qwen3-F16.gguf", folder);
    assert_ok(gguf_open(path, &source, &err), err);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/qwen3-%s.gguf", folder, names[i]);
        assert_ok(gguf_open(path, &theirs, &err), err);
        compare(source, theirs, names[i]);
        gguf_close(theirs);
    }
    gguf_close(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_lose_no_more_than_their_bits_must),
        cmocka_unit_test(test_unpacked_rows_pack_again),
        cmocka_unit_test(test_half_types_round_to_nearest),
        cmocka_unit_test(test_extreme_rows_stay_finite),
        cmocka_unit_test(test_constant_rows_are_kept),
        cmocka_unit_test(test_values_that_types_cannot_hold_are_found),
        cmocka_unit_test(test_rows_at_the_limit_keep_their_precision),
        cmocka_unit_test(test_importance_moves_error_to_where_it_matters_less),
        cmocka_unit_test(test_importance_of_nothing_counts_all_alike),
        cmocka_unit_test(test_no_tensor_errs_more_than_in_established_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
