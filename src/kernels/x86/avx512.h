/* What the AVX-512 kernels share: folds of sixteen lanes, exp, and quantised blocks as vectors of 64 unsigned bytes in
 * the order of K. Static inline throughout, for the reason level.h gives. */
#ifndef RUNG_KERNELS_X86_AVX512_H
#define RUNG_KERNELS_X86_AVX512_H

#include <immintrin.h>

#define PANEL_ROWS 32
#include "kernels/x86/panel.h"

/* Quantised products, all types: streamed for up to DECODE_TOKENS tokens, and for any number on tiles of panels. */
#define DECODE_TOKENS 4
void decode_avx512(const struct matmul *mm, int64_t begin, int64_t end);
void panel_unpack_avx512(enum tensor_type type, const struct source *s, struct panel *p, struct ahead *ahead);
void tile_avx512(const struct matmul *mm, int64_t begin, int64_t end, void *scratch);

/* ---- folds: each step adds lane i + n to lane i and packs two vectors into one ---- */

INLINE __m512 fold8(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

INLINE __m512 fold4(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

INLINE __m512 fold2(__m512 a, __m512 b)
{
    __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
    return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
}

INLINE __m512 fold1(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}

/* Sums of the lanes of v[0..15] in lanes 0..15. */
INLINE __m512 fold_sixteen(const __m512 v[16])
{
    __m512 part[4];
    for (int e = 0; e < 4; e++)
        part[e] = fold4(fold8(v[e], v[e + 4]), fold8(v[e + 8], v[e + 12]));
    return fold1(fold2(part[0], part[1]), fold2(part[2], part[3]));
}

INLINE float fold(__m512 v)
{
    v = fold4(fold8(v, v), fold8(v, v));
    return _mm512_cvtss_f32(fold1(fold2(v, v), fold2(v, v)));
}

INLINE __m512i fold8_int(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
}

INLINE __m512i fold4_int(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

/* The last two steps on the four vectors that fold4 left: lane 4 i + e is the sum of the i-th quarter of part[e]. */
INLINE __m512i fold21_int(const __m512i part[4])
{
    __m512i lo[2];
    for (int i = 0; i < 2; i++)
        lo[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(part[2 * i], part[2 * i + 1]),
                                 _mm512_unpackhi_epi64(part[2 * i], part[2 * i + 1]));
    __m512 a = _mm512_castsi512_ps(lo[0]), b = _mm512_castsi512_ps(lo[1]);
    return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xdd)));
}

INLINE __mmask16 mask_of(int64_t left)
{
    return left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
}

/* `left` elements exist; where that is known to be 16 or more, the compiler leaves the masks out. */
INLINE __m512 load_part(const float *p, int64_t left)
{
    return left >= 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(mask_of(left), p);
}

INLINE __m256i load_part_16bit(const uint16_t *p, int64_t left)
{
    return left >= 16 ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskz_loadu_epi16(mask_of(left), p);
}

/* acc where the lane is past the tail, else a b + acc. */
INLINE __m512 fmadd_part(__m512 a, __m512 b, __m512 acc, int64_t left)
{
    return left >= 16 ? _mm512_fmadd_ps(a, b, acc) : _mm512_mask3_fmadd_ps(a, b, acc, mask_of(left));
}

INLINE __m512 exp_avx512(__m512 x)
{
    /* The operand order lets a NaN through: max and min return the second operand for it. */
    x = _mm512_max_ps(_mm512_set1_ps(EXP_MIN), x);
    x = _mm512_min_ps(_mm512_set1_ps(EXP_MAX), x);
    __m512 rounded = _mm512_fmadd_ps(x, _mm512_set1_ps(EXP_LOG2E), _mm512_set1_ps(EXP_ROUND));
    __m512 nf = _mm512_sub_ps(rounded, _mm512_set1_ps(EXP_ROUND));
    __m512i n = _mm512_sub_epi32(_mm512_castps_si512(rounded), _mm512_set1_epi32(EXP_ROUND_BITS));
    __m512 r = _mm512_fmadd_ps(nf, _mm512_set1_ps(-EXP_LN2_HIGH), x);
    r = _mm512_fmadd_ps(nf, _mm512_set1_ps(-EXP_LN2_LOW), r);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(EXP_C7), r, _mm512_set1_ps(EXP_C6));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(EXP_C5));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(EXP_C4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(EXP_C3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(EXP_C2));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    __m512i half = _mm512_srai_epi32(n, 1), bias = _mm512_set1_epi32(127);
    __m512i low = _mm512_slli_epi32(_mm512_add_epi32(half, bias), 23);
    __m512i high = _mm512_slli_epi32(_mm512_add_epi32(_mm512_sub_epi32(n, half), bias), 23);
    return _mm512_mul_ps(_mm512_mul_ps(p, _mm512_castsi512_ps(low)), _mm512_castsi512_ps(high));
}

