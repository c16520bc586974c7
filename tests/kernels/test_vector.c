/* Proves that norms, gates, rotations and reductions equal the reference bit for bit at every level and length, and
 * that the reference is right within its stated error. */
#include "support_kernels.h"

#include <math.h>

#define MAX_N 150

/* Fills x with n hostile numbers: `kind` 0 plain, 1 large, 2 with infinities and NaN, 3 zeros of both signs and
 * subnormals. */
static void fill(float *x, int n, int kind, uint64_t *state)
{
    static const float odd[8] = {INFINITY, -INFINITY, NAN, 3e38f, -3e38f, 1e-45f, -0.0f, 0.0f};
    for (int i = 0; i < n; i++) {
        x[i] = test_random_float(state);
        if (kind == 1)
            x[i] *= 110;
        else if (kind == 2 && test_random(state) % 9 == 0)
            x[i] = odd[test_random(state) % 8];
        else if (kind == 3)
            x[i] = test_random(state) % 2 ? -0.0f : odd[5 + test_random(state) % 3];
    }
}

typedef void trial_fn(const struct vector_kernels *v, const float *a, const float *b, int n, float *out);

static void run_norm(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    v->rms_norm(a, n % 2 ? b : NULL, out, n, 1e-6f);
}

static void run_add(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    v->add(a, b, out, n);
}

static void run_scale(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    v->scale(a, b[0], out, n);
}

static void run_silu(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    v->silu_mul(a, b, out, n);
}

static void run_gelu(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    v->gelu_mul(a, b, out, n);
}

static void run_clamped(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    v->clamped_mul(a, b, out, n);
}

static void run_soft_cap(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    (void)b;
    v->soft_cap(a, 1.5f, out, n);
}

static void run_exp(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    (void)b;
    v->exp(a, out, n);
}

static void run_max(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    (void)b;
    out[0] = v->max(a, n);
}

static void run_sum_exp(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    (void)b;
    v->sum_exp(a, n, a[0], &out[0], &out[1]);
}

/* Two heads with a gap of what is not rotated, in the two ways of pairing. */
static void run_rope(const struct vector_kernels *v, const float *a, const float *b, int n, float *out)
{
    int head_dim = n / 2, n_rot = head_dim / 2 * 2 - (head_dim > 12 ? 4 : 0);
    memcpy(out, a, (size_t)n * sizeof *a);
    v->rope(out, b, 2, head_dim, n_rot, true);
    v->rope(out, b, 2, head_dim, n_rot, false);
}

static void test_levels_equal_the_reference_at_every_length(void **state)
{
    (void)state;
    static trial_fn *const trials[] = {run_norm, run_add, run_scale, run_silu, run_gelu, run_clamped, run_soft_cap,
                                       run_exp, run_max, run_sum_exp, run_rope};
    const struct kernels *ref = test_level("ref");
    for (size_t l = 0; l < TEST_LEVELS; l++) {
        const struct kernels *fast = test_level(test_levels[l]);
        uint64_t seed = 4;
        for (int n = 1; fast && n <= MAX_N; n++)
            for (int kind = 0; kind < 4; kind++)
                for (size_t t = 0; t < sizeof trials / sizeof trials[0]; t++) {
                    float a[MAX_N], b[MAX_N], expected[MAX_N] = {0}, got[MAX_N] = {0};
                    fill(a, n, kind, &seed);
                    fill(b, n, kind, &seed);
                    trials[t](&ref->vector, a, b, n, expected);
                    trials[t](&fast->vector, a, b, n, got);
                    if (!test_same_floats(expected, got, MAX_N))
                        fail_msg("%s: trial %d, length %d, kind %d", fast->level, (int)t, n, kind);
                }
    }
}

static double ulps(float got, double expected)
{
    float f = (float)expected;
    double spacing = fabs((double)nextafterf(f, INFINITY) - (double)f);
    return fabs((double)got - expected) / spacing;
}

static void test_exp_is_within_two_ulps(void **state)
{
    (void)state;
    const struct kernels *ref = test_level("ref");
    double worst = 0;
    for (float x = -103.9f; x < 88.7f; x += 0.00171f) {
        float y;
        ref->vector.exp(&x, &y, 1);
        worst = fmax(worst, ulps(y, exp((double)x)));
    }
    assert_true(worst < 2);
}

