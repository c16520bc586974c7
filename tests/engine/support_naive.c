/* The architectures once more, straight from their papers: double precision, one position after another, the
 * whole past recomputed from stored keys and values, no lists, no kernels, no pages. */
#include <math.h>

#include "tests/engine/support_engine.h"

#define NAIVE_MAX_WIDTH 512
#define NAIVE_MAX_TOKENS 160

struct naive {
    const struct gguf *g;
    const struct tiny *t;
    double *k, *v;                 /* [n_layer, NAIVE_MAX_TOKENS, n_kv_head * head_dim] */
    int context;
};

static const float *weights(const struct naive *m, int layer, const char *name)
{
    char full[96];
    if (layer >= 0)
        snprintf(full, sizeof full, "blk.%d.%s", layer, name);
    else
        snprintf(full, sizeof full, "%s", name);
    const struct tensor *t = gguf_tensor(m->g, full);
    return t ? t->data : NULL;
}

static void rms(const double *x, const float *w, double *y, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    double scale = 1 / sqrt(sum / n + 1e-5);
    for (int i = 0; i < n; i++)
        y[i] = x[i] * scale * w[i];
}

static void matmul(const float *w, const float *bias, const double *x, double *y, int k, int n)
{
    for (int row = 0; row < n; row++) {
        double sum = bias ? bias[row] : 0;
        for (int i = 0; i < k; i++)
            sum += w[row * k + i] * x[i];
        y[row] = sum;
    }
}

static bool windowed(const struct tiny *t, int layer)
{
    return t->window > 0 && layer % t->of < t->windowed;
}

/* The pair that turns so often over the original context. */
static double yarn_pair(const struct tiny *t, double turns)
{
    return t->head_dim * log(t->original_context / (turns * 2 * M_PI)) / (2 * log(10000));
}

static double frequency(const struct naive *m, int layer, int i)
{
    const struct tiny *t = m->t;
    bool local = windowed(t, layer) && t->window_base > 0;
    double full = pow(local ? t->window_base : 10000, -2.0 * i / t->head_dim), scale = t->rope_scale;
    const float *factors = weights(m, -1, "rope_freqs.weight");
    if (t->fused)
        factors = weights(m, -1, m->context > t->original_context ? "rope_factors_long.weight"
                                                                  : "rope_factors_short.weight");
    if (factors)
        return full / factors[i];
    if (local || scale == 0)
        return full;
    double low = floor(yarn_pair(t, 32)), high = ceil(yarn_pair(t, 1));
    low = low > 0 ? low : 0;
    high = high < t->head_dim - 1 ? high : t->head_dim - 1;
    double ramp = (i - low) / (high - low > 0.001 ? high - low : 0.001);
    double kept = t->yarn ? 1 - (ramp < 0 ? 0 : ramp > 1 ? 1 : ramp) : 0;
    return full * kept + full / scale * (1 - kept);
}

static double magnitude(const struct tiny *t)
{
    double factor = t->attention_factor > 0 ? t->attention_factor : 1;
    if (t->yarn)
        factor *= (0.1 * log(t->rope_scale) + 1) / (0.1 * t->yarn_log * log(t->rope_scale) + 1);
    return factor;
}

static void rotate(const struct naive *m, int layer, double *x, int heads, int pos)
{
    const struct tiny *t = m->t;
    int half = t->head_dim / 2;
    if (t->unroped > 0 && (layer + 1) % t->unroped == 0)
        return;
    for (int h = 0; h < heads; h++) {
        for (int i = 0; i < half; i++) {
            double angle = pos * frequency(m, layer, i);
            double *a = x + h * t->head_dim + (t->interleaved ? 2 * i : i), *b = a + (t->interleaved ? 1 : half);
            double re = *a * cos(angle) - *b * sin(angle), im = *a * sin(angle) + *b * cos(angle);
            *a = re * magnitude(t);
            *b = im * magnitude(t);
        }
    }
}

static double score(const struct tiny *t, const double *q, const double *k)
{
    double dot = 0;
    for (int d = 0; d < t->head_dim; d++)
        dot += q[d] * k[d];
    dot *= t->attention_scale > 0 ? t->attention_scale : 1 / sqrt(t->head_dim);
    return t->attention_cap > 0 ? t->attention_cap * tanh(dot / t->attention_cap) : dot;
}

