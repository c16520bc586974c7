/* Quantised products with five tokens and more: a panel of unpacked weights (panel_avx512.h) meets the tokens in
 * register tiles whose lanes are rows. A token's bytes are broadcast, so that a tile's integer sums need no folding.
 * Many tokens share long panels and are bound by the multipliers; few take a panel for every 256 of K, whose unpacking
 * and whose way from memory cost as much. The next rows are prefetched all the while. */
#include "kernels/x86/panel_avx512.h"

#define FEW_TOKENS 16
#define FEW_K 256
#define MAX_TILE 8   /* tokens */
#define MANY_TILE 6  /* 2 x 6 sums and as many block sums leave registers for the operands */
#define TILE_LOOKS 8 /* ahead, for 256 of K */

/* What tiles know of a type. */
struct shape {
    bool has_sixteen; /* scales in a block of 256, not eight */
    bool has_min;
    int above; /* blocks of 32: what the bytes are above the weights; of 256, its logarithm */
};

/* A panel's unpacked blocks and the tokens that meet them. */
struct meeting {
    struct panel *panel;
    int blocks;
    const char *act;  /* the first token's blocks, */
    size_t act_bytes; /* and how far on the next one's are */
    struct ahead ahead;
};

/* ---- tiles: [tile] tokens by 32 rows, sums[2 t + half] ---- */

INLINE __m512i rows_of(const void *row_values, int half)
{
    return _mm512_load_si512((const int32_t *)row_values + 16 * half);
}

/* sums += dot products of `steps` times four of K, of the panel's bytes from w on with each token's from q[t] on. */
INLINE void add_dots(uint8_t (*w)[PANEL_ROWS][4], const int8_t *const *q, int steps, int tile, __m512i *sums)
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

INLINE void tile_32(struct shape shape, struct meeting *m, int tile, int token)
{
    struct panel *p = m->panel;
    const struct act_block_32 *acts[MAX_TILE];
    for (int t = 0; t < tile; t++)
        acts[t] = (const void *)(m->act + (size_t)(token + t) * m->act_bytes);
    for (int b = 0; b < m->blocks; b++) {
        __m512i sums[2 * MAX_TILE];
        const int8_t *q[MAX_TILE];
        look_ahead(&m->ahead);
        UNROLL
        for (int t = 0; t < tile; t++) {
            q[t] = acts[t][b].q;
            sums[2 * t] = sums[2 * t + 1] = _mm512_set1_epi32(-shape.above * acts[t][b].sum);
        }
        add_dots(&p->q[8 * b], q, 8, tile, sums);
        UNROLL
        for (int i = 0; i < 2 * tile; i++) {
            const struct act_block_32 *a = &acts[i / 2][b];
            float *y = p->y[token + i / 2] + i % 2 * 16;
            add_term(y, p->d[b] + i % 2 * 16, _mm512_set1_ps(a->d), sums[i]);
            if (shape.has_min)
                add_term(y, p->m[b] + i % 2 * 16, _mm512_set1_ps(a->d), _mm512_set1_epi32(a->sum));
        }
    }
}

