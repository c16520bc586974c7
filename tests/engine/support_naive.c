/* The three architectures once more, straight from their papers: double precision, one position after another, the
 * whole past recomputed from stored keys and values, no lists, no kernels, no pages. */
#include <math.h>

#include "tests/engine/support_engine.h"

#define NAIVE_MAX_WIDTH 512
#define NAIVE_MAX_TOKENS 160

struct naive {
    const struct gguf *g;
    const struct tiny *t;
    double *k, *v;                 /* [n_layer, NAIVE_MAX_TOKENS, n_kv_head * head_dim] */
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
        y[row] = bias ? bias[row] : 0;
        for (int i = 0; i < k; i++)
            y[row] += w[row * k + i] * x[i];
    }
}

static void rotate(const struct naive *m, double *x, int heads, int pos)
{
    const struct tiny *t = m->t;
    const float *factors = weights(m, -1, "rope_freqs.weight");
    bool interleaved = strcmp(t->arch, "llama") == 0;
    int half = t->head_dim / 2;
    for (int h = 0; h < heads; h++) {
        for (int i = 0; i < half; i++) {
            double angle = pos * pow(10000, -2.0 * i / t->head_dim);
            angle /= (factors ? factors[i] : 1) * (t->rope_scale > 0 ? t->rope_scale : 1);
            double *a = x + h * t->head_dim + (interleaved ? 2 * i : i), *b = a + (interleaved ? 1 : half);
            double re = *a * cos(angle) - *b * sin(angle), im = *a * sin(angle) + *b * cos(angle);
            *a = re;
            *b = im;
        }
    }
}

static void attend(const struct naive *m, int layer, const double *q, int pos, double *out)
{
    const struct tiny *t = m->t;
    int kv = t->n_kv_head * t->head_dim, group = t->n_head / t->n_kv_head;
    const double *keys = m->k + (size_t)layer * NAIVE_MAX_TOKENS * kv,
                 *values = m->v + (size_t)layer * NAIVE_MAX_TOKENS * kv;
    for (int h = 0; h < t->n_head; h++) {
        double p[NAIVE_MAX_TOKENS], total = 0;
        int at = h / group * t->head_dim;
        for (int j = 0; j <= pos; j++) {
            double dot = 0;
            for (int d = 0; d < t->head_dim; d++)
                dot += q[h * t->head_dim + d] * keys[j * kv + at + d];
            total += p[j] = exp(dot / sqrt(t->head_dim));
        }
        for (int d = 0; d < t->head_dim; d++) {
            double sum = 0;
            for (int j = 0; j <= pos; j++)
                sum += p[j] / total * values[j * kv + at + d];
            out[h * t->head_dim + d] = sum;
        }
    }
}

static void attention_block(const struct naive *m, int l, double *x, int pos)
{
    const struct tiny *t = m->t;
    int heads = t->n_head * t->head_dim, kv = t->n_kv_head * t->head_dim;
    double normed[NAIVE_MAX_WIDTH], q[NAIVE_MAX_WIDTH], mixed[NAIVE_MAX_WIDTH], branch[NAIVE_MAX_WIDTH];
    double *k = m->k + ((size_t)l * NAIVE_MAX_TOKENS + pos) * kv, *v = m->v + ((size_t)l * NAIVE_MAX_TOKENS + pos) * kv;
    rms(x, weights(m, l, "attn_norm.weight"), normed, t->n_embd);
    matmul(weights(m, l, "attn_q.weight"), weights(m, l, "attn_q.bias"), normed, q, t->n_embd, heads);
    matmul(weights(m, l, "attn_k.weight"), weights(m, l, "attn_k.bias"), normed, k, t->n_embd, kv);
    matmul(weights(m, l, "attn_v.weight"), weights(m, l, "attn_v.bias"), normed, v, t->n_embd, kv);
    for (int h = 0; t->qk_norm && h < heads; h += t->head_dim)
        rms(q + h, weights(m, l, "attn_q_norm.weight"), q + h, t->head_dim);
    for (int h = 0; t->qk_norm && h < kv; h += t->head_dim)
        rms(k + h, weights(m, l, "attn_k_norm.weight"), k + h, t->head_dim);
    rotate(m, q, t->n_head, pos);
    rotate(m, k, t->n_kv_head, pos);
    attend(m, l, q, pos, mixed);
    matmul(weights(m, l, "attn_output.weight"), NULL, mixed, branch, heads, t->n_embd);
    for (int i = 0; i < t->n_embd; i++)
        x[i] += branch[i];
}

static void ffn_block(const struct naive *m, int l, double *x)
{
    const struct tiny *t = m->t;
    double normed[NAIVE_MAX_WIDTH], gate[NAIVE_MAX_WIDTH], up[NAIVE_MAX_WIDTH], branch[NAIVE_MAX_WIDTH];
    rms(x, weights(m, l, "ffn_norm.weight"), normed, t->n_embd);
    matmul(weights(m, l, "ffn_gate.weight"), NULL, normed, gate, t->n_embd, t->n_ff);
    matmul(weights(m, l, "ffn_up.weight"), NULL, normed, up, t->n_embd, t->n_ff);
    for (int i = 0; i < t->n_ff; i++)
        gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
    matmul(weights(m, l, "ffn_down.weight"), NULL, gate, branch, t->n_ff, t->n_embd);
    for (int i = 0; i < t->n_embd; i++)
        x[i] += branch[i];
}

void naive_logits(const struct gguf *g, const struct tiny *t, const int32_t *ids, int n, double *logits)
{
    size_t cells = (size_t)t->n_layer * NAIVE_MAX_TOKENS * (size_t)(t->n_kv_head * t->head_dim);
    struct naive m = {g, t, calloc(cells, sizeof(double)), calloc(cells, sizeof(double))};
    const float *embd = weights(&m, -1, "token_embd.weight"), *output = weights(&m, -1, "output.weight");
    assert_true(m.k && m.v && n <= NAIVE_MAX_TOKENS);
    for (int pos = 0; pos < n; pos++) {
        double x[NAIVE_MAX_WIDTH];
        for (int i = 0; i < t->n_embd; i++)
            x[i] = embd[ids[pos] * t->n_embd + i];
        for (int l = 0; l < t->n_layer; l++) {
            attention_block(&m, l, x, pos);
            ffn_block(&m, l, x);
        }
        rms(x, weights(&m, -1, "output_norm.weight"), x, t->n_embd);
        matmul(output ? output : embd, NULL, x, logits + (size_t)pos * t->n_vocab, t->n_embd, t->n_vocab);
    }
    free(m.k);
    free(m.v);
}