/* ---- sixteen rows at once, a row a lane ---- */

/* Four rows by four dwords in each quarter: to[c] holds dword c of the rows. */
INLINE void transpose_quarters(const __m512i rows[4], __m512i to[4])
{
    __m512i a = _mm512_unpacklo_epi32(rows[0], rows[1]), b = _mm512_unpacklo_epi32(rows[2], rows[3]);
    __m512i c = _mm512_unpackhi_epi32(rows[0], rows[1]), d = _mm512_unpackhi_epi32(rows[2], rows[3]);
    to[0] = _mm512_unpacklo_epi64(a, b);
    to[1] = _mm512_unpackhi_epi64(a, b);
    to[2] = _mm512_unpacklo_epi64(c, d);
    to[3] = _mm512_unpackhi_epi64(c, d);
}

/* The 16 bytes at `at` of each row: dword[c] holds bytes 4 c to 4 c + 3. */
INLINE void load_headers(const uint8_t *const *rows, int64_t at, __m512i dword[4])
{
    __m512i v[4];
    UNROLL
    for (int e = 0; e < 4; e++) {
        v[e] = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(rows[e] + at)));
        v[e] = _mm512_inserti32x4(v[e], _mm_loadu_si128((const __m128i *)(rows[e + 4] + at)), 1);
        v[e] = _mm512_inserti32x4(v[e], _mm_loadu_si128((const __m128i *)(rows[e + 8] + at)), 2);
        v[e] = _mm512_inserti32x4(v[e], _mm_loadu_si128((const __m128i *)(rows[e + 12] + at)), 3);
    }
    transpose_quarters(v, dword);
}

INLINE __m512 low_half(__m512i dword)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(dword));
}

INLINE __m512 high_half(__m512i dword)
{
    return low_half(_mm512_srli_epi32(dword, 16));
}

/* The first 16 bytes of Q4_K and Q5_K blocks. Four 6-bit scales or minima a lane, one byte each, as in struct k_scales.
 */
struct k_headers {
    __m512 d, m;
    __m512i scale[2], min[2];
};

INLINE struct k_headers load_k_headers(const uint8_t *const *rows, int64_t at)
{
    const __m512i six = _mm512_set1_epi32(0x3f3f3f3f), low = _mm512_set1_epi32(0x0f0f0f0f),
                  high = _mm512_set1_epi32(0x30303030);
    __m512i u[4];
    load_headers(rows, at, u);
    __m512i above = _mm512_srli_epi32(u[3], 4);
    return (struct k_headers){
        .d = low_half(u[0]),
        .m = high_half(u[0]),
        .scale = {_mm512_and_si512(u[1], six),
                  _mm512_or_si512(_mm512_and_si512(u[3], low), _mm512_and_si512(_mm512_srli_epi32(u[1], 2), high))},
        .min = {_mm512_and_si512(u[2], six),
                _mm512_or_si512(_mm512_and_si512(above, low), _mm512_and_si512(_mm512_srli_epi32(u[2], 2), high))},
    };
}

/* Two words a lane from four minima: 0 and 2, or 1 and 3, as pair_sums are ordered. */
INLINE __m512i min_words(__m512i min, int odd)
{
    return _mm512_and_si512(odd ? _mm512_srli_epi32(min, 8) : min, _mm512_set1_epi32(0x00ff00ff));
}

/* Scales and minima of blocks with sixteen of each: four signed bytes a lane, c holds those of the elements from 64 c
 * on.
 */
struct sixteen_headers {
    __m512 d, m;
    __m512i scale[4], min[4];
};

/* The halves at the end of every row's block: the last dword of it. */
INLINE __m512i load_last_dword(const uint8_t *const *rows, int64_t at, int block_bytes)
{
    __m512i dword[4];
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
    const __m512i nibble = _mm512_set1_epi8(15);
    __m512i last = load_last_dword(rows, at, sizeof(struct block_q2_k)), both[4];
    struct sixteen_headers h = {.d = low_half(last), .m = high_half(last)};
    load_headers(rows, at, both);
    UNROLL
    for (int c = 0; c < 4; c++) {
        h.scale[c] = _mm512_and_si512(both[c], nibble);
        h.min[c] = _mm512_and_si512(_mm512_srli_epi32(both[c], 4), nibble);
    }
    return h;
}

