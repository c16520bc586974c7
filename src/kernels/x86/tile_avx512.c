/* Quantised products with many tokens: a panel of 32 rows and a stretch of K is unpacked, losslessly, into bytes that lie
 * four of K by row, and then meets the tokens in register tiles whose lanes are rows. A token's bytes are broadcast, so that
 * a tile's integer sums need no folding. Bound by the multipliers. */
#include "kernels/x86/avx512.h"

#define ROWS 32              /* of a panel: two vectors of sixteen */
#define PANEL_K 1024
#define PANEL_TOKENS 256
#define MAX_TILE 6           /* tokens; 2 x 6 sums and as many block sums leave registers for the operands */

struct panel {
    uint8_t q[PANEL_K / 4][ROWS][4];
    uint16_t d_half[PANEL_K / 32][ROWS], m_half[PANEL_K / 32][ROWS];
    float d[PANEL_K / 32][ROWS], m[PANEL_K / 32][ROWS];
    int32_t scale[PANEL_K / 16][ROWS];
    int32_t pairs[PANEL_K / 32][ROWS];         /* two words: minima as pair_sums wants them, or Q6_K's scales by pairs */
    float y[PANEL_TOKENS][ROWS];               /* sums so far */
};
_Static_assert(sizeof(struct panel) <= MATMUL_SCRATCH_BYTES, "a panel lies in the scratch of one thread");

/* What a panel is cut from. */
struct cut {
    const struct matmul *mm;
    int64_t row, end;       /* rows [row, row + ROWS); past end the last one stands in */
    int64_t k, k_end;
};

INLINE const uint8_t *cut_row(const struct cut *cut, int r)
{
    int64_t row = cut->row + r < cut->end ? cut->row + r : cut->end - 1;
    return (const uint8_t *)cut->mm->w + row * (int64_t)tensor_row_bytes(cut->mm->type, cut->mm->k);
}

/* ---- unpacking ---- */

/* v[r] holds 64 bytes of row r; to[i] gets bytes 4 i to 4 i + 3 of all sixteen. */
INLINE void transpose(const __m512i v[16], uint8_t (*to)[ROWS][4])
{
    __m512i w[16];
    UNROLL
    for (int i = 0; i < 16; i += 4) {
        __m512i a = _mm512_unpacklo_epi32(v[i], v[i + 1]), b = _mm512_unpacklo_epi32(v[i + 2], v[i + 3]);
        __m512i c = _mm512_unpackhi_epi32(v[i], v[i + 1]), d = _mm512_unpackhi_epi32(v[i + 2], v[i + 3]);
        w[i] = _mm512_unpacklo_epi64(a, b);
        w[i + 1] = _mm512_unpackhi_epi64(a, b);
        w[i + 2] = _mm512_unpacklo_epi64(c, d);
        w[i + 3] = _mm512_unpackhi_epi64(c, d);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        __m512i a = _mm512_shuffle_i32x4(w[i], w[i + 4], 0x88), b = _mm512_shuffle_i32x4(w[i], w[i + 4], 0xdd);
        __m512i c = _mm512_shuffle_i32x4(w[i + 8], w[i + 12], 0x88), d = _mm512_shuffle_i32x4(w[i + 8], w[i + 12], 0xdd);
        _mm512_store_si512(to[i], _mm512_shuffle_i32x4(a, c, 0x88));
        _mm512_store_si512(to[i + 4], _mm512_shuffle_i32x4(b, d, 0x88));
        _mm512_store_si512(to[i + 8], _mm512_shuffle_i32x4(a, c, 0xdd));
        _mm512_store_si512(to[i + 12], _mm512_shuffle_i32x4(b, d, 0xdd));
    }
}

INLINE void widen_halves(struct panel *p, int blocks, bool has_min)
{
    for (int b = 0; b < blocks; b++)
        for (int r = 0; r < ROWS; r += 16) {
            _mm512_store_ps(p->d[b] + r, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p->d_half[b] + r))));
            if (has_min)
                _mm512_store_ps(p->m[b] + r, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p->m_half[b] + r))));
        }
}

