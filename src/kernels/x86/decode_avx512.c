/* Quantised products with one token: the weights are streamed once, sixteen rows abreast, so that the chains of fused
 * multiply-adds over blocks overlap and the integer sums of sixteen rows fold into one vector. Bound by memory bandwidth. */
#include "kernels/x86/avx512.h"

#define ROWS 16

/* Sixteen rows from `row` on; past the end the last one stands in, so that the tail needs no code of its own. */
struct rows {
    const uint8_t *p[ROWS];
    int64_t ahead;       /* bytes from a block to the same one of the next group */
};

INLINE struct rows rows_at(const struct matmul *mm, int64_t row, int64_t end)
{
    struct rows rows;
    int64_t bytes = (int64_t)tensor_row_bytes(mm->type, mm->k);
    for (int r = 0; r < ROWS; r++)
        rows.p[r] = (const uint8_t *)mm->w + (row + r < end ? row + r : end - 1) * bytes;
    rows.ahead = ROWS * bytes;
    return rows;
}

INLINE void store_rows(const struct matmul *mm, int64_t row, int64_t end, __m512 sum)
{
    __mmask16 mask = mask_of(end - row);
    if (mm->accumulate)
        sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, mm->y + row), sum);
    _mm512_mask_storeu_ps(mm->y + row, mask, sum);
}

/* ---- blocks of 32 ---- */

INLINE __m512 add_block_32(struct kind_32 kind, const struct rows *rows, int64_t at, const struct act_block_32 *a, __m512 y)
{
    __m512i act = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)a->q));
    __m512i zero = _mm512_setzero_si512(), part[4];
    UNROLL
    for (int e = 0; e < 4; e++) {
        __m512i low = kind.pair(rows->p[e] + at, rows->p[e + 4] + at);
        __m512i high = kind.pair(rows->p[e + 8] + at, rows->p[e + 12] + at);
        part[e] = fold4_int(_mm512_dpbusd_epi32(zero, low, act), _mm512_dpbusd_epi32(zero, high, act));
    }
    __m512i isum = _mm512_sub_epi32(fold21_int(part), _mm512_set1_epi32(kind.offset * a->sum));
    __m512i header[4];
    load_headers(rows->p, at, header);
    __m512 da = _mm512_set1_ps(a->d);
    y = _mm512_fmadd_ps(_mm512_mul_ps(low_half(header[0]), da), _mm512_cvtepi32_ps(isum), y);
    if (kind.has_min)
        y = _mm512_fmadd_ps(_mm512_mul_ps(high_half(header[0]), da), _mm512_set1_ps((float)a->sum), y);
    return y;
}

INLINE void decode_32(struct kind_32 kind, const struct matmul *mm, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row += ROWS) {
        struct rows rows = rows_at(mm, row, end);
        const struct act_block_32 *act = mm->act;
        __m512 y = _mm512_setzero_ps();
        for (int64_t b = 0; b < mm->k / 32; b++) {
            if (b % 2 == 0)
                for (int r = 0; r < ROWS; r++)
                    prefetch_bytes(rows.p[r] + rows.ahead + b * kind.bytes, 2 * kind.bytes);
            y = add_block_32(kind, &rows, b * kind.bytes, act + b, y);
        }
        store_rows(mm, row, end, y);
    }
}

/* ---- blocks of 256 ---- */

/* Sixteen lanes that sum to the block's sum of scaled products; words[c] are the scales of quarter c. */
INLINE __m512i block_lanes(struct kind_256 kind, const uint8_t *block, const struct act_block_256 *a, const __m512i words[4],
                           __m512i acc)
{
    UNROLL
    for (int c = 0; c < 4; c++) {
        __m512i products = _mm512_maddubs_epi16(kind.quarter(block, c), _mm512_loadu_si512(a->q + 64 * c));
        acc = _mm512_dpwssd_epi32(acc, products, words[c]);
    }
    return acc;
}

/* Eight scales of one byte each. */
INLINE __m512i k_lanes(struct kind_256 kind, const uint8_t *block, const struct act_block_256 *a, uint64_t scales)
{
    __m512i words[4];
    UNROLL
    for (int c = 0; c < 4; c++) {
        __m512i index = _mm512_castsi256_si512(_mm256_set1_epi16((short)(0x8000 | 2 * c)));
        index = _mm512_inserti64x4(index, _mm256_set1_epi16((short)(0x8000 | (2 * c + 1))), 1);
        words[c] = _mm512_shuffle_epi8(_mm512_set1_epi64((int64_t)scales), index);
    }
    return block_lanes(kind, block, a, words, _mm512_setzero_si512());
}

