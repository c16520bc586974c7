/* Quantised products with one to four tokens: the weights are streamed once, sixteen rows abreast, so that the chains
 * of fused multiply-adds over blocks overlap and the integer sums of sixteen rows fold into one vector. Bound by memory
 * bandwidth. */
#include "kernels/x86/avx512.h"

#define ROWS 16
#define MAX_TOKENS DECODE_TOKENS

/* Sixteen rows from `row` on; past the end the last one stands in, so that the tail needs no code of its own. */
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

INLINE void store_rows(const struct matmul *mm, int64_t row, int64_t end, const __m512 *sums, int tokens)
{
    __mmask16 mask = mask_of(end - row);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        float *y = mm->y + t * mm->y_stride + row;
        _mm512_mask_storeu_ps(y, mask,
                              mm->accumulate ? _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), sums[t]) : sums[t]);
    }
}

/* The sixteen rows' sums of a block, from part[e]: rows e, e + 4, e + 8 and e + 12. */
INLINE __m512 block_sums(const __m512i part[4], int32_t above)
{
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(fold21_int(part), _mm512_set1_epi32(above)));
}

/* ---- blocks of 32 ---- */

INLINE void add_block_32(struct kind_32 kind, const struct rows *rows, int64_t at,
                         const struct act_block_32 *const *acts, int64_t b, int tokens, __m512 *y)
{
    __m512i zero = _mm512_setzero_si512(), part[MAX_TOKENS][4], header[4];
    load_headers(rows->p, at, header);
    UNROLL
    for (int e = 0; e < 4; e++) {
        __m512i low = kind.pair(rows->p[e] + at, rows->p[e + 4] + at);
        __m512i high = kind.pair(rows->p[e + 8] + at, rows->p[e + 12] + at);
        UNROLL
        for (int t = 0; t < tokens; t++) {
            __m512i act = broadcast_32_bytes((const uint8_t *)acts[t][b].q);
            part[t][e] = fold4_int(_mm512_dpbusd_epi32(zero, low, act), _mm512_dpbusd_epi32(zero, high, act));
        }
    }
    __m512 d = kind.scale(header[0]);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        const struct act_block_32 *a = &acts[t][b];
        __m512 da = _mm512_set1_ps(a->d);
        y[t] = _mm512_fmadd_ps(_mm512_mul_ps(d, da), block_sums(part[t], kind.offset * a->sum), y[t]);
        if (kind.has_min)
            y[t] = _mm512_fmadd_ps(_mm512_mul_ps(high_half(header[0]), da), _mm512_set1_ps((float)a->sum), y[t]);
    }
}

