/* Attention and the cache's stores in plain C: the specification of the faster ones. */
#include "kernels/attention_unit.h"
#include "kernels/ref/lanes.h"

/* One head's state while it walks the tiles. */
struct softmax_state {
    const float *q;
    struct kv_rounded rounded; /* q, for a cache of Q8_0 */
    float max, sum;
    float acc[ATTENTION_MAX_HEAD_DIM];
};

static float float_at(enum tensor_type kv_type, const char *base, int64_t i)
{
    return kv_type == TENSOR_F16 ? f16_to_f32(((const uint16_t *)base)[i]) : ((const float *)base)[i];
}

/* q . k of one slot; k is the head's part of a page. */
static float dot_q8(const struct kv_rounded *q, const char *k, int head_dim, int slot)
{
    const float *scales = (const float *)(k + (size_t)head_dim * KV_PAGE);
    float sum = 0;
    for (int b = 0; b < head_dim / KV_BLOCK; b++) {
        int32_t isum = 0;
        for (int d = b * KV_BLOCK; d < (b + 1) * KV_BLOCK; d++)
            isum += q->q[d] * ((const int8_t *)k)[(d / 4 * KV_PAGE + slot) * 4 + d % 4];
        sum = fmaf(q->d[b] * scales[b * KV_PAGE + slot], (float)isum, sum);
    }
    return sum;
}

static float dot(const struct attention *a, const struct softmax_state *st, const char *k, int slot)
{
    if (a->kv_type == TENSOR_Q8_0)
        return dot_q8(&st->rounded, k, a->head_dim, slot);
    float sum = 0;
    for (int d = 0; d < a->head_dim; d++)
        sum = fmaf(st->q[d], float_at(a->kv_type, k, (int64_t)d * KV_PAGE + slot), sum);
    return sum;
}

static float score(const struct attention *a, const struct softmax_state *st, const char *k, int slot)
{
    float s = a->scale * dot(a, st, k, slot);
    if (a->softcap == 0)
        return s;
    /* tanh x = 1 - 2 / (exp 2x + 1): exact enough absolutely, which is all that a softmax sees. */
    return a->softcap * (1 - 2 / (ref_exp(2 * (s / a->softcap)) + 1));
}

/* acc + p v of one slot and element; v is the head's part of a page. */
static float add_value(const struct attention *a, const char *v, int slot, int d, float p, float acc)
{
    int64_t at = (int64_t)slot * a->head_dim + d;
    if (a->kv_type != TENSOR_Q8_0)
        return fmaf(p, float_at(a->kv_type, v, at), acc);
    const float *scales = (const float *)(v + (size_t)a->head_dim * KV_PAGE);
    return fmaf(p * scales[d / KV_BLOCK * KV_PAGE + slot], ((const int8_t *)v)[at], acc);
}

static void attend_page(const struct attention *a, const char *k, const char *v, struct attention_view view,
                        struct softmax_state *st)
{
    float p[KV_PAGE], lane[LANES] = {0}, max = st->max;
    for (int j = view.first; j <= view.last; j++) {
        p[j] = score(a, st, k, j);
        max = p[j] > max ? p[j] : max;
    }
    float correction = ref_exp(st->max - max);
    for (int j = view.first; j <= view.last; j++) {
        p[j] = ref_exp(p[j] - max);
        lane[j % LANES] += p[j];
    }
    st->max = max;
    st->sum = fmaf(st->sum, correction, lanes_fold(lane));
    for (int d = 0; d < a->head_dim; d++) {
        float acc = st->acc[d] * correction;
        for (int j = view.first; j <= view.last; j++)
            acc = add_value(a, v, j, d, p[j], acc);
        st->acc[d] = acc;
    }
}

static void attend_head(const struct attention *a, int64_t token, int head)
{
    size_t head_at = (size_t)(head / (a->n_head / a->n_kv_head)) * kv_head_bytes(a->kv_type, a->head_dim);
    float *out = a->out + token * a->out_stride + (int64_t)head * a->head_dim;
    struct softmax_state st = {
        .q = a->q + token * a->q_stride + (int64_t)head * a->head_dim,
        .max = a->sinks ? a->sinks[head] : -INFINITY,
        .sum = a->sinks ? 1 : 0,
    };
    if (a->kv_type == TENSOR_Q8_0)
        kv_round(st.q, a->head_dim, &st.rounded);
    for (int64_t i = attention_first_position(a, token) / KV_PAGE; i <= (a->pos0 + token) / KV_PAGE; i++) {
        const char *page = a->pages[i] + head_at;
        attend_page(a, page + a->k_offset, page + a->v_offset, attention_view_of(a, token, i), &st);
    }
    for (int d = 0; d < a->head_dim; d++)
        out[d] = st.acc[d] / st.sum;
}

static void attention_ref(const struct attention *a, int64_t begin, int64_t end, void *scratch)
{
    int group = a->n_head / a->n_kv_head;
    (void)scratch;
    for (int64_t i = begin; i < end; i++) {
        struct attention_unit unit = attention_unit_at(a, i);
        for (int t = 0; t < unit.tokens; t++)
            for (int g = 0; g < group; g++)
                attend_head(a, unit.token + t, unit.kv_head * group + g);
    }
}

/* Element d of a slot stands at d * d_stride + slot * slot_stride, counted in elements. */
static void store_floats(const float *src, char *dst, enum tensor_type kv_type, int head_dim, int64_t at,
                         int64_t stride)
{
    for (int d = 0; d < head_dim; d++, at += stride) {
        if (kv_type == TENSOR_F16)
            ((uint16_t *)dst)[at] = f32_to_f16(src[d]);
        else
            ((float *)dst)[at] = src[d];
    }
}

static void store_scales(const struct kv_rounded *r, char *dst, int head_dim, int slot)
{
    float *scales = (float *)(dst + (size_t)head_dim * KV_PAGE);
    for (int b = 0; b < head_dim / KV_BLOCK; b++)
        scales[b * KV_PAGE + slot] = r->d[b];
}

static void store_k_ref(const float *src, char *dst, enum tensor_type kv_type, int n_kv_head, int head_dim, int slot)
{
    for (int h = 0; h < n_kv_head; h++, src += head_dim, dst += kv_head_bytes(kv_type, head_dim)) {
        struct kv_rounded r;
        if (kv_type != TENSOR_Q8_0) {
            store_floats(src, dst, kv_type, head_dim, slot, KV_PAGE);
            continue;
        }
        kv_round(src, head_dim, &r);
        for (int d = 0; d < head_dim; d++)
            ((int8_t *)dst)[(d / 4 * KV_PAGE + slot) * 4 + d % 4] = r.q[d];
        store_scales(&r, dst, head_dim, slot);
    }
}

static void store_v_ref(const float *src, char *dst, enum tensor_type kv_type, int n_kv_head, int head_dim, int slot)
{
    for (int h = 0; h < n_kv_head; h++, src += head_dim, dst += kv_head_bytes(kv_type, head_dim)) {
        struct kv_rounded r;
        if (kv_type != TENSOR_Q8_0) {
            store_floats(src, dst, kv_type, head_dim, (int64_t)slot * head_dim, 1);
            continue;
        }
        kv_round(src, head_dim, &r);
        memcpy(dst + (size_t)slot * (size_t)head_dim, r.q, (size_t)head_dim);
        store_scales(&r, dst, head_dim, slot);
    }
}

void attention_fill_ref(struct attention_kernels *a)
{
    a->attention = attention_ref;
    a->store_k = store_k_ref;
    a->store_v = store_v_ref;
}
