/* Sixteen-lane sums, exp and quick helpers of the reference kernels. */
#ifndef RUNG_KERNELS_REF_LANES_H
#define RUNG_KERNELS_REF_LANES_H

#include <math.h>

#include "kernels/level.h"

#define LANES 16

/* The fixed order of every sum over lanes: 8, 4, 2, 1. */
static inline float lanes_fold(float lane[LANES])
{
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static inline float ref_power_of_two(int32_t n)
{
    union {
        uint32_t u;
        float f;
    } x = {.u = (uint32_t)(n + 127) << 23};
    return x.f;
}

static inline float ref_exp(float x)
{
    if (isnan(x))
        return x;
    x = EXP_MIN > x ? EXP_MIN : x;
    x = EXP_MAX < x ? EXP_MAX : x;
    union {
        float f;
        int32_t i;
    } rounded = {.f = fmaf(x, EXP_LOG2E, EXP_ROUND)};
    float nf = rounded.f - EXP_ROUND;
    int32_t n = rounded.i - EXP_ROUND_BITS;
    float r = fmaf(nf, -EXP_LN2_HIGH, x);
    r = fmaf(nf, -EXP_LN2_LOW, r);
    float p = fmaf(EXP_C7, r, EXP_C6);
    p = fmaf(p, r, EXP_C5);
    p = fmaf(p, r, EXP_C4);
    p = fmaf(p, r, EXP_C3);
    p = fmaf(p, r, EXP_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    int32_t half = n >> 1;
    return p * ref_power_of_two(half) * ref_power_of_two(n - half);
}

#endif