/* The last sixteen bytes: two that belong to the quants, twelve of scales, the half. */
INLINE struct sixteen_headers load_q3_headers(const uint8_t *const *rows, int64_t at)
{
    const __m512i nibble = _mm512_set1_epi8(15), two = _mm512_set1_epi8(3), above = _mm512_set1_epi8(32);
    __m512i v[4], u[3];
    load_headers(rows, at + 94, v);
    UNROLL
    for (int i = 0; i < 3; i++)
        u[i] = _mm512_or_si512(_mm512_srli_epi32(v[i], 16), _mm512_slli_epi32(v[i + 1], 16));
    struct sixteen_headers h = {.d = high_half(v[3])};
    UNROLL
    for (int c = 0; c < 4; c++) {
        __m512i low = _mm512_and_si512(_mm512_srli_epi32(u[c % 2], c / 2 * 4), nibble);
        __m512i high = _mm512_and_si512(_mm512_srli_epi32(u[2], 2 * c), two);
        h.scale[c] = _mm512_sub_epi8(_mm512_or_si512(low, _mm512_slli_epi32(high, 4)), above);
    }
    return h;
}

/* Two scales of 32 elements in each dword, each of them twice. */
INLINE struct sixteen_headers load_iq4_headers(const uint8_t *const *rows, int64_t at)
{
    const __m512i above = _mm512_set1_epi8(32), first = _mm512_set1_epi32(0x0f0f), last = _mm512_set1_epi32(0x0f0f0000);
    const __m512i byte = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    __m512i v[4];
    load_headers(rows, at, v);
    struct sixteen_headers h = {.d = low_half(v[0])};
    UNROLL
    for (int c = 0; c < 4; c++) {
        __m512i low = _mm512_shuffle_epi8(v[1], _mm512_add_epi8(byte, _mm512_set1_epi8((char)c)));
        __m512i high = _mm512_srli_epi32(v[0], 16 + 4 * c);
        low = _mm512_or_si512(_mm512_and_si512(low, first), _mm512_and_si512(_mm512_srli_epi32(low, 4), last));
        high = _mm512_or_si512(_mm512_and_si512(high, _mm512_set1_epi32(3)),
                               _mm512_slli_epi32(_mm512_and_si512(high, _mm512_set1_epi32(12)), 14));
        high = _mm512_slli_epi32(_mm512_or_si512(high, _mm512_slli_epi32(high, 8)), 4);
        h.scale[c] = _mm512_sub_epi8(_mm512_or_si512(low, high), above);
    }
    return h;
}

/* Two words a lane from the four signed bytes of a dword: the first two, or the last two. */
INLINE __m512i byte_words(__m512i dword, int last)
{
    /* Each into the upper half of a word, then down for the sign. */
    const __m512i lane = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04000400, 0x08000800, 0x0c000c00));
    __m512i index = _mm512_add_epi32(lane, _mm512_set1_epi32(last ? 0x03800280 : 0x01800080));
    return _mm512_srai_epi16(_mm512_shuffle_epi8(dword, index), 8);
}

/* A dword of the token in every lane. */
INLINE __m512i broadcast_dword(const void *p)
{
    int32_t dword;
    memcpy(&dword, p, sizeof dword);
    return _mm512_set1_epi32(dword);
}

INLINE void prefetch_bytes(const uint8_t *p, int bytes)
{
    for (int line = 0; line < bytes; line += 64)
        _mm_prefetch((const char *)p + line, _MM_HINT_T0);
}

/* ---- blocks of 32: the weights of two of them ---- */

struct kind_32 {
    int bytes;
    int nibbles_at; /* where the nibbles lie that are all there is to the weights; 0: there is more */
    int offset;     /* what the unsigned bytes are above the weights */
    bool has_min;
    __m512 (*scale)(__m512i first_dword);
    __m512i (*pair)(const uint8_t *a, const uint8_t *b); /* the weights of two blocks, or NULL: */
    __m512i (*named)(__m512i nibbles);                   /* the bytes that the nibbles stand for */
};

/* 2^(e - 128) as the product of two powers: the smallest are subnormal. */
INLINE __m512 exponent_scale(__m512i dword)
{
    const __m512i bias = _mm512_set1_epi32(127 - 64);
    __m512i e = _mm512_and_si512(dword, _mm512_set1_epi32(255)), half = _mm512_srli_epi32(e, 1);
    __m512i a = _mm512_slli_epi32(_mm512_add_epi32(half, bias), 23);
    __m512i b = _mm512_slli_epi32(_mm512_add_epi32(_mm512_sub_epi32(e, half), bias), 23);
    return _mm512_mul_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b));
}

