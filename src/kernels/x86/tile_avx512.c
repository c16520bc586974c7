/* Quantised products with many tokens: a panel of 32 rows and a stretch of K is unpacked, losslessly, into bytes that
 * lie four of K by row, and then meets the tokens in register tiles whose lanes are rows. A token's bytes are
 * broadcast, so that a tile's integer sums need no folding. Bound by the multipliers. */
#include "kernels/x86/avx512.h"

#define ROWS 32 /* of a panel: two vectors of sixteen */
#define PANEL_K 2048
#define PANEL_TOKENS 256
#define MAX_TILE 6 /* tokens; 2 x 6 sums and as many block sums leave registers for the operands */

struct panel {
    uint8_t q[PANEL_K / 4][ROWS][4];
    float d[PANEL_K / 32][ROWS], m[PANEL_K / 32][ROWS];
    int32_t scale[PANEL_K / 16][ROWS];
    int32_t pairs[PANEL_K / 32][ROWS]; /* two words: minima as pair_sums wants them, or of sixteen minima or scales */
    float y[PANEL_TOKENS][ROWS];       /* sums so far */
};
_Static_assert(sizeof(struct panel) <= MATMUL_SCRATCH_BYTES, "a panel lies in the scratch of one thread");

/* What a panel is cut from. */
struct cut {
    const struct matmul *mm;
    int64_t row, end; /* rows [row, row + ROWS); past end the last one stands in */
    int64_t k, k_end;
};

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
        __m512i c = _mm512_shuffle_i32x4(w[i + 8], w[i + 12], 0x88),
                d = _mm512_shuffle_i32x4(w[i + 8], w[i + 12], 0xdd);
        _mm512_store_si512(to[i], _mm512_shuffle_i32x4(a, c, 0x88));
        _mm512_store_si512(to[i + 4], _mm512_shuffle_i32x4(b, d, 0x88));
        _mm512_store_si512(to[i + 8], _mm512_shuffle_i32x4(a, c, 0xdd));
        _mm512_store_si512(to[i + 12], _mm512_shuffle_i32x4(b, d, 0xdd));
    }
}

/* Rows of the cut at its first block, and how far on the next panel's begin. */
struct cut_rows {
    const uint8_t *p[ROWS];
    int64_t ahead;
};

INLINE struct cut_rows cut_rows(const struct cut *cut, int block, int block_bytes)
{
    struct cut_rows rows;
    int64_t bytes = (int64_t)tensor_row_bytes(cut->mm->type, cut->mm->k);
    for (int r = 0; r < ROWS; r++) {
        int64_t row = cut->row + r < cut->end ? cut->row + r : cut->end - 1;
        rows.p[r] = (const uint8_t *)cut->mm->w + row * bytes + cut->k / block * block_bytes;
    }
    rows.ahead = ROWS * bytes;
    return rows;
}

INLINE void store_rows(void *row_values, int first, __m512i v)
{
    _mm512_store_si512((int32_t *)row_values + first, v);
}

INLINE void unpack_32(struct kind_32 kind, const struct cut *cut, struct panel *p)
{
    struct cut_rows rows = cut_rows(cut, 32, kind.bytes);
    int blocks = (int)((cut->k_end - cut->k) / 32);
    for (int b = 0; b < blocks; b += 2) {
        /* Of an odd number of blocks the last stands in for its neighbour, whose place in the panel nobody reads. */
        int at = b * kind.bytes, next = b + 1 < blocks ? at + kind.bytes : at;
        for (int r = 0; r < ROWS; r += 16) {
            __m512i v[16], header[4];
            UNROLL
            for (int i = 0; i < 16; i++) {
                prefetch_bytes(rows.p[r + i] + rows.ahead + at, 2 * kind.bytes);
                v[i] = kind.pair(rows.p[r + i] + at, rows.p[r + i] + next);
            }
            transpose(v, (uint8_t(*)[ROWS][4])p->q[8 * b][r]);
            for (int i = 0; i < 2; i++) {
                load_headers(rows.p + r, i ? next : at, header);
                _mm512_store_ps(p->d[b + i] + r, kind.scale(header[0]));
                if (kind.has_min)
                    _mm512_store_ps(p->m[b + i] + r, high_half(header[0]));
            }
        }
    }
}

