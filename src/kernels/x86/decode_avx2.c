/* Quantised products with one to four tokens: the weights are streamed once, eight rows abreast, so that the chains of
 * fused multiply-adds over blocks overlap and the integer sums of eight rows fold into one vector. */
#include "kernels/x86/avx2.h"

#define ROWS 8
#define MAX_TOKENS DECODE_TOKENS

/* Eight rows from `row` on; past the end the last one stands in, so that the tail needs no code of its own. */
struct rows {
    const uint8_t *p[ROWS];
    int64_t ahead; /* bytes from here to the next group */
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

INLINE const void *act_of(const struct matmul *mm, int token)
{
    return (const char *)mm->act + (size_t)token * act_row_bytes(act_format_of(mm->type), mm->k);
}

INLINE void store_rows(const struct matmul *mm, int64_t row, int64_t end, const __m256 *sums, int tokens)
{
    UNROLL
    for (int t = 0; t < tokens; t++) {
        float *y = mm->y + t * mm->y_stride + row;
        store_part(y, end - row, mm->accumulate ? _mm256_add_ps(load_part(y, end - row), sums[t]) : sums[t]);
    }
}

/* ---- blocks of 32 ---- */

INLINE void add_block_32(struct kind_32 kind, const struct rows *rows, int64_t at,
                         const struct act_block_32 *const *acts, int64_t b, int tokens, __m256 *y)
{
    __m256i lanes[MAX_TOKENS][ROWS], header[4];
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        __m256i w = kind.load(rows->p[r] + at);
        UNROLL
        for (int t = 0; t < tokens; t++) {
            __m256i products = multiply_pairs(w, _mm256_loadu_si256((const __m256i *)acts[t][b].q), kind.run == 0);
            lanes[t][r] = _mm256_madd_epi16(products, _mm256_set1_epi16(1));
        }
    }
    load_headers(rows->p, at, header);
    __m256 d = kind.scale(header[0]);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        const struct act_block_32 *a = &acts[t][b];
        __m256 da = _mm256_set1_ps(a->d);
        __m256i isum = _mm256_sub_epi32(fold_eight_int(lanes[t]), _mm256_set1_epi32(kind.offset * a->sum));
        y[t] = _mm256_fmadd_ps(_mm256_mul_ps(d, da), _mm256_cvtepi32_ps(isum), y[t]);
        if (kind.has_min)
            y[t] = _mm256_fmadd_ps(_mm256_mul_ps(high_half(header[0]), da), _mm256_set1_ps((float)a->sum), y[t]);
    }
}

INLINE void decode_32(struct kind_32 kind, const struct matmul *mm, int64_t begin, int64_t end, int tokens)
{
    const struct act_block_32 *acts[MAX_TOKENS];
    for (int t = 0; t < tokens; t++)
        acts[t] = act_of(mm, t);
    for (int64_t row = begin; row < end; row += ROWS) {
        struct rows rows = rows_at(mm, row, end);
        __m256 y[MAX_TOKENS];
        UNROLL
        for (int t = 0; t < tokens; t++)
            y[t] = _mm256_setzero_ps();
        for (int64_t b = 0; b < mm->k / 32; b++) {
            if (b % 2 == 0)
                for (int r = 0; r < ROWS; r++)
                    prefetch_bytes(rows.p[r] + rows.ahead + b * kind.bytes, 2 * kind.bytes);
            add_block_32(kind, &rows, b * kind.bytes, acts, b, tokens, y);
        }
        store_rows(mm, row, end, y, tokens);
    }
}

/* ---- blocks of 256 ---- */

/* The scales of sub-block `sub` as words, from a vector that repeats a block's scale bytes. */
INLINE __m256i scale_words(bool is_sixteen, __m256i bytes, int sub)
{
    if (!is_sixteen)
        return _mm256_shuffle_epi8(bytes, _mm256_set1_epi16((short)(0x8000 | sub)));
    /* Two scales, each lifted into the high byte of its words, then down for the sign. */
    __m128i first = _mm_set1_epi16((short)(sub << 9 | 0x80)), second = _mm_set1_epi16((short)(sub << 9 | 0x180));
    return _mm256_srai_epi16(_mm256_shuffle_epi8(bytes, _mm256_setr_m128i(first, second)), 8);
}

