/* Attention, the same for every instruction set: included behind a file's own vectors. A unit's rows (the query heads
 * of one kv head, token after token) walk the pages together, and meet each page's K and V in register tiles of
 * TILE_ROWS rows and TILE_VECS vectors. Where there are more rows than a tile has, halves are widened once for all. */
#ifndef RUNG_KERNELS_X86_ATTENTION_ANY_H
#define RUNG_KERNELS_X86_ATTENTION_ANY_H

#define TILE_ROWS 6
#define PAGE_VECS (KV_PAGE / VEC_LANES)
#define BLOCK_VECS (KV_BLOCK / VEC_LANES)
#define TILE_BLOCKS (TILE_VECS > BLOCK_VECS ? TILE_VECS / BLOCK_VECS : 1) /* blocks of Q8_0 that a tile touches */
#define LANE_VECS (16 / VEC_LANES) /* vectors that hold the sixteen lanes of a sum */

struct scratch {
    float k[ATTENTION_MAX_HEAD_DIM * KV_PAGE], v[KV_PAGE * ATTENTION_MAX_HEAD_DIM]; /* widened */
    float p[ATTENTION_ROWS][KV_PAGE];              /* q . k, then exponentials; 0 where not visible */
    float scaled[TILE_BLOCKS][TILE_ROWS][KV_PAGE]; /* those times the scales of V */
    float sums[ATTENTION_SUMS];                    /* [rows, attention_row_floats] */
    const float *q[ATTENTION_ROWS];
    float max[ATTENTION_ROWS], sum[ATTENTION_ROWS], correction[ATTENTION_ROWS];
    float new_max[ATTENTION_ROWS], page_sum[ATTENTION_ROWS]; /* with the page at hand, and of it alone */
    struct kv_rounded rounded[ATTENTION_ROWS];               /* q, for a cache of Q8_0 */
};
_Static_assert(sizeof(struct scratch) <= ATTENTION_SCRATCH_BYTES, "the rows lie in the scratch of one thread");

/* How numbers lie where a tile reads them. */
enum form {
    FORM_F32,
    FORM_F16,
    FORM_Q8,
};

/* Rows on their way over the pages. */
struct walk {
    const struct attention *a;
    struct scratch *s;
    int token, head; /* the first; row r is head + r % heads of token + r / heads */
    int heads, rows;
    size_t head_at;              /* of the kv head in a page's K or V, in bytes */
    const char *k, *v;           /* of the page at hand */
    const char *k_next, *v_next; /* of the page behind it */
    const float *v_scales;
    enum form k_form, v_form;
    int from, to; /* rows [from, to) see something of it */
};

INLINE VEC load_form(enum form form, const char *base, int64_t at, int left)
{
    if (form == FORM_F16)
        return vec_load_f16((const uint16_t *)base + at, left);
    if (form == FORM_Q8)
        return vec_load_i8((const int8_t *)base + at);
    return vec_load_part((const float *)base + at, left);
}

/* What a tile reads of a page, it asks for of the next. */
INLINE void fetch(const char *p, int bytes)
{
    for (int i = 0; i < bytes; i += 64)
        _mm_prefetch(p + i, _MM_HINT_T0);
}

INLINE void fetch_slots(const char *p, int position_bytes)
{
    fetch(p, TILE_VECS * VEC_LANES * position_bytes);
}

/* How many of the rows left the next tile takes: no tile is left with few of them. */
static int tile_rows(int left)
{
    return left >= 2 * TILE_ROWS || left == TILE_ROWS ? TILE_ROWS : left > TILE_ROWS ? (left + 1) / 2 : left;
}

/* ---- scores ---- */