/* Scales and minima of the sixteen rows from r on, block b. */
INLINE void unpack_k_header(const uint8_t *const *rows, int64_t at, struct panel *p, int b, int r)
{
    struct k_headers header = load_k_headers(rows, at);
    _mm512_store_ps(p->d[b] + r, header.d);
    _mm512_store_ps(p->m[b] + r, header.m);
    UNROLL
    for (int i = 0; i < 8; i++)
        store_rows(p->scale[8 * b + i], r,
                   _mm512_and_si512(_mm512_srli_epi32(header.scale[i / 4], i % 4 * 8), _mm512_set1_epi32(63)));
    UNROLL
    for (int i = 0; i < 4; i++)
        store_rows(p->pairs[4 * b + i], r, min_words(header.min[i / 2], i % 2));
}

/* The same for sixteen scales, each in a lane of its own; in pairs stand the minima, or where there are none what
 * meets the sums of activations just so: the scales. */
INLINE void unpack_sixteen_header(struct kind_256 kind, const uint8_t *const *rows, int64_t at, struct panel *p, int b,
                                  int r)
{
    struct sixteen_headers header = kind.headers(rows, at);
    _mm512_store_ps(p->d[b] + r, header.d);
    if (kind.has_min)
        _mm512_store_ps(p->m[b] + r, header.m);
    UNROLL
    for (int i = 0; i < 16; i++)
        store_rows(p->scale[16 * b + i], r,
                   _mm512_srai_epi32(_mm512_slli_epi32(header.scale[i / 4], 24 - i % 4 * 8), 24));
    UNROLL
    for (int i = 0; i < 8; i++)
        store_rows(p->pairs[8 * b + i], r, byte_words(kind.has_min ? header.min[i / 2] : header.scale[i / 2], i % 2));
}

INLINE void unpack_256(struct kind_256 kind, const struct cut *cut, struct panel *p)
{
    struct cut_rows rows = cut_rows(cut, 256, kind.bytes);
    int blocks = (int)((cut->k_end - cut->k) / 256);
    for (int b = 0; b < blocks; b++)
        for (int r = 0; r < ROWS; r += 16) {
            int64_t at = b * kind.bytes;
            for (int i = 0; i < 16; i++)
                prefetch_bytes(rows.p[r + i] + rows.ahead + at, kind.bytes);
            if (kind.headers)
                unpack_sixteen_header(kind, rows.p + r, at, p, b, r);
            else
                unpack_k_header(rows.p + r, at, p, b, r);
            UNROLL
            for (int c = 0; c < 4; c++) {
                __m512i v[16];
                UNROLL
                for (int i = 0; i < 16; i++)
                    v[i] = kind.quarter(rows.p[r + i] + at, c);
                transpose(v, (uint8_t(*)[ROWS][4])p->q[64 * b + 16 * c][r]);
            }
        }
}

/* ---- tiles: [tile] tokens by 32 rows, sums[2 t + half] ---- */

INLINE __m512i rows_of(const void *row_values, int half)
{
    return _mm512_load_si512((const int32_t *)row_values + 16 * half);
}

/* sums += dot products of `steps` times four of K, of the panel's bytes from w on with each token's from q[t] on. */
INLINE void add_dots(uint8_t (*w)[ROWS][4], const int8_t *const *q, int steps, int tile, __m512i *sums)
{
    UNROLL
    for (int i = 0; i < steps; i++) {
        __m512i w0 = rows_of(w[i], 0), w1 = rows_of(w[i], 1);
        UNROLL
        for (int t = 0; t < tile; t++) {
            __m512i a = broadcast_dword(q[t] + 4 * i);
            sums[2 * t] = _mm512_dpbusd_epi32(sums[2 * t], w0, a);
            sums[2 * t + 1] = _mm512_dpbusd_epi32(sums[2 * t + 1], w1, a);
        }
    }
}

/* y += scaled terms of one block, for one half of the panel's rows. */
INLINE void add_term(float *y, const float *w_scale, __m512 act_scale, __m512i isum)
{
    __m512 factor = _mm512_mul_ps(_mm512_load_ps(w_scale), act_scale);
    _mm512_store_ps(y, _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(isum), _mm512_load_ps(y)));
}

