/* Tiles of AVX-512 VNNI: the vectors of tile_vnni_any.h, where the work is told. */
#include "kernels/x86/avx512.h"

#define LANES 16
#define MAX_TILE 8  /* tokens */
#define MANY_TILE 6 /* 2 x 6 sums and as many block sums leave registers for the operands */

typedef __m512i ints;
typedef __m512 floats;

INLINE ints ints_zero(void)
{
    return _mm512_setzero_si512();
}

INLINE ints ints_set(int32_t v)
{
    return _mm512_set1_epi32(v);
}

INLINE ints ints_broadcast(const void *p)
{
    return broadcast_dword(p);
}

INLINE ints ints_load(const void *p)
{
    return _mm512_load_si512(p);
}

INLINE ints ints_add(ints a, ints b)
{
    return _mm512_add_epi32(a, b);
}

INLINE ints ints_mul(ints a, ints b)
{
    return _mm512_mullo_epi32(a, b);
}

INLINE ints words_shift_right_4(ints v)
{
    return _mm512_srli_epi16(v, 4);
}

INLINE ints low_nibbles(ints bytes)
{
    return _mm512_and_si512(bytes, _mm512_set1_epi8(15));
}

/* sum += products of unsigned and signed bytes, four a lane; of words, two a lane. */
INLINE ints add_byte_dots(ints sum, ints w, ints a)
{
    return _mm512_dpbusd_epi32(sum, w, a);
}

INLINE ints add_word_dots(ints sum, ints w, ints a)
{
    return _mm512_dpwssd_epi32(sum, w, a);
}

/* to[i] = -(sums[i] << shift) */
INLINE void sums_below(const int16_t sums[16], int shift, int32_t to[16])
{
    ints v = _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)sums));
    _mm512_storeu_si512(to, _mm512_sub_epi32(ints_zero(), _mm512_slli_epi32(v, (unsigned)shift)));
}

INLINE floats floats_set(float v)
{
    return _mm512_set1_ps(v);
}

INLINE floats floats_load(const float *p)
{
    return _mm512_load_ps(p);
}

INLINE void floats_store(float *p, floats v)
{
    _mm512_store_ps(p, v);
}

INLINE floats floats_mul(floats a, floats b)
{
    return _mm512_mul_ps(a, b);
}

INLINE floats floats_fma(floats a, floats b, floats c)
{
    return _mm512_fmadd_ps(a, b, c);
}

INLINE floats floats_of(ints v)
{
    return _mm512_cvtepi32_ps(v);
}

/* `left` of a vector's sums exist. */
INLINE void store_sums(float *y, int64_t left, bool accumulate, floats sums)
{
    __mmask16 mask = mask_of(left);
    if (accumulate)
        sums = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), sums);
    _mm512_mask_storeu_ps(y, mask, sums);
}

INLINE void panel_unpack(enum tensor_type type, const struct source *s, struct panel *p, struct ahead *ahead)
{
    panel_unpack_avx512(type, s, p, ahead);
}

#include "kernels/x86/tile_vnni_any.h"

void tile_avx512(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    walk_all(mm, begin, end, scratch);
}
