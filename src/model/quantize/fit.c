/* The search for the scale of one group. Ranges a little narrower and wider than the values' own are tried, each
 * improved by least squares: the codes give the best scale, the scale gives better codes. Scales of scales are
 * super.c's business, bits and bytes the pack files'. */
#include "model/quantize/fit.h"

#include <math.h>

#define REFINE_STEPS 4

struct fit_grid fit_grid_whole(float low, float high)
{
    return (struct fit_grid){.low = low, .high = high};
}

struct fit_grid fit_grid_table(const int8_t *values, int n)
{
    struct fit_grid g = {.low = values[0], .high = values[n - 1], .n_steps = n - 1};
    for (int i = 0; i + 1 < n; i++) {
        g.middle[i] = 0.5f * (float)(values[i] + values[i + 1]);
        g.step[i] = (float)(values[i + 1] - values[i]);
    }
    return g;
}

static inline quad nearest(const struct fit_grid *g, quad v)
{
    if (g->n_steps == 0)
        return quad_round(v, g->low, g->high);
    quad sum = quad_of(g->low);
    for (int i = 0; i < g->n_steps; i++)
        sum += (quad)((v > g->middle[i]) & (quad_bits)quad_of(g->step[i]));
    return sum;
}

static float inverse(float v)
{
    float inv = v != 0 ? 1 / v : 0;
    return isfinite(inv) ? inv : 0;
}

/* From -1 to 1 in `tries` steps. */
static float shift_of(int i, int tries)
{
    return tries > 1 ? 2 * (float)i / (float)(tries - 1) - 1 : 0;
}

/* ---- scale alone ---- */
struct fit_scale fit_scale_try(const struct fit_grid *g, const float *x, const float *w, int n, float scale)
{
    quad error = {0}, xg = {0}, gg = {0};
    float inv = inverse(scale);
    for (int i = 0; i < n; i += 4) {
        quad vx = quad_load(x + i), vw = quad_load(w + i), code = nearest(g, vx * inv), wg = vw * code;
        quad off = vx - code * scale;
        xg += wg * vx;
        gg += wg * code;
        error += vw * off * off;
    }
    return (struct fit_scale){.error = quad_sum(error), .xg = quad_sum(xg), .gg = quad_sum(gg)};
}

/* Least squares from a first guess until it no longer helps. */
static void refine_scale(const struct fit_grid *g, const float *x, const float *w, int n, struct fit_scale fit,
                         int steps, float *best_scale, float *best_error)
{
    for (; steps > 0 && fit.gg > 0; steps--) {
        float scale = fit.xg / fit.gg;
        fit = fit_scale_try(g, x, w, n, scale);
        if (!(fit.error < *best_error))
            return;
        *best_error = fit.error;
        *best_scale = scale;
    }
}

static float largest(const float *x, int n)
{
    float max = 0;
    for (int i = 0; i < n; i++)
        max = fabsf(x[i]) > fabsf(max) ? x[i] : max;
    return max;
}

float fit_scale_search(const struct fit_grid *g, const float *x, const float *w, int n, int tries, float reach)
{
    float max = largest(x, n), best_scale = max / g->low;
    if (max == 0 || inverse(best_scale) == 0)
        return 0;
    float best_error = fit_scale_try(g, x, w, n, best_scale).error;
    /* A grid that reaches as far down as up has nothing to gain from the other sign. */
    for (int side = g->low == -g->high ? 1 : 0; side < 2; side++) {
        float end = side ? g->high : g->low;
        for (int i = 0; i < tries; i++) {
            float shift = reach * shift_of(i, tries);
            float scale = max / (end < 0 ? end - shift : end + shift);
            struct fit_scale fit = fit_scale_try(g, x, w, n, scale);
            if (fit.error < best_error) {
                best_error = fit.error;
                best_scale = scale;
            }
            refine_scale(g, x, w, n, fit, 1, &best_scale, &best_error);
        }
    }
    refine_scale(g, x, w, n, fit_scale_try(g, x, w, n, best_scale), REFINE_STEPS, &best_scale, &best_error);
    return best_scale;
}

