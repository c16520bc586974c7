/* Norms, rotary positions, gates and reductions: eight elements at a time, sums in sixteen lanes. */
#include <math.h>

#include "kernels/x86/avx2.h"

static void rms_norm_avx2(const float *x, const float *w, float *y, int64_t d, float eps)
{
    struct lanes sum = lanes_zero();
    for (int64_t i = 0; i < d; i += 16) {
        __m256 lo = load_part(x + i, d - i), hi = load_part(x + i + 8, d - i - 8);
        sum.lo = fmadd_part(lo, lo, sum.lo, d - i);
        sum.hi = fmadd_part(hi, hi, sum.hi, d - i - 8);
    }
    __m256 inverse = _mm256_set1_ps(1 / sqrtf(fold(sum) / (float)d + eps));
    for (int64_t i = 0; i < d; i += 8) {
        __m256 v = _mm256_mul_ps(load_part(x + i, d - i), inverse);
        store_part(y + i, d - i, w ? _mm256_mul_ps(v, load_part(w + i, d - i)) : v);
    }
}

static void add_avx2(const float *a, const float *b, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += 8)
        store_part(y + i, n - i, _mm256_add_ps(load_part(a + i, n - i), load_part(b + i, n - i)));
}

static void scale_avx2(const float *x, float factor, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += 8)
        store_part(y + i, n - i, _mm256_mul_ps(load_part(x + i, n - i), _mm256_set1_ps(factor)));
}

/* g / (1 + exp(-z)) */
INLINE __m256 gated(__m256 g, __m256 z)
{
    __m256 negated = _mm256_xor_ps(z, _mm256_set1_ps(-0.0f));
    return _mm256_div_ps(g, _mm256_add_ps(_mm256_set1_ps(1.0f), exp_avx2(negated)));
}

static void silu_mul_avx2(const float *gate, const float *up, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += 8) {
        __m256 g = load_part(gate + i, n - i);
        store_part(y + i, n - i, _mm256_mul_ps(gated(g, g), load_part(up + i, n - i)));
    }
}

static void gelu_mul_avx2(const float *gate, const float *up, float *y, int64_t n)
{
    __m256 cube = _mm256_set1_ps(VECTOR_GELU_CUBE), slope = _mm256_set1_ps(VECTOR_GELU_SLOPE);
    for (int64_t i = 0; i < n; i += 8) {
        __m256 g = load_part(gate + i, n - i);
        __m256 z = _mm256_mul_ps(g, _mm256_fmadd_ps(_mm256_mul_ps(g, g), cube, slope));
        store_part(y + i, n - i, _mm256_mul_ps(gated(g, z), load_part(up + i, n - i)));
    }
}

/* The operand order of min and max lets a NaN through: they return the second for it. */
static void clamped_mul_avx2(const float *gate, const float *up, float *y, int64_t n)
{
    __m256 most = _mm256_set1_ps(VECTOR_CLAMP), least = _mm256_set1_ps(-VECTOR_CLAMP);
    __m256 slope = _mm256_set1_ps(VECTOR_CLAMPED_SLOPE), one = _mm256_set1_ps(1.0f);
    for (int64_t i = 0; i < n; i += 8) {
        __m256 g = _mm256_min_ps(most, load_part(gate + i, n - i));
        __m256 u = _mm256_max_ps(least, _mm256_min_ps(most, load_part(up + i, n - i)));
        store_part(y + i, n - i, _mm256_mul_ps(gated(g, _mm256_mul_ps(slope, g)), _mm256_add_ps(u, one)));
    }
}

static void soft_cap_avx2(const float *x, float cap, float *y, int64_t n)
{
    __m256 caps = _mm256_set1_ps(cap), one = _mm256_set1_ps(1.0f), two = _mm256_set1_ps(2.0f);
    for (int64_t i = 0; i < n; i += 8) {
        __m256 e = exp_avx2(_mm256_mul_ps(two, _mm256_div_ps(load_part(x + i, n - i), caps)));
        __m256 tanh = _mm256_sub_ps(one, _mm256_div_ps(two, _mm256_add_ps(e, one)));
        store_part(y + i, n - i, _mm256_mul_ps(caps, tanh));
    }
}

static void exp_row_avx2(const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += 8)
        store_part(y + i, n - i, exp_avx2(load_part(x + i, n - i)));
}