INLINE void unpack_32(struct kind_32 kind, const struct cut *cut, struct panel *p)
{
    int blocks = (int)((cut->k_end - cut->k) / 32);
    const uint8_t *rows[ROWS];
    for (int r = 0; r < ROWS; r++) {
        rows[r] = cut_row(cut, r) + cut->k / 32 * kind.bytes;
        for (int b = 0; b < blocks; b++) {
            memcpy(&p->d_half[b][r], rows[r] + b * kind.bytes, 2);
            if (kind.has_min)
                memcpy(&p->m_half[b][r], rows[r] + b * kind.bytes + 2, 2);
        }
    }
    widen_halves(p, blocks, kind.has_min);
    for (int b = 0; b < blocks; b += 2) {
        /* Of an odd number of blocks the last stands in for its neighbour, whose place in the panel nobody reads. */
        int at = b * kind.bytes, next = b + 1 < blocks ? at + kind.bytes : at;
        for (int r = 0; r < ROWS; r += 16) {
            __m512i v[16];
            UNROLL
            for (int i = 0; i < 16; i++)
                v[i] = kind.pair(rows[r + i] + at, rows[r + i] + next);
            transpose(v, (uint8_t (*)[ROWS][4])p->q[8 * b][r]);
        }
    }
}

INLINE void unpack_scales(struct kind_256 kind, const uint8_t *block, struct panel *p, int b, int r)
{
    memcpy(&p->d_half[b][r], block + kind.d_at, 2);
    if (kind.is_q6) {
        const int8_t *scales = (const int8_t *)block + kind.scales_at;
        UNROLL
        for (int i = 0; i < 16; i++)
            p->scale[16 * b + i][r] = scales[i];
        for (int i = 0; i < 8; i++)
            p->pairs[8 * b + i][r] = (int32_t)((uint16_t)scales[2 * i] | (uint32_t)scales[2 * i + 1] << 16);
        return;
    }
    struct k_scales s = k_scales_unpack(block + kind.scales_at);
    memcpy(&p->m_half[b][r], block + kind.d_at + 2, 2);
    for (int i = 0; i < 8; i++)
        p->scale[8 * b + i][r] = s.scale[i / 4] >> i % 4 * 8 & 63;
    for (int half = 0; half < 2; half++) {
        p->pairs[4 * b + 2 * half][r] = (int32_t)(s.min[half] & 0x00ff00ff);
        p->pairs[4 * b + 2 * half + 1][r] = (int32_t)(s.min[half] >> 8 & 0x00ff00ff);
    }
}

INLINE void unpack_256(struct kind_256 kind, const struct cut *cut, struct panel *p)
{
    int blocks = (int)((cut->k_end - cut->k) / 256);
    const uint8_t *rows[ROWS];
    for (int r = 0; r < ROWS; r++) {
        rows[r] = cut_row(cut, r) + cut->k / 256 * kind.bytes;
        for (int b = 0; b < blocks; b++)
            unpack_scales(kind, rows[r] + b * kind.bytes, p, b, r);
    }
    widen_halves(p, blocks, !kind.is_q6);
    for (int b = 0; b < blocks; b++)
        for (int c = 0; c < 4; c++)
            for (int r = 0; r < ROWS; r += 16) {
                __m512i v[16];
                UNROLL
                for (int i = 0; i < 16; i++)
                    v[i] = kind.quarter(rows[r + i] + b * kind.bytes, c);
                transpose(v, (uint8_t (*)[ROWS][4])p->q[64 * b + 16 * c][r]);
            }
}

/* ---- tiles: [tile] tokens by 32 rows, sums[2 t + half] ---- */

/* A token's four bytes (or two words) in every lane. */
INLINE __m512i broadcast_dword(const void *p)
{
    int32_t dword;
    memcpy(&dword, p, sizeof dword);
    return _mm512_set1_epi32(dword);
}

INLINE __m512i rows_of(const void *row_values, int half)
{
    return _mm512_load_si512((const int32_t *)row_values + 16 * half);
}

/* sum += scaled terms of one block, the two halves of the panel's rows. */
INLINE void add_term(float *y, __m512 w_scale, float act_scale, __m512i isum)
{
    __m512 factor = _mm512_mul_ps(w_scale, _mm512_set1_ps(act_scale));
    _mm512_store_ps(y, _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(isum), _mm512_load_ps(y)));
}

