/* Attention over a paged KV cache, with online softmax.
 *
 * Pages hold KV_PAGE positions each, page p the absolute positions [p * KV_PAGE, (p + 1) * KV_PAGE); a tile is a page,
 * so tiles start at absolute positions and the result does not depend on how the prompt was cut into steps. Inside a
 * page a layer's K is [n_kv_head, KV_PAGE, head_dim] and its V likewise, at the given byte offsets, in F16 or F32 as
 * stored (F16 is widened exactly).
 *
 * Arithmetic per (token, head): tiles ascending over the visible positions; s_j = scale * dot(q, k_j) (sixteen lanes
 * along head_dim, folded 8, 4, 2, 1), soft cap if any; m' = max(m, max_j s_j); c = exp(m - m'); p_j = exp(s_j - m');
 * l = fma(l, c, sum of p_j in sixteen lanes j % 16, folded); acc_d = acc_d * c, then fma(p_j, v_jd, acc_d) for j
 * ascending. At the end acc_d / l. At the start m is minus infinity and l 0; with a sink m is the sink and l 1.
 * Positions not visible are never read. A NaN among a head's scores makes its output NaN. */
#ifndef RUNG_KERNELS_ATTENTION_H
#define RUNG_KERNELS_ATTENTION_H

#include "tensor/types.h"

#define KV_PAGE 64
#define ATTENTION_MAX_HEAD_DIM 512

struct attention {
    const float *q; /* [tokens, q_stride]: n_head heads of head_dim, rotated */
    float *out;     /* [tokens, out_stride]: n_head heads of head_dim */
    int64_t q_stride, out_stride;
    const char *const *pages;  /* [(pos0 + tokens - 1) / KV_PAGE + 1] */
    size_t k_offset, v_offset; /* of this layer inside a page, in bytes */
    enum tensor_type kv_type;  /* TENSOR_F16 or TENSOR_F32 */
    int n_head, n_kv_head;     /* n_head a multiple of n_kv_head; head h reads kv head h / (n_head / n_kv_head) */
    int head_dim;              /* at most ATTENTION_MAX_HEAD_DIM */
    int64_t pos0;              /* token t stands at position pos0 + t and sees positions up to its own */
    int64_t window;            /* 0: all of them; else the last `window`, its own included */
    float scale;
    float softcap; /* 0: none; else s = softcap * tanh(s / softcap), tanh x as 1 - 2 / (exp 2x + 1) */
    const float *sinks; /* [n_head] or NULL: a score of each head, seen before the first tile, that brings no value */
    int tokens;
};

struct attention_kernels {
    /* Work units are (token, kv head) pairs, unit u = token * n_kv_head + kv head; each computes its group of query
     * heads. */
    void (*attention)(const struct attention *a, int64_t begin, int64_t end);
    /* Store one token's heads into its page: src [n_kv_head, head_dim] floats, to slot pos % KV_PAGE of the K (or V) at
     * `dst`. */
    void (*kv_store)(const float *src, char *dst, enum tensor_type kv_type, int n_kv_head, int head_dim, int slot);
};

#endif
