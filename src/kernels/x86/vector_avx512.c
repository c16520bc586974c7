/* Norms, rotary positions, gates and reductions with sixteen lanes; the tail of a row is masked. */
#include <math.h>

#include "kernels/x86/avx512.h"

static void rms_norm_avx512(const float *x, const float *w, float *y, int64_t d, float eps)
{
    __m512 lanes = _mm512_setzero_ps();
    for (int64_t i = 0; i < d; i += 16) {
        __mmask16 mask = mask_of(d - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        lanes = _mm512_mask3_fmadd_ps(v, v, lanes, mask);
    }
    __m512 inverse = _mm512_set1_ps(1 / sqrtf(fold(lanes) / (float)d + eps));
    for (int64_t i = 0; i < d; i += 16) {
        __mmask16 mask = mask_of(d - i);
        __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), inverse);
        if (w)
            v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, w + i));
        _mm512_mask_storeu_ps(y + i, mask, v);
    }
}

static void add_avx512(const float *a, const float *b, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_of(n - i);
        __m512 sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i));
        _mm512_mask_storeu_ps(y + i, mask, sum);
    }
}

static void scale_avx512(const float *x, float factor, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_of(n - i);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_set1_ps(factor)));
    }
}

/* g / (1 + exp(-z)) */
INLINE __m512 gated(__m512 g, __m512 z)
{
    __m512 negated = _mm512_xor_ps(z, _mm512_set1_ps(-0.0f));
    return _mm512_div_ps(g, _mm512_add_ps(_mm512_set1_ps(1.0f), exp_avx512(negated)));
}

static void silu_mul_avx512(const float *gate, const float *up, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_of(n - i);
        __m512 g = _mm512_maskz_loadu_ps(mask, gate + i);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(gated(g, g), _mm512_maskz_loadu_ps(mask, up + i)));
    }
}

static void gelu_mul_avx512(const float *gate, const float *up, float *y, int64_t n)
{
    __m512 cube = _mm512_set1_ps(VECTOR_GELU_CUBE), slope = _mm512_set1_ps(VECTOR_GELU_SLOPE);
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_of(n - i);
        __m512 g = _mm512_maskz_loadu_ps(mask, gate + i);
        __m512 z = _mm512_mul_ps(g, _mm512_fmadd_ps(_mm512_mul_ps(g, g), cube, slope));
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(gated(g, z), _mm512_maskz_loadu_ps(mask, up + i)));
    }
}

/* The operand order of min and max lets a NaN through: they return the second for it. */
static void clamped_mul_avx512(const float *gate, const float *up, float *y, int64_t n)
{
    __m512 most = _mm512_set1_ps(VECTOR_CLAMP), least = _mm512_set1_ps(-VECTOR_CLAMP);
    __m512 slope = _mm512_set1_ps(VECTOR_CLAMPED_SLOPE), one = _mm512_set1_ps(1.0f);
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_of(n - i);
        __m512 g = _mm512_min_ps(most, _mm512_maskz_loadu_ps(mask, gate + i));
        __m512 u = _mm512_max_ps(least, _mm512_min_ps(most, _mm512_maskz_loadu_ps(mask, up + i)));
        __m512 product = _mm512_mul_ps(gated(g, _mm512_mul_ps(slope, g)), _mm512_add_ps(u, one));
        _mm512_mask_storeu_ps(y + i, mask, product);
    }
}

static void soft_cap_avx512(const float *x, float cap, float *y, int64_t n)
{
    __m512 caps = _mm512_set1_ps(cap), one = _mm512_set1_ps(1.0f), two = _mm512_set1_ps(2.0f);
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_of(n - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        __m512 e = exp_avx512(_mm512_mul_ps(two, _mm512_div_ps(v, caps)));
        __m512 tanh = _mm512_sub_ps(one, _mm512_div_ps(two, _mm512_add_ps(e, one)));
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(caps, tanh));
    }
}

static void exp_row_avx512(const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_of(n - i);
        _mm512_mask_storeu_ps(y + i, mask, exp_avx512(_mm512_maskz_loadu_ps(mask, x + i)));
    }
}

