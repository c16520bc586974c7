/* What the AVX2 kernels share: sixteen lanes as two vectors, their folds, exp, and quantised blocks as vectors of 32
 * bytes in the order of K. Static inline throughout, for the reason level.h gives. */
#ifndef RUNG_KERNELS_X86_AVX2_H
#define RUNG_KERNELS_X86_AVX2_H

#include <immintrin.h>

#include "kernels/x86/inline.h"

/* Quantised products, all types: up to DECODE_TOKENS tokens, and more on tiles. */
#define DECODE_TOKENS 4
void decode_avx2(const struct matmul *mm, int64_t begin, int64_t end);
void tile_avx2(const struct matmul *mm, int64_t begin, int64_t end, void *scratch);
#define PANEL_ROWS 16 /* unpacked together: two vectors of eight */

/* ---- tails ---- */

/* All ones in the first `left` lanes (all eight beyond 8, none below 1). */
INLINE __m256i mask_of(int64_t left)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left > 8 ? 8 : (int)left), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE __m256 load_part(const float *p, int64_t left)
{
    return left >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, mask_of(left));
}

INLINE void store_part(float *p, int64_t left, __m256 v)
{
    if (left >= 8)
        _mm256_storeu_ps(p, v);
    else
        _mm256_maskstore_ps(p, mask_of(left), v);
}

/* Up to eight halves; only `left` of them are read. */
INLINE __m256 load_part_f16(const uint16_t *p, int64_t left)
{
    uint16_t h[8] = {0};
    if (left >= 8)
        return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
    if (left > 0)
        memcpy(h, p, (size_t)left * sizeof *p);
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)h));
}

/* acc where the lane is past the tail, else a b + acc. */
INLINE __m256 fmadd_part(__m256 a, __m256 b, __m256 acc, int64_t left)
{
    __m256 sum = _mm256_fmadd_ps(a, b, acc);
    return left >= 8 ? sum : _mm256_blendv_ps(acc, sum, _mm256_castsi256_ps(mask_of(left)));
}

/* ---- sixteen lanes and their folds: each step adds lane i + n to lane i and packs two vectors into one ---- */

struct lanes {
    __m256 lo, hi;
};

INLINE struct lanes lanes_zero(void)
{
    return (struct lanes){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

INLINE __m256 fold8(struct lanes v)
{
    return _mm256_add_ps(v.lo, v.hi);
}

INLINE __m256 fold4(__m256 a, __m256 b)
{
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

INLINE __m256 fold2(__m256 a, __m256 b)
{
    __m256d x = _mm256_castps_pd(a), y = _mm256_castps_pd(b);
    return _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)), _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)));
}

INLINE __m256 fold1(__m256 a, __m256 b)
{
    return _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd));
}

INLINE float fold(struct lanes v)
{
    __m256 sum = fold4(fold8(v), fold8(v));
    return _mm256_cvtss_f32(fold1(fold2(sum, sum), fold2(sum, sum)));
}

/* The integer sums of the lanes of v[0..7] in lanes 0..7. */
INLINE __m256i fold_eight_int(const __m256i v[8])
{
    __m256i part[4], half[2];
    for (int e = 0; e < 4; e++)
        part[e] = _mm256_add_epi32(_mm256_permute2x128_si256(v[e], v[e + 4], 0x20),
                                   _mm256_permute2x128_si256(v[e], v[e + 4], 0x31));
    for (int i = 0; i < 2; i++)
        half[i] = _mm256_add_epi32(_mm256_unpacklo_epi64(part[2 * i], part[2 * i + 1]),
                                   _mm256_unpackhi_epi64(part[2 * i], part[2 * i + 1]));
    __m256 a = _mm256_castsi256_ps(half[0]), b = _mm256_castsi256_ps(half[1]);
    return _mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)),
                            _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd)));
}

