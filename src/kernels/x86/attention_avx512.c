/* The vectors of attention with AVX-512: a row's scores of a page are four of them. The walk over pages and tiles is
 * attention_any.h's. */
#include "kernels/attention_unit.h"
#include "kernels/x86/avx512.h"

#define VEC __m512
#define VECI __m512i
#define VEC_LANES 16
#define TILE_VECS 4 /* with six rows 24 sums, and registers for what they meet */

INLINE VEC vec_set1(float x)
{
    return _mm512_set1_ps(x);
}

INLINE VEC vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

INLINE VEC vec_load_part(const float *p, int left)
{
    return load_part(p, left);
}

INLINE VEC vec_load_f16(const uint16_t *p, int left)
{
    return _mm512_cvtph_ps(load_part_16bit(p, left));
}

INLINE VEC vec_load_i8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

INLINE void vec_store(float *p, VEC v)
{
    _mm512_storeu_ps(p, v);
}

INLINE void vec_store_part(float *p, int left, VEC v)
{
    _mm512_mask_storeu_ps(p, mask_of(left), v);
}

INLINE void vec_store_f16(uint16_t *p, VEC v)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

INLINE VEC vec_add(VEC a, VEC b)
{
    return _mm512_add_ps(a, b);
}

INLINE VEC vec_sub(VEC a, VEC b)
{
    return _mm512_sub_ps(a, b);
}

INLINE VEC vec_mul(VEC a, VEC b)
{
    return _mm512_mul_ps(a, b);
}

INLINE VEC vec_div(VEC a, VEC b)
{
    return _mm512_div_ps(a, b);
}

INLINE VEC vec_fma(VEC a, VEC b, VEC sum)
{
    return _mm512_fmadd_ps(a, b, sum);
}

INLINE VEC vec_exp(VEC x)
{
    return exp_avx512(x);
}

/* b where a is a NaN. */
INLINE VEC vec_max(VEC a, VEC b)
{
    return _mm512_max_ps(a, b);
}

INLINE float vec_largest(VEC v)
{
    return _mm512_reduce_max_ps(v);
}

INLINE float vec_fold(const VEC lanes[1])
{
    return fold(lanes[0]);
}

/* a where the slots from `slot` on are in view, else b. */
INLINE VEC vec_seen(struct attention_view view, int slot, VEC a, VEC b)
{
    __mmask16 to = view.last >= slot ? mask_of(view.last + 1 - slot) : 0;
    __mmask16 before = view.first > slot ? mask_of(view.first - slot) : 0;
    return _mm512_mask_mov_ps(b, to & (__mmask16)~before, a);
}

/* vpdpbusd takes unsigned bytes: those of K are raised by 128, and what that adds is taken off beforehand. */
INLINE VECI int_load(const char *p)
{
    return _mm512_xor_si512(_mm512_loadu_si512(p), _mm512_set1_epi8(-128));
}

INLINE VECI int_dot_start(int32_t q_sum)
{
    return _mm512_set1_epi32(-128 * q_sum);
}

INLINE VECI int_dot(VECI sum, VECI k, const int8_t q[4])
{
    return _mm512_dpbusd_epi32(sum, k, broadcast_dword(q));
}

INLINE VEC int_to_vec(VECI v)
{
    return _mm512_cvtepi32_ps(v);
}

#include "kernels/x86/attention_any.h"

void attention_fill_avx512(struct attention_kernels *a)
{
    attention_fill(a);
}