INLINE void decode_32(struct kind_32 kind, const struct matmul *mm, int64_t begin, int64_t end, int tokens)
{
    const struct act_block_32 *acts[MAX_TOKENS];
    for (int t = 0; t < tokens; t++)
        acts[t] = act_of(mm, t);
    for (int64_t row = begin; row < end; row += ROWS) {
        struct rows rows = rows_at(mm, row, end);
        __m512 y[MAX_TOKENS];
        UNROLL
        for (int t = 0; t < tokens; t++)
            y[t] = _mm512_setzero_ps();
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

/* Which of a block's scales each word of quarter c takes: by bytes of a vector that repeats eight of them, */
INLINE __m512i k_scale_index(int c)
{
    __m512i index = _mm512_castsi256_si512(_mm256_set1_epi16((short)(0x8000 | 2 * c)));
    return _mm512_inserti64x4(index, _mm256_set1_epi16((short)(0x8000 | (2 * c + 1))), 1);
}

/* and by words of a vector that holds sixteen. */
INLINE __m512i sixteen_scale_index(int c)
{
    const __m512i quarter = _mm512_setr_epi64(0, 0, 0x0001000100010001, 0x0001000100010001, 0x0002000200020002,
                                              0x0002000200020002, 0x0003000300030003, 0x0003000300030003);
    return _mm512_add_epi16(quarter, _mm512_set1_epi16((short)(4 * c)));
}

/* Products of 64 weights with a token's bytes, four to a lane, times the scales' words. */
INLINE __m512i scaled_products(bool is_wide, __m512i w, const int8_t *q, __m512i words, __m512i sum)
{
    __m512i act = _mm512_loadu_si512(q);
    if (!is_wide)
        return _mm512_dpwssd_epi32(sum, _mm512_maddubs_epi16(w, act), words);
    __m512i dots = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w, act);
    return _mm512_add_epi32(sum, _mm512_mullo_epi32(dots, _mm512_srai_epi32(words, 16)));
}

/* lanes[t] += sixteen lanes that sum to the scaled products of a row's block; words[c] are the scales of quarter c. */
INLINE void add_products(struct kind_256 kind, const uint8_t *block, const struct act_block_256 *const *acts, int64_t b,
                         int tokens, const __m512i words[4], __m512i *lanes)
{
    UNROLL
    for (int c = 0; c < 4; c++) {
        __m512i w = kind.quarter(block, c);
        UNROLL
        for (int t = 0; t < tokens; t++)
            lanes[t] = scaled_products(kind.is_wide, w, acts[t][b].q + 64 * c, words[c], lanes[t]);
    }
}

/* Eight scales of one byte each. */
INLINE void k_lanes(struct kind_256 kind, const uint8_t *block, const struct act_block_256 *const *acts, int64_t b,
                    int tokens, const uint8_t *scales, __m512i *lanes)
{
    __m512i words[4];
    int64_t eight;
    memcpy(&eight, scales, sizeof eight);
    UNROLL
    for (int c = 0; c < 4; c++)
        words[c] = _mm512_shuffle_epi8(_mm512_set1_epi64(eight), k_scale_index(c));
    UNROLL
    for (int t = 0; t < tokens; t++)
        lanes[t] = _mm512_setzero_si512();
    add_products(kind, block, acts, b, tokens, words, lanes);
}

/* Sixteen scales of one signed byte each. Where the weights' bytes are above the weights, so much of the scaled sums of
 * sixteen comes off first. */
INLINE void sixteen_lanes(struct kind_256 kind, const uint8_t *block, const struct act_block_256 *const *acts,
                          int64_t b, int tokens, const uint8_t *scales, __m512i *lanes)
{
    __m256i sixteen = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)scales));
    __m512i words[4];
    UNROLL
    for (int c = 0; c < 4; c++)
        words[c] = _mm512_permutexvar_epi16(sixteen_scale_index(c), _mm512_castsi256_si512(sixteen));
    UNROLL
    for (int t = 0; t < tokens; t++) {
        lanes[t] = _mm512_setzero_si512();
        if (kind.shift > 0) {
            __m256i above = _mm256_madd_epi16(sixteen, _mm256_loadu_si256((const __m256i *)acts[t][b].sums));
            lanes[t] = _mm512_sub_epi32(lanes[t], _mm512_zextsi256_si512(_mm256_slli_epi32(above, kind.shift)));
        }
    }
    add_products(kind, block, acts, b, tokens, words, lanes);
}

/* part[t][e] for the rows e, e + 4, e + 8 and e + 12; scales[i] are those of row e + 4 i. */
INLINE void part_256(struct kind_256 kind, const struct rows *rows, int64_t at, const struct act_block_256 *const *acts,
                     int64_t b, int tokens, const uint8_t *const scales[4], int e, __m512i part[][4])
{
    __m512i lanes[4][MAX_TOKENS];
    UNROLL
    for (int i = 0; i < 4; i++) {
        const uint8_t *block = rows->p[e + 4 * i] + at;
        /* The next group in the order of memory, as much of it as this step takes of this one. */
        prefetch_bytes(rows->p[0] + rows->ahead + ((4 * b + e) * 4 + i) * kind.bytes, kind.bytes);
        if (kind.headers)
            sixteen_lanes(kind, block, acts, b, tokens, scales[i], lanes[i]);
        else
            k_lanes(kind, block, acts, b, tokens, scales[i], lanes[i]);
    }
    UNROLL
    for (int t = 0; t < tokens; t++)
        part[t][e] = fold4_int(fold8_int(lanes[0][t], lanes[1][t]), fold8_int(lanes[2][t], lanes[3][t]));
}

INLINE __m512 sum_mins(const __m512i min[2], const struct act_block_256 *a)
{
    __m512i sum = _mm512_setzero_si512();
    UNROLL
    for (int i = 0; i < 4; i++)
        sum = _mm512_dpwssd_epi32(sum, min_words(min[i / 2], i % 2), broadcast_dword(a->pair_sums + 2 * i));
    return _mm512_cvtepi32_ps(sum);
}