/* lanes[t] = what the sums of a row's block begin with. Where the weights' bytes are above the weights, so much of the
 * scaled sums of sixteen comes off first. */
INLINE void begin_lanes(struct kind_256 kind, const struct act_block_256 *const *acts, int64_t b, int tokens,
                        __m128i scales, __m256i *lanes)
{
    __m256i words = _mm256_cvtepi8_epi16(scales);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        lanes[t] = _mm256_setzero_si256();
        if (kind.shift > 0) {
            __m256i above = _mm256_madd_epi16(words, _mm256_loadu_si256((const __m256i *)acts[t][b].sums));
            lanes[t] = _mm256_sub_epi32(lanes[t], _mm256_slli_epi32(above, kind.shift));
        }
    }
}

/* lanes[t] = eight lanes that sum to a row's block; its scales are sixteen or eight bytes. */
INLINE void block_lanes(struct kind_256 kind, const uint8_t *block, const struct act_block_256 *const *acts, int64_t b,
                        int tokens, const uint8_t *scales, __m256i *lanes)
{
    __m128i bytes = kind.headers ? _mm_loadu_si128((const __m128i *)scales)
                                 : _mm_broadcastq_epi64(_mm_loadl_epi64((const __m128i *)scales));
    begin_lanes(kind, acts, b, tokens, bytes, lanes);
    UNROLL
    for (int sub = 0; sub < 8; sub++) {
        __m256i w = kind.load(block, sub);
        __m256i words = scale_words(kind.headers != NULL, _mm256_broadcastsi128_si256(bytes), sub);
        UNROLL
        for (int t = 0; t < tokens; t++) {
            __m256i act = _mm256_loadu_si256((const __m256i *)(acts[t][b].q + 32 * sub));
            __m256i products = multiply_pairs(w, act, kind.run == 0);
            lanes[t] = _mm256_add_epi32(lanes[t], _mm256_madd_epi16(products, words));
        }
    }
}

INLINE __m256 sum_mins(const __m256i min[2], const struct act_block_256 *a)
{
    __m256i sum = _mm256_setzero_si256();
    UNROLL
    for (int i = 0; i < 4; i++)
        sum = _mm256_add_epi32(sum,
                               _mm256_madd_epi16(min_words(min[i / 2], i % 2), broadcast_dword(a->pair_sums + 2 * i)));
    return _mm256_cvtepi32_ps(sum);
}

/* sums[t] = the eight rows' integer sums; row r's scales as in block_lanes, r * stride bytes from the first. */
INLINE void block_sums(struct kind_256 kind, const struct rows *rows, int64_t at,
                       const struct act_block_256 *const *acts, int64_t b, int tokens, const uint8_t *scales,
                       int64_t stride, __m256 *sums)
{
    __m256i lanes[MAX_TOKENS][ROWS];
    for (int r = 0; r < ROWS; r++) {
        __m256i row_lanes[MAX_TOKENS];
        const uint8_t *block = rows->p[r] + at;
        /* The next group in the order of memory, as much of it as this step takes of this one. */
        prefetch_bytes(rows->p[0] + rows->ahead + (b * ROWS + r) * kind.bytes, kind.bytes);
        block_lanes(kind, block, acts, b, tokens, kind.scales_at ? block + kind.scales_at : scales + r * stride,
                    row_lanes);
        UNROLL
        for (int t = 0; t < tokens; t++)
            lanes[t][r] = row_lanes[t];
    }
    UNROLL
    for (int t = 0; t < tokens; t++)
        sums[t] = _mm256_cvtepi32_ps(fold_eight_int(lanes[t]));
}

