/* Quantised products with many tokens: a panel of 16 rows and a stretch of K is unpacked, losslessly, into bytes that
 * lie four of K by row, and then meets the tokens in register tiles whose lanes are rows. Products gather in 16-bit
 * sums for as many steps as these can hold (the kind's `run`) before they are widened and scaled. */
#include "kernels/x86/avx2.h"

#define PANEL_K 1024
#define PANEL_TOKENS 256
#define MAX_TILE 4 /* tokens; 2 x 4 sums leave registers for the operands */

struct panel {
    uint8_t q[PANEL_K / 4][PANEL_ROWS][4];
    float d[PANEL_K / 32][PANEL_ROWS], m[PANEL_K / 32][PANEL_ROWS];
    int32_t scale[PANEL_K / 16][PANEL_ROWS]; /* the scale in both words */
    int32_t pairs[PANEL_K / 32][PANEL_ROWS]; /* two words: minima as pair_sums wants them, or of sixteen minima or
                                                scales */
    float y[PANEL_TOKENS][PANEL_ROWS];       /* sums so far */
};
_Static_assert(sizeof(struct panel) <= MATMUL_SCRATCH_BYTES, "a panel lies in the scratch of one thread");

/* What a panel is cut from. */
struct cut {
    const struct matmul *mm;
    int64_t row, end; /* rows [row, row + PANEL_ROWS); past end the last one stands in */
    int64_t k, k_end;
};

/* ---- unpacking ---- */

/* Rows of the cut at its first block, and how far on the next panel's begin. */
struct cut_rows {
    const uint8_t *p[PANEL_ROWS];
    int64_t ahead;
};

INLINE struct cut_rows cut_rows(const struct cut *cut, int block, int block_bytes)
{
    struct cut_rows rows;
    int64_t bytes = (int64_t)tensor_row_bytes(cut->mm->type, cut->mm->k);
    for (int r = 0; r < PANEL_ROWS; r++) {
        int64_t row = cut->row + r < cut->end ? cut->row + r : cut->end - 1;
        rows.p[r] = (const uint8_t *)cut->mm->w + row * bytes + cut->k / block * block_bytes;
    }
    rows.ahead = PANEL_ROWS * bytes;
    return rows;
}

INLINE void store_rows(void *row_values, int first, __m256i v)
{
    _mm256_store_si256((__m256i *)((int32_t *)row_values + first), v);
}

INLINE void unpack_32(struct kind_32 kind, const struct cut *cut, struct panel *p)
{
    struct cut_rows rows = cut_rows(cut, 32, kind.bytes);
    int blocks = (int)((cut->k_end - cut->k) / 32);
    for (int b = 0; b < blocks; b++)
        for (int r = 0; r < PANEL_ROWS; r += 8) {
            __m256i v[8], header[4];
            int64_t at = b * kind.bytes;
            UNROLL
            for (int i = 0; i < 8; i++) {
                prefetch_bytes(rows.p[r + i] + rows.ahead + at, kind.bytes);
                v[i] = kind.load(rows.p[r + i] + at);
            }
            transpose_rows(v, (uint8_t(*)[PANEL_ROWS][4])p->q[8 * b][r]);
            load_headers(rows.p + r, at, header);
            _mm256_store_ps(p->d[b] + r, kind.scale(header[0]));
            if (kind.has_min)
                _mm256_store_ps(p->m[b] + r, high_half(header[0]));
        }
}

/* A scale in both words of its lane. */
INLINE __m256i both_words(__m256i scale)
{
    return _mm256_blend_epi16(scale, _mm256_slli_epi32(scale, 16), 0xaa);
}

/* Scales and minima of the eight rows from r on, block b. */
INLINE void unpack_k_header(const uint8_t *const *rows, int64_t at, struct panel *p, int b, int r)
{
    struct k_headers header = load_k_headers(rows, at);
    _mm256_store_ps(p->d[b] + r, header.d);
    _mm256_store_ps(p->m[b] + r, header.m);
    UNROLL
    for (int i = 0; i < 8; i++) {
        __m256i scale = _mm256_and_si256(_mm256_srli_epi32(header.scale[i / 4], i % 4 * 8), _mm256_set1_epi32(63));
        store_rows(p->scale[8 * b + i], r, both_words(scale));
    }
    UNROLL
    for (int i = 0; i < 4; i++)
        store_rows(p->pairs[4 * b + i], r, min_words(header.min[i / 2], i % 2));
}

