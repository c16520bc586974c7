/* Attention with sixteen lanes in two vectors: up to two query heads share each read of a page of K and V, and the
 * lanes of eight dot products fold into one vector of scores. */
#include <math.h>

#include "kernels/x86/avx2.h"

#define MAX_HEADS 2

/* Up to two heads that read one kv head, while they walk the tiles. */
struct walk {
    const struct attention *a;
    const float *q;  /* heads are head_dim apart */
    int64_t head_at; /* of the kv head in a page's K or V, in elements */
    int first, last; /* visible slots of the page at hand */
    float max[MAX_HEADS], sum[MAX_HEADS], correction[MAX_HEADS];
    float p[MAX_HEADS][KV_PAGE]; /* scores, then exponentials; 0 where not visible */
    float acc[MAX_HEADS][ATTENTION_MAX_HEAD_DIM];
};

INLINE __m256 load_kv(const struct walk *w, bool f16, const char *base, int64_t at, int64_t left)
{
    at += w->head_at;
    if (f16)
        return load_part_f16((const uint16_t *)base + at, left);
    return load_part((const float *)base + at, left);
}

/* Sixteen elements of the heads' q times those of two slots of k, from element d on, of which `left` exist. */
INLINE void dot_step(const struct walk *w, bool f16, int heads, const char *k_page, const int slot[2], int d, int left,
                     struct lanes *sums)
{
    int dim = w->a->head_dim;
    UNROLL
    for (int i = 0; i < 2; i++) {
        int64_t at = (int64_t)slot[i] * dim + d;
        __m256 lo = load_kv(w, f16, k_page, at, left), hi = load_kv(w, f16, k_page, at + 8, left - 8);
        UNROLL
        for (int h = 0; h < heads; h++) {
            const float *q = w->q + h * dim + d;
            struct lanes *sum = &sums[2 * h + i];
            sum->lo = fmadd_part(load_part(q, left), lo, sum->lo, left);
            sum->hi = fmadd_part(load_part(q + 8, left - 8), hi, sum->hi, left - 8);
        }
    }
}

/* sums[2 h + i] = lanes of q_h . k of slot[i]. */
INLINE void dot_lanes(const struct walk *w, bool f16, int heads, const char *k_page, const int slot[2],
                      struct lanes *sums)
{
    int dim = w->a->head_dim, d = 0;
    UNROLL
    for (int i = 0; i < 2 * heads; i++)
        sums[i] = lanes_zero();
    for (; d + 16 <= dim; d += 16)
        dot_step(w, f16, heads, k_page, slot, d, 16, sums);
    if (d < dim)
        dot_step(w, f16, heads, k_page, slot, d, dim - d, sums);
}

INLINE __m256 soft_cap(const struct attention *a, __m256 s)
{
    __m256 cap = _mm256_set1_ps(a->softcap), one = _mm256_set1_ps(1.0f), two = _mm256_set1_ps(2.0f);
    __m256 e = exp_avx2(_mm256_mul_ps(two, _mm256_div_ps(s, cap)));
    return _mm256_mul_ps(cap, _mm256_sub_ps(one, _mm256_div_ps(two, _mm256_add_ps(e, one))));
}

INLINE __m256 visible(const struct walk *w, int slot)
{
    return _mm256_castsi256_ps(_mm256_andnot_si256(mask_of(w->first - slot), mask_of(w->last + 1 - slot)));
}

