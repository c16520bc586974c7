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

/* part[t][e] of rows whose weights are nibbles: four rows' low ones in a vector, then their high ones. */
INLINE void part_nibbles(struct kind_32 kind, const struct rows *rows, int64_t at,
                         const struct act_block_32 *const *acts, int64_t b, int tokens, int e, __m512i part[][4])
{
    const __m512i fifteen = _mm512_set1_epi8(15);
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(rows->p[e] + at)));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(rows->p[e + 4] + at)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(rows->p[e + 8] + at)), 2);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(rows->p[e + 12] + at)), 3);
    __m512i low = kind.named(_mm512_and_si512(v, fifteen));
    __m512i high = kind.named(_mm512_and_si512(_mm512_srli_epi16(v, 4), fifteen));
    UNROLL
    for (int t = 0; t < tokens; t++) {
        const int8_t *q = acts[t][b].q;
        __m512i first = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)q));
        __m512i last = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(q + 16)));
        part[t][e] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), low, first), high, last);
    }
}

/* The same of any rows. */
INLINE void part_pairs(struct kind_32 kind, const struct rows *rows, int64_t at, const struct act_block_32 *const *acts,
                       int64_t b, int tokens, int e, __m512i part[][4])
{
    __m512i zero = _mm512_setzero_si512();
    __m512i low = kind.pair(rows->p[e] + at, rows->p[e + 4] + at);
    __m512i high = kind.pair(rows->p[e + 8] + at, rows->p[e + 12] + at);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        __m512i act = broadcast_32_bytes((const uint8_t *)acts[t][b].q);
        part[t][e] = fold4_int(_mm512_dpbusd_epi32(zero, low, act), _mm512_dpbusd_epi32(zero, high, act));
    }
}

INLINE void add_block_32(struct kind_32 kind, const struct rows *rows, int64_t at,
                         const struct act_block_32 *const *acts, int64_t b, int tokens, __m512 *y)
{
    __m512i part[MAX_TOKENS][4], header[4];
    load_headers(rows->p, at, header);
    UNROLL
    for (int e = 0; e < 4; e++) {
        if (kind.nibbles_at)
            part_nibbles(kind, rows, at + kind.nibbles_at, acts, b, tokens, e, part);
        else
            part_pairs(kind, rows, at, acts, b, tokens, e, part);
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

/* and by lanes, of sixteen scales as words or dwords, each step in its order. */
INLINE __m512i word_scale_index(enum order order, int step)
{
    __m512i index = _mm512_castsi128_si512(_mm_set1_epi16((short)piece_of(order, step, 0)));
    index = _mm512_inserti32x4(index, _mm_set1_epi16((short)piece_of(order, step, 1)), 1);
    index = _mm512_inserti32x4(index, _mm_set1_epi16((short)piece_of(order, step, 2)), 2);
    return _mm512_inserti32x4(index, _mm_set1_epi16((short)piece_of(order, step, 3)), 3);
}

INLINE __m512i dword_scale_index(enum order order, int step)
{
    return _mm512_srli_epi32(word_scale_index(order, step), 16);
}

/* lanes[t] += sixteen lanes that sum to the scaled products of a row's block with the bytes q[t], which lie in the
 * order of the steps; words[c] are the scales of step c. */
INLINE void add_products(struct kind_256 kind, const uint8_t *block, const int8_t *const *q, int tokens,
                         const __m512i words[4], __m512i *lanes)
{
    UNROLL
    for (int c = 0; c < 4; c++) {
        __m512i w = kind.step(block, c);
        UNROLL
        for (int t = 0; t < tokens; t++) {
            __m512i products = _mm512_maddubs_epi16(w, _mm512_loadu_si512(q[t] + 64 * c));
            lanes[t] = _mm512_dpwssd_epi32(lanes[t], products, words[c]);
        }
    }
}

/* The same where products need 32 bits: two steps share the scales, which are dwords. */
INLINE void add_wide_products(struct kind_256 kind, const uint8_t *block, const int8_t *const *q, int tokens,
                              __m512i scales, __m512i *lanes)
{
    UNROLL
    for (int c = 0; c < 4; c += 2) {
        __m512i w0 = kind.step(block, c), w1 = kind.step(block, c + 1);
        __m512i scale = _mm512_permutexvar_epi32(dword_scale_index(kind.order, c), scales);
        UNROLL
        for (int t = 0; t < tokens; t++) {
            __m512i dots = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w0, _mm512_loadu_si512(q[t] + 64 * c));
            dots = _mm512_dpbusd_epi32(dots, w1, _mm512_loadu_si512(q[t] + 64 * c + 64));
            lanes[t] = _mm512_add_epi32(lanes[t], _mm512_mullo_epi32(dots, scale));
        }
    }
}

/* A row's block and the tokens that meet it. */
struct meeting {
    const uint8_t *block, *scales; /* eight or sixteen bytes */
    const int8_t *q[MAX_TOKENS];   /* the block's activations in the order of the steps */
    const int16_t *sums[MAX_TOKENS];
};

/* Eight scales of one byte each. */
INLINE void k_lanes(struct kind_256 kind, const struct meeting *m, int tokens, __m512i *lanes)
{
    __m512i words[4];
    int64_t eight;
    memcpy(&eight, m->scales, sizeof eight);
    UNROLL
    for (int c = 0; c < 4; c++)
        words[c] = _mm512_shuffle_epi8(_mm512_set1_epi64(eight), k_scale_index(c));
    UNROLL
    for (int t = 0; t < tokens; t++)
        lanes[t] = _mm512_setzero_si512();
    add_products(kind, m->block, m->q, tokens, words, lanes);
}

/* Sixteen scales of one signed byte each. Where the weights' bytes are above the weights, so much of the scaled sums of
 * sixteen comes off first. */
INLINE void sixteen_lanes(struct kind_256 kind, const struct meeting *m, int tokens, __m512i *lanes)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)m->scales);
    __m256i sixteen = _mm256_cvtepi8_epi16(bytes);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        lanes[t] = _mm512_setzero_si512();
        if (kind.shift > 0) {
            __m256i above = _mm256_madd_epi16(sixteen, _mm256_loadu_si256((const __m256i *)m->sums[t]));
            lanes[t] = _mm512_sub_epi32(lanes[t], _mm512_zextsi256_si512(_mm256_slli_epi32(above, kind.shift)));
        }
    }
    if (kind.is_wide) {
        add_wide_products(kind, m->block, m->q, tokens, _mm512_cvtepi8_epi32(bytes), lanes);
        return;
    }
    __m512i words[4];
    UNROLL
    for (int c = 0; c < 4; c++)
        words[c] = _mm512_permutexvar_epi16(word_scale_index(kind.order, c), _mm512_castsi256_si512(sixteen));
    add_products(kind, m->block, m->q, tokens, words, lanes);
}