/* The same for sixteen scales; in pairs stand the minima, or where there are none what meets the sums of activations
 * just so: the scales. */
INLINE void unpack_sixteen_header(struct kind_256 kind, const uint8_t *const *rows, int64_t at, struct panel *p, int b,
                                  int r)
{
    struct sixteen_headers header = kind.headers(rows, at);
    _mm256_store_ps(p->d[b] + r, header.d);
    if (kind.has_min)
        _mm256_store_ps(p->m[b] + r, header.m);
    UNROLL
    for (int i = 0; i < 16; i++) {
        __m256i scale = _mm256_srai_epi32(_mm256_slli_epi32(header.scale[i / 4], 24 - i % 4 * 8), 24);
        store_rows(p->scale[16 * b + i], r, both_words(scale));
    }
    UNROLL
    for (int i = 0; i < 8; i++)
        store_rows(p->pairs[8 * b + i], r, byte_words(kind.has_min ? header.min[i / 2] : header.scale[i / 2], i % 2));
}

INLINE void unpack_256(struct kind_256 kind, const struct cut *cut, struct panel *p)
{
    struct cut_rows rows = cut_rows(cut, 256, kind.bytes);
    int blocks = (int)((cut->k_end - cut->k) / 256);
    for (int b = 0; b < blocks; b++)
        for (int r = 0; r < PANEL_ROWS; r += 8) {
            int64_t at = b * kind.bytes;
            for (int i = 0; i < 8; i++)
                prefetch_bytes(rows.p[r + i] + rows.ahead + at, kind.bytes);
            if (kind.headers)
                unpack_sixteen_header(kind, rows.p + r, at, p, b, r);
            else
                unpack_k_header(rows.p + r, at, p, b, r);
            UNROLL
            for (int sub = 0; sub < 8; sub++) {
                __m256i v[8];
                UNROLL
                for (int i = 0; i < 8; i++)
                    v[i] = kind.load(rows.p[r + i] + at, sub);
                transpose_rows(v, (uint8_t(*)[PANEL_ROWS][4])p->q[64 * b + 8 * sub][r]);
            }
        }
}

/* ---- tiles: [tile] tokens by 16 rows, sums[2 t + half] ---- */

INLINE __m256i rows_of(const void *row_values, int half)
{
    return _mm256_load_si256((const __m256i *)row_values + half);
}

/* sums[i] += words of `steps` steps of four along K, times the words of scale[i % 2]. q[t] is where token t's bytes
 * begin. */
INLINE void add_run(uint8_t (*w)[PANEL_ROWS][4], const int8_t *const *q, int steps, int tile, bool is_signed,
                    const __m256i scale[2], __m256i *sums)
{
    __m256i words[2 * MAX_TILE];
    UNROLL
    for (int i = 0; i < 2 * tile; i++)
        words[i] = _mm256_setzero_si256();
    UNROLL
    for (int step = 0; step < steps; step++) {
        __m256i w0 = rows_of(w[step], 0), w1 = rows_of(w[step], 1);
        UNROLL
        for (int t = 0; t < tile; t++) {
            __m256i a = broadcast_dword(q[t] + 4 * step);
            words[2 * t] = _mm256_add_epi16(words[2 * t], multiply_pairs(w0, a, is_signed));
            words[2 * t + 1] = _mm256_add_epi16(words[2 * t + 1], multiply_pairs(w1, a, is_signed));
        }
    }
    UNROLL
    for (int i = 0; i < 2 * tile; i++)
        sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(words[i], scale[i % 2]));
}

/* y += scaled terms of one block, for one half of the panel's rows. */
INLINE void add_term(float *y, __m256 w_scale, float act_scale, __m256i isum)
{
    __m256 factor = _mm256_mul_ps(w_scale, _mm256_set1_ps(act_scale));
    _mm256_store_ps(y, _mm256_fmadd_ps(factor, _mm256_cvtepi32_ps(isum), _mm256_load_ps(y)));
}

