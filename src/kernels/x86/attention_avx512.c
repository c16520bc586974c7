/* Attention with sixteen lanes: up to four query heads share each read of a page of K and V, and the lanes of sixteen
 * dot products fold into one vector of scores. */
#include <math.h>

#include "kernels/x86/avx512.h"

#define MAX_HEADS 4

/* Up to four heads that read one kv head, while they walk the tiles. */
struct walk {
    const struct attention *a;
    const float *q;  /* heads are head_dim apart */
    int64_t head_at; /* of the kv head in a page's K or V, in elements */
    int first, last; /* visible slots of the page at hand */
    float max[MAX_HEADS], sum[MAX_HEADS], correction[MAX_HEADS];
    float p[MAX_HEADS][KV_PAGE]; /* scores, then exponentials; 0 where not visible */
    float acc[MAX_HEADS][ATTENTION_MAX_HEAD_DIM];
};

INLINE __m512 load_kv(const struct walk *w, bool f16, const char *base, int64_t at, int left)
{
    at += w->head_at;
    if (f16)
        return _mm512_cvtph_ps(load_part_16bit((const uint16_t *)base + at, left));
    return load_part((const float *)base + at, left);
}

/* Sixteen elements of the heads' q times those of four slots of k, from element d on, of which `left` exist. */
INLINE void dot_step(const struct walk *w, bool f16, int heads, const char *k_page, const int slot[4], int d, int left,
                     __m512 *lanes)
{
    int dim = w->a->head_dim;
    __m512 k[4];
    UNROLL
    for (int i = 0; i < 4; i++)
        k[i] = load_kv(w, f16, k_page, (int64_t)slot[i] * dim + d, left);
    UNROLL
    for (int h = 0; h < heads; h++) {
        __m512 q = load_part(w->q + h * dim + d, left);
        UNROLL
        for (int i = 0; i < 4; i++)
            lanes[4 * h + i] = fmadd_part(q, k[i], lanes[4 * h + i], left);
    }
}

/* lanes[4 h + i] = lanes of q_h . k of slot[i]. */
INLINE void dot_lanes(const struct walk *w, bool f16, int heads, const char *k_page, const int slot[4], __m512 *lanes)
{
    int dim = w->a->head_dim, d = 0;
    UNROLL
    for (int i = 0; i < 4 * heads; i++)
        lanes[i] = _mm512_setzero_ps();
    for (; d + 16 <= dim; d += 16)
        dot_step(w, f16, heads, k_page, slot, d, 16, lanes);
    if (d < dim)
        dot_step(w, f16, heads, k_page, slot, d, dim - d, lanes);
}

INLINE __m512 soft_cap(const struct attention *a, __m512 s)
{
    __m512 cap = _mm512_set1_ps(a->softcap), one = _mm512_set1_ps(1.0f), two = _mm512_set1_ps(2.0f);
    __m512 e = exp_avx512(_mm512_mul_ps(two, _mm512_div_ps(s, cap)));
    return _mm512_mul_ps(cap, _mm512_sub_ps(one, _mm512_div_ps(two, _mm512_add_ps(e, one))));
}

INLINE __mmask16 visible(const struct walk *w, int slot)
{
    __mmask16 to = mask_of(w->last + 1 - slot), from = w->first > slot ? mask_of(w->first - slot) : 0;
    return to & (__mmask16)~from;
}

/* Scores of slots [slot, slot + 16). Slots not visible may hold anything: a visible one is read in their place. */
INLINE void score_sixteen(struct walk *w, bool f16, int heads, const char *k_page, int slot)
{
    __m512 part[4][MAX_HEADS];
    for (int e = 0; e < 4; e++) {
        __m512 lanes[4 * MAX_HEADS];
        int slots[4];
        for (int i = 0; i < 4; i++) {
            int j = slot + e + 4 * i;
            slots[i] = j < w->first ? w->first : j > w->last ? w->last : j;
        }
        dot_lanes(w, f16, heads, k_page, slots, lanes);
        UNROLL
        for (int h = 0; h < heads; h++)
            part[e][h] = fold4(fold8(lanes[4 * h], lanes[4 * h + 1]), fold8(lanes[4 * h + 2], lanes[4 * h + 3]));
    }
    for (int h = 0; h < heads; h++) {
        __m512 s = fold1(fold2(part[0][h], part[1][h]), fold2(part[2][h], part[3][h]));
        s = _mm512_mul_ps(_mm512_set1_ps(w->a->scale), s);
        if (w->a->softcap != 0)
            s = soft_cap(w->a, s);
        _mm512_storeu_ps(w->p[h] + slot, s);
    }
}

/* Scores to exponentials; the running maximum and sum follow. */
INLINE void soft_max(struct walk *w, int h)
{
    __m512 max = _mm512_set1_ps(w->max[h]), sum = _mm512_setzero_ps();
    for (int slot = w->first / 16 * 16; slot <= w->last; slot += 16)
        max = _mm512_mask_max_ps(max, visible(w, slot), _mm512_loadu_ps(w->p[h] + slot), max);
    float new_max = _mm512_reduce_max_ps(max);
    max = _mm512_set1_ps(new_max);
    for (int slot = w->first / 16 * 16; slot <= w->last; slot += 16) {
        __m512 p = exp_avx512(_mm512_sub_ps(_mm512_loadu_ps(w->p[h] + slot), max));
        p = _mm512_maskz_mov_ps(visible(w, slot), p);
        sum = _mm512_add_ps(sum, p);
        _mm512_storeu_ps(w->p[h] + slot, p);
    }
    w->correction[h] = _mm512_cvtss_f32(exp_avx512(_mm512_set1_ps(w->max[h] - new_max)));
    w->max[h] = new_max;
    w->sum[h] = fmaf(w->sum[h], w->correction[h], fold(sum));
}

