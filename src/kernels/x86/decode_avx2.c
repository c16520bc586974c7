/* Quantised products with one token: the weights are streamed once, eight rows abreast, so that the chains of fused
 * multiply-adds over blocks overlap and the integer sums of eight rows fold into one vector. */
#include "kernels/x86/avx2.h"

#define ROWS 8

/* Eight rows from `row` on; past the end the last one stands in, so that the tail needs no code of its own. */
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

INLINE void store_rows(const struct matmul *mm, int64_t row, int64_t end, __m256 sum)
{
    if (mm->accumulate)
        sum = _mm256_add_ps(load_part(mm->y + row, end - row), sum);
    store_part(mm->y + row, end - row, sum);
}

/* The half float at byte `at` of each row, widened. */
INLINE __m256 halves_at(const struct rows *rows, int64_t at)
{
    uint16_t h[ROWS];
    for (int r = 0; r < ROWS; r++)
        memcpy(&h[r], rows->p[r] + at, 2);
    return _mm256_cvtph_ps(_mm_setr_epi16((short)h[0], (short)h[1], (short)h[2], (short)h[3], (short)h[4], (short)h[5],
                                          (short)h[6], (short)h[7]));
}

INLINE void prefetch_block(const uint8_t *p, int bytes)
{
    for (int line = 0; line < bytes; line += 64)
        _mm_prefetch((const char *)p + line, _MM_HINT_T0);
}

/* ---- blocks of 32 ---- */

INLINE __m256 add_block_32(struct kind_32 kind, const struct rows *rows, int64_t at, const struct act_block_32 *a, __m256 y)
{
    __m256i act = _mm256_loadu_si256((const __m256i *)a->q), v[ROWS];
    UNROLL
    for (int r = 0; r < ROWS; r++)
        v[r] = _mm256_madd_epi16(multiply_pairs(kind.load(rows->p[r] + at), act, kind.run == 0), _mm256_set1_epi16(1));
    __m256i isum = _mm256_sub_epi32(fold_eight_int(v), _mm256_set1_epi32(kind.offset * a->sum));
    __m256 da = _mm256_set1_ps(a->d);
    y = _mm256_fmadd_ps(_mm256_mul_ps(halves_at(rows, at), da), _mm256_cvtepi32_ps(isum), y);
    if (kind.has_min)
        y = _mm256_fmadd_ps(_mm256_mul_ps(halves_at(rows, at + 2), da), _mm256_set1_ps((float)a->sum), y);
    return y;
}

INLINE void decode_32(struct kind_32 kind, const struct matmul *mm, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row += ROWS) {
        struct rows rows = rows_at(mm, row, end);
        const struct act_block_32 *act = mm->act;
        __m256 y = _mm256_setzero_ps();
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

/* The scales of sub-block `sub` as words, from a block's scale bytes: lifted into the high byte, then shifted for the sign. */
INLINE __m256i scale_words(bool is_q6, __m256i bytes, int sub)
{
    int low = is_q6 ? 2 * sub : sub, high = is_q6 ? 2 * sub + 1 : sub;
    __m256i index = _mm256_setr_m128i(_mm_set1_epi16((short)(low << 8 | 0x80)), _mm_set1_epi16((short)(high << 8 | 0x80)));
    return _mm256_srai_epi16(_mm256_shuffle_epi8(bytes, index), 8);
}

/* One row's block: eight lanes that sum to its integer sum; its minima go to *mins. */
INLINE __m256i block_lanes(struct kind_256 kind, const uint8_t *block, const struct act_block_256 *a, int row,
                           struct row_mins *mins)
{
    __m256i acc = _mm256_setzero_si256(), bytes;
    if (kind.is_q6) {
        __m128i scales = _mm_loadu_si128((const __m128i *)(block + kind.scales_at));
        __m256i above = _mm256_madd_epi16(_mm256_cvtepi8_epi16(scales), _mm256_loadu_si256((const __m256i *)a->sums));
        bytes = _mm256_broadcastsi128_si256(scales);
        acc = _mm256_sub_epi32(acc, _mm256_slli_epi32(above, 5));
    } else {
        struct k_scales s = k_scales_unpack(block + kind.scales_at);
        mins->min[0][row] = s.min[0];
        mins->min[1][row] = s.min[1];
        bytes = _mm256_set1_epi64x((int64_t)((uint64_t)s.scale[1] << 32 | s.scale[0]));
    }
    UNROLL
    for (int sub = 0; sub < 8; sub++) {
        __m256i products = _mm256_maddubs_epi16(kind.load(block, sub), _mm256_loadu_si256((const __m256i *)(a->q + 32 * sub)));
        acc = _mm256_add_epi32(acc, _mm256_madd_epi16(products, scale_words(kind.is_q6, bytes, sub)));
    }
    return acc;
}

INLINE __m256i sum_mins(const struct row_mins *mins, const struct act_block_256 *a)
{
    __m256i sum = _mm256_setzero_si256(), low_bytes = _mm256_set1_epi32(0x00ff00ff);
    for (int half = 0; half < 2; half++) {
        __m256i m = _mm256_loadu_si256((const __m256i *)mins->min[half]);
        int32_t sums[2];
        memcpy(sums, a->pair_sums + 4 * half, sizeof sums);
        __m256i even = _mm256_and_si256(m, low_bytes), odd = _mm256_and_si256(_mm256_srli_epi32(m, 8), low_bytes);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even, _mm256_set1_epi32(sums[0])));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(odd, _mm256_set1_epi32(sums[1])));
    }
    return sum;
}

INLINE __m256 add_block_256(struct kind_256 kind, const struct rows *rows, int64_t at, const struct act_block_256 *a, __m256 y)
{
    struct row_mins mins;
    __m256i v[ROWS];
    for (int r = 0; r < ROWS; r++) {
        prefetch_block(rows->p[r] + at + rows->ahead, kind.bytes);
        v[r] = block_lanes(kind, rows->p[r] + at, a, r, &mins);
    }
    __m256 da = _mm256_set1_ps(a->d);
    y = _mm256_fmadd_ps(_mm256_mul_ps(halves_at(rows, at + kind.d_at), da), _mm256_cvtepi32_ps(fold_eight_int(v)), y);
    if (kind.is_q6)
        return y;
    __m256 m = _mm256_mul_ps(halves_at(rows, at + kind.d_at + 2), da);
    return _mm256_fnmadd_ps(m, _mm256_cvtepi32_ps(sum_mins(&mins, a)), y);
}

INLINE void decode_256(struct kind_256 kind, const struct matmul *mm, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row += ROWS) {
        struct rows rows = rows_at(mm, row, end);
        const struct act_block_256 *act = mm->act;
        __m256 y = _mm256_setzero_ps();
        for (int64_t b = 0; b < mm->k / 256; b++)
            y = add_block_256(kind, &rows, b * kind.bytes, act + b, y);
        store_rows(mm, row, end, y);
    }
}

void decode_avx2(const struct matmul *mm, int64_t begin, int64_t end)
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