static void attend(const struct naive *m, int layer, const double *q, int pos, double *out)
{
    const struct tiny *t = m->t;
    int kv = t->n_kv_head * t->head_dim, group = t->n_head / t->n_kv_head;
    int first = windowed(t, layer) && pos + 1 > t->window ? pos + 1 - t->window : 0;
    const double *keys = m->k + (size_t)layer * NAIVE_MAX_TOKENS * kv,
                 *values = m->v + (size_t)layer * NAIVE_MAX_TOKENS * kv;
    for (int h = 0; h < t->n_head; h++) {
        double p[NAIVE_MAX_TOKENS], total = t->gpt_oss ? exp(weights(m, layer, "attn_sinks.weight")[h]) : 0;
        int at = h / group * t->head_dim;
        for (int j = first; j <= pos; j++)
            total += p[j] = exp(score(t, q + h * t->head_dim, keys + j * kv + at));
        for (int d = 0; d < t->head_dim; d++) {
            double sum = 0;
            for (int j = first; j <= pos; j++)
                sum += p[j] / total * values[j * kv + at + d];
            out[h * t->head_dim + d] = sum;
        }
    }
}

/* The branch joins the residual stream. */
static void join(const struct naive *m, int l, const char *post_norm, double *branch, double *x)
{
    const struct tiny *t = m->t;
    if (t->post_norms)
        rms(branch, weights(m, l, post_norm), branch, t->n_embd);
    for (int i = 0; i < t->n_embd; i++)
        x[i] += branch[i] * (t->residual_scale > 0 ? t->residual_scale : 1);
}

static void project_qkv(const struct naive *m, int l, const double *x, double *q, double *k, double *v)
{
    const struct tiny *t = m->t;
    int heads = t->n_head * t->head_dim, kv = t->n_kv_head * t->head_dim;
    const float *fused = weights(m, l, "attn_qkv.weight");
    const float *wq = fused ? fused : weights(m, l, "attn_q.weight"),
                *wk = fused ? wq + heads * t->n_embd : weights(m, l, "attn_k.weight"),
                *wv = fused ? wk + kv * t->n_embd : weights(m, l, "attn_v.weight");
    matmul(wq, weights(m, l, "attn_q.bias"), x, q, t->n_embd, heads);
    matmul(wk, weights(m, l, "attn_k.bias"), x, k, t->n_embd, kv);
    matmul(wv, weights(m, l, "attn_v.bias"), x, v, t->n_embd, kv);
    int unit_q = t->qk_norm ? t->head_dim : heads, unit_k = t->qk_norm ? t->head_dim : kv;
    if (!t->qk_norm && !t->wide_qk_norm)
        return;
    for (int h = 0; h < heads; h += unit_q)
        rms(q + h, weights(m, l, "attn_q_norm.weight"), q + h, unit_q);
    for (int h = 0; h < kv; h += unit_k)
        rms(k + h, weights(m, l, "attn_k_norm.weight"), k + h, unit_k);
}

static void attention_block(const struct naive *m, int l, double *x, int pos)
{
    const struct tiny *t = m->t;
    int heads = t->n_head * t->head_dim, kv = t->n_kv_head * t->head_dim;
    double normed[NAIVE_MAX_WIDTH], q[NAIVE_MAX_WIDTH], mixed[NAIVE_MAX_WIDTH], branch[NAIVE_MAX_WIDTH];
    double *k = m->k + ((size_t)l * NAIVE_MAX_TOKENS + pos) * kv, *v = m->v + ((size_t)l * NAIVE_MAX_TOKENS + pos) * kv;
    memcpy(normed, x, (size_t)t->n_embd * sizeof *x);
    if (!t->no_pre_norms)
        rms(x, weights(m, l, "attn_norm.weight"), normed, t->n_embd);
    project_qkv(m, l, normed, q, k, v);
    rotate(m, l, q, t->n_head, pos);
    rotate(m, l, k, t->n_kv_head, pos);
    for (int i = 0; t->temperature > 0 && i < heads; i++)
        q[i] *= 1 + t->temperature * log(1 + pos / t->original_context);
    attend(m, l, q, pos, mixed);
    matmul(weights(m, l, "attn_output.weight"), weights(m, l, "attn_output.bias"), mixed, branch, heads, t->n_embd);
    join(m, l, "post_attention_norm.weight", branch, x);
}

static double gated(const struct tiny *t, double gate, double up)
{
    if (t->gpt_oss) {
        gate = gate > 7 ? 7 : gate;
        up = up > 7 ? 7 : up < -7 ? -7 : up;
        return gate / (1 + exp(-1.702 * gate)) * (up + 1);
    }
    if (t->gelu)
        return 0.5 * gate * (1 + tanh(sqrt(2 / M_PI) * (gate + 0.044715 * gate * gate * gate))) * up;
    return gate / (1 + exp(-gate)) * up;
}