/* Low nibbles of a, its high ones, then those of b. */
INLINE __m512i pair_nibbles(const uint8_t *a, const uint8_t *b)
{
    __m512i v = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)a));
    v = _mm512_mask_broadcast_i32x4(v, 0xff00, _mm_loadu_si128((const __m128i *)b));
    v = _mm512_srlv_epi64(v, _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4));
    return _mm512_and_si512(v, _mm512_set1_epi8(15));
}

INLINE __m512i pair_fifth_bits(__m512i v, const uint8_t *a, const uint8_t *b)
{
    uint32_t low, high;
    memcpy(&low, a, 4);
    memcpy(&high, b, 4);
    return _mm512_mask_add_epi8(v, (uint64_t)high << 32 | low, v, _mm512_set1_epi8(16));
}

/* What the nibbles name, plus `above`. */
INLINE __m512i named_bytes(__m512i nibbles, const int8_t values[16], int above)
{
    __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)values));
    return _mm512_shuffle_epi8(_mm512_add_epi8(table, _mm512_set1_epi8((char)above)), nibbles);
}

INLINE __m512i named_themselves(__m512i nibbles)
{
    return nibbles;
}

INLINE __m512i named_iq4(__m512i nibbles)
{
    return named_bytes(nibbles, tensor_iq4_values, 128);
}

INLINE __m512i named_mxfp4(__m512i nibbles)
{
    return named_bytes(nibbles, tensor_mxfp4_halves, 12);
}

INLINE __m512i pair_q5_0(const uint8_t *a, const uint8_t *b)
{
    return pair_fifth_bits(pair_nibbles(a + 6, b + 6), a + 2, b + 2);
}

INLINE __m512i pair_q5_1(const uint8_t *a, const uint8_t *b)
{
    return pair_fifth_bits(pair_nibbles(a + 8, b + 8), a + 4, b + 4);
}

INLINE __m512i pair_q8_0(const uint8_t *a, const uint8_t *b)
{
    __m512i v = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(a + 2)));
    v = _mm512_inserti64x4(v, _mm256_loadu_si256((const __m256i *)(b + 2)), 1);
    return _mm512_xor_si512(v, _mm512_set1_epi8(-128));
}

#define KIND_Q4_0 ((struct kind_32){sizeof(struct block_q4_0), 2, 8, false, low_half, NULL, named_themselves})
#define KIND_Q4_1 ((struct kind_32){sizeof(struct block_q4_1), 4, 0, true, low_half, NULL, named_themselves})
#define KIND_Q5_0 ((struct kind_32){sizeof(struct block_q5_0), 0, 16, false, low_half, pair_q5_0, NULL})
#define KIND_Q5_1 ((struct kind_32){sizeof(struct block_q5_1), 0, 0, true, low_half, pair_q5_1, NULL})
#define KIND_Q8_0 ((struct kind_32){sizeof(struct block_q8_0), 0, 128, false, low_half, pair_q8_0, NULL})
#define KIND_IQ4_NL ((struct kind_32){sizeof(struct block_iq4_nl), 2, 128, false, low_half, NULL, named_iq4})
#define KIND_MXFP4 ((struct kind_32){sizeof(struct block_mxfp4), 1, 12, false, exponent_scale, NULL, named_mxfp4})

/* ---- blocks of 256: 64 weights at a time ---- */

/* In which order a block's sixteen pieces of 16 elements come, four to a vector: the order that K has, or the one that
 * a vector of quants gives up with the fewest shifts. */
enum order {
    ORDER_K,
    ORDER_TWO_BITS, /* Q2_K and Q3_K: 64 bytes with the pieces of one shift of both halves */
    ORDER_NIBBLES   /* IQ4_XS: 64 bytes with the low nibbles of four sub-blocks, then with their high ones */
};

INLINE int piece_of(enum order order, int step, int i)
{
    if (order == ORDER_TWO_BITS)
        return i / 2 * 8 + 2 * step + i % 2;
    return order == ORDER_NIBBLES ? step / 2 * 8 + 2 * i + step % 2 : 4 * step + i;
}

struct kind_256 {
    int bytes;
    int shift;        /* the unsigned bytes are 1 << shift above the weights; 0: they are the weights */
    int scales_at;    /* where sixteen scales lie, one signed byte each; 0: nowhere */
    enum order order; /* of the steps; other than K's it needs headers */
    bool has_min;
    bool is_wide; /* a sum of two products passes 16 bits; steps 2 i and 2 i + 1 have the same scales */
    __m512i (*step)(const uint8_t *block, int step);                           /* 64 weights */
    struct sixteen_headers (*headers)(const uint8_t *const *rows, int64_t at); /* NULL: as load_k_headers has it */
};

