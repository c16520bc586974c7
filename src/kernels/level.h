/* What the levels share and nobody else sees: the prepared activation, the packed scales of K blocks, the steps of exp,
 * and the functions that fill the table. Inline functions here are static: an object compiled for one instruction set
 * must not lend its copy to a CPU without it. */
#ifndef RUNG_KERNELS_LEVEL_H
#define RUNG_KERNELS_LEVEL_H

#include <string.h>

#include "kernels/kernels.h"

/* Each overwrites the entries it has something better for; call the AVX ones only on a CPU that has them. */
void matmul_fill_ref(struct matmul_kernels *m);
void attention_fill_ref(struct attention_kernels *a);
void vector_fill_ref(struct vector_kernels *v);
void matmul_fill_avx2(struct matmul_kernels *m);
void attention_fill_avx2(struct attention_kernels *a);
void vector_fill_avx2(struct vector_kernels *v);
void matmul_fill_avxvnni(struct matmul_kernels *m); /* over AVX2's */
void matmul_fill_avx512(struct matmul_kernels *m);
void attention_fill_avx512(struct attention_kernels *a);
void vector_fill_avx512(struct vector_kernels *v);

/* ACT_Q8_32: a row is k / 32 of these. */
struct act_block_32 {
    float d;
    int32_t sum;
    int8_t q[32];
};

/* ACT_Q8_256: a row is k / 256 of these. pair_sums are the sums of 32, the order 0 2 1 3 4 6 5 7 so that two neighbours
 * meet the minima of a K block where these lie in the low and the high bytes of a word (see k_scales). */
struct act_block_256 {
    int8_t q[256];
    int16_t sums[16];
    int16_t pair_sums[8];
    float d;
    int32_t pad[3];
};

/* A block whose scale would be subnormal is all zeros: 1 / d must be finite. */
#define ACT_MIN_SCALE 0x1p-126f

/* The 6-bit scales and minima of a Q4_K or Q5_K block, one byte each, sub-block j in byte j. */
struct k_scales {
    uint32_t scale[2], min[2];
};

static inline struct k_scales k_scales_unpack(const uint8_t packed[12])
{
    uint32_t u[3];
    memcpy(u, packed, sizeof u);
    return (struct k_scales){
        .scale = {u[0] & 0x3f3f3f3f, (u[2] & 0x0f0f0f0f) | (u[0] >> 2 & 0x30303030)},
        .min = {u[1] & 0x3f3f3f3f, (u[2] >> 4 & 0x0f0f0f0f) | (u[1] >> 2 & 0x30303030)},
    };
}

/* exp(x): n = round(x / ln 2) by adding EXP_ROUND; r = x - n ln 2 in two steps; Taylor's polynomial of degree 7 in r,
 * whose error 5e-9 is below a tenth of an ulp; times 2^(n / 2) and 2^(n - n / 2), so that only the last product rounds.
 */
#define EXP_MIN -105.0f
#define EXP_MAX 89.0f
#define EXP_LOG2E 0x1.715476p+0f
#define EXP_ROUND 0x1.8p+23f
#define EXP_ROUND_BITS 0x4b400000
#define EXP_LN2_HIGH 0x1.62e4p-1f
#define EXP_LN2_LOW 0x1.7f7d1cp-20f
#define EXP_C7 (1.0f / 5040)
#define EXP_C6 (1.0f / 720)
#define EXP_C5 (1.0f / 120)
#define EXP_C4 (1.0f / 24)
#define EXP_C3 (1.0f / 6)
#define EXP_C2 0.5f

#endif
