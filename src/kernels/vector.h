/* Row-wise kernels: norms, rotary positions, gates, sums, and the reductions that sampling needs. Sums run in sixteen
 * lanes (element i in lane i % 16) with fused multiply-adds, folded 8, 4, 2, 1; exp is Rung's own. */
#ifndef RUNG_KERNELS_VECTOR_H
#define RUNG_KERNELS_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

#define VECTOR_GELU_SLOPE 1.5957691216057308f            /* 2 sqrt(2 / pi) */
#define VECTOR_GELU_CUBE (0.044715f * 1.5957691216057308f)
#define VECTOR_CLAMP 7.0f
#define VECTOR_CLAMPED_SLOPE 1.702f

struct vector_kernels {
    /* y = x / sqrt(mean(x^2) + eps) * w; w NULL means ones; y may be x. [d] */
    void (*rms_norm)(const float *x, const float *w, float *y, int64_t d, float eps);
    /* y = a + b; y may be a */
    void (*add)(const float *a, const float *b, float *y, int64_t n);
    /* y = x * factor */
    void (*scale)(const float *x, float factor, float *y, int64_t n);
    /* y = gate / (1 + exp(-gate)) * up */
    void (*silu_mul)(const float *gate, const float *up, float *y, int64_t n);
    /* y = gate / (1 + exp(-z)) * up with z = gate * fma(gate^2, VECTOR_GELU_CUBE, VECTOR_GELU_SLOPE): GELU with the
     * tanh approximation (Hendrycks and Gimpel 2016) */
    void (*gelu_mul)(const float *gate, const float *up, float *y, int64_t n);
    /* with g = min(gate, L) and u = up clamped to -L .. L: y = g / (1 + exp(-A g)) * (u + 1), L and A VECTOR_CLAMP and
     * VECTOR_CLAMPED_SLOPE (gpt-oss). A NaN stays one. */
    void (*clamped_mul)(const float *gate, const float *up, float *y, int64_t n);
    /* y = cap * (1 - 2 / (exp(2 (x / cap)) + 1)), which is cap * tanh(x / cap) */
    void (*soft_cap)(const float *x, float cap, float *y, int64_t n);
    /* within 2 ulp; 0 below -104, inf above 88.73 */
    void (*exp)(const float *x, float *y, int64_t n);
    /* Rotate n_head heads of head_dim in place by the table cs[n_rot / 2][2] = (cos, sin) of one position; elements
     * past n_rot stay. neox: pairs (i, i + n_rot / 2); else pairs (2 i, 2 i + 1). */
    void (*rope)(float *x, const float *cs, int n_head, int head_dim, int n_rot, bool neox);
    /* n >= 1; NaN anywhere gives NaN */
    float (*max)(const float *x, int64_t n);
    /* sum of exp(x_i - max), and of exp(x_i - max) * (x_i - max), for log-sum-exp and entropy; an x_i of minus infinity
     * adds nothing to either */
    void (*sum_exp)(const float *x, int64_t n, float max, float *ret_sum, float *ret_weighted);
};

#endif