INLINE void add_block_k(struct kind_256 kind, const struct rows *rows, int64_t at,
                        const struct act_block_256 *const *acts, int64_t b, int tokens, __m256 *y)
{
    struct k_headers header = load_k_headers(rows->p, at);
    uint8_t scales[ROWS][8];
    __m256 sums[MAX_TOKENS];
    __m256i low = _mm256_unpacklo_epi32(header.scale[0], header.scale[1]);
    __m256i high = _mm256_unpackhi_epi32(header.scale[0], header.scale[1]);
    _mm256_storeu_si256((__m256i *)scales[0], _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256((__m256i *)scales[4], _mm256_permute2x128_si256(low, high, 0x31));
    block_sums(kind, rows, at, acts, b, tokens, scales[0], sizeof scales[0], sums);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        __m256 da = _mm256_set1_ps(acts[t][b].d);
        y[t] = _mm256_fmadd_ps(_mm256_mul_ps(header.d, da), sums[t], y[t]);
        y[t] = _mm256_fnmadd_ps(_mm256_mul_ps(header.m, da), sum_mins(header.min, &acts[t][b]), y[t]);
    }
}

INLINE void store_two_rows(uint8_t *low_row, uint8_t *high_row, __m256i v)
{
    _mm_storeu_si128((__m128i *)low_row, _mm256_castsi256_si128(v));
    _mm_storeu_si128((__m128i *)high_row, _mm256_extracti128_si256(v, 1));
}

/* Sixteen bytes a row. */
INLINE void store_row_scales(const __m256i scale[4], uint8_t to[ROWS][16])
{
    __m256i a = _mm256_unpacklo_epi32(scale[0], scale[1]), b = _mm256_unpacklo_epi32(scale[2], scale[3]);
    __m256i c = _mm256_unpackhi_epi32(scale[0], scale[1]), d = _mm256_unpackhi_epi32(scale[2], scale[3]);
    store_two_rows(to[0], to[4], _mm256_unpacklo_epi64(a, b));
    store_two_rows(to[1], to[5], _mm256_unpackhi_epi64(a, b));
    store_two_rows(to[2], to[6], _mm256_unpacklo_epi64(c, d));
    store_two_rows(to[3], to[7], _mm256_unpackhi_epi64(c, d));
}

INLINE __m256 sum_sixteen_mins(const __m256i min[4], const struct act_block_256 *a)
{
    __m256i sum = _mm256_setzero_si256();
    UNROLL
    for (int i = 0; i < 8; i++)
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(byte_words(min[i / 2], i % 2), broadcast_dword(a->sums + 2 * i)));
    return _mm256_cvtepi32_ps(sum);
}

INLINE void add_block_sixteen(struct kind_256 kind, const struct rows *rows, int64_t at,
                              const struct act_block_256 *const *acts, int64_t b, int tokens, __m256 *y)
{
    struct sixteen_headers header = kind.headers(rows->p, at);
    uint8_t scales[ROWS][16];
    __m256 sums[MAX_TOKENS];
    if (!kind.scales_at)
        store_row_scales(header.scale, scales);
    block_sums(kind, rows, at, acts, b, tokens, scales[0], sizeof scales[0], sums);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        __m256 da = _mm256_set1_ps(acts[t][b].d);
        y[t] = _mm256_fmadd_ps(_mm256_mul_ps(header.d, da), sums[t], y[t]);
        if (kind.has_min)
            y[t] = _mm256_fnmadd_ps(_mm256_mul_ps(header.m, da), sum_sixteen_mins(header.min, &acts[t][b]), y[t]);
    }
}

INLINE void decode_256(struct kind_256 kind, const struct matmul *mm, int64_t begin, int64_t end, int tokens)
{
    const struct act_block_256 *acts[MAX_TOKENS];
    for (int t = 0; t < tokens; t++)
        acts[t] = act_of(mm, t);
    for (int64_t row = begin; row < end; row += ROWS) {
        struct rows rows = rows_at(mm, row, end);
        __m256 y[MAX_TOKENS];
        UNROLL
        for (int t = 0; t < tokens; t++)
            y[t] = _mm256_setzero_ps();
        for (int64_t b = 0; b < mm->k / 256; b++) {
            if (kind.headers)
                add_block_sixteen(kind, &rows, b * kind.bytes, acts, b, tokens, y);
            else
                add_block_k(kind, &rows, b * kind.bytes, acts, b, tokens, y);
        }
        store_rows(mm, row, end, y, tokens);
    }
}

#include "kernels/x86/decode_any.h"

void decode_avx2(const struct matmul *mm, int64_t begin, int64_t end)
{
    decode_any(mm, begin, end);
}