/* q . k of `rows` rows and TILE_VECS vectors of slots. */
INLINE void dot_floats(const struct walk *w, enum form form, int rows, int row, int slot)
{
    VEC sum[TILE_ROWS][TILE_VECS];
    const float *q[TILE_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        q[r] = w->s->q[row + r];
        UNROLL
        for (int i = 0; i < TILE_VECS; i++)
            sum[r][i] = vec_set1(0);
    }
    for (int d = 0; d < w->a->head_dim; d++) {
        VEC k[TILE_VECS];
        UNROLL
        for (int i = 0; i < TILE_VECS; i++)
            k[i] = load_form(form, w->k, (int64_t)d * KV_PAGE + slot + i * VEC_LANES, VEC_LANES);
        if (form == FORM_F16)
            fetch_slots(w->k_next + 2 * ((int64_t)d * KV_PAGE + slot), 2);
        UNROLL
        for (int r = 0; r < rows; r++) {
            VEC x = vec_set1(q[r][d]);
            UNROLL
            for (int i = 0; i < TILE_VECS; i++)
                sum[r][i] = vec_fma(x, k[i], sum[r][i]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int i = 0; i < TILE_VECS; i++)
        vec_store(w->s->p[row + r] + slot + i * VEC_LANES, sum[r][i]);
}

/* The same of one block of a cache of Q8_0, added to what the blocks before it gave. */
INLINE void dot_block(const struct walk *w, int rows, int row, int slot, int block)
{
    const struct kv_rounded *q = w->s->rounded + row;
    const float *scales = (const float *)(w->k + (size_t)w->a->head_dim * KV_PAGE) + block * KV_PAGE + slot;
    VECI sum[TILE_ROWS][TILE_VECS];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int i = 0; i < TILE_VECS; i++)
        sum[r][i] = int_dot_start(q[r].sum[block]);
    UNROLL
    for (int step = 0; step < KV_BLOCK / 4; step++) { /* gcc moves the sums about in a loop */
        int d = block * KV_BLOCK + 4 * step;
        VECI k[TILE_VECS];
        UNROLL
        for (int i = 0; i < TILE_VECS; i++)
            k[i] = int_load(w->k + ((size_t)d * KV_PAGE + 4 * (size_t)(slot + i * VEC_LANES)));
        fetch_slots(w->k_next + (d * KV_PAGE + 4 * slot), 4);
        UNROLL
        for (int r = 0; r < rows; r++)
            UNROLL
        for (int i = 0; i < TILE_VECS; i++)
            sum[r][i] = int_dot(sum[r][i], k[i], q[r].q + d);
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int i = 0; i < TILE_VECS; i++) {
        float *p = w->s->p[row + r] + slot + i * VEC_LANES;
        VEC scale = vec_mul(vec_set1(q[r].d[block]), vec_load(scales + i * VEC_LANES));
        vec_store(p, vec_fma(scale, int_to_vec(sum[r][i]), block > 0 ? vec_load(p) : vec_set1(0)));
    }
}

INLINE void dot_rows(const struct walk *w, int rows, int row, int slot)
{
    switch (w->k_form) {
    case FORM_F32:
        dot_floats(w, FORM_F32, rows, row, slot);
        break;
    case FORM_F16:
        dot_floats(w, FORM_F16, rows, row, slot);
        break;
    case FORM_Q8:
        for (int block = 0; block < w->a->head_dim / KV_BLOCK; block++)
            dot_block(w, rows, row, slot, block);
        break;
    }
}

static void dot_tile(const struct walk *w, int rows, int row, int slot)
{
    switch (rows) {
    case 1:
        dot_rows(w, 1, row, slot);
        break;
    case 2:
        dot_rows(w, 2, row, slot);
        break;
    case 3:
        dot_rows(w, 3, row, slot);
        break;
    case 4:
        dot_rows(w, 4, row, slot);
        break;
    case 5:
        dot_rows(w, 5, row, slot);
        break;
    default:
        dot_rows(w, TILE_ROWS, row, slot);
        break;
    }
}

/* ---- softmax ---- */

INLINE VEC soft_cap(float cap, VEC s)
{
    VEC one = vec_set1(1), two = vec_set1(2);
    VEC e = vec_exp(vec_mul(two, vec_div(s, vec_set1(cap))));
    return vec_mul(vec_set1(cap), vec_sub(one, vec_div(two, vec_add(e, one))));
}

/* Products to scores; the largest of them and of those before, to new_max. */
INLINE void find_maximum(const struct walk *w, bool whole, int row, struct attention_view view)
{
    float *p = w->s->p[row];
    VEC max = vec_set1(w->s->max[row]);
    UNROLL
    for (int i = 0; i < PAGE_VECS; i++) {
        VEC x = vec_mul(vec_set1(w->a->scale), vec_load(p + i * VEC_LANES));
        if (w->a->softcap != 0)
            x = soft_cap(w->a->softcap, x);
        VEC larger = vec_max(x, max);
        max = whole ? larger : vec_seen(view, i * VEC_LANES, larger, max);
        vec_store(p + i * VEC_LANES, x);
    }
    w->s->new_max[row] = vec_largest(max);
}

/* Scores to exponentials; their sum to page_sum. */
INLINE void exponentiate(const struct walk *w, bool whole, int row, struct attention_view view)
{
    float *p = w->s->p[row];
    VEC lanes[LANE_VECS], max = vec_set1(w->s->new_max[row]);
    UNROLL
    for (int i = 0; i < LANE_VECS; i++)
        lanes[i] = vec_set1(0);
    UNROLL
    for (int i = 0; i < PAGE_VECS; i++) {
        VEC x = vec_exp(vec_sub(vec_load(p + i * VEC_LANES), max));
        x = whole ? x : vec_seen(view, i * VEC_LANES, x, vec_set1(0));
        lanes[i % LANE_VECS] = vec_add(lanes[i % LANE_VECS], x);
        vec_store(p + i * VEC_LANES, x);
    }
    w->s->page_sum[row] = vec_fold(lanes);
}

/* Rows [row, end), in steps none of which waits for the same row's one before. */
INLINE void soft_max(const struct walk *w, bool whole, int row, int end, struct attention_view view)
{
    struct scratch *s = w->s;
    for (int r = row; r < end; r++)
        find_maximum(w, whole, r, view);
    for (int r = row; r < end; r++)
        exponentiate(w, whole, r, view);
    for (int r = row; r < end; r += VEC_LANES) {
        int left = end - r;
        VEC new_max = vec_load_part(s->new_max + r, left), page_sum = vec_load_part(s->page_sum + r, left);
        VEC correction = vec_exp(vec_sub(vec_load_part(s->max + r, left), new_max));
        vec_store_part(s->correction + r, left, correction);
        vec_store_part(s->sum + r, left, vec_fma(vec_load_part(s->sum + r, left), correction, page_sum));
        vec_store_part(s->max + r, left, new_max);
    }
}

/* ---- values ---- */

/* sums = sums correction + p V of `rows` rows and `vecs` vectors from element d on, of which `left` elements exist. The
 * i-th vector's p is p[i / p_vecs]. */
INLINE void add_values(const struct walk *w, enum form form, int rows, int vecs, int row, const float *const *p,
                       int p_vecs, struct attention_view view, int d, int left)
{
    int dim = w->a->head_dim, stride = attention_row_floats(dim), bytes = form == FORM_F16 ? 2 : 1;
    float *sums = w->s->sums + (int64_t)row * stride + d;
    VEC sum[TILE_ROWS][TILE_VECS];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int i = 0; i < vecs; i++)
        sum[r][i] = vec_mul(vec_load(sums + r * stride + i * VEC_LANES), vec_set1(w->s->correction[row + r]));
    for (int j = view.first; j <= view.last; j++) {
        VEC v[TILE_VECS];
        UNROLL
        for (int i = 0; i < vecs; i++)
            v[i] = load_form(form, w->v, (int64_t)j * dim + d + i * VEC_LANES, left);
        if (form != FORM_F32)
            fetch(w->v_next + ((int64_t)j * dim + d) * bytes, vecs * VEC_LANES * bytes);
        UNROLL
        for (int r = 0; r < rows; r++)
            UNROLL
        for (int i = 0; i < vecs; i++)
            sum[r][i] = vec_fma(vec_set1(p[i / p_vecs][r * KV_PAGE + j]), v[i], sum[r][i]);
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int i = 0; i < vecs; i++)
        vec_store(sums + r * stride + i * VEC_LANES, sum[r][i]);
}

