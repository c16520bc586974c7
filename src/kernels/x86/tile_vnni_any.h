/* Quantised products on tiles, the same for every instruction set that multiplies bytes by fours (each decides from how
 * many tokens on): a panel of unpacked weights (panel.h) meets the tokens in register tiles whose lanes are rows. A
 * token's bytes are broadcast, so that a tile's integer sums need no folding. Many tokens share long panels and are
 * bound by the multipliers; few take a panel for every 256 of K, whose unpacking and whose way from memory cost as
 * much. The next rows are prefetched all the while.
 *
 * Included behind a file's own vectors of LANES (`ints`, `floats`, and what is done with them), store_sums,
 * panel_unpack and the sizes MAX_TILE and MANY_TILE. */
#ifndef RUNG_KERNELS_X86_TILE_VNNI_ANY_H
#define RUNG_KERNELS_X86_TILE_VNNI_ANY_H

#define FEW_TOKENS 16
#define FEW_K 256
#define TILE_LOOKS 8 /* ahead, for 256 of K */

/* What tiles know of a type. */
struct shape {
    bool has_sixteen; /* scales in a block of 256, not eight */
    bool has_min;
    bool is_packed; /* two stretches of 32 elements share a panel's bytes: nibbles, low ones first */
    int above;      /* blocks of 32: what the bytes are above the weights; of 256, its logarithm */
};

/* A panel's unpacked blocks and the tokens that meet them. */
struct meeting {
    struct panel *panel;
    int blocks;
    const char *act;  /* the first token's blocks, */
    size_t act_bytes; /* and how far on the next one's are */
    struct ahead ahead;
};

/* ---- tiles: [tile] tokens by PANEL_ROWS rows, sums[2 t + half] ---- */

INLINE ints rows_of(const void *row_values, int half)
{
    return ints_load((const int32_t *)row_values + LANES * half);
}

/* What a panel's bytes are made of, and which part of it is wanted. */
enum bytes {
    BYTES_WHOLE,
    BYTES_LOW_NIBBLES,
    BYTES_HIGH_NIBBLES
};

INLINE ints weights_of(const void *row_values, int half, enum bytes bytes)
{
    ints v = rows_of(row_values, half);
    return bytes == BYTES_WHOLE ? v : low_nibbles(bytes == BYTES_LOW_NIBBLES ? v : words_shift_right_4(v));
}

/* sums += dot products of `steps` times four of K, of the panel's bytes from w on with each token's from q[t] on. */
INLINE void add_dots(uint8_t (*w)[PANEL_ROWS][4], enum bytes bytes, const int8_t *const *q, int steps, int tile,
                     ints *sums)
{
    UNROLL
    for (int i = 0; i < steps; i++) {
        ints w0 = weights_of(w[i], 0, bytes), w1 = weights_of(w[i], 1, bytes);
        UNROLL
        for (int t = 0; t < tile; t++) {
            ints a = ints_broadcast(q[t] + 4 * i);
            sums[2 * t] = add_byte_dots(sums[2 * t], w0, a);
            sums[2 * t + 1] = add_byte_dots(sums[2 * t + 1], w1, a);
        }
    }
}

/* y += scaled terms of one block, for one half of the panel's rows. */
INLINE void add_term(float *y, const float *w_scale, floats act_scale, ints isum)
{
    floats factor = floats_mul(floats_load(w_scale), act_scale);
    floats_store(y, floats_fma(factor, floats_of(isum), floats_load(y)));
}

