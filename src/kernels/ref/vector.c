/* Norms, rotary positions, gates and reductions in plain C: the specification of the faster ones. */
#include "kernels/ref/lanes.h"

static void rms_norm_ref(const float *x, const float *w, float *y, int64_t d, float eps)
{
    float lane[LANES] = {0};
    for (int64_t i = 0; i < d; i++)
        lane[i % LANES] = fmaf(x[i], x[i], lane[i % LANES]);
    float inverse = 1 / sqrtf(lanes_fold(lane) / (float)d + eps);
    for (int64_t i = 0; i < d; i++)
        y[i] = w ? x[i] * inverse * w[i] : x[i] * inverse;
}

static void add_ref(const float *a, const float *b, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void scale_ref(const float *x, float factor, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * factor;
}

static void silu_mul_ref(const float *gate, const float *up, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = gate[i] / (1 + ref_exp(-gate[i])) * up[i];
}

static void gelu_mul_ref(const float *gate, const float *up, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float g = gate[i], z = g * fmaf(g * g, VECTOR_GELU_CUBE, VECTOR_GELU_SLOPE);
        y[i] = g / (1 + ref_exp(-z)) * up[i];
    }
}

static void clamped_mul_ref(const float *gate, const float *up, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float g = VECTOR_CLAMP < gate[i] ? VECTOR_CLAMP : gate[i], u = VECTOR_CLAMP < up[i] ? VECTOR_CLAMP : up[i];
        u = -VECTOR_CLAMP > u ? -VECTOR_CLAMP : u;
        y[i] = g / (1 + ref_exp(-(VECTOR_CLAMPED_SLOPE * g))) * (u + 1);
    }
}

static void soft_cap_ref(const float *x, float cap, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = cap * (1 - 2 / (ref_exp(2 * (x[i] / cap)) + 1));
}

static void exp_ref(const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = ref_exp(x[i]);
}

static void rope_ref(float *x, const float *cs, int n_head, int head_dim, int n_rot, bool neox)
{
    int half = n_rot / 2;
    for (int h = 0; h < n_head; h++, x += head_dim) {
        for (int i = 0; i < half; i++) {
            float *a = neox ? x + i : x + 2 * i, *b = neox ? x + i + half : x + 2 * i + 1;
            float c = cs[2 * i], s = cs[2 * i + 1], x0 = *a, x1 = *b;
            *a = fmaf(x0, c, -(x1 * s));
            *b = fmaf(x0, s, x1 * c);
        }
    }
}

static float max_ref(const float *x, int64_t n)
{
    float lane[LANES];
    for (int i = 0; i < LANES; i++)
        lane[i] = x[0];
    for (int64_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            return x[i];
        lane[i % LANES] = x[i] > lane[i % LANES] ? x[i] : lane[i % LANES];
    }
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] = lane[i] > lane[i + half] ? lane[i] : lane[i + half];
    return lane[0];
}

static void sum_exp_ref(const float *x, int64_t n, float max, float *ret_sum, float *ret_weighted)
{
    float sum[LANES] = {0}, weighted[LANES] = {0};
    for (int64_t i = 0; i < n; i++) {
        float d = x[i] - max, e = ref_exp(d);
        sum[i % LANES] += e;
        /* Below EXP_MIN e is 0: a forbidden token's minus infinity must add nothing, not 0 times infinity. */
        weighted[i % LANES] = fmaf(e, EXP_MIN > d ? EXP_MIN : d, weighted[i % LANES]);
    }
    *ret_sum = lanes_fold(sum);
    *ret_weighted = lanes_fold(weighted);
}

void vector_fill_ref(struct vector_kernels *v)
{
    *v = (struct vector_kernels){
        .rms_norm = rms_norm_ref,
        .add = add_ref,
        .scale = scale_ref,
        .silu_mul = silu_mul_ref,
        .gelu_mul = gelu_mul_ref,
        .clamped_mul = clamped_mul_ref,
        .soft_cap = soft_cap_ref,
        .exp = exp_ref,
        .rope = rope_ref,
        .max = max_ref,
        .sum_exp = sum_exp_ref,
    };
}
