/* Four floats at once, as every compiler knows them, and rounding to a grid. Plain vectors, no instruction set: the
 * same bits everywhere. */
#ifndef RUNG_MODEL_QUANTIZE_QUADS_H
#define RUNG_MODEL_QUANTIZE_QUADS_H

#include <stdint.h>
#include <string.h>

typedef float quad __attribute__((vector_size(16)));
typedef int32_t quad_bits __attribute__((vector_size(16)));

#define QUAD_ROUND 0x1.8p+23f   /* adding and taking it away rounds to the nearest whole number, |x| < 2^22 */

static inline quad quad_of(float v)
{
    return (quad){v, v, v, v};
}

static inline quad quad_load(const float *p)
{
    quad v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void quad_store(float *p, quad v)
{
    memcpy(p, &v, sizeof v);
}

static inline float quad_sum(quad v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

static inline quad quad_pick(quad_bits mask, quad yes, quad no)
{
    return (quad)(((quad_bits)yes & mask) | ((quad_bits)no & ~mask));
}

/* The nearest whole number from low to high. */
static inline quad quad_round(quad v, float low, float high)
{
    v = quad_pick(v < low, quad_of(low), v);
    v = quad_pick(v > high, quad_of(high), v);
    return (v + QUAD_ROUND) - QUAD_ROUND;
}

#endif