/* Scores of slots [slot, slot + 8). Slots not visible may hold anything: a visible one is read in their place. */
INLINE void score_eight(struct walk *w, bool f16, int heads, const char *k_page, int slot)
{
    __m256 part[4][MAX_HEADS];
    for (int e = 0; e < 4; e++) {
        struct lanes sums[2 * MAX_HEADS];
        int slots[2];
        for (int i = 0; i < 2; i++) {
            int j = slot + e + 4 * i;
            slots[i] = j < w->first ? w->first : j > w->last ? w->last : j;
        }
        dot_lanes(w, f16, heads, k_page, slots, sums);
        UNROLL
        for (int h = 0; h < heads; h++)
            part[e][h] = fold4(fold8(sums[2 * h]), fold8(sums[2 * h + 1]));
    }
    for (int h = 0; h < heads; h++) {
        __m256 s = fold1(fold2(part[0][h], part[1][h]), fold2(part[2][h], part[3][h]));
        s = _mm256_mul_ps(_mm256_set1_ps(w->a->scale), s);
        if (w->a->softcap != 0)
            s = soft_cap(w->a, s);
        _mm256_storeu_ps(w->p[h] + slot, s);
    }
}

/* The largest visible score, or the maximum so far. */
INLINE float new_maximum(const struct walk *w, int h)
{
    __m256 max = _mm256_set1_ps(w->max[h]);
    for (int slot = w->first / 16 * 16; slot <= w->last; slot += 8)
        max = _mm256_blendv_ps(max, _mm256_max_ps(_mm256_loadu_ps(w->p[h] + slot), max), visible(w, slot));
    max = _mm256_max_ps(max, _mm256_permute2f128_ps(max, max, 1));
    max = _mm256_max_ps(max, _mm256_permute_ps(max, 0xee));
    return _mm256_cvtss_f32(_mm256_max_ps(max, _mm256_permute_ps(max, 0x01)));
}

INLINE __m256 exponentials(struct walk *w, int h, int slot, __m256 max)
{
    __m256 p = exp_avx2(_mm256_sub_ps(_mm256_loadu_ps(w->p[h] + slot), max));
    p = _mm256_and_ps(p, visible(w, slot));
    _mm256_storeu_ps(w->p[h] + slot, p);
    return p;
}

/* Scores to exponentials; the running maximum and sum follow. */
INLINE void soft_max(struct walk *w, int h)
{
    float max = new_maximum(w, h);
    struct lanes sum = lanes_zero();
    for (int slot = w->first / 16 * 16; slot <= w->last; slot += 16) {
        sum.lo = _mm256_add_ps(sum.lo, exponentials(w, h, slot, _mm256_set1_ps(max)));
        sum.hi = _mm256_add_ps(sum.hi, exponentials(w, h, slot + 8, _mm256_set1_ps(max)));
    }
    w->correction[h] = _mm256_cvtss_f32(exp_avx2(_mm256_set1_ps(w->max[h] - max)));
    w->max[h] = max;
    w->sum[h] = fmaf(w->sum[h], w->correction[h], fold(sum));
}

/* acc = acc correction + p V for `n` vectors of the head from element d on, of which `left` elements exist. */
INLINE void add_values(struct walk *w, bool f16, int heads, const char *v_page, int d, int n, int left)
{
    __m256 acc[MAX_HEADS * 4];
    UNROLL
    for (int h = 0; h < heads; h++)
        UNROLL
    for (int i = 0; i < n; i++)
        acc[4 * h + i] = _mm256_mul_ps(_mm256_loadu_ps(w->acc[h] + d + 8 * i), _mm256_set1_ps(w->correction[h]));
    for (int j = w->first; j <= w->last; j++)
        UNROLL
    for (int i = 0; i < n; i++) {
        __m256 v = load_kv(w, f16, v_page, (int64_t)j * w->a->head_dim + d + 8 * i, left);
        UNROLL
        for (int h = 0; h < heads; h++)
            acc[4 * h + i] = _mm256_fmadd_ps(_mm256_set1_ps(w->p[h][j]), v, acc[4 * h + i]);
    }
    UNROLL
    for (int h = 0; h < heads; h++)
        UNROLL
    for (int i = 0; i < n; i++)
        _mm256_storeu_ps(w->acc[h] + d + 8 * i, acc[4 * h + i]);
}