INLINE void add_floats(const struct walk *w, enum form form, int rows, int row, struct attention_view view)
{
    const float *p = w->s->p[row];
    int dim = w->a->head_dim, d = 0;
    for (; d + TILE_VECS * VEC_LANES <= dim; d += TILE_VECS * VEC_LANES)
        add_values(w, form, rows, TILE_VECS, row, &p, TILE_VECS, view, d, VEC_LANES);
    for (; d + VEC_LANES <= dim; d += VEC_LANES)
        add_values(w, form, rows, 1, row, &p, TILE_VECS, view, d, VEC_LANES);
    if (d < dim)
        add_values(w, form, rows, 1, row, &p, TILE_VECS, view, d, dim - d);
}

/* p times the scales of each of `blocks` blocks from element d on. */
INLINE void scale_rows(const struct walk *w, int rows, int blocks, int row, int d)
{
    for (int b = 0; b < blocks; b++) {
        const float *scales = w->v_scales + (d / KV_BLOCK + b) * KV_PAGE;
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < KV_PAGE; j += VEC_LANES)
                vec_store(w->s->scaled[b][r] + j, vec_mul(vec_load(w->s->p[row + r] + j), vec_load(scales + j)));
    }
}

INLINE void add_scaled(const struct walk *w, enum form form, int rows, int row, struct attention_view view)
{
    const float *p[2] = {w->s->scaled[0][0], w->s->scaled[TILE_BLOCKS - 1][0]};
    int dim = w->a->head_dim, d = 0;
    for (; TILE_BLOCKS > 1 && d + TILE_BLOCKS * KV_BLOCK <= dim; d += TILE_BLOCKS * KV_BLOCK) {
        scale_rows(w, rows, TILE_BLOCKS, row, d);
        add_values(w, form, rows, TILE_VECS, row, p, BLOCK_VECS, view, d, VEC_LANES);
    }
    for (; d < dim; d += KV_BLOCK) {
        scale_rows(w, rows, 1, row, d);
        UNROLL
        for (int e = 0; e < KV_BLOCK; e += 2 * VEC_LANES)
            add_values(w, form, rows, 2, row, p, BLOCK_VECS, view, d + e, VEC_LANES);
    }
}