INLINE void tile_32(struct kind_32 kind, struct panel *p, int blocks, const struct act_block_32 *const *acts, int tile,
                    int token)
{
    for (int b = 0; b < blocks; b++) {
        __m512i sums[2 * MAX_TILE];
        const int8_t *q[MAX_TILE];
        UNROLL
        for (int t = 0; t < tile; t++) {
            q[t] = acts[t][b].q;
            sums[2 * t] = sums[2 * t + 1] = _mm512_set1_epi32(-kind.offset * acts[t][b].sum);
        }
        add_dots(&p->q[8 * b], q, 8, tile, sums);
        UNROLL
        for (int i = 0; i < 2 * tile; i++) {
            const struct act_block_32 *a = &acts[i / 2][b];
            float *y = p->y[token + i / 2] + i % 2 * 16;
            add_term(y, p->d[b] + i % 2 * 16, _mm512_set1_ps(a->d), sums[i]);
            if (kind.has_min)
                add_term(y, p->m[b] + i % 2 * 16, _mm512_set1_ps(a->d), _mm512_set1_epi32(a->sum));
        }
    }
}

/* sums = the block's sums of scaled products of the unsigned bytes. */
INLINE void scaled_sums(struct kind_256 kind, struct panel *p, int b, const struct act_block_256 *const *acts, int tile,
                        __m512i *sums)
{
    int sub = kind.headers ? 16 : 32;
    UNROLL
    for (int i = 0; i < 2 * tile; i++)
        sums[i] = _mm512_setzero_si512();
    for (int s = 0; s < 256 / sub; s++) {
        __m512i dots[2 * MAX_TILE];
        const int8_t *q[MAX_TILE];
        UNROLL
        for (int t = 0; t < tile; t++) {
            q[t] = acts[t][b].q + s * sub;
            dots[2 * t] = dots[2 * t + 1] = _mm512_setzero_si512();
        }
        add_dots(&p->q[64 * b + s * sub / 4], q, sub / 4, tile, dots);
        const int32_t *scale = p->scale[256 / sub * b + s];
        UNROLL
        for (int i = 0; i < 2 * tile; i++)
            sums[i] = _mm512_add_epi32(sums[i], _mm512_mullo_epi32(dots[i], rows_of(scale, i % 2)));
    }
}

/* sums[half] = the rows' word pairs, `n` from the block's first, times the token's words. */
INLINE void sum_pairs(struct panel *p, int first, int n, const int16_t *words, __m512i sums[2])
{
    sums[0] = sums[1] = _mm512_setzero_si512();
    UNROLL
    for (int i = 0; i < n; i++) {
        __m512i a = broadcast_dword(words + 2 * i);
        sums[0] = _mm512_dpwssd_epi32(sums[0], rows_of(p->pairs[first + i], 0), a);
        sums[1] = _mm512_dpwssd_epi32(sums[1], rows_of(p->pairs[first + i], 1), a);
    }
}

INLINE void add_block_256(struct kind_256 kind, struct panel *p, int b, const struct act_block_256 *a,
                          const __m512i sums[2], float *y)
{
    __m512i pairs[2];
    __m512 scale = _mm512_set1_ps(a->d), negated = _mm512_set1_ps(-a->d);
    int n = kind.headers ? 8 : 4;
    sum_pairs(p, n * b, n, kind.headers ? a->sums : a->pair_sums, pairs);
    UNROLL
    for (int half = 0; half < 2; half++) {
        __m512i isum = sums[half];
        if (kind.shift > 0)
            isum = _mm512_sub_epi32(isum, _mm512_slli_epi32(pairs[half], (unsigned)kind.shift));
        add_term(y + 16 * half, p->d[b] + 16 * half, scale, isum);
        if (kind.has_min)
            add_term(y + 16 * half, p->m[b] + 16 * half, negated, pairs[half]);
    }
}

INLINE void tile_256(struct kind_256 kind, struct panel *p, int blocks, const struct act_block_256 *const *acts,
                     int tile, int token)
{
    for (int b = 0; b < blocks; b++) {
        __m512i sums[2 * MAX_TILE];
        scaled_sums(kind, p, b, acts, tile, sums);
        UNROLL
        for (int t = 0; t < tile; t++)
            add_block_256(kind, p, b, &acts[t][b], &sums[2 * t], p->y[token + t]);
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

#include "kernels/x86/tile_any.h"

void tile_avx512(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    tile_any(mm, begin, end, scratch);
}