INLINE void attend_page(struct walk *w, bool f16, int heads, const char *page)
{
    const char *k_page = page + w->a->k_offset, *v_page = page + w->a->v_offset;
    int dim = w->a->head_dim, d = 0;
    for (int slot = w->first / 16 * 16; slot < w->last / 16 * 16 + 16; slot += 8)
        score_eight(w, f16, heads, k_page, slot);
    for (int h = 0; h < heads; h++)
        soft_max(w, h);
    for (; d + 32 <= dim; d += 32)
        add_values(w, f16, heads, v_page, d, 4, 8);
    for (; d < dim; d += 8)
        add_values(w, f16, heads, v_page, d, 1, dim - d);
}

INLINE void attend_heads(const struct attention *a, bool f16, int64_t token, int kv_head, int head, int heads)
{
    int64_t pos = a->pos0 + token;
    int64_t first = a->window > 0 && pos + 1 > a->window ? pos + 1 - a->window : 0;
    struct walk w;
    w.a = a;
    w.q = a->q + token * a->q_stride + (int64_t)head * a->head_dim;
    w.head_at = (int64_t)kv_head * KV_PAGE * a->head_dim;
    for (int h = 0; h < heads; h++) {
        w.max[h] = a->sinks ? a->sinks[head + h] : -INFINITY;
        w.sum[h] = a->sinks ? 1 : 0;
        memset(w.acc[h], 0, sizeof w.acc[h][0] * (size_t)((a->head_dim + 7) / 8 * 8));
    }
    for (int64_t page = first / KV_PAGE; page <= pos / KV_PAGE; page++) {
        int64_t from = first - page * KV_PAGE, to = pos - page * KV_PAGE;
        w.first = from > 0 ? (int)from : 0;
        w.last = to < KV_PAGE ? (int)to : KV_PAGE - 1;
        attend_page(&w, f16, heads, a->pages[page]);
    }
    for (int h = 0; h < heads; h++) {
        float *out = a->out + token * a->out_stride + (int64_t)(head + h) * a->head_dim;
        for (int d = 0; d < a->head_dim; d += 8)
            store_part(out + d, a->head_dim - d,
                       _mm256_div_ps(_mm256_loadu_ps(w.acc[h] + d), _mm256_set1_ps(w.sum[h])));
    }
}

INLINE void attend_group(const struct attention *a, bool f16, int64_t token, int kv_head)
{
    int group = a->n_head / a->n_kv_head, head = kv_head * group, end = head + group;
    for (; head + 2 <= end; head += 2)
        attend_heads(a, f16, token, kv_head, head, 2);
    if (head < end)
        attend_heads(a, f16, token, kv_head, head, 1);
}

static void attention_avx2(const struct attention *a, int64_t begin, int64_t end)
{
    for (int64_t unit = begin; unit < end; unit++) {
        if (a->kv_type == TENSOR_F16)
            attend_group(a, true, unit / a->n_kv_head, (int)(unit % a->n_kv_head));
        else
            attend_group(a, false, unit / a->n_kv_head, (int)(unit % a->n_kv_head));
    }
}

static void store_halves(uint16_t *to, __m256 v, int left)
{
    uint16_t h[8];
    _mm_storeu_si128((__m128i *)h, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    memcpy(to, h, (left < 8 ? (size_t)left : 8) * sizeof *to);
}

static void kv_store_avx2(const float *src, char *dst, enum tensor_type kv_type, int n_kv_head, int head_dim, int slot)
{
    for (int h = 0; h < n_kv_head; h++, src += head_dim) {
        int64_t at = ((int64_t)h * KV_PAGE + slot) * head_dim;
        for (int i = 0; i < head_dim; i += 8) {
            __m256 v = load_part(src + i, head_dim - i);
            if (kv_type == TENSOR_F16)
                store_halves((uint16_t *)dst + at + i, v, head_dim - i);
            else
                store_part((float *)dst + at + i, head_dim - i, v);
        }
    }
}

void attention_fill_avx2(struct attention_kernels *a)
{
    a->attention = attention_avx2;
    a->kv_store = kv_store_avx2;
}