/* v[r] holds 32 bytes of row r; to[i] gets bytes 4 i to 4 i + 3 of all eight. */
INLINE void transpose_rows(const __m256i v[8], uint8_t (*to)[PANEL_ROWS][4])
{
    __m256i w[8];
    UNROLL
    for (int i = 0; i < 8; i += 4) {
        __m256i a = _mm256_unpacklo_epi32(v[i], v[i + 1]), b = _mm256_unpacklo_epi32(v[i + 2], v[i + 3]);
        __m256i c = _mm256_unpackhi_epi32(v[i], v[i + 1]), d = _mm256_unpackhi_epi32(v[i + 2], v[i + 3]);
        w[i] = _mm256_unpacklo_epi64(a, b);
        w[i + 1] = _mm256_unpackhi_epi64(a, b);
        w[i + 2] = _mm256_unpacklo_epi64(c, d);
        w[i + 3] = _mm256_unpackhi_epi64(c, d);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        _mm256_store_si256((__m256i *)to[i], _mm256_permute2x128_si256(w[i], w[i + 4], 0x20));
        _mm256_store_si256((__m256i *)to[i + 4], _mm256_permute2x128_si256(w[i], w[i + 4], 0x31));
    }
}

INLINE __m256 exp_avx2(__m256 x)
{
    /* The operand order lets a NaN through: max and min return the second operand for it. */
    x = _mm256_max_ps(_mm256_set1_ps(EXP_MIN), x);
    x = _mm256_min_ps(_mm256_set1_ps(EXP_MAX), x);
    __m256 rounded = _mm256_fmadd_ps(x, _mm256_set1_ps(EXP_LOG2E), _mm256_set1_ps(EXP_ROUND));
    __m256 nf = _mm256_sub_ps(rounded, _mm256_set1_ps(EXP_ROUND));
    __m256i n = _mm256_sub_epi32(_mm256_castps_si256(rounded), _mm256_set1_epi32(EXP_ROUND_BITS));
    __m256 r = _mm256_fmadd_ps(nf, _mm256_set1_ps(-EXP_LN2_HIGH), x);
    r = _mm256_fmadd_ps(nf, _mm256_set1_ps(-EXP_LN2_LOW), r);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(EXP_C7), r, _mm256_set1_ps(EXP_C6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    __m256i half = _mm256_srai_epi32(n, 1), bias = _mm256_set1_epi32(127);
    __m256i low = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i high = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(low)), _mm256_castsi256_ps(high));
}

/* ---- eight rows at once, a row a lane ---- */

/* The 16 bytes at `at` of each row: dword[c] holds bytes 4 c to 4 c + 3. */
INLINE void load_headers(const uint8_t *const *rows, int64_t at, __m256i dword[4])
{
    __m256i v[4];
    UNROLL
    for (int e = 0; e < 4; e++)
        v[e] = _mm256_loadu2_m128i((const __m128i *)(rows[e + 4] + at), (const __m128i *)(rows[e] + at));
    __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpacklo_epi32(v[2], v[3]);
    __m256i c = _mm256_unpackhi_epi32(v[0], v[1]), d = _mm256_unpackhi_epi32(v[2], v[3]);
    dword[0] = _mm256_unpacklo_epi64(a, b);
    dword[1] = _mm256_unpackhi_epi64(a, b);
    dword[2] = _mm256_unpacklo_epi64(c, d);
    dword[3] = _mm256_unpackhi_epi64(c, d);
}

INLINE __m256 high_half(__m256i dword)
{
    dword = _mm256_srli_epi32(dword, 16);
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(dword), _mm256_extracti128_si256(dword, 1)));
}

INLINE __m256 low_half(__m256i dword)
{
    return high_half(_mm256_slli_epi32(dword, 16));
}

/* The first 16 bytes of Q4_K and Q5_K blocks. Four 6-bit scales or minima a lane, one byte each, as in struct k_scales.
 */
struct k_headers {
    __m256 d, m;
    __m256i scale[2], min[2];
};

INLINE struct k_headers load_k_headers(const uint8_t *const *rows, int64_t at)
{
    const __m256i six = _mm256_set1_epi32(0x3f3f3f3f), low = _mm256_set1_epi32(0x0f0f0f0f),
                  high = _mm256_set1_epi32(0x30303030);
    __m256i u[4];
    load_headers(rows, at, u);
    __m256i above = _mm256_srli_epi32(u[3], 4);
    return (struct k_headers){
        .d = low_half(u[0]),
        .m = high_half(u[0]),
        .scale = {_mm256_and_si256(u[1], six),
                  _mm256_or_si256(_mm256_and_si256(u[3], low), _mm256_and_si256(_mm256_srli_epi32(u[1], 2), high))},
        .min = {_mm256_and_si256(u[2], six),
                _mm256_or_si256(_mm256_and_si256(above, low), _mm256_and_si256(_mm256_srli_epi32(u[2], 2), high))},
    };
}

