/* Attention over a paged KV cache, with online softmax.
 *
 * Pages hold KV_PAGE positions each, page p the absolute positions [p * KV_PAGE, (p + 1) * KV_PAGE); a tile of the
 * softmax is a page, so tiles start at absolute positions and the result does not depend on how the prompt was cut into
 * steps. Inside a page a layer's K and V lie at the given byte offsets, kv head after kv head:
 *   F16, F32  K [head_dim, KV_PAGE], V [KV_PAGE, head_dim], widened exactly
 *   Q8_0      K int8 [head_dim / 4, KV_PAGE, 4], then scales float [head_dim / 32, KV_PAGE];
 *             V int8 [KV_PAGE, head_dim], then scales float [head_dim / 32, KV_PAGE]; rounded as ACT_Q8_32 is
 * K is transposed so that the lanes of a vector are positions: no score needs a sum over lanes.
 *
 * Arithmetic per (token, head), tiles ascending over the visible positions: s_j = scale * (q . k_j), soft cap if any;
 * m' = max(m, max_j s_j); c = exp(m - m'); p_j = exp(s_j - m'); l = fma(l, c, sum of p_j in sixteen lanes j % 16,
 * folded); acc_d = acc_d * c, then + p_j v_jd for j ascending. At the end acc_d / l. At the start m is minus infinity
 * and l 0; with a sink m is the sink and l 1. The products are one chain of fused multiply-adds each:
 *   F16, F32  q . k_j = fma(q_d, k_jd, sum), d ascending from 0; acc_d = fma(p_j, v_jd, acc_d)
 *   Q8_0      q rounded like an activation; q . k_j = fma(dq_b * dk_jb, (float)isum, sum), blocks b of 32 ascending;
 *             acc_d = fma(p_j * dv_jb, (float)v_jd, acc_d)
 * What stands at positions not visible never counts. A NaN among a head's scores makes its output NaN. */
#ifndef RUNG_KERNELS_ATTENTION_H
#define RUNG_KERNELS_ATTENTION_H

#include "tensor/types.h"

#define KV_PAGE 64
#define KV_BLOCK 32 /* elements that share a scale in Q8_0; head_dim must be a multiple */
#define ATTENTION_MAX_HEAD_DIM 512

struct attention {
    const float *q; /* [tokens, q_stride]: n_head heads of head_dim, rotated */
    float *out;     /* [tokens, out_stride]: n_head heads of head_dim */
    int64_t q_stride, out_stride;
    const char *const *pages;  /* [(pos0 + tokens - 1) / KV_PAGE + 1] */
    size_t k_offset, v_offset; /* of this layer inside a page, in bytes */
    enum tensor_type kv_type;  /* TENSOR_F16, TENSOR_F32 or TENSOR_Q8_0 */
    int n_head, n_kv_head;     /* n_head a multiple of n_kv_head; head h reads kv head h / (n_head / n_kv_head) */
    int head_dim;              /* at most ATTENTION_MAX_HEAD_DIM */
    int64_t pos0;              /* token t stands at position pos0 + t and sees positions up to its own */
    int64_t window;            /* 0: all of them; else the last `window`, its own included */
    float scale;
    float softcap; /* 0: none; else s = softcap * tanh(s / softcap), tanh x as 1 - 2 / (exp 2x + 1) */
    const float *sinks; /* [n_head] or NULL: a score of each head, seen before the first tile, that brings no value */
    int tokens;
};

/* How a kv head's keys (or values) lie in a page: runs of KV_PAGE positions, so many bytes a position. */
struct kv_part {
    int64_t runs;
    size_t position_bytes;
};
#define KV_PARTS 2
void kv_parts(enum tensor_type kv_type, int head_dim, bool values, struct kv_part ret[KV_PARTS]);
/* False where the cache cannot hold heads of this size in this type. */
bool kv_type_fits(enum tensor_type kv_type, int head_dim);
/* Bytes of one kv head's keys in a page, and as many of its values: a multiple of KV_PAGE. */
size_t kv_head_bytes(enum tensor_type kv_type, int head_dim);

/* Work units: a run of neighbouring tokens (as many as share a widened page well) of one kv head. */
int attention_unit_tokens(int n_head, int n_kv_head, int head_dim);
int64_t attention_units(int n_head, int n_kv_head, int head_dim, int tokens);

/* Scratch of one thread; aligned to 64. */
#define ATTENTION_SCRATCH_BYTES (768u << 10)

struct attention_kernels {
    /* Units in an order in which two neighbours cost about the same as any other two. */
    void (*attention)(const struct attention *a, int64_t begin, int64_t end, void *scratch);
    /* Store one token's heads into its page: src [n_kv_head, head_dim] floats, to slot pos % KV_PAGE of the K (or V) at
     * `dst`. */
    void (*store_k)(const float *src, char *dst, enum tensor_type kv_type, int n_kv_head, int head_dim, int slot);
    void (*store_v)(const float *src, char *dst, enum tensor_type kv_type, int n_kv_head, int head_dim, int slot);
};

#endif