static void rope_halves(float *x, const float *cs, int half)
{
    for (int i = 0; i < half; i += 8) {
        int left = half - i;
        __m256 a = load_part(cs + 2 * i, 2 * left), b = load_part(cs + 2 * i + 8, 2 * left - 8);
        __m256 low = _mm256_permute2f128_ps(a, b, 0x20), high = _mm256_permute2f128_ps(a, b, 0x31);
        __m256 c = _mm256_shuffle_ps(low, high, 0x88), s = _mm256_shuffle_ps(low, high, 0xdd);
        __m256 x0 = load_part(x + i, left), x1 = load_part(x + half + i, left);
        store_part(x + i, left, _mm256_fmsub_ps(x0, c, _mm256_mul_ps(x1, s)));
        store_part(x + half + i, left, _mm256_fmadd_ps(x0, s, _mm256_mul_ps(x1, c)));
    }
}

static void rope_neighbours(float *x, const float *cs, int n_rot)
{
    for (int i = 0; i < n_rot; i += 8) {
        __m256 v = load_part(x + i, n_rot - i), rotation = load_part(cs + i, n_rot - i);
        __m256 x0 = _mm256_moveldup_ps(v), x1 = _mm256_movehdup_ps(v), swapped = _mm256_permute_ps(rotation, 0xb1);
        store_part(x + i, n_rot - i, _mm256_fmaddsub_ps(x0, rotation, _mm256_mul_ps(x1, swapped)));
    }
}

static void rope_avx2(float *x, const float *cs, int n_head, int head_dim, int n_rot, bool neox)
{
    for (int h = 0; h < n_head; h++, x += head_dim) {
        if (neox)
            rope_halves(x, cs, n_rot / 2);
        else
            rope_neighbours(x, cs, n_rot / 2 * 2);
    }
}

/* Elements past the tail are replaced by the first one, which is in the maximum already. */
INLINE __m256 load_or_first(const float *x, int64_t i, int64_t n)
{
    __m256 first = _mm256_set1_ps(x[0]);
    if (i >= n)
        return first;
    return _mm256_blendv_ps(first, load_part(x + i, n - i), _mm256_castsi256_ps(mask_of(n - i)));
}

static float max_avx2(const float *x, int64_t n)
{
    __m256 lo = _mm256_set1_ps(x[0]), hi = lo, nan = _mm256_setzero_ps();
    for (int64_t i = 0; i < n; i += 16) {
        __m256 a = load_or_first(x, i, n), b = load_or_first(x, i + 8, n);
        nan = _mm256_or_ps(nan, _mm256_cmp_ps(a, b, _CMP_UNORD_Q));
        lo = _mm256_max_ps(a, lo);
        hi = _mm256_max_ps(b, hi);
    }
    if (_mm256_movemask_ps(nan))
        return (float)NAN;
    /* The fold of the reference: of two zeros the later operand stays, as max_ps has it. */
    lo = _mm256_max_ps(lo, hi);
    lo = _mm256_max_ps(lo, _mm256_permute2f128_ps(lo, lo, 1));
    lo = _mm256_max_ps(lo, _mm256_permute_ps(lo, 0xee));
    lo = _mm256_max_ps(lo, _mm256_permute_ps(lo, 0x01));
    return _mm256_cvtss_f32(lo);
}

/* One vector of eight lanes of both sums. */
INLINE void sum_exp_step(const float *x, int64_t left, float max, __m256 *sum, __m256 *weighted)
{
    __m256 d = _mm256_sub_ps(load_part(x, left), _mm256_set1_ps(max)), e = exp_avx2(d);
    *sum = _mm256_blendv_ps(*sum, _mm256_add_ps(*sum, e), _mm256_castsi256_ps(mask_of(left)));
    *weighted = fmadd_part(e, _mm256_max_ps(_mm256_set1_ps(EXP_MIN), d), *weighted, left);
}

static void sum_exp_avx2(const float *x, int64_t n, float max, float *ret_sum, float *ret_weighted)
{
    struct lanes sum = lanes_zero(), weighted = lanes_zero();
    for (int64_t i = 0; i < n; i += 16) {
        sum_exp_step(x + i, n - i, max, &sum.lo, &weighted.lo);
        sum_exp_step(x + i + 8, n - i - 8, max, &sum.hi, &weighted.hi);
    }
    *ret_sum = fold(sum);
    *ret_weighted = fold(weighted);
}

void vector_fill_avx2(struct vector_kernels *v)
{
    *v = (struct vector_kernels){
        .rms_norm = rms_norm_avx2,
        .add = add_avx2,
        .scale = scale_avx2,
        .silu_mul = silu_mul_avx2,
        .gelu_mul = gelu_mul_avx2,
        .clamped_mul = clamped_mul_avx2,
        .soft_cap = soft_cap_avx2,
        .exp = exp_row_avx2,
        .rope = rope_avx2,
        .max = max_avx2,
        .sum_exp = sum_exp_avx2,
    };
}