/* Two words a lane from four minima: 0 and 2, or 1 and 3, as pair_sums are ordered. */
INLINE __m256i min_words(__m256i min, int odd)
{
    return _mm256_and_si256(odd ? _mm256_srli_epi32(min, 8) : min, _mm256_set1_epi32(0x00ff00ff));
}

/* Scales and minima of blocks with sixteen of each: four signed bytes a lane, c holds those of the elements from 64 c
 * on.
 */
struct sixteen_headers {
    __m256 d, m;
    __m256i scale[4], min[4];
};

/* The halves at the end of every row's block: the last dword of it. */
INLINE __m256i load_last_dword(const uint8_t *const *rows, int64_t at, int block_bytes)
{
    __m256i dword[4];
    load_headers(rows, at + block_bytes - 16, dword);
    return dword[3];
}

INLINE struct sixteen_headers load_q6_headers(const uint8_t *const *rows, int64_t at)
{
    struct sixteen_headers h = {.d = high_half(load_last_dword(rows, at, sizeof(struct block_q6_k)))};
    load_headers(rows, at + 192, h.scale);
    return h;
}

INLINE struct sixteen_headers load_q2_headers(const uint8_t *const *rows, int64_t at)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i last = load_last_dword(rows, at, sizeof(struct block_q2_k)), both[4];
    struct sixteen_headers h = {.d = low_half(last), .m = high_half(last)};
    load_headers(rows, at, both);
    UNROLL
    for (int c = 0; c < 4; c++) {
        h.scale[c] = _mm256_and_si256(both[c], nibble);
        h.min[c] = _mm256_and_si256(_mm256_srli_epi32(both[c], 4), nibble);
    }
    return h;
}

/* The last sixteen bytes: two that belong to the quants, twelve of scales, the half. */
INLINE struct sixteen_headers load_q3_headers(const uint8_t *const *rows, int64_t at)
{
    const __m256i nibble = _mm256_set1_epi8(15), two = _mm256_set1_epi8(3), above = _mm256_set1_epi8(32);
    __m256i v[4], u[3];
    load_headers(rows, at + 94, v);
    UNROLL
    for (int i = 0; i < 3; i++)
        u[i] = _mm256_or_si256(_mm256_srli_epi32(v[i], 16), _mm256_slli_epi32(v[i + 1], 16));
    struct sixteen_headers h = {.d = high_half(v[3])};
    UNROLL
    for (int c = 0; c < 4; c++) {
        __m256i low = _mm256_and_si256(_mm256_srli_epi32(u[c % 2], c / 2 * 4), nibble);
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(u[2], 2 * c), two);
        h.scale[c] = _mm256_sub_epi8(_mm256_or_si256(low, _mm256_slli_epi32(high, 4)), above);
    }
    return h;
}

