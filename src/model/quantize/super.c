/* The search over a super-block, in turns: with the half floats fixed, each group takes the whole numbers that serve it
 * best; with those fixed, least squares over all 256 values give better half floats. What is kept was measured with
 * the rounded half floats themselves, so a turn can only gain. */
#include "model/quantize/super.h"

#include <math.h>

#include "tensor/types.h"

#define HALF_MAX 65504.0f

uint16_t half_of(float v)
{
    return f32_to_f16(v > HALF_MAX ? HALF_MAX : v < -HALF_MAX ? -HALF_MAX : v);
}

static int whole(float v, int low, int high)
{
    return v <= (float)low ? low : v >= (float)high ? high : (int)floorf(v);
}

/* ---- scales alone ---- */
struct scaled_search {
    const struct fit_grid *grid;
    int groups, n;                 /* n values a group */
    int low, high;
    const float *x, *w;
    float want[SUPER_MAX_GROUPS];  /* each group's own best scale */
};

/* Each group's scale among the whole numbers around the one it wants. Returns the error of all, and the better d. */
static float choose_scales(const struct scaled_search *s, float d, int8_t *scales, float *ret_better)
{
    double error = 0, xg = 0, gg = 0;
    for (int j = 0; j < s->groups; j++) {
        int at = d != 0 ? whole(s->want[j] / d, s->low, s->high) : 0;
        struct fit_scale best = {.error = INFINITY};
        for (int c = at; c <= at + 1 && c <= s->high; c++) {
            struct fit_scale fit = fit_scale_try(s->grid, s->x + j * s->n, s->w + j * s->n, s->n, d * (float)c);
            if (!(fit.error < best.error))
                continue;
            best = fit;
            scales[j] = (int8_t)c;
        }
        error += best.error;
        xg += (double)scales[j] * best.xg;
        gg += (double)scales[j] * scales[j] * best.gg;
    }
    *ret_better = gg > 0 ? (float)(xg / gg) : 0;
    return (float)error;
}

static void search_d(const struct scaled_search *s, float d, int rounds, struct super_scaled *best, float *best_error)
{
    int8_t scales[SUPER_MAX_GROUPS] = {0};
    for (; rounds > 0; rounds--) {
        uint16_t half = half_of(d);
        float error = choose_scales(s, f16_to_f32(half), scales, &d);
        if (!(error < *best_error))
            return;
        *best_error = error;
        best->d = half;
        memcpy(best->scales, scales, sizeof scales);
    }
}

void super_scaled_fit(const struct fit_grid *g, int groups, int scale_low, int scale_high,
                      const struct super_effort *effort, const float *x, const float *w, struct super_scaled *ret)
{
    struct scaled_search s = {.grid = g, .groups = groups, .n = SUPER_BLOCK / groups, .low = scale_low,
                              .high = scale_high, .x = x, .w = w};
    float most = 0, error = INFINITY;
    for (int j = 0; j < groups; j++) {
        s.want[j] = fit_scale_search(g, x + j * s.n, w + j * s.n, s.n, effort->tries, effort->reach);
        most = fabsf(s.want[j]) > fabsf(most) ? s.want[j] : most;
    }
    *ret = (struct super_scaled){0};
    search_d(&s, most / (float)scale_low, effort->rounds, ret, &error);
    search_d(&s, most / (float)scale_high, effort->rounds, ret, &error);
    for (int j = 0; j < groups; j++)
        fit_scale_codes(g, x + j * s.n, s.n, f16_to_f32(ret->d) * (float)ret->scales[j], ret->codes + j * s.n);
}

/* ---- scales and minima ---- */
struct affine_search {
    float high;
    int groups, n, most;
    const float *x, *w;
    float weights[SUPER_MAX_GROUPS];
    float scale[SUPER_MAX_GROUPS], min[SUPER_MAX_GROUPS];   /* each group's own best; min as it is subtracted */
};

/* Sums over the super-block for the best d and dmin: x ~ d a - dmin b with a = scale q, b = min. */
struct affine_sums {
    double xa, xb, aa, ab, bb;
};

