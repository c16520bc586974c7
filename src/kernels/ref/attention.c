/* Attention and the cache's stores in plain C: the specification of the faster ones. */
#include "kernels/ref/lanes.h"

static float kv_at(const struct attention *a, const char *base, int64_t i)
{
    return a->kv_type == TENSOR_F16 ? f16_to_f32(((const uint16_t *)base)[i]) : ((const float *)base)[i];
}

static float score(const struct attention *a, const float *q, const char *k_page, int64_t k_at)
{
    float lane[LANES] = {0};
    for (int i = 0; i < a->head_dim; i++)
        lane[i % LANES] = fmaf(q[i], kv_at(a, k_page, k_at + i), lane[i % LANES]);
    float s = a->scale * lanes_fold(lane);
    if (a->softcap == 0)
        return s;
    /* tanh x = 1 - 2 / (exp 2x + 1): exact enough absolutely, which is all that a softmax sees. */
    return a->softcap * (1 - 2 / (ref_exp(2 * (s / a->softcap)) + 1));
}

/* One head's state while it walks the tiles. */
struct softmax_state {
    float max, sum;
    float acc[ATTENTION_MAX_HEAD_DIM];
};

/* Positions [first, last] of one page, as slots in it. */
static void attend_page(const struct attention *a, const float *q, const char *page, int kv_head, int first, int last,
                        struct softmax_state *st)
{
    const char *k_page = page + a->k_offset, *v_page = page + a->v_offset;
    int64_t head_at = (int64_t)kv_head * KV_PAGE * a->head_dim;
    float p[KV_PAGE], lane[LANES] = {0}, max = st->max;
    for (int j = first; j <= last; j++) {
        p[j] = score(a, q, k_page, head_at + (int64_t)j * a->head_dim);
        max = p[j] > max ? p[j] : max;
    }
    float correction = ref_exp(st->max - max);
    for (int j = first; j <= last; j++) {
        p[j] = ref_exp(p[j] - max);
        lane[j % LANES] += p[j];
    }
    st->max = max;
    st->sum = fmaf(st->sum, correction, lanes_fold(lane));
    for (int d = 0; d < a->head_dim; d++) {
        float acc = st->acc[d] * correction;
        for (int j = first; j <= last; j++)
            acc = fmaf(p[j], kv_at(a, v_page, head_at + (int64_t)j * a->head_dim + d), acc);
        st->acc[d] = acc;
    }
}

static void attend_head(const struct attention *a, int64_t token, int head)
{
    int64_t pos = a->pos0 + token;
    int64_t first = a->window > 0 && pos + 1 > a->window ? pos + 1 - a->window : 0;
    const float *q = a->q + token * a->q_stride + (int64_t)head * a->head_dim;
    float *out = a->out + token * a->out_stride + (int64_t)head * a->head_dim;
    int kv_head = head / (a->n_head / a->n_kv_head);
    struct softmax_state st = {.max = a->sinks ? a->sinks[head] : -INFINITY, .sum = a->sinks ? 1 : 0};
    for (int64_t page = first / KV_PAGE; page <= pos / KV_PAGE; page++) {
        int64_t from = first - page * KV_PAGE, to = pos - page * KV_PAGE;
        attend_page(a, q, a->pages[page], kv_head, from > 0 ? (int)from : 0, to < KV_PAGE ? (int)to : KV_PAGE - 1, &st);
    }
    for (int d = 0; d < a->head_dim; d++)
        out[d] = st.acc[d] / st.sum;
}

static void attention_ref(const struct attention *a, int64_t begin, int64_t end)
{
    int group = a->n_head / a->n_kv_head;
    for (int64_t unit = begin; unit < end; unit++)
        for (int g = 0; g < group; g++)
            attend_head(a, unit / a->n_kv_head, (int)(unit % a->n_kv_head) * group + g);
}

static void kv_store_ref(const float *src, char *dst, enum tensor_type kv_type, int n_kv_head, int head_dim, int slot)
{
    for (int h = 0; h < n_kv_head; h++) {
        int64_t at = ((int64_t)h * KV_PAGE + slot) * head_dim;
        for (int i = 0; i < head_dim; i++, src++) {
            if (kv_type == TENSOR_F16)
                ((uint16_t *)dst)[at + i] = f32_to_f16(*src);
            else
                ((float *)dst)[at + i] = *src;
        }
    }
}

void attention_fill_ref(struct attention_kernels *a)
{
    a->attention = attention_ref;
    a->kv_store = kv_store_ref;
}