/* Two scales of 32 elements in each dword, each of them twice. */
INLINE struct sixteen_headers load_iq4_headers(const uint8_t *const *rows, int64_t at)
{
    const __m256i above = _mm256_set1_epi8(32), first = _mm256_set1_epi32(0x0f0f), last = _mm256_set1_epi32(0x0f0f0000);
    const __m256i byte = _mm256_broadcastsi128_si256(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    __m256i v[4];
    load_headers(rows, at, v);
    struct sixteen_headers h = {.d = low_half(v[0])};
    UNROLL
    for (int c = 0; c < 4; c++) {
        __m256i low = _mm256_shuffle_epi8(v[1], _mm256_add_epi8(byte, _mm256_set1_epi8((char)c)));
        __m256i high = _mm256_srli_epi32(v[0], 16 + 4 * c);
        low = _mm256_or_si256(_mm256_and_si256(low, first), _mm256_and_si256(_mm256_srli_epi32(low, 4), last));
        high = _mm256_or_si256(_mm256_and_si256(high, _mm256_set1_epi32(3)),
                               _mm256_slli_epi32(_mm256_and_si256(high, _mm256_set1_epi32(12)), 14));
        high = _mm256_slli_epi32(_mm256_or_si256(high, _mm256_slli_epi32(high, 8)), 4);
        h.scale[c] = _mm256_sub_epi8(_mm256_or_si256(low, high), above);
    }
    return h;
}

/* Two words a lane from the four signed bytes of a dword: the first two, or the last two. */
INLINE __m256i byte_words(__m256i dword, int last)
{
    /* Each into the upper half of a word, then down for the sign. */
    const __m256i lane = _mm256_broadcastsi128_si256(_mm_setr_epi32(0, 0x04000400, 0x08000800, 0x0c000c00));
    __m256i index = _mm256_add_epi32(lane, _mm256_set1_epi32(last ? 0x03800280 : 0x01800080));
    return _mm256_srai_epi16(_mm256_shuffle_epi8(dword, index), 8);
}

/* A dword of the token in every lane. */
INLINE __m256i broadcast_dword(const void *p)
{
    int32_t dword;
    memcpy(&dword, p, sizeof dword);
    return _mm256_set1_epi32(dword);
}

INLINE void prefetch_bytes(const uint8_t *p, int bytes)
{
    for (int line = 0; line < bytes; line += 64)
        _mm_prefetch((const char *)p + line, _MM_HINT_T0);
}

/* ---- blocks of 32 ---- */

struct kind_32 {
    int bytes;
    int offset; /* what the bytes are above the weights */
    int run;    /* products of weight and activation pairs that a 16-bit sum holds; 0: the bytes are signed */
    bool has_min;
    __m256 (*scale)(__m256i first_dword);
    __m256i (*load)(const uint8_t *block);
};

/* 2^(e - 128) as the product of two powers: the smallest are subnormal. */
INLINE __m256 exponent_scale(__m256i dword)
{
    const __m256i bias = _mm256_set1_epi32(127 - 64);
    __m256i e = _mm256_and_si256(dword, _mm256_set1_epi32(255)), half = _mm256_srli_epi32(e, 1);
    __m256i a = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i b = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(e, half), bias), 23);
    return _mm256_mul_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
}

INLINE __m256i load_nibbles(const uint8_t *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)p);
    return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(v, 4), v), _mm256_set1_epi8(15));
}

/* 16 where the mask's bit is set. */
INLINE __m256i load_fifth_bits(const uint8_t *p)
{
    int32_t mask;
    memcpy(&mask, p, 4);
    const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(mask), byte), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8(16));
}

INLINE __m256i load_q4_0(const uint8_t *block)
{
    return load_nibbles(block + 2);
}

INLINE __m256i load_q4_1(const uint8_t *block)
{
    return load_nibbles(block + 4);
}

/* What the nibbles name, plus `above`. */
INLINE __m256i named_bytes(__m256i nibbles, const int8_t values[16], int above)
{
    __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)values));
    return _mm256_shuffle_epi8(_mm256_add_epi8(table, _mm256_set1_epi8((char)above)), nibbles);
}

INLINE __m256i load_iq4_nl(const uint8_t *block)
{
    return named_bytes(load_nibbles(block + 2), tensor_iq4_values, 0);
}

INLINE __m256i load_mxfp4(const uint8_t *block)
{
    return named_bytes(load_nibbles(block + 1), tensor_mxfp4_halves, 12);
}

INLINE __m256i load_q5_0(const uint8_t *block)
{
    return _mm256_or_si256(load_nibbles(block + 6), load_fifth_bits(block + 2));
}

INLINE __m256i load_q5_1(const uint8_t *block)
{
    return _mm256_or_si256(load_nibbles(block + 8), load_fifth_bits(block + 4));
}

INLINE __m256i load_q8_0(const uint8_t *block)
{
    return _mm256_loadu_si256((const __m256i *)(block + 2));
}

#define KIND_Q4_0 ((struct kind_32){sizeof(struct block_q4_0), 8, 8, false, low_half, load_q4_0})
#define KIND_Q4_1 ((struct kind_32){sizeof(struct block_q4_1), 0, 8, true, low_half, load_q4_1})
#define KIND_Q5_0 ((struct kind_32){sizeof(struct block_q5_0), 16, 4, false, low_half, load_q5_0})
#define KIND_Q5_1 ((struct kind_32){sizeof(struct block_q5_1), 0, 4, true, low_half, load_q5_1})
#define KIND_Q8_0 ((struct kind_32){sizeof(struct block_q8_0), 0, 0, false, low_half, load_q8_0})
#define KIND_IQ4_NL ((struct kind_32){sizeof(struct block_iq4_nl), 0, 0, false, low_half, load_iq4_nl})
#define KIND_MXFP4 ((struct kind_32){sizeof(struct block_mxfp4), 12, 4, false, exponent_scale, load_mxfp4})