INLINE __m512i broadcast_32_bytes(const uint8_t *p)
{
    return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)p));
}

/* The first 32 bytes shifted right by `low`, the last by `high`. */
INLINE __m512i shift_halves(__m512i v, int low, int high)
{
    return _mm512_srlv_epi64(v, _mm512_setr_epi64(low, low, low, low, high, high, high, high));
}

INLINE __m512i step_q4_k(const uint8_t *block, int c)
{
    return _mm512_and_si512(shift_halves(broadcast_32_bytes(block + 16 + 32 * c), 0, 4), _mm512_set1_epi8(15));
}

/* Where bit `first` of the 32 bytes is set, then where bit `second` is. */
INLINE __mmask64 test_high_bits(const uint8_t *high, int first, int second)
{
    __m512i bit = _mm512_castsi256_si512(_mm256_set1_epi8((char)(1 << first)));
    bit = _mm512_inserti64x4(bit, _mm256_set1_epi8((char)(1 << second)), 1);
    return _mm512_test_epi8_mask(broadcast_32_bytes(high), bit);
}

INLINE __m512i step_q5_k(const uint8_t *block, int c)
{
    __m512i v = _mm512_and_si512(shift_halves(broadcast_32_bytes(block + 48 + 32 * c), 0, 4), _mm512_set1_epi8(15));
    return _mm512_mask_add_epi8(v, test_high_bits(block + 16, 2 * c, 2 * c + 1), v, _mm512_set1_epi8(16));
}

/* Four bits from the low bytes; the two above them are rotated into place and picked from the high bytes. */
INLINE __m512i step_q6_k(const uint8_t *block, int c)
{
    const __m512i nibble = _mm512_set1_epi8(15), six = _mm512_set1_epi8(63);
    int first = c % 2 ? 0 : 4, second = c % 2 ? 62 : 2;
    __m512i low = _mm512_loadu_si512(block + 64 * (c / 2));
    __m512i high = broadcast_32_bytes(block + 128 + 32 * (c / 2));
    high = _mm512_rolv_epi64(high, _mm512_setr_epi64(first, first, first, first, second, second, second, second));
    low = c % 2 ? _mm512_srli_epi16(low, 4) : low;
    /* 0xca: where the first operand has a bit, the second's, else the third's */
    return _mm512_and_si512(_mm512_ternarylogic_epi32(nibble, low, high, 0xca), six);
}

INLINE __m512i two_bits_step(const uint8_t *qs, int step)
{
    return _mm512_and_si512(_mm512_srli_epi16(_mm512_loadu_si512(qs), (unsigned)(2 * step)), _mm512_set1_epi8(3));
}

INLINE __m512i step_q2_k(const uint8_t *block, int step)
{
    return two_bits_step(block + 16, step);
}

INLINE __m512i step_q3_k(const uint8_t *block, int step)
{
    __m512i v = two_bits_step(block + 32, step);
    return _mm512_mask_add_epi8(v, test_high_bits(block, step, 4 + step), v, _mm512_set1_epi8(4));
}

INLINE __m512i step_iq4_xs(const uint8_t *block, int step)
{
    __m512i v = _mm512_loadu_si512(block + 8 + 64 * (step / 2));
    return named_iq4(_mm512_and_si512(step % 2 ? _mm512_srli_epi16(v, 4) : v, _mm512_set1_epi8(15)));
}

#define KIND_Q2_K                                                                                                      \
    ((struct kind_256){sizeof(struct block_q2_k), 0, 0, ORDER_TWO_BITS, true, false, step_q2_k, load_q2_headers})
#define KIND_Q3_K                                                                                                      \
    ((struct kind_256){sizeof(struct block_q3_k), 2, 0, ORDER_TWO_BITS, false, false, step_q3_k, load_q3_headers})
#define KIND_Q4_K                                                                                                      \
    ((struct kind_256){sizeof(struct block_q4_k), 0, 0, ORDER_K, true, false, step_q4_k, NULL})
#define KIND_Q5_K                                                                                                      \
    ((struct kind_256){sizeof(struct block_q5_k), 0, 0, ORDER_K, true, false, step_q5_k, NULL})
#define KIND_Q6_K                                                                                                      \
    ((struct kind_256){sizeof(struct block_q6_k), 5, 192, ORDER_K, false, false, step_q6_k, load_q6_headers})
#define KIND_IQ4_XS                                                                                                    \
    ((struct kind_256){sizeof(struct block_iq4_xs), 7, 0, ORDER_NIBBLES, false, true, step_iq4_xs, load_iq4_headers})

#endif