INLINE void tile_32(struct shape shape, struct meeting *m, int tile, int token)
{
    struct panel *p = m->panel;
    const struct act_block_32 *acts[MAX_TILE];
    for (int t = 0; t < tile; t++)
        acts[t] = (const void *)(m->act + (size_t)(token + t) * m->act_bytes);
    for (int b = 0; b < m->blocks; b++) {
        ints sums[2 * MAX_TILE];
        const int8_t *q[MAX_TILE];
        look_ahead(&m->ahead);
        UNROLL
        for (int t = 0; t < tile; t++) {
            q[t] = acts[t][b].q;
            sums[2 * t] = sums[2 * t + 1] = ints_set(-shape.above * acts[t][b].sum);
        }
        add_dots(&p->q[8 * b], BYTES_WHOLE, q, 8, tile, sums);
        UNROLL
        for (int i = 0; i < 2 * tile; i++) {
            const struct act_block_32 *a = &acts[i / 2][b];
            float *y = p->y[token + i / 2] + i % 2 * LANES;
            add_term(y, p->d[b] + i % 2 * LANES, floats_set(a->d), sums[i]);
            if (shape.has_min)
                add_term(y, p->m[b] + i % 2 * LANES, floats_set(a->d), ints_set(a->sum));
        }
    }
}

/* What each token's dot products with unsigned bytes begin with, so that they are those with the weights. */
typedef int32_t starts[MAX_TILE][16];

/* sums += the scaled products of n elements, which share a scale, with each token's from q[t] on; where `from` is not
 * negative, the dot products begin with that of the starts. */
INLINE void add_scaled(uint8_t (*w)[PANEL_ROWS][4], enum bytes bytes, const int32_t *scale, int n,
                       const int8_t *const *q, int tile, const starts start, int from, ints *sums)
{
    ints dots[2 * MAX_TILE];
    UNROLL
    for (int i = 0; i < 2 * tile; i++)
        dots[i] = from < 0 ? ints_zero() : ints_broadcast(&start[i / 2][from]);
    add_dots(w, bytes, q, n / 4, tile, dots);
    UNROLL
    for (int i = 0; i < 2 * tile; i++)
        sums[i] = ints_add(sums[i], ints_mul(dots[i], rows_of(scale, i % 2)));
}

/* sums[half] = the rows' word pairs, `n` from the block's first, times the token's words. */
INLINE void sum_pairs(struct panel *p, int first, int n, const int16_t *words, ints sums[2])
{
    sums[0] = sums[1] = ints_zero();
    UNROLL
    for (int i = 0; i < n; i++) {
        ints a = ints_broadcast(words + 2 * i);
        sums[0] = add_word_dots(sums[0], rows_of(p->pairs[first + i], 0), a);
        sums[1] = add_word_dots(sums[1], rows_of(p->pairs[first + i], 1), a);
    }
}

INLINE void add_block_256(struct shape shape, struct panel *p, int b, const struct act_block_256 *a, const ints sums[2],
                          float *y)
{
    ints pairs[2];
    floats scale = floats_set(a->d), negated = floats_set(-a->d);
    int n = shape.has_sixteen ? 8 : 4;
    if (shape.has_min)
        sum_pairs(p, n * b, n, shape.has_sixteen ? a->sums : a->pair_sums, pairs);
    UNROLL
    for (int half = 0; half < 2; half++) {
        add_term(y + LANES * half, p->d[b] + LANES * half, scale, sums[half]);
        if (shape.has_min)
            add_term(y + LANES * half, p->m[b] + LANES * half, negated, pairs[half]);
    }
}

/* sums += the scaled products of 32 elements, `at` of block b on. */
INLINE void add_32(struct shape shape, struct panel *p, int b, int at, const struct act_block_256 *const *acts,
                   int tile, enum bytes bytes, const starts start, ints *sums)
{
    uint8_t(*w)[PANEL_ROWS][4] = bytes == BYTES_WHOLE ? &p->q[64 * b + at / 4] : &p->q[64 * b + at / 64 * 8];
    const int8_t *q[MAX_TILE];
    UNROLL
    for (int t = 0; t < tile; t++)
        q[t] = acts[t][b].q + at;
    if (!shape.has_sixteen) {
        add_scaled(w, bytes, p->scale[8 * b + at / 32], 32, q, tile, start, -1, sums);
        return;
    }
    add_scaled(w, bytes, p->scale[16 * b + at / 16], 16, q, tile, start, shape.has_min ? -1 : at / 16, sums);
    UNROLL
    for (int t = 0; t < tile; t++)
        q[t] += 16;
    add_scaled(w + 4, bytes, p->scale[16 * b + at / 16 + 1], 16, q, tile, start, shape.has_min ? -1 : at / 16 + 1,
               sums);
}