/* Sums of two products, in words. Unsigned weights of at most 6 bits cannot pass 16 bits: 2 * 63 * 127. Signed ones
 * give their sign to the activation: 2 * 128 * 127 is below 2^15 still, and an activation is never -128. */
INLINE __m256i multiply_pairs(__m256i w, __m256i a, bool is_signed)
{
    if (is_signed)
        return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
    return _mm256_maddubs_epi16(w, a);
}

/* ---- blocks of 256: 32 weights at a time ---- */

struct kind_256 {
    int bytes;
    int shift;     /* the unsigned bytes are 1 << shift above the weights; 0: the bytes are the weights */
    int run;       /* as in kind_32 */
    int scales_at; /* where sixteen scales lie, one signed byte each; 0: nowhere */
    bool has_min;
    __m256i (*load)(const uint8_t *block, int sub);
    struct sixteen_headers (*headers)(const uint8_t *const *rows, int64_t at); /* NULL: as load_k_headers has it */
};

INLINE __m256i nibbles_of_sub(const uint8_t *qs, int sub)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(qs + sub / 2 * 32));
    return _mm256_and_si256(sub % 2 ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15));
}

INLINE __m256i load_q4_k(const uint8_t *block, int sub)
{
    return nibbles_of_sub(block + 16, sub);
}

/* `value` where the element's upper bit is set: bit `sub` of its byte. */
INLINE __m256i high_bits(const uint8_t *high, int sub, int value)
{
    __m256i bit = _mm256_set1_epi8((char)(1 << sub)), v = _mm256_loadu_si256((const __m256i *)high);
    return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(v, bit), bit), _mm256_set1_epi8((char)value));
}

INLINE __m256i load_q5_k(const uint8_t *block, int sub)
{
    return _mm256_or_si256(nibbles_of_sub(block + 48, sub), high_bits(block + 16, sub, 16));
}

INLINE __m256i load_q6_k(const uint8_t *block, int sub)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)(block + sub / 4 * 64 + sub % 2 * 32));
    __m256i high = _mm256_loadu_si256((const __m256i *)(block + 128 + sub / 4 * 32));
    low = _mm256_and_si256(sub % 4 / 2 ? _mm256_srli_epi16(low, 4) : low, _mm256_set1_epi8(15));
    high = _mm256_and_si256(_mm256_srli_epi16(high, sub % 4 * 2), _mm256_set1_epi8(3));
    return _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
}

INLINE __m256i two_bits(const uint8_t *qs, int sub)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(qs + sub / 4 * 32));
    return _mm256_and_si256(_mm256_srli_epi16(v, sub % 4 * 2), _mm256_set1_epi8(3));
}

INLINE __m256i load_q2_k(const uint8_t *block, int sub)
{
    return two_bits(block + 16, sub);
}

INLINE __m256i load_q3_k(const uint8_t *block, int sub)
{
    return _mm256_or_si256(two_bits(block + 32, sub), high_bits(block, sub, 4));
}

INLINE __m256i load_iq4_xs(const uint8_t *block, int sub)
{
    return named_bytes(load_nibbles(block + 8 + 16 * sub), tensor_iq4_values, 0);
}

#define KIND_Q2_K ((struct kind_256){sizeof(struct block_q2_k), 0, 4, 0, true, load_q2_k, load_q2_headers})
#define KIND_Q3_K ((struct kind_256){sizeof(struct block_q3_k), 2, 4, 0, false, load_q3_k, load_q3_headers})
#define KIND_Q4_K ((struct kind_256){sizeof(struct block_q4_k), 0, 8, 0, true, load_q4_k, NULL})
#define KIND_Q5_K ((struct kind_256){sizeof(struct block_q5_k), 0, 4, 0, true, load_q5_k, NULL})
#define KIND_Q6_K ((struct kind_256){sizeof(struct block_q6_k), 5, 2, 192, false, load_q6_k, load_q6_headers})
#define KIND_IQ4_XS ((struct kind_256){sizeof(struct block_iq4_xs), 0, 0, 0, false, load_iq4_xs, load_iq4_headers})

#endif