INLINE void tile_32(struct kind_32 kind, struct panel *p, int blocks, const struct act_block_32 *const *acts, int tile,
                    int token)
{
    const __m256i ones[2] = {_mm256_set1_epi16(1), _mm256_set1_epi16(1)};
    int run = kind.run ? kind.run : 1;
    for (int b = 0; b < blocks; b++) {
        __m256i sums[2 * MAX_TILE];
        UNROLL
        for (int t = 0; t < tile; t++)
            sums[2 * t] = sums[2 * t + 1] = _mm256_set1_epi32(-kind.offset * acts[t][b].sum);
        UNROLL
        for (int step = 0; step < 8; step += run) {
            const int8_t *q[MAX_TILE];
            UNROLL
            for (int t = 0; t < tile; t++)
                q[t] = acts[t][b].q + 4 * step;
            add_run(&p->q[8 * b + step], q, run, tile, kind.run == 0, ones, sums);
        }
        for (int i = 0; i < 2 * tile; i++) {
            const struct act_block_32 *a = &acts[i / 2][b];
            float *y = p->y[token + i / 2] + i % 2 * 8;
            add_term(y, _mm256_load_ps(p->d[b] + i % 2 * 8), a->d, sums[i]);
            if (kind.has_min)
                add_term(y, _mm256_load_ps(p->m[b] + i % 2 * 8), a->d, _mm256_set1_epi32(a->sum));
        }
    }
}

/* The sum of word pairs times the token's words; `n` pairs from the block's first. */
INLINE __m256i sum_pairs(struct panel *p, int first, int n, const int16_t *words, int half)
{
    __m256i sum = _mm256_setzero_si256();
    for (int i = 0; i < n; i++)
        sum = _mm256_add_epi32(sum,
                               _mm256_madd_epi16(rows_of(p->pairs[first + i], half), broadcast_dword(words + 2 * i)));
    return sum;
}

/* y += one block's terms for one half of the panel's rows; isum is of the unsigned bytes. */
INLINE void add_block_256(struct kind_256 kind, struct panel *p, int b, const struct act_block_256 *a, int half,
                          __m256i isum, float *y)
{
    int n = kind.headers ? 8 : 4;
    __m256i pairs = _mm256_setzero_si256();
    if (kind.shift > 0 || kind.has_min)
        pairs = sum_pairs(p, n * b, n, kind.headers ? a->sums : a->pair_sums, half);
    if (kind.shift > 0)
        isum = _mm256_sub_epi32(isum, _mm256_slli_epi32(pairs, kind.shift));
    add_term(y, _mm256_load_ps(p->d[b] + half * 8), a->d, isum);
    if (kind.has_min)
        add_term(y, _mm256_load_ps(p->m[b] + half * 8), -a->d, pairs);
}

INLINE void tile_256(struct kind_256 kind, struct panel *p, int blocks, const struct act_block_256 *const *acts,
                     int tile, int token)
{
    int steps_of_scale = kind.headers ? 4 : 8, run = kind.run ? kind.run : 1;
    for (int b = 0; b < blocks; b++) {
        __m256i sums[2 * MAX_TILE];
        for (int i = 0; i < 2 * tile; i++)
            sums[i] = _mm256_setzero_si256();
        for (int step = 0; step < 64; step += run) {
            const int32_t *scales = p->scale[(64 * b + step) / steps_of_scale];
            const __m256i scale[2] = {rows_of(scales, 0), rows_of(scales, 1)};
            const int8_t *q[MAX_TILE];
            UNROLL
            for (int t = 0; t < tile; t++)
                q[t] = acts[t][b].q + 4 * step;
            add_run(&p->q[64 * b + step], q, run, tile, kind.run == 0, scale, sums);
        }
        for (int i = 0; i < 2 * tile; i++)
            add_block_256(kind, p, b, &acts[i / 2][b], i % 2, sums[i], p->y[token + i / 2] + i % 2 * 8);
    }
}

/* ---- from tokens to tiles ---- */

