/* Blocks of 32 values: one scale as a half float (Q4_1 and Q5_1: and a minimum; MXFP4: a power of two instead). The
 * search works on floats; here its result is rounded to what the block can hold before the codes are taken. */
#include "model/quantize/pack.h"

#include <math.h>

#include "model/quantize/super.h"

#define N 32
#define MXFP4_BIAS 128         /* tensor_mxfp4_halves are doubled: one more than E8M0's 127 */
#define MXFP4_MAX_CODE 12.0f

/* Bytes of nibbles: low ones are elements 0 to 15, high ones 16 to 31. */
static void put_nibbles(const uint8_t code[N], uint8_t qs[N / 2])
{
    for (int i = 0; i < N / 2; i++)
        qs[i] = (uint8_t)((code[i] & 15) | code[i + N / 2] << 4);
}

static void put_fifth_bits(const uint8_t code[N], uint8_t qh[4])
{
    memset(qh, 0, 4);
    for (int i = 0; i < N; i++)
        qh[i / 8] = (uint8_t)(qh[i / 8] | (code[i] >> 4 & 1) << i % 8);
}

static void codes_from(const float *g, int offset, uint8_t code[N])
{
    for (int i = 0; i < N; i++)
        code[i] = (uint8_t)((int)g[i] + offset);
}

/* The scale as a half float, and the codes that go with it. */
static uint16_t fit_half(const struct fit_grid *g, const float *x, const float *w, int tries, float reach,
                         float codes[N])
{
    uint16_t d = half_of(fit_scale_search(g, x, w, N, tries, reach));
    fit_scale_codes(g, x, N, f16_to_f32(d), codes);
    return d;
}

void pack_q4_0(const float *x, const float *w, void *block)
{
    struct block_q4_0 *b = block;
    struct fit_grid g = fit_grid_whole(-8, 7);
    float codes[N];
    uint8_t code[N];
    b->d = fit_half(&g, x, w, 9, 1.6f, codes);
    codes_from(codes, 8, code);
    put_nibbles(code, b->qs);
}

void pack_q5_0(const float *x, const float *w, void *block)
{
    struct block_q5_0 *b = block;
    struct fit_grid g = fit_grid_whole(-16, 15);
    float codes[N];
    uint8_t code[N];
    b->d = fit_half(&g, x, w, 11, 2.5f, codes);
    codes_from(codes, 16, code);
    put_nibbles(code, b->qs);
    put_fifth_bits(code, b->qh);
}

void pack_q8_0(const float *x, const float *w, void *block)
{
    struct block_q8_0 *b = block;
    struct fit_grid g = fit_grid_whole(-127, 127);
    float codes[N];
    b->d = fit_half(&g, x, w, 5, 0.8f, codes);
    for (int i = 0; i < N; i++)
        b->qs[i] = (int8_t)codes[i];
}

/* Scale and minimum as half floats. Rounding the scale moves the best minimum: it is solved for once more. */
static void fit_halves(float high, const float *x, const float *w, int tries, float reach, uint16_t *ret_d,
                       uint16_t *ret_m, uint8_t code[N])
{
    struct fit_affine fit = fit_affine_search(high, false, x, w, N, tries, reach);
    uint16_t d = half_of(fit.scale), m = half_of(fit.min);
    float weights = 0, codes[N];
    for (int i = 0; i < N; i++)
        weights += w[i];
    struct fit_affine first = fit_affine_try(high, x, w, N, f16_to_f32(d), f16_to_f32(m));
    uint16_t m2 = half_of((first.xs - f16_to_f32(d) * first.q) / weights);
    if (fit_affine_try(high, x, w, N, f16_to_f32(d), f16_to_f32(m2)).error < first.error)
        m = m2;
    fit_affine_codes(high, x, N, f16_to_f32(d), f16_to_f32(m), codes);
    codes_from(codes, 0, code);
    *ret_d = d;
    *ret_m = m;
}

void pack_q4_1(const float *x, const float *w, void *block)
{
    struct block_q4_1 *b = block;
    uint8_t code[N];
    fit_halves(15, x, w, 9, 1.8f, &b->d, &b->m, code);
    put_nibbles(code, b->qs);
}

void pack_q5_1(const float *x, const float *w, void *block)
{
    struct block_q5_1 *b = block;
    uint8_t code[N];
    fit_halves(31, x, w, 11, 2.5f, &b->d, &b->m, code);
    put_nibbles(code, b->qs);
    put_fifth_bits(code, b->qh);
}

static uint8_t code_of(const int8_t values[16], float value)
{
    uint8_t code = 0;
    while (code < 15 && (float)values[code] != value)
        code++;
    return code;
}

void pack_iq4_nl(const float *x, const float *w, void *block)
{
    struct block_iq4_nl *b = block;
    struct fit_grid g = fit_grid_table(tensor_iq4_values, 16);
    float codes[N];
    uint8_t code[N];
    b->d = fit_half(&g, x, w, 9, 24, codes);
    for (int i = 0; i < N; i++)
        code[i] = code_of(tensor_iq4_values, codes[i]);
    put_nibbles(code, b->qs);
}

/* Zero has two codes: the table is 0 1 2 3 4 6 8 12 and the same with the sign bit, so the ascending one leaves -0
 * out. */
static struct fit_grid mxfp4_grid(void)
{
    static const int8_t ascending[15] = {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12};
    return fit_grid_table(ascending, 15);
}

void pack_mxfp4(const float *x, const float *w, void *block)
{
    struct block_mxfp4 *b = block;
    struct fit_grid g = mxfp4_grid();
    float amax = 0, codes[N], best = INFINITY;
    uint8_t code[N];
    int exponent = 0;
    for (int i = 0; i < N; i++)
        amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
    frexpf(amax / MXFP4_MAX_CODE, &exponent);
    b->e = 0;
    for (int e = exponent - 2; e <= exponent + 1 && amax > 0; e++) {
        if (e + MXFP4_BIAS < 0 || e + MXFP4_BIAS > 254)
            continue;
        float error = fit_scale_try(&g, x, w, N, mxfp4_scale((uint8_t)(e + MXFP4_BIAS))).error;
        if (error < best) {
            best = error;
            b->e = (uint8_t)(e + MXFP4_BIAS);
        }
    }
    fit_scale_codes(&g, x, N, mxfp4_scale(b->e), codes);
    for (int i = 0; i < N; i++)
        code[i] = code_of(tensor_mxfp4_halves, codes[i]);
    put_nibbles(code, b->qs);
}