static struct fit_affine choose_pair(const struct affine_search *s, int j, float d, float dmin, int *ret_scale,
                                     int *ret_min)
{
    int scale = d > 0 ? whole(s->scale[j] / d, 0, s->most) : 0;
    int min = dmin > 0 ? whole(s->min[j] / dmin, 0, s->most) : 0;
    struct fit_affine best = {.error = INFINITY};
    for (int a = scale; a <= scale + 1 && a <= s->most; a++) {
        for (int b = min > 0 ? min - 1 : 0; b <= min + 2 && b <= s->most; b++) {
            struct fit_affine fit = fit_affine_try(s->high, s->x + j * s->n, s->w + j * s->n, s->n, d * (float)a,
                                                   -dmin * (float)b);
            if (!(fit.error < best.error))
                continue;
            best = fit;
            *ret_scale = a;
            *ret_min = b;
        }
    }
    return best;
}

static float choose_pairs(const struct affine_search *s, float d, float dmin, struct super_affine *to,
                          struct affine_sums *ret)
{
    struct affine_sums sums = {0};
    double error = 0;
    for (int j = 0; j < s->groups; j++) {
        int scale = 0, min = 0;
        struct fit_affine fit = choose_pair(s, j, d, dmin, &scale, &min);
        error += fit.error;
        sums.xa += (double)scale * fit.xq;
        sums.xb += (double)min * fit.xs;
        sums.aa += (double)scale * scale * fit.qq;
        sums.ab += (double)scale * min * fit.q;
        sums.bb += (double)min * min * s->weights[j];
        to->scales[j] = (uint8_t)scale;
        to->mins[j] = (uint8_t)min;
    }
    *ret = sums;
    return (float)error;
}

/* The best d and dmin for the sums; neither below 0. */
static void solve(const struct affine_sums *s, float *d, float *dmin)
{
    double det = s->aa * s->bb - s->ab * s->ab;
    if (det > 1e-9 * s->aa * s->bb) {
        *d = (float)((s->xa * s->bb - s->ab * s->xb) / det);
        *dmin = (float)((s->xa * s->ab - s->aa * s->xb) / det);
    } else if (s->aa > 0) {
        *d = (float)((s->xa + *dmin * s->ab) / s->aa);
    }
    *d = *d > 0 ? *d : 0;
    *dmin = *dmin > 0 ? *dmin : 0;
}

static void search_pairs(const struct affine_search *s, float d, float dmin, int rounds, struct super_affine *best,
                         float *best_error)
{
    for (; rounds > 0; rounds--) {
        struct super_affine now = {.d = half_of(d), .dmin = half_of(dmin)};
        struct affine_sums sums;
        d = f16_to_f32(now.d);
        dmin = f16_to_f32(now.dmin);
        float error = choose_pairs(s, d, dmin, &now, &sums);
        if (!(error < *best_error))
            return;
        *best_error = error;
        *best = now;
        solve(&sums, &d, &dmin);
    }
}

void super_affine_fit(float high, int groups, int most, const struct super_effort *effort, const float *x,
                      const float *w, struct super_affine *ret)
{
    struct affine_search s = {.high = high, .groups = groups, .n = SUPER_BLOCK / groups, .most = most, .x = x, .w = w};
    float max_scale = 0, max_min = 0, error = INFINITY;
    for (int j = 0; j < groups; j++) {
        struct fit_affine fit = fit_affine_search(high, true, x + j * s.n, w + j * s.n, s.n, effort->tries,
                                                  effort->reach);
        s.scale[j] = fit.scale;
        s.min[j] = -fit.min;
        for (int i = 0; i < s.n; i++)
            s.weights[j] += w[j * s.n + i];
        max_scale = s.scale[j] > max_scale ? s.scale[j] : max_scale;
        max_min = s.min[j] > max_min ? s.min[j] : max_min;
    }
    *ret = (struct super_affine){0};
    search_pairs(&s, max_scale / (float)most, max_min / (float)most, effort->rounds, ret, &error);
    for (int j = 0; j < groups; j++)
        fit_affine_codes(high, x + j * s.n, s.n, f16_to_f32(ret->d) * (float)ret->scales[j],
                         -f16_to_f32(ret->dmin) * (float)ret->mins[j], ret->codes + j * s.n);
}