/* The largest tile that `left` tokens fill. */
INLINE int tile_size(int left)
{
    return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

INLINE const void *act_at(const struct matmul *mm, int64_t token, int64_t block, size_t block_bytes)
{
    size_t row = act_row_bytes(act_format_of(mm->type), mm->k);
    return (const char *)mm->act + (size_t)token * row + (size_t)block * block_bytes;
}

INLINE void run_cut_32(struct kind_32 kind, const struct cut *cut, struct panel *p, int64_t token, int tokens)
{
    int blocks = (int)((cut->k_end - cut->k) / 32);
    unpack_32(kind, cut, p);
    for (int t = 0, tile; t < tokens; t += tile) {
        const struct act_block_32 *acts[MAX_TILE];
        tile = tile_size(tokens - t);
        for (int i = 0; i < tile; i++)
            acts[i] = act_at(cut->mm, token + t + i, cut->k / 32, sizeof **acts);
        if (tile == 4)
            tile_32(kind, p, blocks, acts, 4, t);
        else if (tile == 2)
            tile_32(kind, p, blocks, acts, 2, t);
        else
            tile_32(kind, p, blocks, acts, 1, t);
    }
}

INLINE void run_cut_256(struct kind_256 kind, const struct cut *cut, struct panel *p, int64_t token, int tokens)
{
    int blocks = (int)((cut->k_end - cut->k) / 256);
    unpack_256(kind, cut, p);
    for (int t = 0, tile; t < tokens; t += tile) {
        const struct act_block_256 *acts[MAX_TILE];
        tile = tile_size(tokens - t);
        for (int i = 0; i < tile; i++)
            acts[i] = act_at(cut->mm, token + t + i, cut->k / 256, sizeof **acts);
        if (tile == 4)
            tile_256(kind, p, blocks, acts, 4, t);
        else if (tile == 2)
            tile_256(kind, p, blocks, acts, 2, t);
        else
            tile_256(kind, p, blocks, acts, 1, t);
    }
}

static void store_panel(const struct cut *cut, const struct panel *p, int64_t token, int tokens)
{
    for (int t = 0; t < tokens; t++)
        for (int r = 0; r < PANEL_ROWS && cut->row + r < cut->end; r += 8) {
            float *y = cut->mm->y + (token + t) * cut->mm->y_stride + cut->row + r;
            int64_t left = cut->end - cut->row - r;
            __m256 sum = _mm256_load_ps(p->y[t] + r);
            store_part(y, left, cut->mm->accumulate ? _mm256_add_ps(load_part(y, left), sum) : sum);
        }
}

/* ---- the walk over panels ---- */

/* One cut against `tokens` tokens from `token` on. */
static void run_cut(const struct cut *cut, struct panel *p, int64_t token, int tokens)
{
    switch (cut->mm->type) {
    case TENSOR_Q4_0:
        run_cut_32(KIND_Q4_0, cut, p, token, tokens);
        break;
    case TENSOR_Q4_1:
        run_cut_32(KIND_Q4_1, cut, p, token, tokens);
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
    case TENSOR_IQ4_NL:
        run_cut_32(KIND_IQ4_NL, cut, p, token, tokens);
        break;
    case TENSOR_MXFP4:
        run_cut_32(KIND_MXFP4, cut, p, token, tokens);
        break;
    case TENSOR_Q2_K:
        run_cut_256(KIND_Q2_K, cut, p, token, tokens);
        break;
    case TENSOR_Q3_K:
        run_cut_256(KIND_Q3_K, cut, p, token, tokens);
        break;
    case TENSOR_Q4_K:
        run_cut_256(KIND_Q4_K, cut, p, token, tokens);
        break;
    case TENSOR_Q5_K:
        run_cut_256(KIND_Q5_K, cut, p, token, tokens);
        break;
    case TENSOR_IQ4_XS:
        run_cut_256(KIND_IQ4_XS, cut, p, token, tokens);
        break;
    default:
        run_cut_256(KIND_Q6_K, cut, p, token, tokens);
        break;
    }
}

void tile_avx2(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    struct panel *p = scratch;
    for (int64_t token = 0; token < mm->tokens; token += PANEL_TOKENS) {
        int tokens = mm->tokens - token < PANEL_TOKENS ? (int)(mm->tokens - token) : PANEL_TOKENS;
        for (int64_t row = begin; row < end; row += PANEL_ROWS) {
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