INLINE void add_block_k(struct kind_256 kind, const struct rows *rows, int64_t at,
                        const struct act_block_256 *const *acts, int64_t b, int tokens, __m512 *y)
{
    struct k_headers header = load_k_headers(rows->p, at);
    /* Eight bytes a row: of rows 4 i, 4 i + 1 in the first array, of rows 4 i + 2, 4 i + 3 in the second. */
    uint8_t stored[2][8][8];
    __m512i part[MAX_TOKENS][4];
    _mm512_storeu_si512(stored[0], _mm512_unpacklo_epi32(header.scale[0], header.scale[1]));
    _mm512_storeu_si512(stored[1], _mm512_unpackhi_epi32(header.scale[0], header.scale[1]));
    for (int e = 0; e < 4; e++) {
        const uint8_t *scales[4];
        for (int i = 0; i < 4; i++)
            scales[i] = stored[e / 2][2 * i + e % 2];
        part_256(kind, rows, at, acts, b, tokens, scales, e, part);
    }
    UNROLL
    for (int t = 0; t < tokens; t++) {
        __m512 da = _mm512_set1_ps(acts[t][b].d);
        y[t] = _mm512_fmadd_ps(_mm512_mul_ps(header.d, da), block_sums(part[t], 0), y[t]);
        y[t] = _mm512_fnmadd_ps(_mm512_mul_ps(header.m, da), sum_mins(header.min, &acts[t][b]), y[t]);
    }
}

/* Sixteen bytes a row: of row 4 i + e in to[e][i]. */
INLINE void store_row_scales(const __m512i scale[4], uint8_t to[4][4][16])
{
    __m512i a = _mm512_unpacklo_epi32(scale[0], scale[1]), b = _mm512_unpacklo_epi32(scale[2], scale[3]);
    __m512i c = _mm512_unpackhi_epi32(scale[0], scale[1]), d = _mm512_unpackhi_epi32(scale[2], scale[3]);
    _mm512_storeu_si512(to[0], _mm512_unpacklo_epi64(a, b));
    _mm512_storeu_si512(to[1], _mm512_unpackhi_epi64(a, b));
    _mm512_storeu_si512(to[2], _mm512_unpacklo_epi64(c, d));
    _mm512_storeu_si512(to[3], _mm512_unpackhi_epi64(c, d));
}

INLINE __m512 sum_sixteen_mins(const __m512i min[4], const struct act_block_256 *a)
{
    __m512i sum = _mm512_setzero_si512();
    UNROLL
    for (int i = 0; i < 8; i++)
        sum = _mm512_dpwssd_epi32(sum, byte_words(min[i / 2], i % 2), broadcast_dword(a->sums + 2 * i));
    return _mm512_cvtepi32_ps(sum);
}

INLINE void add_block_sixteen(struct kind_256 kind, const struct rows *rows, int64_t at,
                              const struct act_block_256 *const *acts, int64_t b, int tokens, __m512 *y)
{
    struct sixteen_headers header = kind.headers(rows->p, at);
    uint8_t stored[4][4][16];
    __m512i part[MAX_TOKENS][4];
    if (!kind.scales_at)
        store_row_scales(header.scale, stored);
    for (int e = 0; e < 4; e++) {
        const uint8_t *scales[4];
        for (int i = 0; i < 4; i++)
            scales[i] = kind.scales_at ? rows->p[e + 4 * i] + at + kind.scales_at : stored[e][i];
        part_256(kind, rows, at, acts, b, tokens, scales, e, part);
    }
    UNROLL
    for (int t = 0; t < tokens; t++) {
        __m512 da = _mm512_set1_ps(acts[t][b].d);
        y[t] = _mm512_fmadd_ps(_mm512_mul_ps(header.d, da), block_sums(part[t], 0), y[t]);
        if (kind.has_min)
            y[t] = _mm512_fnmadd_ps(_mm512_mul_ps(header.m, da), sum_sixteen_mins(header.min, &acts[t][b]), y[t]);
    }
}

INLINE void decode_256(struct kind_256 kind, const struct matmul *mm, int64_t begin, int64_t end, int tokens)
{
    const struct act_block_256 *acts[MAX_TOKENS];
    for (int t = 0; t < tokens; t++)
        acts[t] = act_of(mm, t);
    for (int64_t row = begin; row < end; row += ROWS) {
        struct rows rows = rows_at(mm, row, end);
        __m512 y[MAX_TOKENS];
        UNROLL
        for (int t = 0; t < tokens; t++)
            y[t] = _mm512_setzero_ps();
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

void decode_avx512(const struct matmul *mm, int64_t begin, int64_t end)
{
    decode_any(mm, begin, end);
}
