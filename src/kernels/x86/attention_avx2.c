/* The vectors of attention with AVX2: a row's scores of a page are eight of them. The walk over pages and tiles is
 * attention_any.h's. */
#include "kernels/attention_unit.h"
#include "kernels/x86/avx2.h"

#define VEC __m256
#define VECI __m256i
#define VEC_LANES 8
#define TILE_VECS 2 /* with six rows 12 sums, and registers for what they meet */

INLINE VEC vec_set1(float x)
{
    return _mm256_set1_ps(x);
}

INLINE VEC vec_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

INLINE VEC vec_load_part(const float *p, int left)
{
    return load_part(p, left);
}

INLINE VEC vec_load_f16(const uint16_t *p, int left)
{
    return load_part_f16(p, left);
}

INLINE VEC vec_load_i8(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

INLINE void vec_store(float *p, VEC v)
{
    _mm256_storeu_ps(p, v);
}

INLINE void vec_store_part(float *p, int left, VEC v)
{
    store_part(p, left, v);
}

INLINE void vec_store_f16(uint16_t *p, VEC v)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

INLINE VEC vec_add(VEC a, VEC b)
{
    return _mm256_add_ps(a, b);
}

INLINE VEC vec_sub(VEC a, VEC b)
{
    return _mm256_sub_ps(a, b);
}

INLINE VEC vec_mul(VEC a, VEC b)
{
    return _mm256_mul_ps(a, b);
}

INLINE VEC vec_div(VEC a, VEC b)
{
    return _mm256_div_ps(a, b);
}

INLINE VEC vec_fma(VEC a, VEC b, VEC sum)
{
    return _mm256_fmadd_ps(a, b, sum);
}

INLINE VEC vec_exp(VEC x)
{
    return exp_avx2(x);
}

/* b where a is a NaN. */
INLINE VEC vec_max(VEC a, VEC b)
{
    return _mm256_max_ps(a, b);
}

INLINE float vec_largest(VEC v)
{
    v = _mm256_max_ps(v, _mm256_permute2f128_ps(v, v, 1));
    v = _mm256_max_ps(v, _mm256_permute_ps(v, 0xee));
    return _mm256_cvtss_f32(_mm256_max_ps(v, _mm256_permute_ps(v, 0x01)));
}

INLINE float vec_fold(const VEC lanes[2])
{
    return fold((struct lanes){lanes[0], lanes[1]});
}

/* a where the slots from `slot` on are in view, else b. */
INLINE VEC vec_seen(struct attention_view view, int slot, VEC a, VEC b)
{
    __m256i seen = _mm256_andnot_si256(mask_of(view.first - slot), mask_of(view.last + 1 - slot));
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(seen));
}

INLINE VECI int_load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE VECI int_dot_start(int32_t q_sum)
{
    (void)q_sum;
    return _mm256_setzero_si256();
}

/* Two products of at most 127 by 127 fit a word. */
INLINE VECI int_dot(VECI sum, VECI k, const int8_t q[4])
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(k), _mm256_sign_epi8(broadcast_dword(q), k));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

INLINE VEC int_to_vec(VECI v)
{
    return _mm256_cvtepi32_ps(v);
}

#include "kernels/x86/attention_any.h"

void attention_fill_avx2(struct attention_kernels *a)
{
    attention_fill(a);
}