INLINE void tile_32(struct kind_32 kind, struct panel *p, int blocks, const struct act_block_32 *const *acts, int tile, int token)
{
    for (int b = 0; b < blocks; b++) {
        __m512i sums[2 * MAX_TILE];
        UNROLL
        for (int t = 0; t < tile; t++)
            sums[2 * t] = sums[2 * t + 1] = _mm512_set1_epi32(-kind.offset * acts[t][b].sum);
        for (int i = 0; i < 8; i++) {
            __m512i w0 = rows_of(p->q[8 * b + i], 0), w1 = rows_of(p->q[8 * b + i], 1);
            UNROLL
            for (int t = 0; t < tile; t++) {
                __m512i a = broadcast_dword(acts[t][b].q + 4 * i);
                sums[2 * t] = _mm512_dpbusd_epi32(sums[2 * t], w0, a);
                sums[2 * t + 1] = _mm512_dpbusd_epi32(sums[2 * t + 1], w1, a);
            }
        }
        UNROLL
        for (int i = 0; i < 2 * tile; i++) {
            const struct act_block_32 *a = &acts[i / 2][b];
            float *y = p->y[token + i / 2] + i % 2 * 16;
            add_term(y, _mm512_load_ps(p->d[b] + i % 2 * 16), a->d, sums[i]);
            if (kind.has_min)
                add_term(y, _mm512_load_ps(p->m[b] + i % 2 * 16), a->d, _mm512_set1_epi32(a->sum));
        }
    }
}

/* The sum of word pairs times the token's words; `n` pairs from the block's first. */
INLINE __m512i sum_pairs(struct panel *p, int first, int n, const int16_t *words, int half)
{
    __m512i sum = _mm512_setzero_si512();
    for (int i = 0; i < n; i++)
        sum = _mm512_dpwssd_epi32(sum, rows_of(p->pairs[first + i], half), broadcast_dword(words + 2 * i));
    return sum;
}

/* sums = the block's integer sums before Q6_K's offset. */
INLINE void block_sums_256(bool is_q6, struct panel *p, int b, const struct act_block_256 *const *acts, int tile, __m512i *sums)
{
    int sub = is_q6 ? 16 : 32;
    UNROLL
    for (int i = 0; i < 2 * tile; i++)
        sums[i] = _mm512_setzero_si512();
    for (int s = 0; s < 256 / sub; s++) {
        __m512i dots[2 * MAX_TILE];
        UNROLL
        for (int i = 0; i < 2 * tile; i++)
            dots[i] = _mm512_setzero_si512();
        for (int i = s * sub / 4; i < (s + 1) * sub / 4; i++) {
            __m512i w0 = rows_of(p->q[64 * b + i], 0), w1 = rows_of(p->q[64 * b + i], 1);
            UNROLL
            for (int t = 0; t < tile; t++) {
                __m512i a = broadcast_dword(acts[t][b].q + 4 * i);
                dots[2 * t] = _mm512_dpbusd_epi32(dots[2 * t], w0, a);
                dots[2 * t + 1] = _mm512_dpbusd_epi32(dots[2 * t + 1], w1, a);
            }
        }
        UNROLL
        for (int i = 0; i < 2 * tile; i++) {
            __m512i scale = rows_of(p->scale[256 / sub * b + s], i % 2);
            sums[i] = _mm512_add_epi32(sums[i], _mm512_mullo_epi32(dots[i], scale));
        }
    }
}

INLINE void tile_256(struct kind_256 kind, struct panel *p, int blocks, const struct act_block_256 *const *acts, int tile, int token)
{
    for (int b = 0; b < blocks; b++) {
        __m512i sums[2 * MAX_TILE];
        block_sums_256(kind.is_q6, p, b, acts, tile, sums);
        UNROLL
        for (int i = 0; i < 2 * tile; i++) {
            const struct act_block_256 *a = &acts[i / 2][b];
            float *y = p->y[token + i / 2] + i % 2 * 16;
            if (kind.is_q6)
                sums[i] = _mm512_sub_epi32(sums[i], _mm512_slli_epi32(sum_pairs(p, 8 * b, 8, a->sums, i % 2), 5));
            add_term(y, _mm512_load_ps(p->d[b] + i % 2 * 16), a->d, sums[i]);
            if (!kind.is_q6)
                add_term(y, _mm512_load_ps(p->m[b] + i % 2 * 16), -a->d, sum_pairs(p, 4 * b, 4, a->pair_sums, i % 2));
        }
    }
}

/* ---- from tokens to tiles ---- */