static void test_exp_ends_in_zero_and_infinity(void **state)
{
    (void)state;
    float x[8] = {-104.0f, -INFINITY, 88.73f, INFINITY, NAN, 0.0f, -0.0f, -3e38f}, y[8];
    kernels_get()->vector.exp(x, y, 8);
    assert_true(y[0] == 0 && y[1] == 0 && isinf(y[2]) && isinf(y[3]) && isnan(y[4]) && y[5] == 1 && y[6] == 1 &&
                y[7] == 0);
}

static void test_norm_and_rotation_are_what_their_names_say(void **state)
{
    (void)state;
    const struct vector_kernels *v = &test_level("ref")->vector;
    float x[4] = {1, 2, 3, 4}, w[4] = {1, 1, 2, 2}, y[4];
    v->rms_norm(x, w, y, 4, 0.5f);
    for (int i = 0; i < 4; i++)
        assert_true(fabsf(y[i] - x[i] * w[i] / sqrtf(30.0f / 4 + 0.5f)) < 1e-6f);
    float cs[4] = {0, 1, 0.6f, 0.8f}, neox[5] = {1, 2, 3, 4, 9}, pairs[5] = {1, 2, 3, 4, 9};
    v->rope(neox, cs, 1, 5, 4, true);
    v->rope(pairs, cs, 1, 5, 4, false);
    static const float expect_neox[5] = {-3, 2 * 0.6f - 4 * 0.8f, 1, 2 * 0.8f + 4 * 0.6f, 9};
    static const float expect_pairs[5] = {-2, 1, 3 * 0.6f - 4 * 0.8f, 3 * 0.8f + 4 * 0.6f, 9};
    for (int i = 0; i < 5; i++)
        assert_true(fabsf(neox[i] - expect_neox[i]) < 1e-6f && fabsf(pairs[i] - expect_pairs[i]) < 1e-6f);
}

static void test_gates_and_caps_are_what_their_names_say(void **state)
{
    (void)state;
    const struct vector_kernels *v = &test_level("ref")->vector;
    for (float x = -12; x < 12; x += 0.0371f) {
        float up = 9 - x, gelu, clamped, capped;
        double g = x, most = fmin(g, 7), u = fmax(-7, fmin(7, up));
        v->gelu_mul(&x, &up, &gelu, 1);
        v->clamped_mul(&x, &up, &clamped, 1);
        v->soft_cap(&x, 3, &capped, 1);
        assert_true(fabs(gelu - 0.5 * g * (1 + tanh(sqrt(2 / M_PI) * (g + 0.044715 * g * g * g))) * up) < 2e-5);
        assert_true(fabs(clamped - most / (1 + exp(-1.702 * most)) * (u + 1)) < 2e-5);
        assert_true(fabs(capped - 3 * tanh(g / 3)) < 1e-6);
    }
}

static void test_sums_of_exponentials_skip_what_is_forbidden(void **state)
{
    (void)state;
    float x[4] = {2, -INFINITY, 1, -INFINITY}, sum, weighted;
    kernels_get()->vector.sum_exp(x, 4, kernels_get()->vector.max(x, 4), &sum, &weighted);
    assert_true(fabs(sum - (1 + exp(-1))) < 1e-6);
    assert_true(fabs(weighted + exp(-1)) < 1e-6);
}

static void test_max_of_a_row_with_nan_is_nan(void **state)
{
    (void)state;
    float x[40] = {0};
    x[39] = NAN;
    assert_true(isnan(kernels_get()->vector.max(x, 40)));
    assert_true(kernels_get()->vector.max(x, 39) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_equal_the_reference_at_every_length),
        cmocka_unit_test(test_exp_is_within_two_ulps),
        cmocka_unit_test(test_exp_ends_in_zero_and_infinity),
        cmocka_unit_test(test_norm_and_rotation_are_what_their_names_say),
        cmocka_unit_test(test_gates_and_caps_are_what_their_names_say),
        cmocka_unit_test(test_sums_of_exponentials_skip_what_is_forbidden),
        cmocka_unit_test(test_max_of_a_row_with_nan_is_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