/* part[t][e] for the rows e, e + 4, e + 8 and e + 12; scales[i] are those of row e + 4 i. */
INLINE void part_256(struct kind_256 kind, const struct rows *rows, int64_t at, struct meeting *m, int64_t b,
                     int tokens, const uint8_t *const scales[4], int e, __m512i part[][4])
{
    __m512i lanes[4][MAX_TOKENS];
    UNROLL
    for (int i = 0; i < 4; i++) {
        m->block = rows->p[e + 4 * i] + at;
        m->scales = scales[i];
        /* The next group in the order of memory, as much of it as this step takes of this one. */
        prefetch_bytes(rows->p[0] + rows->ahead + ((4 * b + e) * 4 + i) * kind.bytes, kind.bytes);
        if (kind.headers)
            sixteen_lanes(kind, m, tokens, lanes[i]);
        else
            k_lanes(kind, m, tokens, lanes[i]);
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
    struct meeting m;
    /* Eight bytes a row: of rows 4 i, 4 i + 1 in the first array, of rows 4 i + 2, 4 i + 3 in the second. */
    uint8_t stored[2][8][8];
    __m512i part[MAX_TOKENS][4];
    _mm512_storeu_si512(stored[0], _mm512_unpacklo_epi32(header.scale[0], header.scale[1]));
    _mm512_storeu_si512(stored[1], _mm512_unpackhi_epi32(header.scale[0], header.scale[1]));
    for (int t = 0; t < tokens; t++)
        m.q[t] = acts[t][b].q;
    for (int e = 0; e < 4; e++) {
        const uint8_t *scales[4];
        for (int i = 0; i < 4; i++)
            scales[i] = stored[e / 2][2 * i + e % 2];
        part_256(kind, rows, at, &m, b, tokens, scales, e, part);
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
    __m512i rows[4];
    transpose_quarters(scale, rows);
    UNROLL
    for (int e = 0; e < 4; e++)
        _mm512_storeu_si512(to[e], rows[e]);
}

INLINE __m512 sum_sixteen_mins(const __m512i min[4], const struct act_block_256 *a)
{
    __m512i sum = _mm512_setzero_si512();
    UNROLL
    for (int i = 0; i < 8; i++)
        sum = _mm512_dpwssd_epi32(sum, byte_words(min[i / 2], i % 2), broadcast_dword(a->sums + 2 * i));
    return _mm512_cvtepi32_ps(sum);
}

/* A block's activations in the order of the steps. */
INLINE void reorder(enum order order, const int8_t q[256], int8_t to[256])
{
    UNROLL
    for (int step = 0; step < 4; step++) {
        __m512i v = _mm512_setzero_si512();
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(q + 16 * piece_of(order, step, 0))), 0);
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(q + 16 * piece_of(order, step, 1))), 1);
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(q + 16 * piece_of(order, step, 2))), 2);
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(q + 16 * piece_of(order, step, 3))), 3);
        _mm512_storeu_si512(to + 64 * step, v);
    }
}

INLINE void add_block_sixteen(struct kind_256 kind, const struct rows *rows, int64_t at,
                              const struct act_block_256 *const *acts, int64_t b, int tokens, __m512 *y)
{
    struct sixteen_headers header = kind.headers(rows->p, at);
    struct meeting m;
    uint8_t stored[4][4][16];
    int8_t reordered[MAX_TOKENS][256] __attribute__((aligned(64)));
    __m512i part[MAX_TOKENS][4];
    if (!kind.scales_at)
        store_row_scales(header.scale, stored);
    for (int t = 0; t < tokens; t++) {
        m.q[t] = kind.order == ORDER_K ? acts[t][b].q : reordered[t];
        m.sums[t] = acts[t][b].sums;
        if (kind.order != ORDER_K)
            reorder(kind.order, acts[t][b].q, reordered[t]);
    }
    for (int e = 0; e < 4; e++) {
        const uint8_t *scales[4];
        for (int i = 0; i < 4; i++)
            scales[i] = kind.scales_at ? rows->p[e + 4 * i] + at + kind.scales_at : stored[e][i];
        part_256(kind, rows, at, &m, b, tokens, scales, e, part);
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