INLINE void add_rows(const struct walk *w, int rows, int row, struct attention_view view)
{
    if (w->v_scales && w->v_form == FORM_Q8)
        add_scaled(w, FORM_Q8, rows, row, view);
    else if (w->v_scales)
        add_scaled(w, FORM_F32, rows, row, view);
    else if (w->v_form == FORM_F16)
        add_floats(w, FORM_F16, rows, row, view);
    else
        add_floats(w, FORM_F32, rows, row, view);
}

static void add_tile(const struct walk *w, int rows, int row, struct attention_view view)
{
    switch (rows) {
    case 1:
        add_rows(w, 1, row, view);
        break;
    case 2:
        add_rows(w, 2, row, view);
        break;
    case 3:
        add_rows(w, 3, row, view);
        break;
    case 4:
        add_rows(w, 4, row, view);
        break;
    case 5:
        add_rows(w, 5, row, view);
        break;
    default:
        add_rows(w, TILE_ROWS, row, view);
        break;
    }
}

/* ---- the walk ---- */

static void widen(enum form form, const char *from, float *to, int n)
{
    for (int i = 0; i < n; i += VEC_LANES)
        vec_store(to + i, form == FORM_F16 ? load_form(FORM_F16, from, i, VEC_LANES) : load_form(FORM_Q8, from, i, 0));
}