static void rope_halves(float *x, const float *cs, int half)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    for (int i = 0; i < half; i += 16) {
        __mmask16 mask = mask_of(half - i);
        __m512 a = _mm512_maskz_loadu_ps(mask_of(2 * (half - i)), cs + 2 * i), b = _mm512_setzero_ps();
        if (half - i > 8)
            b = _mm512_maskz_loadu_ps(mask_of(2 * (half - i) - 16), cs + 2 * i + 16);
        __m512 c = _mm512_permutex2var_ps(a, even, b), s = _mm512_permutex2var_ps(a, odd, b);
        __m512 x0 = _mm512_maskz_loadu_ps(mask, x + i), x1 = _mm512_maskz_loadu_ps(mask, x + half + i);
        _mm512_mask_storeu_ps(x + i, mask, _mm512_fmsub_ps(x0, c, _mm512_mul_ps(x1, s)));
        _mm512_mask_storeu_ps(x + half + i, mask, _mm512_fmadd_ps(x0, s, _mm512_mul_ps(x1, c)));
    }
}

static void rope_neighbours(float *x, const float *cs, int n_rot)
{
    for (int i = 0; i < n_rot; i += 16) {
        __mmask16 mask = mask_of(n_rot - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i), rotation = _mm512_maskz_loadu_ps(mask, cs + i);
        __m512 x0 = _mm512_moveldup_ps(v), x1 = _mm512_movehdup_ps(v), swapped = _mm512_permute_ps(rotation, 0xb1);
        _mm512_mask_storeu_ps(x + i, mask, _mm512_fmaddsub_ps(x0, rotation, _mm512_mul_ps(x1, swapped)));
    }
}

static void rope_avx512(float *x, const float *cs, int n_head, int head_dim, int n_rot, bool neox)
{
    for (int h = 0; h < n_head; h++, x += head_dim) {
        if (neox)
            rope_halves(x, cs, n_rot / 2);
        else
            rope_neighbours(x, cs, n_rot / 2 * 2);
    }
}

static float max_avx512(const float *x, int64_t n)
{
    __m512 lanes = _mm512_set1_ps(x[0]);
    __mmask16 nan = 0;
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_of(n - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        nan |= _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        lanes = _mm512_mask_max_ps(lanes, mask, v, lanes);
    }
    if (nan)
        return (float)NAN;
    /* The fold of the reference: of two zeros the later operand stays, as max_ps has it. */
    lanes = _mm512_max_ps(lanes, _mm512_shuffle_f32x4(lanes, lanes, 0xee));
    lanes = _mm512_max_ps(lanes, _mm512_shuffle_f32x4(lanes, lanes, 0x01));
    lanes = _mm512_max_ps(lanes, _mm512_permute_ps(lanes, 0xee));
    lanes = _mm512_max_ps(lanes, _mm512_permute_ps(lanes, 0x01));
    return _mm512_cvtss_f32(lanes);
}

static void sum_exp_avx512(const float *x, int64_t n, float max, float *ret_sum, float *ret_weighted)
{
    __m512 sum = _mm512_setzero_ps(), weighted = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_of(n - i);
        __m512 d = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_set1_ps(max));
        __m512 e = exp_avx512(d);
        sum = _mm512_mask_add_ps(sum, mask, sum, e);
        weighted = _mm512_mask3_fmadd_ps(e, _mm512_max_ps(_mm512_set1_ps(EXP_MIN), d), weighted, mask);
    }
    *ret_sum = fold(sum);
    *ret_weighted = fold(weighted);
}

void vector_fill_avx512(struct vector_kernels *v)
{
    *v = (struct vector_kernels){
        .rms_norm = rms_norm_avx512,
        .add = add_avx512,
        .scale = scale_avx512,
        .silu_mul = silu_mul_avx512,
        .gelu_mul = gelu_mul_avx512,
        .clamped_mul = clamped_mul_avx512,
        .soft_cap = soft_cap_avx512,
        .exp = exp_row_avx512,
        .rope = rope_avx512,
        .max = max_avx512,
        .sum_exp = sum_exp_avx512,
    };
}