/* The weights' bytes are 32 above: so much of the scaled sums of sixteen comes off first. */
INLINE __m512i q6_lanes(struct kind_256 kind, const uint8_t *block, const struct act_block_256 *a)
{
    const __m512i quarter = _mm512_setr_epi64(0, 0, 0x0001000100010001, 0x0001000100010001, 0x0002000200020002,
                                              0x0002000200020002, 0x0003000300030003, 0x0003000300030003);
    __m256i scales = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(block + 192)));
    __m256i above = _mm256_madd_epi16(scales, _mm256_loadu_si256((const __m256i *)a->sums));
    __m512i words[4], acc = _mm512_zextsi256_si512(_mm256_slli_epi32(above, 5));
    UNROLL
    for (int c = 0; c < 4; c++) {
        __m512i index = _mm512_add_epi16(quarter, _mm512_set1_epi16((short)(4 * c)));
        words[c] = _mm512_permutexvar_epi16(index, _mm512_castsi256_si512(scales));
    }
    return block_lanes(kind, block, a, words, _mm512_sub_epi32(_mm512_setzero_si512(), acc));
}

INLINE __m512i sum_mins(const __m512i min[2], const struct act_block_256 *a)
{
    __m512i sum = _mm512_setzero_si512();
    UNROLL
    for (int i = 0; i < 4; i++)
        sum = _mm512_dpwssd_epi32(sum, min_words(min[i / 2], i % 2), broadcast_dword(a->pair_sums + 2 * i));
    return sum;
}

INLINE __m512 add_block_k(struct kind_256 kind, const struct rows *rows, int64_t at, const struct act_block_256 *a, __m512 y)
{
    struct k_headers header = load_k_headers(rows->p, at);
    uint64_t scales[2][8];           /* of rows 4 i, 4 i + 1 and of rows 4 i + 2, 4 i + 3 */
    _mm512_storeu_si512(scales[0], _mm512_unpacklo_epi32(header.scale[0], header.scale[1]));
    _mm512_storeu_si512(scales[1], _mm512_unpackhi_epi32(header.scale[0], header.scale[1]));
    __m512i part[4];
    for (int e = 0; e < 4; e++) {
        __m512i v[4];
        UNROLL
        for (int i = 0; i < 4; i++) {
            const uint8_t *block = rows->p[e + 4 * i] + at;
            prefetch_bytes(block + rows->ahead, kind.bytes);
            v[i] = k_lanes(kind, block, a, scales[e / 2][2 * i + e % 2]);
        }
        part[e] = fold4_int(fold8_int(v[0], v[1]), fold8_int(v[2], v[3]));
    }
    __m512 da = _mm512_set1_ps(a->d);
    y = _mm512_fmadd_ps(_mm512_mul_ps(header.d, da), _mm512_cvtepi32_ps(fold21_int(part)), y);
    return _mm512_fnmadd_ps(_mm512_mul_ps(header.m, da), _mm512_cvtepi32_ps(sum_mins(header.min, a)), y);
}

INLINE __m512 add_block_q6(struct kind_256 kind, const struct rows *rows, int64_t at, const struct act_block_256 *a, __m512 y)
{
    __m512i part[4];
    for (int e = 0; e < 4; e++) {
        __m512i v[4];
        UNROLL
        for (int i = 0; i < 4; i++) {
            const uint8_t *block = rows->p[e + 4 * i] + at;
            prefetch_bytes(block + rows->ahead, kind.bytes);
            v[i] = q6_lanes(kind, block, a);
        }
        part[e] = fold4_int(fold8_int(v[0], v[1]), fold8_int(v[2], v[3]));
    }
    __m512 d = _mm512_mul_ps(load_q6_scale(rows->p, at), _mm512_set1_ps(a->d));
    return _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(fold21_int(part)), y);
}

INLINE void decode_256(struct kind_256 kind, const struct matmul *mm, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row += ROWS) {
        struct rows rows = rows_at(mm, row, end);
        const struct act_block_256 *act = mm->act;
        __m512 y = _mm512_setzero_ps();
        for (int64_t b = 0; b < mm->k / 256; b++)
            y = kind.is_q6 ? add_block_q6(kind, &rows, b * kind.bytes, act + b, y)
                           : add_block_k(kind, &rows, b * kind.bytes, act + b, y);
        store_rows(mm, row, end, y);
    }
}

void decode_avx512(const struct matmul *mm, int64_t begin, int64_t end)
{
    switch (mm->type) {
    case TENSOR_Q4_0:
        decode_32(KIND_Q4_0, mm, begin, end);
        break;
    case TENSOR_Q5_0:
        decode_32(KIND_Q5_0, mm, begin, end);
        break;
    case TENSOR_Q5_1:
        decode_32(KIND_Q5_1, mm, begin, end);
        break;
    case TENSOR_Q8_0:
        decode_32(KIND_Q8_0, mm, begin, end);
        break;
    case TENSOR_Q4_K:
        decode_256(KIND_Q4_K, mm, begin, end);
        break;
    case TENSOR_Q5_K:
        decode_256(KIND_Q5_K, mm, begin, end);
        break;
    default:
        decode_256(KIND_Q6_K, mm, begin, end);
        break;
    }
}
