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

/* The half float at byte `at` of each row, widened. */
INLINE __m512 halves_at(const struct rows *rows, int64_t at)
{
    uint16_t h[ROWS];
    for (int r = 0; r < ROWS; r++)
        memcpy(&h[r], rows->p[r] + at, 2);
    return _mm512_cvtph_ps(_mm256_setr_epi16(
        (short)h[0], (short)h[1], (short)h[2], (short)h[3], (short)h[4], (short)h[5], (short)h[6], (short)h[7],
        (short)h[8], (short)h[9], (short)h[10], (short)h[11], (short)h[12], (short)h[13], (short)h[14], (short)h[15]));
}

INLINE void prefetch_block(const uint8_t *p, int bytes)
{
    for (int line = 0; line < bytes; line += 64)
        _mm_prefetch((const char *)p + line, _MM_HINT_T0);
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
    __m512 da = _mm512_set1_ps(a->d);
    y = _mm512_fmadd_ps(_mm512_mul_ps(halves_at(rows, at), da), _mm512_cvtepi32_ps(isum), y);
    if (kind.has_min)
        y = _mm512_fmadd_ps(_mm512_mul_ps(halves_at(rows, at + 2), da), _mm512_set1_ps((float)a->sum), y);
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
                    prefetch_block(rows.p[r] + rows.ahead + b * kind.bytes, 2 * kind.bytes);
            y = add_block_32(kind, &rows, b * kind.bytes, act + b, y);
        }
        store_rows(mm, row, end, y);
    }
}

/* ---- blocks of 256 ---- */

/* Minima of the rows, four bytes a lane: sub-blocks 0 to 3 and 4 to 7. */
struct row_mins {
    uint32_t min[2][ROWS];
};

/* Which of a block's scales each word of quarter c takes. */
INLINE __m512i scale_index(bool is_q6, int c)
{
    __m512i index = _mm512_setr_epi64(0, 0, 0x0001000100010001, 0x0001000100010001, 0x0002000200020002,
                                      0x0002000200020002, 0x0003000300030003, 0x0003000300030003);
    if (!is_q6)
        index = _mm512_srli_epi16(index, 1);
    return _mm512_add_epi16(index, _mm512_set1_epi16((short)(is_q6 ? 4 * c : 2 * c)));
}

/* One row's block: sixteen lanes that sum to its integer sum; its minima go to *mins. */
INLINE __m512i block_lanes(struct kind_256 kind, const uint8_t *block, const struct act_block_256 *a, int row,
                           struct row_mins *mins)
{
    __m512i acc = _mm512_setzero_si512(), words;
    if (kind.is_q6) {
        __m256i scales = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(block + kind.scales_at)));
        __m256i above = _mm256_madd_epi16(scales, _mm256_loadu_si256((const __m256i *)a->sums));
        words = _mm512_castsi256_si512(scales);
        acc = _mm512_sub_epi32(acc, _mm512_zextsi256_si512(_mm256_slli_epi32(above, 5)));
    } else {
        struct k_scales s = k_scales_unpack(block + kind.scales_at);
        mins->min[0][row] = s.min[0];
        mins->min[1][row] = s.min[1];
        words = _mm512_castsi128_si512(_mm_cvtepu8_epi16(_mm_cvtsi64_si128((int64_t)((uint64_t)s.scale[1] << 32 | s.scale[0]))));
    }
    UNROLL
    for (int c = 0; c < 4; c++) {
        __m512i products = _mm512_maddubs_epi16(kind.quarter(block, c), _mm512_loadu_si512(a->q + 64 * c));
        acc = _mm512_dpwssd_epi32(acc, products, _mm512_permutexvar_epi16(scale_index(kind.is_q6, c), words));
    }
    return acc;
}

INLINE __m512i sum_mins(const struct row_mins *mins, const struct act_block_256 *a)
{
    __m512i sum = _mm512_setzero_si512(), low_bytes = _mm512_set1_epi32(0x00ff00ff);
    for (int half = 0; half < 2; half++) {
        __m512i m = _mm512_loadu_si512(mins->min[half]);
        int32_t sums[2];
        memcpy(sums, a->pair_sums + 4 * half, sizeof sums);
        sum = _mm512_dpwssd_epi32(sum, _mm512_and_si512(m, low_bytes), _mm512_set1_epi32(sums[0]));
        sum = _mm512_dpwssd_epi32(sum, _mm512_and_si512(_mm512_srli_epi32(m, 8), low_bytes), _mm512_set1_epi32(sums[1]));
    }
    return sum;
}

INLINE __m512 add_block_256(struct kind_256 kind, const struct rows *rows, int64_t at, const struct act_block_256 *a, __m512 y)
{
    struct row_mins mins;
    __m512i part[4];
    UNROLL
    for (int e = 0; e < 4; e++) {
        __m512i v[4];
        UNROLL
        for (int i = 0; i < 4; i++) {
            const uint8_t *block = rows->p[e + 4 * i] + at;
            prefetch_block(block + rows->ahead, kind.bytes);
            v[i] = block_lanes(kind, block, a, e + 4 * i, &mins);
        }
        part[e] = fold4_int(fold8_int(v[0], v[1]), fold8_int(v[2], v[3]));
    }
    __m512 da = _mm512_set1_ps(a->d);
    y = _mm512_fmadd_ps(_mm512_mul_ps(halves_at(rows, at + kind.d_at), da), _mm512_cvtepi32_ps(fold21_int(part)), y);
    if (kind.is_q6)
        return y;
    __m512 m = _mm512_mul_ps(halves_at(rows, at + kind.d_at + 2), da);
    return _mm512_fnmadd_ps(m, _mm512_cvtepi32_ps(sum_mins(&mins, a)), y);
}

INLINE void decode_256(struct kind_256 kind, const struct matmul *mm, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row += ROWS) {
        struct rows rows = rows_at(mm, row, end);
        const struct act_block_256 *act = mm->act;
        __m512 y = _mm512_setzero_ps();
        for (int64_t b = 0; b < mm->k / 256; b++)
            y = add_block_256(kind, &rows, b * kind.bytes, act + b, y);
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
