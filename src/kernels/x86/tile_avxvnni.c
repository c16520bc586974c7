/* Quantised products of AVX-VNNI, for CPUs that multiply bytes by fours but have no AVX-512: the vectors of
 * tile_vnni_any.h, where the work is told. All else at this level is AVX2's. */
#include "kernels/x86/avxvnni.h"

#define LANES 8
#define MAX_TILE 6  /* tokens */
#define MANY_TILE 6 /* 2 x 6 dot products leave registers for the operands; the block sums lie in memory */

typedef __m256i ints;
typedef __m256 floats;

INLINE ints ints_zero(void)
{
    return _mm256_setzero_si256();
}

INLINE ints ints_set(int32_t v)
{
    return _mm256_set1_epi32(v);
}

INLINE ints ints_broadcast(const void *p)
{
    return broadcast_dword(p);
}

INLINE ints ints_load(const void *p)
{
    return _mm256_load_si256(p);
}

INLINE ints ints_add(ints a, ints b)
{
    return _mm256_add_epi32(a, b);
}

INLINE ints ints_mul(ints a, ints b)
{
    return _mm256_mullo_epi32(a, b);
}

INLINE ints words_shift_right_4(ints v)
{
    return _mm256_srli_epi16(v, 4);
}

INLINE ints low_nibbles(ints bytes)
{
    return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

/* sum += products of unsigned and signed bytes, four a lane; of words, two a lane. */
INLINE ints add_byte_dots(ints sum, ints w, ints a)
{
    return _mm256_dpbusd_avx_epi32(sum, w, a);
}

INLINE ints add_word_dots(ints sum, ints w, ints a)
{
    return _mm256_dpwssd_avx_epi32(sum, w, a);
}

/* to[i] = -(sums[i] << shift) */
INLINE void sums_below(const int16_t sums[16], int shift, int32_t to[16])
{
    for (int i = 0; i < 16; i += 8) {
        ints v = _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(sums + i)));
        _mm256_storeu_si256((ints *)(to + i), _mm256_sub_epi32(ints_zero(), _mm256_slli_epi32(v, shift)));
    }
}

INLINE floats floats_set(float v)
{
    return _mm256_set1_ps(v);
}

INLINE floats floats_load(const float *p)
{
    return _mm256_load_ps(p);
}

INLINE void floats_store(float *p, floats v)
{
    _mm256_store_ps(p, v);
}

INLINE floats floats_mul(floats a, floats b)
{
    return _mm256_mul_ps(a, b);
}

INLINE floats floats_fma(floats a, floats b, floats c)
{
    return _mm256_fmadd_ps(a, b, c);
}

INLINE floats floats_of(ints v)
{
    return _mm256_cvtepi32_ps(v);
}

/* `left` of a vector's sums exist. */
INLINE void store_sums(float *y, int64_t left, bool accumulate, floats sums)
{
    store_part(y, left, accumulate ? _mm256_add_ps(load_part(y, left), sums) : sums);
}

INLINE void panel_unpack(enum tensor_type type, const struct source *s, struct panel *p, struct ahead *ahead)
{
    panel_unpack_avxvnni(type, s, p, ahead);
}

#include "kernels/x86/tile_vnni_any.h"

#define STREAMED_TOKENS 2

/* One or two tokens of blocks of 256 cost less streamed, row by row, as AVX2 does; of blocks of 32 none: measured. */
static void matmul_quantised(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    if (mm->tokens <= STREAMED_TOKENS && act_format_of(mm->type) == ACT_Q8_256)
        decode_avx2(mm, begin, end);
    else
        walk_all(mm, begin, end, scratch);
}

void matmul_fill_avxvnni(struct matmul_kernels *m)
{
    for (int type = 0; type < TENSOR_TYPES; type++)
        if (m->matmul[type] && act_format_of((enum tensor_type)type) != ACT_F32)
            m->matmul[type] = matmul_quantised;
}