/* The page's K and V as the tiles shall read them. */
static void walk_page(struct walk *w, const char *page, const char *next)
{
    const struct attention *a = w->a;
    int elements = a->head_dim * KV_PAGE;
    w->k = page + a->k_offset + w->head_at;
    w->v = page + a->v_offset + w->head_at;
    w->k_next = next + a->k_offset + w->head_at;
    w->v_next = next + a->v_offset + w->head_at;
    w->k_form = w->v_form = a->kv_type == TENSOR_F32 ? FORM_F32 : a->kv_type == TENSOR_F16 ? FORM_F16 : FORM_Q8;
    w->v_scales = w->v_form == FORM_Q8 ? (const float *)(w->v + elements) : NULL;
    if (w->to - w->from <= TILE_ROWS || w->k_form == FORM_F32)
        return;
    widen(w->v_form, w->v, w->s->v, elements);
    w->v = (const char *)w->s->v;
    w->v_form = FORM_F32;
    if (w->k_form != FORM_F16)
        return;
    widen(FORM_F16, w->k, w->s->k, elements);
    w->k = (const char *)w->s->k;
    w->k_form = FORM_F32;
}

static void score_page(const struct walk *w)
{
    for (int slot = 0; slot < KV_PAGE; slot += TILE_VECS * VEC_LANES)
        for (int row = w->from, rows; row < w->to; row += rows) {
            rows = tile_rows(w->to - row);
            dot_tile(w, rows, row, slot);
        }
}

static bool sees_all(struct attention_view view)
{
    return view.first == 0 && view.last == KV_PAGE - 1;
}

/* Rows [row, end) see the same of the page. */
static void attend_alike(const struct walk *w, int row, int end, struct attention_view view)
{
    if (sees_all(view))
        soft_max(w, true, row, end, view);
    else
        soft_max(w, false, row, end, view);
    for (int rows; row < end; row += rows) {
        rows = tile_rows(end - row);
        add_tile(w, rows, row, view);
    }
}

static void attend_page(struct walk *w, int64_t page, int64_t ahead)
{
    const struct attention *a = w->a;
    int tokens = w->rows / w->heads, first = 0, end = tokens;
    struct attention_view view;
    while (view = attention_view_of(a, w->token + first, page), view.last < view.first)
        first++;
    while (view = attention_view_of(a, w->token + end - 1, page), view.last < view.first)
        end--;
    w->from = first * w->heads;
    w->to = end * w->heads;
    walk_page(w, a->pages[page], a->pages[ahead]);
    score_page(w);
    for (int t = first, next; t < end; t = next) {
        view = attention_view_of(a, w->token + t, page);
        for (next = t + 1; next < end; next++) {
            struct attention_view other = attention_view_of(a, w->token + next, page);
            if (other.first != view.first || other.last != view.last)
                break;
        }
        attend_alike(w, t * w->heads, next * w->heads, view);
    }
}

static void start_rows(const struct walk *w)
{
    const struct attention *a = w->a;
    struct scratch *s = w->s;
    memset(s->sums, 0, sizeof s->sums[0] * (size_t)w->rows * (size_t)attention_row_floats(a->head_dim));
    for (int r = 0; r < w->rows; r++) {
        int head = w->head + r % w->heads;
        s->q[r] = a->q + (w->token + r / w->heads) * a->q_stride + (int64_t)head * a->head_dim;
        s->max[r] = a->sinks ? a->sinks[head] : -INFINITY;
        s->sum[r] = a->sinks ? 1 : 0;
        if (a->kv_type == TENSOR_Q8_0)
            kv_round(s->q[r], a->head_dim, &s->rounded[r]);
    }
}

static void finish_rows(const struct walk *w)
{
    const struct attention *a = w->a;
    for (int r = 0; r < w->rows; r++) {
        const float *sums = w->s->sums + (int64_t)r * attention_row_floats(a->head_dim);
        float *out =
            a->out + (w->token + r / w->heads) * a->out_stride + (int64_t)(w->head + r % w->heads) * a->head_dim;
        for (int d = 0; d < a->head_dim; d += VEC_LANES)
            vec_store_part(out + d, a->head_dim - d, vec_div(vec_load(sums + d), vec_set1(w->s->sum[r])));
    }
}