void fit_scale_codes(const struct fit_grid *g, const float *x, int n, float scale, float *ret_g)
{
    float inv = inverse(scale);
    for (int i = 0; i < n; i += 4)
        quad_store(ret_g + i, nearest(g, quad_load(x + i) * inv));
}

/* ---- scale and minimum ---- */
struct fit_affine fit_affine_try(float high, const float *x, const float *w, int n, float scale, float min)
{
    quad error = {0}, xq = {0}, q = {0}, qq = {0}, xs = {0};
    float inv = inverse(scale);
    for (int i = 0; i < n; i += 4) {
        quad vx = quad_load(x + i), vw = quad_load(w + i), code = quad_round((vx - min) * inv, 0, high);
        quad off = vx - (code * scale + min), wq = vw * code;
        xq += wq * vx;
        q += wq;
        qq += wq * code;
        xs += vw * vx;
        error += vw * off * off;
    }
    return (struct fit_affine){.scale = scale, .min = min, .error = quad_sum(error), .xq = quad_sum(xq),
                               .q = quad_sum(q), .qq = quad_sum(qq), .xs = quad_sum(xs)};
}

/* Better scale and minimum for the codes of `fit`; false when they say nothing about both. */
static bool solve(const struct fit_affine *fit, float weights, bool below, float *ret_scale, float *ret_min)
{
    double det = (double)weights * fit->qq - (double)fit->q * fit->q;
    if (!(det > 0))
        return false;
    double scale = ((double)weights * fit->xq - (double)fit->xs * fit->q) / det;
    double min = ((double)fit->qq * fit->xs - (double)fit->q * fit->xq) / det;
    if (below && min > 0) {
        min = 0;
        scale = fit->xq / fit->qq;
    }
    *ret_scale = (float)scale;
    *ret_min = (float)min;
    return isfinite(*ret_scale) && isfinite(*ret_min) && *ret_scale > 0;
}

static void refine_affine(float high, bool below, const float *x, const float *w, int n, float weights,
                          struct fit_affine fit, int steps, struct fit_affine *best)
{
    float scale, min;
    for (; steps > 0 && solve(&fit, weights, below, &scale, &min); steps--) {
        fit = fit_affine_try(high, x, w, n, scale, min);
        if (!(fit.error < best->error))
            return;
        *best = fit;
    }
}

struct fit_affine fit_affine_search(float high, bool below, const float *x, const float *w, int n, int tries,
                                    float reach)
{
    float lowest = x[0], highest = x[0], weights = 0;
    for (int i = 0; i < n; i++) {
        lowest = x[i] < lowest ? x[i] : lowest;
        highest = x[i] > highest ? x[i] : highest;
        weights += w[i];
    }
    if (below && lowest > 0)
        lowest = 0;
    float range = highest - lowest;
    struct fit_affine best = fit_affine_try(high, x, w, n, range / high, lowest);
    if (inverse(best.scale) == 0)
        return best;
    for (int i = 0; i < 2 * tries; i++) {
        float shift = reach * shift_of(i / 2, tries), scale = range / (high + shift);
        /* narrower from the top alone, and from both ends */
        float min = i % 2 ? lowest + 0.5f * (range - high * scale) : lowest;
        struct fit_affine fit = fit_affine_try(high, x, w, n, scale, below && min > 0 ? 0 : min);
        if (fit.error < best.error)
            best = fit;
        refine_affine(high, below, x, w, n, weights, fit, 1, &best);
    }
    refine_affine(high, below, x, w, n, weights, best, REFINE_STEPS, &best);
    return best;
}

void fit_affine_codes(float high, const float *x, int n, float scale, float min, float *ret_q)
{
    float inv = inverse(scale);
    for (int i = 0; i < n; i += 4)
        quad_store(ret_q + i, quad_round((quad_load(x + i) - min) * inv, 0, high));
}