/* sums += the scaled products of n elements of the panel's, which share a scale, with each token's from q[t] on. */
INLINE void add_scaled(struct panel *p, int at, int n, const int8_t *const *q, int tile, __m512i *sums)
{
    __m512i dots[2 * MAX_TILE];
    UNROLL
    for (int i = 0; i < 2 * tile; i++)
        dots[i] = _mm512_setzero_si512();
    add_dots(&p->q[at / 4], q, n / 4, tile, dots);
    UNROLL
    for (int i = 0; i < 2 * tile; i++)
        sums[i] = _mm512_add_epi32(sums[i], _mm512_mullo_epi32(dots[i], rows_of(p->scale[at / n], i % 2)));
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

INLINE void add_block_256(struct shape shape, struct panel *p, int b, const struct act_block_256 *a,
                          const __m512i sums[2], float *y)
{
    __m512i pairs[2];
    __m512 scale = _mm512_set1_ps(a->d), negated = _mm512_set1_ps(-a->d);
    int n = shape.has_sixteen ? 8 : 4;
    sum_pairs(p, n * b, n, shape.has_sixteen ? a->sums : a->pair_sums, pairs);
    UNROLL
    for (int half = 0; half < 2; half++) {
        __m512i isum = sums[half];
        if (!shape.has_min)
            isum = _mm512_sub_epi32(isum, _mm512_slli_epi32(pairs[half], (unsigned)shape.above));
        add_term(y + 16 * half, p->d[b] + 16 * half, scale, isum);
        if (shape.has_min)
            add_term(y + 16 * half, p->m[b] + 16 * half, negated, pairs[half]);
    }
}

INLINE void tile_256(struct shape shape, struct meeting *m, int tile, int token)
{
    struct panel *p = m->panel;
    const struct act_block_256 *acts[MAX_TILE];
    for (int t = 0; t < tile; t++)
        acts[t] = (const void *)(m->act + (size_t)(token + t) * m->act_bytes);
    for (int b = 0; b < m->blocks; b++) {
        __m512i sums[2 * MAX_TILE];
        UNROLL
        for (int i = 0; i < 2 * tile; i++)
            sums[i] = _mm512_setzero_si512();
        for (int at = 0; at < 256; at += 32) {
            const int8_t *q[MAX_TILE];
            look_ahead(&m->ahead);
            UNROLL
            for (int t = 0; t < tile; t++)
                q[t] = acts[t][b].q + at;
            if (!shape.has_sixteen) {
                add_scaled(p, 256 * b + at, 32, q, tile, sums);
                continue;
            }
            add_scaled(p, 256 * b + at, 16, q, tile, sums);
            UNROLL
            for (int t = 0; t < tile; t++)
                q[t] += 16;
            add_scaled(p, 256 * b + at + 16, 16, q, tile, sums);
        }
        UNROLL
        for (int t = 0; t < tile; t++)
            add_block_256(shape, p, b, &acts[t][b], &sums[2 * t], p->y[token + t]);
    }
}

/* ---- from tokens to tiles ---- */

INLINE void tile_any(bool is_32, struct shape shape, struct meeting *m, int tile, int token)
{
    if (is_32)
        tile_32(shape, m, tile, token);
    else
        tile_256(shape, m, tile, token);
}

/* How many of `left` tokens the next tile takes. */
static int tile_size(int left)
{
    return left > FEW_TOKENS ? MANY_TILE : left > MAX_TILE ? (left + 1) / 2 : left;
}

INLINE void tiles(bool is_32, struct shape shape, struct meeting *m, int tokens)
{
    for (int t = 0, tile; t < tokens; t += tile) {
        tile = tile_size(tokens - t);
        switch (tile) {
        case 1:
            tile_any(is_32, shape, m, 1, t);
            break;
        case 2:
            tile_any(is_32, shape, m, 2, t);
            break;
        case 3:
            tile_any(is_32, shape, m, 3, t);
            break;
        case 4:
            tile_any(is_32, shape, m, 4, t);
            break;
        case 5:
            tile_any(is_32, shape, m, 5, t);
            break;
        case 6:
            tile_any(is_32, shape, m, 6, t);
            break;
        case 7:
            tile_any(is_32, shape, m, 7, t);
            break;
        default:
            tile_any(is_32, shape, m, 8, t);
            break;
        }
    }
}

/* Compiled once a shape, not once a type. */
static void tiles_of(enum tensor_type type, struct meeting *m, int tokens)
{
    int above = 0;
    switch (type) {
    case TENSOR_Q4_1:
    case TENSOR_Q5_1:
        tiles(true, (struct shape){false, true, 0}, m, tokens);
        return;
    case TENSOR_Q4_K:
    case TENSOR_Q5_K:
        tiles(false, (struct shape){false, true, 0}, m, tokens);
        return;
    case TENSOR_Q2_K:
        tiles(false, (struct shape){true, true, 0}, m, tokens);
        return;
    case TENSOR_Q4_0:
        above = KIND_Q4_0.offset;
        break;
    case TENSOR_Q5_0:
        above = KIND_Q5_0.offset;
        break;
    case TENSOR_Q8_0:
        above = KIND_Q8_0.offset;
        break;
    case TENSOR_IQ4_NL:
        above = KIND_IQ4_NL.offset;
        break;
    case TENSOR_MXFP4:
        above = KIND_MXFP4.offset;
        break;
    case TENSOR_Q3_K:
        above = KIND_Q3_K.shift;
        break;
    case TENSOR_IQ4_XS:
        above = KIND_IQ4_XS.shift;
        break;
    default:
        above = KIND_Q6_K.shift;
        break;
    }
    if (act_format_of(type) == ACT_Q8_32)
        tiles(true, (struct shape){false, false, above}, m, tokens);
    else
        tiles(false, (struct shape){true, false, above}, m, tokens);
}

/* ---- the walk over panels ---- */

/* `tokens` tokens of a product from `token` on. */
struct walk {
    const struct matmul *mm;
    int64_t token;
    int tokens, tiles;
    int block; /* of the type, */
    int64_t block_bytes, row_bytes;
    size_t act_bytes, act_block_bytes; /* of a token, of one of its blocks */
};

static struct walk walk_of(const struct matmul *mm, int64_t token)
{
    const struct tensor_type_info *info = tensor_type_info(mm->type);
    struct walk w = {
        .mm = mm,
        .token = token,
        .tokens = mm->tokens - token < PANEL_TOKENS ? (int)(mm->tokens - token) : PANEL_TOKENS,
        .block = info->block,
        .block_bytes = info->block_bytes,
        .row_bytes = (int64_t)tensor_row_bytes(mm->type, mm->k),
        .act_bytes = act_row_bytes(act_format_of(mm->type), mm->k),
        .act_block_bytes = info->block == 32 ? sizeof(struct act_block_32) : sizeof(struct act_block_256),
    };
    for (int t = 0; t < w.tokens; t += tile_size(w.tokens - t))
        w.tiles++;
    return w;
}

/* While [k, k_end) of the rows from `row` on is worked on, that share of the next rows' bytes comes from memory, in the
 * order these have there. */
static struct ahead ahead_of(const struct walk *w, int64_t row, int64_t k, int64_t k_end)
{
    int64_t block_bytes = PANEL_ROWS * w->block_bytes, looks = (UNPACK_LOOKS + TILE_LOOKS * w->tiles) * w->block;
    const uint8_t *next = (const uint8_t *)w->mm->w + (row + PANEL_ROWS) * w->row_bytes;
    return (struct ahead){
        .at = next + k / w->block * block_bytes,
        .end = next + k_end / w->block * block_bytes,
        .bytes = (256 * block_bytes / looks + 63) / 64 * 64,
    };
}

static void store_panel(const struct walk *w, const struct panel *p, int64_t row, int64_t end)
{
    for (int t = 0; t < w->tokens; t++)
        for (int r = 0; r < PANEL_ROWS && row + r < end; r += 16) {
            float *y = w->mm->y + (w->token + t) * w->mm->y_stride + row + r;
            __mmask16 mask = mask_of(end - row - r);
            __m512 sum = _mm512_load_ps(p->y[t] + r);
            if (w->mm->accumulate)
                sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), sum);
            _mm512_mask_storeu_ps(y, mask, sum);
        }
}