/* One feed-forward network; expert -1: the only one. */
static void feed_forward(const struct naive *m, int l, int expert, const double *x, double *out)
{
    const struct tiny *t = m->t;
    double gate[NAIVE_MAX_WIDTH], up[NAIVE_MAX_WIDTH];
    int n = expert < 0 ? t->n_ff : t->n_ff_expert, e = expert < 0 ? 0 : expert;
    const float *wg = weights(m, l, expert < 0 ? "ffn_gate.weight" : "ffn_gate_exps.weight"),
                *wu = weights(m, l, expert < 0 ? "ffn_up.weight" : "ffn_up_exps.weight"),
                *wd = weights(m, l, expert < 0 ? "ffn_down.weight" : "ffn_down_exps.weight"),
                *bg = weights(m, l, "ffn_gate_exps.bias"), *bu = weights(m, l, "ffn_up_exps.bias"),
                *bd = weights(m, l, "ffn_down_exps.bias");
    if (t->fused) {
        wg = wu;
        wu += t->n_ff * t->n_embd;
    }
    matmul(wg + e * n * t->n_embd, bg ? bg + e * n : NULL, x, gate, t->n_embd, n);
    matmul(wu + e * n * t->n_embd, bu ? bu + e * n : NULL, x, up, t->n_embd, n);
    for (int i = 0; i < n; i++)
        gate[i] = gated(t, gate[i], up[i]);
    matmul(wd + e * n * t->n_embd, bd ? bd + e * t->n_embd : NULL, gate, out, n, t->n_embd);
}

static void mixture(const struct naive *m, int l, const double *x, double *out)
{
    const struct tiny *t = m->t;
    double logits[NAIVE_MAX_WIDTH], part[NAIVE_MAX_WIDTH], total = 0;
    bool chosen[NAIVE_MAX_WIDTH] = {false};
    matmul(weights(m, l, "ffn_gate_inp.weight"), weights(m, l, "ffn_gate_inp.bias"), x, logits, t->n_embd, t->n_expert);
    for (int j = 0; j < t->n_expert_used; j++) {
        int best = -1;
        for (int e = 0; e < t->n_expert; e++)
            if (!chosen[e] && (best < 0 || logits[e] > logits[best]))
                best = e;
        chosen[best] = true;
        total += exp(logits[best]);
    }
    memset(out, 0, (size_t)t->n_embd * sizeof *out);
    for (int e = 0; e < t->n_expert; e++) {
        if (!chosen[e])
            continue;
        feed_forward(m, l, e, x, part);
        for (int i = 0; i < t->n_embd; i++)
            out[i] += exp(logits[e]) / total * part[i];
    }
}

static void ffn_block(const struct naive *m, int l, double *x)
{
    const struct tiny *t = m->t;
    double normed[NAIVE_MAX_WIDTH], branch[NAIVE_MAX_WIDTH];
    memcpy(normed, x, (size_t)t->n_embd * sizeof *x);
    if (!t->no_pre_norms)
        rms(x, weights(m, l, t->gpt_oss ? "post_attention_norm.weight" : "ffn_norm.weight"), normed, t->n_embd);
    if (t->n_expert > 0)
        mixture(m, l, normed, branch);
    else
        feed_forward(m, l, -1, normed, branch);
    join(m, l, "post_ffw_norm.weight", branch, x);
}

void naive_logits(const struct gguf *g, const struct tiny *t, const int32_t *ids, int n, double *logits)
{
    size_t cells = (size_t)t->n_layer * NAIVE_MAX_TOKENS * (size_t)(t->n_kv_head * t->head_dim);
    struct naive m = {g, t, calloc(cells, sizeof(double)), calloc(cells, sizeof(double)), n};
    const float *embd = weights(&m, -1, "token_embd.weight"), *output = weights(&m, -1, "output.weight");
    assert_true(m.k && m.v && n <= NAIVE_MAX_TOKENS);
    for (int pos = 0; pos < n; pos++) {
        double x[NAIVE_MAX_WIDTH];
        for (int i = 0; i < t->n_embd; i++) {
            x[i] = embd[ids[pos] * t->n_embd + i];
            x[i] *= t->root_embedding ? sqrt(t->n_embd) : t->embedding_scale > 0 ? t->embedding_scale : 1;
        }
        for (int l = 0; l < t->n_layer; l++) {
            attention_block(&m, l, x, pos);
            ffn_block(&m, l, x);
        }
        rms(x, weights(&m, -1, "output_norm.weight"), x, t->n_embd);
        double *y = logits + (size_t)pos * t->n_vocab;
        matmul(output ? output : embd, NULL, x, y, t->n_embd, t->n_vocab);
        for (int i = 0; i < t->n_vocab; i++) {
            y[i] /= t->logit_scale > 0 ? t->logit_scale : 1;
            y[i] = t->logit_cap > 0 ? t->logit_cap * tanh(y[i] / t->logit_cap) : y[i];
        }
    }
    free(m.k);
    free(m.v);
}