/* acc = acc correction + p V for `n` vectors of the head from element d on, of which `left` elements exist. */
INLINE void add_values(struct walk *w, bool f16, int heads, const char *v_page, int d, int n, int left)
{
    __m512 acc[MAX_HEADS * 4];
    UNROLL
    for (int h = 0; h < heads; h++)
        UNROLL
    for (int i = 0; i < n; i++)
        acc[4 * h + i] = _mm512_mul_ps(_mm512_loadu_ps(w->acc[h] + d + 16 * i), _mm512_set1_ps(w->correction[h]));
    for (int j = w->first; j <= w->last; j++) {
        __m512 v[4];
        UNROLL
        for (int i = 0; i < n; i++)
            v[i] = load_kv(w, f16, v_page, (int64_t)j * w->a->head_dim + d + 16 * i, left);
        UNROLL
        for (int h = 0; h < heads; h++)
            UNROLL
        for (int i = 0; i < n; i++)
            acc[4 * h + i] = _mm512_fmadd_ps(_mm512_set1_ps(w->p[h][j]), v[i], acc[4 * h + i]);
    }
    UNROLL
    for (int h = 0; h < heads; h++)
        UNROLL
    for (int i = 0; i < n; i++)
        _mm512_storeu_ps(w->acc[h] + d + 16 * i, acc[4 * h + i]);
}

INLINE void attend_page(struct walk *w, bool f16, int heads, const char *page)
{
    const char *k_page = page + w->a->k_offset, *v_page = page + w->a->v_offset;
    int dim = w->a->head_dim, d = 0;
    for (int slot = w->first / 16 * 16; slot <= w->last; slot += 16)
        score_sixteen(w, f16, heads, k_page, slot);
    for (int h = 0; h < heads; h++)
        soft_max(w, h);
    for (; d + 64 <= dim; d += 64)
        add_values(w, f16, heads, v_page, d, 4, 16);
    for (; d < dim; d += 16)
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
        memset(w.acc[h], 0, sizeof w.acc[h][0] * (size_t)((a->head_dim + 15) / 16 * 16));
    }
    for (int64_t page = first / KV_PAGE; page <= pos / KV_PAGE; page++) {
        int64_t from = first - page * KV_PAGE, to = pos - page * KV_PAGE;
        w.first = from > 0 ? (int)from : 0;
        w.last = to < KV_PAGE ? (int)to : KV_PAGE - 1;
        attend_page(&w, f16, heads, a->pages[page]);
    }
    for (int h = 0; h < heads; h++) {
        float *out = a->out + token * a->out_stride + (int64_t)(head + h) * a->head_dim;
        for (int d = 0; d < a->head_dim; d += 16)
            _mm512_mask_storeu_ps(out + d, mask_of(a->head_dim - d),
                                  _mm512_div_ps(_mm512_loadu_ps(w.acc[h] + d), _mm512_set1_ps(w.sum[h])));
    }
}

INLINE void attend_group(const struct attention *a, bool f16, int64_t token, int kv_head)
{
    int group = a->n_head / a->n_kv_head, head = kv_head * group, end = head + group;
    for (; head + 4 <= end; head += 4)
        attend_heads(a, f16, token, kv_head, head, 4);
    for (; head + 2 <= end; head += 2)
        attend_heads(a, f16, token, kv_head, head, 2);
    if (head < end)
        attend_heads(a, f16, token, kv_head, head, 1);
}

static void attention_avx512(const struct attention *a, int64_t begin, int64_t end)
{
    for (int64_t unit = begin; unit < end; unit++) {
        if (a->kv_type == TENSOR_F16)
            attend_group(a, true, unit / a->n_kv_head, (int)(unit % a->n_kv_head));
        else
            attend_group(a, false, unit / a->n_kv_head, (int)(unit % a->n_kv_head));
    }
}

static void kv_store_avx512(const float *src, char *dst, enum tensor_type kv_type, int n_kv_head, int head_dim,
                            int slot)
{
    for (int h = 0; h < n_kv_head; h++, src += head_dim) {
        int64_t at = ((int64_t)h * KV_PAGE + slot) * head_dim;
        for (int i = 0; i < head_dim; i += 16) {
            __mmask16 mask = mask_of(head_dim - i);
            __m512 v = _mm512_maskz_loadu_ps(mask, src + i);
            if (kv_type == TENSOR_F16)
                _mm256_mask_storeu_epi16((uint16_t *)dst + at + i, mask, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
            else
                _mm512_mask_storeu_ps((float *)dst + at + i, mask, v);
        }
    }
}

void attention_fill_avx512(struct attention_kernels *a)
{
    a->attention = attention_avx512;
    a->kv_store = kv_store_avx512;
}