INLINE void tile_256(struct shape shape, struct meeting *m, int tile, int token)
{
    struct panel *p = m->panel;
    const struct act_block_256 *acts[MAX_TILE];
    for (int t = 0; t < tile; t++)
        acts[t] = (const void *)(m->act + (size_t)(token + t) * m->act_bytes);
    for (int b = 0; b < m->blocks; b++) {
        ints sums[2 * MAX_TILE];
        starts start;
        for (int t = 0; !shape.has_min && t < tile; t++)
            sums_below(acts[t][b].sums, shape.above, start[t]);
        UNROLL
        for (int i = 0; i < 2 * tile; i++)
            sums[i] = ints_zero();
        for (int at = 0; at < 256; at += shape.is_packed ? 64 : 32) {
            look_ahead(&m->ahead);
            add_32(shape, p, b, at, acts, tile, shape.is_packed ? BYTES_LOW_NIBBLES : BYTES_WHOLE, start, sums);
            if (!shape.is_packed)
                continue;
            look_ahead(&m->ahead);
            add_32(shape, p, b, at + 32, acts, tile, BYTES_HIGH_NIBBLES, start, sums);
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

/* How many of `left` tokens the next tile takes: as even shares as can be, but none of 7. */
INLINE int tile_size(int left)
{
    if (left > FEW_TOKENS)
        return MANY_TILE;
    int tiles = (left + MAX_TILE - 1) / MAX_TILE, size = (left + tiles - 1) / tiles;
    return size < 7 ? size : left < 8 ? 4 : MAX_TILE;
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
        case MANY_TILE:
            tile_any(is_32, shape, m, MANY_TILE, t);
            break;
        default:
            tile_any(is_32, shape, m, MAX_TILE, t);
            break;
        }
    }
}

/* Compiled once a shape, not once a type. */
static void tiles_of(enum tensor_type type, struct meeting *m, int tokens)
{
    static const uint8_t above[TENSOR_TYPES] = {
        [TENSOR_Q4_0] = 8,   [TENSOR_Q5_0] = 16, [TENSOR_Q8_0] = 128, [TENSOR_IQ4_NL] = 128,
        [TENSOR_MXFP4] = 12, [TENSOR_Q3_K] = 2,  [TENSOR_Q6_K] = 5,   [TENSOR_IQ4_XS] = 7,
    };
    bool is_32 = act_format_of(type) == ACT_Q8_32;
    if (type == TENSOR_Q4_K)
        tiles(false, (struct shape){.has_min = true, .is_packed = true}, m, tokens);
    else if (type == TENSOR_Q5_K)
        tiles(false, (struct shape){.has_min = true}, m, tokens);
    else if (type == TENSOR_Q2_K)
        tiles(false, (struct shape){.has_sixteen = true, .has_min = true}, m, tokens);
    else if (!is_32)
        tiles(false, (struct shape){.has_sixteen = true, .above = above[type]}, m, tokens);
    else if (above[type] == 0)
        tiles(true, (struct shape){.has_min = true}, m, tokens);
    else
        tiles(true, (struct shape){.above = above[type]}, m, tokens);
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
        for (int r = 0; r < PANEL_ROWS && row + r < end; r += LANES)
            store_sums(w->mm->y + (w->token + t) * w->mm->y_stride + row + r, end - row - r, w->mm->accumulate,
                       floats_load(p->y[t] + r));
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
        panel_unpack(type, &source, p, &m.ahead);
        tiles_of(type, &m, w->tokens);
    }
    store_panel(w, p, row, end);
}

INLINE void walk_all(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    for (int64_t token = 0; token < mm->tokens; token += PANEL_TOKENS) {
        struct walk w = walk_of(mm, token);
        for (int64_t row = begin; row < end; row += PANEL_ROWS)
            walk_rows(&w, row, end, scratch);
    }
}

#endif