static void attend_unit(const struct attention *a, struct attention_unit unit, struct scratch *s)
{
    int group = a->n_head / a->n_kv_head, most = attention_most_rows(a->head_dim) / unit.tokens;
    int64_t first = attention_first_position(a, unit.token) / KV_PAGE;
    int64_t last = (a->pos0 + unit.token + unit.tokens - 1) / KV_PAGE;
    struct walk w = {
        .a = a,
        .s = s,
        .token = unit.token,
        .head_at = (size_t)unit.kv_head * kv_head_bytes(a->kv_type, a->head_dim),
    };
    for (int at = 0; at < group; at += w.heads) {
        w.head = unit.kv_head * group + at;
        w.heads = group - at < most ? group - at : most;
        w.rows = w.heads * unit.tokens;
        start_rows(&w);
        for (int64_t page = first; page <= last; page++)
            attend_page(&w, page, page < last ? page + 1 : last);
        finish_rows(&w);
    }
}

static void attention_any(const struct attention *a, int64_t begin, int64_t end, void *scratch)
{
    for (int64_t i = begin; i < end; i++)
        attend_unit(a, attention_unit_at(a, i), scratch);
}

/* ---- stores ---- */

static void store_rounded(const struct kv_rounded *r, char *dst, int head_dim, int slot)
{
    float *scales = (float *)(dst + (size_t)head_dim * KV_PAGE);
    for (int b = 0; b < head_dim / KV_BLOCK; b++)
        scales[b * KV_PAGE + slot] = r->d[b];
}

static void store_k_any(const float *src, char *dst, enum tensor_type kv_type, int n_kv_head, int head_dim, int slot)
{
    for (int h = 0; h < n_kv_head; h++, src += head_dim, dst += kv_head_bytes(kv_type, head_dim)) {
        if (kv_type == TENSOR_F16) {
            uint16_t halves[ATTENTION_MAX_HEAD_DIM];
            for (int d = 0; d < head_dim; d += VEC_LANES)
                vec_store_f16(halves + d, vec_load_part(src + d, head_dim - d));
            for (int d = 0; d < head_dim; d++)
                ((uint16_t *)dst)[d * KV_PAGE + slot] = halves[d];
        } else if (kv_type == TENSOR_Q8_0) {
            struct kv_rounded r;
            kv_round(src, head_dim, &r);
            for (int d = 0; d < head_dim; d += 4)
                memcpy(dst + (d * KV_PAGE + 4 * slot), r.q + d, 4);
            store_rounded(&r, dst, head_dim, slot);
        } else {
            for (int d = 0; d < head_dim; d++)
                ((float *)dst)[d * KV_PAGE + slot] = src[d];
        }
    }
}

static void store_v_any(const float *src, char *dst, enum tensor_type kv_type, int n_kv_head, int head_dim, int slot)
{
    for (int h = 0; h < n_kv_head; h++, src += head_dim, dst += kv_head_bytes(kv_type, head_dim)) {
        size_t at = (size_t)slot * (size_t)head_dim;
        if (kv_type == TENSOR_F16) {
            uint16_t halves[ATTENTION_MAX_HEAD_DIM];
            for (int d = 0; d < head_dim; d += VEC_LANES)
                vec_store_f16(halves + d, vec_load_part(src + d, head_dim - d));
            memcpy((uint16_t *)dst + at, halves, (size_t)head_dim * sizeof *halves);
        } else if (kv_type == TENSOR_Q8_0) {
            struct kv_rounded r;
            kv_round(src, head_dim, &r);
            memcpy(dst + at, r.q, (size_t)head_dim);
            store_rounded(&r, dst, head_dim, slot);
        } else {
            memcpy((float *)dst + at, src, (size_t)head_dim * sizeof *src);
        }
    }
}

INLINE void attention_fill(struct attention_kernels *a)
{
    a->attention = attention_any;
    a->store_k = store_k_any;
    a->store_v = store_v_any;
}

#endif