/* The panel's rows from `row` on; past the end the last one stands in. */
static void walk_rows(const struct walk *w, int64_t row, int64_t end, struct panel *p)
{
    enum tensor_type type = w->mm->type;
    int64_t k_step = w->tokens > FEW_TOKENS ? PANEL_K : FEW_K;
    struct source source;
    for (int r = 0; r < PANEL_ROWS; r++)
        source.rows[r] = (const uint8_t *)w->mm->w + (row + r < end ? row + r : end - 1) * w->row_bytes;
    memset(p->y, 0, (size_t)w->tokens * sizeof p->y[0]);
    for (int64_t k = 0, k_end; k < w->mm->k; k = k_end) {
        k_end = w->mm->k - k < k_step ? w->mm->k : k + k_step;
        source.at = k / w->block * w->block_bytes;
        source.blocks = (int)(k_end - k) / w->block;
        struct meeting m = {
            .panel = p,
            .blocks = source.blocks,
            .act = (const char *)w->mm->act + (size_t)w->token * w->act_bytes +
                   (size_t)(k / w->block) * w->act_block_bytes,
            .act_bytes = w->act_bytes,
            .ahead = ahead_of(w, row, k, k_end),
        };
        panel_unpack_avx512(type, &source, p, &m.ahead);
        tiles_of(type, &m, w->tokens);
    }
    store_panel(w, p, row, end);
}

void tile_avx512(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    for (int64_t token = 0; token < mm->tokens; token += PANEL_TOKENS) {
        struct walk w = walk_of(mm, token);
        for (int64_t row = begin; row < end; row += PANEL_ROWS)
            walk_rows(&w, row, end, scratch);
    }
}
