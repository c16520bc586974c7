/* Super-blocks of 256 values: groups whose scales (and minima) are themselves small whole numbers times a half float.
 * The groups' own best scales are only a start: which whole numbers and which half float go best together is searched
 * in turns. */
#ifndef RUNG_MODEL_QUANTIZE_SUPER_H
#define RUNG_MODEL_QUANTIZE_SUPER_H

#include "model/quantize/fit.h"

#define SUPER_BLOCK 256
#define SUPER_MAX_GROUPS 16

/* How hard to look, found by measuring: see docs/quantisation.md. */
struct super_effort {
    int tries;          /* ranges tried for each group */
    float reach;        /* how many grid steps wider or narrower than its values */
    int rounds;         /* turns between the half float and the whole numbers */
};

/* x ~ d * scales[group] * grid */
struct super_scaled {
    uint16_t d;
    int8_t scales[SUPER_MAX_GROUPS];
    float codes[SUPER_BLOCK];        /* values of the grid */
};
/* Whole scales from scale_low (below 0) to scale_high; `groups` groups of equal length. */
void super_scaled_fit(const struct fit_grid *g, int groups, int scale_low, int scale_high,
                      const struct super_effort *effort, const float *x, const float *w, struct super_scaled *ret);

/* x ~ d * scales[group] * q - dmin * mins[group], q from 0 to high, scales and mins from 0 to most */
struct super_affine {
    uint16_t d, dmin;
    uint8_t scales[SUPER_MAX_GROUPS], mins[SUPER_MAX_GROUPS];
    float codes[SUPER_BLOCK];
};
void super_affine_fit(float high, int groups, int most, const struct super_effort *effort, const float *x,
                      const float *w, struct super_affine *ret);

/* A finite half float near v: what is too large becomes the largest there is. */
uint16_t half_of(float v);

#endif