/* The largest tile that `left` tokens fill. */
INLINE int tile_size(int left)
{
    return left >= 6 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

INLINE const void *act_at(const struct matmul *mm, int64_t token, int64_t block, size_t block_bytes)
{
    size_t row = act_row_bytes(act_format_of(mm->type), mm->k);
    return (const char *)mm->act + (size_t)token * row + (size_t)block * block_bytes;
}

INLINE void tiles_32(struct kind_32 kind, const struct cut *cut, struct panel *p, int64_t token, int tokens)
{
    int blocks = (int)((cut->k_end - cut->k) / 32);
    for (int t = 0, tile; t < tokens; t += tile) {
        const struct act_block_32 *acts[MAX_TILE];
        tile = tile_size(tokens - t);
        for (int i = 0; i < tile; i++)
            acts[i] = act_at(cut->mm, token + t + i, cut->k / 32, sizeof **acts);
        if (tile == 6)
            tile_32(kind, p, blocks, acts, 6, t);
        else if (tile == 4)
            tile_32(kind, p, blocks, acts, 4, t);
        else if (tile == 2)
            tile_32(kind, p, blocks, acts, 2, t);
        else
            tile_32(kind, p, blocks, acts, 1, t);
    }
}

INLINE void tiles_256(struct kind_256 kind, const struct cut *cut, struct panel *p, int64_t token, int tokens)
{
    int blocks = (int)((cut->k_end - cut->k) / 256);
    for (int t = 0, tile; t < tokens; t += tile) {
        const struct act_block_256 *acts[MAX_TILE];
        tile = tile_size(tokens - t);
        for (int i = 0; i < tile; i++)
            acts[i] = act_at(cut->mm, token + t + i, cut->k / 256, sizeof **acts);
        if (tile == 6)
            tile_256(kind, p, blocks, acts, 6, t);
        else if (tile == 4)
            tile_256(kind, p, blocks, acts, 4, t);
        else if (tile == 2)
            tile_256(kind, p, blocks, acts, 2, t);
        else
            tile_256(kind, p, blocks, acts, 1, t);
    }
}

INLINE void run_cut_32(struct kind_32 kind, const struct cut *cut, struct panel *p, int64_t token, int tokens)
{
    unpack_32(kind, cut, p);
    tiles_32(kind, cut, p, token, tokens);
}

INLINE void run_cut_256(struct kind_256 kind, const struct cut *cut, struct panel *p, int64_t token, int tokens)
{
    unpack_256(kind, cut, p);
    tiles_256(kind, cut, p, token, tokens);
}

/* One cut against `tokens` tokens from `token` on. */
static void run_cut(const struct cut *cut, struct panel *p, int64_t token, int tokens)
{
    switch (cut->mm->type) {
    case TENSOR_Q4_0:
        run_cut_32(KIND_Q4_0, cut, p, token, tokens);
        break;
    case TENSOR_Q5_0:
        run_cut_32(KIND_Q5_0, cut, p, token, tokens);
        break;
    case TENSOR_Q5_1:
        run_cut_32(KIND_Q5_1, cut, p, token, tokens);
        break;
    case TENSOR_Q8_0:
        run_cut_32(KIND_Q8_0, cut, p, token, tokens);
        break;
    case TENSOR_Q4_K:
        run_cut_256(KIND_Q4_K, cut, p, token, tokens);
        break;
    case TENSOR_Q5_K:
        run_cut_256(KIND_Q5_K, cut, p, token, tokens);
        break;
    default:
        run_cut_256(KIND_Q6_K, cut, p, token, tokens);
        break;
    }
}

static void store_panel(const struct cut *cut, const struct panel *p, int64_t token, int tokens)
{
    for (int t = 0; t < tokens; t++)
        for (int r = 0; r < ROWS && cut->row + r < cut->end; r += 16) {
            float *y = cut->mm->y + (token + t) * cut->mm->y_stride + cut->row + r;
            __mmask16 mask = mask_of(cut->end - cut->row - r);
            __m512 sum = _mm512_load_ps(p->y[t] + r);
            if (cut->mm->accumulate)
                sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), sum);
            _mm512_mask_storeu_ps(y, mask, sum);
        }
}

void tile_avx512(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    struct panel *p = scratch;
    for (int64_t token = 0; token < mm->tokens; token += PANEL_TOKENS) {
        int tokens = mm->tokens - token < PANEL_TOKENS ? (int)(mm->tokens - token) : PANEL_TOKENS;
        for (int64_t row = begin; row < end; row += ROWS) {
            memset(p->y, 0, (size_t)tokens * sizeof p->y[0]);
            struct cut cut = {mm, row, end, 0, 0};
            for (; cut.k < mm->k; cut.k = cut.k_end) {
                cut.k_end = mm->k - cut.k < PANEL_K ? mm->k : cut.k + PANEL_K;
                run_cut(&cut, p, token, tokens);
            }
            store_panel(&cut, p, token, tokens);
        }
    }
}
