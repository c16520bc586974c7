/* Weighted least squares on one group of at most FIT_MAX values: the scale (and minimum) that leave the smallest error
 * once every value is rounded to its grid.
 *
 * x and w have n values each, n a multiple of 4; weights are finite, at least 0 and not all 0. Errors are sums of w
 * times the squared difference. No state, any thread; the same input gives the same bits. */
#ifndef RUNG_MODEL_QUANTIZE_FIT_H
#define RUNG_MODEL_QUANTIZE_FIT_H

#include <stdbool.h>

#include "model/quantize/quads.h"

#define FIT_MAX 256

/* What a code can mean before it is scaled: the whole numbers from low to high, or a table. */
struct fit_grid {
    float low, high;
    int n_steps;                     /* 0: whole numbers; else values of the table less one */
    float middle[15], step[15];      /* between neighbours of the table: the half way, and the distance */
};
struct fit_grid fit_grid_whole(float low, float high);
struct fit_grid fit_grid_table(const int8_t *values, int n);   /* ascending */

/* ---- x ~ scale * grid ---- */
struct fit_scale {
    float error;
    float xg, gg;                    /* sums of w x g and w g g: xg / gg is the best scale for these g */
};
struct fit_scale fit_scale_try(const struct fit_grid *g, const float *x, const float *w, int n, float scale);
/* The search: `tries` ranges from the whole one inwards and outwards, `reach` grid steps either way, both signs. */
float fit_scale_search(const struct fit_grid *g, const float *x, const float *w, int n, int tries, float reach);
/* The grid values of x. */
void fit_scale_codes(const struct fit_grid *g, const float *x, int n, float scale, float *ret_g);

/* ---- x ~ scale * q + min, q whole from 0 to high ---- */
struct fit_affine {
    float scale, min;
    float error;
    float xq, q, qq, xs;             /* sums of w x q, w q, w q q, w x */
};
struct fit_affine fit_affine_try(float high, const float *x, const float *w, int n, float scale, float min);
/* below: min must not be above 0. */
struct fit_affine fit_affine_search(float high, bool below, const float *x, const float *w, int n, int tries,
                                    float reach);
void fit_affine_codes(float high, const float *x, int n, float scale, float min, float *ret_q);

#endif
